/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/* Takes nothing. FALSE with an error: enough; the connection is then given up. */
typedef gboolean (*AskFunc)(const ImapMessage *message, gpointer data, GError **error);

/* UID FETCH of a set in the selected mailbox, in as many commands as it takes. `each` also gets what was not asked for,
 * as servers say what they like, but nothing without a UID. FALSE: NO was said, or the connection is lost. Blocks. */
gboolean ask_fetch(Account *account, ImapConn *conn, const ImapSeqset *uids, ImapFetchItems items, AskFunc each,
                   gpointer data, GError **error);
/* Likewise whole messages: their octets go into `sink`, before `each`, with the same data. */
gboolean ask_bodies(Account *account, ImapConn *conn, const ImapSeqset *uids, const ImapSink *sink, AskFunc each,
                    gpointer data, GError **error);
