/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * Large new messages on their way to the server: spool/ROW in the state directory, with spool/ROW.about beside it
 * (folder, name, flags and date), so that they can be found again without the index. And discarded/, where goes what
 * users remove from lost+found. What is called ROW never changes, it is only replaced. Thread-safe, but for two calls
 * for one row.
 */
typedef struct _Spool Spool;

Spool *spool_open(int state_fd, GError **error);
void spool_close(Spool *spool);

int spool_temp(Spool *spool, GError **error); /* an fd of a nameless file in spool/, read and write; -1 */
/* The file, on the disk, is called ROW from now on, and replaces what was called so. `about` says what it is, as clean
 * lines. Durable when it returns. Nothing may be written to fd afterwards. */
gboolean spool_keep(Spool *spool, int fd, gint64 row, const char *about, GError **error);
gboolean spool_describe(Spool *spool, gint64 row, const char *about, GError **error); /* `about` anew */
int spool_get(Spool *spool, gint64 row, GError **error); /* an fd to read, at the start; -1 */
void spool_drop(Spool *spool, gint64 row);
/* Keeps these octets in discarded/ under a name that is not taken yet. */
gboolean spool_discard(Spool *spool, int fd, GError **error);
GArray *spool_rows(Spool *spool, GError **error); /* gint64 */
char *spool_about(Spool *spool, gint64 row, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Spool, spool_close)
