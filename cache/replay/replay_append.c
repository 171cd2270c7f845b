/* SPDX-License-Identifier: MIT */
/*
 * NEW: messages that are to be on the server, in the order in which they were made.
 *
 *   what the server has already            nothing (replay_same())
 *   a copy of one that the server has      UID COPY: its octets are not moved
 *   else                                   APPEND, small ones many at a time (imap_append())
 *
 * What was refused together with others is sent again in halves, until the culprit is alone: its neighbours are
 * innocent. A refusal that concerns the mailbox is that of all; one for want of room is that of all that are as large.
 * Where the server says OK and no UID (no UIDPLUS, or it forgets), the message is looked for, and if that does not find
 * it the next listing will.
 */
#include "cache/replay/replay_call.h"
#include "cache/replay/replay_copy.h"
#include "cache/replay/replay_look.h"
#include "cache/replay/replay_private.h"

typedef struct {
  Replay *replay;
  ImapConn *conn;
  JournalBatch *batch;
  IndexMailbox target;
  IndexAccess access;
  guint32 uidvalidity, uidnext; /* of the target, before */
  GQueue groups;                /* GPtrArray of JournalItem: still to be appended together */
  gboolean last;                /* nothing of the batch is behind the groups */
  GPtrArray *unplaced;          /* JournalItem: there, as nobody knows what */
  GError *stopped;              /* why the mailbox takes nothing; or NULL */
  GError *full;                 /* why it takes nothing of `full_size`; or NULL */
  guint64 full_size;
} Work;

static void work_clear(Work *work) {
  index_mailbox_clear(&work->target);
  index_access_clear(&work->access);
  g_queue_clear_full(&work->groups, (GDestroyNotify)g_ptr_array_unref);
  g_clear_pointer(&work->unplaced, g_ptr_array_unref);
  g_clear_error(&work->stopped);
  g_clear_error(&work->full);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

static Account *account_of(const Work *work) {
  return replay_account(work->replay);
}

/* ---- before ------------------------------------------------------------------------------------------------- */

/* From where on ours may stand, if we lose the answer. What the index knows is old, but never too high. */
static gboolean learn_numbers(Work *work, GError **error) {
  g_auto(ImapStatus) status = {0};
  GCancellable *c = account_of(work)->cancellable;
  work->uidvalidity = work->target.uidvalidity;
  work->uidnext = work->target.uidnext;
  if (work->uidvalidity != 0 && work->uidnext != 0)
    return TRUE;
  const char *selected = imap_selected(work->conn);
  if (g_strcmp0(selected, work->target.raw) == 0 && !imap_unselect(work->conn, c, error))
    return FALSE;
  if (!imap_status(work->conn, work->target.raw, &status, c, error))
    return FALSE;
  work->uidvalidity = status.has_uidvalidity ? status.uidvalidity : 0;
  work->uidnext = status.has_uidnext ? MAX(status.uidnext, 1) : 1;
  return TRUE;
}

static gboolean begin(Work *work, GError **error) {
  Account *account = account_of(work);
  gint64 target = work->batch->target;
  return index_get_mailbox(account->index, target, &work->target, error) && work->target.raw &&
         index_get_access(account->index, target, &work->access, error) && learn_numbers(work, error);
}

/* ---- one command, or several -------------------------------------------------------------------------------- */

/* A copy that the server cannot make, of what is not cached. *ret_here FALSE: it cannot be had, and is settled. */
static gboolean bring_octets(Work *work, const JournalItem *item, ReplayOctets *octets, gboolean *ret_here,
                             GError **error) {
  g_autoptr(GError) failed = NULL;
  *ret_here = TRUE;
  if (item->copy == 0 || replay_octets_open(octets, NULL) || replay_octets_fetch(octets, work->conn, &failed))
    return TRUE;
  *ret_here = FALSE;
  if (!imap_conn_failed(work->conn))
    return replay_refused(work->replay, item, failed, error);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* ---- what became of it -------------------------------------------------------------------------------------- */

/* Of one message as of many: there is no use in asking for each. */
static gboolean concerns_mailbox(const GError *refusal) {
  static const ImapError codes[] = {IMAP_ERROR_GONE, IMAP_ERROR_READONLY, IMAP_ERROR_PERMISSION,
                                    IMAP_ERROR_UNAVAILABLE};
  for (guint i = 0; i < G_N_ELEMENTS(codes); i++)
    if (refusal->code == (gint)codes[i])
      return TRUE;
  return FALSE;
}

static GPtrArray *slice(GPtrArray *items, guint first, guint n) {
  GPtrArray *some = g_ptr_array_sized_new(n);
  for (guint i = first; i < first + n; i++)
    g_ptr_array_add(some, items->pdata[i]);
  return some;
}

/* To be sent before all others. */
static void halve(Work *work, GPtrArray *items, guint first, guint n) {
  guint half = n / 2;
  g_queue_push_head(&work->groups, slice(items, first + half, n - half));
  g_queue_push_head(&work->groups, slice(items, first, half));
}

static gboolean refuse(Work *work, const JournalItem *item, const GError *refusal, GError **error) {
  if (concerns_mailbox(refusal) && !work->stopped)
    work->stopped = g_error_copy(refusal);
  if (refusal->code == IMAP_ERROR_QUOTA && (!work->full || item->size < work->full_size)) {
    g_clear_error(&work->full);
    work->full = g_error_copy(refusal);
    work->full_size = item->size;
  }
  return replay_refused(work->replay, item, refusal, error);
}

static gboolean settle_refused(Work *work, GPtrArray *items, const ImapAppended *outcomes, guint i, GError **error) {
  const ImapAppended *outcome = &outcomes[i];
  if (outcome->n == 1 || concerns_mailbox(outcome->error))
    return refuse(work, items->pdata[i], outcome->error, error);
  if (i == outcome->first)
    halve(work, items, i, outcome->n);
  return TRUE;
}

/* A number that was given out before is that of another message. */
static gboolean settle_done(Work *work, const JournalItem *item, const ImapAppended *outcome, GError **error) {
  gboolean fresh = outcome->uidvalidity != work->uidvalidity || outcome->uid >= work->uidnext;
  if (outcome->uid != 0 && fresh)
    return replay_placed(work->replay, item, work->target.row, outcome->uidvalidity, outcome->uid, error);
  g_ptr_array_add(work->unplaced, (gpointer)item);
  return TRUE;
}

/* The line was lost in the middle of it, which may be its own fault: others go before it next time. */
static gboolean settle_interrupted(Work *work, const ReplayCall *call, guint i, const GError *lost, GError **error) {
  const GError *failed = replay_octets_failed(call->messages[i].source);
  if (failed)
    return replay_refused(work->replay, call->items->pdata[i], failed, error);
  return g_error_matches(lost, IMAP_ERROR, IMAP_ERROR_CANCELLED) ||
         replay_put_off(work->replay, call->items->pdata[i], lost, error);
}

static gboolean settle(Work *work, const ReplayCall *call, const GError *lost, GError **error) {
  g_autoptr(GPtrArray) rest = g_ptr_array_new();
  gboolean ok = TRUE, interrupted = FALSE;
  for (guint i = call->settled; ok && i < call->n; i++) {
    const ImapAppended *outcome = &call->outcomes[i];
    const JournalItem *item = call->items->pdata[i];
    switch (outcome->outcome) {
    case IMAP_APPEND_DONE:
      ok = settle_done(work, item, outcome, error);
      break;
    case IMAP_APPEND_REFUSED:
      ok = settle_refused(work, call->items, call->outcomes, i, error);
      break;
    case IMAP_APPEND_UNKNOWN:
      ok = replay_unknown(work->replay, item, error);
      break;
    case IMAP_APPEND_UNSENT:
      if (lost && !interrupted)
        ok = settle_interrupted(work, call, i, lost, error);
      else if (!lost)
        g_ptr_array_add(rest, (gpointer)item);
      interrupted = TRUE;
      break;
    }
  }
  if (rest->len > 0)
    g_queue_push_tail(&work->groups, g_steal_pointer(&rest));
  return ok;
}

typedef struct {
  Work *work;
  ReplayCall *call;
} Growing;

/* What is done is written down while the rest is under way: somebody may wait for it. */
static void settle_first(const Growing *growing) {
  ReplayCall *call = growing->call;
  g_autoptr(GError) error = NULL;
  guint before = call->settled;
  for (; call->settled < call->n && call->outcomes[call->settled].outcome == IMAP_APPEND_DONE; call->settled++)
    if (!settle_done(growing->work, call->items->pdata[call->settled], &call->outcomes[call->settled], &error))
      break;
  if (call->settled > before && !error && !replay_settle(growing->work->replay, &error))
    g_info("replay: %s", error->message);
}

static void give_more(ImapAppends *all, gpointer data) {
  const Growing *growing = data;
  Work *work = growing->work;
  GArray *items = work->batch->items;
  settle_first(growing);
  guint n = replay_more(work->replay, work->batch, work->uidvalidity, work->uidnext);
  for (guint i = items->len - n; i < items->len; i++)
    g_ptr_array_add(growing->call->items, &g_array_index(items, JournalItem, i));
  replay_call_extend(growing->call, account_of(work), &work->access);
  *all = (ImapAppends){growing->call->messages, growing->call->outcomes, growing->call->n};
}

/* What is behind it in the batch must not be overtaken. */
static gboolean may_grow(Work *work, const GPtrArray *items) {
  return work->last && g_queue_is_empty(&work->groups) && ((JournalItem *)items->pdata[0])->copy == 0;
}

/* FALSE: the line is lost; what is known is settled. */
static gboolean append(Work *work, GPtrArray *items, GError **error) {
  g_auto(ReplayCall) call = {.items = items};
  g_autoptr(GError) lost = NULL;
  gboolean here = FALSE;
  Growing growing = {work, &call};
  replay_call_extend(&call, account_of(work), &work->access);
  if (!bring_octets(work, items->pdata[0], call.messages[0].source, &here, error))
    return FALSE;
  if (!here)
    return TRUE;
  ImapAppends all = {call.messages, call.outcomes, call.n};
  steps_one();
  gboolean ok = imap_append(work->conn, work->target.raw, &all, replay_octets_read,
                            may_grow(work, items) ? give_more : NULL, &growing, account_of(work)->cancellable, &lost);
  steps_one();
  if (!settle(work, &call, lost, error))
    return FALSE;
  if (!ok)
    g_propagate_error(error, g_steal_pointer(&lost));
  return ok;
}

/* Takes out what would be refused anyway. */
static gboolean refuse_hopeless(Work *work, GPtrArray *items, GError **error) {
  for (guint i = 0; i < items->len;) {
    const JournalItem *item = items->pdata[i];
    const GError *why = work->stopped ? work->stopped : work->full && item->size >= work->full_size ? work->full : NULL;
    if (!why) {
      i++;
      continue;
    }
    if (!replay_refused(work->replay, item, why, error))
      return FALSE;
    g_ptr_array_remove_index(items, i);
  }
  return TRUE;
}

static gboolean append_all(Work *work, GError **error) {
  while (!g_queue_is_empty(&work->groups)) {
    g_autoptr(GPtrArray) items = g_queue_pop_head(&work->groups);
    if (!refuse_hopeless(work, items, error) || (items->len > 0 && !append(work, items, error)))
      return FALSE;
  }
  return TRUE;
}

/* In groups that are appended together; of a copy the octets may have to be fetched, so it goes alone. */
static void queue(Work *work, GPtrArray *items) {
  GPtrArray *group = NULL;
  for (guint i = 0; i < items->len; i++) {
    const JournalItem *item = items->pdata[i];
    if (!group || item->copy != 0)
      g_queue_push_tail(&work->groups, group = g_ptr_array_new());
    g_ptr_array_add(group, (gpointer)item);
    if (item->copy != 0)
      group = NULL;
  }
}

/* ---- the order of it ---------------------------------------------------------------------------------------- */

/* From `*i` on, up to the next that may be copied. */
static void take_others(Work *work, guint *i, guint n, GPtrArray *ret) {
  for (; *i < n; (*i)++) {
    JournalItem *item = &g_array_index(work->batch->items, JournalItem, *i);
    if (ret->len > 0 && replay_copy_has_source(account_of(work), item))
      return;
    g_ptr_array_add(ret, item);
  }
}

/* Runs of copies, and of what is not to be copied, one after another. */
static gboolean send_all(Work *work, GError **error) {
  const ReplayTarget target = {work->target.row, work->target.raw, work->uidvalidity, work->uidnext};
  for (guint i = 0, n = work->batch->items->len; i < n;) {
    g_autoptr(GPtrArray) rest = g_ptr_array_new();
    guint first = i;
    if (!replay_copy(work->replay, work->conn, work->batch, &target, &i, rest, error))
      return FALSE;
    if (i == first)
      take_others(work, &i, n, rest);
    work->last = i == n;
    queue(work, rest);
    if (!append_all(work, error))
      return FALSE;
  }
  return TRUE;
}

/* OK was said, so it is there. What is known to stand somewhere is committed first, or it would be found for another
 * that is equal. */
static gboolean place_unplaced(Work *work, GError **error) {
  guint n = work->unplaced->len;
  if (n > 0 && !replay_settle(work->replay, error))
    return FALSE;
  guint32 uidvalidity = work->uidvalidity;
  g_autoptr(GError) failed = NULL;
  g_autofree ReplaySought *sought = g_new0(ReplaySought, n);
  for (guint i = 0; i < n; i++)
    sought[i].item = work->unplaced->pdata[i];
  if (n > 0 && !imap_conn_failed(work->conn))
    replay_look_for(account_of(work), work->conn, work->target.row, work->uidvalidity, work->uidnext, sought, n,
                    &uidvalidity, &failed);
  for (guint i = 0; i < n; i++)
    if (!replay_placed(work->replay, sought[i].item, work->target.row, uidvalidity, sought[i].uid, error))
      return FALSE;
  if (n > 0)
    sync_doubt(replay_sync(work->replay), work->target.row);
  return TRUE;
}

gboolean replay_append(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  g_auto(Work) work = {.replay = replay, .conn = conn, .batch = batch, .unplaced = g_ptr_array_new()};
  g_autoptr(GError) failed = NULL;
  replay_make_room(batch);
  if (!replay_same(replay, conn, batch, error))
    return FALSE;
  if (batch->items->len == 0)
    return TRUE;
  if (!begin(&work, &failed))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failed), error);
  if (!replay_send(replay, batch, work.uidvalidity, work.uidnext, error))
    return FALSE;
  gboolean ok = send_all(&work, error);
  /* Each that was given to the server is settled by now. */
  return place_unplaced(&work, ok ? error : NULL) && replay_again_rest(replay, ok ? error : NULL) && ok;
}
