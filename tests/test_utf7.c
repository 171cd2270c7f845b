/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "imap/imap.h"
#include "tests/suite.h"

static const struct {
  const char *name, *utf8;
} pairs[] = {
    {"", ""},
    {"INBOX", "INBOX"},
    {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
    {"&Jjo-!", "\xe2\x98\xba!"},
    {"Hi Mom -&Jjo--!", "Hi Mom -\xe2\x98\xba-!"},
    {"Tom &- Jerry", "Tom & Jerry"},
    {"&-", "&"},
    {"&-&-", "&&"},
    {"&APw-&-", "\xc3\xbc&"},
    {"&-&APw-", "&\xc3\xbc"},
    {"M&APw-ller", "M\xc3\xbcller"},
    {"&AOQA9gD8-", "\xc3\xa4\xc3\xb6\xc3\xbc"},
    {"&2D3c5w-", "\xf0\x9f\x93\xa7"},
    {"&2D3c5wDk-", "\xf0\x9f\x93\xa7\xc3\xa4"},
    {"&AAk-", "\t"},
    {"&AH8-", "\x7f"},
    {"&2,,f,w-", "\xf4\x8f\xbf\xbf"},
    {"a \"b\\c%*", "a \"b\\c%*"},
};

START_TEST(both_ways) {
  g_autofree char *utf8 = imap_utf7_decode(pairs[_i].name);
  ck_assert_msg(g_strcmp0(utf8, pairs[_i].utf8) == 0, "row %d: %s", _i, utf8);
  g_autofree char *name = imap_utf7_encode(pairs[_i].utf8);
  ck_assert_msg(g_strcmp0(name, pairs[_i].name) == 0, "row %d: %s", _i, name);
}
END_TEST

static const char *const not_canonical[] = {
    "&AGE-",              /* encoded printable ASCII */
    "&AGEAYg-",           /* two of them */
    "&APwAYQ-",           /* at the end of a run */
    "&ACY-",              /* encoded "&" */
    "&APw-&APw-",         /* two runs where one would do */
    "&U,BTFw-&ZeVnLIqe-", /* the bad example of the RFC */
    "&U,BTFx-",           /* padding that is not zero */
    "&APwA-",             /* half a unit */
    "&A-",                /* less than a unit */
    "&APx-",
    "&APwAA-",
    "&2D0-", /* a high surrogate alone */
    "&2D3YPQ-",
    "&3Oc-", /* a low one alone */
    "&3OfYPQ-",
    "&2D0AYQ-",
    "&AAA-", /* NUL */
    "&",     /* unfinished */
    "a&APw",
    "&AP/8-", /* "/" for "," */
    "&AP w-",
    "&AP=-",
    "M\xc3\xbcller", /* raw UTF-8 */
    "M\xfcller",
    "tab\there",
    "\x7f",
};

START_TEST(refused) {
  g_autofree char *utf8 = imap_utf7_decode(not_canonical[_i]);
  ck_assert_msg(utf8 == NULL, "row %d: %s gave %s", _i, not_canonical[_i], utf8);
}
END_TEST

START_TEST(invalid_utf8) {
  static const char *const invalid[] = {"\xff", "\xc3", "a\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf"};
  for (guint i = 0; i < G_N_ELEMENTS(invalid); i++)
    ck_assert_ptr_null(imap_utf7_encode(invalid[i]));
}
END_TEST

static gunichar random_char(GRand *rand) {
  static const gint32 ranges[][2] = {{0x20, 0x7f}, {0x26, 0x2e}, {1, 0x100}, {0x80, 0xd800}, {0xe000, 0x110000}};
  gsize i = (gsize)g_rand_int_range(rand, 0, G_N_ELEMENTS(ranges));
  return (gunichar)g_rand_int_range(rand, ranges[i][0], ranges[i][1]);
}

/* Every string has one name, and gets it back. */
START_TEST(random_strings) {
  g_autoptr(GRand) rand = g_rand_new_with_seed(7);
  for (int round = 0; round < 20000; round++) {
    g_autoptr(GString) text = g_string_new(NULL);
    for (gint32 n = g_rand_int_range(rand, 0, 12); n > 0; n--)
      g_string_append_unichar(text, random_char(rand));
    g_autofree char *name = imap_utf7_encode(text->str);
    ck_assert_ptr_nonnull(name);
    for (const char *p = name; *p; p++)
      ck_assert(*p >= 0x20 && *p <= 0x7e);
    g_autofree char *back = imap_utf7_decode(name);
    ck_assert_msg(g_strcmp0(back, text->str) == 0, "%s", name);
  }
}
END_TEST

/* Whatever decodes is the one spelling of what it decodes to. */
START_TEST(random_names) {
  static const char letters[] = "&&&---ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";
  g_autoptr(GRand) rand = g_rand_new_with_seed(8);
  int decoded = 0;
  for (int round = 0; round < 200000; round++) {
    char name[12] = {0};
    for (gint32 n = g_rand_int_range(rand, 0, sizeof name); n > 0; n--)
      name[n - 1] = letters[g_rand_int_range(rand, 0, sizeof letters - 1)];
    g_autofree char *utf8 = imap_utf7_decode(name);
    if (!utf8)
      continue;
    decoded += strchr(name, '&') ? 1 : 0;
    g_autofree char *again = imap_utf7_encode(utf8);
    ck_assert_str_eq(again, name);
  }
  ck_assert_int_gt(decoded, 1000);
}
END_TEST

int main(void) {
  TCase *tcase = tcase_create("utf7");
  tcase_add_loop_test(tcase, both_ways, 0, G_N_ELEMENTS(pairs));
  tcase_add_loop_test(tcase, refused, 0, G_N_ELEMENTS(not_canonical));
  tcase_add_test(tcase, invalid_utf8);
  tcase_add_test(tcase, random_strings);
  tcase_add_test(tcase, random_names);
  Suite *suite = suite_create("utf7");
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
