/* SPDX-License-Identifier: MIT */
/*
 * The rate is a decaying maximum of samples of at least SAMPLE µs, taken only while something is in flight: a small
 * window makes samples that are too low, which the growing window then corrects; a maximum finds the line's real rate
 * in a few round trips, and the decay follows it down.
 *
 * window = max(256 kB, 2 x rate x round trip, a quarter second of line), at most WINDOW_MAX, because on loopback a
 * quarter second is more than the socket and the server ever hold.
 */
#include "cache/body/pace.h"

#define SAMPLE (100 * 1000)
#define WINDOW_MIN (256u << 10)
#define WINDOW_MAX (16u << 20)
#define LARGE_MIN (1u << 20)

void pace_init(Pace *pace) {
  *pace = (Pace){0};
  g_mutex_init(&pace->mutex);
}

void pace_clear(Pace *pace) {
  g_mutex_clear(&pace->mutex);
}

void pace_rtt(Pace *pace, gint64 rtt) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pace->mutex);
  pace->rtt = rtt;
}

void pace_start(Pace *pace, gint64 now) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pace->mutex);
  if (pace->since == 0) {
    pace->since = now;
    pace->bytes = 0;
  }
}

void pace_idle(Pace *pace) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pace->mutex);
  pace->since = 0;
}

void pace_arrived(Pace *pace, guint64 bytes, gint64 now) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pace->mutex);
  pace->bytes += bytes;
  gint64 took = now - pace->since;
  if (pace->since == 0 || took < SAMPLE)
    return;
  guint64 sample = pace->bytes * G_USEC_PER_SEC / (guint64)took;
  pace->rate = MAX(sample, pace->rate / 8 * 7);
  pace->since = now;
  pace->bytes = 0;
}

guint64 pace_rate(Pace *pace) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pace->mutex);
  return pace->rate;
}

guint64 pace_window(Pace *pace) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pace->mutex);
  guint64 trips = 2 * pace->rate / 1000 * (guint64)(pace->rtt / 1000);
  guint64 window = MAX(MAX(trips, pace->rate / 4), WINDOW_MIN);
  return MIN(window, WINDOW_MAX);
}

guint64 pace_large(Pace *pace) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pace->mutex);
  return MAX(pace->rate, LARGE_MIN);
}
