/* SPDX-License-Identifier: MIT */
/*
 * What became of the items of a batch. An op says it item by item; here it is gathered, and what is to be tried again
 * is told from what is not.
 *
 * A batch ends with each item settled: what an op said nothing about is UNKNOWN where it was sent, and else as it was.
 * What is UNKNOWN is looked for at once, and where it was not found again after a while and once more later: only when
 * all agree was it not done. A server may still be storing what it got before the line was cut.
 */
#include "cache/replay/replay_settle.h"

#include "cache/draft/draft.h"
#include "cache/journal/lostfound.h"

#define AGAIN_LAST (600 * G_USEC_PER_SEC)
#define GONE_TRIES 4 /* LIST goes on to show a folder that cannot be opened */

/* Until the second try; and from one look for what is UNKNOWN to the next. */
#ifdef IMAPFS_STEPS
#define AGAIN_FIRST (G_USEC_PER_SEC / 4)
static const gint64 looks[] = {G_USEC_PER_SEC / 4, G_USEC_PER_SEC / 2};
#else
#define AGAIN_FIRST (5 * G_USEC_PER_SEC)
static const gint64 looks[] = {5 * G_USEC_PER_SEC, 55 * G_USEC_PER_SEC};
#endif

void replay_settle_init(Replay *replay) {
  replay->pending = g_ptr_array_new_with_free_func(replay_settlement_free);
  replay->settled = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  replay->looks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

void replay_settle_clear(Replay *replay) {
  g_ptr_array_unref(replay->pending);
  g_hash_table_unref(replay->settled);
  g_hash_table_unref(replay->looks);
}

/* ---- what an op says ---------------------------------------------------------------------------------------- */

static Settlement *settle(Replay *replay, const JournalItem *item, SettleKind kind) {
  Settlement *self = g_new0(Settlement, 1);
  self->kind = kind;
  self->seq = item->seq;
  self->row = item->row;
  self->size = item->size;
  self->op = replay->batch->op;
  self->sent = replay->sent;
  self->target = replay->batch->target ? replay->batch->target : replay->batch->source;
  g_ptr_array_add(replay->pending, self);
  g_hash_table_add(replay->settled, g_memdup2(&item->seq, sizeof item->seq));
  return self;
}

gboolean replay_placed(Replay *replay, const JournalItem *item, gint64 mailbox, guint32 uidvalidity, guint32 uid,
                       GError **error) {
  (void)error;
  Settlement *self = settle(replay, item, SETTLE_PLACED);
  self->mailbox = mailbox;
  self->uidvalidity = uidvalidity;
  self->uid = uid;
  return TRUE;
}

gboolean replay_left_behind(Replay *replay, const JournalItem *item, gint64 mailbox, guint32 uid, GError **error) {
  (void)error;
  Settlement *self = settle(replay, item, SETTLE_LEFT_BEHIND);
  self->mailbox = mailbox;
  self->uid = uid;
  return TRUE;
}

gboolean replay_done(Replay *replay, const JournalItem *item, GError **error) {
  (void)error;
  settle(replay, item, SETTLE_DONE);
  return TRUE;
}

gboolean replay_marked(Replay *replay, const JournalItem *item, GError **error) {
  (void)error;
  settle(replay, item, SETTLE_MARKED);
  return TRUE;
}

gboolean replay_keep_aside(Replay *replay, const JournalItem *item, GError **error) {
  if (item->copy != 0) /* its octets were never ours */
    return TRUE;
  g_message("a new message (%" G_GINT64_FORMAT ") is not there as it was sent: that is kept in discarded/", item->row);
  return drafts_discard(replay->account, item->row, error);
}

/* NULL: it is no longer there: somebody was fast, or the server said OK to what it does not have. */
gboolean replay_finished(Replay *replay, const JournalItem *item, const ReplayFound *found, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (!found && !replay_keep_aside(replay, item, &failed))
    return replay_put_off(replay, item, failed, error);
  Settlement *self = settle(replay, item, SETTLE_FINISHED);
  self->mailbox = replay->batch->target;
  self->uid = item->uid;
  self->spooled = item->spooled;
  if (found) {
    self->found = TRUE;
    self->altered = found->altered;
    self->claim = found->claim;
    memcpy(self->fingerprint, found->fingerprint, sizeof self->fingerprint);
    self->emailid = g_strdup(found->emailid);
    self->flags = found->flags;
    self->keywords = g_strdup(found->keywords);
  }
  return TRUE;
}

gboolean replay_again(Replay *replay, const JournalItem *item, GError **error) {
  (void)error;
  settle(replay, item, SETTLE_STATE)->state = JOURNAL_READY;
  return TRUE;
}

gboolean replay_again_rest(Replay *replay, GError **error) {
  const JournalBatch *batch = replay->batch;
  for (guint i = 0; i < batch->items->len; i++) {
    const JournalItem *item = &g_array_index(batch->items, JournalItem, i);
    if (!g_hash_table_contains(replay->settled, &item->seq) && !replay_again(replay, item, error))
      return FALSE;
  }
  return TRUE;
}

gboolean replay_unknown(Replay *replay, const JournalItem *item, GError **error) {
  (void)error;
  settle(replay, item, SETTLE_STATE)->state = JOURNAL_UNKNOWN;
  return TRUE;
}

gboolean replay_absent(Replay *replay, const JournalItem *item, gboolean *ret_sure, GError **error) {
  (void)error;
  guint looked = GPOINTER_TO_UINT(g_hash_table_lookup(replay->looks, &item->seq));
  *ret_sure = looked >= G_N_ELEMENTS(looks);
  if (*ret_sure) {
    g_hash_table_remove(replay->looks, &item->seq);
    return TRUE;
  }
  g_hash_table_insert(replay->looks, g_memdup2(&item->seq, sizeof item->seq), GUINT_TO_POINTER(looked + 1));
  Settlement *self = settle(replay, item, SETTLE_RETRY);
  self->due = g_get_real_time() + looks[looked];
  self->reason = g_strdup("the server may or may not have it; looking again");
  return TRUE;
}

/* ---- refusals ----------------------------------------------------------------------------------------------- */

/* A folder that is gone may only be called otherwise: LIST says which, and then the index does. */
static gboolean may_come_back(Replay *replay, gint64 mailbox, guint tries) {
  g_auto(IndexMailbox) known = {0};
  if (tries >= GONE_TRIES || !index_get_mailbox(replay->account->index, mailbox, &known, NULL))
    return FALSE;
  sync_look_again(replay->sync);
  return TRUE;
}

static gboolean is_temporary(Replay *replay, const JournalItem *item, const GError *refusal) {
  static const ImapError codes[] = {IMAP_ERROR_UNAVAILABLE, IMAP_ERROR_QUOTA, IMAP_ERROR_NETWORK,  IMAP_ERROR_HOST,
                                    IMAP_ERROR_TIMEOUT,     IMAP_ERROR_LOCAL, IMAP_ERROR_CANCELLED};
  if (refusal->domain != IMAP_ERROR)
    return TRUE; /* the disk */
  for (guint i = 0; i < G_N_ELEMENTS(codes); i++)
    if (refusal->code == (gint)codes[i])
      return TRUE;
  const JournalBatch *batch = replay->batch;
  return refusal->code == IMAP_ERROR_GONE &&
         may_come_back(replay, batch->target ? batch->target : batch->source, item->tries);
}

static gint64 pause_after(guint tries) {
  return MIN(AGAIN_FIRST << MIN(tries, 16), AGAIN_LAST);
}

static const char *const what[] = {
    [JOURNAL_NEW] = "a new message", [JOURNAL_MOVE] = "the move of a message",    [JOURNAL_REMOVE] = "a removal",
    [JOURNAL_FLAGS] = "flags",       [JOURNAL_RMDIR] = "the removal of a folder",
};

gboolean replay_put_off(Replay *replay, const JournalItem *item, const GError *why, GError **error) {
  (void)error;
  Settlement *self = settle(replay, item, SETTLE_RETRY);
  self->due = g_get_real_time() + pause_after(item->tries);
  self->reason = g_strdup(why->message);
  self->refusal = g_error_copy(why);
  return TRUE;
}

gboolean replay_refused(Replay *replay, const JournalItem *item, const GError *refusal, GError **error) {
  gint64 lost_found = 0;
  JournalOp op = replay->batch->op;
  /* The server has it, whatever else it says. */
  gboolean there = replay->batch->state == JOURNAL_CONFIRMED && item->uid != 0;
  if (there && item->tries >= GONE_TRIES)
    return replay_finished(replay, item, NULL, error);
  if (there || is_temporary(replay, item, refusal))
    return replay_put_off(replay, item, refusal, error);
  if (op == JOURNAL_NEW && !lostfound_row(replay->account, replay->account->root, &lost_found, error))
    return FALSE;
  g_warning("the server refused %s (%" G_GINT64_FORMAT "): %s%s", what[op],
            op == JOURNAL_RMDIR ? replay->batch->source : item->row, refusal->message,
            op == JOURNAL_NEW ? "; it is in " LOSTFOUND_NAME : "; it is undone");
  Settlement *self = settle(replay, item, SETTLE_REFUSED);
  self->reason = g_strdup(refusal->message);
  self->refusal = g_error_copy(refusal);
  self->lost_found = lost_found;
  return TRUE;
}

gboolean replay_refused_all(Replay *replay, ImapConn *conn, const JournalBatch *batch, GError *refusal,
                            GError **error) {
  if (!refusal)
    refusal = g_error_new_literal(IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
  if (imap_conn_failed(conn) || refusal->domain != IMAP_ERROR) {
    g_propagate_error(error, refusal);
    return FALSE;
  }
  g_autoptr(GError) taken = refusal;
  for (guint i = 0; i < batch->items->len; i++)
    if (!replay_refused(replay, &g_array_index(batch->items, JournalItem, i), taken, error))
      return FALSE;
  return TRUE;
}

/* ---- batches ------------------------------------------------------------------------------------------------ */

typedef struct {
  const JournalBatch *batch;
  guint32 uidvalidity, uidnext;
} Send;

static gboolean write_send(IndexTxn *txn, gpointer data, GError **error) {
  const Send *job = data;
  return journal_send(txn, job->batch, job->uidvalidity, job->uidnext, error);
}

gboolean replay_send(Replay *replay, const JournalBatch *batch, guint32 uidvalidity, guint32 uidnext, GError **error) {
  Send job = {batch, uidvalidity, uidnext};
  if (!index_write(replay->account->index, INDEX_JOURNAL, write_send, &job, error))
    return FALSE;
  replay->sent = TRUE;
  return TRUE;
}

void replay_settle_begin(Replay *replay, const JournalBatch *batch) {
  replay->batch = batch;
  replay->sent = FALSE;
  g_hash_table_remove_all(replay->settled);
}

gboolean replay_settle_end(Replay *replay, GError **error) {
  const JournalBatch *batch = replay->batch;
  for (guint i = 0; replay->sent && i < batch->items->len; i++) {
    const JournalItem *item = &g_array_index(batch->items, JournalItem, i);
    if (!g_hash_table_contains(replay->settled, &item->seq))
      replay_unknown(replay, item, error);
  }
  gboolean ok = replay_settle(replay, error);
  replay->batch = NULL;
  return ok;
}
