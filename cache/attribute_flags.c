/* SPDX-License-Identifier: MIT */
/*
 * A list of flags is parsed strictly: a flag that is dropped in silence would be missing from a restored mailbox, and
 * nobody would know. \Deleted may be set by hand like any other: the message then stays listed, because only what we
 * removed ourselves is hidden.
 *
 * Some servers have keywords that are no atoms and so cannot stand in a command: these are neither shown nor changed.
 */
#include "cache/attribute_flags.h"

#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "cache/journal/words.h"

static const struct {
  const char *name;
  guint flag;
} system_flags[] = {
    {"\\Seen", IMAP_FLAG_SEEN},       {"\\Answered", IMAP_FLAG_ANSWERED}, {"\\Flagged", IMAP_FLAG_FLAGGED},
    {"\\Deleted", IMAP_FLAG_DELETED}, {"\\Draft", IMAP_FLAG_DRAFT},
};

/* ---- as text ---------------------------------------------------------------------------------------------- */

static int alphabetically(gconstpointer a, gconstpointer b) {
  const char *one = *(char *const *)a, *other = *(char *const *)b;
  int order = g_ascii_strcasecmp(one, other);
  return order != 0 ? order : strcmp(one, other);
}

char *attribute_flags_format(guint flags, const char *keywords) {
  g_auto(GStrv) words = words_split(keywords);
  qsort(words, g_strv_length(words), sizeof *words, alphabetically);
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(system_flags); i++)
    if (flags & system_flags[i].flag)
      g_string_append_printf(text, " %s", system_flags[i].name);
  for (char **word = words; *word; word++)
    if (imap_keyword_valid(*word))
      g_string_append_printf(text, " %s", *word);
  return g_strdup(text->len > 0 ? text->str + 1 : "");
}

static guint find_flag(const char *word) {
  for (guint i = 0; i < G_N_ELEMENTS(system_flags); i++)
    if (g_ascii_strcasecmp(system_flags[i].name, word) == 0)
      return system_flags[i].flag;
  return 0;
}

static gboolean refuse(GError **error, const char *word) {
  g_autofree char *clean = imap_clean_text(word, -1);
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "\"%s\" is no flag that can be set", clean);
  return FALSE;
}

gboolean attribute_flags_parse(const char *value, gsize len, guint *ret_flags, char **ret_keywords, GError **error) {
  if (len > 0 && memchr(value, '\0', len))
    return refuse(error, "NUL");
  g_autofree char *text = g_strndup(len > 0 ? value : "", len);
  g_auto(GStrv) words = words_split(text);
  g_autoptr(GString) keywords = g_string_new(NULL);
  guint flags = 0, n = 0;
  for (char **word = words; *word; word++) {
    guint flag = find_flag(*word);
    flags |= flag;
    if (flag != 0)
      continue;
    if (!imap_keyword_valid(*word) || n++ == IMAP_LIMIT_KEYWORDS)
      return refuse(error, *word);
    g_string_append_printf(keywords, " %s", *word);
  }
  *ret_flags = flags;
  *ret_keywords = words_with(NULL, keywords->str);
  return TRUE;
}

/* ---- changes ---------------------------------------------------------------------------------------------- */

void attribute_change_clear(AttributeChange *change) {
  g_clear_pointer(&change->add_keywords, g_free);
  g_clear_pointer(&change->remove_keywords, g_free);
}

/* What no command could name is no change either. */
static char *missing_from(const char *keywords, const char *others) {
  g_autofree char *rest = words_without(keywords, others);
  g_auto(GStrv) words = words_split(rest);
  g_autoptr(GPtrArray) valid = g_ptr_array_new();
  for (char **word = words; *word; word++)
    if (imap_keyword_valid(*word))
      g_ptr_array_add(valid, *word);
  g_ptr_array_add(valid, NULL);
  return words_join((char **)valid->pdata);
}

AttributeChange attribute_flags_compare(guint from, const char *from_keywords, guint to, const char *to_keywords) {
  guint ours = 0;
  for (guint i = 0; i < G_N_ELEMENTS(system_flags); i++)
    ours |= system_flags[i].flag;
  return (AttributeChange){.add = to & ~from & ours,
                           .remove = from & ~to & ours,
                           .add_keywords = missing_from(to_keywords, from_keywords),
                           .remove_keywords = missing_from(from_keywords, to_keywords)};
}

gboolean attribute_change_is_empty(const AttributeChange *change) {
  return change->add == 0 && change->remove == 0 && !change->add_keywords && !change->remove_keywords;
}

static gboolean keeps(const IndexAccess *access, const char *keywords) {
  return access->any_keyword || words_include(access->keywords, keywords);
}

gboolean attribute_change_is_kept(const AttributeChange *change, const IndexAccess *access, GError **error) {
  if (access->heard == 0 || !access->limited)
    return TRUE;
  if (((change->add | change->remove) & ~access->permanent) == 0 && keeps(access, change->add_keywords) &&
      keeps(access, change->remove_keywords))
    return TRUE;
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_PERMISSION, "the server does not keep such a flag in this folder");
  return FALSE;
}
