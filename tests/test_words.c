/* SPDX-License-Identifier: MIT */
#include "cache/journal/words.h"

#include <check.h>

#include "tests/suite.h"

/* What each function makes of two sets. */
static const struct {
  const char *one, *other;
  const char *with, *without, *within;
} pairs[] = {
    {NULL, NULL, NULL, NULL, NULL},
    {"a", NULL, "a", "a", NULL},
    {NULL, "a", "a", NULL, NULL},
    {"", " ", NULL, NULL, NULL},
    {"$Label1 Work", "work later", "$Label1 Work later", "$Label1", "Work"},
    {"a b", "B A", "a b", NULL, "a b"},
    {"a  a ", "b b", "a b", "a a", NULL},
    {"ab", "a b", "ab a b", "ab", NULL},
};

START_TEST(sets_are_joined_and_compared) {
  const char *one = pairs[_i].one, *other = pairs[_i].other;
  g_autofree char *with = words_with(one, other), *without = words_without(one, other),
                  *within = words_within(one, other);
  ck_assert_pstr_eq(with, pairs[_i].with);
  ck_assert_pstr_eq(without, pairs[_i].without);
  ck_assert_pstr_eq(within, pairs[_i].within);
  ck_assert_int_eq(words_include(other, one), without == NULL);
  ck_assert_int_eq(words_meet(one, other), within != NULL);
  ck_assert(words_include(with, one) && words_include(with, other));
}
END_TEST

START_TEST(a_change_takes_away_and_adds) {
  static const struct {
    const char *words, *add, *remove, *expected;
  } cases[] = {
      {"a b", "c", "A", "b c"},  {"a", NULL, "a", NULL}, {NULL, "c", "a", "c"},
      {"a b", "B", NULL, "a b"}, {"a", "A", "a", "A"},   {NULL, NULL, NULL, NULL},
  };
  g_autofree char *changed = words_change(cases[_i].words, cases[_i].add, cases[_i].remove);
  ck_assert_pstr_eq(changed, cases[_i].expected);
}
END_TEST

START_TEST(arrays_hold_no_empty_words) {
  g_auto(GStrv) none = words_split(NULL), two = words_split(" a  b ");
  ck_assert_ptr_null(none[0]);
  ck_assert_uint_eq(g_strv_length(two), 2);
  g_autofree char *joined = words_join(two);
  ck_assert_str_eq(joined, "a b");
  ck_assert_ptr_null(words_join(none));
  ck_assert_ptr_null(words_join(NULL));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("words");
  TCase *tcase = tcase_create("words");
  tcase_add_loop_test(tcase, sets_are_joined_and_compared, 0, G_N_ELEMENTS(pairs));
  tcase_add_loop_test(tcase, a_change_takes_away_and_adds, 0, 6);
  tcase_add_test(tcase, arrays_hold_no_empty_words);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
