/* SPDX-License-Identifier: MIT */
/* Copies within the mount, by the system call and by programs. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/mock_hello.h"

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
  ck_assert_int_eq(copy_range(path_hello, path_new, 0, 0, 1 << 30), strlen(HELLO));
  ck_assert_uint_eq(mock_copies(mounted.cache, hello_row("new.eml")), 1);
  ck_assert_int_eq(stat(path_new, &st), 0);
  ck_assert_int_eq(st.st_size, strlen(HELLO));
  mount_check_file(path_new, HELLO);
}
END_TEST

START_TEST(parts_are_read_and_written) {
  ck_assert_int_eq(copy_range(path_hello, path_new, 0, 0, 10), 10);
  mount_check_file(path_new, "Subject: H");
  ck_assert_int_eq(copy_range(path_hello, path_new, 0, 0, 100), strlen(HELLO)); /* behind that */
  mount_check_file(path_new, "Subject: H" HELLO);
  hello_await_released(hello_row("new.eml"));
  ck_assert_int_eq(copy_range(path_hello, path_new, O_TRUNC, 9, 5), 5);
  mount_check_file(path_new, "Hello");
  ck_assert_uint_eq(mock_copies(mounted.cache, hello_row("new.eml")), 0);
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
  g_autofree char *odd = mount_path(&mounted, "INBOX/odd.eml");
  const char *from = _i % 2 ? odd : path_hello;
  int status;
  mock_message(mounted.cache, inbox, "odd.eml", HELLO);
  g_free(mount_run(&status, ARGV("sh", "-c", tools[_i / 2], from, path_new)));
  ck_assert_int_eq(status, 0);
  mount_check_file(path_new, HELLO);
  hello_check_content(hello_row("new.eml"), HELLO);
}
END_TEST

START_TEST(copy_of_what_is_being_written) {
  int fd = open(path_hello, O_RDWR);
  ck_assert_int_eq(pwrite(fd, "Written", 7, 0), 7);
  ck_assert_int_eq(copy_range(path_hello, path_new, 0, 0, 1000), strlen(HELLO));
  close(fd);
  mount_check_file(path_new, "Written: Hello\r\n\r\nHello, world.\r\n");
  ck_assert_uint_eq(mock_copies(mounted.cache, hello_row("new.eml")), 0);
}
END_TEST

/* The octets are those that a read of the source gets, whose row has become another's predecessor. */
START_TEST(copy_of_what_was_rewritten) {
  char got[16] = "";
  int in = open(path_hello, O_RDONLY), out = open(path_new, O_CREAT | O_RDWR, 0600);
  gint64 fresh = mock_message(mounted.cache, inbox, "fresh.eml", "fresh");
  mock_succeed(mounted.cache, hello, fresh);
  ck_assert(in >= 0 && out >= 0);
  ck_assert_int_eq(copy_file_range(in, NULL, out, NULL, 1 << 30, 0), strlen("fresh"));
  ck_assert_int_eq(pread(out, got, sizeof got, 0), strlen("fresh"));
  ck_assert_str_eq(got, "fresh");
  close(in);
  close(out);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fs/copy");
  TCase *tests = mount_case(suite, "copy", hello_start, hello_stop);
  tcase_add_test(tests, whole_messages_are_copied_as_such);
  tcase_add_test(tests, parts_are_read_and_written);
  tcase_add_loop_test(tests, copies_are_whole, 0, 12);
  tcase_add_test(tests, copy_of_what_is_being_written);
  tcase_add_test(tests, copy_of_what_was_rewritten);
  return mount_suite_run(suite);
}
