/* SPDX-License-Identifier: MIT */
/*
 * Asked anew each time, as LIST may show another one any day (somebody else made the first message go to the trash);
 * what was moved is where it was moved to. Where several are \Trash (other people's folders among them), the one with
 * the shortest name.
 */
#include "cache/replay/trash.h"

#include <string.h>

#include "cache/tree/tree.h"

#define USUAL "Trash"

static gboolean is_usable(const IndexMailbox *mailbox) {
  return mailbox->raw && !(mailbox->attrs & (IMAP_ATTR_NOSELECT | INDEX_LOCAL));
}

/* ---- which one ----------------------------------------------------------------------------------------- */

static IndexMailbox *find_special(GPtrArray *mailboxes) {
  IndexMailbox *best = NULL;
  for (guint i = 0; i < mailboxes->len; i++) {
    IndexMailbox *mailbox = mailboxes->pdata[i];
    if (is_usable(mailbox) && (mailbox->attrs & IMAP_ATTR_TRASH) && (!best || strlen(mailbox->raw) < strlen(best->raw)))
      best = mailbox;
  }
  return best;
}

static IndexMailbox *child(GPtrArray *mailboxes, const IndexMailbox *parent, const char *name) {
  for (guint i = 0; parent && i < mailboxes->len; i++) {
    IndexMailbox *mailbox = mailboxes->pdata[i];
    if (mailbox->parent == parent->row && strcmp(mailbox->name, name) == 0)
      return mailbox;
  }
  return NULL;
}

static IndexMailbox *descend(GPtrArray *mailboxes, IndexMailbox *from, const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  for (char **part = parts; *part; part++)
    if (**part)
      from = child(mailboxes, from, *part);
  return from && is_usable(from) ? from : NULL;
}

/* Where all folders of a person stand below INBOX, that goes without saying. */
static IndexMailbox *find_path(GPtrArray *mailboxes, const char *path) {
  IndexMailbox *root = mailboxes->len > 0 ? mailboxes->pdata[0] : NULL;
  IndexMailbox *found = descend(mailboxes, root, path);
  return found ? found : descend(mailboxes, child(mailboxes, root, "INBOX"), path);
}

static const char *path_of(const Account *account) {
  return account->config->trash && *account->config->trash ? account->config->trash : USUAL;
}

static IndexMailbox *find_among(const Account *account, GPtrArray *mailboxes) {
  IndexMailbox *special = find_special(mailboxes);
  return special ? special : find_path(mailboxes, path_of(account));
}

gboolean trash_find(Account *account, IndexMailbox *ret, GError **error) {
  g_autoptr(GPtrArray) mailboxes = index_mailboxes(account->index, error);
  IndexMailbox *found = mailboxes ? find_among(account, mailboxes) : NULL;
  return found && index_get_mailbox(account->index, found->row, ret, error);
}

gboolean trash_is(Account *account, gint64 mailbox, gboolean *ret, GError **error) {
  g_autoptr(GPtrArray) mailboxes = index_mailboxes(account->index, error);
  if (!mailboxes)
    return FALSE;
  const IndexMailbox *trash = find_among(account, mailboxes);
  *ret = FALSE;
  /* Parents come first, so going back from the end meets the parent of each. */
  for (guint i = mailboxes->len; trash && !*ret && i-- > 0;) {
    const IndexMailbox *at = mailboxes->pdata[i];
    if (at->row != mailbox)
      continue;
    *ret = at->row == trash->row;
    mailbox = at->parent;
  }
  return TRUE;
}

/* ---- none ------------------------------------------------------------------------------------------------ */

static gboolean make(Account *account, ImapConn *conn, const char *raw, char delimiter, gint64 *ret, GError **error) {
  g_autoptr(GError) failure = NULL;
  if (tree_make(account, conn, raw, delimiter, IMAP_ATTR_TRASH, 0, ret, &failure))
    return TRUE;
  /* Not every server that can say so will have it said of this mailbox. */
  if (g_error_matches(failure, IMAP_ERROR, IMAP_ERROR_REFUSED) && imap_conn_has(conn, "CREATE-SPECIAL-USE") &&
      !imap_conn_failed(conn)) {
    g_clear_error(&failure);
    if (tree_make(account, conn, raw, delimiter, 0, 0, ret, &failure))
      return TRUE;
  }
  g_propagate_error(error, g_steal_pointer(&failure));
  return FALSE;
}

static gboolean make_new(Account *account, ImapConn *conn, IndexMailbox *ret, GError **error) {
  g_auto(ImapNamespace) personal = {0};
  g_autoptr(GError) failure = NULL;
  char delimiter = 0;
  gint64 row = 0;
  if (!imap_namespace(conn, &personal, account->cancellable, error))
    return FALSE;
  g_autofree char *raw = tree_raw_path(account, &personal, path_of(account), &delimiter, &failure);
  if (!raw) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "the trash cannot be \"%s\": %s", path_of(account),
                failure->message);
    return FALSE;
  }
  if (make(account, conn, raw, delimiter, &row, &failure)) {
    g_message("made the folder \"%s\" for what is removed", path_of(account));
    return index_get_mailbox(account->index, row, ret, error);
  }
  /* Another client was faster; then it is in the index by now. */
  if (g_error_matches(failure, IMAP_ERROR, IMAP_ERROR_EXISTS) && trash_find(account, ret, NULL))
    return TRUE;
  if (failure->code == IMAP_ERROR_EXISTS && failure->domain == IMAP_ERROR)
    failure->code = IMAP_ERROR_UNAVAILABLE;
  g_propagate_error(error, g_steal_pointer(&failure));
  return FALSE;
}

gboolean trash_make(Account *account, ImapConn *conn, IndexMailbox *ret, GError **error) {
  g_autoptr(GError) failure = NULL;
  if (trash_find(account, ret, &failure))
    return TRUE;
  if (!failure)
    return make_new(account, conn, ret, error);
  g_propagate_error(error, g_steal_pointer(&failure));
  return FALSE;
}
