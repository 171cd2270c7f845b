/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * A folder that vanished while another appeared may be the same one: then its row, and with it inode, names and bodies,
 * live on. MAILBOXID decides where both sides have it; else the new folder must show the old one's messages.
 *
 * missing: IndexMailbox* that LIST no longer shows, or shows as another mailbox; fresh: ImapListing* where they may
 * stand now. Returns raw name -> gint64 row (maybe empty; not those found under their own name), the caller's, or NULL
 * when the connection is lost. Blocks.
 */
GHashTable *rename_find(Account *account, ImapConn *conn, GPtrArray *missing, GPtrArray *fresh, GError **error);

/* The mailbox under the row's name, which may be open already, shows the messages of the row. Blocks. */
gboolean rename_is_same(Account *account, ImapConn *conn, const IndexMailbox *known, gboolean *ret_same,
                        GError **error);
