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

int main(void) {
  Suite *suite = suite_create("cache/agenda");
  TCase *tests = tcase_create("agenda");
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
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
