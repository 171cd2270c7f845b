/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the agenda share. Nobody else includes this. */
#include "cache/sync/agenda.h"

#define SECOND ((gint64)G_USEC_PER_SEC)

typedef struct {
  gint64 row;
  gint64 verified;    /* monotonic; 0: never in this mount */
  gint64 flags;       /* monotonic; last comparison of flags */
  gint64 compared;    /* µs that it took */
  gint64 wanted;      /* monotonic: flags moved, or somebody wants them as of then; 0: no */
  gint64 doubted;     /* monotonic; 0: no */
  gint64 told;        /* monotonic: when the server last told of it; a directory is told of by its children */
  gint64 queued;      /* monotonic: since when it stands in `line` */
  gint64 rests;       /* monotonic: news of it wait until then, if nobody asks */
  GQueue *line;       /* the queue it stands in; NULL: none */
  gboolean first;     /* in the queue for first listings, or taken out of it and not yet done */
  gboolean postponed; /* found to be claimed: in no queue until it is free, or somebody asks while offline */
  gboolean freed;     /* it was free since it was taken out */
  gboolean asked;     /* a reader waits for the end of its next refresh */
  gboolean said;      /* `status` is what push said of it last */
  ImapStatus status;
  GList link;
} Folder;

struct _Agenda {
  AgendaSetup setup;
  GMutex mutex; /* guards all below */
  GCond cond;
  gboolean closed;
  GHashTable *folders;          /* row -> Folder */
  GQueue queues[AGENDA_QUEUES]; /* of Folder.link */

  gint64 swept;      /* monotonic; 0: wanted now */
  gint64 began;      /* monotonic: the last sweep; 0: none */
  gint64 lost;       /* monotonic: when the line was last lost over a folder; 0: never */
  gint64 lost_delay; /* from then to the sweep */
  Folder *news;      /* what the task in hand compares because of news alone; or NULL */
  gint64 news_since; /* monotonic: when it was taken */
  gint64 learn;      /* monotonic: when there is something to learn; 0: nothing */
  guint overtaken;   /* tasks that went before a sweep that is due */
  guint n_folders, n_listed, asks;

  gboolean flags_told; /* by CONDSTORE */

  gboolean online;
  gint64 online_since; /* s since 1970 */
  char *why;
  gint64 kicked;

  AgendaPush push;
  gint64 push_row;   /* FOLDER: this one */
  gint64 push_since; /* monotonic */
  gint64 push_began; /* s since 1970 */

  gint64 tried;            /* what `used` was when the watching thread looked */
  gint64 used, used_since; /* the listed folder that readers opened last, and since when it is that one */
  gint64 watch_asks;       /* monotonic: when the watching thread will ask again by itself */
  gint64 watch_next;       /* monotonic: not before this */
  gint64 watch_delay;      /* the last one */
  gint64 watch_began;      /* monotonic: the last connection to watch on */
  gboolean watch_idle;     /* it waits for a folder to sit on */
};

gint64 agenda_now(const Agenda *agenda);
/* With the mutex held. */
Folder *agenda_folder(Agenda *agenda, gint64 row);
Folder *agenda_take_head(Agenda *agenda, AgendaQueue queue); /* out of the queue; NULL: it is empty */
Folder *agenda_take_news(Agenda *agenda, gint64 now);        /* of those that do not rest */
gint64 agenda_news_at(const Agenda *agenda);                 /* when the first of them may be taken */
guint agenda_length(const Agenda *agenda, AgendaQueue queue);
gboolean agenda_within_refresh(const Agenda *agenda, gint64 when, gint64 now); /* `when` is no longer ago */
gboolean agenda_is_pushed(const Agenda *agenda, const Folder *folder, gboolean directory);
void agenda_enqueue_first(Agenda *agenda, Folder *folder);
void agenda_enqueue_refresh(Agenda *agenda, AgendaQueue queue, Folder *folder); /* unless its first listing is due */
void agenda_note_doubt(Agenda *agenda, Folder *folder, const ImapStatus *status);
void agenda_note_flags(Agenda *agenda, Folder *folder, gint64 started); /* they were compared then */
void agenda_note_use(Agenda *agenda, gint64 row, gint64 now);
#define AGENDA_REST 4 /* as many times as long as a comparison took that nobody waits for, the folder rests */
void agenda_wait(Agenda *agenda, gint64 until); /* for a change, an hour at most */
