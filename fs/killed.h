/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Whether this process or thread is being ended by a signal, from what /proc shows of it. FALSE where nobody can tell:
 * it is in another pid namespace (pid 0), or hidden. `ours`: it belongs to the user we are, or we are root. */
gboolean killed_is(pid_t pid, gboolean ours);
gboolean killed_parse(const char *stat, gboolean ours); /* the same from the line of /proc/PID/stat */
