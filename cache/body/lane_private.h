/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of a lane share. Nobody else includes this. */
#include "cache/body/incoming.h"
#include "cache/body/lane.h"

struct _Lane {
  const LaneShared *shared;
  ImapRole role;
  WantsKinds kinds;
  GThread *thread;
  GMutex mutex;         /* guards conn against lane_wake() */
  ImapConn *conn;       /* leased, or NULL */
  guint64 received;     /* of conn's octets, counted */
  gint64 mailbox;       /* row of what is selected for the wants in flight; 0: none */
  guint32 uidvalidity;  /* under which it was opened */
  GHashTable *asked;    /* UID -> Want: in flight */
  GQueue commands;      /* GArray of guint32, oldest first */
  GHashTable *suspects; /* UID -> Want: left out by the server, to be looked at when nothing is in flight */
  Incoming *incoming;
  gint64 refused;    /* monotonic: when a connection was dropped because it refused a mailbox; 0: never */
  gboolean going;    /* something has been asked for on this lease */
  gboolean doubtful; /* what is in flight was asked for in vain before: nothing goes with it */
};

Account *lane_account(const Lane *lane);

/* ---- lane_ask.c ---- */
/* Sends what may be sent now: lane->commands. FALSE: the connection is lost. */
gboolean lane_ask(Lane *lane, GError **error);

/* ---- lane_answer.c: what becomes of wants ---- */
void lane_fail_row(Lane *lane, gint64 row, const GError *error);
/* Nobody who waits now shall wait for another attempt at what just failed. */
void lane_fail_waiting(Lane *lane, const GError *error);
void lane_lose(Lane *lane, const GError *error); /* the connection is lost, and with it all that was in flight */
void lane_arrived(Lane *lane, const ImapMessage *message);
void lane_command_done(Lane *lane, const GError *refused);  /* the oldest */
gboolean lane_look_at_suspects(Lane *lane, GError **error); /* FALSE: the connection is lost */
