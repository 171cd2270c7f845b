/* SPDX-License-Identifier: MIT */
/* The ledger of other tests finds what is lost, doubled, misplaced, altered or unknown. */
#include "tests/tally.h"

#include <string.h>

#include "tests/suite.h"

/* "FOLDER:SUBJECT" of each, and ":F" where it is flagged. */
static Tally *tally_of(const char *words) {
  Tally *tally = tally_new();
  g_auto(GStrv) letters = g_strsplit(words, " ", -1);
  for (guint i = 0; letters[i] && letters[i][0]; i++) {
    g_auto(GStrv) parts = g_strsplit(letters[i], ":", 3);
    g_autofree char *text = g_strdup_printf("Subject: %s\n\n", parts[1]);
    tally_add(tally, parts[0], text, strlen(text));
    if (parts[2])
      tally_flag(tally, parts[0], text, strlen(text));
  }
  return tally;
}

START_TEST(test_compare) {
  static const struct {
    const char *due, *there, *wrong; /* wrong: how it begins; NULL: nothing is */
  } rows[] = {
      {"", "", NULL},
      {":a Work:b", "Work:b :a", NULL},
      {":a :a", ":a :a", NULL},
      {":a", "", "0 instead of 1: INBOX: a ("},
      {":a", ":a :a", "2 instead of 1: INBOX: a ("},
      {"", "Work:a", "1 unexpected: Work: a ("},
      {":a", "Work:a", "0 instead of 1: INBOX: a ("},
      {":a:F", ":a", "0 instead of 1: INBOX: a ("},
      {":a", ":a:F", "0 instead of 1: INBOX: a ("},
      {":doubt", "Work:doubt", NULL},
      {":doubt", "", "0 instead of 1: doubt ("},
      {":doubt", ":doubt Work:doubt", "2 instead of 1: doubt ("},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Tally) due = tally_of(rows[i].due), there = tally_of(rows[i].there);
    const char *doubted = "Subject: doubt\r\n\r\n";
    tally_doubt(due, doubted, strlen(doubted), FALSE);
    g_autofree char *wrong = tally_compare(due, there);
    if (rows[i].wrong)
      ck_assert_msg(wrong && g_str_has_prefix(wrong, rows[i].wrong), "row %zu: %s", i, wrong);
    else
      ck_assert_msg(!wrong, "row %zu: %s", i, wrong);
  }
}
END_TEST

START_TEST(test_octets) {
  static const char written[] = "Subject: a\n\nx\r\n", kept[] = "Subject: a\r\n\r\nx\n", other[] = "Subject: a\n\ny\n";
  g_autoptr(Tally) due = tally_new(), there = tally_new();
  tally_add(due, "", written, strlen(written));
  tally_add(there, "", kept, strlen(kept));
  ck_assert_ptr_null(tally_compare(due, there));
  tally_take(there, "", written, strlen(written));
  tally_add(there, "", other, strlen(other));
  g_autofree char *wrong = tally_compare(due, there);
  ck_assert_ptr_nonnull(wrong);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("tally");
  TCase *tests = tcase_create("tally");
  tcase_add_test(tests, test_compare);
  tcase_add_test(tests, test_octets);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
