/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/model.h"

#define SLACK 5 /* seconds between a change in the index and the end of what belongs to it */

/* ---- the mount against the model ---------------------------------------------------------------------------- */

/* NULL, or what is different: a new string. */
static char *compare_folder(Model *model, Folder *folder) {
  g_autofree char *path = g_build_filename(model->mountpoint, folder->name, NULL);
  guint n = 0;
  DIR *dir = opendir(path);
  if (!dir && errno == ENOENT && !folder->exists)
    return NULL;
  if (!dir)
    return g_strdup_printf("%s: %s", path, g_strerror(errno));
  g_autofree char *different = folder->exists ? NULL : g_strdup_printf("%s is there", path);
  errno = 0;
  for (struct dirent *entry; !different && (entry = readdir(dir)); errno = 0) {
    g_autofree char *file = g_build_filename(path, entry->d_name, NULL);
    struct stat st;
    guint32 serial = letter_serial(entry->d_name);
    if (serial == 0)
      continue;
    n++;
    if (!letter_find(folder, serial))
      different = g_strdup_printf("%s is there", file);
    else if (stat(file, &st) < 0)
      different = g_strdup_printf("%s: %s", file, g_strerror(errno));
    else
      model_check_stat(model, file, serial, &st);
  }
  if (!different && errno)
    different = g_strdup_printf("%s: %s", path, g_strerror(errno));
  closedir(dir);
  if (!different && n != folder->letters->len)
    return g_strdup_printf("%s: %u letters of %u", path, n, folder->letters->len);
  return g_steal_pointer(&different);
}

static gboolean stands_in(const Folder *folder, const char *path) {
  gsize len = strlen(folder->name);
  return strncmp(path, folder->name, len) == 0 && path[len] == '/';
}

static char *compare_gone(Model *model) {
  for (GList *l = model->gone.head; l; l = l->next) {
    g_autofree char *path = g_build_filename(model->mountpoint, l->data, NULL);
    struct stat st;
    gboolean lives = FALSE;
    for (guint i = 0; i < MODEL_FOLDERS && !lives; i++)
      lives = stands_in(&model->folders[i], l->data) &&
              letter_find(&model->folders[i], letter_serial(strrchr(l->data, '/')));
    if (!lives && stat(path, &st) == 0)
      return g_strdup_printf("%s still has that name", path);
  }
  return NULL;
}

/* Without push, new folders come to be known when the directory above them is opened. */
static void open_parents(Model *model) {
  static const char *const parents[] = {"", "deep"};
  for (guint i = 0; i < G_N_ELEMENTS(parents); i++) {
    g_autofree char *path = g_build_filename(model->mountpoint, parents[i], NULL);
    DIR *dir = opendir(path);
    if (dir)
      closedir(dir);
  }
}

static char *compare(Model *model) {
  open_parents(model);
  for (guint i = 0; i < MODEL_FOLDERS; i++) {
    char *different = compare_folder(model, &model->folders[i]);
    if (different)
      return different;
  }
  return compare_gone(model);
}

/* What must have stayed from one settle to the next. */
static void check_constant(Model *model, Folder *folder) {
  g_autofree char *path = g_build_filename(model->mountpoint, folder->name, NULL);
  struct dirent *entry;
  struct stat st;
  DIR *dir = opendir(path);
  while (dir && (entry = readdir(dir))) {
    Letter *letter = letter_find(folder, letter_serial(entry->d_name));
    if (letter && letter->ino && letter->ino != entry->d_ino)
      model_broken(model, "the inode number of %s/%s was %" G_GUINT64_FORMAT " and is %" G_GUINT64_FORMAT, path,
                   entry->d_name, letter->ino, (guint64)entry->d_ino);
    if (letter)
      letter->ino = entry->d_ino;
  }
  if (!dir || fstat(dirfd(dir), &st) < 0)
    model_broken(model, "%s: %s", path, g_strerror(errno));
  closedir(dir);
  gint64 mtime = (gint64)st.st_mtim.tv_sec * G_USEC_PER_SEC + st.st_mtim.tv_nsec / 1000;
  if (folder->touched && mtime > folder->touched + SLACK * G_USEC_PER_SEC)
    model_broken(model, "the mtime of %s moved though its letters are the same", path);
  if (!folder->touched)
    folder->touched = g_get_real_time();
}

void model_settle(Model *model) {
  gint64 start = g_get_monotonic_time();
  g_autofree char *different = NULL;
  while ((different = compare(model))) {
    if (g_get_monotonic_time() - start > model->patience * G_TIME_SPAN_SECOND)
      model_broken(model, "after %d s the mount still differs: %s", model->patience, different);
    g_clear_pointer(&different, g_free);
    g_usleep(10000);
  }
  model->slowest = MAX(model->slowest, g_get_monotonic_time() - start);
  model->n_settles++;
  model->cut = FALSE;
  model_note(model, "settled after %d ms", (int)((g_get_monotonic_time() - start) / 1000));
  for (guint i = 0; i < MODEL_FOLDERS; i++)
    if (model->folders[i].exists)
      check_constant(model, &model->folders[i]);
}
