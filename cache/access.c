/* SPDX-License-Identifier: MIT */
/*
 * The answer at a call. What was never heard of a mailbox forbids nothing.
 */
#include "cache/access.h"

static gboolean refuse(GError **error, CacheError code, const char *why) {
  g_set_error_literal(error, CACHE_ERROR, code, why);
  return FALSE;
}

/* What LIST says, and the opening: known before anything was learnt. */
static gboolean check_mailbox(const IndexMailbox *mailbox, AccessWish wish, GError **error) {
  gboolean folder = wish == ACCESS_MAKE_FOLDER || wish == ACCESS_REMOVE_FOLDER;
  if (wish == ACCESS_MAKE_FOLDER && (mailbox->attrs & IMAP_ATTR_NOINFERIORS))
    return refuse(error, CACHE_ERROR_PERMISSION, "this folder can have no folders below it");
  if (folder)
    return TRUE;
  if (mailbox->attrs & IMAP_ATTR_NOSELECT)
    return refuse(error, CACHE_ERROR_PERMISSION, "this folder can hold no messages");
  if (mailbox->listed == INDEX_LISTED && mailbox->uidvalidity == 0)
    return refuse(error, CACHE_ERROR_READONLY, "the server has no lasting numbers for the messages of this folder");
  return TRUE;
}

gboolean access_check(Account *account, gint64 mailbox, AccessWish wish, GError **error) {
  g_auto(IndexMailbox) known = {0};
  g_autoptr(GError) local = NULL;
  if (account->config->read_only)
    return refuse(error, CACHE_ERROR_READONLY, "mounted read-only");
  if (!index_get_mailbox(account->index, mailbox, &known, &local)) {
    if (local)
      g_propagate_error(error, g_steal_pointer(&local));
    else
      refuse(error, CACHE_ERROR_GONE, "the folder is no more");
    return FALSE;
  }
  return (known.attrs & INDEX_LOCAL) || check_mailbox(&known, wish, error);
}

gboolean access_check_size(Account *account, gint64 mailbox, guint64 size, GError **error) {
  (void)account;
  (void)mailbox;
  (void)size;
  (void)error;
  return TRUE;
}
