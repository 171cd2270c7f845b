/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>

#include "tests/fault.h"

/*
 * What the sweeps share (test_sweep.c, test_sweep_write.c): sessions in which a line goes wrong, at every
 * $FAULT_STEP-th octet, many at once, as most of a session is waiting.
 */
typedef struct {
  Fault fault;
  gboolean tls, plain; /* where it is tried */
  guint coarse;        /* this many steps are one */
} SweepWay;

/* Of the first connection, or of each. */
#define SWEEP_FIRST(kind, direction, line)                                                                             \
  { kind, direction, 0, 1, (char *)line }
#define SWEEP_EACH(kind, direction, line)                                                                              \
  { kind, direction, 0, FAULT_EACH, (char *)line }

guint64 sweep_step(guint64 usual);                                             /* $FAULT_STEP, or this */
guint64 sweep_stride(const SweepWay *way, guint64 usual);                      /* octets from one fault to the next */
TCase *sweep_case(guint64 usual, void (*setup)(void), void (*teardown)(void)); /* a full sweep takes its time */

typedef struct {
  guint workers;
  guint16 (*port)(gboolean tls); /* what a line leads to */
  gboolean (*is_tls)(gconstpointer job);
  void (*run)(gpointer job, FaultRelay *relay); /* over a line of its own */
} SweepSessions;
void sweep_run(const SweepSessions *sessions, GPtrArray *jobs);
