/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/imap.h"

/* Private to imap/watch*.c: what a connection that waits for news remembers. */

/* How the server is made to tell. */
typedef enum { IMAP_WATCH_NONE, IMAP_WATCH_NOTIFY, IMAP_WATCH_IDLE, IMAP_WATCH_POLL } ImapWatchMode;

/* What is under way meanwhile, see watch.c. */
typedef enum {
  IMAP_WATCH_QUIET,
  IMAP_WATCH_ASKED,
  IMAP_WATCH_LOOKING,
  IMAP_WATCH_ENTERING,
  IMAP_WATCH_IDLING,
  IMAP_WATCH_LEAVING
} ImapWatchStage;

typedef struct {
  ImapWatchMode mode;
  ImapWatchStage stage;
  guint tag;             /* of the command under way */
  gint64 due;            /* when to ask next: QUIET and IDLING */
  gint64 patience;       /* µs without a byte until an answer counts as missing: the other stages */
  gint64 deadline;       /* when that will be */
  gboolean told;         /* only the answer to what we asked held news */
  guint late;            /* DONEs in a row that did, with no news in between */
  gboolean over;         /* NOTIFICATIONOVERFLOW has come already */
  gboolean probe;        /* the next question is due when this one is answered */
  gboolean ending;       /* do not enter IDLE again */
  gboolean may_not_look; /* NOTIFY: the server refused LIST */
  gint64 test_interval;  /* in place of all intervals, for tests; 0: none */
} ImapWatch;

/* Nothing may be under way. watch.c does the rest from here on. FALSE: the connection is lost. */
gboolean imap_watch_start(ImapConn *conn, ImapWatchMode mode, GError **error);
