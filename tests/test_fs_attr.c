/* SPDX-License-Identifier: MIT */
/* Attributes that are set, through the kernel, and files that change without its doing. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/mock_hello.h"

#define FRESH "Subject: Fresh\n\nWritten here.\n"

#define NS 123456789

START_TEST(times) {
  struct stat st;
  const struct timespec both[] = {{1000000, 5}, {1500000000, NS}};
  const struct timespec omit[] = {{1, 1}, {0, UTIME_OMIT}}, old[] = {{0, 0}, {-5, 7}};
  int fd = open(path_new, O_CREAT | O_WRONLY, 0644);
  ck_assert_int_eq(write(fd, FRESH, strlen(FRESH)), strlen(FRESH));
  ck_assert_int_eq(futimens(fd, both), 0);
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert(st.st_mtim.tv_sec == 1500000000 && st.st_mtim.tv_nsec == NS);
  ck_assert_int_eq(close(fd), 0);
  ck_assert_int_eq(utimensat(AT_FDCWD, path_new, omit, 0), 0);
  ck_assert_int_eq(stat(path_new, &st), 0);
  ck_assert(st.st_mtim.tv_sec == 1500000000 && st.st_mtim.tv_nsec == NS);
  ck_assert_int_eq(utimensat(AT_FDCWD, path_new, old, 0), 0);
  ck_assert_int_eq(stat(path_new, &st), 0);
  ck_assert(st.st_mtim.tv_sec == -5 && st.st_mtim.tv_nsec == 7);
  time_t now = time(NULL);
  ck_assert_int_eq(utimensat(AT_FDCWD, path_new, NULL, 0), 0);
  ck_assert_int_eq(stat(path_new, &st), 0);
  ck_assert(st.st_mtim.tv_sec >= now - 1);
  g_autofree char *dir = g_path_get_dirname(path_new);
  ck_assert_int_eq(utimensat(AT_FDCWD, dir, both, 0), 0);
  ck_assert_int_eq(stat(dir, &st), 0);
  ck_assert(st.st_mtim.tv_sec == 1500000000 && st.st_mtim.tv_nsec == NS);
}
END_TEST

START_TEST(modes_and_owners_stay) {
  struct stat st;
  ck_assert_int_eq(chmod(path_hello, 0644), 0);
  ck_assert_int_eq(chown(path_hello, getuid(), getgid()), 0);
  if (geteuid() == 0)
    ck_assert_int_eq(chown(path_hello, 1234, 1234), 0);
  ck_assert_int_eq(stat(path_hello, &st), 0);
  ck_assert(st.st_mode == (S_IFREG | 0600) && st.st_uid == getuid() && st.st_gid == getgid());
  g_autofree char *dir = g_path_get_dirname(path_hello);
  ck_assert_int_eq(chmod(dir, 0755), 0);
  ck_assert_int_eq(stat(dir, &st), 0);
  ck_assert_int_eq(st.st_mode, S_IFDIR | 0700);
}
END_TEST

/* A draft that became CR LF, or a rewrite that was refused: other octets, without the kernel's doing. */
START_TEST(changed_below) {
  static const char other[] = "Other octets, and not so many";
  struct stat st;
  gboolean same = FALSE;
  mount_check_file(path_hello, HELLO);
  mock_rewrite(mounted.cache, hello, other);
  for (gint64 start = g_get_monotonic_time(); !same;) { /* size and octets do not come together */
    g_autofree char *text = NULL;
    ck_assert(mount_seconds(start) < MOUNT_NEVER);
    ck_assert(g_file_get_contents(path_hello, &text, NULL, NULL));
    same = g_str_equal(text, other);
  }
  ck_assert_int_eq(stat(path_hello, &st), 0);
  ck_assert_int_eq(st.st_size, sizeof other - 1);
}
END_TEST

static gboolean append_line(const char *path, int flags, const char *line) {
  int fd = open(path, O_WRONLY | flags, 0600);
  return fd >= 0 && write(fd, line, strlen(line)) == (gssize)strlen(line) && close(fd) == 0;
}

/* Reads to the end, whatever the size is. */
static gboolean holds(const char *path, const char *expected) {
  char buf[4096];
  struct stat st;
  int fd = open(path, O_RDONLY);
  gssize len = fd < 0 ? -1 : read(fd, buf, sizeof buf);
  gboolean sized = fstat(fd, &st) == 0 && st.st_size == (off_t)strlen(expected);
  close(fd);
  return sized && len == (gssize)strlen(expected) && memcmp(buf, expected, (gsize)len) == 0;
}

static const char *const tails[] = {"two\n", "three\n", "four\n"};

static gboolean write_and_read(const char *path, const char *scratch) {
  g_autoptr(GString) expected = g_string_new("Subject: one\r\n");
  if (!append_line(path, O_CREAT, "Subject: one\n"))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(tails); i++) {
    if (!append_line(path, O_APPEND, tails[i]))
      return FALSE;
    g_string_append_len(expected, tails[i], (gssize)strlen(tails[i]) - 1);
    g_string_append(expected, "\r\n");
    if (!holds(path, expected->str))
      return FALSE;
  }
  g_string_append(expected, "end\r\n");
  return rename(path, scratch) == 0 && append_line(scratch, O_APPEND, "end\n") && rename(scratch, path) == 0 &&
         holds(path, expected->str);
}

static int write_and_read_many(const char *path) {
  for (int i = 0; i < 50; i++) {
    g_autofree char *one = g_strdup_printf("%s.%d.%d", path, (int)getpid(), i);
    g_autofree char *scratch = g_strconcat(one, ".tmp", NULL);
    if (!write_and_read(one, scratch))
      return i + 1;
  }
  return 0;
}

/* Lines get their CR LF when a file is closed or becomes mail, which the kernel cannot know: whoever opens it right
 * then reads all of it, and appends at its end. */
START_TEST(changed_by_closing) {
  GPid pids[6];
  mock_crlf(mounted.cache);
  for (gsize i = 0; i < G_N_ELEMENTS(pids); i++)
    pids[i] = mount_fork(write_and_read_many, path_new);
  for (gsize i = 0; i < G_N_ELEMENTS(pids); i++)
    ck_assert_int_eq(mount_exit(pids[i]), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fs/attr");
  TCase *tests = mount_case(suite, "attr", hello_start, hello_stop);
  tcase_add_test(tests, times);
  tcase_add_test(tests, modes_and_owners_stay);
  tcase_add_test(tests, changed_below);
  tcase_add_test(tests, changed_by_closing);
  return mount_suite_run(suite);
}
