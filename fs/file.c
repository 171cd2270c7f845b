/* SPDX-License-Identifier: MIT */
/*
 * OPEN, READ and RELEASE. An open file is an fd of the body, which is whole and never changes, or no fd yet: then the
 * size is known exactly but the body was evicted, its fetch is under way, and the first READ waits for it. A handle
 * that has an fd keeps it, whatever becomes of the message or of the cache.
 *
 * An OPEN where only the server's claim of the size is known waits for the body. If the claim was wrong that OPEN is
 * answered with ESTALE, once: the kernel repeats LOOKUP and OPEN by itself, and every reader (mmap, sendfile and
 * appenders too) sees the right size.
 *
 * When a READ fails the kernel at once sends it again: the first was read-ahead, though somebody waits for it. The
 * second one must not wait all over again, so it gets the same answer.
 *
 * Pages stay in the kernel's cache across opens; what is closed read-only needs no FLUSH. The reply is spliced from the
 * body file.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/reply.h"

#define FILE_ECHO G_USEC_PER_SEC /* a READ so soon after one that failed is its repetition */

struct _File {
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

static void file_free(gpointer data) {
  File *file = data;
  if (file->fd >= 0)
    close(file->fd);
  g_mutex_clear(&file->mutex);
  g_free(file);
}

Files *files_new(void) {
  Files *files = g_new0(Files, 1);
  g_mutex_init(&files->mutex);
  files->table = g_hash_table_new_full(NULL, NULL, file_free, NULL);
  return files;
}

void files_free(Files *files) {
  g_hash_table_unref(files->table);
  g_mutex_clear(&files->mutex);
  g_free(files);
}

/* Takes the fd, unless another reader was faster. FALSE: errno. */
static gboolean file_adopt(File *file, int fd) {
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

static gboolean file_get(File *file, int *ret_fd, off_t *ret_size) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&file->mutex);
  *ret_fd = file->fd;
  *ret_size = file->size;
  return file->fd >= 0;
}

static File *file_open(Files *files, int fd) {
  File *file = g_new0(File, 1);
  g_mutex_init(&file->mutex);
  file->fd = -1;
  if (fd >= 0 && !file_adopt(file, fd)) {
    file_free(file);
    return NULL;
  }
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&files->mutex);
  g_hash_table_add(files->table, file);
  return file;
}

static void file_close(Files *files, File *file) {
  g_mutex_lock(&files->mutex);
  g_hash_table_steal(files->table, file);
  g_mutex_unlock(&files->mutex);
  file_free(file);
}

/* ---- OPEN ------------------------------------------------------------------------------------------- */
static CacheAnswer open_ask(FsCall *call, GError **error) {
  CacheAnswer answer = cache_open_body(call->fs->cache, call->row, CACHE_BODY_OPEN, &call->fd, error);
  if (answer == CACHE_READY && call->fd < 0 && call->event_fd >= 0)
    call->fd = fcntl(call->event_fd, F_DUPFD_CLOEXEC, 0); /* it came but could not be kept */
  return answer;
}

static void open_reply(FsCall *call) {
  Files *files = call->fs->files;
  if (call->answer == CACHE_STALE) {
    reply_error(call, ESTALE);
    return;
  }
  File *file = file_open(files, call->fd);
  call->fd = -1;
  if (!file) {
    reply_error(call, EIO);
    return;
  }
  call->info.fh = (uintptr_t)file;
  call->info.keep_cache = 1;
  call->info.noflush = 1;
  if (!reply_open(call))
    file_close(files, file);
}

static const FsOp op_open = {"OPEN", open_ask, open_reply, TRUE, NULL};

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  FsCall *call = call_new(req, &op_open, ino);
  if (!call)
    return;
  if (call->kind == CACHE_FOLDER) {
    reply_error(call, EISDIR);
    return;
  }
  if ((fi->flags & O_ACCMODE) != O_RDONLY || fi->flags & O_TRUNC) {
    reply_error(call, EROFS);
    return;
  }
  call->info = *fi;
  call->key = ino;
  call_ask(call);
}

/* ---- READ ------------------------------------------------------------------------------------------- */
static CacheAnswer read_ask(FsCall *call, GError **error) {
  int fd = call->event_fd >= 0 ? fcntl(call->event_fd, F_DUPFD_CLOEXEC, 0) : -1;
  CacheAnswer answer = fd >= 0 ? CACHE_READY : cache_open_body(call->fs->cache, call->row, CACHE_BODY_READ, &fd, error);

  if (answer == CACHE_READY && !file_adopt(call->file, fd)) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCAL, "a body cannot be read: %s", g_strerror(errno));
    return CACHE_FAILED;
  }
  return answer;
}

static void read_reply(FsCall *call) {
  int fd;
  off_t size;
  if (!file_get(call->file, &fd, &size))
    reply_error(call, call->answer == CACHE_STALE ? ESTALE : EIO);
  else if (call->offset >= size)
    reply_buffer(call, NULL, 0);
  else
    reply_data(call, fd, call->offset, MIN(call->size, (gsize)(size - call->offset)));
}

static void read_failed(FsCall *call, int number) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&call->file->mutex);
  call->file->failure = number;
  call->file->when = g_get_monotonic_time();
}

/* The errno that a READ repeated by the kernel gets, or 0. */
static int recent_failure(File *file) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&file->mutex);
  gboolean recent = file->failure && file->failure != EINTR && g_get_monotonic_time() - file->when < FILE_ECHO;
  return recent ? file->failure : 0;
}

static const FsOp op_read = {"READ", read_ask, read_reply, TRUE, read_failed};

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  FsCall *call = call_new(req, &op_read, ino);
  int fd;
  off_t whole;
  if (!call)
    return;
  call->file = (File *)(uintptr_t)fi->fh;
  call->size = size;
  call->offset = offset;
  if (file_get(call->file, &fd, &whole)) {
    read_reply(call);
    return;
  }
  int failure = recent_failure(call->file);
  if (failure) {
    reply_error(call, failure);
    return;
  }
  call->key = ino;
  call_ask(call);
}

static const FsOp op_release = {.name = "RELEASE"};

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  FsCall *call = call_new(req, &op_release, ino);
  if (!call)
    return;
  file_close(call->fs->files, (File *)(uintptr_t)fi->fh);
  reply_error(call, 0);
}

void file_handlers(struct fuse_lowlevel_ops *ops) {
  ops->open = do_open;
  ops->read = do_read;
  ops->release = do_release;
}
