/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * Messages that a transaction takes out of a folder, kept until it is committed: told earlier, the kernel would look a
 * name up again and find it.
 */
typedef struct _Removals Removals;

Removals *removals_new(void);
void removals_free(Removals *removals);
void removals_add(gint64 row, const char *name, gpointer removals); /* an IndexRemoved */
void removals_forget(Removals *removals);                           /* the transaction starts again */
gboolean removals_any(const Removals *removals);
void removals_tell(const Removals *removals, Account *account, gint64 folder);

/* Removes these UIDs in transactions of bounded size and tells of each. Sets *ret_any if any was there. Blocks. */
gboolean removals_run(Account *account, gint64 folder, const ImapSeqset *uids, gboolean *ret_any, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Removals, removals_free)
