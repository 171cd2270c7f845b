/* SPDX-License-Identifier: MIT */
/*
 * A handle that has an fd keeps it, whatever becomes of the message or of the cache.
 *
 * Pages that a program wrote through a mapping reach us when it is unmapped, which may be after the last FLUSH. So a
 * handle knows whether it wrote since then, and RELEASE makes up for it.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/handle.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_ECHO G_USEC_PER_SEC /* a READ so soon after one that failed is its repetition */

struct _File {
  CacheDraft *draft; /* or NULL; then: */
  gint touched;      /* atomic: written to since the last flush */

  GMutex mutex; /* guards all below */
  int fd;       /* set once; -1: not here yet */
  off_t size;   /* set with fd */
  int failure;  /* errno of the last READ that waited in vain, */
  gint64 when;  /* and its time */
};

struct _Files {
  GMutex mutex; /* guards table */
  GHashTable *table;
};

static void file_free(File *file) {
  if (file->draft)
    cache_draft_close(file->draft);
  if (file->fd >= 0)
    close(file->fd);
  g_mutex_clear(&file->mutex);
  g_free(file);
}

Files *files_new(void) {
  Files *files = g_new0(Files, 1);
  g_mutex_init(&files->mutex);
  files->table = g_hash_table_new(NULL, NULL);
  return files;
}

void files_close(Files *files) {
  GHashTableIter iter;
  gpointer file;

  g_hash_table_iter_init(&iter, files->table);
  while (g_hash_table_iter_next(&iter, &file, NULL)) {
    g_autoptr(GError) error = NULL;
    if (!file_flush_rest(file, TRUE, &error))
      g_warning("a file that is open for writing is lost: %s", error->message);
    file_free(file);
    g_hash_table_iter_remove(&iter);
  }
}

void files_free(Files *files) {
  files_close(files);
  g_hash_table_unref(files->table);
  g_mutex_clear(&files->mutex);
  g_free(files);
}

gboolean file_adopt(File *file, int fd) {
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) {
    int number = errno;
    if (fd >= 0)
      close(fd);
    errno = number;
    return FALSE;
  }
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&file->mutex);
  if (file->fd >= 0)
    close(fd);
  else {
    file->fd = fd;
    file->size = st.st_size;
  }
  return TRUE;
}

gboolean file_get(File *file, int *ret_fd, off_t *ret_size) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&file->mutex);
  *ret_fd = file->fd;
  *ret_size = file->size;
  return file->fd >= 0;
}

static File *file_new(void) {
  File *file = g_new0(File, 1);
  g_mutex_init(&file->mutex);
  file->fd = -1;
  return file;
}

static File *keep(Files *files, File *file) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&files->mutex);
  g_hash_table_add(files->table, file);
  return file;
}

File *file_open(Files *files, int fd) {
  File *file = file_new();
  if (fd < 0 || file_adopt(file, fd))
    return keep(files, file);
  file_free(file);
  return NULL;
}

File *file_open_draft(Files *files, CacheDraft *draft) {
  File *file = file_new();
  file->draft = draft;
  return keep(files, file);
}

void file_close(Files *files, File *file) {
  g_mutex_lock(&files->mutex);
  g_hash_table_remove(files->table, file);
  g_mutex_unlock(&files->mutex);
  file_free(file);
}

/* ---- drafts ----------------------------------------------------------------------------------------- */
CacheDraft *file_draft(File *file) {
  return file->draft;
}

void file_touch(File *file) {
  g_atomic_int_set(&file->touched, TRUE);
}

gboolean file_flush(File *file, gboolean killed, GError **error) {
  g_atomic_int_set(&file->touched, FALSE);
  return !file->draft || cache_draft_flush(file->draft, killed, error);
}

gboolean file_flush_rest(File *file, gboolean killed, GError **error) {
  return !g_atomic_int_get(&file->touched) || file_flush(file, killed, error);
}

/* ---- failures --------------------------------------------------------------------------------------- */
void file_set_failure(File *file, int number) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&file->mutex);
  file->failure = number;
  file->when = g_get_monotonic_time();
}

int file_recent_failure(File *file) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&file->mutex);
  gboolean recent = file->failure && file->failure != EINTR && g_get_monotonic_time() - file->when < FILE_ECHO;
  return recent ? file->failure : 0;
}
