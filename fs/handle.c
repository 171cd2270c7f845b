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

#define FORGOTTEN (-1) /* a row; a body that is kept for who is reading from it */

typedef struct {
  gint64 row;
  int fd;
  off_t size;
} Body;

struct _File {
  FileId id;
  CacheDraft *draft; /* or NULL */
  gint touched;      /* atomic: written to since the last flush */

  GMutex mutex;   /* guards all below */
  GArray *bodies; /* Body, of different rows; none is closed before the file: somebody may be reading from it */
  int failure;    /* errno of the last READ that waited in vain, */
  gint64 when;    /* and its time */
};

struct _Files {
  GMutex mutex; /* guards table; before that of a File */
  GHashTable *table;
};

static void file_free(File *file) {
  if (file->draft)
    cache_draft_close(file->draft);
  for (guint i = 0; i < file->bodies->len; i++)
    close(g_array_index(file->bodies, Body, i).fd);
  g_array_unref(file->bodies);
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

/* With the mutex held; NULL: it is not here. */
static const Body *find_body(const File *file, gint64 row) {
  for (guint i = file->bodies->len; i > 0; i--) {
    const Body *body = &g_array_index(file->bodies, Body, i - 1);
    if (row == 0 || body->row == row)
      return body;
  }
  return NULL;
}

gboolean file_adopt(File *file, gint64 row, int fd) {
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) {
    int number = errno;
    if (fd >= 0)
      close(fd);
    errno = number;
    return FALSE;
  }
  Body body = {.row = row, .fd = fd, .size = st.st_size};
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&file->mutex);
  if (find_body(file, row))
    close(fd);
  else
    g_array_append_val(file->bodies, body);
  return TRUE;
}

gboolean file_get(File *file, gint64 row, int *ret_fd, off_t *ret_size) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&file->mutex);
  const Body *body = find_body(file, row);
  if (!body)
    return FALSE;
  *ret_fd = body->fd;
  *ret_size = body->size;
  return TRUE;
}

static File *file_new(FileId id) {
  File *file = g_new0(File, 1);
  file->id = id;
  g_mutex_init(&file->mutex);
  file->bodies = g_array_sized_new(FALSE, FALSE, sizeof(Body), 1);
  return file;
}

static File *keep(Files *files, File *file) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&files->mutex);
  g_hash_table_add(files->table, file);
  return file;
}

File *file_open(Files *files, FileId id, int fd) {
  File *file = file_new(id);
  if (fd < 0 || file_adopt(file, id.row, fd))
    return keep(files, file);
  file_free(file);
  return NULL;
}

File *file_open_draft(Files *files, FileId id, CacheDraft *draft) {
  File *file = file_new(id);
  file->draft = draft;
  return keep(files, file);
}

GArray *files_readers(Files *files) {
  GHashTableIter iter;
  gpointer file;
  GArray *ids = g_array_new(FALSE, FALSE, sizeof(FileId));
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&files->mutex);
  g_hash_table_iter_init(&iter, files->table);
  while (g_hash_table_iter_next(&iter, &file, NULL))
    if (!((File *)file)->draft)
      g_array_append_val(ids, ((File *)file)->id);
  return ids;
}

static void forget(File *file, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&file->mutex);
  for (guint i = 0; i < file->bodies->len; i++)
    if (g_array_index(file->bodies, Body, i).row == row)
      g_array_index(file->bodies, Body, i).row = FORGOTTEN;
}

void files_forget(Files *files, gint64 row) {
  GHashTableIter iter;
  gpointer file;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&files->mutex);
  g_hash_table_iter_init(&iter, files->table);
  while (g_hash_table_iter_next(&iter, &file, NULL))
    forget(file, row);
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
