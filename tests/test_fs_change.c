/* SPDX-License-Identifier: MIT */
/* Names that change, through the kernel. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/inode.h"
#include "tests/mock_mount.h"

#ifndef RENAME_WHITEOUT
#define RENAME_WHITEOUT (1 << 2)
#endif

static TestMount mount;
static gint64 inbox, work, one, two;
static char *path_one, *path_two, *path_inbox, *path_work, *path_in_work, *path_none, *path_dir;

static void setup(void) {
  Cache *cache = mock_new();
  inbox = mock_folder(cache, 1, "INBOX");
  work = mock_folder(cache, 1, "Work");
  one = mock_message(cache, inbox, "one.eml", "Subject: one\r\n");
  two = mock_message(cache, inbox, "two.eml", "Subject: two\r\n");
  mount_start(&mount, cache, 60);
  path_inbox = mount_path(&mount, "INBOX");
  path_work = mount_path(&mount, "Work");
  path_one = mount_path(&mount, "INBOX/one.eml");
  path_two = mount_path(&mount, "INBOX/two.eml");
  path_none = mount_path(&mount, "INBOX/none.eml");
  path_in_work = mount_path(&mount, "Work/one.eml");
  path_dir = mount_path(&mount, "Work/dir");
}

static void teardown(void) {
  char *const paths[] = {path_one, path_two, path_inbox, path_work, path_in_work, path_none, path_dir};
  mount_stop(&mount);
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
    g_free(paths[i]);
}

#define WORKS(call) ck_assert_msg((call) == 0, "%s: %s", #call, g_strerror(errno))

static struct stat stat_of(const char *path) {
  struct stat st;
  ck_assert_msg(lstat(path, &st) == 0, "%s: %s", path, g_strerror(errno));
  return st;
}

static guint64 message(gint64 row) {
  return inode_number(1, CACHE_MESSAGE, row);
}

/* What a directory shows, sorted. */
static char *list(const char *path) {
  return mount_run(NULL, ARGV("ls", path));
}

static void check_list(const char *path, const char *expected) {
  g_autofree char *text = list(path);
  ck_assert_str_eq(text, expected);
}

static gboolean moved(const char *path, const struct stat *before) {
  struct stat now = stat_of(path);
  return now.st_mtim.tv_sec != before->st_mtim.tv_sec || now.st_mtim.tv_nsec != before->st_mtim.tv_nsec;
}

/* ---- unlink ----------------------------------------------------------------------------------------- */
START_TEST(unlinks) {
  struct stat before = stat_of(path_inbox), st;
  char buf[100];
  int fd = open(path_one, O_RDONLY);
  WORKS(unlink(path_one));
  FAILS(ENOENT, lstat(path_one, &st));
  check_list(path_inbox, "two.eml\n");
  ck_assert(moved(path_inbox, &before));
  WORKS(fstat(fd, &st));
  ck_assert(st.st_nlink == 0 && st.st_size == 14);
  ck_assert_int_eq(read(fd, buf, sizeof buf), 14);
  close(fd);
  FAILS(ENOENT, unlink(path_one));
  FAILS(EISDIR, unlink(path_work));
  g_autofree char *below = g_strconcat(path_two, "/x", NULL);
  FAILS(ENOTDIR, unlink(below));
}
END_TEST

static const struct {
  CacheError code;
  int number;
} denials[] = {
    {CACHE_ERROR_READONLY, EROFS}, {CACHE_ERROR_PERMISSION, EACCES}, {CACHE_ERROR_PROTECTED, EPERM},
    {CACHE_ERROR_BUSY, EBUSY},     {CACHE_ERROR_CROSS, EXDEV},       {CACHE_ERROR_OFFLINE, EHOSTUNREACH},
    {CACHE_ERROR_INVALID, EINVAL}, {CACHE_ERROR_EXISTS, EEXIST},
};

START_TEST(denied) {
  for (gsize i = 0; i < G_N_ELEMENTS(denials); i++) {
    int number = denials[i].number;
    mock_deny(mount.cache, (int)denials[i].code);
    FAILS(number, unlink(path_one));
    FAILS(number, rmdir(path_work));
    FAILS(number, mkdir(path_dir, 0700));
    FAILS(number, rename(path_one, path_in_work));
    FAILS(number, rename(path_work, path_none));
  }
  mock_deny(mount.cache, -1);
  check_list(path_inbox, "one.eml\ntwo.eml\n");
}
END_TEST

/* ---- rename ----------------------------------------------------------------------------------------- */
START_TEST(renames_within_and_between) {
  struct stat before = stat_of(path_inbox), work_before = stat_of(path_work), st;
  WORKS(rename(path_one, path_none));
  ck_assert_uint_eq(stat_of(path_none).st_ino, message(one));
  FAILS(ENOENT, lstat(path_one, &st));
  WORKS(rename(path_none, path_in_work));
  ck_assert_uint_eq(stat_of(path_in_work).st_ino, message(one));
  FAILS(ENOENT, lstat(path_none, &st));
  check_list(path_inbox, "two.eml\n");
  check_list(path_work, "one.eml\n");
  ck_assert(moved(path_inbox, &before) && moved(path_work, &work_before));
  FAILS(ENOENT, rename(path_one, path_none));
}
END_TEST

START_TEST(renames_over) {
  struct stat st;
  int fd = open(path_two, O_RDONLY);
  WORKS(rename(path_one, path_two));
  ck_assert_uint_eq(stat_of(path_two).st_ino, message(one));
  check_list(path_inbox, "two.eml\n");
  WORKS(fstat(fd, &st));
  ck_assert_uint_eq(st.st_ino, message(two));
  ck_assert_uint_eq(st.st_nlink, 0);
  close(fd);
  FAILS(EISDIR, rename(path_two, path_work));
  FAILS(ENOTDIR, rename(path_work, path_two));
  FAILS(ENOTEMPTY, rename(path_work, path_inbox));
  g_autofree char *inside = g_build_filename(path_work, "inside", NULL);
  FAILS(EINVAL, rename(path_work, inside));
}
END_TEST

static int rename2(const char *from, const char *to, guint flags) {
  return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

START_TEST(renames_with_flags) {
  g_autofree char *long_name = g_strnfill(256, 'x'), *too_long = g_build_filename(path_inbox, long_name, NULL);
  FAILS(EEXIST, rename2(path_one, path_two, RENAME_NOREPLACE));
  WORKS(rename2(path_one, path_none, RENAME_NOREPLACE));
  WORKS(rename2(path_none, path_two, RENAME_EXCHANGE));
  ck_assert_uint_eq(stat_of(path_two).st_ino, message(one));
  ck_assert_uint_eq(stat_of(path_none).st_ino, message(two));
  FAILS(ENOENT, rename2(path_two, path_one, RENAME_EXCHANGE));
  if (geteuid() == 0) /* others may not even ask */
    FAILS(EINVAL, rename2(path_two, path_one, RENAME_WHITEOUT));
  FAILS(ENAMETOOLONG, rename(path_two, too_long));
}
END_TEST

/* coreutils try RENAME_NOREPLACE first. */
START_TEST(mv) {
  int status;
  g_free(mount_run(&status, ARGV("mv", path_one, path_two, path_work)));
  ck_assert_int_eq(status, 0);
  check_list(path_work, "one.eml\ntwo.eml\n");
  g_free(mount_run(&status, ARGV("mv", "-n", path_in_work, path_inbox)));
  ck_assert_int_eq(status, 0);
  g_free(mount_run(&status, ARGV("rm", "-rf", path_work)));
  ck_assert_int_eq(status, 0);
  check_list(mount.dir, "INBOX\n");
}
END_TEST

/* ---- folders ---------------------------------------------------------------------------------------- */
START_TEST(makes_and_removes_folders) {
  struct stat before = stat_of(path_work), st;
  WORKS(mkdir(path_dir, 0755));
  ck_assert_int_eq(stat_of(path_dir).st_mode, S_IFDIR | 0700);
  ck_assert_uint_eq(stat_of(path_work).st_nlink, 3);
  ck_assert(moved(path_work, &before));
  FAILS(EEXIST, mkdir(path_dir, 0755));
  FAILS(ENOTEMPTY, rmdir(path_work));
  FAILS(ENOTDIR, rmdir(path_one));
  WORKS(rmdir(path_dir));
  FAILS(ENOENT, lstat(path_dir, &st));
  ck_assert_uint_eq(stat_of(path_work).st_nlink, 2);
  FAILS(ENOENT, rmdir(path_dir));
}
END_TEST

static int make(const char *path) {
  return mkdir(path, 0700) == 0 ? 0 : errno;
}

static int move_work(const char *path) {
  g_autofree char *to = g_strconcat(path, ".new", NULL);
  return rename(path, to) == 0 ? 0 : errno;
}

static const struct {
  int code, number;
} outcomes[] = {{-1, 0}, {CACHE_ERROR_REFUSED, EPERM}, {CACHE_ERROR_EXISTS, EEXIST}, {CACHE_ERROR_INVALID, EINVAL}};

START_TEST(errands_are_awaited) {
  struct stat st;
  mock_errands(mount.cache);
  GPid pid = mount_fork(make, path_dir);
  mount_await_parked(&mount, 1);
  check_list(path_inbox, "one.eml\ntwo.eml\n"); /* others go on */
  mock_errand_done(mount.cache, outcomes[_i].code);
  ck_assert_int_eq(mount_exit(pid), outcomes[_i].number);
  ck_assert_int_eq(lstat(path_dir, &st), outcomes[_i].number ? -1 : 0);

  pid = mount_fork(move_work, path_inbox);
  mount_await_parked(&mount, 1);
  mock_errand_done(mount.cache, outcomes[_i].code);
  ck_assert_int_eq(mount_exit(pid), outcomes[_i].number);
  ck_assert_int_eq(lstat(path_inbox, &st), outcomes[_i].number ? 0 : -1);
  ck_assert_uint_eq(mock_forgotten(mount.cache), 0);
}
END_TEST

/* Five seconds, however lively the line; or until the caller has enough. */
START_TEST(errands_end_in_time) {
  mock_errands(mount.cache);
  gint64 begin = g_get_monotonic_time();
  GPid pid = mount_fork(make, path_dir);
  mount_await_parked(&mount, 1);
  while (fs_waiting(mount.fs) > 0) {
    mock_hear(mount.cache, 0);
    g_usleep(10000);
    ck_assert(mount_seconds(begin) < MOUNT_NEVER);
  }
  ck_assert_int_eq(mount_exit(pid), ETIMEDOUT);
  ck_assert(mount_seconds(begin) > 4);
  ck_assert_uint_eq(mock_forgotten(mount.cache), 1);

  pid = mount_fork(make, path_dir);
  mount_await_parked(&mount, 1);
  kill(pid, SIGKILL);
  ck_assert(WIFSIGNALED(mount_reap(pid)));
  mount_await_parked(&mount, 0);
  ck_assert_uint_eq(mock_forgotten(mount.cache), 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fs/change");
  TCase *tests = mount_case(suite, "change", setup, teardown);
  tcase_add_test(tests, unlinks);
  tcase_add_test(tests, denied);
  tcase_add_test(tests, renames_within_and_between);
  tcase_add_test(tests, renames_over);
  tcase_add_test(tests, renames_with_flags);
  tcase_add_test(tests, mv);
  tcase_add_test(tests, makes_and_removes_folders);
  tcase_add_loop_test(tests, errands_are_awaited, 0, G_N_ELEMENTS(outcomes));
  tcase_add_test(tests, errands_end_in_time);
  return mount_suite_run(suite);
}
