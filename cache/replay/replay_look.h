/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/journal/journal.h"
#include "cache/replay/replay.h"

/* Looks for messages that the server may have, under numbers that nobody told us. */
typedef struct {
  const JournalItem *item;
  guint32 uid;      /* out; 0: not there */
  gboolean altered; /* out: only its header fields speak for it */
} ReplaySought;

/* Among those of the mailbox from `uidnext` on (under `uidvalidity`; 0: any) that the index does not know: one to one,
 * by the four header fields and the size, else by either and the octets. Opens the mailbox afresh. FALSE: it cannot be
 * opened, or the line is lost. */
gboolean replay_look_for(Account *account, ImapConn *conn, gint64 mailbox, guint32 uidvalidity, guint32 uidnext,
                         ReplaySought *sought, guint n, guint32 *ret_uidvalidity, GError **error);
