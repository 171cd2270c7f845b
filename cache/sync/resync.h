/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * Brings a listed mailbox up to the server's state. What changed is told by CONDSTORE and QRESYNC (RFC 7162) where the
 * server has them; who is in it is known only by comparing UID sets (cache/sync/delta.h).
 */
typedef enum {
  RESYNC_DONE,
  RESYNC_UNSURE, /* more than a fifth would vanish, the server contradicts itself, or it refuses the opening without a
                    reason: nothing removed yet; repeat with `confirmed` on a fresh connection */
  RESYNC_RELIST, /* the UIDs changed their meaning: it is to be listed anew */
  RESYNC_FAILED,
} ResyncResult;

typedef enum {
  RESYNC_FLAGS_AS_TOLD, /* compare them where the server says that some moved */
  RESYNC_FLAGS_OLD,     /* in any case, and be thorough: once in a long time */
  RESYNC_FLAGS_WANTED,  /* in any case, unless the server would have said that some moved */
} ResyncFlags;

/* `status`: what was just said of it (LIST-STATUS, NOTIFY), or NULL to ask. Blocks, owns the connection while it runs;
 * tells fs/ of changes. UNSURE has no error, but for FAILED there is one: IMAP_ERROR_GONE where the row is no more. */
ResyncResult resync_run(Account *account, ImapConn *conn, gint64 mailbox, const ImapStatus *status, ResyncFlags flags,
                        gboolean confirmed, GError **error);

/* The status says that membership (and flags, where it has HIGHESTMODSEQ) are those of the row. */
gboolean resync_same(const IndexMailbox *mailbox, const ImapStatus *status);
