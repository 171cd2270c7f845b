/* SPDX-License-Identifier: MIT */
/* What the syncing thread does next, and when. News are in test_agenda_news.c. */
#include <check.h>

#include "tests/agenda.h"
#include "tests/suite.h"

/* ---- sweeps -------------------------------------------------------------------------------------------- */

START_TEST(a_directory_wants_a_sweep) {
  ck_assert_int_eq(want(5, INDEX_UNLISTED, IMAP_ATTR_NOSELECT), SYNC_REFRESHING);
  AgendaTask next = task();
  ck_assert(next.sweep);
  ck_assert_int_eq(next.row, 0);
  g_autoptr(GArray) rows = agenda_take(agenda, AGENDA_TREE);
  ck_assert_uint_eq(rows->len, 1);
  ck_assert_int_eq(g_array_index(rows, gint64, 0), 5);
}
END_TEST

START_TEST(a_reader_sweeps_where_the_last_one_is_old) {
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert(!task().sweep);
  pass(16);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  AgendaTask next = task();
  ck_assert(next.sweep);
  ck_assert_int_eq(next.row, 3);
}
END_TEST

START_TEST(a_failed_sweep_is_not_repeated_at_once) {
  agenda_swept(agenda, FALSE);
  pass(9);
  agenda_refresh(agenda, 3);
  pass(0);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert(task().sweep); /* the last good one is old: a reader may ask */
  agenda_swept(agenda, FALSE);
  pass(10);
  ck_assert(task().sweep);
}
END_TEST

static void lose_and_sweep_after(gint64 delay) {
  agenda_lost(agenda);
  pass(delay);
  ck_assert(task().sweep);
  agenda_swept(agenda, TRUE);
}

START_TEST(a_line_lost_over_a_folder_is_a_sweep_at_once_and_then_less_and_less) {
  lose_and_sweep_after(0);
  lose_and_sweep_after(10);
  lose_and_sweep_after(20);
  agenda_lost(agenda);
  pass(39);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(one_lost_long_after_is_another_matter) {
  lose_and_sweep_after(0);
  lose_and_sweep_after(10);
  pass(60);
  lose_and_sweep_after(0);
}
END_TEST

START_TEST(to_begin_again_forgets_lost_lines) {
  lose_and_sweep_after(0);
  lose_and_sweep_after(10);
  agenda_begin_again(agenda);
  ck_assert(task().sweep);
  agenda_swept(agenda, TRUE);
  lose_and_sweep_after(0);
}
END_TEST

START_TEST(a_reader_need_not_wait_for_that) {
  agenda_lost(agenda);
  agenda_swept(agenda, TRUE);
  agenda_lost(agenda);
  pass(1);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert_int_eq(task().row, 3);
}
END_TEST

START_TEST(without_push_a_sweep_is_due_each_minute) {
  pass(60);
  ck_assert(task().sweep);
}
END_TEST

START_TEST(without_push_no_sweep_is_due_before) {
  pass(59);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(many_single_questions_come_less_often) {
  agenda_counted(agenda, 400, 300, 300);
  pass(359);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(with_push_a_sweep_is_due_every_five_minutes) {
  agenda_pushed_all(agenda);
  pass(300);
  ck_assert(task().sweep);
}
END_TEST

START_TEST(with_push_no_sweep_is_due_before) {
  agenda_pushed_all(agenda);
  pass(299);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(a_lost_push_polls_again) {
  agenda_pushed_all(agenda);
  pass(100);
  agenda_watch_ended(agenda, AGENDA_WATCH_LOST);
  ck_assert(task().sweep);
}
END_TEST

START_TEST(to_look_again_is_a_sweep_now) {
  agenda_pushed_all(agenda);
  agenda_look_again(agenda);
  ck_assert(task().sweep);
}
END_TEST

/* ---- refused folders ----------------------------------------------------------------------------------- */

START_TEST(a_refused_folder_is_looked_for_once_for_each_doubt) {
  pass(1);
  agenda_doubt(agenda, 2, NULL);
  ck_assert_int_eq(task().row, 2);
  ck_assert(agenda_refused(agenda, 2));
  ck_assert(task().sweep);
  pass(1);
  agenda_swept(agenda, TRUE);
  pass(1);
  ck_assert_int_eq(want_listed(2), SYNC_REFRESHING);
  ck_assert_int_eq(task().row, 2);
  ck_assert(!agenda_refused(agenda, 2));
  ck_assert(!has_work(next_task));
}
END_TEST

static void refuse(gint64 row) {
  agenda_doubt(agenda, row, NULL);
  ck_assert_int_eq(task().row, row);
  ck_assert(agenda_refused(agenda, row));
}

/* Each sweep says that it is another than we know. */
START_TEST(a_folder_that_is_refused_after_each_sweep_is_looked_for_less_and_less) {
  refuse(2);
  ck_assert(task().sweep);
  for (gint64 delay = 10; delay <= 40; delay *= 2) {
    agenda_swept(agenda, TRUE);
    refuse(2);
    pass(delay);
    ck_assert(task().sweep);
  }
  agenda_swept(agenda, TRUE);
  refuse(2);
  pass(59);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(trouble_never_puts_a_sweep_off) {
  agenda_pushed_all(agenda);
  for (guint i = 0; i < 20; i++) {
    agenda_lost(agenda);
    if (i == 0) {
      ck_assert(task().sweep);
      agenda_swept(agenda, TRUE);
    }
    pass(1);
  }
  ck_assert(task().sweep); /* that which was due 10 s after the second */
}
END_TEST

START_TEST(a_refused_folder_is_looked_for_now_and_then) {
  ck_assert(!agenda_refused(agenda, 2));
  pass(15);
  ck_assert(agenda_refused(agenda, 2));
  ck_assert(task().sweep);
}
END_TEST

/* ---- lessons ------------------------------------------------------------------------------------------- */

START_TEST(lessons_come_last_and_in_their_time) {
  agenda_learn(agenda, clock_now + 5 * S);
  agenda_learn(agenda, clock_now + 3 * S);
  agenda_learn(agenda, clock_now + 4 * S);
  agenda_learn(agenda, 0);
  pass(3);
  agenda_doubt(agenda, 3, NULL);
  AgendaTask first = task(), second = task();
  ck_assert(first.row == 3 && !first.learn);
  ck_assert(second.row == 0 && !second.sweep && second.learn);
  ck_assert(!has_work(next_task)); /* once */
}
END_TEST

START_TEST(no_lesson_before_its_time) {
  agenda_learn(agenda, clock_now + 5 * S);
  pass(4);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(no_lesson_while_offline) {
  agenda_learn(agenda, clock_now + S);
  agenda_online(agenda, FALSE, "away");
  next_try_at = clock_now + 100 * S;
  agenda_swept(agenda, TRUE);
  pass(2);
  ck_assert(!has_work(next_task));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/agenda: sweeps");
  TCase *tests = tcase_create("sweeps");
  tcase_add_checked_fixture(tests, agenda_setup, agenda_teardown);
  tcase_add_test(tests, a_directory_wants_a_sweep);
  tcase_add_test(tests, a_reader_sweeps_where_the_last_one_is_old);
  tcase_add_test(tests, a_failed_sweep_is_not_repeated_at_once);
  tcase_add_test(tests, a_line_lost_over_a_folder_is_a_sweep_at_once_and_then_less_and_less);
  tcase_add_test(tests, one_lost_long_after_is_another_matter);
  tcase_add_test(tests, to_begin_again_forgets_lost_lines);
  tcase_add_test(tests, a_reader_need_not_wait_for_that);
  tcase_add_test(tests, without_push_a_sweep_is_due_each_minute);
  tcase_add_test(tests, without_push_no_sweep_is_due_before);
  tcase_add_test(tests, many_single_questions_come_less_often);
  tcase_add_test(tests, with_push_a_sweep_is_due_every_five_minutes);
  tcase_add_test(tests, with_push_no_sweep_is_due_before);
  tcase_add_test(tests, a_lost_push_polls_again);
  tcase_add_test(tests, to_look_again_is_a_sweep_now);
  tcase_add_test(tests, a_refused_folder_is_looked_for_once_for_each_doubt);
  tcase_add_test(tests, a_refused_folder_is_looked_for_now_and_then);
  tcase_add_test(tests, a_folder_that_is_refused_after_each_sweep_is_looked_for_less_and_less);
  tcase_add_test(tests, trouble_never_puts_a_sweep_off);
  tcase_add_test(tests, lessons_come_last_and_in_their_time);
  tcase_add_test(tests, no_lesson_before_its_time);
  tcase_add_test(tests, no_lesson_while_offline);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
