/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * Messages leave a folder, in transactions of bounded size; each is told after the commit that took it out: told
 * earlier, the kernel would look its name up again and find it. Both block and set *ret_any if any was there.
 */
gboolean removals_run(Account *account, gint64 folder, const ImapSeqset *uids, gboolean *ret_any, GError **error);
/* Those that lost their UIDs and were matched by nothing. */
gboolean removals_forgotten(Account *account, gint64 folder, gboolean *ret_any, GError **error);
/* All of them, of a mailbox that holds messages no longer. */
gboolean removals_all(Account *account, gint64 folder, gboolean *ret_any, GError **error);
