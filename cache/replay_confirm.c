/* SPDX-License-Identifier: MIT */
/*
 * NEW, CONFIRMED: the server has it under a UID, and we still have our octets. One FETCH for all says what it made of
 * them. Where it claims the same size, and ours are of the kind that no server alters (octets.h), they become the
 * cached body, so that what was just written is read without the network; else the body is what the server has, to be
 * fetched when somebody reads it. Flags that it forgot (Exchange), or brought along from what was copied, are set
 * again.
 */
#include <unistd.h>

#include "cache/octets.h"
#include "cache/replay_octets.h"
#include "cache/replay_private.h"
#include "cache/words.h"

#define CHUNK (64 * 1024)
#define OURS (IMAP_FLAG_SEEN | IMAP_FLAG_ANSWERED | IMAP_FLAG_FLAGGED | IMAP_FLAG_DELETED | IMAP_FLAG_DRAFT)

typedef struct {
  Replay *replay;
  ImapConn *conn;
  JournalBatch *batch;
  guint32 uidvalidity;
  gboolean writable;
  GHashTable *found; /* UID -> ImapMessage */
} Work;

static void message_free(gpointer data) {
  imap_message_clear(data);
  g_free(data);
}

static void work_clear(Work *work) {
  g_clear_pointer(&work->found, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

static Account *account_of(const Work *work) {
  return replay_account(work->replay);
}

static const JournalItem *item_at(const Work *work, guint i) {
  return &g_array_index(work->batch->items, JournalItem, i);
}

/* ---- what the server has ------------------------------------------------------------------------------------ */

/* To set flags it has to be opened for changing; to compare it need not. */
static gboolean open_target(Work *work, GError **error) {
  Account *account = account_of(work);
  g_auto(ImapMailbox) opened = {0}, examined = {0};
  g_auto(IndexMailbox) target = {0};
  g_autoptr(GError) failed = NULL;
  work->writable = replay_select(work->replay, work->conn, work->batch->target, &opened, &failed);
  if (!work->writable && !g_error_matches(failed, IMAP_ERROR, IMAP_ERROR_READONLY)) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  if (!index_get_mailbox(account->index, work->batch->target, &target, error) ||
      (!work->writable && !account_open_mailbox(account, work->conn, &target, &examined, NULL, error)))
    return FALSE;
  work->uidvalidity = target.uidvalidity; /* as the index knows it: 0 where it was not listed yet */
  return TRUE;
}

static void take(Work *work, ImapMessage *message) {
  const guint needed = IMAP_HAS_UID | IMAP_HAS_SIZE | IMAP_HAS_FLAGS;
  if ((message->has & needed) != needed)
    return;
  g_hash_table_replace(work->found, GUINT_TO_POINTER(message->uid), g_memdup2(message, sizeof *message));
  *message = (ImapMessage){0};
}

static gboolean no_body(gpointer data, guint64 size) {
  (void)data;
  (void)size;
  return FALSE;
}

static gboolean fetch_some(Work *work, const ImapSeqset *uids, GError **error) {
  static const ImapSink sink = {.begin = no_body};
  GCancellable *c = account_of(work)->cancellable;
  if (!imap_fetch_send(work->conn, uids, IMAP_FETCH_LISTING, c, error))
    return FALSE;
  for (;;) {
    g_auto(ImapMessage) message = {0};
    g_autoptr(GError) failed = NULL;
    ImapFetchResult result = imap_fetch_next(work->conn, &sink, NULL, &message, c, &failed);
    if (result == IMAP_FETCH_MESSAGE)
      take(work, &message);
    if (failed)
      g_propagate_error(error, g_steal_pointer(&failed));
    if (result == IMAP_FETCH_DONE || result == IMAP_FETCH_FAILED)
      return !error || !*error;
  }
}

static gboolean fetch(Work *work, GError **error) {
  g_autoptr(ImapSeqset) rest = imap_seqset_new();
  for (guint i = 0; i < work->batch->items->len; i++)
    imap_seqset_add(rest, item_at(work, i)->uid, item_at(work, i)->uid);
  while (!imap_seqset_empty(rest)) {
    g_autoptr(ImapSeqset) some = imap_seqset_take(rest, G_MAXUINT64, IMAP_LIMIT_COMMAND - 400);
    if (!fetch_some(work, some, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- flags -------------------------------------------------------------------------------------------------- */

/* One STORE: "+4 $Label1" -> UIDs. */
static void want(GHashTable *stores, char sign, guint flags, const char *keywords, guint32 uid) {
  if (flags == 0 && !keywords)
    return;
  g_autofree char *key = g_strdup_printf("%c%u %s", sign, flags, keywords ? keywords : "");
  ImapSeqset *uids = g_hash_table_lookup(stores, key);
  if (!uids)
    g_hash_table_insert(stores, g_steal_pointer(&key), uids = imap_seqset_new());
  imap_seqset_add(uids, uid, uid);
}

static void compare_flags(GHashTable *stores, const JournalItem *item, const ImapMessage *there) {
  g_autofree char *keywords = words_join(there->keywords);
  guint flags = item->flags & OURS, has = there->flags & OURS;
  g_autofree char *missing = words_without(item->keywords, keywords);
  want(stores, '+', flags & ~has, missing, item->uid);
  /* What others have set meanwhile stays; a copy has those of what was copied. */
  g_autofree char *extra = item->copy ? words_without(keywords, item->keywords) : NULL;
  if (item->copy)
    want(stores, '-', has & ~flags, extra, item->uid);
}

static void note_stored(Work *work, const ImapSeqset *uids, const ImapFlagging *flagging) {
  g_autofree char *changed = words_join((char *const *)flagging->keywords);
  GHashTableIter iter;
  gpointer uid, value;
  g_hash_table_iter_init(&iter, work->found);
  while (g_hash_table_iter_next(&iter, &uid, &value)) {
    ImapMessage *there = value;
    if (!imap_seqset_contains(uids, GPOINTER_TO_UINT(uid)))
      continue;
    there->flags = flagging->add ? there->flags | flagging->flags : there->flags & ~flagging->flags;
    g_autofree char *had = words_join(there->keywords), *has = NULL;
    has = flagging->add ? words_with(had, changed) : words_without(had, changed);
    g_strfreev(there->keywords);
    there->keywords = words_split(has);
  }
}

/* A refusal is no reason to keep the message in the journal: it is as it is. */
static gboolean store(Work *work, const char *key, const ImapSeqset *uids, GError **error) {
  g_auto(ImapEffect) effect = {0};
  g_autoptr(GError) failed = NULL;
  g_auto(GStrv) words = words_split(key + 1);
  ImapFlagging flagging = {.add = key[0] == '+',
                           .flags = (guint)g_ascii_strtoull(words[0], NULL, 10),
                           .keywords = (const char *const *)words + 1};
  steps_one();
  imap_store(work->conn, uids, &flagging, &effect, account_of(work)->cancellable, &failed);
  steps_one();
  if (effect.done)
    note_stored(work, effect.done, &flagging);
  if (!imap_conn_failed(work->conn))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean set_flags(Work *work, GError **error) {
  g_autoptr(GHashTable) stores =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)imap_seqset_free);
  GHashTableIter iter;
  gpointer key, uids;
  for (guint i = 0; work->writable && i < work->batch->items->len; i++) {
    const ImapMessage *there = g_hash_table_lookup(work->found, GUINT_TO_POINTER(item_at(work, i)->uid));
    if (there)
      compare_flags(stores, item_at(work, i), there);
  }
  g_hash_table_iter_init(&iter, stores);
  while (g_hash_table_iter_next(&iter, &key, &uids))
    if (!store(work, key, uids, error))
      return FALSE;
  return TRUE;
}

/* ---- octets ------------------------------------------------------------------------------------------------- */

/* Into a body, where there is room for one. TRUE: no server would alter them. */
static gboolean copy_octets(ReplayOctets *octets, guint64 size, BodyTemp **temp) {
  g_autofree guint8 *buffer = g_malloc(CHUNK);
  Octets look;
  octets_init(&look);
  for (guint64 left = size; left > 0;) {
    gsize n = 0;
    if (!replay_octets_read(octets, buffer, (gsize)MIN(left, CHUNK), &n, NULL) || n == 0) {
      g_clear_pointer(temp, body_discard); /* half a message is none */
      return FALSE;
    }
    if (*temp && !body_write(*temp, buffer, n, NULL))
      g_clear_pointer(temp, body_discard);
    octets_feed(&look, buffer, n);
    left -= n;
  }
  return octets_are_plain(&look);
}

/* TRUE: the server has what we have. What was copied has been altered once, and is not altered again. */
static gboolean keep_octets(Work *work, const JournalItem *item, const ImapMessage *there) {
  Account *account = account_of(work);
  g_autoptr(ReplayOctets) octets = replay_octets_new(account, item);
  IndexKey key = {.row = item->row, .mailbox = work->batch->target, .uidvalidity = work->uidvalidity, .uid = item->uid};
  if (item->size != there->size)
    return FALSE;
  if (!replay_octets_open(octets, NULL))
    return item->copy != 0; /* the server copied them, and they never were here */
  g_autoptr(BodyTemp) temp = body_begin(account->bodies, NULL);
  if (!copy_octets(octets, item->size, &temp) && item->copy == 0)
    return FALSE;
  int fd = temp ? body_commit(g_steal_pointer(&temp), &key, 0, NULL) : -1;
  if (fd >= 0)
    close(fd);
  return TRUE;
}

static gboolean finish(Work *work, const JournalItem *item, GError **error) {
  const ImapMessage *there = g_hash_table_lookup(work->found, GUINT_TO_POINTER(item->uid));
  if (!there) {
    sync_doubt(replay_sync(work->replay), work->batch->target);
    return replay_finished(work->replay, item, NULL, error);
  }
  g_autofree char *keywords = words_join(there->keywords);
  ReplayFound found = {.altered = !keep_octets(work, item, there),
                       .claim = there->size,
                       .emailid = there->emailid,
                       .flags = there->flags & OURS,
                       .keywords = keywords};
  return replay_finished(work->replay, item, &found, error);
}

gboolean replay_confirm(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  g_auto(Work) work = {.replay = replay, .conn = conn, .batch = batch};
  g_autoptr(GError) failed = NULL;
  if (item_at(&work, 0)->uid == 0)
    return replay_seek_new(replay, conn, batch, error);
  work.found = g_hash_table_new_full(NULL, NULL, NULL, message_free);
  if (!open_target(&work, &failed) || !fetch(&work, &failed) || !set_flags(&work, &failed))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failed), error);
  for (guint i = 0; i < batch->items->len; i++)
    if (!finish(&work, item_at(&work, i), error))
      return FALSE;
  return TRUE;
}
