/* SPDX-License-Identifier: MIT */
/*
 * mkdir and the rename of a folder, as far as they happen on the server.
 *
 * A rename claims every mailbox that it concerns: no delta looks into one whose name is just changing (Cyrus tells such
 * a session that all is gone), and no upload goes to a name that has just become another's. Nobody else who holds a
 * claim waits for a second one, so taking them one by one ends. The claims are taken before the connection.
 *
 * An answer that did not come leaves it open whether the server did it; the next sweep knows.
 */
#include <string.h>

#include "cache/error.h"
#include "cache/tree/errand_private.h"
#include "cache/tree/tree.h"

#define LOOK_AGAIN 20000 /* µs */

/* ---- a name that is just being freed ----------------------------------------------------------------------------- */

/* The user has removed a folder of this name (so it is not shown), and the server has it still. */
static gboolean is_being_removed(Account *account, gint64 parent, const char *name) {
  g_autoptr(GPtrArray) rows = index_mailboxes(account->index, NULL);
  g_auto(IndexMailbox) shown = {0};
  for (guint i = 0; rows && i < rows->len; i++) {
    const IndexMailbox *mailbox = rows->pdata[i];
    if (mailbox->parent == parent && g_str_equal(mailbox->name, name))
      return !(mailbox->attrs & INDEX_HIDDEN) && !index_find_mailbox(account->index, parent, name, &shown, NULL);
  }
  return FALSE;
}

/* `rm -r x && mkdir x`: another folder is made, so the old one must have gone. */
static gboolean await_removal(Errands *errands, Errand *errand, GError **error) {
  while (is_being_removed(errands->account, errand->parent, errand->name)) {
    if (errand_is_late(errand, error))
      return FALSE;
    g_usleep(LOOK_AGAIN);
  }
  return TRUE;
}

/* ---- mkdir ---------------------------------------------------------------------------------------------------- */

/* The namespace is only asked for where it matters. */
static gboolean make_on(Errands *errands, Errand *errand, ImapConn *conn, const IndexMailbox *parent, gint64 *ret_row,
                        GError **error) {
  Account *account = errands->account;
  g_auto(ImapNamespace) personal = {0};
  char delimiter = 0;
  if (!parent->raw && !imap_namespace(conn, &personal, account->cancellable, error))
    return FALSE;
  g_autofree char *raw = tree_raw_name(account, parent, &personal, errand->name, &delimiter, error);
  return raw && tree_make(account, conn, raw, delimiter, 0, parent->row, ret_row, error);
}

gboolean errand_make(Errands *errands, Errand *errand, gint64 *ret_row, GError **error) {
  g_auto(IndexMailbox) parent = {0};
  if (!index_need_mailbox(errands->account->index, errand->parent, &parent, error) ||
      !await_removal(errands, errand, error))
    return FALSE;
  ImapConn *conn = errand_lease(errands, errand, error);
  if (!conn)
    return FALSE;
  gboolean ok = make_on(errands, errand, conn, &parent, ret_row, error);
  imap_pool_release(errands->account->pool, conn);
  return ok;
}

/* ---- rename --------------------------------------------------------------------------------------------------- */

static gboolean is_within(const IndexMailbox *mailbox, const IndexMailbox *top) {
  gsize len = strlen(top->raw);
  return mailbox->raw && strncmp(mailbox->raw, top->raw, len) == 0 &&
         (mailbox->raw[len] == '\0' || (top->delimiter && mailbox->raw[len] == top->delimiter));
}

/* The folder and all below: IndexMailbox*, parents first. */
static GPtrArray *subtree(Account *account, const IndexMailbox *top, GError **error) {
  GPtrArray *rows = index_mailboxes(account->index, error);
  for (guint i = 0; rows && i < rows->len;)
    if (is_within(rows->pdata[i], top))
      i++;
    else
      g_ptr_array_remove_index(rows, i);
  return rows;
}

static void release_claims(Account *account, const GPtrArray *rows, guint n) {
  for (guint i = 0; account->claims && i < n; i++)
    claims_release(account->claims, ((IndexMailbox *)rows->pdata[i])->row, 0);
}

static gboolean take_claims(Account *account, Errand *errand, const GPtrArray *rows, GError **error) {
  for (guint i = 0; account->claims && i < rows->len; i++)
    if (!claims_take(account->claims, ((IndexMailbox *)rows->pdata[i])->row, 0, errand->patience)) {
      release_claims(account, rows, i);
      return cache_fail(error, CACHE_ERROR_BUSY, "something is being changed in that folder");
    }
  return TRUE;
}

static gboolean is_listed(const IndexMailbox *mailbox) {
  return !(mailbox->attrs & IMAP_ATTR_NOSELECT) && mailbox->listed == INDEX_LISTED && mailbox->uidvalidity != 0;
}

static char *renamed(const IndexMailbox *mailbox, const char *from, const char *to) {
  return g_strconcat(to, mailbox->raw + strlen(from), NULL);
}

/* ---- other numbers: Courier gives them to all that it renames. To say so at once saves each folder from being found
 * out by itself, over a connection of its own. */

static gboolean is_renumbered(Account *account, ImapConn *conn, const GPtrArray *rows, const char *from,
                              const char *to) {
  for (guint i = 0; i < rows->len; i++) {
    const IndexMailbox *mailbox = rows->pdata[i];
    g_auto(ImapStatus) status = {0};
    g_autofree char *now = is_listed(mailbox) ? renamed(mailbox, from, to) : NULL;
    if (now)
      return imap_status(conn, now, &status, account->cancellable, NULL) && status.has_uidvalidity &&
             status.uidvalidity != mailbox->uidvalidity;
  }
  return FALSE;
}

typedef struct {
  Index *index;
  const GPtrArray *rows;
} Doubt;

static gboolean write_doubts(IndexTxn *txn, gpointer data, GError **error) {
  const Doubt *doubt = data;
  for (guint i = 0; i < doubt->rows->len; i++) {
    g_auto(IndexMailbox) now = {0};
    if (!index_get_mailbox(doubt->index, ((IndexMailbox *)doubt->rows->pdata[i])->row, &now, NULL) || !is_listed(&now))
      continue;
    now.listed = INDEX_DOUBTED;
    if (!index_set_state(txn, &now, error))
      return FALSE;
  }
  return TRUE;
}

static void doubt_all(Errands *errands, GPtrArray *rows) {
  Account *account = errands->account;
  Doubt doubt = {account->index, rows};
  if (!index_write(account->index, INDEX_CHANGE, write_doubts, &doubt, NULL))
    return;
  for (guint i = 0; errands->sync && i < rows->len; i++) {
    IndexMailbox *mailbox = rows->pdata[i];
    if (!is_listed(mailbox))
      continue;
    mailbox->listed = INDEX_DOUBTED;
    sync_want(errands->sync, mailbox);
  }
}

/* ---- subscriptions are of names --------------------------------------------------------------------------------- */

/* What was subscribed is to be so under its new name. Where LIST does not tell it may all have been. */
static void subscribe(Account *account, ImapConn *conn, const GPtrArray *rows, const char *from, const char *to) {
  gboolean all = account->config->subscribed || !imap_conn_has(conn, "LIST-EXTENDED");
  for (guint i = 0; i < rows->len && !imap_conn_failed(conn); i++) {
    const IndexMailbox *mailbox = rows->pdata[i];
    if ((mailbox->attrs & IMAP_ATTR_NOSELECT) || !(all || (mailbox->attrs & IMAP_ATTR_SUBSCRIBED)))
      continue;
    g_autofree char *now = renamed(mailbox, from, to);
    imap_subscribe(conn, now, TRUE, account->cancellable, NULL);
    if (!imap_conn_failed(conn))
      imap_subscribe(conn, mailbox->raw, FALSE, account->cancellable, NULL);
  }
}

/* ---- the rename -------------------------------------------------------------------------------------------------- */

/* Two namespaces are two stores. */
static gboolean crosses(const ImapNamespace *personal, const IndexMailbox *folder, const char *raw, char delimiter) {
  gboolean from = g_str_has_prefix(folder->raw, personal->prefix), to = g_str_has_prefix(raw, personal->prefix);
  return folder->delimiter != delimiter || from != to;
}

static char *new_name(Errands *errands, Errand *errand, ImapConn *conn, const IndexMailbox *folder, GError **error) {
  Account *account = errands->account;
  g_auto(IndexMailbox) parent = {0};
  g_auto(ImapNamespace) personal = {0};
  char delimiter = 0;
  if (!index_need_mailbox(account->index, errand->parent, &parent, error) ||
      !imap_namespace(conn, &personal, account->cancellable, error))
    return NULL;
  g_autofree char *raw = tree_raw_name(account, &parent, &personal, errand->name, &delimiter, error);
  if (!raw || !crosses(&personal, folder, raw, delimiter))
    return g_steal_pointer(&raw);
  cache_fail(error, CACHE_ERROR_CROSS, "no folder goes from one namespace to another");
  return NULL;
}

static gboolean rename_on(Errands *errands, Errand *errand, ImapConn *conn, const IndexMailbox *folder, GPtrArray *rows,
                          GError **error) {
  Account *account = errands->account;
  g_autofree char *raw = new_name(errands, errand, conn, folder, error);
  if (!raw || !imap_rename(conn, folder->raw, raw, account->cancellable, error) ||
      !tree_renamed(account, folder->row, raw, error))
    return FALSE;
  if (is_renumbered(account, conn, rows, folder->raw, raw))
    doubt_all(errands, rows);
  if (!imap_conn_failed(conn))
    subscribe(account, conn, rows, folder->raw, raw);
  return TRUE;
}

gboolean errand_rename(Errands *errands, Errand *errand, gint64 *ret_row, GError **error) {
  Account *account = errands->account;
  g_auto(IndexMailbox) folder = {0};
  if (!index_need_mailbox(account->index, errand->folder, &folder, error) || !await_removal(errands, errand, error))
    return FALSE;
  g_autoptr(GPtrArray) rows = subtree(account, &folder, error);
  if (!rows || !take_claims(account, errand, rows, error))
    return FALSE;
  ImapConn *conn = errand_lease(errands, errand, error);
  gboolean ok = conn && rename_on(errands, errand, conn, &folder, rows, error);
  if (conn)
    imap_pool_release(account->pool, conn);
  release_claims(account, rows, rows->len);
  /* A refused RENAME may have stopped half way through, and nobody knows of one that was not answered. */
  if (conn && !ok && errands->sync)
    sync_doubt(errands->sync, folder.row);
  *ret_row = folder.row;
  return ok;
}
