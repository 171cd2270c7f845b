/* SPDX-License-Identifier: MIT */
#include "tests/lib/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_LINES 60

void model_note(Model *model, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_queue_push_tail(&model->log, g_strdup_vprintf(format, args));
  va_end(args);
  if (model->log.length > LOG_LINES)
    g_free(g_queue_pop_head(&model->log));
}

void model_broken(Model *model, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  for (GList *l = model->log.head; l; l = l->next)
    printf("  %s\n", (char *)l->data);
  printf("model: %s\n", text);
  exit(1);
}

/* ---- letters --------------------------------------------------------------------------------------------- */

guint64 random_draw(Random *random) { /* splitmix64 */
  guint64 z = (random->state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15));
  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

guint random_below(Random *random, guint n) {
  return n ? (guint)(random_draw(random) % n) : 0;
}

GString *letter_compose(guint32 serial) {
  Random random = {serial};
  guint dice = random_below(&random, 100);
  gsize size = 200 + random_below(&random, dice < 85 ? 8000 : dice < 98 ? 60000 : 400000);
  GString *text = g_string_new(NULL);
  g_string_printf(text,
                  "From: Model <model@example.com>\r\nSubject: m %u\r\nMessage-ID: <m-%u@example.com>\r\n"
                  "Date: Fri, 01 Mar 2024 10:00:00 +0000\r\n\r\n",
                  serial, serial);
  while (text->len < size)
    g_string_append_printf(text, "%u at %zu: %016" G_GINT64_MODIFIER "x\r\n", serial, text->len, random_draw(&random));
  return text;
}

guint64 model_size(Model *model, guint32 serial) {
  gpointer size = g_hash_table_lookup(model->sizes, GUINT_TO_POINTER(serial));
  if (!size) {
    g_autoptr(GString) text = letter_compose(serial);
    size = GSIZE_TO_POINTER(text->len);
    g_hash_table_insert(model->sizes, GUINT_TO_POINTER(serial), size);
  }
  return GPOINTER_TO_SIZE(size);
}

/* 0: no letter of ours. */
guint32 letter_serial(const char *name) {
  const char *at = strstr(name, "_m-");
  return at && g_str_has_suffix(name, ".eml") ? (guint32)strtoul(at + 3, NULL, 10) : 0;
}

Letter *letter_find(const Folder *folder, guint32 serial) {
  for (guint i = 0; i < folder->letters->len; i++)
    if (g_array_index(folder->letters, Letter, i).serial == serial)
      return &g_array_index(folder->letters, Letter, i);
  return NULL;
}

void model_check_ino(Model *model, const char *path, guint64 ino, guint32 serial) {
  gpointer known = g_hash_table_lookup(model->inos, &ino);
  if (known && GPOINTER_TO_UINT(known) != serial)
    model_broken(model, "%s has the inode number of m-%u", path, GPOINTER_TO_UINT(known));
  if (!known)
    g_hash_table_insert(model->inos, g_memdup2(&ino, sizeof ino), GUINT_TO_POINTER(serial));
}

void model_check_stat(Model *model, const char *path, guint32 serial, const struct stat *st) {
  if ((guint64)st->st_size != model_size(model, serial) || st->st_mtime != MODEL_MTIME)
    model_broken(model, "%s: size %" G_GINT64_FORMAT " and mtime %" G_GINT64_FORMAT, path, (gint64)st->st_size,
                 (gint64)st->st_mtime);
  model_check_ino(model, path, st->st_ino, serial);
}

/* ---- ceilings --------------------------------------------------------------------------------------------- */

/* kB over what it was after a while; a sanitizer keeps what was freed */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MOST_GROWTH (1024 * 1024)
#else
#define MOST_GROWTH (24 * 1024)
#endif
#define MOST_FDS 64
#define MOST_THREADS 32

static glong status_of(Model *model, const char *field) {
  g_autofree char *path = g_strdup_printf("/proc/%d/status", model->daemon), *text = NULL;
  const char *at;
  if (!g_file_get_contents(path, &text, NULL, NULL) || !(at = strstr(text, field)))
    model_broken(model, "the daemon is gone");
  return strtol(at + strlen(field), NULL, 10);
}

static glong count_fds(Model *model) {
  g_autofree char *path = g_strdup_printf("/proc/%d/fd", model->daemon);
  g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
  glong n = 0;
  while (dir && g_dir_read_name(dir))
    n++;
  return n;
}

void model_check_ceilings(Model *model, gboolean warm) {
  if (model->daemon == 0)
    return;
  glong rss = status_of(model, "\nVmRSS:"), threads = status_of(model, "\nThreads:"), fds = count_fds(model);
  model->rss_warm = warm ? model->rss_warm : MAX(model->rss_warm, rss);
  model->rss_most = MAX(model->rss_most, rss);
  model->fds_most = MAX(model->fds_most, fds);
  model->threads_most = MAX(model->threads_most, threads);
  if (rss > model->rss_warm + MOST_GROWTH || fds > MOST_FDS + (glong)model->handles->len || threads > MOST_THREADS)
    model_broken(model, "%ld kB (%ld kB when warm), %ld descriptors, %ld threads", rss, model->rss_warm, fds, threads);
}
