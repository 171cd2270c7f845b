/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * The folder that removed messages go to: the one with the special use \Trash; else trash=; else "Trash" in the
 * personal namespace.
 */

/* From the index. FALSE with no error: there is none, as far as we know. */
gboolean trash_find(Account *account, IndexMailbox *ret, GError **error);
/* The same, and where there is none it is made. Blocks. UNAVAILABLE: there is one, which LIST has not shown yet. */
gboolean trash_make(Account *account, ImapConn *conn, IndexMailbox *ret, GError **error);
/* Is this folder the trash, or in it? What is removed there really goes. FALSE with an error: the index fails. */
gboolean trash_is(Account *account, gint64 mailbox, gboolean *ret, GError **error);
