/* SPDX-License-Identifier: MIT */
/*
 * Who waits for the server (fsync, a drain), and what is in the way. A row is noted before the journal is looked at, so
 * that whoever finds it there is told when it has left. Nobody waits for a line that is known to be down, nor, for one
 * row, for the second attempt of what was just put off. Who waits for all is told when nothing is left, and then of the
 * first that was refused meanwhile.
 */
#include "cache/error.h"
#include "cache/replay/replay_state.h"

void replay_await_init(Replay *replay) {
  replay->awaited = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
  replay->stuck = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

void replay_await_clear(Replay *replay) {
  g_hash_table_unref(replay->awaited);
  g_hash_table_unref(replay->stuck);
  g_clear_error(&replay->offline);
  g_clear_error(&replay->refused);
}

/* With the mutex held. A new error. */
static GError *why_offline(Replay *replay) {
  return replay->offline ? g_error_copy(replay->offline)
                         : g_error_new_literal(IMAP_ERROR, IMAP_ERROR_NETWORK, "there is no connection");
}

gboolean replay_await(Replay *replay, gint64 row, gint64 as, GError **error) {
  gboolean down = imap_pool_next_try(replay->account->pool) > g_get_monotonic_time();
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  if (down) {
    g_propagate_error(error, cache_error_from_imap(why_offline(replay)));
    return FALSE;
  }
  g_hash_table_replace(replay->awaited, g_memdup2(&as, sizeof as), g_memdup2(&row, sizeof row));
  return TRUE;
}

static void tell(Replay *replay, gint64 as, const GError *error) {
  account_tell(replay->account, CACHE_EVENT_DONE, CACHE_JOURNAL, as, 0, NULL, error);
}

/* Those who wait for this row, by the names that they are told by; a row is hardly ever awaited by more than one. */
static GArray *waiters(Replay *replay, gint64 row, gboolean take) {
  GArray *found = g_array_new(FALSE, FALSE, sizeof(gint64));
  GHashTableIter iter;
  gpointer as, awaited;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  g_hash_table_iter_init(&iter, replay->awaited);
  while (g_hash_table_iter_next(&iter, &as, &awaited)) {
    if (*(gint64 *)awaited != row)
      continue;
    g_array_append_val(found, *(gint64 *)as);
    if (take)
      g_hash_table_iter_remove(&iter);
  }
  return found;
}

/* With `row` 0: all. */
static gboolean is_awaited(Replay *replay, gint64 row) {
  g_autoptr(GArray) found = waiters(replay, row, FALSE);
  return found->len > 0;
}

static void tell_waiters(Replay *replay, gint64 row, const GError *error) {
  g_autoptr(GArray) found = waiters(replay, row, TRUE);
  for (guint i = 0; i < found->len; i++)
    tell(replay, g_array_index(found, gint64, i), error);
}

void replay_tell(Replay *replay, gint64 row, const GError *error) {
  gboolean waits = FALSE;
  if (row != 0 && is_awaited(replay, row) &&
      (error || !journal_awaited(replay->account->index, row, &waits, NULL) || !waits))
    tell_waiters(replay, row, error);
}

void replay_taken_back(Replay *replay, gint64 row) {
  replay_tell(replay, row, NULL);
}

void replay_note_refused(Replay *replay, const GError *refusal) {
  if (!is_awaited(replay, 0))
    return;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  if (!replay->refused)
    replay->refused = g_error_copy(refusal);
}

static GError *take_refused(Replay *replay) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  return g_steal_pointer(&replay->refused);
}

void replay_tell_drained(Replay *replay) {
  guint64 changes = 0, bytes = 0;
  if (!is_awaited(replay, 0) || !journal_left(replay->account->index, &changes, &bytes, NULL) || changes > 0)
    return;
  g_autoptr(GError) refused = take_refused(replay);
  tell_waiters(replay, 0, refused);
}

static GArray *take_awaited(Replay *replay) {
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  GHashTableIter iter;
  gpointer as;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  g_hash_table_iter_init(&iter, replay->awaited);
  while (g_hash_table_iter_next(&iter, &as, NULL))
    g_array_append_val(rows, *(gint64 *)as);
  g_hash_table_remove_all(replay->awaited);
  return rows;
}

void replay_tell_all(Replay *replay, const GError *error) {
  g_autoptr(GArray) rows = take_awaited(replay);
  GError *refused = take_refused(replay);
  g_clear_error(&refused);
  for (guint i = 0; i < rows->len; i++)
    tell(replay, g_array_index(rows, gint64, i), error);
}

void replay_set_line(Replay *replay, const GError *error) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  g_clear_error(&replay->offline);
  replay->offline = error ? g_error_copy(error) : NULL;
}

void replay_set_stuck(Replay *replay, gint64 seq, const char *why) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  if (why)
    g_hash_table_replace(replay->stuck, g_memdup2(&seq, sizeof seq), g_strdup(why));
  else
    g_hash_table_remove(replay->stuck, &seq);
}

/* What a user took back is told of by nobody. */
void replay_forget_stuck(Replay *replay) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  g_hash_table_remove_all(replay->stuck);
}

static const char *any_stuck(Replay *replay) {
  GHashTableIter iter;
  gpointer why = NULL;
  g_hash_table_iter_init(&iter, replay->stuck);
  return g_hash_table_iter_next(&iter, NULL, &why) ? why : NULL;
}

gboolean replay_trouble(Replay *replay, char **ret) {
  gboolean down = imap_pool_next_try(replay->account->pool) > g_get_monotonic_time();
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&replay->mutex);
  g_autoptr(GError) offline = down ? why_offline(replay) : NULL;
  const char *why = offline ? offline->message : any_stuck(replay);
  if (ret)
    *ret = g_strdup(why);
  return why != NULL;
}
