/* SPDX-License-Identifier: MIT */
/* Files that are written, through the kernel: what arrives in the cache, and what programs are told. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mock_hello.h"

#define FRESH "Subject: Fresh\n\nWritten here.\n"

/* For child processes, too: the line that failed, and nothing of Check. */
#define TRY(what)                                                                                                      \
  do {                                                                                                                 \
    if (!(what)) {                                                                                                     \
      g_printerr("line %d: %s\n", __LINE__, g_strerror(errno));                                                        \
      return 1;                                                                                                        \
    }                                                                                                                  \
  } while (0)

static int create(const char *path, const char *text) {
  int fd = open(path, O_CREAT | O_EXCL | O_RDWR, 0644);
  ck_assert_msg(fd >= 0, "%s: %s", path, g_strerror(errno));
  ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
  return fd;
}

/* ---- creating --------------------------------------------------------------------------------------- */
START_TEST(creates) {
  struct stat st, by_name, folder;
  int fd = create(path_new, FRESH);
  gint64 row = hello_row("new.eml");
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_int_eq(st.st_size, strlen(FRESH));
  ck_assert_int_eq(st.st_mode, S_IFREG | 0600);
  ck_assert_uint_eq(mock_flushes(mounted.cache, row, NULL), 0);
  ck_assert_int_eq(close(fd), 0);
  ck_assert_uint_eq(mock_flushes(mounted.cache, row, NULL), 1);
  hello_check_content(row, FRESH);
  mount_check_file(path_new, FRESH);
  ck_assert_int_eq(stat(path_new, &by_name), 0);
  ck_assert_uint_eq(by_name.st_ino, st.st_ino);
  g_autofree char *dir = g_path_get_dirname(path_new);
  ck_assert_int_eq(stat(dir, &folder), 0);
  ck_assert_msg(folder.st_mtim.tv_sec > 1763900001, "the directory's mtime did not move");
  hello_await_released(row);
}
END_TEST

START_TEST(names_that_cannot_be_made) {
  g_autofree char *below = g_strconcat(path_hello, "/x", NULL), *dir = g_path_get_dirname(path_hello);
  g_autofree char *longest = g_strnfill(255, 'x'), *longer = g_strnfill(256, 'x');
  g_autofree char *fits = g_build_filename(dir, longest, NULL), *not = g_build_filename(dir, longer, NULL);
  FAILS(EEXIST, open(path_hello, O_CREAT | O_EXCL | O_WRONLY, 0600));
  FAILS(ENOTDIR, open(below, O_CREAT | O_WRONLY, 0600));
  FAILS(EISDIR, open(dir, O_WRONLY));
  FAILS(EISDIR, open(dir, O_CREAT | O_WRONLY, 0600));
  FAILS(ENAMETOOLONG, open(not, O_CREAT | O_WRONLY, 0600));
  FAILS(ENOENT, open(path_new, O_WRONLY));
  ck_assert_int_eq(close(create(fits, FRESH)), 0);
}
END_TEST

START_TEST(other_kinds) {
  FAILS(EPERM, mkfifo(path_new, 0600));
  FAILS(EPERM, symlink("x", path_new));
  FAILS(EPERM, link(path_hello, path_new));
  ck_assert_int_eq(mknod(path_new, S_IFREG | 0600, 0), 0);
  mount_check_file(path_new, "");
  ck_assert(!mock_open(mounted.cache, hello_row("new.eml")));
}
END_TEST

static const struct {
  CacheError code;
  int number;
} denials[] = {
    {CACHE_ERROR_READONLY, EROFS}, {CACHE_ERROR_PERMISSION, EACCES}, {CACHE_ERROR_QUOTA, EDQUOT},
    {CACHE_ERROR_TOOBIG, EFBIG},   {CACHE_ERROR_SPACE, ENOSPC},      {CACHE_ERROR_LOCAL, EIO},
};

/* Each call tells why. */
START_TEST(denied) {
  int fd = create(path_new, FRESH);
  for (gsize i = 0; i < G_N_ELEMENTS(denials); i++) {
    g_autofree char *another = g_strdup_printf("%s.%zu", path_new, i);
    int number = denials[i].number;
    mock_deny(mounted.cache, (int)denials[i].code);
    FAILS(number, open(another, O_CREAT | O_WRONLY, 0600));
    FAILS(number, open(path_hello, O_WRONLY));
    FAILS(number, open(path_hello, O_WRONLY | O_TRUNC));
    FAILS(number, write(fd, "x", 1));
    FAILS(number, ftruncate(fd, 100));
    FAILS(number, futimens(fd, NULL));
    FAILS(number, fallocate(fd, 0, 0, 100));
    FAILS(number, fsync(fd));
    int twin = dup(fd);
    FAILS(number, close(twin));
  }
  mock_deny(mounted.cache, -1);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* ---- octets ----------------------------------------------------------------------------------------- */
START_TEST(any_order) {
  char buf[32];
  int fd = create(path_new, "");
  ck_assert_int_eq(pwrite(fd, "world", 5, 7), 5);
  ck_assert_int_eq(pwrite(fd, "Hello, ", 7, 0), 7);
  ck_assert_int_eq(pread(fd, buf, sizeof buf, 0), 12);
  ck_assert(memcmp(buf, "Hello, world", 12) == 0);
  ck_assert_int_eq(ftruncate(fd, 5), 0);
  ck_assert_int_eq(pread(fd, buf, sizeof buf, 0), 5);
  ck_assert_int_eq(pwrite(fd, "!", 1, 8), 1);
  ck_assert_int_eq(pread(fd, buf, sizeof buf, 0), 9);
  ck_assert(memcmp(buf, "Hello\0\0\0!", 9) == 0);
  FAILS(EINVAL, close(fd)); /* NUL is in no message */
}
END_TEST

START_TEST(append_through_two_handles) {
  int fd = create(path_new, "1"), one = open(path_new, O_WRONLY | O_APPEND), two = open(path_new, O_WRONLY | O_APPEND);
  ck_assert_int_eq(write(one, "2", 1), 1);
  ck_assert_int_eq(write(two, "3", 1), 1);
  ck_assert_int_eq(write(one, "4", 1), 1);
  ck_assert_int_eq(close(one), 0);
  ck_assert_int_eq(close(two), 0);
  ck_assert_int_eq(close(fd), 0);
  hello_check_content(hello_row("new.eml"), "1234");
}
END_TEST

START_TEST(large) {
  gsize size = 5 * 1000 * 1000 + 7;
  g_autofree char *text = g_malloc(size + 1);
  for (gsize i = 0; i < size; i++)
    text[i] = (char)('a' + i % 23);
  text[size] = '\0';
  int fd = create(path_new, text);
  ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  mount_check_file(path_new, text); /* from the draft */
  ck_assert_int_eq(close(fd), 0);
  hello_check_content(hello_row("new.eml"), text);
}
END_TEST

START_TEST(truncation) {
  struct stat st;
  FAILS(EPERM, truncate(path_hello, 3));
  mount_check_file(path_hello, HELLO);
  int fd = open(path_hello, O_WRONLY);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(truncate(path_hello, 5), 0); /* by path, of what is open */
  ck_assert_int_eq(stat(path_hello, &st), 0);
  ck_assert_int_eq(st.st_size, 5);
  ck_assert_int_eq(close(fd), 0);
  hello_check_content(hello, "Subje");
  hello_await_released(hello);
  ck_assert_int_eq(close(open(path_hello, O_RDONLY | O_TRUNC)), 0);
  hello_check_content(hello, "");
}
END_TEST

/* Truncating needs no octets; the rest does. */
START_TEST(opens_what_is_away) {
  mock_state(mounted.cache, hello, MOCK_AWAY, 0);
  int fd = open(path_hello, O_WRONLY | O_TRUNC);
  ck_assert_int_ge(fd, 0);
  ck_assert_uint_eq(mock_wanted(mounted.cache, hello), 0);
  ck_assert_int_eq(write(fd, FRESH, strlen(FRESH)), strlen(FRESH));
  ck_assert_int_eq(close(fd), 0);
  hello_check_content(hello, FRESH);
}
END_TEST

static int append_more(const char *path) {
  int fd = open(path, O_WRONLY | O_APPEND);
  TRY(fd >= 0);
  TRY(write(fd, "More.\r\n", 7) == 7);
  TRY(close(fd) == 0);
  return 0;
}

static const guint64 claims[] = {3, 5000, 0};

START_TEST(appends_at_the_true_end) {
  mock_state(mounted.cache, hello, MOCK_CLAIMED, claims[_i]);
  if (claims[_i])
    g_free(mount_run(NULL, ARGV("ls", "-l", path_hello)));
  GPid pid = mount_fork(append_more, path_hello);
  mount_await_parked(&mounted, 1);
  mock_deliver(mounted.cache, hello);
  ck_assert_int_eq(mount_exit(pid), 0);
  hello_check_content(hello, HELLO "More.\r\n");
}
END_TEST

START_TEST(waiting_for_octets_ends_with_the_caller) {
  mock_state(mounted.cache, hello, MOCK_AWAY, 0);
  GPid pid = mount_fork(append_more, path_hello);
  mount_await_parked(&mounted, 1);
  ck_assert_uint_eq(mock_wanted(mounted.cache, hello), 1);
  kill(pid, SIGKILL);
  mount_reap(pid);
  mount_await_parked(&mounted, 0);
  ck_assert_uint_eq(mock_wanted(mounted.cache, hello), 0);
  ck_assert(!mock_open(mounted.cache, hello));
}
END_TEST

static int open_to_append(const char *path) {
  return open(path, O_WRONLY | O_APPEND) < 0 ? errno : 0;
}

START_TEST(octets_that_cannot_be_kept) {
  mock_state(mounted.cache, hello, MOCK_FLEETING, 0);
  GPid pid = mount_fork(open_to_append, path_hello);
  mount_await_parked(&mounted, 1);
  mock_deliver(mounted.cache, hello);
  ck_assert_int_eq(mount_exit(pid), ENOSPC);
  ck_assert_uint_eq(mock_wanted(mounted.cache, hello), 0);
}
END_TEST

/* Whoever reads meanwhile sees what was written, however he came by the file. */
START_TEST(readers_see_the_draft) {
  char buf[100];
  int before = open(path_hello, O_RDONLY);
  int fd = open(path_hello, O_WRONLY);
  ck_assert_int_eq(pwrite(fd, "Written", 7, 0), 7);
  int after = open(path_hello, O_RDONLY);
  for (int round = 0; round < 2; round++) {
    ck_assert_int_eq(pread(before, buf, sizeof buf, 0), strlen(HELLO));
    ck_assert(memcmp(buf, "Written: Hello", 14) == 0);
    ck_assert_int_eq(pread(after, buf, sizeof buf, 0), strlen(HELLO));
    ck_assert(memcmp(buf, "Written: Hello", 14) == 0);
    ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  close(before);
  ck_assert_int_eq(close(fd), 0);
  ck_assert_int_eq(pread(after, buf, sizeof buf, 0), strlen(HELLO));
  close(after);
  mount_check_file(path_hello, "Written: Hello\r\n\r\nHello, world.\r\n");
}
END_TEST

static void ck_reads(int fd, const char *expected) {
  char buf[200];
  struct stat st;
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_int_eq(st.st_size, (off_t)strlen(expected));
  ck_assert_int_eq(pread(fd, buf, sizeof buf, 0), (gssize)strlen(expected));
  ck_assert(memcmp(buf, expected, strlen(expected)) == 0);
}

/* The kernel is told by a thread of its own. */
static void await_size(int fd, off_t size) {
  struct stat st = {.st_size = -1};
  for (guint i = 0; st.st_size != size; i++) {
    ck_assert_uint_lt(i, 3000);
    ck_assert_int_eq(fstat(fd, &st), 0);
    g_usleep(10000);
  }
}

/* Another row has the name, as after each rewrite; who had the file open goes on with what is written there. */
START_TEST(readers_follow_a_rewrite) {
  int before = open(path_hello, O_RDONLY);
  ck_reads(before, HELLO);
  gint64 fresh = mock_message(mounted.cache, inbox, "fresh.eml", "fresh");
  mock_succeed(mounted.cache, hello, fresh);
  mock_rewrite(mounted.cache, hello, HELLO); /* the kernel is told */
  await_size(before, 5);
  ck_reads(before, "fresh");
  g_autofree char *path = mount_path(&mounted, "INBOX/fresh.eml");
  int fd = open(path, O_WRONLY | O_APPEND);
  ck_assert_int_eq(write(fd, " and more", 9), 9);
  ck_assert_int_eq(close(fd), 0);
  await_size(before, 14);
  ck_reads(before, "fresh and more");
  mock_remove(mounted.cache, fresh);
  ck_assert_int_eq(posix_fadvise(before, 0, 0, POSIX_FADV_DONTNEED), 0);
  ck_assert_int_eq(pread(before, &(char){0}, 1, 0), 1); /* something of what it had */
  close(before);
}
END_TEST

START_TEST(unlinked_while_open) {
  struct stat st;
  char buf[100];
  int fd = create(path_new, FRESH);
  ck_assert_int_eq(unlink(path_new), 0);
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_int_eq(st.st_nlink, 0);
  ck_assert_int_eq(pwrite(fd, "!", 1, (off_t)strlen(FRESH)), 1);
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_int_eq(st.st_size, strlen(FRESH) + 1);
  ck_assert_int_eq(pread(fd, buf, sizeof buf, 0), strlen(FRESH) + 1);
  ck_assert_int_eq(close(fd), 0);
  FAILS(ENOENT, stat(path_new, &st));
}
END_TEST

START_TEST(preallocated) {
  struct stat st;
  int fd = create(path_new, "x");
  FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100));
  FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1));
  ck_assert_int_eq(fallocate(fd, 0, 10, 90), 0);
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_int_eq(st.st_size, 100);
  ck_assert_int_eq(fallocate(fd, 0, 0, 50), 0);
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_int_eq(st.st_size, 100);
  ck_assert_int_eq(ftruncate(fd, 1), 0);
  ck_assert_int_eq(close(fd), 0);
  hello_check_content(hello_row("new.eml"), "x");
}
END_TEST

/* ---- mappings --------------------------------------------------------------------------------------- */
/* In another process: one that waits for a page of its own mount holds what its workers may need to give it. */
static int by_mapping(const char *path) {
  gsize size = strlen(FRESH);
  int fd = open(path, O_RDWR);
  char *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || address == MAP_FAILED)
    return 1;
  memcpy(address, "SUBJECT", 7);
  if (msync(address, size, MS_SYNC))
    return 2;
  memcpy(address + 9, "FRESH", 5);
  return close(fd) ? 3 : 0; /* which flushes the dirty pages, too */
}

static int by_mapping_later(const char *path) {
  gsize size = strlen(FRESH);
  int fd = open(path, O_RDWR);
  char *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || address == MAP_FAILED || close(fd))
    return 1;
  memcpy(address + 16, "WRITTEN", 7); /* after the last flush */
  return munmap(address, size) ? 2 : 0;
}

START_TEST(written_through_a_mapping) {
  ck_assert_int_eq(close(create(path_new, FRESH)), 0);
  gint64 row = hello_row("new.eml");
  ck_assert_int_eq(mount_exit(mount_fork(by_mapping, path_new)), 0);
  hello_check_content(row, "SUBJECT: FRESH\n\nWritten here.\n");
  ck_assert_int_eq(mount_exit(mount_fork(by_mapping_later, path_new)), 0);
  hello_await_released(row);
  hello_check_content(row, "SUBJECT: FRESH\n\nWRITTEN here.\n");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fs/write");
  TCase *tests = mount_case(suite, "write", hello_start, hello_stop);
  tcase_add_test(tests, creates);
  tcase_add_test(tests, names_that_cannot_be_made);
  tcase_add_test(tests, other_kinds);
  tcase_add_test(tests, denied);
  tcase_add_test(tests, any_order);
  tcase_add_test(tests, append_through_two_handles);
  tcase_add_test(tests, large);
  tcase_add_test(tests, truncation);
  tcase_add_test(tests, opens_what_is_away);
  tcase_add_loop_test(tests, appends_at_the_true_end, 0, G_N_ELEMENTS(claims));
  tcase_add_test(tests, waiting_for_octets_ends_with_the_caller);
  tcase_add_test(tests, octets_that_cannot_be_kept);
  tcase_add_test(tests, readers_see_the_draft);
  tcase_add_test(tests, readers_follow_a_rewrite);
  tcase_add_test(tests, unlinked_while_open);
  tcase_add_test(tests, preallocated);
  tcase_add_test(tests, written_through_a_mapping);
  return mount_suite_run(suite);
}
