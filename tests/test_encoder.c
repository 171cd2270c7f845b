/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/encoder.h"
#include "imap/error.h"
#include "imap/limits.h"
#include "tests/suite.h"

/* The parts of a command, joined by "|". */
static char *parts(const ImapEncoder *encoder) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < imap_encoder_parts(encoder); i++) {
    gsize len;
    const char *part = imap_encoder_part(encoder, i, &len);
    g_string_append(text, i > 0 ? "|" : "");
    g_string_append_len(text, part, (gssize)len);
  }
  return g_string_free(text, FALSE);
}

static const struct {
  ImapLiterals literals;
  const char *string, *encoded, *trace;
} cases[] = {
    {IMAP_LITERAL_SYNC, "INBOX", "\"INBOX\"", "\"INBOX\""},
    {IMAP_LITERAL_SYNC, "", "\"\"", "\"\""},
    {IMAP_LITERAL_SYNC, "NIL", "\"NIL\"", "\"NIL\""},
    {IMAP_LITERAL_SYNC, "a \"b\\c\"", "\"a \\\"b\\\\c\\\"\"", "\"a \\\"b\\\\c\\\"\""},
    {IMAP_LITERAL_SYNC, "%*{5}", "\"%*{5}\"", "\"%*{5}\""},
    {IMAP_LITERAL_SYNC, "M\xc3\xbcll", "{5}\r\n|M\xc3\xbcll", "{5 bytes}"},
    {IMAP_LITERAL_PLUS, "M\xc3\xbcll", "{5+}\r\nM\xc3\xbcll", "{5 bytes}"},
    {IMAP_LITERAL_MINUS, "M\xc3\xbcll", "{5+}\r\nM\xc3\xbcll", "{5 bytes}"},
    {IMAP_LITERAL_SYNC, "tab\there", "{8}\r\n|tab\there", "{8 bytes}"},
    {IMAP_LITERAL_PLUS, "x\r\ny DELETE z", "{13+}\r\nx\r\ny DELETE z", "{13 bytes}"}, /* no injection */
    {IMAP_LITERAL_PLUS, "del\x7f", "{4+}\r\ndel\x7f", "{4 bytes}"},
};

START_TEST(strings) {
  for (int secret = 0; secret < 2; secret++) {
    g_autoptr(ImapEncoder) encoder = imap_encoder_new(cases[_i].literals);
    imap_encoder_raw(encoder, "a1 X ");
    (secret ? imap_encoder_secret : imap_encoder_string)(encoder, cases[_i].string, strlen(cases[_i].string));
    imap_encoder_raw(encoder, " ()");
    ck_assert(imap_encoder_finish(encoder, NULL));
    g_autofree char *got = parts(encoder), *expected = g_strdup_printf("a1 X %s ()\r\n", cases[_i].encoded);
    ck_assert_msg(strcmp(got, expected) == 0, "row %d: %s", _i, got);
    g_autofree char *trace = imap_encoder_trace(encoder);
    g_autofree char *line = g_strdup_printf("a1 X %s ()", secret ? "***" : cases[_i].trace);
    ck_assert_str_eq(trace, line);
  }
}
END_TEST

START_TEST(two_literals) {
  g_autoptr(ImapEncoder) encoder = imap_encoder_new(IMAP_LITERAL_SYNC);
  imap_encoder_raw(encoder, "a LOGIN ");
  imap_encoder_string(encoder, "\xc3\xa4", 2);
  imap_encoder_raw(encoder, " ");
  imap_encoder_secret(encoder, "p\xc3\xa4", 3);
  ck_assert(imap_encoder_finish(encoder, NULL));
  ck_assert_uint_eq(imap_encoder_parts(encoder), 3);
  g_autofree char *got = parts(encoder), *trace = imap_encoder_trace(encoder);
  ck_assert_str_eq(got, "a LOGIN {2}\r\n|\xc3\xa4 {3}\r\n|p\xc3\xa4\r\n");
  ck_assert_str_eq(trace, "a LOGIN {2 bytes} ***");
}
END_TEST

static void assert_literal(ImapLiterals literals, gsize len, const char *header, guint n_parts) {
  g_autofree char *data = g_strnfill(len, 'x');
  g_autoptr(ImapEncoder) encoder = imap_encoder_new(literals);
  imap_encoder_string(encoder, data, len);
  ck_assert(imap_encoder_finish(encoder, NULL));
  gsize first;
  ck_assert_mem_eq(imap_encoder_part(encoder, 0, &first), header, strlen(header));
  ck_assert_uint_eq(imap_encoder_parts(encoder), n_parts);
}

START_TEST(long_strings) {
  assert_literal(IMAP_LITERAL_SYNC, 1000, "\"", 1);
  assert_literal(IMAP_LITERAL_SYNC, 1001, "{1001}\r\n", 2);
  assert_literal(IMAP_LITERAL_MINUS, 4096, "{4096+}\r\n", 1);
  assert_literal(IMAP_LITERAL_MINUS, 4097, "{4097}\r\n", 2);
  assert_literal(IMAP_LITERAL_PLUS, 100000, "{100000+}\r\n", 1);
}
END_TEST

/* The octets are not its business, nor is what ends the command. */
START_TEST(announced) {
  for (int waits = 0; waits < 2; waits++) {
    g_autoptr(ImapEncoder) encoder = imap_encoder_new(IMAP_LITERAL_SYNC);
    imap_encoder_raw(encoder, "a APPEND ");
    imap_encoder_string(encoder, "\xc3\xa4", 2);
    imap_encoder_raw(encoder, " ");
    ck_assert_uint_eq(imap_encoder_parts(encoder), 1);
    imap_encoder_announce(encoder, 5000000000, waits);
    ck_assert(imap_encoder_finish(encoder, NULL));
    ck_assert_uint_eq(imap_encoder_parts(encoder), 2);
    g_autofree char *got = parts(encoder), *trace = imap_encoder_trace(encoder);
    ck_assert_str_eq(got, waits ? "a APPEND {2}\r\n|\xc3\xa4 {5000000000}\r\n"
                                : "a APPEND {2}\r\n|\xc3\xa4 {5000000000+}\r\n");
    ck_assert_str_eq(trace, "a APPEND {2 bytes} {5000000000 bytes}");
  }
}
END_TEST

START_TEST(nul) {
  g_autoptr(ImapEncoder) encoder = imap_encoder_new(IMAP_LITERAL_PLUS);
  g_autoptr(GError) error = NULL;
  imap_encoder_string(encoder, "a\0b", 3);
  ck_assert(!imap_encoder_finish(encoder, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CONFIG));
}
END_TEST

START_TEST(command_limit) {
  g_autofree char *text = g_strnfill(IMAP_LIMIT_COMMAND - 8, 'x');
  for (int beyond = 0; beyond < 2; beyond++) {
    g_autoptr(ImapEncoder) encoder = imap_encoder_new(IMAP_LITERAL_PLUS);
    g_autoptr(GError) error = NULL;
    imap_encoder_raw(encoder, text);
    imap_encoder_raw(encoder, beyond ? "x" : "");
    imap_encoder_string(encoder, "1234567\n", 8); /* counts as "{8+}", CR and LF: its octets do not */
    imap_encoder_raw(encoder, "yy");
    ck_assert(imap_encoder_finish(encoder, &error) == !beyond);
    ck_assert(!beyond || g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CONFIG));
  }
}
END_TEST

int main(void) {
  TCase *tcase = tcase_create("encoder");
  tcase_add_loop_test(tcase, strings, 0, G_N_ELEMENTS(cases));
  tcase_add_test(tcase, two_literals);
  tcase_add_test(tcase, long_strings);
  tcase_add_test(tcase, announced);
  tcase_add_test(tcase, nul);
  tcase_add_test(tcase, command_limit);
  Suite *suite = suite_create("encoder");
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
