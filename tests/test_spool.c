/* SPDX-License-Identifier: MIT */
#include "cache/journal/spool.h"

#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/cache.h"
#include "tests/suite.h"
#include "tests/tempdir.h"

static char *path;
static int state;
static Spool *spool;

static void open_spool(void) {
  g_autoptr(GError) error = NULL;
  spool = spool_open(state, &error);
  ck_assert_msg(spool != NULL, "%s", error ? error->message : "");
}

static void setup(void) {
  path = tempdir_new();
  state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  open_spool();
}

static void teardown(void) {
  spool_close(spool);
  close(state);
  tempdir_free(path);
}

static void put(int fd, const char *text) {
  ck_assert_int_eq(write(fd, text, strlen(text)), (gssize)strlen(text));
}

/* Of a whole file; a new string. */
static char *text_of(int fd) {
  struct stat st;
  ck_assert_int_eq(fstat(fd, &st), 0);
  char *text = g_malloc0((gsize)st.st_size + 1);
  ck_assert_int_eq(pread(fd, text, (gsize)st.st_size, 0), st.st_size);
  return text;
}

static void keep(gint64 row, const char *text) {
  g_autoptr(GError) error = NULL;
  int fd = spool_temp(spool, &error);
  ck_assert_msg(fd >= 0, "%s", error ? error->message : "");
  put(fd, text);
  g_autofree char *about = g_strdup_printf("about %s\n", text);
  ck_assert_msg(spool_keep(spool, fd, row, about, &error), "%s", error ? error->message : "");
  close(fd);
}

static void check_row(gint64 row, const char *text) {
  g_autoptr(GError) error = NULL;
  int fd = spool_get(spool, row, &error);
  ck_assert_msg(fd >= 0, "%s", error ? error->message : "");
  g_autofree char *found = text_of(fd), *about = spool_about(spool, row, NULL);
  g_autofree char *expected = g_strdup_printf("about %s\n", text);
  ck_assert_str_eq(found, text);
  ck_assert_str_eq(about, expected);
  close(fd);
}

static guint count_in(const char *name) {
  g_autofree char *dir = g_build_filename(path, name, NULL);
  GDir *list = g_dir_open(dir, 0, NULL);
  guint n = 0;
  ck_assert_ptr_nonnull(list);
  while (g_dir_read_name(list))
    n++;
  g_dir_close(list);
  return n;
}

START_TEST(what_is_kept_is_there_after_a_restart) {
  keep(G_GINT64_CONSTANT(1) << 59, "a");
  keep(7, "b");
  spool_close(spool);
  open_spool();
  check_row(G_GINT64_CONSTANT(1) << 59, "a");
  check_row(7, "b");
  g_autoptr(GArray) rows = spool_rows(spool, NULL);
  ck_assert_uint_eq(rows->len, 2);
  ck_assert_int_eq(g_array_index(rows, gint64, 0) + g_array_index(rows, gint64, 1), (G_GINT64_CONSTANT(1) << 59) + 7);
}
END_TEST

START_TEST(a_file_is_replaced_never_changed) {
  keep(7, "old");
  int fd = spool_get(spool, 7, NULL);
  keep(7, "new one");
  check_row(7, "new one");
  g_autofree char *old = text_of(fd);
  ck_assert_str_eq(old, "old");
  close(fd);
  ck_assert_uint_eq(count_in("spool"), 2);
}
END_TEST

START_TEST(what_is_dropped_is_gone) {
  g_autoptr(GError) error = NULL;
  keep(7, "a");
  spool_drop(spool, 7);
  spool_drop(spool, 8);
  ck_assert_int_eq(spool_get(spool, 7, &error), -1);
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_LOCAL));
  ck_assert_ptr_null(spool_about(spool, 7, NULL));
  ck_assert_uint_eq(count_in("spool"), 0);
}
END_TEST

/* As on a file system that has no O_TMPFILE, or none with a link. */
START_TEST(what_has_no_name_to_give_is_copied) {
  g_autoptr(GError) error = NULL;
  int fd = memfd_create("draft", MFD_CLOEXEC);
  g_autofree char *text = g_strnfill(200000, 'x');
  put(fd, text);
  ck_assert_msg(spool_keep(spool, fd, 7, "about\n", &error), "%s", error ? error->message : "");
  close(fd);
  fd = spool_get(spool, 7, &error);
  g_autofree char *found = text_of(fd);
  ck_assert_str_eq(found, text);
  close(fd);
}
END_TEST

START_TEST(temporary_files_have_no_name) {
  int fd = spool_temp(spool, NULL);
  put(fd, "half a file");
  ck_assert_uint_eq(count_in("spool"), 0);
  close(fd);
}
END_TEST

START_TEST(leftovers_are_swept) {
  keep(7, "a");
  static const char *const left[] = {"8.new", "9.about.new", "0.temp.new"};
  for (guint i = 0; i < G_N_ELEMENTS(left); i++) {
    g_autofree char *file = g_build_filename(path, "spool", left[i], NULL);
    ck_assert(g_file_set_contents(file, "half", -1, NULL));
  }
  spool_close(spool);
  open_spool();
  check_row(7, "a");
  ck_assert_uint_eq(count_in("spool"), 2);
}
END_TEST

START_TEST(files_are_private) {
  struct stat st;
  mode_t old = umask(0);
  keep(7, "a");
  umask(old);
  static const char *const names[] = {"spool/7", "spool/7.about"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    ck_assert_int_eq(fstatat(state, names[i], &st, AT_SYMLINK_NOFOLLOW), 0);
    ck_assert_int_eq(st.st_mode & 07777, 0600);
  }
  ck_assert_int_eq(fstatat(state, "discarded", &st, AT_SYMLINK_NOFOLLOW), 0);
  ck_assert_int_eq(st.st_mode & 07777, 0700);
}
END_TEST

START_TEST(links_are_not_followed) {
  g_autoptr(GError) error = NULL;
  g_autofree char *link = g_build_filename(path, "spool", "7", NULL);
  ck_assert_int_eq(symlink("/etc/passwd", link), 0);
  ck_assert_int_eq(spool_get(spool, 7, &error), -1);
  keep(7, "a");
  check_row(7, "a");
  spool_close(spool);
  ck_assert_int_eq(renameat(state, "spool", state, "elsewhere"), 0);
  ck_assert_int_eq(symlinkat("elsewhere", state, "spool"), 0);
  g_clear_error(&error);
  ck_assert_ptr_null(spool_open(state, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_LOCAL));
  ck_assert_int_eq(unlinkat(state, "spool", 0), 0);
  open_spool();
}
END_TEST

START_TEST(what_is_discarded_stays) {
  keep(7, "refused");
  for (guint i = 0; i < 3; i++) {
    int fd = spool_get(spool, 7, NULL);
    ck_assert(spool_discard(spool, fd, NULL));
    close(fd);
  }
  spool_drop(spool, 7);
  ck_assert_uint_eq(count_in("discarded"), 3);
}
END_TEST

/* A full disk in miniature: no file may grow beyond a page. */
START_TEST(what_was_kept_survives_a_full_disk) {
  g_autoptr(GError) error = NULL;
  keep(7, "old");
  int fd = memfd_create("draft", MFD_CLOEXEC);
  g_autofree char *text = g_strnfill(200000, 'x');
  put(fd, text);
  signal(SIGXFSZ, SIG_IGN);
  struct rlimit limit, page = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
  getrlimit(RLIMIT_FSIZE, &limit);
  page.rlim_max = limit.rlim_max;
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &page), 0);
  ck_assert(!spool_keep(spool, fd, 7, "about old\n", &error));
  ck_assert_int_eq(error->domain, CACHE_ERROR);
  g_clear_error(&error);
  ck_assert(!spool_discard(spool, fd, &error));
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  close(fd);
  check_row(7, "old");
  ck_assert_uint_eq(count_in("spool"), 2);
  ck_assert_uint_eq(count_in("discarded"), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/spool");
  TCase *tests = tcase_create("spool");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, what_is_kept_is_there_after_a_restart);
  tcase_add_test(tests, a_file_is_replaced_never_changed);
  tcase_add_test(tests, what_is_dropped_is_gone);
  tcase_add_test(tests, what_has_no_name_to_give_is_copied);
  tcase_add_test(tests, temporary_files_have_no_name);
  tcase_add_test(tests, leftovers_are_swept);
  tcase_add_test(tests, files_are_private);
  tcase_add_test(tests, links_are_not_followed);
  tcase_add_test(tests, what_is_discarded_stays);
  tcase_add_test(tests, what_was_kept_survives_a_full_disk);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
