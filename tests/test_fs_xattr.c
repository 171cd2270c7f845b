/* SPDX-License-Identifier: MIT */
/* Extended attributes, through the kernel. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/call.h"
#include "fs/stale.h"
#include "tests/mock_hello.h"

#define FLAGS "user.imap.flags"
#define SEEN "\\Seen $Label1"

static int set(const char *path, const char *name, const char *value, int flags) {
  return setxattr(path, name, value, strlen(value), flags);
}

static void check_value(const char *path, const char *name, const char *expected) {
  char value[200];
  ck_assert_int_eq(getxattr(path, name, NULL, 0), strlen(expected));
  gssize len = getxattr(path, name, value, sizeof value);
  ck_assert_msg(len >= 0, "%s: %s", name, g_strerror(errno));
  value[len] = '\0';
  ck_assert_str_eq(value, expected);
}

START_TEST(flags) {
  char value[100];
  check_value(path_hello, FLAGS, "");
  ck_assert_int_eq(set(path_hello, FLAGS, SEEN, 0), 0);
  check_value(path_hello, FLAGS, SEEN);
  FAILS(ERANGE, getxattr(path_hello, FLAGS, value, 3));
  FAILS(EEXIST, set(path_hello, FLAGS, "\\Seen", XATTR_CREATE));
  ck_assert_int_eq(set(path_hello, FLAGS, "\\Seen", XATTR_REPLACE), 0);
  check_value(path_hello, FLAGS, "\\Seen");
  ck_assert_int_eq(removexattr(path_hello, FLAGS), 0);
  check_value(path_hello, FLAGS, "");
  mock_deny(mounted.cache, CACHE_ERROR_READONLY);
  FAILS(EROFS, set(path_hello, FLAGS, SEEN, 0));
  FAILS(EROFS, removexattr(path_hello, FLAGS));
}
END_TEST

/* Only what is worth copying is listed. */
START_TEST(listed) {
  char names[100];
  ck_assert_int_eq(listxattr(path_hello, names, sizeof names), 0);
  ck_assert_int_eq(listxattr(path_inbox, names, sizeof names), 0);
  ck_assert_int_eq(listxattr(mounted.dir, names, sizeof names), 0);
  ck_assert_int_eq(set(path_hello, FLAGS, SEEN, 0), 0);
  ck_assert_int_eq(listxattr(path_hello, NULL, 0), sizeof FLAGS);
  ck_assert_int_eq(listxattr(path_hello, names, sizeof names), sizeof FLAGS);
  ck_assert(memcmp(names, FLAGS, sizeof FLAGS) == 0);
  FAILS(ERANGE, listxattr(path_hello, names, 3));
}
END_TEST

static const struct {
  const char *name;
  int get, set, remove; /* errno, or 0 */
} others[] = {
    {"user.imap.uid", 0, EACCES, EPERM},
    {"user.imap.error", ENODATA, EOPNOTSUPP, EPERM},
    {"user.imap.nonsense", EOPNOTSUPP, EOPNOTSUPP, EPERM},
    {"user.imap.", EOPNOTSUPP, EOPNOTSUPP, EPERM},
    {"user.imapfs.drained", ENODATA, EPERM, EPERM},
    {"user.imapfs.left", ENODATA, EPERM, EPERM},
    {"user.imapfs.brake", ENODATA, EPERM, EPERM},
    {"user.xdg.comment", ENODATA, EOPNOTSUPP, ENODATA},
    {"security.selinux", EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
    {"security.capability", EOPNOTSUPP, 0, EOPNOTSUPP},
    {"system.posix_acl_access", EOPNOTSUPP, 0, EOPNOTSUPP},
    {"trusted.x", EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP},
};

static void check_errno(const char *name, const char *what, gssize result, int expected) {
  int number = result < 0 ? errno : 0;
  ck_assert_msg(number == expected, "%s %s: %s", what, name, g_strerror(number));
}

START_TEST(other_names) {
  char value[100];
  for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
    const char *name = others[i].name;
    gboolean user = g_str_has_prefix(name, "user.");
    if (!user && geteuid() != 0)
      continue; /* the kernel itself says no */
    check_errno(name, "get", getxattr(path_hello, name, value, sizeof value), others[i].get);
    if (others[i].set)
      check_errno(name, "set", set(path_hello, name, "x", 0), others[i].set);
    check_errno(name, "remove", removexattr(path_hello, name), others[i].remove);
  }
  FAILS(ENODATA, getxattr(path_inbox, "user.imapfs.drained", value, sizeof value));
  FAILS(EOPNOTSUPP, getxattr(path_inbox, FLAGS, value, sizeof value));
}
END_TEST

static int get_subject(const char *path) {
  char value[10];
  gssize len = getxattr(path, "user.imap.subject", value, sizeof value);
  return len < 0 ? errno : len == 5 ? 0 : 254;
}

/* What is read from the body waits for it, and once only. */
START_TEST(from_the_body) {
  gint64 row = mock_row(mounted.cache, 2, "hello.eml");
  mock_state(mounted.cache, row, MOCK_AWAY, 0);
  GPid pid = mount_fork(get_subject, path_hello);
  mount_await_parked(&mounted, 1);
  mock_deliver(mounted.cache, row);
  ck_assert_int_eq(mount_exit(pid), 0);

  mock_state(mounted.cache, row, MOCK_FLEETING, 0);
  pid = mount_fork(get_subject, path_hello);
  mount_await_parked(&mounted, 1);
  mock_deliver(mounted.cache, row);
  ck_assert_int_eq(mount_exit(pid), ENOSPC);
  ck_assert_uint_eq(mock_wanted(mounted.cache, row), 0);
}
END_TEST

/* ---- of the mount point ----------------------------------------------------------------------------- */
static int await_drained(const char *path) {
  char value[10];
  gssize len = getxattr(path, "user.imapfs.drained", value, sizeof value);
  return len < 0 ? errno : len == 1 && value[0] == '1' ? 0 : 254;
}

START_TEST(drained) {
  ck_assert_int_eq(mount_child(await_drained, mounted.dir), 0);
  mock_left(mounted.cache, 3, NULL);
  ck_assert_int_eq(getxattr(mounted.dir, "user.imapfs.drained", NULL, 0), 1);
  GPid pid = mount_fork(await_drained, mounted.dir);
  mount_await_parked(&mounted, 1);
  check_value(mounted.dir, "user.imapfs.left", "3 changes, 3000 bytes");
  mock_sent(mounted.cache, CACHE_ALL); /* and then something new came: it goes on waiting */
  mount_await_parked(&mounted, 1);
  mock_left(mounted.cache, 0, NULL);
  mock_sent(mounted.cache, CACHE_ALL);
  ck_assert_int_eq(mount_exit(pid), 0);
  check_value(mounted.dir, "user.imapfs.left", "0 changes, 0 bytes");
}
END_TEST

/* What a program wrote and closed before it asked counts, though its file is still being closed. */
START_TEST(drained_after_closing) {
  const guint64 ino = 1000;
  stale_expect(mounted.fs->stale, ino);
  gint64 begin = g_get_monotonic_time();
  ck_assert_int_eq(mount_child(await_drained, mounted.dir), 0);
  ck_assert_double_ge(mount_seconds(begin), 0.05);
  stale_enter_expected(mounted.fs->stale, ino);
  stale_leave(mounted.fs->stale, ino);
}
END_TEST

START_TEST(drained_is_interrupted) {
  mock_left(mounted.cache, 1, NULL);
  GPid pid = mount_fork(await_drained, mounted.dir);
  mount_await_parked(&mounted, 1);
  kill(pid, SIGKILL);
  ck_assert(WIFSIGNALED(mount_reap(pid)));
  mount_await_parked(&mounted, 0);
}
END_TEST

START_TEST(drained_tells_of_failure) {
  mock_left(mounted.cache, 1, "the server says that the mailbox is full");
  check_value(mounted.dir, "user.imapfs.left", "1 change, 1000 bytes: the server says that the mailbox is full");
  mock_deny(mounted.cache, CACHE_ERROR_OFFLINE);
  ck_assert_int_eq(mount_child(await_drained, mounted.dir), EHOSTUNREACH);
  check_value(mounted.dir, "user.imapfs.left", "1 change, 1000 bytes: the server says that the mailbox is full");
}
END_TEST

/* As long as it goes on there is no deadline; where it does not, there is one. */
START_TEST(drained_is_patient_without_trouble) {
  mock_left(mounted.cache, 2, NULL);
  gint64 begin = g_get_monotonic_time();
  GPid pid = mount_fork(await_drained, mounted.dir);
  mount_await_parked(&mounted, 1);
  while (mount_seconds(begin) < 2.5)
    g_usleep(10000);
  ck_assert_uint_eq(fs_waiting(mounted.fs), 1);
  mock_left(mounted.cache, 2, "the server is busy");
  ck_assert_int_eq(mount_exit(pid), ETIMEDOUT);
}
END_TEST

START_TEST(brake_is_released) {
  ck_assert_int_eq(set(mounted.dir, "user.imapfs.brake", "released", 0), 0);
  ck_assert_uint_eq(mock_released(mounted.cache), 1);
  FAILS(EPERM, set(path_inbox, "user.imapfs.brake", "released", 0));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fs/xattr");
  TCase *tests = mount_case(suite, "xattr", hello_start, hello_stop);
  tcase_add_test(tests, flags);
  tcase_add_test(tests, listed);
  tcase_add_test(tests, other_names);
  tcase_add_test(tests, from_the_body);
  tcase_add_test(tests, drained);
  tcase_add_test(tests, drained_after_closing);
  tcase_add_test(tests, drained_is_interrupted);
  tcase_add_test(tests, drained_tells_of_failure);
  tcase_add_test(tests, brake_is_released);
  tests = mount_case(suite, "hasty", hello_start_hasty, hello_stop);
  tcase_add_test(tests, drained_is_patient_without_trouble);
  return mount_suite_run(suite);
}
