/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * lost+found, a local folder at the root of the mount that is shown only while it holds something: what the server
 * refused, and spooled files that nothing in the index claims.
 */
#define LOSTFOUND_NAME "lost+found"

/* Its row; made where there is none yet. */
gboolean lostfound_row(Account *account, gint64 root, gint64 *ret, GError **error);
/* After something came or left: shown or not. TRUE in *ret_changed: its parent's membership changed. */
gboolean lostfound_show(IndexTxn *txn, gint64 row, gboolean *ret_changed, GError **error);
