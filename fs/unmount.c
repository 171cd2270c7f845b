/* SPDX-License-Identifier: MIT */
/*
 * umount(8) waits for nothing: for a FUSE filesystem without a block device it returns at once, and nobody sees the
 * rest go. So we ask the mounted filesystem, through extended attributes of its
 * root: reading user.imapfs.drained returns when all is on the server; user.imapfs.left tells how much is not. One
 * thread waits for the first, the caller reads the second now and then, and Ctrl-C ends both with the process.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/unmount.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/fs.h"

#define LOOK_US (G_USEC_PER_SEC / 4)
#define FUSERMOUNT "fusermount3"
#define ATTRIBUTE_MOST 1024

typedef struct {
  const char *mountpoint;
  gint over;  /* atomic */
  int number; /* errno, when it is over */
} Wait;

static gboolean fail(GError **error, const char *path, const char *why) {
  g_set_error(error, FS_ERROR, FS_ERROR_MOUNT, "%s %s", path, why);
  return FALSE;
}

/* In /proc/self/mountinfo blanks and backslashes are octal; fields 5 and, after a "-", 1 are mount point and type. */
static gboolean line_is_ours(const char *line, const char *path) {
  g_auto(GStrv) fields = g_strsplit(line, " ", -1);
  if (g_strv_length(fields) < 7)
    return FALSE;
  g_autofree char *where = g_strcompress(fields[4]);
  guint i = 6;
  while (fields[i] && !g_str_equal(fields[i], "-"))
    i++;
  return g_str_equal(where, path) && fields[i] && fields[i + 1] && g_str_equal(fields[i + 1], "fuse.imapfs");
}

/* What is mounted there last is what is seen. */
static gboolean is_ours(const char *path) {
  g_autofree char *text = NULL;
  if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
    return FALSE;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  gboolean ours = FALSE;
  for (char **line = lines; *line; line++)
    ours = ours || line_is_ours(*line, path);
  return ours;
}

static gpointer wait_drained(gpointer data) {
  Wait *wait = data;
  char value[ATTRIBUTE_MOST];
  wait->number = getxattr(wait->mountpoint, "user.imapfs.drained", value, sizeof value) < 0 ? errno : 0;
  g_atomic_int_set(&wait->over, TRUE);
  return NULL;
}

/* "12 changes, 34567 bytes" and such; NULL: it does not say. A new string. */
static char *left_at(const char *mountpoint) {
  char value[ATTRIBUTE_MOST];
  gssize len = getxattr(mountpoint, "user.imapfs.left", value, sizeof value);
  return len > 0 ? g_strndup(value, (gsize)len) : NULL;
}

static void show_progress(const char *mountpoint) {
  g_autofree char *left = left_at(mountpoint);
  if (left && isatty(STDERR_FILENO))
    fprintf(stderr, "\rto be sent: %s\033[K", left);
}

/* Nothing is left where the server refused a part of it. FALSE. */
static gboolean say_why(const char *mountpoint, const char *why, GError **error) {
  g_autofree char *left = left_at(mountpoint);
  if (left && g_str_has_prefix(left, "0 changes"))
    g_set_error(error, FS_ERROR, FS_ERROR_MOUNT,
                "%s stays mounted, for the server refused a part of it (%s): what was new is in lost+found, and the "
                "log says the rest. Nothing waits any more, so the next time it is unmounted",
                mountpoint, why);
  else
    g_set_error(error, FS_ERROR, FS_ERROR_MOUNT,
                "%s stays mounted, for not all is on the server yet: %s (%s). It is safe on this disk: to unmount "
                "without waiting use " FUSERMOUNT " -u",
                mountpoint, left ? left : "?", why);
  return FALSE;
}

static gboolean await_drained(const char *mountpoint, GError **error) {
  Wait wait = {.mountpoint = mountpoint};
  GThread *thread = g_thread_new("drained", wait_drained, &wait);
  gboolean shown = FALSE;
  for (guint n = 0; !g_atomic_int_get(&wait.over); n++) {
    g_usleep(n < 10 ? LOOK_US / 10 : LOOK_US);
    if (n < 10)
      continue;
    show_progress(mountpoint);
    shown = TRUE;
  }
  g_thread_join(thread);
  if (shown && isatty(STDERR_FILENO))
    fputs("\r\033[K", stderr);
  if (!wait.number)
    return TRUE;
  return say_why(mountpoint, g_strerror(wait.number), error);
}

static gboolean unmount(const char *path, GError **error) {
  const char *argv[] = {FUSERMOUNT, "-u", "--", path, NULL};
  g_autoptr(GError) local = NULL;
  int status = 0;
  if (geteuid() == 0)
    return umount2(path, UMOUNT_NOFOLLOW) == 0 || fail(error, path, g_strerror(errno));
  if (!g_spawn_sync("/", (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &local) ||
      !g_spawn_check_wait_status(status, &local))
    return fail(error, path, local->message);
  return TRUE;
}

gboolean unmount_drained(const char *mountpoint, GError **error) {
  char *resolved = realpath(mountpoint, NULL);
  if (!resolved)
    return fail(error, mountpoint, errno == ENOENT ? "does not exist" : g_strerror(errno));
  g_autofree char *path = g_strdup(resolved);
  free(resolved);
  if (!is_ours(path))
    return fail(error, path, "has no imapfs mounted on it");
  return await_drained(path, error) && unmount(path, error);
}
