/* SPDX-License-Identifier: MIT */
/*
 * From a name that a user gives to the name that the server is told. Only a name that would be shown as exactly this
 * one will do: what LIST says afterwards must be what the user asked for.
 */
#include <string.h>

#include "cache/tree/names.h"
#include "cache/tree/tree.h"

static char *no_name(GError **error, CacheError code, const char *why) {
  g_set_error_literal(error, CACHE_ERROR, code, why);
  return NULL;
}

static gboolean has_control(const char *text) {
  for (; *text; text++)
    if ((guchar)*text < 0x20 || *text == 0x7f)
      return TRUE;
  return FALSE;
}

/* One part of a server's name, or NULL. */
static char *raw_part(const char *name, char delimiter) {
  g_autofree char *raw = names_unfold(name);
  g_autofree char *text = raw ? imap_utf7_decode(raw) : NULL;
  const char *shown = text ? text : raw;
  if (!raw || has_control(shown) || g_str_equal(shown, ".") || g_str_equal(shown, "..") ||
      (delimiter && strchr(raw, delimiter)))
    return NULL;
  return g_steal_pointer(&raw);
}

static char *join(const char *prefix, char delimiter, const char *name, GError **error) {
  g_autofree char *part = raw_part(name, delimiter);
  char between[2] = {*prefix && !g_str_has_suffix(prefix, (char[]){delimiter, '\0'}) ? delimiter : '\0', '\0'};
  if (!part || strlen(prefix) + 1 + strlen(part) > IMAP_LIMIT_MAILBOX_NAME)
    return no_name(error, CACHE_ERROR_INVALID, "the server can have no folder of this name");
  return g_strconcat(prefix, between, part, NULL);
}

/* Servers without NAMESPACE tell it of INBOX. */
static char top_delimiter(Account *account, const ImapNamespace *personal) {
  g_auto(IndexMailbox) root = {0}, inbox = {0};
  if (personal->delimiter)
    return personal->delimiter;
  if (index_find_mailbox(account->index, 0, "", &root, NULL))
    index_find_mailbox(account->index, root.row, "INBOX", &inbox, NULL);
  return inbox.delimiter;
}

/* It would be shown elsewhere: INBOX.name stands in INBOX. */
static char *not_at_the_top(const ImapNamespace *personal, GError **error) {
  gsize len = strlen(personal->prefix);
  gboolean ends = len > 1 && personal->delimiter && personal->prefix[len - 1] == personal->delimiter;
  g_autofree char *below = imap_clean_text(personal->prefix, (gssize)(ends ? len - 1 : len));
  g_message("no folder can be made at the top: this server keeps them all in %s", below);
  return no_name(error, CACHE_ERROR_PERMISSION, "this server has no new folders at the top");
}

char *tree_raw_name(Account *account, const IndexMailbox *parent, const ImapNamespace *personal, const char *name,
                    char *ret_delimiter, GError **error) {
  *ret_delimiter = parent->raw ? parent->delimiter : top_delimiter(account, personal);
  if (parent->raw && !parent->delimiter)
    return no_name(error, CACHE_ERROR_PERMISSION, "this server has no folders below others");
  if (!parent->raw && *personal->prefix)
    return not_at_the_top(personal, error);
  return join(parent->raw ? parent->raw : "", *ret_delimiter, name, error);
}

char *tree_raw_path(Account *account, const ImapNamespace *personal, const char *path, char *ret_delimiter,
                    GError **error) {
  char delimiter = *ret_delimiter = top_delimiter(account, personal);
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  g_autofree char *raw = g_strdup("");
  for (char **part = parts; *part; part++) {
    if (!**part)
      continue;
    char *longer = *raw && !delimiter ? no_name(error, CACHE_ERROR_INVALID, "this server has no folders below others")
                                      : join(raw, delimiter, *part, error);
    g_free(raw);
    raw = longer;
    if (!raw)
      return NULL;
  }
  if (!*raw)
    return no_name(error, CACHE_ERROR_INVALID, "no name");
  return g_str_has_prefix(raw, personal->prefix) ? g_steal_pointer(&raw) : g_strconcat(personal->prefix, raw, NULL);
}
