/* SPDX-License-Identifier: MIT */
/*
 * Folders that we make and rename ourselves are in the index when the server has said OK, by the transaction of a sweep
 * that sees nothing but them; so a sweep that was faster (NOTIFY rings for our own doings, too) changes nothing.
 *
 * A new mailbox that STATUS calls empty counts as listed: what is copied into it need not wait.
 */
#include <string.h>

#include "cache/tree/tree_private.h"

#define TRIES 8 /* while sweeps change the folders */

typedef struct {
  Tree tree;
  IndexMailbox *made; /* what is known of it; row is filled in */
} Making;

static void making_clear(Making *making) {
  tree_clear(&making->tree);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Making, making_clear)

static gboolean load(Tree *tree, Account *account, GError **error) {
  tree->listings = g_ptr_array_new_with_free_func((GDestroyNotify)imap_listing_free);
  return tree_load(tree, account, error);
}

static void add_listing(Tree *tree, const char *raw, char delimiter, guint attrs) {
  ImapListing *listing = g_new0(ImapListing, 1);
  *listing = (ImapListing){.name = g_strdup(raw), .delimiter = delimiter, .attrs = attrs & ~INDEX_HIDDEN};
  g_ptr_array_add(tree->listings, listing);
}

static gboolean give_up(GError **error) {
  g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, "the folders change all the time");
  return FALSE;
}

/* ---- made ---------------------------------------------------------------------------------------------------- */

static gboolean write_made(IndexTxn *txn, gpointer data, GError **error) {
  Making *making = data;
  IndexMailbox *made = making->made;
  if (!tree_apply_part(txn, &making->tree, error))
    return FALSE;
  const IndexMailbox *row = making->tree.stale ? NULL : g_hash_table_lookup(making->tree.by_raw, made->raw);
  made->row = row ? row->row : 0;
  gboolean fresh = row && row->listed == INDEX_UNLISTED && row->listed_at == 0;
  return !fresh || index_set_state(txn, made, error);
}

static gboolean put_made(Account *account, IndexMailbox *made, gint64 knows, GError **error) {
  for (guint i = 0; i < TRIES; i++) {
    g_auto(Making) making = {.made = made};
    if (!load(&making.tree, account, error))
      return FALSE;
    add_listing(&making.tree, made->raw, made->delimiter, made->attrs);
    if (!index_write(account->index, INDEX_CHANGE, write_made, &making, error))
      return FALSE;
    if (making.tree.stale)
      continue;
    tree_tell_touched(&making.tree, knows);
    return TRUE;
  }
  return give_up(error);
}

/* A refusal to tell is no error: then it is listed when somebody opens it. */
static void ask_state(Account *account, ImapConn *conn, IndexMailbox *made) {
  g_auto(ImapStatus) status = {0};
  if (!imap_status(conn, made->raw, &status, account->cancellable, NULL) || !status.has_messages ||
      status.messages > 0 || !status.has_uidvalidity || !status.has_uidnext)
    return;
  made->uidvalidity = status.uidvalidity;
  made->uidnext = status.uidnext;
  made->modseq = status.has_modseq ? status.modseq : 0;
  made->listed = INDEX_LISTED;
  made->listed_at = g_get_real_time() / G_USEC_PER_SEC;
}

/* One that another client made is shown before the refusal is: `mkdir -p` looks for it then. Servers without codes
 * refuse that in words. */
static void show_existing(Account *account, ImapConn *conn, IndexMailbox *made, GError *refusal) {
  gboolean exists = FALSE;
  gboolean may_be = g_error_matches(refusal, IMAP_ERROR, IMAP_ERROR_EXISTS) ||
                    g_error_matches(refusal, IMAP_ERROR, IMAP_ERROR_REFUSED);
  if (!may_be || imap_conn_failed(conn) || !imap_exists(conn, made->raw, &exists, account->cancellable, NULL) ||
      !exists)
    return;
  refusal->code = IMAP_ERROR_EXISTS;
  made->attrs = 0;
  put_made(account, made, 0, NULL);
}

/* Dovecot says "Not found" of a name that is too long for its disk. Where the parent is there it is the name. */
static void blame_name(Account *account, ImapConn *conn, const IndexMailbox *made, GError *refusal) {
  const char *end = made->delimiter ? strrchr(made->raw, made->delimiter) : NULL;
  g_autofree char *parent = end ? g_strndup(made->raw, (gsize)(end - made->raw)) : NULL;
  gboolean exists = TRUE;
  if (!g_error_matches(refusal, IMAP_ERROR, IMAP_ERROR_GONE) || imap_conn_failed(conn))
    return;
  if (!parent || (imap_exists(conn, parent, &exists, account->cancellable, NULL) && exists))
    refusal->code = IMAP_ERROR_INVALID;
}

static gboolean create(Account *account, ImapConn *conn, IndexMailbox *made, guint use, GError **error) {
  GError *refusal = NULL;
  if (imap_create(conn, made->raw, use, &made->mailboxid, account->cancellable, &refusal))
    return TRUE;
  show_existing(account, conn, made, refusal);
  blame_name(account, conn, made, refusal);
  g_propagate_error(error, refusal);
  return FALSE;
}

gboolean tree_make(Account *account, ImapConn *conn, const char *raw, char delimiter, guint use, gint64 knows,
                   gint64 *ret_row, GError **error) {
  g_auto(IndexMailbox) made = {.raw = g_strdup(raw), .delimiter = delimiter};
  made.attrs = imap_conn_has(conn, "CREATE-SPECIAL-USE") ? use : 0;
  if (!create(account, conn, &made, use, error))
    return FALSE;
  /* From here on it exists, and a lost line only leaves more to be found by the next sweep. */
  if (imap_subscribe(conn, raw, TRUE, account->cancellable, NULL))
    made.attrs |= IMAP_ATTR_SUBSCRIBED;
  ask_state(account, conn, &made);
  if (!put_made(account, &made, knows, error))
    return FALSE;
  *ret_row = made.row;
  return TRUE;
}

/* ---- renamed ------------------------------------------------------------------------------------------------- */

/* What stands behind `raw` in the name of one below it, "" for itself; or NULL. */
static const char *rest_of(const char *name, const char *raw, char delimiter) {
  gsize len = strlen(raw);
  if (!name || strncmp(name, raw, len) != 0)
    return NULL;
  return name[len] == '\0' || (delimiter && name[len] == delimiter) ? name + len : NULL;
}

static gint by_name(gconstpointer a, gconstpointer b) {
  const ImapListing *left = *(ImapListing *const *)a, *right = *(ImapListing *const *)b;
  return strcmp(left->name, right->name);
}

/* As a sweep would have it that has found each of them under its new name. */
static void find_moved(Tree *tree, const IndexMailbox *top, const char *raw) {
  tree->renamed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < tree->rows->len; i++) {
    const IndexMailbox *mailbox = tree->rows->pdata[i];
    const char *rest = rest_of(mailbox->raw, top->raw, top->delimiter);
    if (!rest)
      continue;
    g_autofree char *now = g_strconcat(raw, rest, NULL);
    add_listing(tree, now, mailbox->delimiter, mailbox->attrs);
    g_hash_table_insert(tree->renamed, g_steal_pointer(&now), g_memdup2(&mailbox->row, sizeof mailbox->row));
  }
  g_ptr_array_sort(tree->listings, by_name);
}

gboolean tree_renamed(Account *account, gint64 row, const char *raw, GError **error) {
  for (guint i = 0; i < TRIES; i++) {
    g_auto(Tree) tree = {0};
    if (!load(&tree, account, error))
      return FALSE;
    const IndexMailbox *top = g_hash_table_lookup(tree.by_row, &row);
    if (!top || !top->raw || g_str_equal(top->raw, raw)) /* a sweep was faster */
      return TRUE;
    find_moved(&tree, top, raw);
    if (!index_write(account->index, INDEX_CHANGE, tree_apply_part, &tree, error))
      return FALSE;
    if (tree.stale)
      continue;
    tree_tell_ended(&tree);
    return tree_drop_messages(&tree, error);
  }
  return give_up(error);
}
