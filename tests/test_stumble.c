/* SPDX-License-Identifier: MIT */
#include "cache/sync/stumble.h"
#include "tests/suite.h"

static void fall(Stumbles *stumbles, gint64 mailbox, guint32 uid, guint times) {
  while (times-- > 0)
    stumbles_note(stumbles, mailbox, uid);
}

START_TEST(the_same_place_counts) {
  g_autoptr(Stumbles) stumbles = stumbles_new();
  guint32 uid;
  ck_assert_int_eq(stumbles_at(stumbles, 1, &uid), STUMBLE_NONE);
  fall(stumbles, 1, 7, 2);
  ck_assert_int_eq(stumbles_at(stumbles, 1, &uid), STUMBLE_NONE);
  fall(stumbles, 1, 7, 1);
  ck_assert_int_eq(stumbles_at(stumbles, 1, &uid), STUMBLE_BARE);
  ck_assert_uint_eq(uid, 7);
  fall(stumbles, 1, 7, 2);
  ck_assert_int_eq(stumbles_at(stumbles, 1, &uid), STUMBLE_SKIP);
  ck_assert_int_eq(stumbles_at(stumbles, 2, &uid), STUMBLE_NONE);
}
END_TEST

START_TEST(another_place_is_a_new_count) {
  g_autoptr(Stumbles) stumbles = stumbles_new();
  guint32 uid;
  fall(stumbles, 1, 7, 4);
  fall(stumbles, 1, 8, 1);
  ck_assert_int_eq(stumbles_at(stumbles, 1, &uid), STUMBLE_NONE);
  fall(stumbles, 1, 7, 2);
  ck_assert_int_eq(stumbles_at(stumbles, 1, &uid), STUMBLE_NONE);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("stumble");
  TCase *tcase = tcase_create("all");
  suite_add_tcase(suite, tcase);
  tcase_add_test(tcase, the_same_place_counts);
  tcase_add_test(tcase, another_place_is_a_new_count);
  return suite_run(suite);
}
