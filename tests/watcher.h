/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/conn.h"
#include "tests/fake.h"

/* A connection that waits for news; where something else goes wrong the test fails. */
typedef struct {
  Fake *fake;
  ImapPool *pool;
  ImapConn *conn;
  GString *census; /* what NOTIFY told at first: "INBOX Work " */
} Watcher;

void watcher_start(Watcher *watcher, const ImapConfig *config); /* any server's; `fake` stays as it is */
void watcher_new(Watcher *watcher, const char *script);         /* a scripted one's */
void watcher_clear(Watcher *watcher);                           /* fails the test if the script was not followed */

gboolean watcher_notify(Watcher *watcher); /* TRUE: accepted */
void watcher_idle(Watcher *watcher);       /* on INBOX, which has 3 messages */
ImapNewsType watcher_next_until(Watcher *watcher, gint64 until, ImapNews *ret);
ImapNewsType watcher_next(Watcher *watcher);
void watcher_end(Watcher *watcher); /* and NOOP */

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Watcher, watcher_clear)
