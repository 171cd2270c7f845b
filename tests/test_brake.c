/* SPDX-License-Identifier: MIT */
#include "cache/brake.h"

#include <check.h>

#include "tests/suite.h"

#define SECOND G_USEC_PER_SEC

static void pass(Brake *brake, guint n, gint64 now) {
  for (guint i = 0; i < n; i++)
    ck_assert(brake_pass(brake, now));
}

static void pull(Brake *brake, gint64 now) {
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "more messages than*SIGHUP*");
  ck_assert(!brake_pass(brake, now));
  g_test_assert_expected_messages();
}

START_TEST(without_a_limit_nothing_is_counted) {
  g_autoptr(Brake) brake = brake_new(0);
  pass(brake, 1000, SECOND);
  brake_release(brake);
  pass(brake, 1000, SECOND);
}
END_TEST

START_TEST(as_many_as_are_allowed) {
  g_autoptr(Brake) brake = brake_new(3);
  pass(brake, 3, SECOND);
  pull(brake, SECOND);
}
END_TEST

START_TEST(any_minute_counts) {
  g_autoptr(Brake) brake = brake_new(3);
  pass(brake, 1, SECOND);
  pass(brake, 2, 50 * SECOND);
  pass(brake, 1, 61 * SECOND);
  pull(brake, 61 * SECOND);
}
END_TEST

START_TEST(waiting_does_not_release_it) {
  g_autoptr(Brake) brake = brake_new(1);
  pass(brake, 1, SECOND);
  pull(brake, 2 * SECOND);
  ck_assert(!brake_pass(brake, 1000 * SECOND)); /* and is told once */
  brake_release(brake);
  pass(brake, 1, 1000 * SECOND);
  pull(brake, 1000 * SECOND);
}
END_TEST

static gpointer remove_some(gpointer data) {
  guint passed = 0;
  for (guint i = 0; i < 1000; i++)
    passed += brake_pass(data, SECOND);
  return GUINT_TO_POINTER(passed);
}

/* Whichever of the two is the first to be refused tells it. */
static void note_told(const char *domain, GLogLevelFlags level, const char *message, gpointer data) {
  (void)domain, (void)level, (void)message;
  g_atomic_int_inc((gint *)data);
}

START_TEST(two_threads_share_it) {
  gint told = 0;
  GLogLevelFlags fatal = g_log_set_always_fatal(G_LOG_FATAL_MASK);
  guint handler = g_log_set_handler("cache", G_LOG_LEVEL_WARNING, note_told, &told);
  g_autoptr(Brake) brake = brake_new(1500);
  GThread *thread = g_thread_new("other", remove_some, brake);
  guint here = GPOINTER_TO_UINT(remove_some(brake));
  guint there = GPOINTER_TO_UINT(g_thread_join(thread));
  g_log_remove_handler("cache", handler);
  g_log_set_always_fatal(fatal);
  ck_assert_uint_eq(here + there, 1500);
  ck_assert_int_eq(g_atomic_int_get(&told), 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/brake");
  TCase *tests = tcase_create("brake");
  tcase_add_test(tests, without_a_limit_nothing_is_counted);
  tcase_add_test(tests, as_many_as_are_allowed);
  tcase_add_test(tests, any_minute_counts);
  tcase_add_test(tests, waiting_does_not_release_it);
  tcase_add_test(tests, two_threads_share_it);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
