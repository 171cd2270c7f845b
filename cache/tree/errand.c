/* SPDX-License-Identifier: MIT */
/*
 * An errand is a ticket, a line in the queue, and an outcome that waits to be taken:
 *
 *   WAITING ──▶ RUNNING ──▶ DONE ──▶ taken
 *      └───────────┴──────────┴────▶ forgotten
 *
 * One that nobody waits for any more is not begun: the user was told that it failed. One whose command is under way is
 * left to its end, and what came of it shows like anybody else's doing. While it waits for a connection or a claim it
 * can be called back (`patience`); once it speaks to the server it is not, as that would cost the others their line.
 *
 * Offline there is no queue: it fails with the reason, and the line is tried again for the next one. So it is where the
 * last one met a silent line, until something is heard.
 */
#include "cache/tree/errand_private.h"

#include "cache/error.h"

static void errand_free(gpointer data) {
  Errand *errand = data;
  g_object_unref(errand->patience);
  g_clear_error(&errand->error);
  g_free(errand->name);
  g_free(errand);
}

Errands *errands_new(Account *account, Sync *sync) {
  Errands *errands = g_new0(Errands, 1);
  errands->account = account;
  errands->sync = sync;
  errands->tickets = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, errand_free);
  g_queue_init(&errands->queue);
  g_mutex_init(&errands->mutex);
  g_cond_init(&errands->cond);
  return errands;
}

void errands_free(Errands *errands) {
  if (!errands)
    return;
  g_queue_clear(&errands->queue);
  g_hash_table_unref(errands->tickets);
  g_cond_clear(&errands->cond);
  g_mutex_clear(&errands->mutex);
  g_free(errands);
}

/* ---- asked by users --------------------------------------------------------------------------------------- */

static gint64 give(Errands *errands, ErrandKind kind, gint64 folder, gint64 parent, const char *name) {
  Errand *errand = g_new0(Errand, 1);
  *errand = (Errand){.kind = kind, .folder = folder, .parent = parent, .name = g_strdup(name)};
  errand->patience = g_cancellable_new();
  errand->until = g_get_monotonic_time() + ERRAND_WAIT;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&errands->mutex);
  errand->ticket = ++errands->last;
  g_hash_table_insert(errands->tickets, &errand->ticket, errand);
  g_queue_push_tail(&errands->queue, errand);
  g_cond_signal(&errands->cond);
  return errand->ticket;
}

gint64 errands_make(Errands *errands, gint64 parent, const char *name) {
  return give(errands, ERRAND_MAKE, 0, parent, name);
}

gint64 errands_rename(Errands *errands, gint64 folder, gint64 to_parent, const char *to_name) {
  return give(errands, ERRAND_RENAME, folder, to_parent, to_name);
}

CacheAnswer errands_take(Errands *errands, gint64 ticket, gint64 *ret_row, GError **error) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&errands->mutex);
  Errand *errand = g_hash_table_lookup(errands->tickets, &ticket);
  if (errand && errand->state != ERRAND_DONE && !errands->closed)
    return CACHE_WAIT;
  if (!errand || errand->state != ERRAND_DONE) {
    g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_CANCELLED, "the account is being closed");
    return CACHE_FAILED;
  }
  CacheAnswer answer = errand->error ? CACHE_FAILED : CACHE_READY;
  if (errand->error)
    g_propagate_error(error, cache_error_from_imap(g_steal_pointer(&errand->error)));
  *ret_row = errand->row;
  g_hash_table_remove(errands->tickets, &ticket);
  return answer;
}

/* Cancelling wakes who waits in the pool, so it happens without the lock. */
void errands_forget(Errands *errands, gint64 ticket) {
  g_autoptr(GCancellable) patience = NULL;
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&errands->mutex);
    Errand *errand = g_hash_table_lookup(errands->tickets, &ticket);
    if (!errand)
      return;
    if (errand->state == ERRAND_RUNNING) {
      errand->forgotten = TRUE;
      patience = g_object_ref(errand->patience);
    } else {
      g_queue_remove(&errands->queue, errand);
      g_hash_table_remove(errands->tickets, &ticket);
    }
  }
  if (patience)
    g_cancellable_cancel(patience);
}

/* ---- the thread --------------------------------------------------------------------------------------------- */

static Errand *next(Errands *errands) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&errands->mutex);
  while (!errands->closed && errands->queue.length == 0)
    g_cond_wait(&errands->cond, &errands->mutex);
  Errand *errand = errands->closed ? NULL : g_queue_pop_head(&errands->queue);
  if (errand)
    errand->state = ERRAND_RUNNING;
  return errand;
}

/* Takes the error. */
static void settle(Errands *errands, Errand *errand, gint64 row, GError *error) {
  gint64 ticket = errand->ticket;
  gboolean told = FALSE;
  if (error)
    g_info("errand: %s", error->message);
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&errands->mutex);
    errand->row = row;
    errand->error = error;
    errand->state = ERRAND_DONE;
    told = !errand->forgotten;
    if (errand->forgotten)
      g_hash_table_remove(errands->tickets, &ticket);
  }
  if (told)
    account_tell(errands->account, CACHE_EVENT_DONE, CACHE_ERRAND, ticket, 0, NULL, NULL);
}

static gboolean is_online(Errands *errands, GError **error) {
  g_auto(AgendaState) state = {0};
  if (!errands->sync)
    return TRUE;
  sync_look(errands->sync, &state);
  if (state.online)
    return TRUE;
  sync_kick(errands->sync);
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_OFFLINE, "offline: %s", state.why ? state.why : "no connection yet");
  return FALSE;
}

/* While the kernel waits for an errand nobody else can use that directory, so one is enough to find out that the line
 * is dead. Only the thread of the errands knows. */
static gboolean is_heard(Errands *errands, GError **error) {
  if (errands->silent == 0 || imap_pool_heard(errands->account->pool) > errands->silent)
    return TRUE;
  if (errands->sync)
    sync_look_again(errands->sync);
  g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_TIMEOUT,
                      "nothing has been heard from the server since it was silent");
  return FALSE;
}

static void note_silence(Errands *errands, const GError *error) {
  if (!g_error_matches(error, IMAP_ERROR, IMAP_ERROR_TIMEOUT))
    return;
  errands->silent = g_get_monotonic_time();
  if (errands->sync)
    sync_look_again(errands->sync);
}

/* Nobody waits for it any more. */
gboolean errand_is_late(const Errand *errand, GError **error) {
  if (g_get_monotonic_time() < errand->until && !g_cancellable_is_cancelled(errand->patience))
    return FALSE;
  g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_TIMEOUT, "the server was not reached in time");
  return TRUE;
}

static void pass_on(G_GNUC_UNUSED GCancellable *c, gpointer patience) {
  g_cancellable_cancel(patience);
}

static gboolean run(Errands *errands, Errand *errand, gint64 *ret_row, GError **error) {
  static gboolean (*const kinds[])(Errands *, Errand *, gint64 *,
                                   GError **) = {[ERRAND_MAKE] = errand_make, [ERRAND_RENAME] = errand_rename};
  if (errand_is_late(errand, error) || !is_online(errands, error) || !is_heard(errands, error))
    return FALSE;
  GCancellable *end = errands->account->cancellable;
  gulong id = g_cancellable_connect(end, G_CALLBACK(pass_on), errand->patience, NULL);
  gboolean ok = kinds[errand->kind](errands, errand, ret_row, error);
  g_cancellable_disconnect(end, id);
  return ok;
}

ImapConn *errand_lease(Errands *errands, Errand *errand, GError **error) {
  ImapPool *pool = errands->account->pool;
  ImapConn *conn = imap_pool_lease(pool, IMAP_ROLE_PROMPT, errand->patience, error);
  if (!conn || !errand_is_late(errand, error))
    return conn;
  imap_pool_release(pool, conn);
  return NULL;
}

static gpointer errands_main(gpointer data) {
  Errands *errands = data;
  for (Errand *errand; (errand = next(errands));) {
    GError *error = NULL;
    gint64 row = 0;
    if (!run(errands, errand, &row, &error))
      note_silence(errands, error);
    settle(errands, errand, row, error);
  }
  return NULL;
}

void errands_run(Errands *errands) {
  if (!errands->thread)
    errands->thread = g_thread_new("errands", errands_main, errands);
}

/* Who still waits is told that it is over. */
void errands_stop(Errands *errands) {
  g_autoptr(GArray) waiting = g_array_new(FALSE, FALSE, sizeof(gint64));
  GHashTableIter iter;
  gpointer value;
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&errands->mutex);
    errands->closed = TRUE;
    g_cond_signal(&errands->cond);
  }
  g_clear_pointer(&errands->thread, g_thread_join);
  g_hash_table_iter_init(&iter, errands->tickets);
  while (g_hash_table_iter_next(&iter, NULL, &value))
    if (((Errand *)value)->state != ERRAND_DONE)
      g_array_append_val(waiting, ((Errand *)value)->ticket);
  g_autoptr(GError) over = g_error_new_literal(CACHE_ERROR, CACHE_ERROR_CANCELLED, "the account is being closed");
  for (guint i = 0; i < waiting->len; i++)
    account_tell(errands->account, CACHE_EVENT_DONE, CACHE_ERRAND, g_array_index(waiting, gint64, i), 0, NULL, over);
}
