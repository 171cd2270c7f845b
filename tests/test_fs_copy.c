/* SPDX-License-Identifier: MIT */
/* Copies within the mount, by the system call and by programs. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/mock_mount.h"
#include "tests/suite.h"

#define TEXT "Subject: Hello\r\n\r\nHello, world.\r\n"

static TestMount mount;
static gint64 inbox;
static char *path_hello, *path_new;

static void setup(void) {
  Cache *cache = mock_new();
  inbox = mock_folder(cache, 1, "INBOX");
  mock_message(cache, inbox, "hello.eml", TEXT);
  mount_start(&mount, cache, 60);
  path_hello = mount_path(&mount, "INBOX/hello.eml");
  path_new = mount_path(&mount, "INBOX/new.eml");
}

static void teardown(void) {
  mount_stop(&mount);
  g_free(path_hello);
  g_free(path_new);
}

static void check_content(gint64 row, const char *expected) {
  g_autofree char *content = mock_content(mount.cache, row);
  ck_assert_str_eq(content, expected);
}

static gint64 row_of(const char *name) {
  gint64 row = mock_row(mount.cache, inbox, name);
  ck_assert_int_gt(row, 0);
  return row;
}

/* RELEASE comes after close(2) has returned. */
static void await_released(gint64 row) {
  gint64 start = g_get_monotonic_time();
  while (mock_open(mount.cache, row))
    ck_assert(mount_seconds(start) < 10);
}

static gssize copy_range(const char *from, const char *to, int flags, off_t offset, gsize len) {
  int in = open(from, O_RDONLY), out = open(to, O_CREAT | O_WRONLY | flags, 0600);
  ck_assert(in >= 0 && out >= 0);
  lseek(out, 0, SEEK_END);
  gssize copied = copy_file_range(in, &offset, out, NULL, len, 0);
  close(in);
  ck_assert_int_eq(close(out), 0);
  return copied;
}

START_TEST(whole_messages_are_copied_as_such) {
  struct stat st;
  ck_assert_int_eq(copy_range(path_hello, path_new, 0, 0, 1 << 30), strlen(TEXT));
  ck_assert_uint_eq(mock_copies(mount.cache, row_of("new.eml")), 1);
  ck_assert_int_eq(stat(path_new, &st), 0);
  ck_assert_int_eq(st.st_size, strlen(TEXT));
  mount_check_file(path_new, TEXT);
}
END_TEST

START_TEST(parts_are_read_and_written) {
  ck_assert_int_eq(copy_range(path_hello, path_new, 0, 0, 10), 10);
  mount_check_file(path_new, "Subject: H");
  ck_assert_int_eq(copy_range(path_hello, path_new, 0, 0, 100), strlen(TEXT)); /* behind that */
  mount_check_file(path_new, "Subject: H" TEXT);
  await_released(row_of("new.eml"));
  ck_assert_int_eq(copy_range(path_hello, path_new, O_TRUNC, 9, 5), 5);
  mount_check_file(path_new, "Hello");
  ck_assert_uint_eq(mock_copies(mount.cache, row_of("new.eml")), 0);
}
END_TEST

/* The cache cannot, the source is being written, or the program is cp or python: the octets are the same. */
START_TEST(copies_are_whole) {
  static const char *const tools[] = {
      "cp \"$0\" \"$1\"",
      "cp -p \"$0\" \"$1\" && cmp \"$0\" \"$1\"",
      "python3 -c 'import shutil, sys; shutil.copy2(sys.argv[1], sys.argv[2])' \"$0\" \"$1\"",
      "install -m 644 \"$0\" \"$1\"",
      "cat \"$0\" >\"$1\"",
      "dd if=\"$0\" of=\"$1\" bs=5",
  };
  g_autofree char *odd = mount_path(&mount, "INBOX/odd.eml");
  const char *from = _i % 2 ? odd : path_hello;
  int status;
  mock_message(mount.cache, inbox, "odd.eml", TEXT);
  g_free(mount_run(&status, ARGV("sh", "-c", tools[_i / 2], from, path_new)));
  ck_assert_int_eq(status, 0);
  mount_check_file(path_new, TEXT);
  check_content(row_of("new.eml"), TEXT);
}
END_TEST

START_TEST(copy_of_what_is_being_written) {
  int fd = open(path_hello, O_RDWR);
  ck_assert_int_eq(pwrite(fd, "Written", 7, 0), 7);
  ck_assert_int_eq(copy_range(path_hello, path_new, 0, 0, 1000), strlen(TEXT));
  close(fd);
  mount_check_file(path_new, "Written: Hello\r\n\r\nHello, world.\r\n");
  ck_assert_uint_eq(mock_copies(mount.cache, row_of("new.eml")), 0);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("fs/copy");
  TCase *tc = tcase_create("copy");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, whole_messages_are_copied_as_such);
  tcase_add_test(tc, parts_are_read_and_written);
  tcase_add_loop_test(tc, copies_are_whole, 0, 12);
  tcase_add_test(tc, copy_of_what_is_being_written);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  if (!mount_possible())
    return 77;
  return suite_run(suite());
}
