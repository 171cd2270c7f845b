/* SPDX-License-Identifier: MIT */
#include "fs/mountpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/vfs.h>

#include <glib/gstdio.h>
#include <linux/magic.h>

#include "fs/fs.h"

static char *fail(GError **error, const char *path, const char *why) {
  g_set_error(error, FS_ERROR, FS_ERROR_MOUNT, "%s %s", path, why);
  return NULL;
}

/* One of us is mounted there, or another FUSE filesystem. */
static gboolean is_fuse_root(const char *path) {
  g_autofree char *up = g_build_filename(path, "..", NULL);
  struct statfs fs;
  GStatBuf here, above;
  return statfs(path, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC && g_stat(path, &here) == 0 &&
         g_stat(up, &above) == 0 && here.st_dev != above.st_dev;
}

static char *fail_open(GError **error, const char *path, int code) {
  g_autofree char *other = g_strdup_printf("cannot be opened: %s", g_strerror(code));
  return fail(error, path,
              code == ENOENT     ? "does not exist"
              : code == ENOTDIR  ? "is no directory"
              : code == ENOTCONN ? "is a mount whose daemon has died: fusermount3 -u it first"
                                 : other);
}

/* 1: it is empty, 0: it is not, -1: errno says why nobody can tell. */
static int is_empty(const char *path) {
  DIR *dir = opendir(path);
  if (!dir)
    return -1;
  const struct dirent *entry;
  gboolean empty = TRUE;
  while (empty && (entry = readdir(dir)))
    empty = g_str_equal(entry->d_name, ".") || g_str_equal(entry->d_name, "..");
  closedir(dir);
  return empty;
}

char *mountpoint_check(const char *path, GError **error) {
  char *resolved = realpath(path, NULL);
  if (!resolved)
    return fail_open(error, path, errno);
  g_autofree char *absolute = g_strdup(resolved);
  free(resolved);

  int empty = is_empty(absolute);
  if (empty < 0)
    return fail_open(error, path, errno);
  if (is_fuse_root(absolute))
    return fail(error, path, "has something mounted on it already");
  if (!empty)
    return fail(error, path, "is not empty");
  return g_steal_pointer(&absolute);
}
