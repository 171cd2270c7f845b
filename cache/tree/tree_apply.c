/* SPDX-License-Identifier: MIT */
/*
 * From the picture to the rows, inside one transaction. Parents that LIST leaves out (it may show a/b and no a) get
 * rows that cannot be selected. What came, went or moved is noted in the picture and told after the commit.
 */
#include "cache/tree/tree_private.h"

#include <string.h>

/* It is not seen there any more. Told after the commit. */
static void leave(Tree *tree, const IndexMailbox *mailbox) {
  tree_note(tree, CACHE_EVENT_MOVED, CACHE_FOLDER, mailbox->row, mailbox->parent, mailbox->name);
}

/* ---- applying, inside the transaction -------------------------------------------------------------- */

static IndexMailbox *put_new(Tree *tree, IndexTxn *txn, IndexMailbox *mailbox, GError **error) {
  mailbox->mtime = g_get_real_time() * 1000;
  if (tree_is_hidden(tree, mailbox))
    mailbox->attrs |= INDEX_HIDDEN;
  g_ptr_array_add(tree->rows, mailbox);
  /* The parents that LIST left out count, too: one name can have hundreds. */
  if (tree->rows->len > IMAP_LIMIT_MAILBOXES) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the server has more than %u folders", IMAP_LIMIT_MAILBOXES);
    return NULL;
  }
  if (!index_put_mailbox(txn, mailbox, error))
    return NULL;
  tree_know(tree, mailbox);
  if (mailbox->raw)
    tree_touch(tree, mailbox->parent);
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

/* A mailbox that was deleted while it had children lives on as their parent, and holds no messages any more. */
static gboolean was_deleted(const IndexMailbox *known, guint attrs) {
  return (attrs & IMAP_ATTR_NOSELECT) && known->listed != INDEX_UNLISTED;
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
  } else if (was_deleted(known, attrs)) {
    g_ptr_array_add(tree->emptied, known);
  }
  guint hidden = tree_is_hidden(tree, known) ? INDEX_HIDDEN : 0;
  if ((known->attrs & ~INDEX_HIDDEN) == attrs && kept == hidden && known->delimiter == delimiter)
    return TRUE;
  if (hidden && !kept)
    leave(tree, known);
  else if (kept != hidden)
    tree_touch(tree, known->parent);
  known->attrs = attrs | hidden;
  known->delimiter = delimiter;
  return index_put_mailbox(txn, known, error);
}

/* ---- renames: only the server's name, the shown name and the parent change --------------------------- */

/* Nothing is found under its old names any more. */
static void detach(Tree *tree, const IndexMailbox *mailbox) {
  g_autofree char *key = tree_name_key(mailbox->parent, mailbox->name);
  g_hash_table_remove(tree->by_raw, mailbox->raw);
  g_hash_table_remove(tree->names, key);
}

/* Another mailbox was found under its name, and it was found nowhere. */
static gboolean end_replaced(Tree *tree, IndexTxn *txn, const char *raw, GError **error) {
  IndexMailbox *mailbox = g_hash_table_lookup(tree->by_raw, raw);
  if (!mailbox)
    return TRUE;
  detach(tree, mailbox);
  g_ptr_array_add(tree->ended, mailbox);
  tree_touch(tree, mailbox->parent);
  return index_end_mailbox(txn, mailbox->row, error);
}

/* All leave their places before any takes its new one, which may have been another's ("%~" is in no other name). */
static gboolean detach_renamed(Tree *tree, IndexTxn *txn, GError **error) {
  GHashTableIter iter;
  gpointer raw, row;
  if (!tree->renamed)
    return TRUE;
  g_hash_table_iter_init(&iter, tree->renamed);
  while (g_hash_table_iter_next(&iter, NULL, &row)) {
    IndexMailbox *mailbox = g_hash_table_lookup(tree->by_row, row);
    detach(tree, mailbox);
    leave(tree, mailbox);
    g_free(mailbox->name);
    mailbox->name = g_strdup_printf("%%~%" G_GINT64_FORMAT, mailbox->row);
    if (!index_put_mailbox(txn, mailbox, error))
      return FALSE;
  }
  g_hash_table_iter_init(&iter, tree->renamed);
  while (g_hash_table_iter_next(&iter, &raw, NULL))
    if (!end_replaced(tree, txn, raw, error))
      return FALSE;
  return TRUE;
}

static IndexMailbox *take_renamed(Tree *tree, const char *raw) {
  gint64 *row = tree->renamed ? g_hash_table_lookup(tree->renamed, raw) : NULL;
  return row ? g_hash_table_lookup(tree->by_row, row) : NULL;
}

/* The mailbox that was its parent is another's now. */
static gboolean follow_parent(Tree *tree, IndexTxn *txn, IndexMailbox *known, const IndexMailbox *parent,
                              const char *part, GError **error) {
  if (known->parent == parent->row)
    return TRUE;
  g_autofree char *key = tree_name_key(known->parent, known->name);
  g_hash_table_remove(tree->names, key);
  leave(tree, known);
  g_free(known->name);
  known->name = tree_free_name(tree, parent->row, part);
  known->parent = parent->row;
  tree_know(tree, known);
  tree_touch(tree, known->parent);
  return index_put_mailbox(txn, known, error);
}

/* A mailbox without a row of this name, new or renamed; `part` is the end of `raw`, behind the last delimiter. */
static IndexMailbox *put_named(Tree *tree, IndexTxn *txn, const char *raw, const char *part, const IndexMailbox *parent,
                               char delimiter, guint attrs, GError **error) {
  IndexMailbox *mailbox = take_renamed(tree, raw);
  gboolean fresh = mailbox == NULL;
  if (fresh)
    mailbox = g_new0(IndexMailbox, 1);
  g_free(mailbox->raw);
  g_free(mailbox->name);
  mailbox->parent = parent->row;
  mailbox->delimiter = delimiter;
  mailbox->attrs = attrs == G_MAXUINT ? IMAP_ATTR_NOSELECT : attrs;
  /* Yahoo spells it Inbox; one name serves root=, fstab and habit. */
  gboolean inbox = g_ascii_strcasecmp(raw, "INBOX") == 0;
  mailbox->name = inbox ? g_strdup("INBOX") : tree_free_name(tree, parent->row, part);
  mailbox->raw = g_strdup(raw);
  if (fresh)
    return put_new(tree, txn, mailbox, error);
  if (tree_is_hidden(tree, mailbox))
    mailbox->attrs |= INDEX_HIDDEN;
  tree_know(tree, mailbox);
  tree_touch(tree, mailbox->parent);
  return index_put_mailbox(txn, mailbox, error) ? mailbox : NULL;
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
  if (!known)
    return put_named(tree, txn, name, name + part, parent, delimiter, attrs, error);
  /* Its own line would have come before those of its children. */
  if (attrs == G_MAXUINT && unseen && !tree->account->config->subscribed)
    attrs = IMAP_ATTR_NOSELECT;
  if (!follow_parent(tree, txn, known, parent, name + part, error) ||
      !update_known(tree, txn, known, delimiter, attrs, error))
    return NULL;
  return known;
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
  tree_touch(tree, mailbox->parent);
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

/* In the thread of all transactions. */
static gboolean is_current(Tree *tree) {
  tree->stale = g_atomic_int_get(&tree->account->tree_stamp) != tree->stamp;
  if (!tree->stale)
    g_atomic_int_inc(&tree->account->tree_stamp);
  return !tree->stale;
}

gboolean tree_apply_listings(IndexTxn *txn, gpointer data, GError **error) {
  Tree *tree = data;
  if (!is_current(tree))
    return TRUE;
  return ensure_root(tree, txn, error) && detach_renamed(tree, txn, error) && apply_listings(tree, txn, error) &&
         apply_missing(tree, txn, error) && apply_touched(tree, txn, error);
}

gboolean tree_apply_part(IndexTxn *txn, gpointer data, GError **error) {
  Tree *tree = data;
  if (!is_current(tree))
    return TRUE;
  for (guint i = 0; i < tree->rows->len; i++) {
    const IndexMailbox *mailbox = tree->rows->pdata[i];
    if (mailbox->raw)
      g_hash_table_add(tree->present, g_strdup(mailbox->raw));
  }
  return ensure_root(tree, txn, error) && detach_renamed(tree, txn, error) && apply_listings(tree, txn, error) &&
         apply_touched(tree, txn, error);
}

gboolean tree_apply_hiding(IndexTxn *txn, gpointer data, GError **error) {
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
