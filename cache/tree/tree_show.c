/* SPDX-License-Identifier: MIT */
/*
 * What a mailbox is shown as. Two can claim one path where namespaces differ in their delimiter (a.b and a/b), and one
 * can be called like a message: then it gets a suffix behind "%~", which is what no other name contains.
 */
#include <fnmatch.h>
#include <string.h>

#include "cache/tree/names.h"
#include "cache/tree/tree_private.h"

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

gboolean tree_is_hidden(Tree *tree, const IndexMailbox *mailbox) {
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
  g_autofree char *key = tree_name_key(parent, name);
  g_auto(IndexMessage) message = {0};
  return g_hash_table_contains(tree->names, key) ||
         index_find_message(tree->account->index, parent, name, &message, NULL);
}

char *tree_free_name(Tree *tree, gint64 parent, const char *part) {
  g_autofree char *plain = *part ? names_folder(part, strlen(part)) : g_strdup("%");
  g_autofree char *name = g_strdup(plain);
  for (guint n = 2; name_taken(tree, parent, name); n++) {
    g_free(name);
    name = g_strdup_printf("%.240s%%~%u", plain, n);
  }
  return g_steal_pointer(&name);
}
