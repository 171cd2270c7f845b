/* SPDX-License-Identifier: MIT */
/*
 * The times of the last removals, at most as many as are allowed in a minute. Once there is no room it stays pulled,
 * however long ago that was: a script that waits for the minute to pass would go on with what it should not do.
 */
#include "cache/brake.h"

#include <unistd.h>

struct _Brake {
  guint most;
  GMutex mutex; /* guards what follows */
  GQueue times; /* gint64* */
  gboolean pulled;
};

Brake *brake_new(guint most) {
  Brake *brake = g_new0(Brake, 1);
  brake->most = most;
  g_mutex_init(&brake->mutex);
  g_queue_init(&brake->times);
  return brake;
}

void brake_free(Brake *brake) {
  g_queue_clear_full(&brake->times, g_free);
  g_mutex_clear(&brake->mutex);
  g_free(brake);
}

static void forget_before(Brake *brake, gint64 then) {
  for (gint64 *oldest; (oldest = g_queue_peek_head(&brake->times)) && *oldest <= then;)
    g_free(g_queue_pop_head(&brake->times));
}

gboolean brake_pass(Brake *brake, gint64 now) {
  if (brake->most == 0)
    return TRUE;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&brake->mutex);
  forget_before(brake, now - G_TIME_SPAN_MINUTE);
  if (brake->pulled)
    return FALSE;
  if (brake->times.length < brake->most) {
    g_queue_push_tail(&brake->times, g_memdup2(&now, sizeof now));
    return TRUE;
  }
  brake->pulled = TRUE;
  g_warning("more messages than %u were to be removed within a minute: no more are, until SIGHUP to process %d says "
            "that this is meant",
            brake->most, (int)getpid());
  return FALSE;
}

void brake_release(Brake *brake) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&brake->mutex);
  g_queue_clear_full(&brake->times, g_free);
  brake->pulled = FALSE;
}
