/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * Folders that only we know: directories with the name of debris, whatever is made inside them, and lost+found. They
 * are rows with INDEX_LOCAL and NOSELECT and without a raw name; lost+found is NOINFERIORS, too: users take things out
 * of it, and put nothing in. What is in them stays local.
 */
gboolean local_is(const IndexMailbox *folder);
gboolean local_is_closed(const IndexMailbox *folder); /* lost+found */
/* A directory or file that is made in `parent` under this name stays local. */
gboolean local_keeps(const IndexMailbox *parent, const char *name);

/* EXISTS, PERMISSION (lost+found), PROTECTED (`.Trash*`), GONE (the parent). */
gboolean local_make(Account *account, gint64 parent, const char *name, gint64 *ret_row, GError **error);
/* NOT_EMPTY, PERMISSION (lost+found). */
gboolean local_remove(Account *account, const IndexMailbox *folder, GError **error);
/* Over an empty local folder, too, if `replace`. CROSS where it would have to become a folder of the server; INVALID
 * into itself. */
gboolean local_rename(Account *account, const IndexMailbox *folder, gint64 to_parent, const char *to_name,
                      gboolean replace, GError **error);
