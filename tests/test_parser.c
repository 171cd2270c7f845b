/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "imap/error.h"
#include "imap/limits.h"
#include "imap/parser.h"
#include "tests/suite.h"
#include "tests/values.h"

static ImapValue *parse(const char *text, gsize len, int streamed, char stop, GError **error) {
  ImapParser parser;
  imap_parser_init(&parser, text, len, streamed);
  return imap_parser_values(&parser, stop, error);
}

static const struct {
  const char *text;
  const char *values; /* NULL: refused */
  int streamed;
} cases[] = {
    {"", "()", -1},
    {"   ", "()", -1},
    {"a b  c ", "(a b c)", -1},
    {"(UID 19436 )", "((UID 19436))", -1}, /* QQ, imap-codec quirk_trailing_space */
    {"( UID  5 FLAGS ( \\Seen  $x ) )", "((UID 5 FLAGS (\\Seen $x)))", -1},
    {"(())", "((()))", -1},
    {"((\"\" \"/\"))NIL (\"x\"\"y\")", NULL, -1},
    {"((\"\" \"/\"))(\"x\")NIL", NULL, -1},
    {"((\"\" \"/\")(\"x\"))NIL", NULL, -1},
    {"((\"\" \"/\")(\"x\")) NIL", "(((\"\" \"/\") (\"x\")) NIL)", -1},
    {"\"a \\\"b\\\\\" c", "(\"a \\\"b\\\\\" c)", -1},
    {"\"\"", "(\"\")", -1},
    {"\"M\xc3\xbcll (\"", "(\"M\xc3\xbcll (\")", -1},
    {"M\xc3\xbcll\ttab", "(M\xc3\xbcll\ttab)", -1}, /* Exchange: controls in unquoted names */
    {"[Gmail]/All a]b", "([Gmail]/All a]b)", -1},
    {"{3}\r\nabc d", "({3}\r\nabc d)", -1},
    {"{3+}\r\na\nb", "({3}\r\na\nb)", -1},
    {"~{3}\r\nabc", "({3}\r\nabc)", -1},
    {"({0}\r\n)", "(({0}\r\n))", -1},
    {"~x", "(~x)", -1},
    {"BODY[] {5}\r\n)", NULL, -1},
    {"(BODY[] {5}\r\n)", "((BODY[] <streamed>))", 0},
    {"(X {1}\r\na BODY[] {5}\r\n Y {1}\r\nb)", "((X {1}\r\na BODY[] <streamed> Y {1}\r\nb))", 1},
    {"BODY[HEADER.FIELDS (DATE FROM)] x", "(BODY[HEADER.FIELDS (DATE FROM)] x)", -1},
    {"BODY[HEADER.FIELDS (\"DATE\" \"FROM\")]<0> x", "(BODY[HEADER.FIELDS (\"DATE\" \"FROM\")]<0> x)",
     -1}, /* Courier */
    {"body[HEADER.FIELDS (\"]\\\"]\")] x", "(body[HEADER.FIELDS (\"]\\\"]\")] x)", -1},
    {"BINARY[1] x", "(BINARY[1] x)", -1},
    {"BODY[HEADER", NULL, -1},
    {"BODYX[a b]", "(BODYX[a b])", -1},
    {"(a", NULL, -1},
    {"a)", NULL, -1},
    {"((a)", NULL, -1},
    {"\"a", NULL, -1},
    {"\"a\\\"", NULL, -1},
    {"\"a\r\n\"", NULL, -1},
    {"\"a\"b", NULL, -1},
    {"a\"b\"", NULL, -1},
    {"a{3}\r\nabc", NULL, -1},
    {"a\r\nb", NULL, -1},
    {"{3}\r\nab", NULL, -1},
    {"{3}\r\nabcd", NULL, -1}, /* Domino announces a literal one or two octets short */
    {"{3}", NULL, -1},
    {"{}\r\n", NULL, -1},
    {"{-1}\r\n", NULL, -1},
    {"{3}abc", NULL, -1},
    {"{99999999999999999999}\r\n", NULL, -1},
};

START_TEST(tree) {
  g_autoptr(GError) error = NULL;
  g_autoptr(ImapValue) root = parse(cases[_i].text, strlen(cases[_i].text), cases[_i].streamed, 0, &error);
  ck_assert_msg((root != NULL) == (cases[_i].values != NULL), "row %d: %s", _i, cases[_i].text);
  if (!root) {
    ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL));
    return;
  }
  GString *text = values_print(root);
  ck_assert_msg(strcmp(text->str, cases[_i].values) == 0, "row %d: %s", _i, text->str);
  if (cases[_i].streamed < 0) {
    ImapParser parser;
    imap_parser_init(&parser, text->str, text->len, -1);
    g_autoptr(ImapValue) again = imap_parser_values(&parser, 0, NULL);
    ImapIter iter;
    ck_assert(again && imap_value_list(again, &iter));
    ck_assert_msg(values_equal(imap_iter_next(&iter), root), "row %d", _i);
  }
  g_string_free(text, TRUE);
}
END_TEST

/* Every proper beginning of a bracketed value is refused, not misread. */
START_TEST(truncated) {
  static const char whole[] = "(UID 7 BODY[HEADER.FIELDS (\"X\" Y)] {4}\r\nab\r\n FLAGS (\\Seen) \"q\\\"\" NIL)";
  for (gsize len = 1; len < strlen(whole); len++)
    ck_assert_ptr_null(parse(whole, len, -1, 0, NULL));
  g_autoptr(ImapValue) root = parse(whole, strlen(whole), -1, 0, NULL);
  ck_assert_ptr_nonnull(root);
}
END_TEST

START_TEST(response_code) {
  static const char text[] = "(\\Answered a]b \"]\") \"]\" 7] Flags [permitted].";
  ImapParser parser;
  imap_parser_init(&parser, text, strlen(text), -1);
  g_autoptr(ImapValue) root = imap_parser_values(&parser, ']', NULL);
  GString *values = values_print(root);
  ck_assert_str_eq(values->str, "((\\Answered a]b \"]\") \"]\" 7)");
  ck_assert_str_eq(parser.at, " Flags [permitted].");
  g_string_free(values, TRUE);
  ck_assert_ptr_null(parse("no end", 6, -1, ']', NULL));
}
END_TEST

START_TEST(words) {
  ImapParser parser;
  const char *word;
  gsize len;
  imap_parser_init(&parser, "*  FETCH (a", 11, -1);
  ck_assert(imap_parser_word(&parser, &word, &len) && len == 1 && word[0] == '*');
  ck_assert(imap_parser_word(&parser, &word, &len) && len == 5);
  ck_assert(imap_parser_word(&parser, &word, &len) && len == 2);
  ck_assert(!imap_parser_word(&parser, &word, &len));
}
END_TEST

static void assert_depth(guint depth, gboolean allowed) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < depth; i++)
    g_string_append_c(text, '(');
  for (guint i = 0; i < depth; i++)
    g_string_append_c(text, ')');
  g_autoptr(GError) error = NULL;
  g_autoptr(ImapValue) root = parse(text->str, text->len, -1, 0, &error);
  ck_assert((root != NULL) == allowed);
  ck_assert(allowed || g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LIMIT));
}

START_TEST(depth_limit) {
  assert_depth(IMAP_LIMIT_DEPTH, TRUE);
  assert_depth(IMAP_LIMIT_DEPTH + 1, FALSE);
}
END_TEST

START_TEST(values_limit) {
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 1; i < IMAP_LIMIT_VALUES; i++) /* the root is one */
    g_string_append(text, "()");
  g_autoptr(GError) error = NULL;
  g_autoptr(ImapValue) root = parse(text->str, text->len, -1, 0, &error);
  ck_assert_ptr_nonnull(root);
  g_string_append(text, "()");
  ck_assert_ptr_null(parse(text->str, text->len, -1, 0, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LIMIT));
}
END_TEST

int main(void) {
  TCase *tcase = tcase_create("parser");
  tcase_add_loop_test(tcase, tree, 0, G_N_ELEMENTS(cases));
  tcase_add_test(tcase, truncated);
  tcase_add_test(tcase, response_code);
  tcase_add_test(tcase, words);
  tcase_add_test(tcase, depth_limit);
  tcase_add_test(tcase, values_limit);
  Suite *suite = suite_create("parser");
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
