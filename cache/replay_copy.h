/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/replay_private.h"

/* New messages that are copies of what the server has: it copies them itself. Only for replay_append.c. */

gboolean replay_copy_has_source(Account *account, const JournalItem *item);
/* UID COPY of those items of the batch, from `*i` on, that one command can copy; *i is then behind them. Settles them;
 * what the server would not copy goes into `rest` (JournalItem). FALSE: the line is lost. */
gboolean replay_copy(Replay *replay, ImapConn *conn, JournalBatch *batch, const IndexMailbox *target, guint *i,
                     GPtrArray *rest, GError **error);
