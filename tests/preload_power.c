/* SPDX-License-Identifier: MIT */
/*
 * A disk that keeps what was synced and nothing else. Preloaded, it copies each file below $POWER_STATE whenever that
 * is synced, and each directory's entries, to $POWER_SHADOW (tests/lib/power.h); powercut makes of that what is left
 * when the power goes. The computer has been started as often as $POWER_BOOT says. While there is a file $POWER_BROKEN,
 * nothing can be synced.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/lib/power.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static int is_state(int fd) {
  const char *state = getenv("POWER_STATE");
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = state ? readlink(link, path, sizeof path) : -1;
  size_t len = state ? strlen(state) : 0;
  return n >= (ssize_t)len && memcmp(path, state, len) == 0 && ((size_t)n == len || path[len] == '/');
}

static int sync_and_keep(int fd, const char *call) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, call);
  const char *shadow = getenv("POWER_SHADOW"), *broken = getenv("POWER_BROKEN");
  if (broken && is_state(fd) && access(broken, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  int failed = real(fd);
  if (failed == 0 && shadow && is_state(fd) && power_keep(shadow, fd) != 0) {
    perror("power");
    abort();
  }
  return failed;
}

int fsync(int fd) {
  return sync_and_keep(fd, "fsync");
}

int fdatasync(int fd) {
  return sync_and_keep(fd, "fdatasync");
}

/* ---- another boot ----------------------------------------------------------------------------------------------- */

static int open_boot(const char *boot) {
  int fd = memfd_create("boot_id", MFD_CLOEXEC);
  if (fd >= 0 && (dprintf(fd, "00000000-0000-0000-0000-%012d\n", atoi(boot)) < 0 || lseek(fd, 0, SEEK_SET) != 0))
    abort();
  return fd;
}

static int open_it(const char *call, const char *path, int flags, int mode) {
  int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, call);
  const char *boot = getenv("POWER_BOOT");
  return boot && strcmp(path, BOOT_ID) == 0 ? open_boot(boot) : real(path, flags, mode);
}

static int mode_of(int flags, va_list args) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
}

int open(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  int mode = mode_of(flags, args);
  va_end(args);
  return open_it("open", path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  int mode = mode_of(flags, args);
  va_end(args);
  return open_it("open64", path, flags, mode);
}
