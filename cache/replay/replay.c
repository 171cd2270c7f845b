/* SPDX-License-Identifier: MIT */
/*
 * One thread takes batches of equal changes out of the journal, oldest first, and for each
 *
 *   claims the mailboxes  ──▶  leases a connection  ──▶  runs the op  ──▶  commits what became of it  ──▶  lets go
 *
 * The journal says when a row is due and what waits for what. What stays claimed in between: replay_claims.c.
 *
 * Without a line the thread sleeps until the pool would try again, or until the sync has found one. An op that loses
 * its connection, over and over, waits longer and longer.
 */
#include "cache/replay/replay_state.h"

#include "cache/access.h"

#define LOSS_FIRST G_USEC_PER_SEC
#define LOSS_LAST (300 * G_USEC_PER_SEC)
#define DISK_AGAIN (10 * G_USEC_PER_SEC)
#define LOOK_UP (60 * G_USEC_PER_SEC) /* the journal counts in real time, which can be set */

typedef struct {
  JournalOp op;
  JournalState state;
  ReplayFunc func;
} ReplayOp;

static const ReplayOp ops[] = {
    {JOURNAL_NEW, JOURNAL_READY, replay_append},    {JOURNAL_NEW, JOURNAL_CONFIRMED, replay_confirm},
    {JOURNAL_NEW, JOURNAL_UNKNOWN, replay_seek},    {JOURNAL_MOVE, JOURNAL_READY, replay_move},
    {JOURNAL_MOVE, JOURNAL_UNKNOWN, replay_seek},   {JOURNAL_REMOVE, JOURNAL_READY, replay_remove},
    {JOURNAL_REMOVE, JOURNAL_UNKNOWN, replay_seek}, {JOURNAL_FLAGS, JOURNAL_READY, replay_flags},
    {JOURNAL_FLAGS, JOURNAL_UNKNOWN, replay_seek},  {JOURNAL_RMDIR, JOURNAL_READY, replay_rmdir},
    {JOURNAL_RMDIR, JOURNAL_UNKNOWN, replay_seek},
};

static ReplayFunc func_of(const JournalBatch *batch) {
  for (guint i = 0; i < G_N_ELEMENTS(ops); i++)
    if (ops[i].op == batch->op && ops[i].state == batch->state)
      return ops[i].func;
  return NULL;
}

Account *replay_account(Replay *replay) {
  return replay->account;
}

Sync *replay_sync(Replay *replay) {
  return replay->sync;
}

/* What SELECT says of flags and rights is kept: whoever changes something asks for it. */
gboolean replay_select(Replay *replay, ImapConn *conn, gint64 row, ImapMailbox *ret, GError **error) {
  Account *account = replay->account;
  g_auto(IndexMailbox) mailbox = {0};
  g_autoptr(GError) failed = NULL;
  if (index_get_mailbox(account->index, row, &mailbox, &failed) && mailbox.raw &&
      account_select_mailbox(account, conn, &mailbox, ret, &failed))
    return access_selected(account, row, ret, error);
  if (!failed)
    g_set_error_literal(&failed, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
  if (mailbox.raw && !imap_conn_failed(conn))
    sync_doubt(replay->sync, row);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* ---- a batch ------------------------------------------------------------------------------------------------ */

/* What is small goes like a short look at a folder: readers let it between, however many they are. */
static ImapRole role_of(const JournalBatch *batch) {
  guint64 bytes = 0;
  if (batch->op != JOURNAL_NEW || batch->state != JOURNAL_READY)
    return IMAP_ROLE_SYNC;
  for (guint i = 0; i < batch->items->len; i++) {
    guint64 size = g_array_index(batch->items, JournalItem, i).size;
    bytes += size == IMAP_UNKNOWN_SIZE ? REPLAY_BULK : size;
  }
  return bytes >= REPLAY_BULK ? IMAP_ROLE_BULK : IMAP_ROLE_SYNC;
}

/* A user changed one of its rows before it was sent, or a listing the number of its message. */
static gboolean is_overtaken(const GError *error) {
  return g_error_matches(error, CACHE_ERROR, CACHE_ERROR_BUSY);
}

/* It was chosen before its mailboxes were claimed. */
static gboolean check_current(Replay *replay, const JournalBatch *batch, GError **error) {
  gboolean current = FALSE;
  if (!journal_is_current(replay->account->index, batch, &current, error))
    return FALSE;
  if (!current)
    g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_BUSY, "it was changed meanwhile");
  return current;
}

gboolean replay_do(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  g_autoptr(GError) failed = NULL;
  replay_settle_begin(replay, batch);
  gboolean ok = check_current(replay, batch, &failed) && func_of(batch)(replay, conn, batch, &failed);
  if (!ok && !is_overtaken(failed))
    imap_conn_fail(conn);
  /* What is known is kept in any case. */
  ok = replay_settle_end(replay, ok ? &failed : NULL) && ok;
  if (failed)
    g_propagate_error(error, g_steal_pointer(&failed));
  return ok;
}

/* FALSE: there was no connection, or it was lost, or the disk fails. */
static gboolean run(Replay *replay, JournalBatch *batch, gboolean *ret_reached, GError **error) {
  Account *account = replay->account;
  g_autoptr(GError) local = NULL;
  ImapConn *conn = imap_pool_lease(account->pool, role_of(batch), account->cancellable, &local);
  *ret_reached = conn != NULL;
  if (!g_error_matches(local, IMAP_ERROR, IMAP_ERROR_CANCELLED))
    replay_set_line(replay, local);
  if (!conn) {
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
  }
  gboolean ok = replay_do(replay, conn, batch, error);
  imap_pool_release(account->pool, conn);
  return ok;
}

/* It fails, or is full: nothing can be written down, so nobody waits for it. */
static void on_disk(Replay *replay, const GError *error) {
  replay_set_stuck(replay, REPLAY_DISK, error->message);
  replay_tell_all(replay, error);
}

/* How long to wait before the next, in µs. */
static gint64 after_failure(Replay *replay, gboolean reached, const GError *error) {
  gint64 next_try = imap_pool_next_try(replay->account->pool);
  if (is_overtaken(error))
    return 0;
  g_info("replay: %s", error->message);
  if (!reached) {
    replay_tell_all(replay, error);
    return next_try == G_MAXINT64 ? next_try : MAX(next_try - g_get_monotonic_time(), 0);
  }
  guint losses = MIN(replay->losses, 16);
  replay->losses++;
  gboolean disk = error->domain != IMAP_ERROR;
  gint64 pause = disk ? DISK_AGAIN : MIN(LOSS_FIRST << losses, LOSS_LAST);
  if (disk)
    on_disk(replay, error);
  replay->not_before = g_get_monotonic_time() + pause;
  return pause;
}

static gint64 work(Replay *replay, JournalBatch *batch) {
  g_autoptr(GError) error = NULL;
  gboolean reached = FALSE;
  if (!replay_claim(replay, batch))
    return G_MAXINT64; /* cancelled */
  gboolean ok = run(replay, batch, &reached, &error);
  replay_let_go(replay);
  replay_tell_drained(replay);
  if (ok) {
    replay->losses = 0;
    replay_set_stuck(replay, REPLAY_DISK, NULL);
  }
  return ok ? 0 : after_failure(replay, reached, error);
}

/* ---- the thread --------------------------------------------------------------------------------------------- */

/* Until then, or until it is woken. FALSE: it is to end. */
static gboolean rest(Replay *replay, gint64 until) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  while (!replay->stopped && !replay->woken) {
    if (until == G_MAXINT64)
      g_cond_wait(&replay->cond, &replay->mutex);
    else if (!g_cond_wait_until(&replay->cond, &replay->mutex, until))
      break;
  }
  replay->woken = FALSE;
  return !replay->stopped;
}

/* Where nobody can connect there is no use in claiming anything. */
static gint64 wait_for_line(Replay *replay) {
  gint64 left = imap_pool_next_try(replay->account->pool);
  if (left == G_MAXINT64)
    return left;
  return MAX(left - g_get_monotonic_time(), 0);
}

/* What the disk had no room for. */
static void settle_rest(Replay *replay) {
  g_autoptr(GError) error = NULL;
  if (replay->pending->len == 0)
    return;
  if (!replay_settle(replay, &error))
    g_message("what the server did cannot be written down yet: %s", error->message);
  replay_let_go(replay);
}

static gint64 step(Replay *replay) {
  g_auto(JournalBatch) batch = {0};
  g_autoptr(GError) error = NULL;
  gint64 now = g_get_real_time(), next = G_MAXINT64, wait = replay->not_before - g_get_monotonic_time();
  if (wait > 0)
    return wait; /* whatever woke us */
  settle_rest(replay);
  if (!journal_next(replay->account->index, now, REPLAY_MOST, REPLAY_BYTES, &batch, &next, &error)) {
    replay_tell_drained(replay);
    if (error)
      g_warning("the journal cannot be read: %s", error->message);
    else if (next == G_MAXINT64)
      replay_forget_stuck(replay);
    return error ? DISK_AGAIN : next == G_MAXINT64 ? next : CLAMP(next - now, 0, LOOK_UP);
  }
  if (!func_of(&batch))
    return DISK_AGAIN;
  if ((wait = wait_for_line(replay)) > 0) {
    replay_tell_all(replay, NULL);
    return wait;
  }
  return work(replay, &batch);
}

static gboolean take_hurry(Replay *replay) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  gboolean hurried = replay->hurried;
  replay->hurried = FALSE;
  return hurried;
}

static gboolean write_hurry(IndexTxn *txn, gpointer data, GError **error) {
  (void)data;
  return journal_hurry(txn, error);
}

static void hurry(Replay *replay) {
  g_autoptr(GError) error = NULL;
  if (!take_hurry(replay))
    return;
  replay->not_before = 0;
  replay->losses = 0;
  if (!index_write(replay->account->index, INDEX_CHANGE, write_hurry, NULL, &error))
    g_warning("what was put off goes on waiting: %s", error->message);
}

static gpointer replay_main(gpointer data) {
  Replay *replay = data;
  gint64 wait = 0;
  do {
    hurry(replay);
    wait = step(replay);
    if (replay->pending->len > 0)
      wait = MIN(wait, DISK_AGAIN);
  } while (rest(replay, wait == G_MAXINT64 ? wait : g_get_monotonic_time() + wait));
  return NULL;
}

void replay_hurry(Replay *replay) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  replay->hurried = replay->woken = TRUE;
  g_cond_signal(&replay->cond);
}

void replay_wake(Replay *replay) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  replay->woken = TRUE;
  g_cond_signal(&replay->cond);
}

/* ---- start and end ------------------------------------------------------------------------------------------ */

static void on_line(gpointer data) {
  replay_wake(data);
}

Replay *replay_new(Account *account, Sync *sync) {
  Replay *replay = g_new0(Replay, 1);
  replay->account = account;
  replay->sync = sync;
  g_mutex_init(&replay->mutex);
  g_cond_init(&replay->cond);
  replay->kept = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  replay_settle_init(replay);
  replay_await_init(replay);
  replay_claim_unknown(replay);
  sync_call_online(sync, on_line, replay);
  return replay;
}

void replay_call_settled(Replay *replay, void (*settled)(gint64 row, gpointer data), gpointer data) {
  replay->call = settled;
  replay->data = data;
}

void replay_run(Replay *replay) {
  if (!replay->thread)
    replay->thread = g_thread_new("replay", replay_main, replay);
}

static void end(Replay *replay) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  replay->stopped = TRUE;
  g_cond_signal(&replay->cond);
}

void replay_stop(Replay *replay) {
  g_autoptr(GError) error = g_error_new_literal(IMAP_ERROR, IMAP_ERROR_CANCELLED, "unmounting");
  end(replay);
  g_clear_pointer(&replay->thread, g_thread_join);
  replay_tell_all(replay, error);
}

void replay_free(Replay *replay) {
  if (!replay)
    return;
  replay_await_clear(replay);
  replay_settle_clear(replay);
  g_hash_table_unref(replay->kept);
  g_cond_clear(&replay->cond);
  g_mutex_clear(&replay->mutex);
  g_free(replay);
}
