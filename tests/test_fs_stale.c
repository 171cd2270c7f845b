/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "fs/stale.h"
#include "tests/suite.h"

#define INO 7

static Stale *stale;

static void setup(void) {
  stale = stale_new();
}

static void teardown(void) {
  stale_free(stale);
}

START_TEST(size_then_pages_then_nothing) {
  ck_assert_int_eq(stale_look(stale, INO), STALE_NOT);
  stale_mark(stale, INO, STALE_SIZE);
  ck_assert_int_eq(stale_look(stale, INO), STALE_SIZE);
  ck_assert_int_eq(stale_look(stale, INO + 1), STALE_NOT);
  stale_looked_up(stale, INO + 1);
  stale_looked_up(stale, INO);
  ck_assert_int_eq(stale_look(stale, INO), STALE_PAGES);
  stale_told(stale, INO, stale_telling(stale, INO));
  ck_assert_int_eq(stale_look(stale, INO), STALE_NOT);
}
END_TEST

/* What is heard of once more is no worse than it was, and no better. */
START_TEST(heard_of_twice) {
  stale_mark(stale, INO, STALE_SIZE);
  stale_mark(stale, INO, STALE_PAGES);
  ck_assert_int_eq(stale_look(stale, INO), STALE_SIZE);
  stale_looked_up(stale, INO);
  stale_mark(stale, INO, STALE_PAGES);
  ck_assert_int_eq(stale_look(stale, INO), STALE_PAGES);
}
END_TEST

START_TEST(changed_while_it_is_told) {
  stale_mark(stale, INO, STALE_SIZE);
  guint mark = stale_telling(stale, INO);
  stale_mark(stale, INO, STALE_SIZE);
  stale_told(stale, INO, mark);
  ck_assert_int_eq(stale_look(stale, INO), STALE_SIZE);
  stale_told(stale, INO, stale_telling(stale, INO));
  ck_assert_int_eq(stale_look(stale, INO), STALE_SIZE); /* it asks once more */
  stale_looked_up(stale, INO);
  ck_assert_int_eq(stale_look(stale, INO), STALE_NOT);
  stale_told(stale, INO, mark); /* of what is long forgotten */
}
END_TEST

#define THREADS 8
#define ROUNDS 2000
static guint counters[2];

static gpointer take_turns(gpointer data) {
  for (guint i = 0; i < ROUNDS; i++) {
    guint which = (GPOINTER_TO_UINT(data) + i) % 2;
    stale_enter(stale, INO + which);
    counters[which]++; /* guarded by the turn alone */
    if (i % 100 == 0)
      stale_mark(stale, INO + which, STALE_PAGES);
    stale_leave(stale, INO + which);
  }
  return NULL;
}

START_TEST(turns) {
  GThread *threads[THREADS];
  for (guint i = 0; i < THREADS; i++)
    threads[i] = g_thread_new("turn", take_turns, GUINT_TO_POINTER(i));
  for (guint i = 0; i < THREADS; i++)
    g_thread_join(threads[i]);
  ck_assert_uint_eq(counters[0] + counters[1], THREADS * ROUNDS);
}
END_TEST

static gpointer enter_and_leave(gpointer data) {
  stale_enter(stale, INO);
  g_atomic_int_set((gint *)data, TRUE);
  stale_leave(stale, INO);
  return NULL;
}

/* Who came later waits for what is expected, though it has not begun. */
START_TEST(expected) {
  gint entered = FALSE;
  stale_expect(stale, INO);
  stale_expect(stale, INO);
  GThread *thread = g_thread_new("enter", enter_and_leave, &entered);
  stale_enter(stale, INO + 1);
  stale_leave(stale, INO + 1);
  for (int i = 0; i < 2; i++) {
    g_usleep(10000);
    ck_assert(!g_atomic_int_get(&entered));
    stale_enter_expected(stale, INO);
    stale_leave(stale, INO);
  }
  g_thread_join(thread);
  ck_assert(entered);
}
END_TEST

/* Closings of any file. One that never ends holds up nobody for long. */
START_TEST(closings) {
  stale_await_closing(stale);
  stale_expect(stale, INO);
  gint64 begin = g_get_monotonic_time();
  stale_await_closing(stale);
  ck_assert_int_ge(g_get_monotonic_time() - begin, G_USEC_PER_SEC / 20);
  stale_enter(stale, INO + 1); /* an opening is none */
  stale_leave(stale, INO + 1);
  stale_enter_expected(stale, INO);
  stale_leave(stale, INO);
  stale_enter(stale, INO);
  stale_await_closing(stale);
  stale_leave(stale, INO);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("fs/stale");
  TCase *tc = tcase_create("stale");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, size_then_pages_then_nothing);
  tcase_add_test(tc, heard_of_twice);
  tcase_add_test(tc, changed_while_it_is_told);
  tcase_add_test(tc, turns);
  tcase_add_test(tc, expected);
  tcase_add_test(tc, closings);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return suite_run(suite());
}
