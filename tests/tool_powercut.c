/* SPDX-License-Identifier: MIT */
/*
 * powercut SHADOW LIVE AFTER [SEED]: makes the directory AFTER as a disk has it when the power went while LIVE stood
 * there, and SHADOW (tests/lib/power.h) says what was synced: files and entries that were not are as they were before.
 *
 * A disk may also have got further than it had to. With a SEED other than 0 each directory is by chance as it was
 * synced or as it is, and so is each block of a file. What it leaves counts as synced: SHADOW is made anew.
 */
#include "tests/lib/power.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096

typedef struct {
  const char *shadow;
  GHashTable *live; /* key -> path, of what is there */
  GRand *chance;    /* or NULL */
} Cut;

static gboolean by_chance(Cut *cut) {
  return cut->chance && g_rand_boolean(cut->chance);
}

/* ---- what is there ---------------------------------------------------------------------------------------------- */

static void learn(Cut *cut, const char *path) {
  PowerKey key;
  char type;
  if (power_key(AT_FDCWD, path, key, &type) != 0)
    g_error("%s: %s", path, g_strerror(errno));
  g_hash_table_insert(cut->live, g_strdup(key), g_strdup(path));
  g_autoptr(GDir) dir = type == 'd' ? g_dir_open(path, 0, NULL) : NULL;
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *inside = g_build_filename(path, name, NULL);
    learn(cut, inside);
  }
}

/* ---- files ------------------------------------------------------------------------------------------------------ */

static char *contents(const char *path, gsize *ret_len) {
  char *text = NULL;
  *ret_len = 0;
  if (path)
    g_file_get_contents(path, &text, ret_len, NULL);
  return text;
}

static void make_file(Cut *cut, const char *key, const char *to) {
  g_autofree char *path = g_build_filename(cut->shadow, key, NULL);
  gsize synced_len = 0, live_len = 0;
  g_autofree char *synced = contents(path, &synced_len);
  g_autofree char *live = contents(g_hash_table_lookup(cut->live, key), &live_len);
  gsize len = live && by_chance(cut) ? live_len : synced_len;
  g_autofree char *octets = g_malloc0(len + BLOCK);
  for (gsize at = 0; at < len; at += BLOCK) {
    gboolean is_live = live && by_chance(cut);
    const char *from = is_live ? live : synced;
    gsize there = is_live ? live_len : synced_len;
    if (at < there)
      memcpy(octets + at, from + at, MIN(there - at, BLOCK));
  }
  g_autoptr(GError) error = NULL;
  if (!g_file_set_contents_full(to, octets, (gssize)len, G_FILE_SET_CONTENTS_NONE, 0600, &error))
    g_error("%s", error->message);
}

/* ---- directories ------------------------------------------------------------------------------------------------ */

static FILE *entries(Cut *cut, const char *key) {
  g_autofree char *path = g_build_filename(cut->shadow, key, NULL);
  const char *live = g_hash_table_lookup(cut->live, key);
  int fd = live && by_chance(cut) ? open(live, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    power_keep(cut->shadow, fd);
    close(fd);
  }
  return fopen(path, "re");
}

static void make_directory(Cut *cut, const char *key, const char *to) {
  FILE *list = entries(cut, key);
  char type, name[NAME_MAX + 1];
  PowerKey inside;
  if (g_mkdir(to, 0700) != 0)
    g_error("%s: %s", to, g_strerror(errno));
  while (list && fscanf(list, POWER_FORMAT, &type, inside, name) == 3) {
    g_autofree char *path = g_build_filename(to, name, NULL);
    type == 'd' ? make_directory(cut, inside, path) : make_file(cut, inside, path);
  }
  if (list)
    fclose(list);
}

/* ---- what is left counts as synced ------------------------------------------------------------------------------- */

static void clear(const char *path) {
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *inside = g_build_filename(path, name, NULL);
    g_unlink(inside);
  }
}

static void keep_all(Cut *cut) {
  GHashTableIter iter;
  gpointer path;
  g_hash_table_iter_init(&iter, cut->live);
  while (g_hash_table_iter_next(&iter, NULL, &path)) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || power_keep(cut->shadow, fd) != 0)
      g_error("%s: %s", (char *)path, g_strerror(errno));
    close(fd);
  }
}

int main(int argc, char **argv) {
  guint seed = argc > 4 ? (guint)atoi(argv[4]) : 0;
  PowerKey root;
  char type;
  if (argc < 4) {
    fprintf(stderr, "usage: powercut SHADOW LIVE AFTER [SEED]\n");
    return 2;
  }
  Cut cut = {.shadow = argv[1],
             .live = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
             .chance = seed ? g_rand_new_with_seed(seed) : NULL};
  learn(&cut, argv[2]);
  if (power_key(AT_FDCWD, argv[2], root, &type) != 0)
    g_error("%s: %s", argv[2], g_strerror(errno));
  make_directory(&cut, root, argv[3]);
  clear(cut.shadow);
  g_hash_table_remove_all(cut.live);
  learn(&cut, argv[3]);
  keep_all(&cut);
  g_hash_table_unref(cut.live);
  if (cut.chance)
    g_rand_free(cut.chance);
  return 0;
}
