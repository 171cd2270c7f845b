/* SPDX-License-Identifier: MIT */
#include "tests/mock_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "tests/suite.h"
#include "tests/tempdir.h"

int mount_suite_run(Suite *suite) {
  int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    g_printerr("SKIP: /dev/fuse: %s\n", g_strerror(errno));
    srunner_free(srunner_create(suite));
    return 77;
  }
  close(fd);
  return suite_run(suite);
}

TCase *mount_case(Suite *suite, const char *name, void (*begin)(void), void (*end)(void)) {
  TCase *tests = tcase_create(name);
  tcase_add_checked_fixture(tests, begin, end);
  suite_add_tcase(suite, tests);
  return tests;
}

void mount_start(TestMount *mount, Cache *cache, guint timeout) {
  g_autoptr(GError) error = NULL;
  mount->cache = cache;
  mount->dir = tempdir_new();
  FsConfig config = {.mountpoint = mount->dir,
                     .source = "alice@mail.example.com:",
                     .uid = getuid(),
                     .gid = getgid(),
                     .timeout = timeout,
                     .read_only = mount->read_only,
                     .trace = g_getenv("TEST_TRACE") != NULL};
  mount->fs = fs_mount(&config, cache, &error);
  ck_assert_msg(mount->fs != NULL, "%s", error ? error->message : "");
}

void mount_stop(TestMount *mount) {
  fs_unmount(mount->fs);
  cache_stop(mount->cache);
  fs_free(mount->fs);
  cache_free(mount->cache);
  ck_assert_int_eq(g_rmdir(mount->dir), 0);
  g_free(mount->dir);
}

char *mount_path(TestMount *mount, const char *path) {
  return g_build_filename(mount->dir, path, NULL);
}

GPid mount_spawn(int *ret_out, const char *const *argv) {
  g_autoptr(GError) error = NULL;
  GSpawnFlags flags = G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD;
  GPid pid;

  if (!ret_out)
    flags |= G_SPAWN_STDOUT_TO_DEV_NULL;
  if (!g_getenv("TEST_TRACE"))
    flags |= G_SPAWN_STDERR_TO_DEV_NULL;
  gboolean started =
      g_spawn_async_with_pipes(NULL, (char **)argv, NULL, flags, NULL, NULL, &pid, NULL, ret_out, NULL, &error);
  ck_assert_msg(started, "%s", error ? error->message : "");
  return pid;
}

int mount_reap(GPid pid) {
  int status;
  while (waitpid(pid, &status, 0) < 0)
    ck_assert_int_eq(errno, EINTR);
  return status;
}

char *mount_run(int *ret_status, const char *const *argv) {
  GString *text = g_string_new(NULL);
  char buf[4096];
  gssize got;
  int out;

  GPid pid = mount_spawn(&out, argv);
  while ((got = read(out, buf, sizeof buf)) > 0)
    g_string_append_len(text, buf, got);
  close(out);
  int status = mount_reap(pid);
  if (ret_status)
    *ret_status = status;
  return g_string_free(text, FALSE);
}

/* Without our files: a connection to the kernel that the waiting process itself holds open would never be closed. */
GPid mount_fork(int (*function)(const char *path), const char *path) {
  pid_t pid = fork();
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    close_range(3, ~0U, 0);
    alarm(MOUNT_NEVER);
    _exit(function(path));
  }
  return pid;
}

int mount_exit(GPid pid) {
  int status = mount_reap(pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

int mount_child(int (*function)(const char *path), const char *path) {
  return mount_exit(mount_fork(function, path));
}

void mount_check_file(const char *path, const char *expected) {
  g_autofree char *text = NULL;
  g_autoptr(GError) error = NULL;
  ck_assert_msg(g_file_get_contents(path, &text, NULL, &error), "%s", error ? error->message : "");
  ck_assert_str_eq(text, expected);
}

void mount_await_parked(TestMount *mount, guint n) {
  gint64 start = g_get_monotonic_time();
  while (fs_waiting(mount->fs) != n) {
    ck_assert_msg(mount_seconds(start) < MOUNT_NEVER, "%u of %u requests parked", fs_waiting(mount->fs), n);
    g_usleep(1000);
  }
}

double mount_seconds(gint64 since) {
  return (double)(g_get_monotonic_time() - since) / G_USEC_PER_SEC;
}
