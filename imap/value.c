/* SPDX-License-Identifier: MIT */
#include "imap/value.h"

#include <string.h>

void imap_value_free(ImapValue *root) {
  g_free(root);
}

gboolean imap_value_list(const ImapValue *value, ImapIter *ret) {
  if (value->type != IMAP_VALUE_LIST)
    return FALSE;
  *ret = (ImapIter){value + 1, value + value->span};
  return TRUE;
}

const ImapValue *imap_iter_next(ImapIter *iter) {
  if (iter->at == iter->end)
    return NULL;
  const ImapValue *value = iter->at;
  iter->at += value->span;
  return value;
}

ImapValueType imap_value_type(const ImapValue *value) {
  return value->type;
}

gboolean imap_value_is(const ImapValue *value, const char *atom) {
  gsize len = strlen(atom);
  return value->type == IMAP_VALUE_ATOM && value->len == len && g_ascii_strncasecmp(value->data, atom, len) == 0;
}

gboolean imap_value_atom(const ImapValue *value, const char **ret, gsize *ret_len) {
  if (value->type != IMAP_VALUE_ATOM)
    return FALSE;
  *ret = value->data;
  *ret_len = value->len;
  return TRUE;
}

gboolean imap_value_number(const ImapValue *value, guint64 max, guint64 *ret) {
  if (value->type != IMAP_VALUE_ATOM)
    return FALSE;
  guint64 n = 0;
  for (gsize i = 0; i < value->len; i++) {
    if (!g_ascii_isdigit(value->data[i]))
      return FALSE;
    guint digit = (guint)(value->data[i] - '0');
    if (n > (max - MIN(max, digit)) / 10)
      return FALSE;
    n = n * 10 + digit;
  }
  if (value->len == 0 || n > max)
    return FALSE;
  *ret = n;
  return TRUE;
}

/* The octets of a quoted string without its escapes; into has room for value->len. */
static gsize unescape(const ImapValue *value, char *into) {
  gsize n = 0;
  for (gsize i = 0; i < value->len; i++) {
    if (value->data[i] == '\\' && i + 1 < value->len)
      i++;
    into[n++] = value->data[i];
  }
  return n;
}

char *imap_value_dup_atom(const ImapValue *value) {
  return value->type == IMAP_VALUE_ATOM ? g_strndup(value->data, value->len) : NULL;
}

char *imap_value_dup_astring(const ImapValue *value) {
  switch (value->type) {
  case IMAP_VALUE_QUOTED: {
    char *text = g_malloc(value->len + 1);
    text[unescape(value, text)] = '\0';
    return text;
  }
  case IMAP_VALUE_LITERAL:
    if (value->len > 0 && memchr(value->data, '\0', value->len))
      return NULL;
    return g_strndup(value->data, value->len);
  default:
    return imap_value_dup_atom(value);
  }
}

GBytes *imap_value_dup_bytes(const ImapValue *value) {
  if (value->type == IMAP_VALUE_LITERAL)
    return g_bytes_new(value->data, value->len);
  if (value->type != IMAP_VALUE_QUOTED)
    return NULL;
  char *octets = g_malloc(value->len + 1);
  return g_bytes_new_take(octets, unescape(value, octets));
}

char **imap_iter_dup_words(ImapIter *iter) {
  GPtrArray *words = g_ptr_array_new();
  for (const ImapValue *value; (value = imap_iter_next(iter));) {
    char *word = imap_value_dup_atom(value);
    if (word)
      g_ptr_array_add(words, word);
  }
  g_ptr_array_add(words, NULL);
  return (char **)g_ptr_array_free(words, FALSE);
}
