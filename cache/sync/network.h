/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * Tells that connections may be dead without knowing it: the machine slept, or the network beneath us is another. One
 * thread, which wakes every few seconds to compare two clocks. One per process: GLib's network monitor belongs to who
 * asks for it first.
 */
typedef struct _Network Network;

typedef enum { NETWORK_RESUMED, NETWORK_CHANGED } NetworkNews;
typedef void (*NetworkFunc)(NetworkNews news, gpointer data); /* in the network's thread; must not block */

Network *network_new(NetworkFunc func, gpointer data);
void network_free(Network *network); /* no call comes after this. NULL is fine */

/* CLOCK_MONOTONIC stands still while the machine sleeps: µs that it has slept so far; and whether that is more than a
 * moment longer than before (then *slept is set to it). */
gint64 network_slept(void);
gboolean network_has_slept(gint64 *slept, gint64 now);
