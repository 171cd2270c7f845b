/* SPDX-License-Identifier: MIT */
#include "cache/attribute_flags.h"

#include <check.h>
#include <string.h>

#include "cache/cache.h"
#include "tests/suite.h"

START_TEST(a_list_is_shown_the_same_whatever_the_order) {
  static const struct {
    guint flags;
    const char *keywords, *text;
  } cases[] = {
      {0, NULL, ""},
      {0, "", ""},
      {IMAP_FLAG_RECENT, NULL, ""},
      {IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED, "$Label1", "\\Seen \\Flagged $Label1"},
      {IMAP_FLAG_SEEN | IMAP_FLAG_ANSWERED | IMAP_FLAG_FLAGGED | IMAP_FLAG_DELETED | IMAP_FLAG_DRAFT, NULL,
       "\\Seen \\Answered \\Flagged \\Deleted \\Draft"},
      {0, "b A c", "A b c"},
      {0, "c A b", "A b c"},
      {IMAP_FLAG_DRAFT, "odd] fine", "\\Draft fine"},
  };
  const char *text = cases[_i].text;
  g_autofree char *formatted = attribute_flags_format(cases[_i].flags, cases[_i].keywords);
  ck_assert_str_eq(formatted, text);
  guint flags;
  g_autofree char *keywords = NULL;
  ck_assert(attribute_flags_parse(text, strlen(text), &flags, &keywords, NULL));
  g_autofree char *again = attribute_flags_format(flags, keywords);
  ck_assert_str_eq(again, text);
}
END_TEST

START_TEST(order_case_and_repetition_mean_nothing) {
  static const char text[] = "  $label1 \\fLAGGED  Work \\Seen $Label1 \\Seen ";
  guint flags;
  g_autofree char *keywords = NULL;
  ck_assert(attribute_flags_parse(text, strlen(text), &flags, &keywords, NULL));
  ck_assert_uint_eq(flags, IMAP_FLAG_FLAGGED | IMAP_FLAG_SEEN);
  ck_assert_str_eq(keywords, "$label1 Work");
  g_clear_pointer(&keywords, g_free);
  ck_assert(attribute_flags_parse(NULL, 0, &flags, &keywords, NULL));
  ck_assert_uint_eq(flags, 0);
  ck_assert_ptr_null(keywords);
}
END_TEST

START_TEST(what_cannot_be_set_is_refused) {
  static const struct {
    const char *text;
    gsize len;
  } cases[] = {
      {"\\Recent", 7},      {"\\Seen \\Recent", 13}, {"\\Imaginary", 10}, {"\\*", 2},      {"*", 1},  {"(\\Seen)", 7},
      {"two\nlines", 9},    {"tab\there", 8},        {"\"quoted\"", 8},   {"bracket]", 8}, {"\\", 1}, {"{5}", 3},
      {"\\Seen\0Work", 10}, {"gr\xc3\xbcn", 5},      {"\\Seen\n", 6},     {"\x7f", 1},
  };
  guint flags = 0;
  g_autofree char *keywords = NULL;
  g_autoptr(GError) error = NULL;
  ck_assert(!attribute_flags_parse(cases[_i].text, cases[_i].len, &flags, &keywords, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_INVALID));
  ck_assert_ptr_null(keywords);
}
END_TEST

START_TEST(long_words_and_long_lists_are_refused) {
  g_autoptr(GString) text = g_string_new(NULL);
  guint flags = 0;
  g_autofree char *keywords = NULL, *word = g_strnfill(256, 'x');
  for (guint i = 0; i < IMAP_LIMIT_KEYWORDS; i++)
    g_string_append_printf(text, "k%u ", i);
  ck_assert(attribute_flags_parse(text->str, text->len, &flags, &keywords, NULL));
  g_clear_pointer(&keywords, g_free);
  g_string_append(text, "more");
  ck_assert(!attribute_flags_parse(text->str, text->len, &flags, &keywords, NULL));
  ck_assert(!attribute_flags_parse(word, strlen(word), &flags, &keywords, NULL));
}
END_TEST

START_TEST(only_the_difference_is_a_change) {
  g_auto(AttributeChange) change = attribute_flags_compare(IMAP_FLAG_SEEN | IMAP_FLAG_DRAFT | IMAP_FLAG_RECENT,
                                                           "a B c]", IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED, "b d");
  ck_assert_uint_eq(change.add, IMAP_FLAG_FLAGGED);
  ck_assert_uint_eq(change.remove, IMAP_FLAG_DRAFT);
  ck_assert_str_eq(change.add_keywords, "d");
  ck_assert_str_eq(change.remove_keywords, "a");
  ck_assert(!attribute_change_is_empty(&change));
  g_auto(AttributeChange) none = attribute_flags_compare(IMAP_FLAG_RECENT | IMAP_FLAG_SEEN, "b A", 1, "a b");
  ck_assert(attribute_change_is_empty(&none));
  g_auto(AttributeChange) all = attribute_flags_compare(0, "x", 0, NULL);
  ck_assert_str_eq(all.remove_keywords, "x");
}
END_TEST

START_TEST(what_the_server_does_not_keep_is_said) {
  static char known[] = "Work $Label1";
  static const IndexAccess nothing = {0}, all = {.heard = 1},
                           some = {.heard = 1, .limited = TRUE, .permanent = IMAP_FLAG_SEEN, .keywords = known},
                           any = {.heard = 1, .limited = TRUE, .permanent = IMAP_FLAG_SEEN, .any_keyword = TRUE};
  static char work[] = "work", new[] = "new";
  const struct {
    const IndexAccess *access;
    AttributeChange change;
    gboolean kept;
  } cases[] = {
      {&nothing, {.add = IMAP_FLAG_FLAGGED, .add_keywords = new}, TRUE},
      {&all, {.add = IMAP_FLAG_FLAGGED, .add_keywords = new}, TRUE},
      {&some, {.add = IMAP_FLAG_SEEN, .add_keywords = work}, TRUE},
      {&some, {.add = IMAP_FLAG_FLAGGED}, FALSE},
      {&some, {.remove = IMAP_FLAG_FLAGGED}, FALSE},
      {&some, {.add_keywords = new}, FALSE},
      {&some, {.remove_keywords = new}, FALSE},
      {&some, {0}, TRUE},
      {&any, {.add_keywords = new, .remove_keywords = work}, TRUE},
      {&any, {.add = IMAP_FLAG_DRAFT}, FALSE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    ck_assert_int_eq(attribute_change_is_kept(&cases[i].change, cases[i].access, &error), cases[i].kept);
    ck_assert(cases[i].kept || g_error_matches(error, CACHE_ERROR, CACHE_ERROR_PERMISSION));
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/attribute_flags");
  TCase *tests = tcase_create("flags as text");
  tcase_add_loop_test(tests, a_list_is_shown_the_same_whatever_the_order, 0, 8);
  tcase_add_test(tests, order_case_and_repetition_mean_nothing);
  tcase_add_loop_test(tests, what_cannot_be_set_is_refused, 0, 16);
  tcase_add_test(tests, long_words_and_long_lists_are_refused);
  tcase_add_test(tests, only_the_difference_is_a_change);
  tcase_add_test(tests, what_the_server_does_not_keep_is_said);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
