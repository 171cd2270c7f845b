/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/* The last word on who is in the selected mailbox: whoever answers to a FETCH of everybody is there, and is added to
 * `there`. Dear: a response for each message. Blocks. */
gboolean roll_call(Account *account, ImapConn *conn, ImapSeqset *there, GError **error);
