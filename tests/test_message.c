/* SPDX-License-Identifier: MIT */
#include "cache/message.h"

#include <check.h>

#include "tests/suite.h"

#define NOW G_GINT64_CONSTANT(1790000000)
#define NS G_GINT64_CONSTANT(1000000000)
#define DAY (24 * 60 * 60)

/* The st_mtime that a message with this INTERNALDATE gets, in seconds. */
static gint64 mtime_of(gint64 internaldate, gint64 now) {
  ImapMessage fetched = {.has = IMAP_HAS_UID | IMAP_HAS_DATE, .uid = 1, .internaldate = internaldate};
  g_auto(IndexMessage) message = {0};
  message_from_fetch(&fetched, 1, TRUE, 0, now, &message);
  return message.mtime / NS;
}

START_TEST(insane_dates_become_now) {
  ck_assert_int_eq(mtime_of(1600000000, NOW), 1600000000);
  ck_assert_int_eq(mtime_of(0, NOW), NOW);
  ck_assert_int_eq(mtime_of(NOW + DAY, NOW), NOW + DAY);
  ck_assert_int_eq(mtime_of(NOW + DAY + 1, NOW), NOW);
}
END_TEST

START_TEST(a_clock_that_was_not_set_judges_nothing) {
  ck_assert_int_eq(mtime_of(1600000000, 100), 1600000000);
  ck_assert_int_eq(mtime_of(0, 100), 100);
}
END_TEST

START_TEST(ctime_is_when_it_entered) {
  ImapMessage fetched = {.has = IMAP_HAS_UID | IMAP_HAS_DATE, .uid = 1, .internaldate = 1600000000};
  g_auto(IndexMessage) message = {0};
  message_from_fetch(&fetched, 1, TRUE, NOW, NOW, &message);
  ck_assert_int_eq(message.ctime, NOW * NS);
  ck_assert_int_eq(message.mtime, 1600000000 * NS);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/message");
  TCase *tests = tcase_create("message");
  tcase_add_test(tests, insane_dates_become_now);
  tcase_add_test(tests, a_clock_that_was_not_set_judges_nothing);
  tcase_add_test(tests, ctime_is_when_it_entered);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
