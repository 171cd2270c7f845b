/* SPDX-License-Identifier: MIT */
/*
 * A message has a handful of keywords, so a set is walked and not hashed. Lists from elsewhere (a PERMANENTFLAGS, an
 * old index) may hold a word twice or an empty one, which changes nothing here.
 */
#include "cache/journal/words.h"

static gboolean has(char *const *list, const char *word) {
  for (; *list; list++)
    if (g_ascii_strcasecmp(*list, word) == 0)
      return TRUE;
  return FALSE;
}

char **words_split(const char *words) {
  char **list = g_strsplit(words ? words : "", " ", -1), **to = list;
  for (char **from = list; *from; from++)
    if (**from)
      *to++ = *from;
    else
      g_free(*from);
  *to = NULL;
  return list;
}

char *words_join(char *const *list) {
  return list && *list ? g_strjoinv(" ", (char **)list) : NULL;
}

/* Those that are in `others`, or with `in` FALSE those that are not. */
static char *choose(const char *words, const char *others, gboolean in) {
  g_auto(GStrv) list = words_split(words), known = words_split(others);
  g_autoptr(GPtrArray) chosen = g_ptr_array_new();
  for (char **word = list; *word; word++)
    if (has(known, *word) == in)
      g_ptr_array_add(chosen, *word);
  g_ptr_array_add(chosen, NULL);
  return words_join((char **)chosen->pdata);
}

char *words_without(const char *words, const char *others) {
  return choose(words, others, FALSE);
}

char *words_within(const char *words, const char *others) {
  return choose(words, others, TRUE);
}

char *words_with(const char *words, const char *more) {
  g_autofree char *both = g_strjoin(" ", words ? words : "", more, NULL);
  g_auto(GStrv) list = words_split(both), once = g_new0(char *, g_strv_length(list) + 1);
  char **to = once;
  for (char **word = list; *word; word++)
    if (!has(once, *word))
      *to++ = g_strdup(*word);
  return words_join(once);
}

char *words_change(const char *words, const char *add, const char *remove) {
  g_autofree char *left = words_without(words, remove);
  return words_with(left, add);
}

gboolean words_include(const char *words, const char *others) {
  g_autofree char *missing = words_without(others, words);
  return missing == NULL;
}

gboolean words_meet(const char *words, const char *others) {
  g_autofree char *common = words_within(words, others);
  return common != NULL;
}
