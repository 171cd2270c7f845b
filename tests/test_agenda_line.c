/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/agenda.h"
#include "tests/suite.h"

/* ---- push ----------------------------------------------------------------------------------------------- */

START_TEST(what_was_verified_since_push_began_is_fresh_until_news) {
  agenda_pushed_all(agenda);
  told_and_verified(3);
  pass(59);
  ck_assert_int_eq(want_listed(3), SYNC_FRESH);
  ck_assert_uint_eq(taken(AGENDA_REFRESH), 0);
  agenda_doubt(agenda, 3, NULL);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
}
END_TEST

START_TEST(what_was_verified_before_push_began_is_not_covered) {
  verified(3);
  pass(16);
  agenda_pushed_all(agenda);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
}
END_TEST

/* Folders of others are not told of; which they are shows when the server tells how things stand. */
START_TEST(what_the_server_has_not_told_of_is_not_covered) {
  agenda_pushed_all(agenda);
  told_and_verified(3);
  verified(4);
  pass(16);
  ck_assert_int_eq(want_listed(3), SYNC_FRESH);
  ck_assert_int_eq(want_listed(4), SYNC_REFRESHING);
}
END_TEST

START_TEST(directories_are_covered_by_names) {
  agenda_pushed_all(agenda);
  verified(5);
  pass(16);
  ck_assert_int_eq(want(5, INDEX_UNLISTED, IMAP_ATTR_NOSELECT), SYNC_FRESH);
}
END_TEST

START_TEST(push_is_believed_and_looked_after) {
  agenda_pushed_all(agenda);
  told_and_verified(3);
  pass(60);
  ck_assert_int_eq(want_listed(3), SYNC_FRESH);
  AgendaTask behind = task();
  ck_assert_int_eq(behind.row, 3);
  ck_assert(!behind.asked && !behind.sweep);
}
END_TEST

START_TEST(push_of_one_folder_is_looked_after_sooner) {
  agenda_pushed(agenda, 3);
  verified(3);
  pass(16);
  ck_assert_int_eq(want_listed(3), SYNC_FRESH);
  AgendaTask behind = task();
  ck_assert_int_eq(behind.row, 3);
  ck_assert(!behind.asked && behind.sweep);
}
END_TEST

START_TEST(push_of_one_folder_covers_no_other) {
  agenda_pushed(agenda, 3);
  verified(3);
  verified(4);
  pass(16);
  ck_assert_int_eq(want_listed(3), SYNC_FRESH);
  ck_assert_int_eq(want_listed(4), SYNC_REFRESHING);
}
END_TEST

START_TEST(a_folder_that_is_only_asked_about_is_not_covered) {
  agenda_asked(agenda, 3);
  verified(3);
  pass(16);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert_int_eq(agenda_watch_row(agenda), 3);
}
END_TEST

START_TEST(the_end_of_push_ends_what_it_covered) {
  agenda_pushed_all(agenda);
  told_and_verified(3);
  pass(16);
  agenda_watch_ended(agenda, AGENDA_WATCH_LOST);
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
}
END_TEST

/* ---- the watching thread ------------------------------------------------------------------------------ */

START_TEST(the_first_folder_that_is_opened_is_watched) {
  ck_assert_int_eq(agenda_watch_row(agenda), 0);
  want_listed(3);
  ck_assert_int_eq(agenda_watch_row(agenda), 3);
}
END_TEST

START_TEST(the_first_folder_that_is_listed_is_watched) {
  want(3, INDEX_UNLISTED, 0);
  ck_assert_int_eq(agenda_next_first(agenda), 3);
  ck_assert_int_eq(agenda_watch_row(agenda), 0);
  agenda_end_first(agenda, 3, TRUE);
  ck_assert_int_eq(agenda_watch_row(agenda), 3);
}
END_TEST

START_TEST(a_folder_is_not_forgotten_that_is_opened_while_none_is_found) {
  ck_assert(agenda_await_watch(agenda));
  want_listed(4);
  agenda_watch_ended(agenda, AGENDA_WATCH_NO_FOLDER);
  ck_assert(agenda_await_watch(agenda));
  ck_assert_int_eq(agenda_watch_row(agenda), 4);
}
END_TEST

START_TEST(a_walk_over_folders_does_not_make_it_hop) {
  agenda_pushed(agenda, 3);
  ck_assert_int_eq(agenda_watch_until(agenda), G_MAXINT64);
  ck_assert(!agenda_watch_is_late(agenda));
  guint calls = 0;
  for (gint64 row = 10; row < 400; row++) {
    want_listed(row);
    calls += agenda_watch_is_late(agenda) ? 1 : 0;
    clock_now += S / 10;
    ck_assert_int_eq(agenda_watch_row(agenda), 3);
  }
  ck_assert_uint_eq(calls, 1);
  pass(5);
  ck_assert_int_eq(agenda_watch_row(agenda), 399);
}
END_TEST

START_TEST(it_is_told_when_to_ask_again) {
  agenda_pushed(agenda, 3);
  want_listed(4);
  ck_assert_int_eq(agenda_watch_until(agenda), clock_now + 5 * S);
  ck_assert(!agenda_watch_is_late(agenda));
  want_listed(3); /* back where it sits */
  ck_assert_int_eq(agenda_watch_until(agenda), G_MAXINT64);
}
END_TEST

START_TEST(notify_sits_on_no_folder) {
  agenda_pushed_all(agenda);
  want_listed(4);
  ck_assert_int_eq(agenda_watch_until(agenda), G_MAXINT64);
  ck_assert(!agenda_watch_is_late(agenda));
}
END_TEST

START_TEST(a_folder_that_cannot_be_watched_is_not_tried_again) {
  want_listed(3);
  ck_assert(agenda_await_watch(agenda));
  agenda_watch_ended(agenda, AGENDA_WATCH_NO_FOLDER);
  ck_assert_int_eq(agenda_watch_row(agenda), 0);
  want_listed(4);
  ck_assert(agenda_await_watch(agenda));
  ck_assert_int_eq(agenda_watch_row(agenda), 4);
}
END_TEST

START_TEST(watching_waits_for_the_line) {
  agenda_online(agenda, FALSE, "no route");
  ck_assert(!has_work(await_watch));
}
END_TEST

START_TEST(a_watch_that_never_holds_is_tried_less_and_less) {
  for (guint i = 0; i < 12; i++) {
    pass(300);
    ck_assert(agenda_await_watch(agenda));
    agenda_pushed_all(agenda);
    agenda_watch_ended(agenda, AGENDA_WATCH_LOST);
  }
  pass(299);
  ck_assert(!has_work(await_watch));
}
END_TEST

START_TEST(a_watch_that_held_is_tried_again_soon) {
  for (guint i = 0; i < 20; i++) {
    ck_assert(agenda_await_watch(agenda));
    agenda_pushed_all(agenda);
    pass(61);
    agenda_watch_ended(agenda, AGENDA_WATCH_LOST);
    pass(1);
  }
}
END_TEST

START_TEST(to_begin_again_forgets_what_was_in_vain) {
  agenda_watch_ended(agenda, AGENDA_WATCH_NO_LINE);
  agenda_begin_again(agenda);
  ck_assert(agenda_await_watch(agenda));
}
END_TEST

/* ---- the line ------------------------------------------------------------------------------------------- */

START_TEST(offline_waits_for_the_next_try) {
  next_try_at = clock_now + 3600 * S;
  agenda_online(agenda, FALSE, "no route");
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  ck_assert(!task().sweep); /* only to be told */
  next_try_at = clock_now;
  ck_assert(task().sweep);
}
END_TEST

START_TEST(back_online_a_sweep_is_due) {
  ck_assert(agenda_online(agenda, FALSE, "no route"));
  ck_assert(!agenda_online(agenda, FALSE, "no route"));
  agenda_swept(agenda, TRUE);
  ck_assert(agenda_online(agenda, TRUE, NULL));
  ck_assert(task().sweep);
}
END_TEST

START_TEST(kicks_are_few_and_only_offline) {
  ck_assert(!agenda_kick(agenda));
  agenda_online(agenda, FALSE, "no route");
  ck_assert(agenda_kick(agenda));
  ck_assert(!agenda_kick(agenda));
  pass(3);
  ck_assert(agenda_kick(agenda));
}
END_TEST

START_TEST(those_who_wait_are_told_and_others_are_not) {
  ck_assert_int_eq(want_listed(3), SYNC_REFRESHING);
  agenda_refresh(agenda, 4);
  agenda_doubt(agenda, 5, NULL);
  ck_assert_uint_eq(taken(AGENDA_REFRESH), 1);
  ck_assert_uint_eq(taken(AGENDA_NEWS), 0);
  ck_assert_int_eq(want_listed(5), SYNC_REFRESHING); /* still in doubt */
  ck_assert_uint_eq(taken(AGENDA_REFRESH), 1);
}
END_TEST

START_TEST(the_state_can_be_told) {
  g_auto(AgendaState) state = {0};
  agenda_counted(agenda, 9, 4, 0);
  agenda_relist(agenda, 2);
  agenda_end_first(agenda, 2, TRUE);
  agenda_pushed(agenda, 7);
  agenda_doubt(agenda, 3, NULL);
  agenda_online(agenda, FALSE, "no route");
  pass(12);
  agenda_look(agenda, &state);
  ck_assert(!state.online);
  ck_assert_str_eq(state.why, "no route");
  ck_assert_int_eq(state.push, AGENDA_PUSH_FOLDER);
  ck_assert_int_eq(state.push_row, 7);
  ck_assert_uint_eq(state.folders, 9);
  ck_assert_uint_eq(state.listed, 4);
  ck_assert_uint_eq(state.queued[AGENDA_NEWS], 1);
  ck_assert_int_eq(state.swept, 12);
}
END_TEST

static gpointer close_it(gpointer data) {
  agenda_close(data);
  return NULL;
}

START_TEST(closing_ends_all_waits) {
  AgendaTask ret;
  GThread *thread = g_thread_new("close", close_it, agenda);
  ck_assert(!agenda_next_task(agenda, &ret));
  ck_assert_int_eq(agenda_next_first(agenda), 0);
  ck_assert(!agenda_await_watch(agenda));
  g_thread_join(thread);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/agenda_line");
  TCase *tests = tcase_create("all");
  tcase_add_checked_fixture(tests, agenda_setup, agenda_teardown);
  tcase_add_test(tests, what_was_verified_since_push_began_is_fresh_until_news);
  tcase_add_test(tests, what_was_verified_before_push_began_is_not_covered);
  tcase_add_test(tests, what_the_server_has_not_told_of_is_not_covered);
  tcase_add_test(tests, directories_are_covered_by_names);
  tcase_add_test(tests, push_is_believed_and_looked_after);
  tcase_add_test(tests, push_of_one_folder_is_looked_after_sooner);
  tcase_add_test(tests, push_of_one_folder_covers_no_other);
  tcase_add_test(tests, a_folder_that_is_only_asked_about_is_not_covered);
  tcase_add_test(tests, the_end_of_push_ends_what_it_covered);
  tcase_add_test(tests, the_first_folder_that_is_opened_is_watched);
  tcase_add_test(tests, the_first_folder_that_is_listed_is_watched);
  tcase_add_test(tests, a_folder_is_not_forgotten_that_is_opened_while_none_is_found);
  tcase_add_test(tests, a_walk_over_folders_does_not_make_it_hop);
  tcase_add_test(tests, it_is_told_when_to_ask_again);
  tcase_add_test(tests, notify_sits_on_no_folder);
  tcase_add_test(tests, a_folder_that_cannot_be_watched_is_not_tried_again);
  tcase_add_test(tests, watching_waits_for_the_line);
  tcase_add_test(tests, a_watch_that_never_holds_is_tried_less_and_less);
  tcase_add_test(tests, a_watch_that_held_is_tried_again_soon);
  tcase_add_test(tests, to_begin_again_forgets_what_was_in_vain);
  tcase_add_test(tests, offline_waits_for_the_next_try);
  tcase_add_test(tests, back_online_a_sweep_is_due);
  tcase_add_test(tests, kicks_are_few_and_only_offline);
  tcase_add_test(tests, those_who_wait_are_told_and_others_are_not);
  tcase_add_test(tests, the_state_can_be_told);
  tcase_add_test(tests, closing_ends_all_waits);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
