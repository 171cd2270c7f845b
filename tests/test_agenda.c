/* SPDX-License-Identifier: MIT */
#include "cache/agenda.h"

#include <check.h>

#include "tests/suite.h"

static Agenda *agenda;
static gint64 next_try_at;

static gint64 next_try(gpointer data) {
  (void)data;
  return next_try_at;
}

static void setup(void) {
  next_try_at = 0;
  agenda = agenda_new(15, next_try, NULL);
  agenda_online(agenda, TRUE);
  agenda_swept(agenda, TRUE);
}

static void teardown(void) {
  agenda_free(agenda);
}

static SyncAnswer want(gint64 row, IndexListed listed, guint attrs) {
  IndexMailbox mailbox = {.row = row, .listed = listed, .attrs = attrs};
  return agenda_want(agenda, &mailbox);
}

static AgendaTask task(void) {
  AgendaTask ret;
  ck_assert(agenda_next_task(agenda, &ret));
  return ret;
}

START_TEST(a_listed_folder_is_refreshed_until_verified) {
  ck_assert_int_eq(want(3, INDEX_LISTED, 0), SYNC_REFRESHING);
  ck_assert_int_eq(want(3, INDEX_LISTED, 0), SYNC_REFRESHING);
  ck_assert_int_eq(task().row, 3);
  agenda_verified(agenda, 3, g_get_monotonic_time(), FALSE);
  ck_assert_int_eq(want(3, INDEX_LISTED, 0), SYNC_FRESH);
  g_autoptr(GArray) rest = agenda_take(agenda, AGENDA_REFRESH);
  ck_assert_uint_eq(rest->len, 0);
}
END_TEST

START_TEST(doubt_outweighs_the_clock) {
  agenda_verified(agenda, 3, g_get_monotonic_time(), FALSE);
  agenda_doubt(agenda, 3);
  ck_assert_int_eq(task().row, 3);
  ck_assert_int_eq(want(3, INDEX_LISTED, 0), SYNC_REFRESHING);
}
END_TEST

START_TEST(old_news_are_none) {
  agenda_verified(agenda, 3, g_get_monotonic_time() - 16 * G_USEC_PER_SEC, FALSE);
  ck_assert_int_eq(want(3, INDEX_LISTED, 0), SYNC_REFRESHING);
}
END_TEST

START_TEST(an_unlisted_folder_is_listed_once) {
  ck_assert_int_eq(want(4, INDEX_UNLISTED, 0), SYNC_LISTING);
  ck_assert_int_eq(agenda_next_first(agenda), 4);
  ck_assert_int_eq(want(4, INDEX_PARTIAL, 0), SYNC_LISTING);
  ck_assert(!agenda_others_first(agenda));
  agenda_put_off(agenda, 4);
  ck_assert(agenda_others_first(agenda));
  ck_assert_int_eq(agenda_next_first(agenda), 4);
  agenda_end_first(agenda, 4);
  ck_assert_int_eq(want(4, INDEX_PARTIAL, 0), SYNC_LISTING);
  ck_assert_int_eq(agenda_next_first(agenda), 4);
}
END_TEST

START_TEST(a_renumbered_folder_is_listed_anew) {
  ck_assert_int_eq(want(3, INDEX_LISTED, 0), SYNC_REFRESHING);
  ck_assert_int_eq(task().row, 3);
  agenda_relist(agenda, 3);
  ck_assert_int_eq(want(3, INDEX_LISTED, 0), SYNC_REFRESHING); /* and waits for that listing */
  ck_assert_int_eq(agenda_next_first(agenda), 3);
  g_autoptr(GArray) rest = agenda_take(agenda, AGENDA_REFRESH);
  ck_assert_uint_eq(rest->len, 0);
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

START_TEST(a_failed_sweep_is_not_repeated_at_once) {
  agenda_swept(agenda, FALSE);
  ck_assert_int_eq(want(3, INDEX_LISTED, 0), SYNC_REFRESHING);
  ck_assert(task().sweep); /* the last good one is old: a reader may ask */
  agenda_swept(agenda, TRUE);
  ck_assert_int_eq(want(6, INDEX_LISTED, 0), SYNC_REFRESHING);
  ck_assert(!task().sweep);
}
END_TEST

START_TEST(offline_waits_for_the_next_try) {
  agenda_online(agenda, FALSE);
  agenda_look_again(agenda);
  next_try_at = g_get_monotonic_time() + G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC;
  ck_assert_int_eq(want(3, INDEX_LISTED, 0), SYNC_REFRESHING);
  ck_assert(!task().sweep);
  next_try_at = 0;
  ck_assert(task().sweep);
}
END_TEST

START_TEST(kicks_are_few_and_only_offline) {
  ck_assert(!agenda_kick(agenda));
  agenda_online(agenda, FALSE);
  ck_assert(agenda_kick(agenda));
  ck_assert(!agenda_kick(agenda));
}
END_TEST

START_TEST(flags_are_due_now_and_then) {
  ck_assert(agenda_flags_due(agenda, 3));
  agenda_verified(agenda, 3, g_get_monotonic_time(), TRUE);
  ck_assert(!agenda_flags_due(agenda, 3));
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
  g_thread_join(thread);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/agenda");
  TCase *tests = tcase_create("agenda");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, a_listed_folder_is_refreshed_until_verified);
  tcase_add_test(tests, doubt_outweighs_the_clock);
  tcase_add_test(tests, old_news_are_none);
  tcase_add_test(tests, an_unlisted_folder_is_listed_once);
  tcase_add_test(tests, a_renumbered_folder_is_listed_anew);
  tcase_add_test(tests, a_directory_wants_a_sweep);
  tcase_add_test(tests, a_failed_sweep_is_not_repeated_at_once);
  tcase_add_test(tests, offline_waits_for_the_next_try);
  tcase_add_test(tests, kicks_are_few_and_only_offline);
  tcase_add_test(tests, flags_are_due_now_and_then);
  tcase_add_test(tests, closing_ends_all_waits);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
