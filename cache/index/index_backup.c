/* SPDX-License-Identifier: MIT */
/*
 * VACUUM INTO reads all of the index in one read transaction, so the copy is of one moment; the writer goes on
 * meanwhile, and only the WAL grows by what it writes. It fails over a page that cannot be read, so a damaged index
 * never takes the place of a good copy; what it finds damaged is checked by the next run.
 *
 * The copy is made under another name, brought to the disk, and renamed. When: once a day, at a moment when nothing is
 * to be written (or, if there is none, a while later); and at the end of a run, for those that never last a day.
 */
#include "cache/index/index_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/index/index_private.h"

#define NEW INDEX_BACKUP ".new"
#define LOOK_EVERY (10 * 60) /* seconds, whether one is due; at the start of a run other things come first */
#define TRY_AGAIN 3600       /* seconds after one that failed */
#define QUIET_TRIES 60       /* looks for a quiet moment, a second apart */
#define STEPS 1000           /* of SQLite between two looks at the clock */

struct _IndexBackup {
  Index *index;
  GThread *thread;
  gint cancelled; /* atomic */
  GMutex mutex;   /* guards what follows */
  GCond cond;
  gboolean stopped;
};

/* ---- one copy ----------------------------------------------------------------------------------------------- */

typedef struct {
  const gint *cancelled;
  gint64 until;
} Limit;

static int is_over(void *data) {
  const Limit *limit = data;
  return (limit->cancelled && g_atomic_int_get(limit->cancelled)) ||
         (limit->until != 0 && g_get_monotonic_time() >= limit->until);
}

/* SQLite would make it readable for others. */
static int make_file(int dirfd, GError **error) {
  if (unlinkat(dirfd, NEW, 0) && errno != ENOENT) {
    cache_error_errno(error, "cannot remove " NEW);
    return -1;
  }
  int fd = openat(dirfd, NEW, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    cache_error_errno(error, "cannot make " NEW);
  return fd;
}

static gboolean copy(Index *index, Limit *limit, GError **error) {
  g_autoptr(IndexDb) db = index_db_open(index->path, &index->damaged, "PRAGMA cache_size=-1024;", error);
  if (!db)
    return FALSE;
  g_autofree char *sql = g_strdup_printf("VACUUM INTO '/proc/self/fd/%d/" NEW "'", index->dirfd);
  sqlite3_progress_handler(db->sql, STEPS, is_over, limit);
  if (sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK)
    return TRUE;
  if (!is_over(limit))
    return index_db_fail(db, error);
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_CANCELLED, "the copy of the index takes too long now");
  return FALSE;
}

static gboolean put_in_place(int dirfd, int fd, GError **error) {
  if (fsync(fd) || renameat(dirfd, NEW, dirfd, INDEX_BACKUP) || fsync(dirfd))
    return cache_error_errno(error, "cannot keep the copy of the index");
  return TRUE;
}

gboolean index_back_up(Index *index, const gint *cancelled, gint64 until, GError **error) {
  Limit limit = {.cancelled = cancelled, .until = until};
  int fd = make_file(index->dirfd, error);
  if (fd < 0)
    return FALSE;
  gboolean ok = copy(index, &limit, error) && put_in_place(index->dirfd, fd, error);
  if (!ok)
    unlinkat(index->dirfd, NEW, 0);
  close(fd);
  return ok;
}

/* A clock that was put back must not mean that none is made for years. */
gboolean index_backup_is_due(Index *index) {
  struct stat st;
  if (fstatat(index->dirfd, INDEX_BACKUP, &st, AT_SYMLINK_NOFOLLOW))
    return TRUE;
  gint64 now = g_get_real_time() / G_USEC_PER_SEC;
  return now - st.st_mtime >= INDEX_BACKUP_EVERY || st.st_mtime > now + INDEX_BACKUP_EVERY;
}

/* ---- when --------------------------------------------------------------------------------------------------- */

/* FALSE: stopped. */
static gboolean wait_seconds(IndexBackup *backup, gint64 seconds) {
  gint64 until = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&backup->mutex);
  while (!backup->stopped)
    if (!g_cond_wait_until(&backup->cond, &backup->mutex, until))
      break;
  return !backup->stopped;
}

static gboolean is_quiet(Index *index) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&index->writer.mutex);
  for (guint i = 0; i < INDEX_PRIORITIES; i++)
    if (!g_queue_is_empty(&index->writer.jobs[i]))
      return FALSE;
  return TRUE;
}

static gboolean await_quiet(IndexBackup *backup) {
  for (guint i = 0; i < QUIET_TRIES && !is_quiet(backup->index); i++)
    if (!wait_seconds(backup, 1))
      return FALSE;
  return TRUE;
}

static gboolean back_up_and_tell(IndexBackup *backup, const gint *cancelled, gint64 until) {
  g_autoptr(GError) error = NULL;
  if (index_back_up(backup->index, cancelled, until, &error)) {
    g_info("the index has been copied");
    return TRUE;
  }
  if (g_error_matches(error, CACHE_ERROR, CACHE_ERROR_CANCELLED))
    g_info("%s", error->message);
  else
    g_warning("the index could not be copied: %s", error->message);
  return FALSE;
}

static gpointer backup_main(gpointer data) {
  IndexBackup *backup = data;
  gint64 pause = LOOK_EVERY;
  while (wait_seconds(backup, pause) && await_quiet(backup)) {
    gboolean ok = !index_backup_is_due(backup->index) || back_up_and_tell(backup, &backup->cancelled, 0);
    pause = ok ? LOOK_EVERY : TRY_AGAIN;
  }
  return NULL;
}

IndexBackup *index_backup_run(Index *index) {
  IndexBackup *backup = g_new0(IndexBackup, 1);
  backup->index = index;
  g_mutex_init(&backup->mutex);
  g_cond_init(&backup->cond);
  backup->thread = g_thread_new("backup", backup_main, backup);
  return backup;
}

static void stop_waiting(IndexBackup *backup) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&backup->mutex);
  g_atomic_int_set(&backup->cancelled, 1);
  backup->stopped = TRUE;
  g_cond_signal(&backup->cond);
}

void index_backup_stop(IndexBackup *backup, gint64 most) {
  stop_waiting(backup);
  g_thread_join(backup->thread);
  if (most > 0 && index_backup_is_due(backup->index))
    back_up_and_tell(backup, NULL, g_get_monotonic_time() + most);
  g_cond_clear(&backup->cond);
  g_mutex_clear(&backup->mutex);
  g_free(backup);
}
