/* SPDX-License-Identifier: MIT */
/*
 * Where each table begins stands in the first page and a few more, and without those nothing can be read. But in every
 * index that was made by this version it stands the same, so they are taken from the new one, which is empty: into a
 * copy, never into the damaged file itself. One that was carried over from another version (it left its copy,
 * index.db.version-OLD) has its tables elsewhere, and this says nothing about it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/index/salvage_private.h"

#define PAGE 4096u
#define HEADER 100u
#define INTERIOR 0x05
#define FRESH "index.db"

static gboolean was_migrated(int dirfd) {
  gboolean found = FALSE;
  int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
  for (struct dirent *entry; list && (entry = readdir(list));)
    found |= g_str_has_prefix(entry->d_name, "index.db.version-");
  if (list)
    closedir(list);
  return found || !list;
}

static gboolean copy_octets(int from, int to, GError **error) {
  g_autofree char *chunk = g_malloc(1 << 16);
  ssize_t n;
  while ((n = read(from, chunk, 1 << 16)) != 0)
    if (n < 0 ? errno != EINTR : write(to, chunk, (gsize)n) != n)
      return cache_error_errno(error, "cannot copy the damaged index");
  return TRUE;
}

/* Of a file that is not there: nothing. */
static gboolean copy_file(int dirfd, const char *from, const char *to, GError **error) {
  int in = openat(dirfd, from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (in < 0 && errno == ENOENT)
    return TRUE;
  int out = in >= 0 ? openat(dirfd, to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600) : -1;
  gboolean ok = out >= 0 ? copy_octets(in, out, error) : cache_error_errno(error, "cannot copy the damaged index");
  if (in >= 0)
    close(in);
  if (out >= 0)
    close(out);
  return ok;
}

static guint32 big32(const guint8 *p) {
  return (guint32)p[0] << 24 | (guint32)p[1] << 16 | (guint32)p[2] << 8 | p[3];
}

static void put_big32(guint8 *p, guint32 value) {
  for (guint i = 0; i < 4; i++)
    p[i] = (guint8)(value >> (24 - 8 * i));
}

static gboolean take_page(int from, int to, guint32 number) {
  guint8 page[PAGE];
  off_t at = (off_t)(number - 1) * PAGE;
  return number > 0 && pread(from, page, PAGE, at) == PAGE && pwrite(to, page, PAGE, at) == PAGE;
}

/* As large as the file is, and with nothing free: it is only read. */
static gboolean put_first_page(int to, guint8 page[PAGE]) {
  struct stat st;
  if (fstat(to, &st))
    return FALSE;
  put_big32(page + 28, (guint32)(st.st_size / PAGE));
  put_big32(page + 32, 0);
  put_big32(page + 36, 0);
  return pwrite(to, page, PAGE, 0) == PAGE;
}

/* The pages that the first one points to; the table of tables is never deeper. */
static gboolean take_schema(int from, int to) {
  guint8 page[PAGE];
  if (pread(from, page, PAGE, 0) != PAGE)
    return FALSE;
  const guint8 *tree = page + HEADER;
  guint cells = tree[0] == INTERIOR ? (guint)tree[3] << 8 | tree[4] : 0;
  gboolean ok = tree[0] != INTERIOR || take_page(from, to, big32(tree + 8));
  for (guint i = 0; ok && i < cells; i++) {
    guint at = (guint)tree[12 + 2 * i] << 8 | tree[13 + 2 * i];
    ok = at + 4 <= PAGE && take_page(from, to, big32(page + at));
  }
  return ok && put_first_page(to, page);
}

void salvage_repair_clear(int dirfd) {
  static const char *const names[] = {SALVAGE_REPAIR, SALVAGE_REPAIR "-wal", SALVAGE_REPAIR "-shm"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    unlinkat(dirfd, names[i], 0);
}

gboolean salvage_repair(IndexDb *fresh, int dirfd, gboolean *ret_made, GError **error) {
  *ret_made = FALSE;
  if (was_migrated(dirfd))
    return TRUE;
  salvage_repair_clear(dirfd);
  if (!index_db_exec(fresh, "PRAGMA wal_checkpoint(TRUNCATE)", error) ||
      !copy_file(dirfd, SALVAGE_ASIDE, SALVAGE_REPAIR, error) ||
      !copy_file(dirfd, SALVAGE_ASIDE "-wal", SALVAGE_REPAIR "-wal", error))
    return FALSE;
  int from = openat(dirfd, FRESH, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  int to = openat(dirfd, SALVAGE_REPAIR, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  *ret_made = from >= 0 && to >= 0 && take_schema(from, to);
  if (from >= 0)
    close(from);
  if (to >= 0)
    close(to);
  return TRUE;
}
