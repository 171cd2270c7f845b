/* SPDX-License-Identifier: MIT */
#include "cache/body/ahead.h"

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/suite.h"
#include "tests/tempdir.h"

#define N 1000
#define SIZE 10000

static char *dir;
static Index *index_;
static Ahead *ahead;
static gint64 box;

/* Names run against the UIDs, so that the two orders differ. */
static gboolean fill(IndexTxn *txn, gpointer data, GError **error) {
  IndexMailbox mailbox = {.raw = (char *)"INBOX", .name = (char *)"INBOX"};
  (void)data;
  if (!index_put_mailbox(txn, &mailbox, error))
    return FALSE;
  box = mailbox.row;
  for (guint32 i = 1; i <= N; i++) {
    IndexMessage message = {.mailbox = box, .uid = i, .claim = SIZE, .size = IMAP_UNKNOWN_SIZE};
    g_snprintf(message.name, sizeof message.name, "m%04u.%u.eml", N - i, i);
    if (!index_add_message(txn, &message, NULL, error))
      return FALSE;
  }
  return TRUE;
}

static void setup(void) {
  dir = tempdir_new();
  int fd = open(dir, O_RDONLY | O_DIRECTORY);
  index_ = index_open(fd, NULL, NULL);
  ck_assert(index_write(index_, INDEX_SYNC, fill, NULL, NULL));
  close(fd);
  ahead = ahead_new(index_, 1 << 20);
}

static void teardown(void) {
  ahead_free(ahead);
  index_close(index_);
  tempdir_free(dir);
}

static GArray *opened(gint64 row) {
  GArray *wanted = g_array_new(FALSE, FALSE, sizeof(IndexNext));
  ahead_opened(ahead, box, row, wanted);
  return wanted;
}

static gint64 row_at(const GArray *wanted, guint i) {
  return g_array_index(wanted, IndexNext, i).row;
}

START_TEST(one_file_is_no_direction) {
  g_autoptr(GArray) wanted = opened(500);
  ck_assert_uint_eq(wanted->len, 0);
}
END_TEST

START_TEST(listing_order_is_followed) {
  g_array_unref(opened(1));
  g_autoptr(GArray) first = opened(2);
  ck_assert_uint_gt(first->len, 3);
  for (guint i = 0; i < first->len; i++)
    ck_assert_int_eq(row_at(first, i), 3 + i);
  g_autoptr(GArray) second = opened(3);
  ck_assert_uint_gt(second->len, 0);
  ck_assert_int_eq(row_at(second, 0), 3 + first->len);
}
END_TEST

START_TEST(name_order_is_followed) {
  g_array_unref(opened(N));
  g_autoptr(GArray) wanted = opened(N - 1);
  ck_assert_uint_gt(wanted->len, 3);
  for (guint i = 0; i < wanted->len; i++)
    ck_assert_int_eq(row_at(wanted, i), N - 2 - i);
}
END_TEST

/* Everything is wanted exactly once, and never more than the limit ahead of the reader. */
START_TEST(the_window_grows_to_its_limit) {
  gint64 farthest = 2;
  for (gint64 row = 1; row <= N; row++) {
    g_autoptr(GArray) wanted = opened(row);
    for (guint i = 0; i < wanted->len; i++)
      ck_assert_int_eq(row_at(wanted, i), ++farthest);
    ck_assert_int_le((farthest - row) * SIZE, (1 << 20) + SIZE);
    if (row > 20 && row < N - 200)
      ck_assert_int_ge((farthest - row) * SIZE, (1 << 20) - 2 * SIZE);
  }
  ck_assert_int_eq(farthest, N);
}
END_TEST

START_TEST(a_reader_may_skip_what_it_has) {
  g_array_unref(opened(1));
  g_array_unref(opened(2));
  g_autoptr(GArray) wanted = opened(10);
  ck_assert_uint_gt(wanted->len, 0);
  ck_assert_int_gt(row_at(wanted, 0), 10);
}
END_TEST

START_TEST(random_access_wants_nothing) {
  static const gint64 rows[] = {700, 20, 450, 990, 300, 810, 150, 600};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GArray) wanted = opened(rows[i]);
    ck_assert_uint_eq(wanted->len, 0);
  }
}
END_TEST

START_TEST(two_readers_do_not_disturb_each_other) {
  for (gint64 i = 0; i < 30; i++) {
    g_autoptr(GArray) a = opened(1 + i);
    g_autoptr(GArray) b = opened(500 + i);
    if (i > 0 && i < 3) {
      ck_assert_uint_gt(a->len, 0);
      ck_assert_uint_gt(b->len, 0);
    }
  }
}
END_TEST

START_TEST(the_same_file_again_keeps_the_direction) {
  g_array_unref(opened(1));
  g_array_unref(opened(2));
  g_array_unref(opened(2));
  g_autoptr(GArray) wanted = opened(3);
  ck_assert_uint_gt(wanted->len, 0);
}
END_TEST

START_TEST(the_end_of_the_folder_is_the_end) {
  g_array_unref(opened(N - 1));
  g_autoptr(GArray) wanted = opened(N);
  ck_assert_uint_eq(wanted->len, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/ahead");
  TCase *tests = tcase_create("ahead");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, one_file_is_no_direction);
  tcase_add_test(tests, listing_order_is_followed);
  tcase_add_test(tests, name_order_is_followed);
  tcase_add_test(tests, the_window_grows_to_its_limit);
  tcase_add_test(tests, a_reader_may_skip_what_it_has);
  tcase_add_test(tests, random_access_wants_nothing);
  tcase_add_test(tests, two_readers_do_not_disturb_each_other);
  tcase_add_test(tests, the_same_file_again_keeps_the_direction);
  tcase_add_test(tests, the_end_of_the_folder_is_the_end);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
