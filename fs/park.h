/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/*
 * The requests that wait for news. Each waits for one key (an inode number), and is answered by exactly one owner: the
 * thread that took it out of the park, because its event came, its time was up, it was interrupted, or the park closed.
 * No lock is held while answering. Thread-safe.
 */
typedef struct _Park Park;

typedef enum {
  PARK_WAITING,     /* only from park_settle(): the park owns it now */
  PARK_EVENT,       /* news of the key */
  PARK_LATE,        /* its time is up and the line was silent */
  PARK_INTERRUPTED, /* the caller no longer wants it */
  PARK_CLOSED,      /* the filesystem ends */
} ParkOutcome;

/* To be embedded at the start of what waits; all zero at first. */
typedef struct _Parked Parked;
typedef void (*ParkAnswer)(Parked *parked, ParkOutcome outcome, const CacheEvent *event);
struct _Parked {
  ParkAnswer answer; /* takes it over; the event (only with PARK_EVENT) is borrowed */
  guint64 key;
  gint64 since, deadline; /* monotonic µs */
  gboolean firm;          /* the deadline holds even while the line is alive */
  gboolean interrupted;
  guint state; /* see park.c */
};

/* `heard` tells the monotonic µs of the last byte from the server. Starts a thread. */
Park *park_new(gint64 (*heard)(gpointer data), gpointer data);
void park_free(Park *park); /* after park_close(); nobody may be in it */

/* From now on news of the key is noticed; the caller still owns it, and asks the cache next. */
void park_hold(Park *park, Parked *parked, guint64 key);
/* The caller has its answer and takes it back. */
void park_release(Park *park, Parked *parked);
/* It has to wait. PARK_WAITING: `answer` will be called, keep off. Else the caller owns it still: PARK_EVENT means that
 * news came since park_hold(), so ask again. */
ParkOutcome park_settle(Park *park, Parked *parked, gint64 wait, gboolean firm);

void park_event(Park *park, guint64 key, const CacheEvent *event); /* answers all that wait for this key */
void park_interrupt(Park *park, Parked *parked); /* from any thread, whatever its state; only flags it */
void park_close(Park *park);                     /* fails all, and whatever comes later */
guint park_waiting(Park *park);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Park, park_free)
