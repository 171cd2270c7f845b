/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * The folders: what LIST says becomes mailbox rows, split at the delimiter of each line. Rows outlive what they show: a
 * row ends only when a confirmed LIST no longer has its mailbox; hide= and subscribed only hide it. One thread (sync)
 * calls tree_update().
 */
typedef struct {
  gboolean unconfirmed; /* mailboxes were missing and kept: ask again on a fresh connection, with `confirmed` */
  GHashTable *status;   /* raw name -> ImapStatus, or NULL where the server has no LIST-STATUS; the caller's */
} TreeNews;

/* Blocks. Tells fs/ of what came and went. A mailbox that was renamed keeps its row. `renames` (or NULL): raw name ->
 * raw name before, as NOTIFY told; a hint like any other. */
gboolean tree_update(Account *account, ImapConn *conn, GHashTable *renames, gboolean confirmed, TreeNews *ret,
                     GError **error);
void tree_news_clear(TreeNews *news);

/* The server's name of what is to be shown as `name` in `parent`. A new string; NULL: INVALID (a name that it cannot
 * have), PERMISSION (nothing can stand there). `personal`: as imap_namespace() says. */
char *tree_raw_name(Account *account, const IndexMailbox *parent, const ImapNamespace *personal, const char *name,
                    char *ret_delimiter, GError **error);
/* The same of a path of shown names, '/' between them, in the personal namespace: "Trash" is INBOX.Trash where that is
 * "INBOX." */
char *tree_raw_path(Account *account, const ImapNamespace *personal, const char *path, char *ret_delimiter,
                    GError **error);

/* CREATE (with `use`, as imap_create()), SUBSCRIBE, and it is in the index. CACHE_ERROR_EXISTS as EXISTS of imap/.
 * `knows`: the row of the parent whose watcher knows that it changes; 0: nobody does. Blocks. */
gboolean tree_make(Account *account, ImapConn *conn, const char *raw, char delimiter, guint use, gint64 knows,
                   gint64 *ret_row, GError **error);
/* The server has renamed this mailbox, and with it all below: in the index, too. fs/ is told only of others. */
gboolean tree_renamed(Account *account, gint64 row, const char *raw, GError **error);

/* What LIST-STATUS said is in folders that were never listed. Blocks. */
gboolean tree_count(Account *account, GHashTable *status, GError **error);

/* Applies hide= of this mount to the rows of the last one; for a start without network. */
gboolean tree_apply_hide(Account *account, GError **error);

/* The row of a decoded path below the account's root ("" or NULL: the root itself; INBOX in any case). 0 and an error
 * if there is none. */
gint64 tree_resolve(Account *account, const char *path, GError **error);
gboolean tree_known(Account *account); /* the account has been seen before */

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TreeNews, tree_news_clear)
