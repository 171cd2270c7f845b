/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/error.h"
#include "imap/limits.h"
#include "tests/suite.h"

static const struct {
  const char *text, *clean;
  gssize len;
} cases[] = {
    {"Mailbox does not exist", "Mailbox does not exist", -1},
    {"", "", -1},
    {NULL, "", -1},
    {"forged\r\nline", "forged line", -1},
    {"\033[31mred\033[0m\a", "[31mred [0m", -1},
    {"  two\t\tgaps  ", "two gaps", -1},
    {"abc\xe2\x80\xae"
     "cba\xe2\x81\xa9",
     "abc cba", -1},
    {"line\xe2\x80\xa8sep\xc2\x85nel", "line sep nel", -1},
    {"M\xc3\xbcll", "M\xc3\xbcll", -1},
    {"M\xfcll", "M\xef\xbf\xbdll", -1},
    {"cut here", "cut", 3},
    {"a\0b",
     "a\xef\xbf\xbd"
     "b",
     3},
};

START_TEST(cleaned) {
  g_autofree char *clean = imap_clean_text(cases[_i].text, cases[_i].len);
  ck_assert_msg(strcmp(clean, cases[_i].clean) == 0, "row %d: '%s'", _i, clean);
}
END_TEST

START_TEST(limit) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < IMAP_LIMIT_TEXT; i++)
    g_string_append(text, "\xf0\x9f\x93\xa7");
  g_autofree char *whole = imap_clean_text(text->str, -1);
  ck_assert_str_eq(whole, text->str);
  g_autofree char *longer = g_strconcat(text->str, "x", NULL);
  g_autofree char *cut = imap_clean_text(longer, -1);
  ck_assert_str_eq(cut, text->str);
  g_string_truncate(text, text->len - 4);
  g_string_append(text, " y");
  g_autofree char *after_gap = imap_clean_text(text->str, -1);
  ck_assert_int_eq(g_utf8_strlen(after_gap, -1), IMAP_LIMIT_TEXT - 1);
}
END_TEST

int main(void) {
  TCase *tcase = tcase_create("error");
  tcase_add_loop_test(tcase, cleaned, 0, G_N_ELEMENTS(cases));
  tcase_add_test(tcase, limit);
  Suite *suite = suite_create("error");
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
