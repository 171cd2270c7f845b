/* SPDX-License-Identifier: MIT */
#include "cache/agenda.h"

#include <check.h>

#include "tests/suite.h"

#define S ((gint64)G_USEC_PER_SEC)

static Agenda *agenda;
static gint64 next_try_at, clock_now;
static gint looks; /* atomic: at the clock */

static gint64 next_try(gpointer data) {
  (void)data;
  return next_try_at;
}

static gint64 now(gpointer data) {
  (void)data;
  g_atomic_int_inc(&looks);
  return clock_now;
}

static void pass(gint64 seconds) {
  clock_now += seconds * S;
}

/* Online, and everything has just been looked at. */
static void setup(void) {
  AgendaSetup setup = {.refresh = 15, .now = now, .next_try = next_try};
  next_try_at = 0;
  clock_now = g_get_monotonic_time();
  agenda = agenda_new(&setup);
  agenda_online(agenda, TRUE, NULL);
  agenda_swept(agenda, TRUE);
}

static void teardown(void) {
  agenda_free(agenda);
}

static SyncAnswer want(gint64 row, IndexListed listed, guint attrs) {
  IndexMailbox mailbox = {.row = row, .listed = listed, .attrs = attrs};
  return agenda_want(agenda, &mailbox);
}

static SyncAnswer want_listed(gint64 row) {
  return want(row, INDEX_LISTED, 0);
}

static void told_and_verified(gint64 row) {
  agenda_told(agenda, row);
  agenda_verified(agenda, row, clock_now, FALSE);
}

static void verified(gint64 row) {
  agenda_verified(agenda, row, clock_now, FALSE);
}

static AgendaTask task(void) {
  AgendaTask ret;
  ck_assert(agenda_next_task(agenda, &ret));
  return ret;
}

static gpointer next_task(gpointer data) {
  AgendaTask ret;
  return GINT_TO_POINTER(agenda_next_task(data, &ret));
}

static gpointer await_watch(gpointer data) {
  return GINT_TO_POINTER(agenda_await_watch(data));
}

/* Whether it finds something to do. Who finds nothing sleeps, and lets go of the lock, which closing needs. The end of
 * the agenda. */
static gboolean has_work(GThreadFunc func) {
  gint before = g_atomic_int_get(&looks);
  GThread *thread = g_thread_new("work", func, agenda);
  while (g_atomic_int_get(&looks) == before)
    g_thread_yield();
  agenda_close(agenda);
  return GPOINTER_TO_INT(g_thread_join(thread));
}

static guint taken(AgendaQueue queue) {
  g_autoptr(GArray) rows = agenda_take(agenda, queue);
  return rows->len;
}

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

START_TEST(flags_are_due_now_and_then) {
  ck_assert(agenda_flags_due(agenda, 3));
  agenda_verified(agenda, 3, clock_now, TRUE);
  ck_assert(!agenda_flags_due(agenda, 3));
  pass(3601);
  ck_assert(agenda_flags_due(agenda, 3));
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

/* ---- sweeps -------------------------------------------------------------------------------------------- */

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
  Suite *suite = suite_create("cache/agenda");
  TCase *tests = tcase_create("agenda");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, a_listed_folder_is_refreshed_until_verified);
  tcase_add_test(tests, doubt_outweighs_the_clock);
  tcase_add_test(tests, doubt_outlives_a_look_that_began_before);
  tcase_add_test(tests, what_a_sweep_verified_meanwhile_is_only_told);
  tcase_add_test(tests, flags_are_due_now_and_then);
  tcase_add_test(tests, an_unlisted_folder_is_listed_once);
  tcase_add_test(tests, a_renumbered_folder_is_listed_anew);
  tcase_add_test(tests, news_during_a_first_listing_follow_it);
  tcase_add_test(tests, news_of_a_listing_count_only_while_it_runs);
  tcase_add_test(tests, news_of_a_running_listing_follow_it);
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
  tcase_add_test(tests, news_go_first_and_are_one_task);
  tcase_add_test(tests, news_of_a_queued_folder_bring_it_to_the_head);
  tcase_add_test(tests, news_during_their_delta_are_another);
  tcase_add_test(tests, news_go_before_a_sweep_but_not_for_ever);
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
