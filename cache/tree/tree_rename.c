/* SPDX-License-Identifier: MIT */
/*
 * Before anything is written: which row's mailbox stands under which name now. A row is sought where LIST no longer
 * shows its name (missing) or the name shows another mailbox (displaced: another UIDVALIDITY in LIST-STATUS, or what a
 * delta found). It is found, in this order,
 *
 *   by a hint           NOTIFY named the old name, and nothing of that name is left unexplained
 *   by its relatives    where a/x became b/x, a became b, and where a became b, a/y became b/y
 *   by its messages     rename.c: MAILBOXID, else a few of them
 *
 * Names that were swapped are a case of this: both rows are displaced, and each is found under the other's name. What
 * is not found keeps its row if its name is still there; its messages are matched again by the next delta.
 */
#include <string.h>

#include "cache/tree/rename.h"
#include "cache/tree/tree_private.h"

typedef struct {
  Tree *tree;
  GHashTable *status;    /* raw -> ImapStatus, or NULL */
  GHashTable *listed;    /* set of raw names */
  GHashTable *moved;     /* set of rows that were found */
  GHashTable *displaced; /* set of rows */
} Search;

static void search_init(Search *search, Tree *tree, GHashTable *status) {
  *search = (Search){.tree = tree, .status = status};
  search->listed = g_hash_table_new(g_str_hash, g_str_equal);
  search->moved = g_hash_table_new(g_int64_hash, g_int64_equal);
  search->displaced = g_hash_table_new(g_int64_hash, g_int64_equal);
  for (guint i = 0; i < tree->listings->len; i++) {
    const ImapListing *listing = tree->listings->pdata[i];
    if (!listing->delimiter || !g_str_has_suffix(listing->name, (char[]){listing->delimiter, '\0'}))
      g_hash_table_add(search->listed, listing->name);
  }
  tree->renamed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

static void search_clear(Search *search) {
  g_hash_table_unref(search->listed);
  g_hash_table_unref(search->moved);
  g_hash_table_unref(search->displaced);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

static gboolean is_listed(const Search *search, const char *raw) {
  return g_hash_table_contains(search->listed, raw);
}

static void found(Search *search, const char *raw, IndexMailbox *old) {
  g_info("folder %" G_GINT64_FORMAT " was renamed", old->row);
  g_hash_table_insert(search->tree->renamed, g_strdup(raw), g_memdup2(&old->row, sizeof old->row));
  g_hash_table_add(search->moved, &old->row);
}

/* The name is in LIST and none of the rows has a better claim to it. */
static gboolean is_free(const Search *search, const char *raw) {
  const IndexMailbox *holder = g_hash_table_lookup(search->tree->by_raw, raw);
  return is_listed(search, raw) && !g_hash_table_contains(search->tree->renamed, raw) &&
         (!holder || g_hash_table_contains(search->moved, &holder->row));
}

static gboolean is_sought(const Search *search, const IndexMailbox *mailbox) {
  return mailbox->raw && !g_hash_table_contains(search->moved, &mailbox->row) &&
         (!is_listed(search, mailbox->raw) || g_hash_table_contains(search->displaced, &mailbox->row));
}

/* ---- displaced rows -------------------------------------------------------------------------------------- */

static const ImapStatus *status_of(const Search *search, const char *raw) {
  return search->status && raw ? g_hash_table_lookup(search->status, raw) : NULL;
}

static gboolean has_uidvalidity(const Search *search, const char *raw, guint32 uidvalidity) {
  const ImapStatus *status = status_of(search, raw);
  return status && status->has_uidvalidity && status->uidvalidity == uidvalidity;
}

static gboolean is_displaced(const Search *search, const IndexMailbox *mailbox) {
  const ImapStatus *status = status_of(search, mailbox->raw);
  return mailbox->raw && mailbox->listed == INDEX_LISTED && mailbox->uidvalidity != 0 &&
         (mailbox->row == search->tree->account->doubted ||
          (status && status->has_uidvalidity && status->uidvalidity != mailbox->uidvalidity));
}

/* Two mailboxes can have one UIDVALIDITY; then what a delta doubted may stand under a name that looks right. */
static void displace_twins(Search *search, const IndexMailbox *doubted) {
  for (guint i = 0; i < search->tree->rows->len; i++) {
    IndexMailbox *mailbox = search->tree->rows->pdata[i];
    if (mailbox->listed == INDEX_LISTED && has_uidvalidity(search, mailbox->raw, doubted->uidvalidity))
      g_hash_table_add(search->displaced, &mailbox->row);
  }
}

static void find_displaced(Search *search) {
  Tree *tree = search->tree;
  for (guint i = 0; i < tree->rows->len; i++) {
    IndexMailbox *mailbox = tree->rows->pdata[i];
    if (is_displaced(search, mailbox))
      g_hash_table_add(search->displaced, &mailbox->row);
  }
  const IndexMailbox *doubted = g_hash_table_lookup(tree->by_row, &tree->account->doubted);
  if (doubted && g_hash_table_contains(search->displaced, &doubted->row))
    displace_twins(search, doubted);
  tree->account->doubted = 0;
}

/* ---- hints ------------------------------------------------------------------------------------------------ */

/* The row that had this name before all renames: a -> tmp -> b is told in two steps. */
static IndexMailbox *follow(Search *search, const char *raw) {
  Tree *tree = search->tree;
  const char *old = g_hash_table_lookup(tree->hints, raw);
  for (guint steps = 0; old && steps < g_hash_table_size(tree->hints); steps++) {
    IndexMailbox *mailbox = g_hash_table_lookup(tree->by_raw, old);
    if (mailbox)
      return mailbox;
    old = g_hash_table_lookup(tree->hints, old);
  }
  return NULL;
}

static void use_hints(Search *search) {
  Tree *tree = search->tree;
  GHashTableIter iter;
  gpointer raw;
  if (!tree->hints)
    return;
  g_hash_table_iter_init(&iter, tree->hints);
  while (g_hash_table_iter_next(&iter, &raw, NULL)) {
    IndexMailbox *old = follow(search, raw);
    IndexMailbox *holder = g_hash_table_lookup(tree->by_raw, raw);
    if (!old || old == holder || !old->raw || !is_listed(search, raw) ||
        g_hash_table_contains(search->moved, &old->row))
      continue;
    /* Both names were told of: who stands there now came from elsewhere. */
    gboolean left = !is_listed(search, old->raw) || g_hash_table_contains(tree->hints, old->raw) ||
                    g_hash_table_contains(search->displaced, &old->row);
    if (left && (!holder || follow(search, holder->raw)))
      found(search, raw, old);
  }
}

/* ---- relatives --------------------------------------------------------------------------------------------- */

/* What stands behind `parent` and its delimiter, or NULL. */
static const char *below(const char *raw, const char *parent, char delimiter) {
  gsize len = strlen(parent);
  return delimiter && strncmp(raw, parent, len) == 0 && raw[len] == delimiter ? raw + len : NULL;
}

static gboolean move_children(Search *search, const IndexMailbox *old, const char *raw) {
  Tree *tree = search->tree;
  gboolean any = FALSE;
  for (guint i = 0; i < tree->rows->len; i++) {
    IndexMailbox *child = tree->rows->pdata[i];
    const char *rest = child->raw ? below(child->raw, old->raw, old->delimiter) : NULL;
    g_autofree char *now = rest ? g_strconcat(raw, rest, NULL) : NULL;
    if (!now || !is_sought(search, child) || !is_free(search, now))
      continue;
    found(search, now, child);
    any = TRUE;
  }
  return any;
}

static gboolean has_children_listed(const Search *search, const IndexMailbox *mailbox) {
  const GPtrArray *listings = search->tree->listings;
  for (guint i = 0; i < listings->len; i++)
    if (below(((ImapListing *)listings->pdata[i])->name, mailbox->raw, mailbox->delimiter))
      return TRUE;
  return FALSE;
}

/* a/x is b/x: then a is b, unless either is known to be something else. LIST may leave both out. */
static gboolean move_parent(Search *search, const IndexMailbox *old, const char *raw) {
  Tree *tree = search->tree;
  const char *was = old->delimiter ? strrchr(old->raw, old->delimiter) : NULL;
  const char *is = old->delimiter ? strrchr(raw, old->delimiter) : NULL;
  if (!was || !is || strcmp(was, is) != 0)
    return FALSE;
  g_autofree char *before = g_strndup(old->raw, (gsize)(was - old->raw)), *now = g_strndup(raw, (gsize)(is - raw));
  IndexMailbox *parent = g_hash_table_lookup(tree->by_raw, before);
  if (!parent || !parent->raw || g_hash_table_contains(search->moved, &parent->row) || is_listed(search, before) ||
      has_children_listed(search, parent) || g_hash_table_contains(tree->by_raw, now) ||
      g_hash_table_contains(tree->renamed, now))
    return FALSE;
  found(search, now, parent);
  return TRUE;
}

static gboolean use_relatives_once(Search *search) {
  GHashTableIter iter;
  gpointer raw, row;
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  gboolean any = FALSE;
  g_hash_table_iter_init(&iter, search->tree->renamed);
  while (g_hash_table_iter_next(&iter, &raw, NULL))
    g_ptr_array_add(names, raw);
  for (guint i = 0; i < names->len; i++) {
    row = g_hash_table_lookup(search->tree->renamed, names->pdata[i]);
    const IndexMailbox *old = g_hash_table_lookup(search->tree->by_row, row);
    any |= move_parent(search, old, names->pdata[i]);
    any |= move_children(search, old, names->pdata[i]);
  }
  return any;
}

static void use_relatives(Search *search) {
  while (use_relatives_once(search))
    continue;
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

/* A displaced row is worth a look into other mailboxes only where one could be it. */
static gboolean may_be_elsewhere(const Search *search, const IndexMailbox *mailbox, gboolean fresh) {
  GHashTableIter iter;
  gpointer raw;
  if (!search->status)
    return fresh;
  g_hash_table_iter_init(&iter, search->status);
  while (g_hash_table_iter_next(&iter, &raw, NULL))
    if (strcmp(raw, mailbox->raw) != 0 && has_uidvalidity(search, raw, mailbox->uidvalidity))
      return TRUE;
  return FALSE;
}

/* The name shows another mailbox than it did, and that could be one of those. */
static gboolean may_show(const Search *search, const char *raw, const GPtrArray *sought) {
  const IndexMailbox *holder = g_hash_table_lookup(search->tree->by_raw, raw);
  /* Nothing was ever seen in one that is not listed. */
  gboolean known = holder && holder->listed != INDEX_UNLISTED;
  if (!holder || (known && !g_hash_table_contains(search->displaced, &holder->row)))
    return FALSE;
  for (guint i = 0; i < sought->len; i++)
    if ((known && !search->status) || has_uidvalidity(search, raw, ((IndexMailbox *)sought->pdata[i])->uidvalidity))
      return TRUE;
  return FALSE;
}

/* Without LIST-STATUS the name that a doubted row went to may be known by now, as one more folder: LIST came before the
 * doubt. Nobody has looked into it yet. */
static gboolean may_be_new_name(const Search *search, const char *raw) {
  const IndexMailbox *holder = g_hash_table_lookup(search->tree->by_raw, raw);
  GHashTableIter iter;
  gpointer row;
  if (search->status || !holder || holder->listed != INDEX_UNLISTED)
    return FALSE;
  g_hash_table_iter_init(&iter, search->displaced);
  while (g_hash_table_iter_next(&iter, &row, NULL))
    if (*(gint64 *)row < holder->row)
      return TRUE;
  return FALSE;
}

static GPtrArray *find_sought(Search *search, gboolean fresh) {
  GPtrArray *sought = g_ptr_array_new();
  for (guint i = 0; i < search->tree->rows->len; i++) {
    IndexMailbox *mailbox = search->tree->rows->pdata[i];
    if (is_sought(search, mailbox) && mailbox->listed == INDEX_LISTED &&
        (!is_listed(search, mailbox->raw) || may_be_elsewhere(search, mailbox, fresh)))
      g_ptr_array_add(sought, mailbox);
  }
  return sought;
}

static gboolean use_messages(Search *search, ImapConn *conn, GError **error) {
  Tree *tree = search->tree;
  g_autoptr(GPtrArray) free_names = g_ptr_array_new(), names = g_ptr_array_new();
  for (guint i = 0; i < tree->listings->len; i++) {
    ImapListing *listing = tree->listings->pdata[i];
    if (is_free(search, listing->name) || may_be_new_name(search, listing->name))
      g_ptr_array_add(free_names, listing);
  }
  g_autoptr(GPtrArray) sought = find_sought(search, free_names->len > 0);
  /* First those that explain others: children need not be looked into when their parent was found. */
  for (guint i = 0; i < tree->listings->len; i++) {
    ImapListing *listing = tree->listings->pdata[i];
    if (may_show(search, listing->name, sought))
      g_ptr_array_add(names, listing);
  }
  g_ptr_array_extend(names, free_names, NULL, NULL);
  if (sought->len == 0 || names->len == 0)
    return TRUE;
  g_autoptr(GHashTable) pairs = rename_find(tree->account, conn, sought, names, error);
  GHashTableIter iter;
  gpointer raw, row;
  if (!pairs)
    return FALSE;
  g_hash_table_iter_init(&iter, pairs);
  while (g_hash_table_iter_next(&iter, &raw, &row))
    found(search, raw, g_hash_table_lookup(tree->by_row, row));
  return TRUE;
}

gboolean tree_find_renamed(Tree *tree, ImapConn *conn, GHashTable *status, GError **error) {
  g_auto(Search) search;
  search_init(&search, tree, status);
  /* What is not subscribed is missing for no other reason. */
  if (tree->account->config->subscribed)
    return TRUE;
  find_displaced(&search);
  use_hints(&search);
  use_relatives(&search);
  if (!use_messages(&search, conn, error))
    return FALSE;
  use_relatives(&search);
  return TRUE;
}
