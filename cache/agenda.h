/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/index.h"

/*
 * Which folder is to be looked at, and when: freshness, queues and the times of the sweep. Pure bookkeeping,
 * thread-safe, no I/O; sync.c does the work.
 */
typedef struct _Agenda Agenda;

typedef enum { SYNC_FRESH, SYNC_REFRESHING, SYNC_LISTING } SyncAnswer;

/* `refresh` in seconds; `next_try`: monotonic µs before which connecting is no use (0: now), asked while offline. */
Agenda *agenda_new(guint refresh, gint64 (*next_try)(gpointer data), gpointer data);
void agenda_free(Agenda *agenda);
void agenda_close(Agenda *agenda); /* whoever waits for work returns */

/* ---- asked by readers ---- */
SyncAnswer agenda_want(Agenda *agenda, const IndexMailbox *mailbox); /* FRESH, or it is queued now */
void agenda_doubt(Agenda *agenda, gint64 row);                       /* not fresh whatever the clock says; queued */
void agenda_refresh(Agenda *agenda, gint64 row);                     /* queued; as fresh as it is */
void agenda_relist(Agenda *agenda, gint64 row);                      /* queued for a first listing, once more */
gboolean agenda_kick(Agenda *agenda);   /* we are offline, and nobody asked for another try in the last seconds */
void agenda_look_again(Agenda *agenda); /* a sweep is due now */

/* ---- for the watching thread ---- */
typedef struct {
  gboolean resumed; /* the machine was suspended: connections made before are dead */
  gboolean sweep;
  gint64 row; /* folder to refresh; 0: none */
} AgendaTask;
gboolean agenda_next_task(Agenda *agenda, AgendaTask *ret); /* blocks; FALSE: closed */

/* ---- for the listing thread ---- */
gint64 agenda_next_first(Agenda *agenda);        /* blocks; 0: closed. Not queued again until one of these: */
void agenda_put_off(Agenda *agenda, gint64 row); /* its turn comes again after the others */
void agenda_end_first(Agenda *agenda, gint64 row);
gboolean agenda_others_first(Agenda *agenda); /* others wait for their first listing */

/* ---- what came of it ---- */
void agenda_online(Agenda *agenda, gboolean online);
void agenda_swept(Agenda *agenda, gboolean well); /* a sweep began, or (not well) failed: soon again */
void agenda_verified(Agenda *agenda, gint64 row, gint64 started,
                     gboolean flags); /* monotonic µs; flags were compared, too */
gboolean agenda_verified_since(Agenda *agenda, gint64 row, gint64 when);
gboolean agenda_flags_due(Agenda *agenda, gint64 row); /* not compared for long */

/* Takes out all that wait in a queue: their readers are to be told. New array of gint64. */
typedef enum { AGENDA_REFRESH, AGENDA_FIRST, AGENDA_TREE, AGENDA_QUEUES } AgendaQueue;
GArray *agenda_take(Agenda *agenda, AgendaQueue queue);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Agenda, agenda_free)
