/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/flags.h"
#include "tests/suite.h"

static const struct {
  const char *name;
  guint flag;
} names[] = {
    {"\\Seen", IMAP_FLAG_SEEN},
    {"\\ANSWERED", IMAP_FLAG_ANSWERED},
    {"\\flagged", IMAP_FLAG_FLAGGED},
    {"\\Deleted", IMAP_FLAG_DELETED},
    {"\\Draft", IMAP_FLAG_DRAFT},
    {"\\Recent", IMAP_FLAG_RECENT},
    {"\\*", 0},
    {"\\See", 0},
    {"\\Seen2", 0},
    {"Seen", 0},
    {"", 0},
};

START_TEST(test_find) {
  ck_assert_msg(imap_flag_find(names[_i].name, strlen(names[_i].name)) == names[_i].flag, "row %d", _i);
}
END_TEST

static const struct {
  const char *keyword;
  gboolean valid;
} keywords[] = {
    {"$Label1", TRUE}, {"$MDNSent", TRUE}, {"a[b", TRUE},  {"NonJunk", TRUE}, {"+x", TRUE},        {"", FALSE},
    {"a b", FALSE},    {"a)", FALSE},      {"(a", FALSE},  {"\\Seen", FALSE}, {"\\*", FALSE},      {"a\r\nb", FALSE},
    {"a{3}", FALSE},   {"x%", FALSE},      {"a\"", FALSE}, {"a]", FALSE},     {"\xc3\xa4", FALSE}, {"a\x7f", FALSE},
};

START_TEST(test_keyword) {
  ck_assert_msg(imap_keyword_valid(keywords[_i].keyword) == keywords[_i].valid, "row %d", _i);
}
END_TEST

START_TEST(test_keyword_length) {
  g_autofree char *longest = g_strnfill(255, 'k'), *longer = g_strnfill(256, 'k');
  ck_assert(imap_keyword_valid(longest));
  ck_assert(!imap_keyword_valid(longer));
}
END_TEST

START_TEST(test_format) {
  const char *const words[] = {"$Label1", "not one", "x", NULL};
  g_autofree char *none = imap_flags_format(0, NULL);
  g_autofree char *all = imap_flags_format(0xff, NULL);
  g_autofree char *both = imap_flags_format(IMAP_FLAG_SEEN, words);
  g_autofree char *keywords_only = imap_flags_format(0, words);
  ck_assert_str_eq(none, "()");
  ck_assert_str_eq(all, "(\\Seen \\Answered \\Flagged \\Deleted \\Draft)");
  ck_assert_str_eq(both, "(\\Seen $Label1 x)");
  ck_assert_str_eq(keywords_only, "($Label1 x)");
}
END_TEST

START_TEST(test_permit) {
  char *words[] = {"\\Seen", "\\deleted", "$Label1", "\\*", "x", NULL}, *nothing[] = {NULL};
  g_auto(ImapMailbox) mailbox = {0};
  imap_mailbox_permit(&mailbox, words);
  ck_assert(mailbox.limited && mailbox.any_keyword);
  ck_assert_uint_eq(mailbox.permanent, IMAP_FLAG_SEEN | IMAP_FLAG_DELETED);
  ck_assert_str_eq(mailbox.keywords[0], "$Label1");
  ck_assert_str_eq(mailbox.keywords[1], "x");
  ck_assert_ptr_null(mailbox.keywords[2]);
  imap_mailbox_permit(&mailbox, nothing);
  ck_assert(mailbox.limited && !mailbox.any_keyword && mailbox.permanent == 0 && mailbox.keywords[0] == NULL);
}
END_TEST

START_TEST(test_keywords_limit) {
  for (guint beyond = 0; beyond < 2; beyond++) {
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (guint i = 0; i < IMAP_LIMIT_KEYWORDS + beyond; i++)
      g_strv_builder_add(builder, "k");
    g_auto(GStrv) words = g_strv_builder_end(builder);
    g_auto(ImapMailbox) mailbox = {0};
    imap_mailbox_permit(&mailbox, words);
    ck_assert_uint_eq(g_strv_length(mailbox.keywords), IMAP_LIMIT_KEYWORDS);
  }
}
END_TEST

int main(void) {
  TCase *tc = tcase_create("flags");
  tcase_add_loop_test(tc, test_find, 0, G_N_ELEMENTS(names));
  tcase_add_loop_test(tc, test_keyword, 0, G_N_ELEMENTS(keywords));
  tcase_add_test(tc, test_keyword_length);
  tcase_add_test(tc, test_format);
  tcase_add_test(tc, test_permit);
  tcase_add_test(tc, test_keywords_limit);
  Suite *suite = suite_create("flags");
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
