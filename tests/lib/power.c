/* SPDX-License-Identifier: MIT */
#include "tests/lib/power.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int power_key(int at, const char *name, PowerKey ret, char *ret_type) {
  struct statx st;
  if (statx(at, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_INO | STATX_BTIME | STATX_TYPE, &st) != 0)
    return -1;
  snprintf(ret, sizeof(PowerKey), "%llu-%lld.%u", (unsigned long long)st.stx_ino, (long long)st.stx_btime.tv_sec,
           st.stx_btime.tv_nsec);
  *ret_type = S_ISDIR(st.stx_mode) ? 'd' : S_ISREG(st.stx_mode) ? 'f' : '?';
  return 0;
}

static int keep_file(int fd, FILE *to) {
  char path[64], octets[1 << 16];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int from = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n;
  if (from < 0)
    return -1;
  while ((n = read(from, octets, sizeof octets)) > 0)
    fwrite(octets, 1, (size_t)n, to);
  close(from);
  return (int)n;
}

static int keep_directory(int fd, FILE *to) {
  int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = again >= 0 ? fdopendir(again) : NULL;
  if (!list)
    return -1;
  for (struct dirent *entry; (entry = readdir(list));) {
    PowerKey key;
    char type;
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
        power_key(fd, entry->d_name, key, &type) == 0 && type != '?')
      fprintf(to, "%c %s %s\n", type, key, entry->d_name);
  }
  closedir(list);
  return 0;
}

int power_keep(const char *shadow, int fd) {
  static atomic_int temps;
  PowerKey key;
  char type, path[PATH_MAX], temp[PATH_MAX];
  if (power_key(fd, "", key, &type) != 0 || type == '?')
    return -1;
  snprintf(path, sizeof path, "%s/%s", shadow, key);
  snprintf(temp, sizeof temp, "%s/new.%d.%d", shadow, (int)getpid(), atomic_fetch_add(&temps, 1));
  FILE *to = fopen(temp, "we");
  if (!to)
    return -1;
  int failed = type == 'd' ? keep_directory(fd, to) : keep_file(fd, to);
  failed |= fclose(to);
  return failed ? -1 : rename(temp, path);
}
