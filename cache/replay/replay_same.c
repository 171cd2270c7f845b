/* SPDX-License-Identifier: MIT */
/*
 * A message that was written anew without having been read here, as `cp`, rsync and a restore do: whether its octets
 * are the old ones nobody could tell. Where they may be, the old ones are fetched before the new ones are sent, and if
 * they are the same nothing is sent, and the message keeps its UID.
 *
 * A server that loses the line over such a message would do so each time: then it is put off, and sent unseen.
 */
#include <string.h>
#include <unistd.h>

#include "cache/ask.h"
#include "cache/replay/replay_state.h"

typedef struct {
  Replay *replay;
  ImapConn *conn;
  GHashTable *wanted; /* UID -> JournalItem */
  IndexMailbox target;
  BodyTemp *temp; /* what is coming in; or NULL: no room for it */
  gboolean whole;
  GHashTable *same; /* seqs */
} Work;

static void work_clear(Work *work) {
  g_clear_pointer(&work->wanted, g_hash_table_unref);
  g_clear_pointer(&work->same, g_hash_table_unref);
  g_clear_pointer(&work->temp, body_discard);
  index_mailbox_clear(&work->target);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

static Account *account_of(const Work *work) {
  return replay_account(work->replay);
}

/* ---- one body ----------------------------------------------------------------------------------------------- */

static gboolean begin_body(gpointer data, guint64 size) {
  Work *work = data;
  (void)size;
  g_clear_pointer(&work->temp, body_discard);
  work->whole = FALSE;
  work->temp = body_begin(account_of(work)->bodies, NULL);
  return work->temp != NULL;
}

static gboolean write_body(gpointer data, const void *octets, gsize len) {
  Work *work = data;
  if (body_write(work->temp, octets, len, NULL))
    return TRUE;
  g_clear_pointer(&work->temp, body_discard);
  return FALSE;
}

static void end_body(gpointer data, gboolean whole) {
  ((Work *)data)->whole = whole;
}

/* ---- what it is --------------------------------------------------------------------------------------------- */

typedef struct {
  const JournalItem *item;
  BodyDigest digest;
  gboolean same;
} Outcome;

/* What differs is known from now on, and not fetched again. */
static gboolean write_outcome(IndexTxn *txn, gpointer data, GError **error) {
  const Outcome *outcome = data;
  return outcome->same
             ? journal_unchanged(txn, outcome->item, error)
             : index_set_size(txn, outcome->item->replaces, outcome->digest.size, outcome->digest.sha256, 0, error);
}

static void keep_body(Work *work, const JournalItem *item, guint32 uid) {
  IndexKey key = {.row = item->row, .mailbox = work->target.row, .uidvalidity = work->target.uidvalidity, .uid = uid};
  int fd = body_commit(g_steal_pointer(&work->temp), &key, 0, NULL);
  if (fd >= 0)
    close(fd);
}

static void settle_same(Work *work, const JournalItem *item, guint32 uid) {
  keep_body(work, item, uid);
  if (item->spooled)
    spool_drop(account_of(work)->spool, item->row);
  g_hash_table_add(work->same, g_memdup2(&item->seq, sizeof item->seq));
  replay_tell(work->replay, item->row, NULL);
}

/* One that a user has changed since is asked for anew, and what could not be written down is sent. */
static gboolean compare(const ImapMessage *message, gpointer data, G_GNUC_UNUSED GError **unused) {
  Work *work = data;
  g_autoptr(GError) error = NULL;
  Outcome outcome = {.item = g_hash_table_lookup(work->wanted, GUINT_TO_POINTER(message->uid))};
  if (!outcome.item || !(message->has & IMAP_HAS_BODY) || !work->whole || !work->temp)
    return TRUE;
  body_digest(work->temp, &outcome.digest);
  outcome.same = memcmp(outcome.digest.sha256, outcome.item->sha256, sizeof outcome.digest.sha256) == 0;
  if (!outcome.same && outcome.digest.size != outcome.item->size)
    return TRUE; /* a wrong claim, of what is about to go */
  steps_one();
  if (!index_write(account_of(work)->index, INDEX_SYNC, write_outcome, &outcome, &error))
    g_info("what a file replaces is not known: %s", error->message);
  else if (outcome.same)
    settle_same(work, outcome.item, message->uid);
  g_hash_table_remove(work->wanted, GUINT_TO_POINTER(message->uid));
  return TRUE;
}

/* ---- all of them -------------------------------------------------------------------------------------------- */

static gboolean fetch_wanted(Work *work, GError **error) {
  static const ImapSink sink = {.begin = begin_body, .write = write_body, .end = end_body};
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  GHashTableIter iter;
  gpointer uid;
  g_hash_table_iter_init(&iter, work->wanted);
  while (g_hash_table_iter_next(&iter, &uid, NULL))
    imap_seqset_add(uids, GPOINTER_TO_UINT(uid), GPOINTER_TO_UINT(uid));
  return account_open_mailbox(account_of(work), work->conn, &work->target, NULL, NULL, error) &&
         ask_bodies(account_of(work), work->conn, uids, &sink, compare, work, error);
}

/* FALSE: the line is lost. What the server will not tell is sent. */
static gboolean fetch(Work *work, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (fetch_wanted(work, &failed) || !imap_conn_failed(work->conn))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* Those that nothing is known of yet. */
static gboolean put_off(Work *work, const GError *lost, GError **error) {
  GHashTableIter iter;
  gpointer item;
  g_hash_table_iter_init(&iter, work->wanted);
  while (g_hash_table_iter_next(&iter, NULL, &item))
    if (!g_error_matches(lost, IMAP_ERROR, IMAP_ERROR_CANCELLED) && !replay_put_off(work->replay, item, lost, error))
      return FALSE;
  return TRUE;
}

static void find_wanted(Work *work, JournalBatch *batch) {
  for (guint i = 0; i < batch->items->len; i++) {
    JournalItem *item = &g_array_index(batch->items, JournalItem, i);
    IndexKey key = {0};
    if (item->replaces != 0 && index_get_key(account_of(work)->index, item->replaces, &key, NULL))
      g_hash_table_insert(work->wanted, GUINT_TO_POINTER(key.uid), item);
  }
}

static void take_out(Work *work, JournalBatch *batch) {
  for (guint i = batch->items->len; i > 0; i--)
    if (g_hash_table_contains(work->same, &g_array_index(batch->items, JournalItem, i - 1).seq))
      g_array_remove_index(batch->items, i - 1);
}

gboolean replay_same(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  g_auto(Work) work = {.replay = replay, .conn = conn, .wanted = g_hash_table_new(NULL, NULL)};
  g_autoptr(GError) lost = NULL;
  work.same = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  find_wanted(&work, batch);
  if (g_hash_table_size(work.wanted) == 0)
    return TRUE;
  if (!index_need_mailbox(replay_account(replay)->index, batch->target, &work.target, error))
    return FALSE;
  gboolean ok = fetch(&work, &lost);
  if (!ok && put_off(&work, lost, error))
    g_propagate_error(error, g_steal_pointer(&lost));
  take_out(&work, batch);
  return ok;
}
