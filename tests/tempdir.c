/* SPDX-License-Identifier: MIT */
#include "tests/tempdir.h"

#include <errno.h>
#include <ftw.h>
#include <mntent.h>
#include <stdio.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

/* Not g_get_tmp_dir(): it remembers the first answer, and suite_run() changes it. Nor Check's assertions: it runs
 * outside tests too. */
char *tempdir_new(void) {
  const char *base = g_getenv("TMPDIR");
  char *dir = g_build_filename(base ? base : "/tmp", "imapfs-tests-XXXXXX", NULL);
  if (g_mkdtemp(dir) == NULL || g_chmod(dir, 0711) != 0)
    g_error("%s: %s", dir, g_strerror(errno));
  return dir;
}

/* A test that was killed leaves its mount behind, and nftw() ends where it meets one that nobody serves. */
static void unmount_in(const char *dir) {
  g_autofree char *inside = g_strconcat(dir, "/", NULL);
  FILE *mounts = setmntent("/proc/self/mounts", "re");
  for (struct mntent *entry; mounts != NULL && (entry = getmntent(mounts)) != NULL;) {
    const char *argv[] = {"fusermount3", "-uz", "--", entry->mnt_dir, NULL};
    if (g_str_has_prefix(entry->mnt_dir, inside))
      g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL);
  }
  if (mounts != NULL)
    endmntent(mounts);
}

static int remove_entry(const char *path, G_GNUC_UNUSED const struct stat *st, G_GNUC_UNUSED int flag,
                        G_GNUC_UNUSED struct FTW *ftw) {
  remove(path);
  return 0;
}

void tempdir_free(char *dir) {
  if (dir == NULL)
    return;
  unmount_in(dir);
  nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
  g_free(dir);
}
