/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/agenda.h"
#include "tests/suite.h"

/* ---- freshness -------------------------------------------------------------------------------------- */

START_TEST(a_listed_folder_is_refreshed_until_verified) {
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  AgendaTask first = task();
  ck_assert_int_eq(first.row, 3);
  ck_assert(first.asked && !first.sweep && !first.said && !first.verified);
  verified(3);
  ck_assert_int_eq(want_listed(3), SYNC_FRESH);
  pass(14);
  ck_assert_int_eq(want_listed(3), SYNC_FRESH);
  pass(1);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
}
END_TEST

START_TEST(doubt_outweighs_the_clock) {
  verified(3);
  agenda_doubt(agenda, 3, NULL);
  AgendaTask doubted = task();
  ck_assert_int_eq(doubted.row, 3);
  ck_assert(!doubted.asked);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert(task().asked);
}
END_TEST

START_TEST(doubt_outlives_a_look_that_began_before) {
  gint64 started = clock_now;
  pass(1);
  agenda_doubt(agenda, 3, NULL);
  agenda_verified(agenda, 3, started, FALSE);
  ck_assert_int_eq(task().row, 3);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  verified(3);
  ck_assert_int_eq(want_listed(3), SYNC_FRESH);
}
END_TEST

START_TEST(what_a_sweep_verified_meanwhile_is_only_told) {
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert_int_eq(want_listed(4), SYNC_REFRESHING);
  ck_assert_int_eq(task().row, 3);
  pass(1);
  verified(4);
  AgendaTask second = task();
  ck_assert_int_eq(second.row, 4);
  ck_assert(second.verified && second.asked);
}
END_TEST

/* ---- first listings ----------------------------------------------------------------------------------- */

START_TEST(an_unlisted_folder_is_listed_once) {
  ck_assert_int_eq(want(4, INDEX_UNLISTED, 0), SYNC_LISTING);
  ck_assert_int_eq(agenda_next_first(agenda), 4);
  ck_assert_int_eq(want(4, INDEX_PARTIAL, 0), SYNC_LISTING);
  ck_assert(!agenda_others_first(agenda));
  agenda_put_off(agenda, 4);
  ck_assert(agenda_others_first(agenda));
  ck_assert_int_eq(agenda_next_first(agenda), 4);
  agenda_end_first(agenda, 4, TRUE);
  ck_assert_int_eq(want(4, INDEX_PARTIAL, 0), SYNC_LISTING);
  ck_assert_int_eq(agenda_next_first(agenda), 4);
}
END_TEST

START_TEST(a_renumbered_folder_is_listed_anew) {
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert_int_eq(task().row, 3);
  agenda_relist(agenda, 3);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING); /* and waits for that listing */
  ck_assert_int_eq(agenda_next_first(agenda), 3);
  ck_assert_uint_eq(taken(AGENDA_REFRESH), 0);
}
END_TEST

START_TEST(news_during_a_first_listing_follow_it) {
  ck_assert_int_eq(want(4, INDEX_UNLISTED, 0), SYNC_LISTING);
  ck_assert_int_eq(agenda_next_first(agenda), 4);
  agenda_doubt(agenda, 4, NULL);
  ck_assert_uint_eq(taken(AGENDA_NEWS), 0);
  agenda_end_first(agenda, 4, TRUE);
  ck_assert_int_eq(task().row, 4);
}
END_TEST

START_TEST(news_of_a_listing_count_only_while_it_runs) {
  ck_assert_int_eq(want(3, INDEX_UNLISTED, 0), SYNC_LISTING);
  agenda_doubt_listing(agenda, 3);
  ck_assert_int_eq(agenda_next_first(agenda), 3);
  agenda_verified(agenda, 3, clock_now, TRUE);
  agenda_end_first(agenda, 3, TRUE);
  agenda_doubt_listing(agenda, 3);
  ck_assert_int_eq(want_listed(3), SYNC_FRESH);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(news_of_a_running_listing_follow_it) {
  ck_assert_int_eq(want(3, INDEX_UNLISTED, 0), SYNC_LISTING);
  ck_assert_int_eq(agenda_next_first(agenda), 3);
  gint64 started = clock_now;
  pass(1);
  agenda_doubt_listing(agenda, 3);
  agenda_verified(agenda, 3, started, TRUE);
  agenda_end_first(agenda, 3, TRUE);
  ck_assert_int_eq(task().row, 3);
}
END_TEST

/* ---- claims ----------------------------------------------------------------------------------------------- */

START_TEST(what_is_claimed_comes_back_when_it_is_free) {
  ImapStatus status = {.has_messages = TRUE, .messages = 7};
  agenda_doubt(agenda, 3, &status);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  AgendaTask first = task();
  agenda_postpone(agenda, &first);
  agenda_doubt(agenda, 3, NULL); /* the echo of what its holder does there */
  agenda_refresh(agenda, 4);
  ck_assert_int_eq(task().row, 4);
  agenda_freed(agenda, 3);
  AgendaTask again = task();
  ck_assert_int_eq(again.row, 3);
  ck_assert(again.asked);
  ck_assert(!again.said); /* of before the echo */
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(one_that_is_free_before_it_is_postponed_comes_back) {
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  AgendaTask first = task();
  agenda_freed(agenda, 3);
  agenda_postpone(agenda, &first);
  ck_assert(task().asked);
  ck_assert(!has_work(next_task));
}
END_TEST

START_TEST(a_claimed_first_listing_comes_back_once) {
  ck_assert_int_eq(want(4, INDEX_UNLISTED, 0), SYNC_LISTING);
  AgendaTask first = {.row = agenda_next_first(agenda)};
  agenda_postpone(agenda, &first);
  ck_assert_int_eq(want(4, INDEX_UNLISTED, 0), SYNC_LISTING);
  ck_assert(!agenda_others_first(agenda));
  agenda_freed(agenda, 4);
  ck_assert_int_eq(agenda_next_first(agenda), 4);
  agenda_end_first(agenda, 4, TRUE);
  agenda_freed(agenda, 4);
  ck_assert(!agenda_others_first(agenda));
}
END_TEST

START_TEST(nobody_waits_for_a_claim_offline) {
  ck_assert_int_eq(want(4, INDEX_UNLISTED, 0), SYNC_LISTING);
  AgendaTask first = {.row = agenda_next_first(agenda)};
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  AgendaTask second = task();
  agenda_postpone(agenda, &first);
  agenda_postpone(agenda, &second);
  agenda_online(agenda, FALSE, "no route");
  ck_assert_uint_eq(taken(AGENDA_NEWS), 0);
  ck_assert_uint_eq(taken(AGENDA_REFRESH), 1);
  ck_assert_uint_eq(taken(AGENDA_FIRST), 1);
}
END_TEST

START_TEST(who_asks_offline_has_it_tried_again) {
  ck_assert_int_eq(want(4, INDEX_UNLISTED, 0), SYNC_LISTING);
  AgendaTask first = {.row = agenda_next_first(agenda)};
  agenda_postpone(agenda, &first);
  agenda_online(agenda, FALSE, "no route");
  ck_assert_int_eq(want(4, INDEX_UNLISTED, 0), SYNC_LISTING);
  ck_assert_int_eq(agenda_next_first(agenda), 4);
}
END_TEST

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

/* ---- news ---------------------------------------------------------------------------------------------- */

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
  Suite *suite = suite_create("cache/agenda");
  TCase *tests = tcase_create("all");
  tcase_add_checked_fixture(tests, agenda_setup, agenda_teardown);
  tcase_add_test(tests, a_listed_folder_is_refreshed_until_verified);
  tcase_add_test(tests, doubt_outweighs_the_clock);
  tcase_add_test(tests, doubt_outlives_a_look_that_began_before);
  tcase_add_test(tests, what_a_sweep_verified_meanwhile_is_only_told);
  tcase_add_test(tests, an_unlisted_folder_is_listed_once);
  tcase_add_test(tests, a_renumbered_folder_is_listed_anew);
  tcase_add_test(tests, news_during_a_first_listing_follow_it);
  tcase_add_test(tests, news_of_a_listing_count_only_while_it_runs);
  tcase_add_test(tests, news_of_a_running_listing_follow_it);
  tcase_add_test(tests, what_is_claimed_comes_back_when_it_is_free);
  tcase_add_test(tests, one_that_is_free_before_it_is_postponed_comes_back);
  tcase_add_test(tests, a_claimed_first_listing_comes_back_once);
  tcase_add_test(tests, nobody_waits_for_a_claim_offline);
  tcase_add_test(tests, who_asks_offline_has_it_tried_again);
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
  tcase_add_test(tests, news_go_first_and_are_one_task);
  tcase_add_loop_test(tests, news_without_end_rest, 0, G_N_ELEMENTS(rests));
  tcase_add_test(tests, a_comparison_that_failed_is_followed_by_no_rest);
  tcase_add_test(tests, a_reader_does_not_wait_for_a_rest);
  tcase_add_test(tests, what_a_reader_had_compared_is_followed_by_no_rest);
  tcase_add_test(tests, who_waits_for_work_wakes_at_the_end_of_a_rest);
  tcase_add_test(tests, news_of_a_queued_folder_bring_it_to_the_head);
  tcase_add_test(tests, news_during_their_delta_are_another);
  tcase_add_test(tests, news_go_before_a_sweep_but_not_for_ever);
  tcase_add_test(tests, lessons_come_last_and_in_their_time);
  tcase_add_test(tests, no_lesson_before_its_time);
  tcase_add_test(tests, no_lesson_while_offline);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
