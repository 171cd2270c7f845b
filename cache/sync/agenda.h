/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/index/index.h"

/*
 * Which folder is to be looked at, and when: freshness, push, queues and the times of the sweep. Pure bookkeeping,
 * thread-safe, no I/O; sync.c and watch.c do the work.
 */
typedef struct _Agenda Agenda;

typedef enum { SYNC_FRESH, SYNC_REFRESHING, SYNC_LISTING } SyncAnswer;

typedef struct {
  guint refresh;                     /* seconds for which a folder without push is fresh */
  gint64 (*now)(gpointer data);      /* NULL: g_get_monotonic_time() */
  gint64 (*next_try)(gpointer data); /* monotonic µs before which connecting is no use (0: now); asked while offline */
  gpointer data;
} AgendaSetup;

Agenda *agenda_new(const AgendaSetup *setup);
void agenda_free(Agenda *agenda);
void agenda_close(Agenda *agenda); /* whoever waits for work returns */

/* To compare the flags of more messages than that is left to the clock, where the server cannot say which moved: each
 * comparison has all of them on the line, some 40 octets each. */
#define AGENDA_FLAGS_MOST 50000

/* ---- asked by readers ---- */
SyncAnswer agenda_want(Agenda *agenda, const IndexMailbox *mailbox); /* FRESH, or it is queued now */
/* Flags of a listed folder are asked for: where nobody tells that they move they are compared, unless that was a moment
 * ago. */
void agenda_want_flags(Agenda *agenda, const IndexMailbox *mailbox);
gboolean agenda_kick(Agenda *agenda); /* we are offline, and nobody asked for another try in the last seconds */

/* ---- asked by whoever learns something ---- */
/* The folder is not what we hold, whatever the clock says: next in line. `status` (or NULL): what it is said to be. */
void agenda_doubt(Agenda *agenda, gint64 row, const ImapStatus *status);
/* The same, and it is flags that moved. */
void agenda_doubt_flags(Agenda *agenda, gint64 row);
/* The same of one that may be in the middle of its first listing, which may have looked before that: then it is next in
 * line when the listing ends. Otherwise the listing to come sees everything. */
void agenda_doubt_listing(Agenda *agenda, gint64 row);
void agenda_refresh(Agenda *agenda, gint64 row); /* queued; as fresh as it is */
void agenda_relist(Agenda *agenda, gint64 row);  /* queued for a first listing, once more */
void agenda_look_again(Agenda *agenda);          /* a sweep is due now */
void agenda_learn(Agenda *agenda, gint64 at);    /* monotonic µs: then there is something to learn; 0: nothing */
/* The server will not tell of the folder: it may be called otherwise by now. TRUE: a sweep comes, once for each doubt,
 * and later where that does not help. */
gboolean agenda_refused(Agenda *agenda, gint64 row);
void agenda_begin_again(Agenda *agenda); /* a sweep is due now, and nothing has been tried in vain yet */

/* ---- for the syncing thread ---- */
typedef struct {
  gboolean learn; /* what may be done, for there is nothing else to do */
  gboolean sweep;
  gint64 row;        /* folder to refresh; 0: none */
  gboolean asked;    /* somebody waits for the end of it */
  gboolean verified; /* that has happened since it was queued: only to be told */
  gboolean said;     /* `status` (without name) is what push said of it */
  ImapStatus status;
} AgendaTask;
gboolean agenda_next_task(Agenda *agenda, AgendaTask *ret); /* blocks; FALSE: closed */

/* ---- for both, where somebody else has claimed the folder (cache/replay/claims.h) ---- */
/* It comes back when it is free; whoever waits goes on waiting, but not where the line is known to be down. */
void agenda_postpone(Agenda *agenda, const AgendaTask *task);
void agenda_freed(Agenda *agenda, gint64 row); /* any thread: also where it has not been postponed yet */

/* ---- for the listing thread ---- */
gint64 agenda_next_first(Agenda *agenda);        /* blocks; 0: closed. Not queued again until one of these: */
void agenda_put_off(Agenda *agenda, gint64 row); /* its turn comes again after the others */
void agenda_end_first(Agenda *agenda, gint64 row, gboolean well);
gboolean agenda_others_first(Agenda *agenda); /* others wait for their first listing */

/* ---- for the watching thread ---- */
gboolean agenda_await_watch(Agenda *agenda);    /* blocks until it makes sense to connect; FALSE: closed */
gint64 agenda_watch_row(Agenda *agenda);        /* the folder to sit on, where only one can be watched; 0: any */
gint64 agenda_watch_until(Agenda *agenda);      /* monotonic µs: when to ask that again, unless called */
gboolean agenda_watch_is_late(Agenda *agenda);  /* it has to be called: the answer will change before that */
void agenda_pushed_all(Agenda *agenda);         /* from now on the server tells of folders: */
void agenda_told(Agenda *agenda, gint64 row);   /* of this one, for it has */
void agenda_pushed(Agenda *agenda, gint64 row); /* of this one */
void agenda_asked(Agenda *agenda, gint64 row);  /* of none; this one is asked about now and then */
typedef enum {
  AGENDA_WATCH_LOST,      /* connect again, soon at first, later where it never holds */
  AGENDA_WATCH_NO_FOLDER, /* nothing to sit on before somebody opens one */
  AGENDA_WATCH_NO_LINE,   /* there is no connection to spare */
} AgendaWatchEnd;
void agenda_watch_ended(Agenda *agenda, AgendaWatchEnd end);

/* ---- what came of it ---- */
/* A connection was had, or not (`why`: a clean line). TRUE: that is news. Back online a sweep is due. */
gboolean agenda_online(Agenda *agenda, gboolean online, const char *why);
/* A sweep began, or (not well) failed: soon again. */
void agenda_swept(Agenda *agenda, gboolean well);
/* What it found: folders, those listed; `asks`: how many it has to ask for one by one. */
void agenda_counted(Agenda *agenda, guint folders, guint listed, guint asks);
/* The line was lost over a folder, and with it what it had to say: a sweep, later where that goes on. */
void agenda_lost(Agenda *agenda);
/* A folder is as we hold it, or held it then (monotonic µs); `flags`: they were compared, too. */
void agenda_verified(Agenda *agenda, gint64 row, gint64 started, gboolean flags);
gboolean agenda_verified_since(Agenda *agenda, gint64 row, gint64 when);
typedef enum { AGENDA_FLAGS_KNOWN, AGENDA_FLAGS_WANTED, AGENDA_FLAGS_OLD } AgendaFlags;
AgendaFlags agenda_flags_due(Agenda *agenda, gint64 row); /* OLD: not compared for long */
void agenda_flags_told(Agenda *agenda, gboolean told);    /* the server says which flags moved (CONDSTORE) */

/* Takes out all that wait in a queue (and with NEWS and FIRST what is postponed), and returns those whose readers are
 * to be told. New array of gint64. */
typedef enum { AGENDA_NEWS, AGENDA_REFRESH, AGENDA_FIRST, AGENDA_TREE, AGENDA_QUEUES } AgendaQueue;
GArray *agenda_take(Agenda *agenda, AgendaQueue queue);

/* ---- for people ---- */
typedef enum { AGENDA_PUSH_NONE, AGENDA_PUSH_ASKED, AGENDA_PUSH_FOLDER, AGENDA_PUSH_ALL } AgendaPush;
typedef struct {
  gboolean online;
  gint64 since; /* s since 1970: of that */
  char *why;    /* offline: or NULL */
  AgendaPush push;
  gint64 push_row, push_since; /* s since 1970 */
  guint folders, listed, queued[AGENDA_QUEUES];
  gint64 swept; /* s since the last sweep began; -1: none */
} AgendaState;
void agenda_look(Agenda *agenda, AgendaState *ret);
void agenda_state_clear(AgendaState *state);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Agenda, agenda_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AgendaState, agenda_state_clear)
