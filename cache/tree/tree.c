/* SPDX-License-Identifier: MIT */
/*
 * One update is: LIST, a picture of the rows, a list of changes, one transaction, then the events. The picture (Tree)
 * maps the server's names to rows and is thrown away afterwards; the rows are the state. Parents that LIST leaves out
 * (it may show a/b and no a) get rows that cannot be selected; INBOX is always there because imap_list() adds it.
 *
 * A mailbox missing from one LIST is not gone yet: servers forget, and behind a load balancer two connections may
 * disagree. The first update that misses it changes nothing of it and says so; only the confirmed one ends the row.
 *
 * Folders are also made and renamed by users (tree_make.c), in another thread. No lock spans a conversation, so each
 * transaction that changes the folders looks whether its picture is still that of the last change (Account.tree_stamp),
 * and is made anew where it is not. All transactions run in one thread: there the stamp cannot change under them.
 */
#include "cache/tree/tree.h"

#include <string.h>

#include "cache/sync/removals.h"
#include "cache/tree/tree_private.h"

#define END_AT_ONCE 5000 /* messages of one transaction */
#define UPDATES 8        /* tries, while others change the folders */

static void moved_free(gpointer data) {
  g_free(((Moved *)data)->name);
  g_free(data);
}

void tree_clear(Tree *tree) {
  g_clear_pointer(&tree->by_raw, g_hash_table_unref);
  g_clear_pointer(&tree->by_row, g_hash_table_unref);
  g_clear_pointer(&tree->names, g_hash_table_unref);
  g_clear_pointer(&tree->renamed, g_hash_table_unref);
  g_clear_pointer(&tree->present, g_hash_table_unref);
  g_clear_pointer(&tree->touched, g_hash_table_unref);
  g_clear_pointer(&tree->listings, g_ptr_array_unref);
  g_clear_pointer(&tree->ended, g_ptr_array_unref);
  g_clear_pointer(&tree->emptied, g_ptr_array_unref);
  g_clear_pointer(&tree->moved, g_ptr_array_unref);
  g_clear_pointer(&tree->rows, g_ptr_array_unref);
}

char *tree_name_key(gint64 parent, const char *name) {
  return g_strdup_printf("%" G_GINT64_FORMAT "/%s", parent, name);
}

void tree_know(Tree *tree, IndexMailbox *mailbox) {
  g_hash_table_add(tree->names, tree_name_key(mailbox->parent, mailbox->name));
  if (!(mailbox->attrs & INDEX_LOCAL))
    g_hash_table_insert(tree->by_raw, mailbox->raw ? mailbox->raw : (char *)"", mailbox);
  g_hash_table_insert(tree->by_row, &mailbox->row, mailbox);
}

/* The job that set the stamp has run before this one, so when this one is committed that one is. */
static gboolean nothing(IndexTxn *txn, gpointer data, GError **error) {
  (void)txn;
  (void)data;
  (void)error;
  return TRUE;
}

gboolean tree_load(Tree *tree, Account *account, GError **error) {
  tree->account = account;
  tree->stamp = g_atomic_int_get(&account->tree_stamp);
  if (!index_write(account->index, INDEX_CHANGE, nothing, NULL, error))
    return FALSE;
  tree->rows = index_mailboxes(account->index, error);
  if (!tree->rows)
    return FALSE;
  tree->by_raw = g_hash_table_new(g_str_hash, g_str_equal);
  tree->by_row = g_hash_table_new(g_int64_hash, g_int64_equal);
  tree->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  tree->present = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  tree->touched = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  tree->ended = g_ptr_array_new();
  tree->emptied = g_ptr_array_new();
  tree->moved = g_ptr_array_new_with_free_func(moved_free);
  for (guint i = 0; i < tree->rows->len; i++)
    tree_know(tree, tree->rows->pdata[i]);
  return TRUE;
}

void tree_touch(Tree *tree, gint64 row) {
  g_hash_table_add(tree->touched, g_memdup2(&row, sizeof row));
}

void tree_note(Tree *tree, CacheEventType type, CacheKind kind, gint64 row, gint64 parent, const char *name) {
  Moved *moved = g_new(Moved, 1);
  *moved = (Moved){.type = type, .kind = kind, .row = row, .parent = parent, .name = g_strdup(name)};
  g_ptr_array_add(tree->moved, moved);
  tree_touch(tree, parent);
}

/* ---- the update ------------------------------------------------------------------------------------- */

void tree_tell_ended(Tree *tree) {
  for (guint i = 0; i < tree->ended->len; i++) {
    const IndexMailbox *mailbox = tree->ended->pdata[i];
    account_tell(tree->account, CACHE_EVENT_REMOVED, CACHE_FOLDER, mailbox->row, mailbox->parent, mailbox->name, NULL);
  }
}

void tree_tell_touched(Tree *tree, gint64 knows) {
  GHashTableIter iter;
  gpointer row;
  g_hash_table_iter_init(&iter, tree->touched);
  while (g_hash_table_iter_next(&iter, &row, NULL))
    if (*(gint64 *)row != knows)
      account_tell(tree->account, CACHE_EVENT_CHANGED, CACHE_FOLDER, *(gint64 *)row, 0, NULL, NULL);
}

static void tell_moved(Tree *tree) {
  for (guint i = 0; i < tree->moved->len; i++) {
    const Moved *moved = tree->moved->pdata[i];
    account_tell(tree->account, moved->type, moved->kind, moved->row, moved->parent, moved->name, NULL);
  }
}

/* ---- messages of mailboxes that have none any more ---------------------------------------------- */

typedef struct {
  gint64 row;
  gboolean more;
  Account *account;
} End;

static void tell_left(const IndexLeft *left, gpointer data) {
  Account *account = data;
  if (left->folder == 0)
    return;
  account_tell(account, CACHE_EVENT_REMOVED, CACHE_MESSAGE, left->row, left->folder, left->name, NULL);
  account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, left->folder, 0, NULL, NULL);
}

static gboolean write_end(IndexTxn *txn, gpointer data, GError **error) {
  End *end = data;
  return index_end_messages(txn, end->row, END_AT_ONCE, tell_left, end->account, &end->more, error);
}

static gboolean write_unlisted(IndexTxn *txn, gpointer data, GError **error) {
  const IndexMailbox *mailbox = data;
  IndexMailbox state = {.row = mailbox->row, .listed = INDEX_UNLISTED};
  return index_set_state(txn, &state, error);
}

/* In parts, after the rest. Cut off here, what ended is finished by the next run, and what was emptied by the next
 * LIST. */
gboolean tree_drop_messages(Tree *tree, GError **error) {
  Account *account = tree->account;
  for (guint i = 0; i < tree->ended->len; i++)
    for (End end = {.row = ((IndexMailbox *)tree->ended->pdata[i])->row, .more = TRUE, .account = account}; end.more;)
      if (!index_write(account->index, INDEX_SYNC, write_end, &end, error))
        return FALSE;
  for (guint i = 0; i < tree->emptied->len; i++) {
    IndexMailbox *mailbox = tree->emptied->pdata[i];
    gboolean any = FALSE;
    if (!removals_all(account, mailbox->row, &any, error) ||
        !index_write(account->index, INDEX_SYNC, write_unlisted, mailbox, error))
      return FALSE;
    if (any)
      account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, mailbox->row, 0, NULL, NULL);
  }
  return TRUE;
}

static gint by_name(gconstpointer a, gconstpointer b) {
  const ImapListing *left = *(ImapListing *const *)a, *right = *(ImapListing *const *)b;
  return strcmp(left->name, right->name);
}

/* The STATUS of the selected mailbox may be a cached answer (RFC 9051 section 6.3.11), in LIST-STATUS, too: Dovecot
 * goes on telling of a mailbox that was deleted and made anew. */
static gboolean leave_selected(Account *account, ImapConn *conn, GError **error) {
  return !imap_conn_has(conn, "LIST-STATUS") || imap_unselect(conn, account->cancellable, error);
}

/* *ret_stale: somebody made or renamed a folder meanwhile, which this LIST may not know. */
static gboolean update_once(Account *account, ImapConn *conn, GHashTable *renames, gboolean confirmed,
                            gboolean *ret_stale, TreeNews *ret, GError **error) {
  g_auto(Tree) tree = {.end_missing = confirmed, .hints = renames};
  g_autoptr(GHashTable) status = NULL;
  gint64 doubted = account->doubted;
  /* What is made from here on is seen as such, whether LIST shows it or not. */
  gint stamp = g_atomic_int_get(&account->tree_stamp);
  if (!leave_selected(account, conn, error) ||
      !imap_list(conn, account->config->subscribed, &tree.listings, &status, account->cancellable, error))
    return FALSE;
  g_ptr_array_sort(tree.listings, by_name);
  if (!tree_load(&tree, account, error) || !tree_find_renamed(&tree, conn, status, error))
    return FALSE;
  tree.stamp = stamp;
  if (!index_write(account->index, INDEX_SYNC, tree_apply_listings, &tree, error))
    return FALSE;
  *ret_stale = tree.stale;
  if (tree.stale) {
    account->doubted = doubted;
    return TRUE;
  }
  tell_moved(&tree);
  tree_tell_ended(&tree);
  tree_tell_touched(&tree, 0);
  if (!tree_drop_messages(&tree, error))
    return FALSE;
  *ret = (TreeNews){.unconfirmed = tree.missing, .status = g_steal_pointer(&status)};
  return TRUE;
}

gboolean tree_update(Account *account, ImapConn *conn, GHashTable *renames, gboolean confirmed, TreeNews *ret,
                     GError **error) {
  gboolean stale = TRUE;
  for (guint i = 0; stale && i < UPDATES; i++)
    if (!update_once(account, conn, renames, confirmed, &stale, ret, error))
      return FALSE;
  if (stale)
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, "folders are being made all the time");
  return !stale;
}

void tree_news_clear(TreeNews *news) {
  g_clear_pointer(&news->status, g_hash_table_unref);
}

gboolean tree_apply_hide(Account *account, GError **error) {
  g_auto(Tree) tree = {0};
  return tree_load(&tree, account, error) && index_write(account->index, INDEX_SYNC, tree_apply_hiding, &tree, error);
}

gint64 tree_resolve(Account *account, const char *path, GError **error) {
  g_auto(IndexMailbox) at = {0};
  if (!index_find_mailbox(account->index, 0, "", &at, error)) {
    if (error && !*error)
      g_set_error(error, CACHE_ERROR, CACHE_ERROR_OFFLINE, "the account has not been seen yet");
    return 0;
  }
  g_auto(GStrv) parts = g_strsplit(path ? path : "", "/", -1);
  for (char **part = parts; *part; part++) {
    if (!**part)
      continue;
    gboolean inbox = part == parts && g_ascii_strcasecmp(*part, "INBOX") == 0;
    g_auto(IndexMailbox) next = {0};
    if (!index_find_mailbox(account->index, at.row, inbox ? "INBOX" : *part, &next, error)) {
      if (error && !*error)
        g_set_error(error, CACHE_ERROR, CACHE_ERROR_GONE, "there is no folder \"%s\" in this account", path);
      return 0;
    }
    index_mailbox_clear(&at);
    at = next;
    next = (IndexMailbox){0};
  }
  return at.row;
}

gboolean tree_known(Account *account) {
  g_auto(IndexMailbox) root = {0};
  return index_find_mailbox(account->index, 0, "", &root, NULL);
}
