/* SPDX-License-Identifier: MIT */
/*
 * What became of the items of a batch. An op says it item by item; here it is gathered, and committed SOME at a time:
 * a thousand letters cost a few transactions, and nobody else's commit waits long behind them. Events are told after
 * the commit.
 *
 * A batch ends with each item settled: what an op said nothing about is UNKNOWN where it was sent, and else as it was.
 * What is UNKNOWN is looked for at once, and where it was not found again after a while and once more later: only when
 * all agree was it not done. A server may still be storing what it got before the line was cut.
 */
#include "cache/replay_state.h"

#include "cache/access.h"
#include "cache/error.h"
#include "cache/lostfound.h"

#define SOME 200
#define AGAIN_FIRST (5 * G_USEC_PER_SEC)
#define AGAIN_LAST (600 * G_USEC_PER_SEC)
#define GONE_TRIES 4 /* LIST goes on to show a folder that cannot be opened */

/* From one look for what is UNKNOWN to the next. */
#ifdef REPLAY_STEPS
static const gint64 looks[] = {G_USEC_PER_SEC / 4, G_USEC_PER_SEC / 2};
#else
static const gint64 looks[] = {5 * G_USEC_PER_SEC, 55 * G_USEC_PER_SEC};
#endif

struct _Settlement {
  gboolean (*apply)(IndexTxn *txn, Settlement *self, GError **error);
  gint64 seq, row;
  JournalOp op;
  gint64 target; /* of the batch, else its source */
  guint64 size;
  gint64 mailbox;
  guint32 uidvalidity, uid;
  JournalState state;
  gint64 due;
  char *reason;
  GError *refusal; /* for who waits; or NULL */
  gint64 lost_found;
  gboolean found, altered, spooled; /* and the rest of a ReplayFound: */
  guint64 claim;
  char *emailid, *keywords;
  guint flags;
  IndexLeft other;      /* out */
  JournalUndone undone; /* out */
};

static void settlement_free(gpointer data) {
  Settlement *self = data;
  g_free(self->reason);
  g_free(self->emailid);
  g_free(self->keywords);
  g_clear_error(&self->refusal);
  g_free(self);
}

void replay_settle_init(Replay *replay) {
  replay->pending = g_ptr_array_new_with_free_func(settlement_free);
  replay->settled = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  replay->looks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
}

void replay_settle_clear(Replay *replay) {
  g_ptr_array_unref(replay->pending);
  g_hash_table_unref(replay->settled);
  g_hash_table_unref(replay->looks);
}

/* ---- one, in the writer's thread ---------------------------------------------------------------------------- */

static gboolean apply_placed(IndexTxn *txn, Settlement *self, GError **error) {
  return journal_placed(txn, self->seq, self->mailbox, self->uidvalidity, self->uid, &self->other, error);
}

static gboolean apply_left_behind(IndexTxn *txn, Settlement *self, GError **error) {
  return journal_leave_behind(txn, self->row, self->mailbox, self->uid, error);
}

static gboolean apply_done(IndexTxn *txn, Settlement *self, GError **error) {
  return journal_done(txn, self->seq, error);
}

static gboolean apply_marked(IndexTxn *txn, Settlement *self, GError **error) {
  return journal_mark(txn, self->seq, error);
}

static gboolean apply_finished(IndexTxn *txn, Settlement *self, GError **error) {
  IndexDescribed described = {
      .row = self->row, .altered = self->altered, .claim = self->claim, .emailid = self->emailid};
  if (self->found && (!index_describe(txn, &described, error) ||
                      !index_set_flags(txn, self->mailbox, self->uid, self->flags, self->keywords, NULL, error)))
    return FALSE;
  return journal_finish(txn, self->seq, error);
}

static GArray *alone(const Settlement *self) {
  GArray *seqs = g_array_sized_new(FALSE, FALSE, sizeof(gint64), 1);
  return g_array_append_val(seqs, self->seq);
}

static gboolean apply_state(IndexTxn *txn, Settlement *self, GError **error) {
  g_autoptr(GArray) seqs = alone(self);
  return journal_set_state(txn, seqs, self->state, error);
}

static gboolean apply_retry(IndexTxn *txn, Settlement *self, GError **error) {
  g_autoptr(GArray) seqs = alone(self);
  return journal_retry(txn, seqs, self->due, self->reason, error);
}

static gboolean apply_refused(IndexTxn *txn, Settlement *self, GError **error) {
  return journal_refuse(txn, self->seq, self->reason, self->lost_found, &self->undone, error);
}

/* ---- commits ------------------------------------------------------------------------------------------------ */

typedef struct {
  Replay *replay;
  guint first, n;
  gint64 lost_found; /* something went there; 0: nothing */
  gboolean shown;    /* out: it was not shown before */
} Commit;

/* GONE: the message ended meanwhile, and what the journal had for it. */
static gboolean write_some(IndexTxn *txn, gpointer data, GError **error) {
  Commit *commit = data;
  for (guint i = commit->first; i < commit->first + commit->n; i++) {
    Settlement *self = commit->replay->pending->pdata[i];
    g_autoptr(GError) failed = NULL;
    if (!self->apply(txn, self, &failed) && !g_error_matches(failed, CACHE_ERROR, CACHE_ERROR_GONE)) {
      g_propagate_error(error, g_steal_pointer(&failed));
      return FALSE;
    }
    if (self->apply == apply_refused && self->op == JOURNAL_NEW)
      commit->lost_found = self->lost_found;
  }
  return commit->lost_found == 0 ||
         lostfound_show(commit->replay->account, txn, commit->lost_found, &commit->shown, error);
}

static void tell_changed(Account *account, gint64 folder) {
  if (folder != 0)
    account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, folder, 0, NULL, NULL);
}

/* A delta that had found the message before we knew its UID. */
static void tell_other(Account *account, const IndexLeft *other) {
  if (other->row == 0 || other->folder == 0)
    return;
  account_tell(account, CACHE_EVENT_REMOVED, CACHE_MESSAGE, other->row, other->folder, other->name, NULL);
  tell_changed(account, other->folder);
}

/* What was rewritten is shown again, and the kernel may hold the octets that were written over it. */
static void tell_undone(Account *account, JournalOp op, const JournalUndone *undone) {
  if (undone->row == 0)
    return;
  if (undone->from != 0 && undone->from != undone->to)
    account_tell(account, CACHE_EVENT_MOVED, op == JOURNAL_RMDIR ? CACHE_FOLDER : CACHE_MESSAGE, undone->row,
                 undone->from, undone->name, NULL);
  if (undone->back != 0)
    account_tell(account, CACHE_EVENT_DATA, CACHE_MESSAGE, undone->back, undone->back_in, NULL, NULL);
  tell_changed(account, undone->from);
  if (undone->to != undone->from)
    tell_changed(account, undone->to);
  if (undone->back_in != undone->from && undone->back_in != undone->to)
    tell_changed(account, undone->back_in);
}

static void tell_finished(Account *account, const Settlement *self) {
  if (self->spooled)
    spool_drop(account->spool, self->row);
  if (self->found && self->altered)
    account_tell(account, CACHE_EVENT_DATA, CACHE_MESSAGE, self->row, 0, NULL, NULL);
}

/* The quota has changed, or is not what we thought. */
static void note_spent(Account *account, const Settlement *self) {
  if (self->apply == apply_placed && self->op == JOURNAL_NEW)
    access_spent(account, self->mailbox, self->size, 1);
  else if (self->apply == apply_refused || (self->apply == apply_retry && self->refusal))
    access_spent(account, self->target, 0, 0);
}

static void tell_settled(Replay *replay, const Settlement *self) {
  gboolean put_off = self->apply == apply_retry;
  note_spent(replay->account, self);
  tell_other(replay->account, &self->other);
  tell_undone(replay->account, self->op, &self->undone);
  if (self->apply == apply_finished)
    tell_finished(replay->account, self);
  if (!put_off && self->apply != apply_state)
    g_hash_table_remove(replay->looks, &self->seq);
  replay_set_stuck(replay, self->seq, put_off ? self->reason : NULL);
  replay_tell(replay, self->row, self->refusal);
  if (replay->call && self->apply != apply_state && !put_off)
    replay->call(self->row, replay->data);
}

static gboolean commit(Replay *replay, guint first, guint n, GError **error) {
  Commit job = {.replay = replay, .first = first, .n = n};
  replay_step();
  if (!index_write(replay->account->index, INDEX_SYNC, write_some, &job, error))
    return FALSE;
  replay_step();
  if (job.shown)
    lostfound_tell(replay->account, job.lost_found);
  for (guint i = first; i < first + n; i++)
    tell_settled(replay, replay->pending->pdata[i]);
  return TRUE;
}

gboolean replay_settle(Replay *replay, GError **error) {
  gboolean ok = TRUE;
  for (guint first = 0; ok && first < replay->pending->len; first += SOME)
    ok = commit(replay, first, MIN(SOME, replay->pending->len - first), error);
  g_ptr_array_set_size(replay->pending, 0);
  return ok;
}

/* ---- what an op says ---------------------------------------------------------------------------------------- */

static Settlement *settle(Replay *replay, const JournalItem *item,
                          gboolean (*apply)(IndexTxn *txn, Settlement *self, GError **error)) {
  Settlement *self = g_new0(Settlement, 1);
  self->apply = apply;
  self->seq = item->seq;
  self->row = item->row;
  self->size = item->size;
  self->op = replay->batch->op;
  self->target = replay->batch->target ? replay->batch->target : replay->batch->source;
  g_ptr_array_add(replay->pending, self);
  g_hash_table_add(replay->settled, g_memdup2(&item->seq, sizeof item->seq));
  return self;
}

gboolean replay_placed(Replay *replay, const JournalItem *item, gint64 mailbox, guint32 uidvalidity, guint32 uid,
                       GError **error) {
  (void)error;
  Settlement *self = settle(replay, item, apply_placed);
  self->mailbox = mailbox;
  self->uidvalidity = uidvalidity;
  self->uid = uid;
  return TRUE;
}

gboolean replay_left_behind(Replay *replay, const JournalItem *item, gint64 mailbox, guint32 uid, GError **error) {
  (void)error;
  Settlement *self = settle(replay, item, apply_left_behind);
  self->mailbox = mailbox;
  self->uid = uid;
  return TRUE;
}

gboolean replay_done(Replay *replay, const JournalItem *item, GError **error) {
  (void)error;
  settle(replay, item, apply_done);
  return TRUE;
}

gboolean replay_marked(Replay *replay, const JournalItem *item, GError **error) {
  (void)error;
  settle(replay, item, apply_marked);
  return TRUE;
}

/* NULL: it is no longer there. */
gboolean replay_finished(Replay *replay, const JournalItem *item, const ReplayFound *found, GError **error) {
  (void)error;
  Settlement *self = settle(replay, item, apply_finished);
  self->mailbox = replay->batch->target;
  self->uid = item->uid;
  self->spooled = item->spooled;
  if (found) {
    self->found = TRUE;
    self->altered = found->altered;
    self->claim = found->claim;
    self->emailid = g_strdup(found->emailid);
    self->flags = found->flags;
    self->keywords = g_strdup(found->keywords);
  }
  return TRUE;
}

gboolean replay_again(Replay *replay, const JournalItem *item, GError **error) {
  (void)error;
  settle(replay, item, apply_state)->state = JOURNAL_READY;
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
  settle(replay, item, apply_state)->state = JOURNAL_UNKNOWN;
  return TRUE;
}

gboolean replay_done_uids(Replay *replay, const JournalBatch *batch, const ImapSeqset *uids, GError **error) {
  for (guint i = 0; i < batch->items->len; i++) {
    const JournalItem *item = &g_array_index(batch->items, JournalItem, i);
    if (imap_seqset_contains(uids, item->uid) && !replay_done(replay, item, error))
      return FALSE;
  }
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
  Settlement *self = settle(replay, item, apply_retry);
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
  Settlement *self = settle(replay, item, apply_retry);
  self->due = g_get_real_time() + pause_after(item->tries);
  self->reason = g_strdup(why->message);
  self->refusal = g_error_copy(why);
  return TRUE;
}

gboolean replay_refused(Replay *replay, const JournalItem *item, const GError *refusal, GError **error) {
  gint64 lost_found = 0;
  JournalOp op = replay->batch->op;
  /* The server has it, whatever else it says. */
  if (replay->batch->state == JOURNAL_CONFIRMED && item->tries >= GONE_TRIES)
    return replay_finished(replay, item, NULL, error);
  if (replay->batch->state == JOURNAL_CONFIRMED || is_temporary(replay, item, refusal))
    return replay_put_off(replay, item, refusal, error);
  if (op == JOURNAL_NEW && !lostfound_row(replay->account, replay->account->root, &lost_found, error))
    return FALSE;
  g_warning("the server refused %s (%" G_GINT64_FORMAT "): %s%s", what[op], item->row, refusal->message,
            op == JOURNAL_NEW ? "; it is in " LOSTFOUND_NAME : "; it is undone");
  Settlement *self = settle(replay, item, apply_refused);
  self->reason = g_strdup(refusal->message);
  self->refusal = g_error_copy(refusal);
  self->lost_found = lost_found;
  return TRUE;
}

gboolean replay_refused_all(Replay *replay, ImapConn *conn, const JournalBatch *batch, GError *refusal,
                            GError **error) {
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
  replay_step();
  if (!index_write(replay->account->index, INDEX_JOURNAL, write_send, &job, error))
    return FALSE;
  replay->sent = TRUE;
  replay_step();
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

/* ---- test builds ----------------------------------------------------------------------------------------------- */
#ifdef REPLAY_STEPS
#include <signal.h>

/* As a crash would: nothing is closed, flushed or told. */
void replay_step(void) {
  static gint steps; /* atomic */
  const char *stop_at = g_getenv("IMAPFS_STOP_AT");
  if (stop_at && g_atomic_int_add(&steps, 1) + 1 == (gint)g_ascii_strtoll(stop_at, NULL, 10))
    raise(SIGKILL);
}
#endif
