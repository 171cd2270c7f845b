/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * lost+found, a local folder (cache/local.h) at the root of the mount that is shown only while it holds something: what
 * the server refused, spooled files that nothing in the index claims, and what a damaged index left in doubt.
 */
#define LOSTFOUND_NAME "lost+found"

/* At the start: where there is one, it follows `root` (another root= was given). */
gboolean lostfound_open(Account *account, gint64 root, GError **error);
/* Its row; made where there is none yet. Not inside a job. */
gboolean lostfound_row(Account *account, gint64 root, gint64 *ret, GError **error);
/* A new one, hidden; in a job, for who knows that there is none. */
gboolean lostfound_make(IndexTxn *txn, gint64 root, gint64 *ret, GError **error);
/* In a job, after something came or left: shown or not. TRUE in *ret_changed: its parent's membership changed;
 * lostfound_tell() after the commit. */
gboolean lostfound_show(Account *account, IndexTxn *txn, gint64 row, gboolean *ret_changed, GError **error);
void lostfound_tell(Account *account, gint64 row);
/* That is what was shown under this name, and is not because nothing is in it. */
gboolean lostfound_is_empty(Account *account, gint64 parent, const char *name);
