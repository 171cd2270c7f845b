/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * How fast the line is, and so how much may be asked for ahead of what has arrived. The line is a queue: what is in
 * flight delays whoever asks next, on any connection; too little in flight and the line runs dry.
 * Thread-safe, no I/O.
 */
typedef struct {
  GMutex mutex;  /* guards the rest */
  gint64 since;  /* monotonic µs at which the running sample began; 0: the line is idle */
  guint64 bytes; /* in the running sample */
  guint64 rate;  /* bytes per second of bodies; 0: unknown */
  gint64 rtt;    /* µs */
} Pace;

void pace_init(Pace *pace);
void pace_clear(Pace *pace);
void pace_rtt(Pace *pace, gint64 rtt);
void pace_start(Pace *pace, gint64 now); /* something is in flight (again) */
void pace_idle(Pace *pace);              /* nothing is: the time to come measures nothing */
void pace_arrived(Pace *pace, guint64 bytes, gint64 now);

guint64 pace_rate(Pace *pace);   /* 0: unknown */
guint64 pace_window(Pace *pace); /* octets that may be in flight */
guint64 pace_large(Pace *pace);  /* a body above this takes more than a second of line */
