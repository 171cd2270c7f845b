/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/pool_trouble.h"
#include "tests/suite.h"

static gint64 pause_length(ImapTrouble *trouble, gint64 delay) {
  gint64 until = 0;
  if (!imap_trouble_pause(trouble, "slow down", delay, &until))
    return 0;
  return until - g_get_real_time() / G_USEC_PER_SEC;
}

/* As if the pause had passed, and so many seconds more. */
static void let_pass(ImapTrouble *trouble, gint64 seconds) {
  gint64 next = imap_trouble_next_try(trouble);
  gint64 left = next != 0 ? next - g_get_monotonic_time() : 0;
  trouble->plea_ends -= left + seconds * G_USEC_PER_SEC;
}

START_TEST(test_pause_without_a_time_doubles) {
  ImapTrouble trouble = {0};
  static const int at_least[] = {5, 10, 20, 40, 80, 160, 300, 300};
  for (gsize i = 0; i < G_N_ELEMENTS(at_least); i++) {
    gint64 length = pause_length(&trouble, 0);
    ck_assert_msg(length >= at_least[i] && length <= at_least[i] + 1, "%zu: %d", i, (int)length);
    ck_assert_int_eq(pause_length(&trouble, 0), 0); /* said on another connection as well: once is enough */
    ck_assert(!imap_trouble_pause_over(&trouble));
    let_pass(&trouble, 60);
    ck_assert(imap_trouble_pause_over(&trouble));
    ck_assert(!imap_trouble_pause_over(&trouble));
  }
  let_pass(&trouble, 3600); /* a long time of peace */
  ck_assert_int_le(pause_length(&trouble, 0), 6);
  imap_trouble_clear(&trouble);
}
END_TEST

START_TEST(test_pause_with_a_time) {
  ImapTrouble trouble = {0};
  ck_assert_int_ge(pause_length(&trouble, 100 * G_USEC_PER_SEC), 100);
  ck_assert_int_eq(pause_length(&trouble, 50 * G_USEC_PER_SEC), 0);    /* no sooner */
  ck_assert_int_ge(pause_length(&trouble, 200 * G_USEC_PER_SEC), 200); /* but later */
  ck_assert_int_le(pause_length(&trouble, G_MAXINT64), 3601);          /* within reason */
  imap_trouble_clear(&trouble);
}
END_TEST

START_TEST(test_pause_of_the_last_run) {
  static const struct {
    gint64 in;
    gint64 at_most;
  } cases[] = {{-5, 0}, {0, 0}, {30, 30}, {1000000, 3600}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    ImapTrouble trouble = {0};
    imap_trouble_restore_pause(&trouble, g_get_real_time() / G_USEC_PER_SEC + cases[i].in);
    gint64 next = imap_trouble_next_try(&trouble);
    ck_assert_msg((next != 0) == (cases[i].at_most > 0), "%zu", i);
    ck_assert(next <= g_get_monotonic_time() + cases[i].at_most * G_USEC_PER_SEC);
    imap_trouble_clear(&trouble);
  }
}
END_TEST

/* The user may ask once: a server that has to repeat itself is believed for longer. */
START_TEST(test_forget) {
  ImapTrouble trouble = {0};
  ck_assert_int_ge(pause_length(&trouble, 0), 5);
  imap_trouble_forget(&trouble);
  ck_assert_ptr_null(imap_trouble_error(&trouble, FALSE));
  ck_assert(imap_trouble_pause_over(&trouble));
  ck_assert_int_ge(pause_length(&trouble, 0), 10);
  imap_trouble_clear(&trouble);
}
END_TEST

/* What stands in the way of what. */
START_TEST(test_weights) {
  ImapTrouble trouble = {0};
  g_autoptr(GError) down = g_error_new_literal(IMAP_ERROR, IMAP_ERROR_NETWORK, "down");
  imap_trouble_failed(&trouble, down);
  ck_assert_ptr_null(imap_trouble_error(&trouble, TRUE)); /* what stands can be used */
  g_autoptr(GError) error = imap_trouble_error(&trouble, FALSE);
  ck_assert_str_eq(error->message, "down");
  ck_assert_int_gt(pause_length(&trouble, 100 * G_USEC_PER_SEC), 0);
  g_autoptr(GError) paused = imap_trouble_error(&trouble, TRUE);
  ck_assert(g_error_matches(paused, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE));
  imap_trouble_reset(&trouble);
  ck_assert_int_gt(imap_trouble_next_try(&trouble) - g_get_monotonic_time(), 90 * G_USEC_PER_SEC);
  imap_trouble_clear(&trouble);
}
END_TEST

START_TEST(test_describe) {
  ImapTrouble trouble = {0};
  ck_assert_ptr_null(imap_trouble_describe(&trouble));
  g_autoptr(GError) wrong = g_error_new_literal(IMAP_ERROR, IMAP_ERROR_AUTH, "wrong password");
  imap_trouble_failed(&trouble, wrong);
  g_autofree char *once = imap_trouble_describe(&trouble);
  ck_assert_str_eq(once, "next try in 1 s: wrong password");
  imap_trouble_failed(&trouble, wrong);
  imap_trouble_failed(&trouble, wrong);
  g_autofree char *thrice = imap_trouble_describe(&trouble);
  ck_assert_str_eq(thrice, "no more tries until told: wrong password");
  ck_assert_int_eq(imap_trouble_next_try(&trouble), G_MAXINT64);
  imap_trouble_connected(&trouble);
  ck_assert_ptr_null(imap_trouble_describe(&trouble));
  imap_trouble_clear(&trouble);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pool_trouble");
  TCase *tc = tcase_create("all");
  tcase_add_test(tc, test_pause_without_a_time_doubles);
  tcase_add_test(tc, test_pause_with_a_time);
  tcase_add_test(tc, test_pause_of_the_last_run);
  tcase_add_test(tc, test_forget);
  tcase_add_test(tc, test_weights);
  tcase_add_test(tc, test_describe);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
