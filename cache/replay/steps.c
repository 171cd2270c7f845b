/* SPDX-License-Identifier: MIT */
#include "cache/replay/steps.h"

#ifdef IMAPFS_STEPS
#include <glib.h>
#include <signal.h>

/* As a crash would: nothing is closed, flushed or told. */
void steps_one(void) {
  static gint steps; /* atomic */
  const char *stop_at = g_getenv("IMAPFS_STOP_AT");
  if (stop_at && g_atomic_int_add(&steps, 1) + 1 == (gint)g_ascii_strtoll(stop_at, NULL, 10))
    raise(SIGKILL);
}
#endif
