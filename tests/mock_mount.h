/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>

#include "fs/fs.h"
#include "tests/mock_cache.h"

/* A mock mounted on a directory of its own, for tests of the filesystem through the kernel. */
typedef struct {
  Cache *cache;
  Fs *fs;
  char *dir;
  gboolean read_only; /* to be set before mount_start() */
} TestMount;

/* What main() returns: 77, with a message, where there is no /dev/fuse. */
int mount_suite_run(Suite *suite);
TCase *mount_case(Suite *suite, const char *name, void (*begin)(void), void (*end)(void)); /* around each test */

void mount_start(TestMount *mount, Cache *cache, guint timeout);
void mount_stop(TestMount *mount); /* unmounts and frees all */
char *mount_path(TestMount *mount, const char *path);

/* Starts a program; its standard output goes to *ret_out, where asked for. */
GPid mount_spawn(int *ret_out, const char *const *argv);
char *mount_run(int *ret_status, const char *const *argv); /* to its end: what it printed */
int mount_reap(GPid pid);                                  /* its wait status */
#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})
/* System calls on the mount that may wait, in a process that can be killed. Its exit status; 255: a signal. */
int mount_child(int (*function)(const char *path), const char *path);
GPid mount_fork(int (*function)(const char *path), const char *path); /* the same in two steps: */
int mount_exit(GPid pid);
/* A system call that returns -1 with this errno. */
#define FAILS(number, call)                                                                                            \
  do {                                                                                                                 \
    errno = 0;                                                                                                         \
    ck_assert_int_eq((call), -1);                                                                                      \
    ck_assert_msg(errno == (number), "%s: %s", #call, g_strerror(errno));                                              \
  } while (0)
void mount_check_file(const char *path, const char *expected); /* holds this */
/* Until so many requests are parked. */
void mount_await_parked(TestMount *mount, guint n);
double mount_seconds(gint64 since);
#define MOUNT_SOON 30   /* s: what does not wait for a silent server takes less, however busy the machine is */
#define MOUNT_NEVER 120 /* s: what has not come by then does not come */
