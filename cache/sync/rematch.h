/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * A server gave the messages of a mailbox other UIDs. rematch_begin() lets go of the old ones; a listing then finds
 * rows for the messages again (index_rematch), and rematch_prove() settles which of their bodies are theirs. All may be
 * cut off anywhere and begun again. Both block.
 */

/* Sets mailbox->listed to DOUBTED until it is done. `bodies`: they may be proven later; else they are dropped. */
gboolean rematch_begin(Account *account, IndexMailbox *mailbox, gboolean bodies, GError **error);
/* With the mailbox selected. A body that the server's header does not prove is dropped. */
gboolean rematch_prove(Account *account, ImapConn *conn, gint64 mailbox, GError **error);
