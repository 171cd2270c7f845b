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

/* Applies hide= of this mount to the rows of the last one; for a start without network. */
gboolean tree_apply_hide(Account *account, GError **error);

/* The row of a decoded path below the account's root ("" or NULL: the root itself; INBOX in any case). 0 and an error
 * if there is none. */
gint64 tree_resolve(Account *account, const char *path, GError **error);
gboolean tree_known(Account *account); /* the account has been seen before */

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TreeNews, tree_news_clear)
