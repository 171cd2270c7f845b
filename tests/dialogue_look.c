/* SPDX-License-Identifier: MIT */
/* The steps of somebody who lists folders and reads letters. */
#include <stdlib.h>
#include <string.h>

#include "tests/dialogue_private.h"

const char *dialogue_text(const GError *error) {
  return error ? error->message : "not there";
}

/* As they are written in dialogues. */
static const char *const kinds[] = {
    [CACHE_ERROR_OFFLINE] = "OFFLINE", [CACHE_ERROR_TIMEOUT] = "TIMEOUT", [CACHE_ERROR_LOGIN] = "LOGIN",
    [CACHE_ERROR_BUSY] = "BUSY",       [CACHE_ERROR_REFUSED] = "REFUSED", [CACHE_ERROR_PERMISSION] = "PERMISSION",
    [CACHE_ERROR_GONE] = "GONE",       [CACHE_ERROR_GARBAGE] = "GARBAGE",
};

gboolean dialogue_is_kind(const GError *error, const char *kind) {
  return error && error->domain == CACHE_ERROR && (guint)error->code < G_N_ELEMENTS(kinds) &&
         g_strcmp0(kinds[error->code], kind) == 0;
}

/* ---- listing ----------------------------------------------------------------------------------------------------- */

static char *seen_key(const char *folder, const char *letter, const CacheEntry *entry) {
  g_autofree char *origin = reader_origin(entry);
  return g_strdup_printf("%s/%s", origin ? origin : folder, letter);
}

static void note_seen(Dialogue *play, const Phrase *phrase) {
  for (char **letter = phrase->after; *letter; letter++) {
    CacheEntry entry;
    if (!reader_entry(play->reader, phrase->words[0], *letter, &entry))
      continue;
    char *key = seen_key(phrase->words[0], *letter, &entry);
    if (g_hash_table_contains(play->seen, key))
      g_free(key);
    else
      g_hash_table_insert(play->seen, key, g_memdup2(&entry, sizeof entry));
  }
}

/* Whether or not it opens the folder is all that tells list from await and shows. */
static void expect_listing(Dialogue *play, const char *args, gboolean opens, gint64 patience) {
  g_auto(Phrase) phrase = {0};
  gint64 until = g_get_monotonic_time() + patience;
  phrase_read(args, &phrase);
  g_autofree char *wanted = g_strjoinv(" ", phrase.after);
  for (;;) {
    g_autoptr(GError) error = NULL;
    gboolean opened = !opens || reader_open(play->reader, phrase.words[0], until, &error);
    g_autofree char *shown = reader_shown(play->reader, phrase.words[0], error ? NULL : &error);
    if (opened && shown && strcmp(shown, wanted) == 0)
      break;
    if (g_get_monotonic_time() >= until)
      dialogue_broken(play, "it shows %s (%s)", shown ? shown : "nothing", error ? error->message : "no error");
    reader_await_any(play->reader, g_get_monotonic_time() + A_MOMENT);
  }
  note_seen(play, &phrase);
}

static void expect_refusal(Dialogue *play, const char *folder, const char *kind) {
  g_autoptr(GError) error = NULL;
  if (reader_open(play->reader, folder, g_get_monotonic_time() + PATIENCE, &error))
    dialogue_broken(play, "it can be opened");
  if (!dialogue_is_kind(error, kind))
    dialogue_broken(play, "%s", dialogue_text(error));
}

void dialogue_list(Dialogue *play, const char *args) {
  g_auto(Phrase) phrase = {0};
  phrase_read(args, &phrase);
  if (phrase_option(&phrase, "fails"))
    expect_refusal(play, phrase.words[0], phrase_option(&phrase, "fails"));
  else
    expect_listing(play, args, TRUE, PATIENCE);
}

void dialogue_await(Dialogue *play, const char *args) {
  expect_listing(play, args, FALSE, PATIENCE);
}

void dialogue_shows(Dialogue *play, const char *args) {
  expect_listing(play, args, FALSE, 0);
}

void dialogue_removed(Dialogue *play, const char *args) {
  guint removed = reader_removed(play->reader) - play->removed;
  if (strcmp(args, "nothing") != 0 || removed > 0)
    dialogue_broken(play, "%u were", removed);
}

/* ---- letters ------------------------------------------------------------------------------------------- */

typedef void (*EachLetter)(Dialogue *play, const Phrase *phrase, const char *letter);

static void each_letter(Dialogue *play, const char *args, EachLetter each) {
  g_auto(Phrase) phrase = {0};
  phrase_read(args, &phrase);
  for (char **letter = phrase.after; *letter; letter++)
    each(play, &phrase, *letter);
}

static char *true_text(Dialogue *play, const Phrase *phrase, const char *letter) {
  const char *as = phrase_option(phrase, "as");
  CacheEntry entry;
  char *copy;
  guint number = (guint)strtoul(as ? as : letter, &copy, 10);
  if (!reader_entry(play->reader, phrase->words[0], letter, &entry))
    dialogue_broken(play, "%s is not listed", letter);
  g_autofree char *origin = reader_origin(&entry);
  return letter_text(origin ? origin : phrase->words[0], number, *copy ? *copy : 'a');
}

static void read_one(Dialogue *play, const Phrase *phrase, const char *letter) {
  const char *fails = phrase_option(phrase, "fails");
  gint64 until = g_get_monotonic_time() + PATIENCE;
  g_autoptr(GError) error = NULL;
  g_autofree char *text = reader_read(play->reader, phrase->words[0], letter, until, &error);
  if (fails && (text || !dialogue_is_kind(error, fails)))
    dialogue_broken(play, "%s: %s", letter, text ? "it can be read" : dialogue_text(error));
  if (fails)
    return;
  g_autofree char *truth = true_text(play, phrase, letter);
  if (g_strcmp0(text, truth) != 0)
    dialogue_broken(play, "%s: %s", letter, text ? text : dialogue_text(error));
}

static void cached_one(Dialogue *play, const Phrase *phrase, const char *letter) {
  if (!reader_has(play->reader, phrase->words[0], letter))
    dialogue_broken(play, "%s is not", letter);
}

static void compare_one(Dialogue *play, const Phrase *phrase, const char *letter, gboolean same) {
  CacheEntry now;
  if (!reader_entry(play->reader, phrase->words[0], letter, &now))
    dialogue_broken(play, "%s is not listed", letter);
  g_autofree char *key = seen_key(phrase->words[0], letter, &now);
  const CacheEntry *then = g_hash_table_lookup(play->seen, key);
  if (!then)
    dialogue_broken(play, "%s was never seen before", letter);
  if (same != (now.row == then->row))
    dialogue_broken(play, "%s has row %d, and had %d", letter, (int)now.row, (int)then->row);
  if (same && (strcmp(now.name, then->name) != 0 || now.mtime != then->mtime || now.size != then->size))
    dialogue_broken(play, "%s was %s", letter, then->name);
}

static void same_one(Dialogue *play, const Phrase *phrase, const char *letter) {
  compare_one(play, phrase, letter, TRUE);
}

static void other_one(Dialogue *play, const Phrase *phrase, const char *letter) {
  compare_one(play, phrase, letter, FALSE);
}

void dialogue_read(Dialogue *play, const char *args) {
  each_letter(play, args, read_one);
}

void dialogue_cached(Dialogue *play, const char *args) {
  each_letter(play, args, cached_one);
}

void dialogue_same(Dialogue *play, const char *args) {
  each_letter(play, args, same_one);
}

void dialogue_other(Dialogue *play, const char *args) {
  each_letter(play, args, other_one);
}
