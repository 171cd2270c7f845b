/* SPDX-License-Identifier: MIT */
/*
 * dirways DIRECTORY N: prints the first N names, waits for a line on stdin, and goes on from where it was in the
 * directory (seekdir); then rewinds and prints all names. A line "--" stands between the three.
 */
#include "tests/lib/net.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

/* Prints up to `most` names. */
static void print(DIR *dir, guint64 most) {
  struct dirent *entry;
  errno = 0;
  for (; most > 0 && (entry = readdir(dir)) != NULL; most--)
    puts(entry->d_name);
  if (errno)
    net_die("readdir: %s", g_strerror(errno));
}

int main(int argc, char **argv) {
  const GOptionEntry none[] = {{0}};
  net_options(&argc, &argv, none, "DIRECTORY N", 2);
  DIR *dir = opendir(argv[1]);
  if (!dir)
    net_die("%s: %s", argv[1], g_strerror(errno));
  print(dir, g_ascii_strtoull(argv[2], NULL, 10));
  long here = telldir(dir);
  puts("--");
  fflush(stdout);
  getchar();
  seekdir(dir, here); /* also forgets what libc has read ahead */
  print(dir, G_MAXUINT64);
  puts("--");
  rewinddir(dir);
  print(dir, G_MAXUINT64);
  return closedir(dir) == 0 ? 0 : 1;
}
