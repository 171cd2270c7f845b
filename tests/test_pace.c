/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "cache/body/pace.h"
#include "tests/suite.h"

#define MS 1000
#define MB 1000000

static Pace pace;

static void setup(void) {
  pace_init(&pace);
}

static void teardown(void) {
  pace_clear(&pace);
}

/* A line of `rate` bytes per second, busy for `ms`. */
static void run(gint64 *now, guint64 rate, gint64 ms) {
  pace_start(&pace, *now);
  for (gint64 i = 0; i < ms; i += 10) {
    *now += 10 * MS;
    pace_arrived(&pace, rate / 100, *now);
  }
}

START_TEST(starts_small) {
  ck_assert_uint_eq(pace_rate(&pace), 0);
  ck_assert_uint_eq(pace_window(&pace), 256 << 10);
  ck_assert_uint_eq(pace_large(&pace), 1 << 20);
}
END_TEST

START_TEST(finds_the_rate) {
  gint64 now = 1;
  pace_rtt(&pace, 50 * MS);
  run(&now, 12 * MB, 500);
  ck_assert_uint_ge(pace_rate(&pace), 11 * MB);
  ck_assert_uint_le(pace_rate(&pace), 13 * MB);
  ck_assert_uint_ge(pace_window(&pace), 2 * MB + MB / 2);
  ck_assert_uint_le(pace_window(&pace), 3 * MB + MB / 2);
}
END_TEST

START_TEST(a_long_round_trip_widens_the_window) {
  gint64 now = 1;
  pace_rtt(&pace, 400 * MS);
  run(&now, 10 * MB, 500);
  ck_assert_uint_ge(pace_window(&pace), 7 * MB);
}
END_TEST

START_TEST(follows_the_line_down) {
  gint64 now = 1;
  run(&now, 12 * MB, 300);
  run(&now, 1 * MB, 4000);
  ck_assert_uint_le(pace_rate(&pace), 2 * MB);
}
END_TEST

START_TEST(idle_time_measures_nothing) {
  gint64 now = 1;
  run(&now, 12 * MB, 300);
  pace_idle(&pace);
  now += 60 * 1000 * MS;
  run(&now, 12 * MB, 200);
  ck_assert_uint_ge(pace_rate(&pace), 11 * MB);
}
END_TEST

START_TEST(the_window_has_an_end) {
  gint64 now = 1;
  run(&now, (guint64)2000 * MB, 500);
  ck_assert_uint_eq(pace_window(&pace), 16 << 20);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/pace");
  TCase *tests = tcase_create("pace");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, starts_small);
  tcase_add_test(tests, finds_the_rate);
  tcase_add_test(tests, a_long_round_trip_widens_the_window);
  tcase_add_test(tests, follows_the_line_down);
  tcase_add_test(tests, idle_time_measures_nothing);
  tcase_add_test(tests, the_window_has_an_end);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
