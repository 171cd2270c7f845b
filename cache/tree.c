/* SPDX-License-Identifier: MIT */
/*
 * One update is: LIST, a picture of the rows, a list of changes, one transaction, then the events. The picture (Tree)
 * maps the server's names to rows and is thrown away afterwards; the rows are the state. Parents that LIST leaves out
 * (it may show a/b and no a) get rows that cannot be selected; INBOX is always there because imap_list() adds it.
 *
 * A mailbox missing from one LIST is not gone yet: servers forget, and behind a load balancer two connections may
 * disagree (reliability Q27, measured S5). The first update that misses it changes nothing of it and says so; only the
 * confirmed one ends the row.
 */
#include "cache/tree.h"

#include <fnmatch.h>
#include <string.h>

#include "cache/names.h"
#include "cache/rename.h"

typedef struct {
  Account *account;
  GPtrArray *rows;     /* IndexMailbox*, owned: as in the index, then with the changes */
  GHashTable *by_raw;  /* raw -> IndexMailbox* of rows */
  GHashTable *by_row;  /* row -> IndexMailbox* */
  GHashTable *names;   /* set of "PARENT/NAME" */
  GHashTable *present; /* set of raw names LIST gave, and their parents */
  GPtrArray *listings; /* ImapListing*, by name */
  GHashTable *renamed; /* raw -> row of mailboxes known to be old ones, or NULL */
  gboolean end_missing;
  gboolean missing;    /* out: some were missing and kept */
  GArray *added;       /* out: rows */
  GPtrArray *ended;    /* out: borrowed IndexMailbox* */
  GPtrArray *moved;    /* out: Moved*, the names under which rows are no longer seen */
  GHashTable *touched; /* out: set of parent rows whose membership changed */
} Tree;

typedef struct {
  CacheEventType type; /* MOVED, or REMOVED */
  CacheKind kind;
  gint64 row, parent;
  char *name;
} Moved;

static void moved_free(gpointer data) {
  g_free(((Moved *)data)->name);
  g_free(data);
}

static void tree_clear(Tree *tree) {
  g_clear_pointer(&tree->by_raw, g_hash_table_unref);
  g_clear_pointer(&tree->by_row, g_hash_table_unref);
  g_clear_pointer(&tree->names, g_hash_table_unref);
  g_clear_pointer(&tree->renamed, g_hash_table_unref);
  g_clear_pointer(&tree->present, g_hash_table_unref);
  g_clear_pointer(&tree->touched, g_hash_table_unref);
  g_clear_pointer(&tree->listings, g_ptr_array_unref);
  g_clear_pointer(&tree->ended, g_ptr_array_unref);
  g_clear_pointer(&tree->moved, g_ptr_array_unref);
  g_clear_pointer(&tree->added, g_array_unref);
  g_clear_pointer(&tree->rows, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tree, tree_clear)

static char *name_key(gint64 parent, const char *name) {
  return g_strdup_printf("%" G_GINT64_FORMAT "/%s", parent, name);
}

static void know(Tree *tree, IndexMailbox *mailbox) {
  g_hash_table_add(tree->names, name_key(mailbox->parent, mailbox->name));
  g_hash_table_insert(tree->by_raw, mailbox->raw ? mailbox->raw : (char *)"", mailbox);
  g_hash_table_insert(tree->by_row, &mailbox->row, mailbox);
}

static gboolean tree_load(Tree *tree, Account *account, GError **error) {
  tree->account = account;
  tree->rows = index_mailboxes(account->index, error);
  if (!tree->rows)
    return FALSE;
  tree->by_raw = g_hash_table_new(g_str_hash, g_str_equal);
  tree->by_row = g_hash_table_new(g_int64_hash, g_int64_equal);
  tree->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  tree->present = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  tree->touched = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  tree->added = g_array_new(FALSE, FALSE, sizeof(gint64));
  tree->ended = g_ptr_array_new();
  tree->moved = g_ptr_array_new_with_free_func(moved_free);
  for (guint i = 0; i < tree->rows->len; i++)
    know(tree, tree->rows->pdata[i]);
  return TRUE;
}

static void touch(Tree *tree, gint64 row) {
  g_hash_table_add(tree->touched, g_memdup2(&row, sizeof row));
}

static void note(Tree *tree, CacheEventType type, CacheKind kind, gint64 row, gint64 parent, const char *name) {
  Moved *moved = g_new(Moved, 1);
  *moved = (Moved){.type = type, .kind = kind, .row = row, .parent = parent, .name = g_strdup(name)};
  g_ptr_array_add(tree->moved, moved);
  touch(tree, parent);
}

/* It is not seen there any more. Told after the commit. */
static void leave(Tree *tree, const IndexMailbox *mailbox) {
  note(tree, CACHE_EVENT_MOVED, CACHE_FOLDER, mailbox->row, mailbox->parent, mailbox->name);
}

/* ---- what a name is shown as ---------------------------------------------------------------------- */

/* The decoded path from the account's root, '/' between parts: what hide= matches. */
static char *shown_path(Tree *tree, const IndexMailbox *mailbox) {
  g_autoptr(GString) path = g_string_new(mailbox->name);
  for (gint64 row = mailbox->parent; row != 0;) {
    const IndexMailbox *parent = g_hash_table_lookup(tree->by_row, &row);
    if (!parent || !parent->raw)
      break;
    g_string_prepend_c(path, '/');
    g_string_prepend(path, parent->name);
    row = parent->parent;
  }
  return g_string_free(g_steal_pointer(&path), FALSE);
}

static gboolean is_hidden(Tree *tree, const IndexMailbox *mailbox) {
  const CacheConfig *config = tree->account->config;
  if (!config->hide || !*config->hide)
    return FALSE;
  g_autofree char *path = shown_path(tree, mailbox);
  for (char **glob = config->hide; glob && *glob; glob++)
    if (fnmatch(*glob, path, 0) == 0)
      return TRUE;
  return FALSE;
}

static gboolean name_taken(Tree *tree, gint64 parent, const char *name) {
  g_autofree char *key = name_key(parent, name);
  return g_hash_table_contains(tree->names, key);
}

/* Two mailboxes can claim one path where namespaces differ in their delimiter (a.b and a/b). "%~" is what no other name
 * contains. */
static char *free_name(Tree *tree, gint64 parent, const char *part, gsize len) {
  g_autofree char *plain = len ? names_folder(part, len) : g_strdup("%");
  g_autofree char *name = g_strdup(plain);
  for (guint n = 2; name_taken(tree, parent, name); n++) {
    g_free(name);
    name = g_strdup_printf("%.240s%%~%u", plain, n);
  }
  return g_steal_pointer(&name);
}

/* ---- applying, inside the transaction -------------------------------------------------------------- */

static IndexMailbox *put_new(Tree *tree, IndexTxn *txn, IndexMailbox *mailbox, GError **error) {
  mailbox->mtime = g_get_real_time() * 1000;
  if (is_hidden(tree, mailbox))
    mailbox->attrs |= INDEX_HIDDEN;
  g_ptr_array_add(tree->rows, mailbox);
  /* The parents that LIST left out count, too: one name can have hundreds. */
  if (tree->rows->len > IMAP_LIMIT_MAILBOXES) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the server has more than %u folders", IMAP_LIMIT_MAILBOXES);
    return NULL;
  }
  if (!index_put_mailbox(txn, mailbox, error))
    return NULL;
  know(tree, mailbox);
  g_array_append_val(tree->added, mailbox->row);
  if (mailbox->raw)
    touch(tree, mailbox->parent);
  return mailbox;
}

static IndexMailbox *ensure_root(Tree *tree, IndexTxn *txn, GError **error) {
  IndexMailbox *root = g_hash_table_lookup(tree->by_raw, "");
  if (root)
    return root;
  root = g_new0(IndexMailbox, 1);
  root->name = g_strdup("");
  root->attrs = IMAP_ATTR_NOSELECT;
  return put_new(tree, txn, root, error);
}

static IndexMailbox *ensure(Tree *tree, IndexTxn *txn, const char *raw, gsize len, char delimiter, guint attrs,
                            GError **error);

/* The row that holds this name: everything before the last delimiter, or the root. */
static IndexMailbox *ensure_parent(Tree *tree, IndexTxn *txn, const char *raw, gsize len, char delimiter,
                                   gsize *ret_part, GError **error) {
  const char *cut = delimiter ? memrchr(raw, delimiter, len) : NULL;
  *ret_part = cut ? (gsize)(cut - raw) + 1 : 0;
  if (!cut || cut == raw)
    return g_hash_table_lookup(tree->by_raw, "");
  return ensure(tree, txn, raw, (gsize)(cut - raw), delimiter, G_MAXUINT, error);
}

typedef struct {
  Tree *tree;
  gint64 folder;
} Emptied;

static void note_removed(gint64 row, const char *name, gpointer data) {
  Emptied *emptied = data;
  note(emptied->tree, CACHE_EVENT_REMOVED, CACHE_MESSAGE, row, emptied->folder, name);
}

/* A mailbox that was deleted while it had children lives on as their parent, and holds no messages any more. */
static gboolean empty(Tree *tree, IndexTxn *txn, IndexMailbox *mailbox, GError **error) {
  g_autoptr(ImapSeqset) all = imap_seqset_new();
  Emptied emptied = {.tree = tree, .folder = mailbox->row};
  imap_seqset_add(all, 1, G_MAXUINT32);
  mailbox->listed = INDEX_UNLISTED;
  mailbox->listed_at = 0;
  mailbox->uidvalidity = mailbox->uidnext = mailbox->exists = 0;
  mailbox->modseq = 0;
  return index_remove_uids(txn, mailbox->row, all, note_removed, &emptied, error) &&
         index_end_forgotten(txn, mailbox->row, note_removed, &emptied, error) && index_set_state(txn, mailbox, error);
}

static gboolean was_deleted(const IndexMailbox *known, guint attrs) {
  return (attrs & IMAP_ATTR_NOSELECT) && !(known->attrs & IMAP_ATTR_NOSELECT) && known->listed != INDEX_UNLISTED;
}

/* attrs G_MAXUINT: a parent; whatever is known of it stays, and where nothing is it cannot be selected. */
static gboolean update_known(Tree *tree, IndexTxn *txn, IndexMailbox *known, char delimiter, guint attrs,
                             GError **error) {
  guint kept = known->attrs & INDEX_HIDDEN;
  if (attrs == G_MAXUINT)
    attrs = known->attrs & ~INDEX_HIDDEN;
  if (was_deleted(known, attrs) && !tree->end_missing) {
    tree->missing = TRUE;
    attrs = known->attrs & ~INDEX_HIDDEN;
  } else if (was_deleted(known, attrs) && !empty(tree, txn, known, error)) {
    return FALSE;
  }
  guint hidden = is_hidden(tree, known) ? INDEX_HIDDEN : 0;
  if ((known->attrs & ~INDEX_HIDDEN) == attrs && kept == hidden && known->delimiter == delimiter)
    return TRUE;
  if (hidden && !kept)
    leave(tree, known);
  else if (kept != hidden)
    touch(tree, known->parent);
  known->attrs = attrs | hidden;
  known->delimiter = delimiter;
  return index_put_mailbox(txn, known, error);
}

/* A rename keeps the row: only the server's name, the shown name and the parent change. */
static IndexMailbox *take_renamed(Tree *tree, const char *raw) {
  gint64 *row = tree->renamed ? g_hash_table_lookup(tree->renamed, raw) : NULL;
  IndexMailbox *old = row ? g_hash_table_lookup(tree->by_row, row) : NULL;
  if (!old || !old->raw || g_hash_table_contains(tree->present, old->raw))
    return NULL;
  g_hash_table_remove(tree->by_raw, old->raw);
  g_autofree char *key = name_key(old->parent, old->name);
  g_hash_table_remove(tree->names, key);
  leave(tree, old);
  return old;
}

static IndexMailbox *ensure(Tree *tree, IndexTxn *txn, const char *raw, gsize len, char delimiter, guint attrs,
                            GError **error) {
  g_autofree char *name = g_strndup(raw, len);
  gboolean unseen = g_hash_table_add(tree->present, g_strdup(name));
  gsize part = 0;
  IndexMailbox *parent = ensure_parent(tree, txn, raw, len, delimiter, &part, error);
  if (!parent)
    return NULL;
  IndexMailbox *known = g_hash_table_lookup(tree->by_raw, name);
  /* Its own line would have come before those of its children. */
  if (known && attrs == G_MAXUINT && unseen && !tree->account->config->subscribed)
    attrs = IMAP_ATTR_NOSELECT;
  if (known)
    return update_known(tree, txn, known, delimiter, attrs, error) ? known : NULL;
  IndexMailbox *mailbox = take_renamed(tree, name);
  gboolean fresh = mailbox == NULL;
  if (fresh)
    mailbox = g_new0(IndexMailbox, 1);
  g_free(mailbox->raw);
  g_free(mailbox->name);
  mailbox->parent = parent->row;
  mailbox->delimiter = delimiter;
  mailbox->attrs = attrs == G_MAXUINT ? IMAP_ATTR_NOSELECT : attrs;
  /* Yahoo spells it Inbox; one name serves root=, fstab and habit. */
  gboolean inbox = g_ascii_strcasecmp(name, "INBOX") == 0;
  mailbox->name = inbox ? g_strdup("INBOX") : free_name(tree, parent->row, raw + part, len - part);
  mailbox->raw = g_steal_pointer(&name);
  if (fresh)
    return put_new(tree, txn, mailbox, error);
  know(tree, mailbox);
  touch(tree, mailbox->parent);
  return index_put_mailbox(txn, mailbox, error) ? mailbox : NULL;
}

static gboolean apply_listings(Tree *tree, IndexTxn *txn, GError **error) {
  for (guint i = 0; i < tree->listings->len; i++) {
    const ImapListing *listing = tree->listings->pdata[i];
    gsize len = strlen(listing->name);
    /* "INBOX." as its own line: the namespace itself, not a mailbox with an empty last part. */
    if (len > 1 && listing->delimiter && listing->name[len - 1] == listing->delimiter)
      len--;
    if (len == 0)
      continue;
    gboolean parent_only = len != strlen(listing->name);
    if (!ensure(tree, txn, listing->name, len, listing->delimiter, parent_only ? G_MAXUINT : listing->attrs, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean end_one(Tree *tree, IndexTxn *txn, IndexMailbox *mailbox, GError **error) {
  if (tree->account->config->subscribed) {
    /* Not subscribed is not gone: LIST was asked for a part only. */
    if (mailbox->attrs & INDEX_HIDDEN)
      return TRUE;
    mailbox->attrs |= INDEX_HIDDEN;
    leave(tree, mailbox);
    return index_put_mailbox(txn, mailbox, error);
  }
  if (!tree->end_missing) {
    tree->missing = TRUE;
    return TRUE;
  }
  g_ptr_array_add(tree->ended, mailbox);
  touch(tree, mailbox->parent);
  return index_end_mailbox(txn, mailbox->row, error);
}

static gboolean apply_missing(Tree *tree, IndexTxn *txn, GError **error) {
  for (guint i = 0; i < tree->rows->len; i++) {
    IndexMailbox *mailbox = tree->rows->pdata[i];
    if (mailbox->raw && !g_hash_table_contains(tree->present, mailbox->raw) && !end_one(tree, txn, mailbox, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean apply_touched(Tree *tree, IndexTxn *txn, GError **error) {
  gint64 now = g_get_real_time() * 1000;
  GHashTableIter iter;
  gpointer row;
  g_hash_table_iter_init(&iter, tree->touched);
  while (g_hash_table_iter_next(&iter, &row, NULL))
    if (!index_touch_mailbox(txn, *(gint64 *)row, now, error))
      return FALSE;
  return TRUE;
}

static gboolean apply(IndexTxn *txn, gpointer data, GError **error) {
  Tree *tree = data;
  return ensure_root(tree, txn, error) && apply_listings(tree, txn, error) && apply_missing(tree, txn, error) &&
         apply_touched(tree, txn, error);
}

/* ---- the update ------------------------------------------------------------------------------------- */

static void tell_changes(Tree *tree) {
  for (guint i = 0; i < tree->moved->len; i++) {
    const Moved *moved = tree->moved->pdata[i];
    account_tell(tree->account, moved->type, moved->kind, moved->row, moved->parent, moved->name, NULL);
  }
  for (guint i = 0; i < tree->ended->len; i++) {
    const IndexMailbox *mailbox = tree->ended->pdata[i];
    account_tell(tree->account, CACHE_EVENT_REMOVED, CACHE_FOLDER, mailbox->row, mailbox->parent, mailbox->name, NULL);
  }
  GHashTableIter iter;
  gpointer row;
  g_hash_table_iter_init(&iter, tree->touched);
  while (g_hash_table_iter_next(&iter, &row, NULL))
    account_tell(tree->account, CACHE_EVENT_CHANGED, CACHE_FOLDER, *(gint64 *)row, 0, NULL, NULL);
}

static gint by_name(gconstpointer a, gconstpointer b) {
  const ImapListing *left = *(ImapListing *const *)a, *right = *(ImapListing *const *)b;
  return strcmp(left->name, right->name);
}

/* Before anything is written: which of the missing stand among the new under another name. */
static gboolean find_renamed(Tree *tree, ImapConn *conn, GError **error) {
  g_autoptr(GHashTable) listed = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) missing = g_ptr_array_new(), fresh = g_ptr_array_new();
  for (guint i = 0; i < tree->listings->len; i++) {
    ImapListing *listing = tree->listings->pdata[i];
    g_hash_table_add(listed, listing->name);
    if (!g_hash_table_contains(tree->by_raw, listing->name))
      g_ptr_array_add(fresh, listing);
  }
  for (guint i = 0; i < tree->rows->len; i++) {
    IndexMailbox *mailbox = tree->rows->pdata[i];
    if (mailbox->raw && mailbox->listed == INDEX_LISTED && !g_hash_table_contains(listed, mailbox->raw))
      g_ptr_array_add(missing, mailbox);
  }
  if (missing->len == 0 || fresh->len == 0 || tree->account->config->subscribed)
    return TRUE;
  tree->renamed = rename_find(tree->account, conn, missing, fresh, error);
  return tree->renamed != NULL;
}

gboolean tree_update(Account *account, ImapConn *conn, gboolean confirmed, TreeNews *ret, GError **error) {
  g_auto(Tree) tree = {.end_missing = confirmed};
  g_autoptr(GHashTable) status = NULL;
  if (!imap_list(conn, account->config->subscribed, &tree.listings, &status, account->cancellable, error))
    return FALSE;
  g_ptr_array_sort(tree.listings, by_name);
  if (!tree_load(&tree, account, error) || !find_renamed(&tree, conn, error))
    return FALSE;
  if (!index_write(account->index, INDEX_SYNC, apply, &tree, error))
    return FALSE;
  tell_changes(&tree);
  *ret = (TreeNews){
      .unconfirmed = tree.missing, .status = g_steal_pointer(&status), .added = g_steal_pointer(&tree.added)};
  return TRUE;
}

void tree_news_clear(TreeNews *news) {
  g_clear_pointer(&news->status, g_hash_table_unref);
  g_clear_pointer(&news->added, g_array_unref);
}

static gboolean apply_hide(IndexTxn *txn, gpointer data, GError **error) {
  Tree *tree = data;
  for (guint i = 0; i < tree->rows->len; i++) {
    IndexMailbox *mailbox = tree->rows->pdata[i];
    /* Without a LIST nobody knows what is subscribed: what was hidden stays so. */
    if (tree->account->config->subscribed && (mailbox->attrs & INDEX_HIDDEN))
      continue;
    if (mailbox->raw && !update_known(tree, txn, mailbox, mailbox->delimiter, G_MAXUINT, error))
      return FALSE;
  }
  return TRUE;
}

gboolean tree_apply_hide(Account *account, GError **error) {
  g_auto(Tree) tree = {0};
  return tree_load(&tree, account, error) && index_write(account->index, INDEX_SYNC, apply_hide, &tree, error);
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
