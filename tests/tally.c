/* SPDX-License-Identifier: MIT */
/*
 * A key is "FOLDER: SUBJECT (SHA-256) flagged", so that it tells a person what is wrong. What is in doubt is compared
 * without folder and flag.
 */
#include "tests/tally.h"

#include <string.h>

struct _Tally {
  GHashTable *counts;  /* key -> how many, at least 1 */
  GHashTable *doubted; /* key without a folder -> doubt */
};

enum { DOUBT_PLACE = 1, DOUBT_BEING };

Tally *tally_new(void) {
  Tally *tally = g_new0(Tally, 1);
  tally->counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  tally->doubted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  return tally;
}

void tally_free(Tally *tally) {
  if (!tally)
    return;
  g_hash_table_unref(tally->counts);
  g_hash_table_unref(tally->doubted);
  g_free(tally);
}

/* ---- letters ------------------------------------------------------------------------------------------------ */

static GString *with_crlf(const char *octets, gsize len) {
  GString *text = g_string_sized_new(len + len / 32);
  for (gsize i = 0; i < len; i++) {
    if (octets[i] == '\n' && (i == 0 || octets[i - 1] != '\r'))
      g_string_append_c(text, '\r');
    g_string_append_c(text, octets[i]);
  }
  return text;
}

/* "SUBJECT (SHA-256)". A new string. */
static char *name_of(const char *octets, gsize len) {
  GString *text = with_crlf(octets, len);
  g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guint8 *)text->str, text->len);
  const char *subject = g_strstr_len(text->str, (gssize)text->len, "Subject: ");
  const char *begin = subject ? subject + strlen("Subject: ") : "";
  char *name = g_strdup_printf("%.*s (%.16s)", (int)strcspn(begin, "\r\n"), begin, sum);
  g_string_free(text, TRUE);
  return name;
}

static char *key_of(const char *folder, const char *octets, gsize len, gboolean flagged) {
  g_autofree char *name = name_of(octets, len);
  return g_strdup_printf("%s: %s%s", folder[0] ? folder : "INBOX", name, flagged ? " flagged" : "");
}

static guint count_of(GHashTable *counts, const char *key) {
  return GPOINTER_TO_UINT(g_hash_table_lookup(counts, key));
}

static void count(GHashTable *counts, char *taken, int more) {
  guint n = (guint)((int)count_of(counts, taken) + more);
  if (n > 0) {
    g_hash_table_replace(counts, taken, GUINT_TO_POINTER(n));
    return;
  }
  g_hash_table_remove(counts, taken);
  g_free(taken);
}

void tally_add(Tally *tally, const char *folder, const char *octets, gsize len) {
  count(tally->counts, key_of(folder, octets, len, FALSE), 1);
}

/* TRUE: it was flagged. */
static gboolean take(Tally *tally, const char *folder, const char *octets, gsize len) {
  g_autofree char *flagged = key_of(folder, octets, len, TRUE);
  gboolean is_flagged = count_of(tally->counts, flagged) > 0;
  count(tally->counts, is_flagged ? g_steal_pointer(&flagged) : key_of(folder, octets, len, FALSE), -1);
  return is_flagged;
}

void tally_take(Tally *tally, const char *folder, const char *octets, gsize len) {
  take(tally, folder, octets, len);
}

void tally_flag(Tally *tally, const char *folder, const char *octets, gsize len) {
  take(tally, folder, octets, len);
  count(tally->counts, key_of(folder, octets, len, TRUE), 1);
}

void tally_doubt(Tally *tally, const char *octets, gsize len, gboolean gone) {
  g_hash_table_replace(tally->doubted, name_of(octets, len), GUINT_TO_POINTER(gone ? DOUBT_BEING : DOUBT_PLACE));
}

/* ---- a server ----------------------------------------------------------------------------------------------- */

static gboolean add_file(Tally *tally, const char *folder, const char *path, GError **error) {
  g_autofree char *octets = NULL;
  gsize len = 0;
  const char *info = strstr(path, ":2,");
  if (!g_file_get_contents(path, &octets, &len, error))
    return FALSE;
  count(tally->counts, key_of(folder, octets, len, info && strchr(info, 'F')), 1);
  return TRUE;
}

static gboolean add_folder(Tally *tally, const char *folder, const char *path, gboolean marks, GError **error) {
  static const char *const parts[] = {"cur", "new"};
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    g_autofree char *part = g_build_filename(path, parts[i], NULL);
    g_autoptr(GDir) dir = g_dir_open(part, 0, error);
    if (!dir)
      return FALSE;
    for (const char *name; (name = g_dir_read_name(dir));) {
      g_autofree char *file = g_build_filename(part, name, NULL);
      const char *info = strstr(name, ":2,");
      if (marks && info && strchr(info, 'T'))
        continue;
      if (!add_file(tally, folder, file, error))
        return FALSE;
    }
  }
  return TRUE;
}

gboolean tally_maildir(Tally *tally, const char *path, gboolean marks, GError **error) {
  g_autoptr(GDir) dir = g_dir_open(path, 0, error);
  if (!dir || !add_folder(tally, "", path, marks, error))
    return FALSE;
  for (const char *name; (name = g_dir_read_name(dir));) {
    g_autofree char *sub = g_build_filename(path, name, NULL);
    if (name[0] == '.' && g_file_test(sub, G_FILE_TEST_IS_DIR) && !add_folder(tally, name + 1, sub, marks, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- the comparison ----------------------------------------------------------------------------------------- */

/* Those in doubt under their names only. */
static GHashTable *without_doubt(const Tally *tally, GHashTable *doubted) {
  GHashTable *counts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer key, n;
  g_hash_table_iter_init(&iter, tally->counts);
  while (g_hash_table_iter_next(&iter, &key, &n)) {
    const char *begin = strstr(key, ": ") + 2, *end = strrchr(begin, ')') + 1;
    g_autofree char *name = g_strndup(begin, (gsize)(end - begin));
    gboolean is_doubted = g_hash_table_contains(doubted, name);
    count(counts, is_doubted ? g_steal_pointer(&name) : g_strdup(key), GPOINTER_TO_INT(n));
  }
  return counts;
}

char *tally_compare(const Tally *expected, const Tally *got) {
  g_autoptr(GHashTable) due = without_doubt(expected, expected->doubted);
  g_autoptr(GHashTable) there = without_doubt(got, expected->doubted);
  GString *text = g_string_new(NULL);
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, due);
  while (g_hash_table_iter_next(&iter, &key, NULL)) {
    guint n = count_of(due, key), have = count_of(there, key);
    gboolean may_be_gone = count_of(expected->doubted, key) == DOUBT_BEING;
    if (have > n || (have < n && !may_be_gone))
      g_string_append_printf(text, "%u instead of %u: %s\n", have, n, (char *)key);
  }
  g_hash_table_iter_init(&iter, there);
  while (g_hash_table_iter_next(&iter, &key, NULL))
    if (!g_hash_table_contains(due, key) && count_of(expected->doubted, key) != DOUBT_BEING)
      g_string_append_printf(text, "%u unexpected: %s\n", count_of(there, key), (char *)key);
  char *wrong = text->len > 0 ? g_strdup(text->str) : NULL;
  g_string_free(text, TRUE);
  return wrong;
}
