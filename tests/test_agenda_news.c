/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/agenda.h"
#include "tests/suite.h"

START_TEST(news_go_first_and_are_one_task) {
  ImapStatus status = {.has_messages = TRUE, .messages = 7};
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  agenda_doubt(agenda, 4, NULL);
  agenda_doubt(agenda, 4, &status);
  AgendaTask first = task();
  ck_assert_int_eq(first.row, 4);
  ck_assert(first.said);
  ck_assert_uint_eq(first.status.messages, 7);
  ck_assert_int_eq(task().row, 3);
  ck_assert_uint_eq(taken(AGENDA_NEWS), 0);
}
END_TEST

START_TEST(news_of_a_queued_folder_bring_it_to_the_head) {
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert_int_eq(want_listed(4), SYNC_REFRESHING);
  agenda_doubt(agenda, 4, NULL);
  AgendaTask first = task();
  ck_assert_int_eq(first.row, 4);
  ck_assert(first.asked);
}
END_TEST

START_TEST(news_during_their_delta_are_another) {
  agenda_doubt(agenda, 4, NULL);
  ck_assert_int_eq(task().row, 4);
  agenda_doubt(agenda, 4, NULL);
  ck_assert_int_eq(task().row, 4);
}
END_TEST

/* News of folder 4 have been looked after, which took so long, and there are others. */
static void follow_news(gint64 seconds, gboolean well) {
  agenda_pushed_all(agenda);
  agenda_doubt(agenda, 4, NULL);
  ck_assert_int_eq(task().row, 4);
  gint64 started = clock_now;
  pass(seconds);
  agenda_doubt(agenda, 4, NULL);
  if (well)
    agenda_verified(agenda, 4, started, FALSE);
}

static const struct {
  gint64 took, after;
  gboolean due;
} rests[] = {{0, 0, TRUE}, {2, 0, FALSE}, {2, 7, FALSE}, {2, 8, TRUE}, {60, 29, FALSE}, {60, 30, TRUE}};

START_TEST(news_without_end_rest) {
  AgendaTask ignored;
  follow_news(rests[_i].took, TRUE);
  agenda_doubt(agenda, 5, NULL);
  ck_assert(agenda_next_task(agenda, &ignored)); /* the next one is asked for when the last has ended */
  ck_assert_int_eq(ignored.row, rests[_i].took == 0 ? 4 : 5);
  if (rests[_i].took == 0)
    return;
  pass(rests[_i].after);
  ck_assert_int_eq(has_work(next_task), rests[_i].due);
}
END_TEST

START_TEST(a_comparison_that_failed_is_followed_by_no_rest) {
  follow_news(2, FALSE);
  ck_assert_int_eq(task().row, 4);
}
END_TEST

START_TEST(a_reader_does_not_wait_for_a_rest) {
  follow_news(2, TRUE);
  GThread *thread = begin_work(next_task);
  ck_assert_int_eq(want_listed(4), SYNC_REFRESHING);
  ck_assert(GPOINTER_TO_INT(g_thread_join(thread)));
}
END_TEST

START_TEST(what_a_reader_had_compared_is_followed_by_no_rest) {
  agenda_doubt(agenda, 4, NULL);
  ck_assert_int_eq(want_listed(4), SYNC_REFRESHING);
  ck_assert_int_eq(task().row, 4);
  gint64 started = clock_now;
  pass(2);
  agenda_verified(agenda, 4, started, FALSE);
  agenda_doubt(agenda, 4, NULL);
  ck_assert_int_eq(task().row, 4);
}
END_TEST

START_TEST(who_waits_for_work_wakes_at_the_end_of_a_rest) {
  AgendaSetup setup = {.refresh = 15};
  g_autoptr(Agenda) real = agenda_new(&setup);
  AgendaTask next;
  agenda_online(real, TRUE, NULL);
  agenda_swept(real, TRUE);
  agenda_doubt(real, 4, NULL);
  ck_assert(agenda_next_task(real, &next));
  gint64 started = g_get_monotonic_time(), ended;
  while ((ended = g_get_monotonic_time()) - started < 260000)
    g_usleep(1000);
  agenda_verified(real, 4, started, FALSE);
  agenda_doubt(real, 4, NULL);
  ck_assert(agenda_next_task(real, &next));
  ck_assert_int_eq(next.row, 4);
  ck_assert_int_ge(g_get_monotonic_time(), ended + 1040000);
}
END_TEST

START_TEST(news_go_before_a_sweep_but_not_for_ever) {
  guint before = 0;
  agenda_look_again(agenda);
  for (;; before++) {
    agenda_doubt(agenda, 4, NULL);
    AgendaTask next = task();
    if (next.sweep)
      break;
    ck_assert_int_eq(next.row, 4);
    ck_assert_uint_lt(before, 1000);
  }
  ck_assert_uint_gt(before, 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/agenda: news");
  TCase *tests = tcase_create("news");
  tcase_add_checked_fixture(tests, agenda_setup, agenda_teardown);
  tcase_add_test(tests, news_go_first_and_are_one_task);
  tcase_add_loop_test(tests, news_without_end_rest, 0, G_N_ELEMENTS(rests));
  tcase_add_test(tests, a_comparison_that_failed_is_followed_by_no_rest);
  tcase_add_test(tests, a_reader_does_not_wait_for_a_rest);
  tcase_add_test(tests, what_a_reader_had_compared_is_followed_by_no_rest);
  tcase_add_test(tests, who_waits_for_work_wakes_at_the_end_of_a_rest);
  tcase_add_test(tests, news_of_a_queued_folder_bring_it_to_the_head);
  tcase_add_test(tests, news_during_their_delta_are_another);
  tcase_add_test(tests, news_go_before_a_sweep_but_not_for_ever);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
