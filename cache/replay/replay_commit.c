/* SPDX-License-Identifier: MIT */
/*
 * What became of the items of a batch is committed SOME at a time: a thousand letters cost a few transactions, and
 * nobody else's commit waits long behind them. Events are told after the commit.
 */
#include "cache/access.h"
#include "cache/error.h"
#include "cache/journal/lostfound.h"
#include "cache/replay/replay_settle.h"

#define SOME 200

void replay_settlement_free(gpointer data) {
  Settlement *self = data;
  g_free(self->reason);
  g_free(self->emailid);
  g_free(self->keywords);
  g_clear_error(&self->refusal);
  g_free(self);
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
  IndexDescribed described = {.row = self->row,
                              .altered = self->altered,
                              .claim = self->claim,
                              .fingerprint = self->fingerprint,
                              .emailid = self->emailid};
  if (!self->found)
    return journal_finish_missing(txn, self->seq, &self->undone, error);
  return index_describe(txn, &described, error) &&
         index_set_flags(txn, self->mailbox, self->uid, self->flags, self->keywords, NULL, error) &&
         journal_finish(txn, self->seq, error);
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

typedef gboolean (*Apply)(IndexTxn *txn, Settlement *self, GError **error);

static const Apply applies[] = {
    [SETTLE_PLACED] = apply_placed, [SETTLE_LEFT_BEHIND] = apply_left_behind, [SETTLE_DONE] = apply_done,
    [SETTLE_MARKED] = apply_marked, [SETTLE_FINISHED] = apply_finished,       [SETTLE_STATE] = apply_state,
    [SETTLE_RETRY] = apply_retry,   [SETTLE_REFUSED] = apply_refused,
};

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
    if (!applies[self->kind](txn, self, &failed) && !g_error_matches(failed, CACHE_ERROR, CACHE_ERROR_GONE)) {
      g_propagate_error(error, g_steal_pointer(&failed));
      return FALSE;
    }
    if (self->kind == SETTLE_REFUSED && self->op == JOURNAL_NEW)
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
  if (self->kind == SETTLE_PLACED && self->op == JOURNAL_NEW)
    access_spent(account, self->mailbox, self->size, 1);
  else if (self->kind == SETTLE_REFUSED || (self->kind == SETTLE_RETRY && self->refusal))
    access_spent(account, self->target, 0, 0);
}

static void tell_settled(Replay *replay, const Settlement *self) {
  gboolean put_off = self->kind == SETTLE_RETRY;
  note_spent(replay->account, self);
  tell_other(replay->account, &self->other);
  tell_undone(replay->account, self->op, &self->undone);
  if (self->kind == SETTLE_FINISHED)
    tell_finished(replay->account, self);
  if (!put_off && self->kind != SETTLE_STATE)
    g_hash_table_remove(replay->looks, &self->seq);
  replay_set_stuck(replay, self->seq, put_off && self->refusal ? self->reason : NULL); /* to look again is to go on */
  if (self->kind == SETTLE_REFUSED)
    replay_note_refused(replay, self->refusal);
  replay_tell(replay, self->row, self->refusal);
  if (replay->call && self->kind != SETTLE_STATE && !put_off)
    replay->call(self->row, replay->data);
}

static gboolean commit(Replay *replay, guint first, guint n, GError **error) {
  Commit job = {.replay = replay, .first = first, .n = n};
  steps_one();
  if (!index_write(replay->account->index, INDEX_SYNC, write_some, &job, error))
    return FALSE;
  steps_one();
  if (job.shown)
    lostfound_tell(replay->account, job.lost_found);
  for (guint i = first; i < first + n; i++)
    tell_settled(replay, replay->pending->pdata[i]);
  return TRUE;
}

/* What was said of one item is written together. */
static guint count_same(Replay *replay, guint first) {
  Settlement **all = (Settlement **)replay->pending->pdata;
  guint n = 1;
  while (first + n < replay->pending->len && all[first + n]->seq == all[first]->seq)
    n++;
  return n;
}

/* It cannot be written. Of what was sent nobody will ever say again what became of it: that is kept in mind. The rest
 * is found out anew. Returns how many stay. */
static guint keep(Replay *replay, guint first, guint n) {
  if (((Settlement *)replay->pending->pdata[first])->sent)
    return n;
  g_ptr_array_remove_range(replay->pending, first, n);
  return 0;
}

gboolean replay_settle(Replay *replay, GError **error) {
  GPtrArray *pending = replay->pending;
  g_autoptr(GError) failed = NULL;
  gboolean alone = FALSE;
  for (guint first = 0; first < pending->len;) {
    guint n = alone ? count_same(replay, first) : MIN(SOME, pending->len - first);
    g_autoptr(GError) local = NULL;
    if (commit(replay, first, n, &local)) {
      g_ptr_array_remove_range(pending, first, n);
    } else if (!alone) {
      alone = TRUE; /* one that cannot be written is no reason to forget the others */
    } else {
      first += keep(replay, first, n);
      failed = failed ? failed : g_steal_pointer(&local);
    }
  }
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}
