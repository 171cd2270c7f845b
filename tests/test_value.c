/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/parser.h"
#include "tests/suite.h"

/* The only value in text; the tree is freed by the caller. */
static const ImapValue *only(const char *text, gsize len, ImapValue **ret_root) {
  ImapParser parser;
  imap_parser_init(&parser, text, len, -1);
  *ret_root = imap_parser_values(&parser, 0, NULL);
  ck_assert_ptr_nonnull(*ret_root);
  ImapIter iter;
  ck_assert(imap_value_list(*ret_root, &iter));
  const ImapValue *value = imap_iter_next(&iter);
  ck_assert(value && !imap_iter_next(&iter));
  return value;
}

static const struct {
  const char *text;
  guint64 max;
  gboolean valid;
  guint64 number;
} numbers[] = {
    {"0", 10, TRUE, 0},
    {"10", 10, TRUE, 10},
    {"11", 10, FALSE, 0},
    {"7", 5, FALSE, 0},
    {"007", 10, TRUE, 7},
    {"4294967295", G_MAXUINT32, TRUE, 4294967295u},
    {"4294967296", G_MAXUINT32, FALSE, 0},
    {"3000000000", G_MAXUINT32, TRUE, 3000000000u}, /* UIDs past 2^31 */
    {"18446744073709551615", G_MAXUINT64, TRUE, G_MAXUINT64},
    {"18446744073709551616", G_MAXUINT64, FALSE, 0},
    {"99999999999999999999999", G_MAXUINT64, FALSE, 0},
    {"-1", G_MAXUINT64, FALSE, 0},         /* Exchange, Zoho (MK#953, MK#1686) */
    {"9.3736e+06", G_MAXUINT64, FALSE, 0}, /* mail.ru (MK#1838) */
    {"+1", 10, FALSE, 0},
    {"NIL", 10, FALSE, 0},
    {"\"1\"", 10, FALSE, 0},
    {"(1)", 10, FALSE, 0},
};

START_TEST(number) {
  g_autoptr(ImapValue) root = NULL;
  guint64 n = 0;
  gboolean valid = imap_value_number(only(numbers[_i].text, strlen(numbers[_i].text), &root), numbers[_i].max, &n);
  ck_assert_msg(valid == numbers[_i].valid && n == numbers[_i].number, "row %d", _i);
}
END_TEST

static const struct {
  const char *text;
  gsize len;
  const char *atom, *astring, *bytes;
} strings[] = {
    {"INBOX", 5, "INBOX", "INBOX", NULL},
    {"NIL", 3, "NIL", "NIL", NULL},
    {"\"a \\\"b\\\\\"", 9, NULL, "a \"b\\", "a \"b\\"},
    {"\"\\x\"", 4, NULL, "x", "x"},
    {"\"\"", 2, NULL, "", ""},
    {"{3}\r\na\\\"", 8, NULL, "a\\\"", "a\\\""},
    {"{0}\r\n", 5, NULL, "", ""},
    {"{3}\r\na\0b", 8, NULL, NULL, "a"},
    {"(a)", 3, NULL, NULL, NULL},
};

static gboolean same(const char *got, const char *expected) {
  return g_strcmp0(got, expected) == 0;
}

START_TEST(text) {
  g_autoptr(ImapValue) root = NULL;
  const ImapValue *value = only(strings[_i].text, strings[_i].len, &root);
  g_autofree char *atom = imap_value_dup_atom(value), *astring = imap_value_dup_astring(value);
  ck_assert_msg(same(atom, strings[_i].atom), "row %d: %s", _i, atom);
  ck_assert_msg(same(astring, strings[_i].astring), "row %d: %s", _i, astring);
  g_autoptr(GBytes) bytes = imap_value_dup_bytes(value);
  ck_assert((bytes != NULL) == (strings[_i].bytes != NULL));
  if (bytes) {
    gsize len;
    const char *data = g_bytes_get_data(bytes, &len);
    ck_assert_msg(len >= strlen(strings[_i].bytes) && (len == 0 || g_str_has_prefix(data, strings[_i].bytes)), "row %d",
                  _i);
  }
}
END_TEST

START_TEST(bytes_keep_nul) {
  g_autoptr(ImapValue) root = NULL;
  g_autoptr(GBytes) bytes = imap_value_dup_bytes(only("{3}\r\na\0b", 8, &root));
  gsize len;
  ck_assert_mem_eq(g_bytes_get_data(bytes, &len), "a\0b", 3);
  ck_assert_uint_eq(len, 3);
}
END_TEST

START_TEST(atoms) {
  g_autoptr(ImapValue) root = NULL;
  const ImapValue *value = only("Uid", 3, &root);
  const char *data;
  gsize len;
  ck_assert(imap_value_is(value, "UID") && !imap_value_is(value, "UI") && !imap_value_is(value, "UIDX"));
  ck_assert(imap_value_atom(value, &data, &len) && len == 3 && strncmp(data, "Uid", 3) == 0);
  g_autoptr(ImapValue) other = NULL;
  value = only("\"UID\"", 5, &other);
  ck_assert(!imap_value_is(value, "UID") && !imap_value_atom(value, &data, &len));
}
END_TEST

START_TEST(iteration) {
  g_autoptr(ImapValue) root = NULL;
  const ImapValue *list = only("(a (b (c)) () d)", 16, &root);
  ImapIter outer, inner;
  ck_assert(imap_value_list(list, &outer));
  ck_assert(imap_value_is(imap_iter_next(&outer), "a"));
  const ImapValue *b = imap_iter_next(&outer);
  ck_assert(imap_value_list(b, &inner) && imap_value_is(imap_iter_next(&inner), "b"));
  ck_assert(imap_iter_next(&inner) && !imap_iter_next(&inner));
  ck_assert(imap_value_list(imap_iter_next(&outer), &inner) && !imap_iter_next(&inner));
  const ImapValue *d = imap_iter_next(&outer);
  ck_assert(imap_value_is(d, "d") && !imap_value_list(d, &inner) && !imap_iter_next(&outer));
}
END_TEST

START_TEST(words) {
  g_autoptr(ImapValue) root = NULL;
  ImapIter iter;
  ck_assert(imap_value_list(only("(a \"b\" (c) \\*)", 14, &root), &iter));
  g_auto(GStrv) strv = imap_iter_dup_words(&iter);
  ck_assert_str_eq(strv[0], "a");
  ck_assert_str_eq(strv[1], "\\*");
  ck_assert_ptr_null(strv[2]);
}
END_TEST

int main(void) {
  TCase *tcase = tcase_create("value");
  tcase_add_loop_test(tcase, number, 0, G_N_ELEMENTS(numbers));
  tcase_add_loop_test(tcase, text, 0, G_N_ELEMENTS(strings));
  tcase_add_test(tcase, bytes_keep_nul);
  tcase_add_test(tcase, atoms);
  tcase_add_test(tcase, iteration);
  tcase_add_test(tcase, words);
  Suite *suite = suite_create("value");
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
