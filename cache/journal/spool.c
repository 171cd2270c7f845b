/* SPDX-License-Identifier: MIT */
/*
 * A file gets its name in steps, so that ROW is at any moment the old octets or the new ones, whole and on the disk:
 *
 *   written, nameless ──fsync──▶ ROW.about ──▶ linked as ROW.new ──rename──▶ ROW ──fsync of spool/──▶ durable
 *
 * linkat() cannot replace a name, so it takes the rename behind it. Where the file system knows no O_TMPFILE (NFS,
 * some FUSE), the nameless file was unlinked at once and can have no name again: it is copied. What a crash leaves as
 * X.new is removed when the spool is opened next.
 */
#include "cache/journal/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/replay/steps.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define NEW_FLAGS (O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)
#define CHUNK 65536
#define ABOUT_MAX 65536
#define DISCARD_TRIES 1000

struct _Spool {
  int dir, discarded;
  gint next; /* atomic; of temporary names */
};

typedef char Name[48];

static void name_of(gint64 row, const char *suffix, Name ret) {
  g_snprintf(ret, sizeof(Name), "%" G_GINT64_FORMAT "%s", row, suffix);
}

/* ---- directories --------------------------------------------------------------------------------------------- */

static int open_own(int at, const char *name, GError **error) {
  struct stat st;
  if (mkdirat(at, name, 0700) == 0)
    fsync(at);
  int fd = openat(at, name, DIR_FLAGS);
  if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && fchmod(fd, 0700) == 0)
    return fd;
  g_autofree char *what = g_strdup_printf("cannot open the directory %s", name);
  cache_error_errno(error, what);
  if (fd >= 0)
    close(fd);
  return -1;
}

static DIR *list(Spool *spool) {
  int fd = openat(spool->dir, ".", DIR_FLAGS);
  DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
  if (!dir && fd >= 0)
    close(fd);
  return dir;
}

static void sweep(Spool *spool) {
  DIR *dir = list(spool);
  if (!dir)
    return;
  for (struct dirent *entry; (entry = readdir(dir));)
    if (g_str_has_suffix(entry->d_name, ".new"))
      unlinkat(spool->dir, entry->d_name, 0);
  closedir(dir);
}

Spool *spool_open(int state_fd, GError **error) {
  Spool *spool = g_new0(Spool, 1);
  spool->discarded = -1;
  spool->dir = open_own(state_fd, "spool", error);
  if (spool->dir >= 0)
    spool->discarded = open_own(state_fd, "discarded", error);
  if (spool->discarded < 0) {
    spool_close(spool);
    return NULL;
  }
  sweep(spool);
  return spool;
}

void spool_close(Spool *spool) {
  if (spool->dir >= 0)
    close(spool->dir);
  if (spool->discarded >= 0)
    close(spool->discarded);
  g_free(spool);
}

/* ---- files --------------------------------------------------------------------------------------------------- */

/* Of a name that nobody else has. */
static int make_temp(Spool *spool, int dir, Name ret) {
  int fd;
  do {
    name_of(g_atomic_int_add(&spool->next, 1), ".temp.new", ret);
    fd = openat(dir, ret, NEW_FLAGS, 0600);
  } while (fd < 0 && errno == EEXIST);
  return fd;
}

int spool_temp(Spool *spool, GError **error) {
  Name name;
  int fd = openat(spool->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (fd = make_temp(spool, spool->dir, name)) >= 0)
    unlinkat(spool->dir, name, 0);
  if (fd < 0)
    cache_error_errno(error, "cannot make a file in the spool");
  return fd;
}

static gboolean write_all(int fd, const char *octets, gsize len) {
  while (len) {
    ssize_t n = write(fd, octets, len);
    if (n < 0 && errno != EINTR)
      return FALSE;
    octets += MAX(n, 0);
    len -= (gsize)MAX(n, 0);
  }
  return TRUE;
}

static gboolean copy(int from, int to) {
  g_autofree char *chunk = g_malloc(CHUNK);
  off_t at = 0;
  ssize_t n;
  while ((n = pread(from, chunk, CHUNK, at)) > 0 || (n < 0 && errno == EINTR)) {
    if (n > 0 && !write_all(to, chunk, (gsize)n))
      return FALSE;
    at += MAX(n, 0);
  }
  return n == 0;
}

/* The octets of fd under this name, on the disk but for the directory. */
static gboolean link_or_copy(int fd, int dir, const char *name) {
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
  if (linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) == 0)
    return fsync(fd) == 0;
  if (errno == EEXIST)
    return FALSE;
  int to = openat(dir, name, NEW_FLAGS, 0600);
  gboolean copied = to >= 0 && copy(fd, to) && fsync(to) == 0;
  int code = errno;
  if (to >= 0)
    close(to);
  if (to >= 0 && !copied)
    unlinkat(dir, name, 0);
  errno = code;
  return copied;
}

/* As `name`.new, which is then renamed. */
static gboolean put_in_place(Spool *spool, int fd, const char *name) {
  g_autofree char *new = g_strconcat(name, ".new", NULL);
  unlinkat(spool->dir, new, 0);
  if (link_or_copy(fd, spool->dir, new) && renameat(spool->dir, new, spool->dir, name) == 0)
    return TRUE;
  int code = errno;
  unlinkat(spool->dir, new, 0);
  errno = code;
  return FALSE;
}

gboolean spool_describe(Spool *spool, gint64 row, const char *about, GError **error) {
  Name name;
  name_of(row, ".about", name);
  int fd = spool_temp(spool, error);
  if (fd < 0)
    return FALSE;
  gboolean kept = write_all(fd, about, strlen(about)) && put_in_place(spool, fd, name);
  if (!kept)
    cache_error_errno(error, "cannot write to the spool");
  close(fd);
  return kept;
}

gboolean spool_keep(Spool *spool, int fd, gint64 row, const char *about, GError **error) {
  Name name;
  name_of(row, "", name);
  if (!spool_describe(spool, row, about, error))
    return FALSE;
  steps_one();
  return (put_in_place(spool, fd, name) && fsync(spool->dir) == 0) ||
         cache_error_errno(error, "cannot keep a file in the spool");
}

int spool_get(Spool *spool, gint64 row, GError **error) {
  Name name;
  name_of(row, "", name);
  int fd = openat(spool->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    cache_error_errno(error, "cannot open a file in the spool");
  return fd;
}

/* The directory is synced: a file that comes back after a power cut would be taken for one that was lost. */
void spool_drop(Spool *spool, gint64 row) {
  static const char *const suffixes[] = {"", ".about"};
  for (guint i = 0; i < G_N_ELEMENTS(suffixes); i++) {
    Name name;
    name_of(row, suffixes[i], name);
    steps_one();
    unlinkat(spool->dir, name, 0);
  }
  fsync(spool->dir);
}

gboolean spool_discard(Spool *spool, int fd, GError **error) {
  gint64 number = g_get_real_time();
  for (guint i = 0; i < DISCARD_TRIES; i++) {
    Name name;
    name_of(number + i, "", name);
    if (link_or_copy(fd, spool->discarded, name) && fsync(spool->discarded) == 0)
      return TRUE;
    if (errno != EEXIST)
      break;
  }
  return cache_error_errno(error, "cannot keep what was removed");
}

/* ---- what is there ------------------------------------------------------------------------------------------- */

GArray *spool_rows(Spool *spool, GError **error) {
  DIR *dir = list(spool);
  if (!dir) {
    cache_error_errno(error, "cannot list the spool");
    return NULL;
  }
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  guint64 row;
  for (struct dirent *entry; (entry = readdir(dir));)
    if (g_ascii_string_to_unsigned(entry->d_name, 10, 1, G_MAXINT64, &row, NULL))
      g_array_append_val(rows, row);
  closedir(dir);
  return rows;
}

char *spool_about(Spool *spool, gint64 row, GError **error) {
  Name name;
  name_of(row, ".about", name);
  g_autofree char *text = g_malloc0(ABOUT_MAX + 1);
  int fd = openat(spool->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t n = fd >= 0 ? pread(fd, text, ABOUT_MAX, 0) : -1;
  if (n < 0)
    cache_error_errno(error, "cannot read what a file in the spool is");
  if (fd >= 0)
    close(fd);
  return n < 0 ? NULL : g_strdup(text);
}
