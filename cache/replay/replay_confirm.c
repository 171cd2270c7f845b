/* SPDX-License-Identifier: MIT */
/*
 * NEW, CONFIRMED: the server has it under a UID, and we still have our octets. One FETCH for all says what it made of
 * them, and ours become the cached body where they are the same (replay_keep.h), so that what was just written is read
 * without the network; else the body is what the server has. Flags that it forgot (Exchange), or brought along from
 * what was copied, are set again.
 */
#include <string.h>

#include "cache/ask.h"
#include "cache/journal/words.h"
#include "cache/replay/replay_keep.h"
#include "cache/replay/replay_private.h"
#include "cache/tree/names.h"

#define OURS (IMAP_FLAG_SEEN | IMAP_FLAG_ANSWERED | IMAP_FLAG_FLAGGED | IMAP_FLAG_DELETED | IMAP_FLAG_DRAFT)

typedef struct {
  Replay *replay;
  ImapConn *conn;
  JournalBatch *batch;
  guint32 uidvalidity;
  gboolean writable;
  GHashTable *found; /* UID -> There */
  GArray *altered;   /* ReplayKeep */
} Work;

/* What the server says of one. */
typedef struct {
  guint64 size;
  guint flags;
  char *keywords, *emailid; /* or NULL */
  guint8 fingerprint[16];
} There;

static void there_free(gpointer data) {
  There *there = data;
  g_free(there->keywords);
  g_free(there->emailid);
  g_free(there);
}

static void work_clear(Work *work) {
  g_clear_pointer(&work->found, g_hash_table_unref);
  g_clear_pointer(&work->altered, g_array_unref);
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

static gboolean take(const ImapMessage *message, gpointer data, G_GNUC_UNUSED GError **error) {
  const guint needed = IMAP_HAS_UID | IMAP_HAS_SIZE | IMAP_HAS_FLAGS;
  if ((message->has & needed) != needed)
    return TRUE;
  There *there = g_new0(There, 1);
  *there = (There){.size = message->size,
                   .flags = message->flags,
                   .keywords = words_join(message->keywords),
                   .emailid = g_strdup(message->emailid)};
  if (message->has & IMAP_HAS_HEADER) {
    gsize len;
    const char *header = g_bytes_get_data(message->header, &len);
    names_fingerprint(header, len, there->fingerprint);
  }
  g_hash_table_replace(((Work *)data)->found, GUINT_TO_POINTER(message->uid), there);
  return TRUE;
}

static gboolean fetch(Work *work, GError **error) {
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  for (guint i = 0; i < work->batch->items->len; i++)
    imap_seqset_add(uids, item_at(work, i)->uid, item_at(work, i)->uid);
  return ask_fetch(account_of(work), work->conn, uids, IMAP_FETCH_LISTING, take, work, error);
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

static void compare_flags(GHashTable *stores, const JournalItem *item, const There *there) {
  guint flags = item->flags & OURS, has = there->flags & OURS;
  g_autofree char *missing = words_without(item->keywords, there->keywords);
  want(stores, '+', flags & ~has, missing, item->uid);
  /* What others have set meanwhile stays; a copy has those of what was copied. */
  g_autofree char *extra = item->copy ? words_without(there->keywords, item->keywords) : NULL;
  if (item->copy)
    want(stores, '-', has & ~flags, extra, item->uid);
}

/* What the mailbox cannot keep was left out of the command. */
static void note_stored(Work *work, const ImapEffect *effect, const ImapFlagging *flagging) {
  guint flags = flagging->flags & ~effect->left_out;
  g_autofree char *asked = words_join((char *const *)flagging->keywords);
  g_autofree char *left_out = words_join(effect->left_out_keywords);
  g_autofree char *changed = words_without(asked, left_out);
  GHashTableIter iter;
  gpointer uid, value;
  g_hash_table_iter_init(&iter, work->found);
  while (g_hash_table_iter_next(&iter, &uid, &value)) {
    There *there = value;
    if (!imap_seqset_contains(effect->done, GPOINTER_TO_UINT(uid)))
      continue;
    there->flags = flagging->add ? there->flags | flags : there->flags & ~flags;
    g_autofree char *had = there->keywords;
    there->keywords = flagging->add ? words_with(had, changed) : words_without(had, changed);
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
  gboolean ok = imap_store(work->conn, uids, &flagging, &effect, account_of(work)->cancellable, &failed);
  steps_one();
  if (effect.done)
    note_stored(work, &effect, &flagging);
  if (ok || !imap_conn_failed(work->conn)) /* it may have been lost behind the OK */
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
    const There *there = g_hash_table_lookup(work->found, GUINT_TO_POINTER(item_at(work, i)->uid));
    if (there)
      compare_flags(stores, item_at(work, i), there);
  }
  g_hash_table_iter_init(&iter, stores);
  while (g_hash_table_iter_next(&iter, &key, &uids))
    if (!store(work, key, uids, error))
      return FALSE;
  return TRUE;
}

/* ---- what we have then --------------------------------------------------------------------------------------- */

static gboolean finish(Work *work, const JournalItem *item, GError **error) {
  const There *there = g_hash_table_lookup(work->found, GUINT_TO_POINTER(item->uid));
  if (!there) {
    sync_doubt(replay_sync(work->replay), work->batch->target);
    return replay_finished(work->replay, item, NULL, error);
  }
  ReplayKeep keep = {.item = item, .claim = there->size};
  keep.key =
      (IndexKey){.row = item->row, .mailbox = work->batch->target, .uidvalidity = work->uidvalidity, .uid = item->uid};
  memcpy(keep.fingerprint, there->fingerprint, sizeof keep.fingerprint);
  gboolean ours = replay_keep_ours(account_of(work), &keep);
  if (!ours)
    g_array_append_val(work->altered, keep);
  ReplayFound found = {.altered = !ours,
                       .claim = there->size,
                       .fingerprint = there->fingerprint,
                       .emailid = there->emailid,
                       .flags = there->flags & OURS,
                       .keywords = there->keywords};
  return replay_finished(work->replay, item, &found, error);
}

gboolean replay_confirm(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  g_auto(Work) work = {.replay = replay, .conn = conn, .batch = batch};
  g_autoptr(GError) failed = NULL;
  if (item_at(&work, 0)->uid == 0)
    return replay_seek_new(replay, conn, batch, error);
  work.found = g_hash_table_new_full(NULL, NULL, NULL, there_free);
  work.altered = g_array_new(FALSE, FALSE, sizeof(ReplayKeep));
  if (!open_target(&work, &failed) || !fetch(&work, &failed) || !set_flags(&work, &failed))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failed), error);
  for (guint i = 0; i < batch->items->len; i++)
    if (!finish(&work, item_at(&work, i), error))
      return FALSE;
  return work.altered->len == 0 ||
         (replay_settle(replay, error) && replay_keep_theirs(account_of(&work), conn, work.altered, error));
}
