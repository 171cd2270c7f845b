/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/agenda.h"
#include "tests/suite.h"

static void want_flags(gint64 row, guint32 exists, guint64 modseq) {
  IndexMailbox mailbox = {.row = row, .listed = INDEX_LISTED, .exists = exists, .modseq = modseq};
  agenda_want_flags(agenda, &mailbox);
}

/* A comparison that took so many seconds and has just ended. */
static void compared(gint64 row, gint64 seconds) {
  gint64 started = clock_now;
  pass(seconds);
  agenda_verified(agenda, row, started, TRUE);
}

START_TEST(flags_are_compared_now_and_then) {
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_OLD);
  compared(3, 0);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_KNOWN);
  pass(3601);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_OLD);
}
END_TEST

START_TEST(flags_that_moved_are_news) {
  compared(3, 0);
  pass(1);
  agenda_doubt_flags(agenda, 3);
  ck_assert_int_eq(task().row, 3);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_WANTED);
  compared(3, 0);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_KNOWN);
}
END_TEST

START_TEST(what_moves_during_a_comparison_is_compared_again) {
  compared(3, 0);
  gint64 started = clock_now;
  pass(1);
  agenda_doubt_flags(agenda, 3);
  agenda_verified(agenda, 3, started, TRUE);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_WANTED);
  ck_assert_int_eq(task().row, 3);
}
END_TEST

START_TEST(a_look_that_leaves_flags_out_is_not_enough) {
  compared(3, 0);
  pass(20);
  want_flags(3, 10, 0);
  pass(1);
  verified(3);
  AgendaTask next = task();
  ck_assert_int_eq(next.row, 3);
  ck_assert(!next.verified);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_WANTED);
}
END_TEST

START_TEST(readers_have_flags_compared_after_refresh) {
  compared(3, 0);
  pass(14);
  want_flags(3, 10, 0);
  ck_assert_uint_eq(taken(AGENDA_REFRESH), 0);
  pass(1);
  want_flags(3, 10, 0);
  want_flags(3, 10, 0);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_WANTED);
  ck_assert_int_eq(task().row, 3);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_WANTED);
}
END_TEST

START_TEST(what_costs_much_is_compared_less_often) {
  compared(3, 10);
  pass(29);
  want_flags(3, 10, 0);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_KNOWN);
  pass(1);
  want_flags(3, 10, 0);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_WANTED);
  compared(4, 0);
  pass(20);
  want_flags(4, AGENDA_FLAGS_MOST + 1, 0);
  ck_assert_int_eq(agenda_flags_due(agenda, 4), AGENDA_FLAGS_KNOWN);
}
END_TEST

START_TEST(a_server_that_tells_of_flags_is_believed) {
  agenda_flags_told(agenda, TRUE);
  compared(3, 0);
  pass(20);
  want_flags(3, 10, 7);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_KNOWN);
  want_flags(3, 10, 0); /* NOMODSEQ */
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_WANTED);
}
END_TEST

START_TEST(idle_tells_of_flags_since_they_were_compared) {
  compared(3, 0);
  pass(20);
  agenda_pushed(agenda, 3);
  want_flags(3, 10, 0);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_WANTED);
  pass(1);
  compared(3, 0);
  pass(20);
  want_flags(3, 10, 0);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_KNOWN);
}
END_TEST

START_TEST(notify_does_not_tell_of_flags) {
  agenda_pushed_all(agenda);
  agenda_told(agenda, 3);
  pass(1);
  compared(3, 0);
  pass(20);
  want_flags(3, 10, 0);
  ck_assert_int_eq(agenda_flags_due(agenda, 3), AGENDA_FLAGS_WANTED);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/agenda_flags");
  TCase *tests = tcase_create("all");
  tcase_add_checked_fixture(tests, agenda_setup, agenda_teardown);
  tcase_add_test(tests, flags_are_compared_now_and_then);
  tcase_add_test(tests, flags_that_moved_are_news);
  tcase_add_test(tests, what_moves_during_a_comparison_is_compared_again);
  tcase_add_test(tests, a_look_that_leaves_flags_out_is_not_enough);
  tcase_add_test(tests, readers_have_flags_compared_after_refresh);
  tcase_add_test(tests, what_costs_much_is_compared_less_often);
  tcase_add_test(tests, a_server_that_tells_of_flags_is_believed);
  tcase_add_test(tests, idle_tells_of_flags_since_they_were_compared);
  tcase_add_test(tests, notify_does_not_tell_of_flags);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
