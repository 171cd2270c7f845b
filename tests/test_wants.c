/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "cache/body/wants.h"
#include "tests/suite.h"

#define LARGE 1000000
#define ALL (WANTS_READER | WANTS_AHEAD)

static Wants *wants;

static void setup(void) {
  wants = wants_new();
}

static void teardown(void) {
  wants_free(wants);
}

static Want make(gint64 row, gint64 mailbox, guint64 size) {
  return (Want){.row = row, .mailbox = mailbox, .uid = (guint32)row * 10, .size = size, .large = size > LARGE};
}

static void wait_for(gint64 row, gint64 mailbox, guint64 size) {
  Want want = make(row, mailbox, size);
  wants_wait(wants, &want);
}

static void ahead(gint64 row, gint64 mailbox, guint64 size) {
  Want want = make(row, mailbox, size);
  wants_ahead(wants, &want);
}

/* The rows of one wants_take() as "1 2 3". */
static const char *take(WantsKinds kinds, gint64 mailbox, guint64 bytes, guint n) {
  static char text[200];
  g_autoptr(GArray) got = g_array_new(FALSE, FALSE, sizeof(Want));
  guint taken = wants_take(wants, kinds, mailbox, bytes, n, got);
  ck_assert_uint_eq(taken, got->len);
  *text = 0;
  for (guint i = 0; i < got->len; i++) {
    g_autofree char *one = g_strdup_printf("%s%d", i ? " " : "", (int)g_array_index(got, Want, i).row);
    g_strlcat(text, one, sizeof text);
  }
  return text;
}

START_TEST(readers_go_first) {
  ahead(1, 7, 10);
  ahead(2, 7, 10);
  wait_for(3, 7, 10);
  wait_for(2, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "3 2 1");
  ck_assert_uint_eq(wants_outstanding(wants), 30);
}
END_TEST

START_TEST(cut_by_bytes_and_count) {
  for (gint64 row = 1; row <= 6; row++)
    ahead(row, 7, 100);
  ck_assert_str_eq(take(ALL, 0, 250, 10), "1 2");
  ck_assert_str_eq(take(ALL, 0, 1, 10), "3");
  ck_assert_str_eq(take(ALL, 0, 1000, 2), "4 5");
}
END_TEST

START_TEST(one_mailbox_at_a_time) {
  ahead(1, 7, 10);
  ahead(2, 8, 10);
  ahead(3, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "1 3");
  ck_assert_str_eq(take(ALL, 7, 1000, 10), "");
  ck_assert_str_eq(take(ALL, 8, 1000, 10), "2");
}
END_TEST

START_TEST(a_reader_elsewhere_stops_reading_ahead_here) {
  ahead(1, 7, 10);
  wait_for(2, 8, 10);
  ck_assert_str_eq(take(ALL, 7, 1000, 10), "");
  ck_assert_str_eq(take(WANTS_AHEAD, 7, 1000, 10), "1");
}
END_TEST

START_TEST(a_reader_elsewhere_is_not_overtaken_for_ever) {
  wait_for(1, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "1");
  wait_for(1000, 8, 10);
  gint64 row = 2;
  for (wait_for(row, 7, 10); *take(ALL, 7, 1000, 10) != 0 && row < 100; row++)
    wait_for(row + 1, 7, 10);
  ck_assert_int_lt(row, 100);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "1000");
  ck_assert_str_ne(take(ALL, 7, 1000, 10), "");
}
END_TEST

START_TEST(large_bodies_go_alone_and_where_asked) {
  wait_for(1, 7, LARGE + 1);
  wait_for(2, 7, 10);
  ahead(3, 7, LARGE + 1);
  ck_assert_str_eq(take(WANTS_READER_SMALL, 0, 1u << 30, 10), "2");
  ck_assert_str_eq(take(ALL, 0, 1u << 30, 10), "1");
  ck_assert_str_eq(take(ALL, 0, 1u << 30, 10), "3");
}
END_TEST

/* The rate of the line changes while lanes sleep: what one was waiting for must not become nobody's. */
START_TEST(what_is_large_stays_so) {
  Want want = make(1, 7, LARGE + 1);
  wants_wait(wants, &want);
  want.large = FALSE;
  wants_wait(wants, &want);
  ck_assert_str_eq(take(WANTS_READER_SMALL, 0, 1u << 30, 10), "");
  ck_assert(wants_await(wants, WANTS_READER_LARGE));
  ck_assert_str_eq(take(WANTS_READER_LARGE, 0, 1u << 30, 10), "1");
}
END_TEST

START_TEST(leaving_forgets_only_what_is_not_asked_for) {
  wait_for(1, 7, 10);
  wait_for(2, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 1), "1");
  wants_leave(wants, 1, G_MAXINT64);
  wants_leave(wants, 2, G_MAXINT64);
  ck_assert_uint_eq(wants_waiters(wants, 1), 0);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "");
  ck_assert_uint_eq(wants_outstanding(wants), 10);
  ck_assert_uint_eq(wants_finish(wants, 1), 0);
  ck_assert_uint_eq(wants_outstanding(wants), 0);
}
END_TEST

START_TEST(a_late_leaver_is_not_a_newer_reader) {
  wait_for(1, 7, 10);
  gint64 since = g_get_monotonic_time();
  ck_assert_uint_eq(wants_finish(wants, 1), 1);
  while (g_get_monotonic_time() == since)
    ;
  wait_for(1, 7, 10);
  wants_leave(wants, 1, since);
  ck_assert_uint_eq(wants_waiters(wants, 1), 1);
}
END_TEST

START_TEST(two_readers_share_one_fetch) {
  wait_for(1, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "1");
  wait_for(1, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "");
  ck_assert_uint_eq(wants_finish(wants, 1), 2);
}
END_TEST

START_TEST(returned_ones_come_first_with_a_try_more) {
  wait_for(1, 7, 10);
  wait_for(2, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 1), "1");
  wants_return(wants, 1);
  ck_assert_uint_eq(wants_outstanding(wants), 0);
  g_autoptr(GArray) got = g_array_new(FALSE, FALSE, sizeof(Want));
  wants_take(wants, ALL, 0, 1, 1, got);
  ck_assert_int_eq(g_array_index(got, Want, 0).row, 1);
  ck_assert_uint_eq(g_array_index(got, Want, 0).tries, 1);
}
END_TEST

static void give_back(gint64 from, gint64 to) {
  for (gint64 row = to; row >= from; row--)
    wants_return(wants, row);
}

/* One of them may be why the server refused them all. */
START_TEST(what_failed_together_is_tried_apart) {
  for (gint64 row = 1; row <= 30; row++)
    wait_for(row, 7, 10);
  ck_assert_uint_eq(strlen(take(ALL, 0, 1000, 29)), 9 * 2 + 20 * 3 - 1);
  give_back(1, 29);
  ck_assert_str_eq(take(ALL, 7, 1000, 40), "");
  ck_assert_str_eq(take(ALL, 0, 1000, 40), "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
  give_back(3, 20);
  ck_assert_str_eq(take(ALL, 0, 1000, 40), "3");
  ck_assert_str_eq(take(ALL, 0, 1000, 40), "4");
  for (gint64 row = 5; row <= 20; row++)
    wants_finish(wants, row);
  ck_assert_str_eq(take(ALL, 0, 1000, 40), "21 22 23 24 25 26 27 28 29");
  ck_assert_str_eq(take(ALL, 0, 1000, 40), "30");
}
END_TEST

START_TEST(giving_up_takes_readers_that_nobody_serves) {
  wait_for(1, 7, 10);
  wait_for(2, 7, 10);
  ahead(3, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 1), "1");
  g_autoptr(GArray) rows = wants_give_up(wants, WANTS_READER);
  ck_assert_uint_eq(rows->len, 1);
  ck_assert_int_eq(g_array_index(rows, gint64, 0), 2);
  ck_assert_uint_eq(wants_waiters(wants, 1), 1);
  wants_drop_ahead(wants, 0);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "");
}
END_TEST

static gpointer close_it(gpointer data) {
  wants_close(data);
  return NULL;
}

START_TEST(await_ends_by_close) {
  GThread *thread = g_thread_new("close", close_it, wants);
  ck_assert(!wants_await(wants, ALL));
  g_thread_join(thread);
}
END_TEST

START_TEST(ahead_has_an_end) {
  for (gint64 row = 1; row <= WANTS_AHEAD_MAX + 5; row++)
    ahead(row, 7, 0);
  g_autoptr(GArray) got = g_array_new(FALSE, FALSE, sizeof(Want));
  ck_assert_uint_eq(wants_take(wants, ALL, 0, 1, G_MAXUINT, got), WANTS_AHEAD_MAX);
}
END_TEST

START_TEST(what_is_parked_waits_for_its_new_place) {
  wait_for(1, 7, 10);
  wait_for(2, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "1 2");
  wants_park(wants, 1);
  ck_assert(wants_is_parked(wants, 1));
  ck_assert_uint_eq(wants_outstanding(wants), 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "");
  ck_assert(!wants_move(wants, 2, 8, 5)); /* it is asked for */
  ck_assert(wants_move(wants, 1, 8, 5));
  ck_assert_str_eq(take(ALL, 7, 1000, 10), "");
  ck_assert_str_eq(take(ALL, 8, 1000, 10), "1");
}
END_TEST

START_TEST(what_is_parked_can_be_given_up_and_asked_for_anew) {
  wait_for(1, 7, 10);
  wait_for(2, 7, 10);
  ahead(3, 7, 10);
  ck_assert_str_eq(take(ALL, 0, 1000, 10), "1 2 3");
  wants_park(wants, 1);
  wants_park(wants, 2);
  wants_park(wants, 3); /* for nobody: forgotten */
  wait_for(2, 8, 10);
  ck_assert_str_eq(take(ALL, 8, 1000, 10), "2");
  g_autoptr(GArray) rows = wants_give_up(wants, WANTS_READER);
  ck_assert_uint_eq(rows->len, 1);
  ck_assert(!wants_is_parked(wants, 1));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/wants");
  TCase *tests = tcase_create("wants");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, readers_go_first);
  tcase_add_test(tests, what_is_parked_waits_for_its_new_place);
  tcase_add_test(tests, what_is_parked_can_be_given_up_and_asked_for_anew);
  tcase_add_test(tests, cut_by_bytes_and_count);
  tcase_add_test(tests, one_mailbox_at_a_time);
  tcase_add_test(tests, a_reader_elsewhere_stops_reading_ahead_here);
  tcase_add_test(tests, a_reader_elsewhere_is_not_overtaken_for_ever);
  tcase_add_test(tests, large_bodies_go_alone_and_where_asked);
  tcase_add_test(tests, what_is_large_stays_so);
  tcase_add_test(tests, leaving_forgets_only_what_is_not_asked_for);
  tcase_add_test(tests, a_late_leaver_is_not_a_newer_reader);
  tcase_add_test(tests, two_readers_share_one_fetch);
  tcase_add_test(tests, returned_ones_come_first_with_a_try_more);
  tcase_add_test(tests, what_failed_together_is_tried_apart);
  tcase_add_test(tests, giving_up_takes_readers_that_nobody_serves);
  tcase_add_test(tests, await_ends_by_close);
  tcase_add_test(tests, ahead_has_an_end);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
