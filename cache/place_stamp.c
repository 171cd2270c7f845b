/* SPDX-License-Identifier: MIT */
/*
 * Do index and cache belong together? Each start writes one stamp in three places: the index (in the database, so that
 * a restored index.db brings its old one along), state.stamp beside it, and cache.stamp beside the bodies.
 *
 *   id     random, of this index for ever. Another id at the cache: those bodies are of other rows; it is emptied.
 *   start  counts. The index behind one of the others: it was restored, and numbers of rows that were shown since are
 *          free in it. They are skipped, because an inode number must never mean a second message. The index and the
 *          cache apart in either direction: bodies are verified.
 *   nonce  random, tells two starts of the same number apart (an index that was copied and used twice).
 *   last   the highest row number at that start, for the case that the whole index is lost.
 *   boot   boot id. Bodies are not fsynced, so after a boot of the machine they are verified, however the last run
 *          ended: a clean end is no proof that the disk had them before the power went.
 *
 * The index is stamped first and durably; if we die before the others are, the next start finds it ahead, and verifies.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/place_private.h"

#define SKIP (G_GINT64_CONSTANT(1) << 26) /* rows that a run may have made: more than any account has messages */

typedef struct {
  char id[33], nonce[33], boot[64];
  guint64 start;
  gint64 last;
} Stamp;

static void random_hex(char ret[33]) {
  g_snprintf(ret, 33, "%08x%08x%08x%08x", g_random_int(), g_random_int(), g_random_int(), g_random_int());
}

static void boot_id(char ret[64]) {
  g_autofree char *text = NULL;
  ret[0] = '\0';
  if (g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
    g_strlcpy(ret, g_strstrip(text), 64);
}

/* ---- as text: the same for a file and for the index ---------------------------------------------------- */
static char *stamp_format(const Stamp *stamp) {
  return g_strdup_printf("%s %s %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT " %s\n", stamp->id, stamp->nonce, stamp->start,
                         stamp->last, stamp->boot);
}

/* Leaves an empty stamp where the text is none of ours. */
static void stamp_parse(const char *text, Stamp *ret) {
  *ret = (Stamp){.start = 0};
  g_auto(GStrv) words = g_strsplit_set(text ? text : "", " \n", 6);
  guint64 last;
  if (g_strv_length(words) < 5 || strlen(words[0]) != 32 || strlen(words[1]) != 32 ||
      !g_ascii_string_to_unsigned(words[2], 10, 0, G_MAXINT64, &ret->start, NULL) ||
      !g_ascii_string_to_unsigned(words[3], 10, 0, G_MAXINT64, &last, NULL))
    return;
  ret->last = (gint64)last;
  g_strlcpy(ret->id, words[0], sizeof ret->id);
  g_strlcpy(ret->nonce, words[1], sizeof ret->nonce);
  g_strlcpy(ret->boot, words[4], sizeof ret->boot);
}

static void stamp_read(int at, const char *name, Stamp *ret) {
  char text[512] = "";
  int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
  if (fd >= 0)
    close(fd);
  stamp_parse(n > 0 ? text : NULL, ret);
}

static gboolean stamp_write(int at, const char *name, const Stamp *stamp, GError **error) {
  g_autofree char *text = stamp_format(stamp), *temp = g_strconcat(name, ".new", NULL);
  unlinkat(at, temp, 0);
  int fd = openat(at, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  gssize len = (gssize)strlen(text);
  gboolean written = fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, text, (gsize)len) == len && fsync(fd) == 0 &&
                     renameat(at, temp, at, name) == 0;
  if (!written)
    cache_error_errno(error, name);
  if (fd >= 0)
    close(fd);
  return written;
}

gboolean place_same_boot(const Place *place) {
  Stamp stamp;
  char now[64];
  stamp_read(place->cache_fd, "cache.stamp", &stamp);
  boot_id(now);
  return now[0] && strcmp(stamp.boot, now) == 0;
}

/* ---- emptying the cache ---------------------------------------------------------------------------------- */
static void remove_tree(int at, const char *name, int depth) {
  if (unlinkat(at, name, 0) == 0 || depth == 0)
    return;
  int fd = openat(at, name, PLACE_DIR_FLAGS);
  DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
  if (!list)
    return;
  for (struct dirent *entry; (entry = readdir(list));)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      remove_tree(fd, entry->d_name, depth - 1);
  closedir(list);
  unlinkat(at, name, AT_REMOVEDIR);
}

/* ---- matching ----------------------------------------------------------------------------------------------- */
typedef struct {
  Place *place;
  gboolean foreign; /* the cache is of another index, or of none: nothing in it counts */
  Stamp stamp;      /* the new one */
  gint64 skip;
} Match;

static gboolean same_start(const Stamp *a, const Stamp *b) {
  return a->start == b->start && strcmp(a->nonce, b->nonce) == 0;
}

/* Whether rows were shown that this index does not know of. */
static gboolean behind(const Stamp *index, const Stamp *other) {
  return other->id[0] && !same_start(index, other) && index->start <= other->start;
}

static gboolean apply_match(IndexTxn *txn, gpointer data, GError **error) {
  Match *match = data;
  g_autofree char *text = stamp_format(&match->stamp);
  return index_set_meta(txn, "stamp", text, error) && (!match->skip || index_skip_rows(txn, match->skip, error)) &&
         (!match->foreign || index_drop_bodies(txn, error));
}

static void judge(Match *match, const Stamp *index, const Stamp *state, const Stamp *cache) {
  Place *place = match->place;
  match->foreign = !index->id[0] || strcmp(index->id, cache->id) != 0;
  place->wiped = match->foreign && faccessat(place->cache_fd, "bodies", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
  place->older = behind(index, state) || (!match->foreign && behind(index, cache));
  place->distrust |= match->foreign || !same_start(index, cache);
}

static void new_stamp(Match *match, const Stamp *index, const Stamp *state, const Stamp *cache, gint64 last) {
  Stamp *stamp = &match->stamp;
  *stamp = (Stamp){.start = MAX(index->start, MAX(state->start, cache->start)) + 1};
  memcpy(stamp->id, index->id, sizeof stamp->id);
  if (!stamp->id[0])
    random_hex(stamp->id);
  random_hex(stamp->nonce);
  boot_id(stamp->boot);
  gint64 known = MAX(last, MAX(index->last, state->last));
  match->skip = match->place->older ? known - last + SKIP : 0;
  stamp->last = last + match->skip;
}

gboolean place_match(Place *place, Index *index, GError **error) {
  Stamp ours, state, cache;
  g_autoptr(GError) failed = NULL;
  g_autofree char *text = index_get_meta(index, "stamp", &failed);
  gint64 last = 0;
  if (failed || !index_last_row(index, &last, &failed)) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  stamp_parse(text, &ours);
  stamp_read(place->state_fd, "state.stamp", &state);
  stamp_read(place->cache_fd, "cache.stamp", &cache);
  Match match = {.place = place};
  judge(&match, &ours, &state, &cache);
  new_stamp(&match, &ours, &state, &cache, last);
  if (place->wiped)
    remove_tree(place->cache_fd, "bodies", 3);
  return index_write(index, INDEX_JOURNAL, apply_match, &match, error) &&
         stamp_write(place->state_fd, "state.stamp", &match.stamp, error) &&
         stamp_write(place->cache_fd, "cache.stamp", &match.stamp, error);
}
