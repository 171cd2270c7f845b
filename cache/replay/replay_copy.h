/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/replay/replay_private.h"

/* New messages that are copies of what the server has: it copies them itself. Only for replay_append.c. */

typedef struct {
  gint64 row;
  const char *raw;
  guint32 uidvalidity, uidnext; /* before: what has a lower UID was there */
} ReplayTarget;

gboolean replay_copy_has_source(Account *account, const JournalItem *item);
/* UID COPY of those items of the batch, from `*i` on, that one command can copy; *i is then behind them. Settles them;
 * what the server would not copy goes into `rest` (JournalItem). FALSE: the line is lost. */
gboolean replay_copy(Replay *replay, ImapConn *conn, JournalBatch *batch, const ReplayTarget *target, guint *i,
                     GPtrArray *rest, GError **error);
