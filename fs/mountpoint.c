/* SPDX-License-Identifier: MIT */
#include "fs/mountpoint.h"

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

char *mountpoint_check(const char *path, GError **error) {
  char *resolved = realpath(path, NULL);
  g_autofree char *absolute = g_strdup(resolved);
  free(resolved);
  if (!absolute && errno == ENOTCONN)
    return fail(error, path, "is a mount whose daemon has died: fusermount3 -u it first");
  if (!absolute)
    return fail(error, path, errno == ENOENT ? "does not exist" : g_strerror(errno));

  g_autoptr(GError) problem = NULL;
  g_autoptr(GDir) dir = g_dir_open(absolute, 0, &problem);
  if (!dir && g_error_matches(problem, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
    return fail(error, path, "is no directory");
  if (!dir && errno == ENOTCONN)
    return fail(error, path, "is a mount whose daemon has died: fusermount3 -u it first");
  if (!dir)
    return fail(error, path, "cannot be opened");
  if (is_fuse_root(absolute))
    return fail(error, path, "has something mounted on it already");
  if (g_dir_read_name(dir))
    return fail(error, path, "is not empty");
  return g_steal_pointer(&absolute);
}
