/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * Brings a listed mailbox up to the server's state by comparing UID sets and flags. The protocols that say what changed
 * (CONDSTORE, QRESYNC) will shorten this; they will not replace it.
 */
typedef enum {
  RESYNC_DONE,
  RESYNC_UNSURE, /* more than a fifth would vanish, or the server contradicts itself: nothing removed yet; repeat with
                    `confirmed` on a fresh connection */
  RESYNC_RELIST, /* the UIDs changed their meaning: it is to be listed anew */
  RESYNC_FAILED,
} ResyncResult;

/* `status`: what LIST-STATUS just said of it, or NULL to ask. `flags`: compare flags even where nothing says that they
 * moved. Blocks, owns the connection while it runs; tells fs/ of changes. */
ResyncResult resync_run(Account *account, ImapConn *conn, gint64 mailbox, const ImapStatus *status, gboolean flags,
                        gboolean confirmed, GError **error);

/* The status says that membership (and flags, where it has HIGHESTMODSEQ) are those of the row. */
gboolean resync_same(const IndexMailbox *mailbox, const ImapStatus *status);
