/* SPDX-License-Identifier: MIT */
#include "cache/index/index_backup.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/index.h"
#include "tests/suite.h"

static guint64 messages_in_backup(void) {
  g_autofree char *path = g_build_filename(index_dir.path, INDEX_BACKUP, NULL);
  gint damaged = 0;
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "", NULL);
  ck_assert_ptr_nonnull(db);
  g_autoptr(IndexStmt) stmt = index_use(db, "SELECT count(*) FROM message");
  gint64 n = 0;
  ck_assert(index_number(db, stmt, &n, NULL));
  return (guint64)n;
}

static gboolean exists(const char *name) {
  return faccessat(index_dir.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void back_up(Index *index) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(index_back_up(index, NULL, 0, &error), "%s", error ? error->message : "");
}

static void set_age(gint64 seconds) {
  gint64 then = g_get_real_time() / G_USEC_PER_SEC - seconds;
  struct timespec times[2] = {{then, 0}, {then, 0}};
  ck_assert_int_eq(utimensat(index_dir.fd, INDEX_BACKUP, times, 0), 0);
}

START_TEST(the_copy_is_whole_private_and_the_last_one) {
  mode_t old = umask(0);
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 1000);
  back_up(index);
  ck_assert_uint_eq(messages_in_backup(), 1000);
  add_messages(index, box, 1001, 500);
  back_up(index);
  ck_assert_uint_eq(messages_in_backup(), 1500);
  struct stat st;
  ck_assert_int_eq(fstatat(index_dir.fd, INDEX_BACKUP, &st, 0), 0);
  ck_assert_int_eq(st.st_mode & 0777, 0600);
  ck_assert(!exists(INDEX_BACKUP ".new"));
  umask(old);
}
END_TEST

START_TEST(who_writes_meanwhile_does_not_wait) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 1000);
  g_autoptr(IndexReader) reader = index_reader_take(index, NULL);
  g_autoptr(IndexStmt) pinned = index_use(reader, "SELECT row FROM message");
  ck_assert_int_eq(index_step(reader, pinned, NULL), INDEX_STEP_ROW); /* as the copy does */
  add_messages(index, box, 1001, 1);
  back_up(index);
  ck_assert_uint_eq(messages_in_backup(), 1001);
}
END_TEST

START_TEST(rows_go_on_where_they_were) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a"), before = 0, after = 0;
  add_messages(index, box, 1, 10);
  remove_messages(index, box, 1, 10, NULL);
  back_up(index);
  ck_assert(index_last_row(index, &before, NULL));
  g_autofree char *path = g_build_filename(index_dir.path, INDEX_BACKUP, NULL);
  gint damaged = 0;
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "", NULL);
  g_autoptr(IndexStmt) last = index_use(db, "SELECT max(seq) FROM sqlite_sequence");
  ck_assert(index_number(db, last, &after, NULL));
  ck_assert_int_eq(before, after);
}
END_TEST

START_TEST(one_that_is_cut_off_leaves_the_last_one) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 1000);
  back_up(index);
  add_messages(index, box, 1001, 4000);
  g_autoptr(GError) error = NULL;
  gint cancelled = 1;
  ck_assert(!index_back_up(index, &cancelled, 0, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_CANCELLED));
  g_clear_error(&error);
  ck_assert(!index_back_up(index, NULL, 1, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_CANCELLED));
  ck_assert_uint_eq(messages_in_backup(), 1000);
  ck_assert(!exists(INDEX_BACKUP ".new"));
}
END_TEST

START_TEST(a_damaged_index_does_not_replace_a_good_copy) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 2000);
  back_up(index);
  do_write(index, set_meta, (gpointer) "x");
  ck_assert(index_db_exec(index->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL));
  int fd = openat(index_dir.fd, "index.db", O_WRONLY);
  char junk[8 * 4096];
  memset(junk, 0xa5, sizeof junk);
  ck_assert_int_eq(pwrite(fd, junk, sizeof junk, 20 * 4096), (gssize)sizeof junk);
  close(fd);
  g_autoptr(GError) error = NULL;
  ck_assert(!index_back_up(index, NULL, 0, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_LOCAL));
  ck_assert_uint_eq(messages_in_backup(), 2000);
  ck_assert(g_atomic_int_get(&index->damaged)); /* so the next run looks at all of it */
}
END_TEST

START_TEST(it_is_due_once_a_day) {
  g_autoptr(Index) index = open_index(NULL);
  ck_assert(index_backup_is_due(index));
  back_up(index);
  ck_assert(!index_backup_is_due(index));
  set_age(INDEX_BACKUP_EVERY - 60);
  ck_assert(!index_backup_is_due(index));
  set_age(INDEX_BACKUP_EVERY + 60);
  ck_assert(index_backup_is_due(index));
  set_age(-10 * INDEX_BACKUP_EVERY);
  ck_assert(index_backup_is_due(index));
}
END_TEST

START_TEST(a_short_run_makes_one_at_its_end) {
  g_autoptr(Index) index = open_index(NULL);
  add_messages(index, add_mailbox(index, 1, "a"), 1, 10);
  index_backup_stop(index_backup_run(index), 60 * G_USEC_PER_SEC);
  ck_assert_uint_eq(messages_in_backup(), 10);
  ck_assert_int_eq(unlinkat(index_dir.fd, INDEX_BACKUP, 0), 0);
  index_backup_stop(index_backup_run(index), 0);
  ck_assert(!exists(INDEX_BACKUP));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/index_backup");
  TCase *tests = tcase_create("backup");
  tcase_add_checked_fixture(tests, index_setup, index_teardown);
  tcase_add_test(tests, the_copy_is_whole_private_and_the_last_one);
  tcase_add_test(tests, who_writes_meanwhile_does_not_wait);
  tcase_add_test(tests, rows_go_on_where_they_were);
  tcase_add_test(tests, one_that_is_cut_off_leaves_the_last_one);
  tcase_add_test(tests, a_damaged_index_does_not_replace_a_good_copy);
  tcase_add_test(tests, it_is_due_once_a_day);
  tcase_add_test(tests, a_short_run_makes_one_at_its_end);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
