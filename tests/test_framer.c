/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/error.h"
#include "imap/limits.h"
#include "tests/frames.h"
#include "tests/suite.h"

static const struct {
  const char *wire;
  gssize len; /* -1: a string */
  guint64 stream;
  const char *frames;
} cases[] = {
    {"* OK hi\r\na1 OK done\r\n", -1, FRAMES_KEEP, "response -1: * OK hi\nresponse -1: a1 OK done\n"},
    {"* 1 FE", -1, FRAMES_KEEP, ""},
    {"\r\n", -1, FRAMES_KEEP, "response -1: \n"},
    {"+\r\n", -1, FRAMES_KEEP, "response -1: +\n"}, /* Exchange, Yandex */

    /* literals kept in the response */
    {"* 1 FETCH (B {5}\r\nhello)\r\n", -1, FRAMES_KEEP,
     "literal 5: * 1 FETCH (B {5}\nresponse -1: * 1 FETCH (B {5}\\r\\nhello)\n"},
    {"* X {5}\r\nab\r\n{\r\n", -1, FRAMES_KEEP, "literal 5: * X {5}\nresponse -1: * X {5}\\r\\nab\\r\\n{\n"},
    {"* X {0}\r\n\r\n* Y\r\n", -1, FRAMES_KEEP, "literal 0: * X {0}\nresponse -1: * X {0}\\r\\n\nresponse -1: * Y\n"},
    {"* X {3+}\r\na\0b\r\n", 15, FRAMES_KEEP, "literal 3: * X {3+}\nresponse -1: * X {3+}\\r\\na\\x00b\n"},
    {"* X ~{3}\r\n\n\n\r x\r\n", -1, FRAMES_KEEP, "literal 3: * X ~{3}\nresponse -1: * X ~{3}\\r\\n\\n\\n\\r x\n"},
    {"* X {2}\r\n{3 {1}\r\n}\r\n", -1, FRAMES_KEEP,
     "literal 2: * X {2}\nliteral 1: * X {2}\\r\\n{3 {1}\nresponse -1: * X {2}\\r\\n{3 {1}\\r\\n}\n"},
    {"{1}\r\nx\r\n", -1, FRAMES_KEEP, "literal 1: {1}\nresponse -1: {1}\\r\\nx\n"},

    /* literals streamed out of it; a tagged line inside a body is content (curl#22865) */
    {"* 1 FETCH (UID 7 BODY[] {9}\r\na1 OK x\r\n)\r\na1 OK\r\n", -1, 0,
     "literal 9: * 1 FETCH (UID 7 BODY[] {9}\ndata: a1 OK x\\r\\n\n"
     "response 0: * 1 FETCH (UID 7 BODY[] {9}\\r\\n)\nresponse -1: a1 OK\n"},
    {"* 1 FETCH (A {1}\r\nx B {4}\r\nbody C {2}\r\nyz)\r\n* Y\r\n", -1, 4,
     "literal 1: * 1 FETCH (A {1}\nliteral 4: * 1 FETCH (A {1}\\r\\nx B {4}\ndata: body\n"
     "literal 2: * 1 FETCH (A {1}\\r\\nx B {4}\\r\\n C {2}\n"
     "response 1: * 1 FETCH (A {1}\\r\\nx B {4}\\r\\n C {2}\\r\\nyz)\nresponse -1: * Y\n"},
    {"* X {0}\r\n)\r\n* X {1}\r\nb)\r\n", -1, 0,
     "literal 0: * X {0}\nresponse 0: * X {0}\\r\\n)\nliteral 1: * X {1}\ndata: b\nresponse 0: * X {1}\\r\\n)\n"},
    {"* X {1}\r\na {1}\r\nb)\r\n", -1, 0, "literal 1: * X {1}\ndata: a\nliteral 1: * X {1}\\r\\n {1}\nprotocol\n"},

    /* what is no literal */
    {"* X {}\r\n* X {-1}\r\n* X {1+}x\r\n* X }\r\n* X {1 }\r\n", -1, FRAMES_KEEP,
     "response -1: * X {}\nresponse -1: * X {-1}\nresponse -1: * X {1+}x\nresponse -1: * X }\nresponse -1: * X {1 }\n"},
    {"* X \"{5}\r\n* X \"\\\"{5}\r\n", -1, FRAMES_KEEP, "response -1: * X \"{5}\nresponse -1: * X \"\\x5c\"{5}\n"},
    {"* X \"a\\\"\" {1}\r\nb\r\n", -1, FRAMES_KEEP,
     "literal 1: * X \"a\\x5c\"\" {1}\nresponse -1: * X \"a\\x5c\"\" {1}\\r\\nb\n"},
    {"a1 NO No mailbox a{5}\r\n* bad x {5}\r\n+ y {5}\r\n* [COPYUID] {5}\r\n", -1, FRAMES_KEEP,
     "response -1: a1 NO No mailbox a{5}\nresponse -1: * bad x {5}\nresponse -1: + y {5}\n"
     "response -1: * [COPYUID] {5}\n"},
    {"* NOOP {1}\r\nx\r\n", -1, FRAMES_KEEP, "literal 1: * NOOP {1}\nresponse -1: * NOOP {1}\\r\\nx\n"},

    /* octets that have no place outside literals; 8-bit has */
    {"* OK M\xfcll\xc3\xa4\t\r\n", -1, FRAMES_KEEP, "response -1: * OK M\\xfcll\\xc3\\xa4\\x09\n"},
    {"* OK\n", -1, FRAMES_KEEP, "protocol\n"},
    {"\n", -1, FRAMES_KEEP, "protocol\n"},
    {"* OK\r \r\n", -1, FRAMES_KEEP, "protocol\n"},
    {"* O\0K\r\n", 8, FRAMES_KEEP, "protocol\n"},
    {"* X {1}\r\n\r\n\r\n", -1, FRAMES_KEEP, "literal 1: * X {1}\nprotocol\n"}, /* a CR in a literal ends no line */
    {"* X {1}\r\n\r\n\r\n", -1, 0, "literal 1: * X {1}\ndata: \\r\nprotocol\n"},

    /* sizes */
    {"* X {2147483649}\r\n", -1, 0, "limit\n"}, /* IMAP_LIMIT_BODY + 1 */
    {"* X {2147483648}\r\n", -1, 0, "literal 2147483648: * X {2147483648}\n"},
    {"* X {4194305}\r\nx", -1, FRAMES_KEEP, "literal 4194305: * X {4194305}\nlimit\n"}, /* IMAP_LIMIT_LITERAL + 1 */
    {"* X {4194304}\r\nx", -1, FRAMES_KEEP, "literal 4194304: * X {4194304}\n"},
    {"* X {18446744073709551616}\r\n", -1, 0, "limit\n"},
    {"* X {99999999999999999999999999}\r\n", -1, 0, "limit\n"},
    {"* X {00000000000000000000000001}\r\ny\r\n", -1, FRAMES_KEEP,
     "literal 1: * X {00000000000000000000000001}\nresponse -1: * X {00000000000000000000000001}\\r\\ny\n"},
};

START_TEST(split_at_every_octet) {
  gsize len = cases[_i].len < 0 ? strlen(cases[_i].wire) : (gsize)cases[_i].len;
  frames_assert(cases[_i].wire, len, cases[_i].stream, cases[_i].frames, _i);
}
END_TEST

/* Feeds in pieces of 64 kB and returns how it ended: the length of the response, 0 for more, or -code. */
static gssize outcome(const char *wire, gsize len) {
  g_autoptr(ImapFramer) framer = imap_framer_new();
  for (gsize at = 0; at < len; at += 65536) {
    imap_framer_feed(framer, wire + at, MIN((gsize)65536, len - at));
    ImapFrame frame;
    ImapFrameType type;
    g_autoptr(GError) error = NULL;
    while ((type = imap_framer_next(framer, &frame, &error)) == IMAP_FRAME_LITERAL)
      ;
    if (type == IMAP_FRAME_ERROR)
      return -error->code;
    if (type == IMAP_FRAME_RESPONSE)
      return (gssize)frame.len;
  }
  return 0;
}

static void append_fill(GString *wire, gsize len) {
  gsize old = wire->len;
  g_string_set_size(wire, old + len);
  memset(wire->str + old, 'x', len);
}

START_TEST(line_limit) {
  g_autoptr(GString) wire = g_string_new("* ");
  append_fill(wire, IMAP_LIMIT_LINE - 2);
  ck_assert_int_eq(outcome(wire->str, wire->len), 0);
  g_string_append(wire, "\r\n");
  ck_assert_int_eq(outcome(wire->str, wire->len), IMAP_LIMIT_LINE);
  g_string_insert_c(wire, 2, 'x');
  ck_assert_int_eq(outcome(wire->str, wire->len), -IMAP_ERROR_LIMIT);
  g_string_truncate(wire, wire->len - 2);
  g_string_append(wire, "xx"); /* no line end in sight */
  ck_assert_int_eq(outcome(wire->str, wire->len), -IMAP_ERROR_LIMIT);
}
END_TEST

START_TEST(line_limit_counts_text_around_literals) {
  g_autoptr(GString) wire = g_string_new("* {3}\r\nabc");
  append_fill(wire, IMAP_LIMIT_LINE - 5);
  g_string_append(wire, "\r\n");
  ck_assert_int_eq(outcome(wire->str, wire->len), (gssize)wire->len - 2);
  g_string_insert_c(wire, 10, 'x');
  ck_assert_int_eq(outcome(wire->str, wire->len), -IMAP_ERROR_LIMIT);
}
END_TEST

/* Two literals and the text between come to `total` octets. */
static gssize two_literals(gsize total) {
  g_autoptr(GString) wire = g_string_new(NULL);
  g_string_append_printf(wire, "* {%u}\r\n", IMAP_LIMIT_LITERAL);
  append_fill(wire, IMAP_LIMIT_LITERAL);
  gsize rest = total - wire->len - strlen(" {4194304}\r\n");
  g_string_append_printf(wire, " {%zu}\r\n", rest);
  append_fill(wire, rest);
  ck_assert_uint_eq(wire->len, total);
  g_string_append(wire, "\r\n");
  return outcome(wire->str, wire->len);
}

START_TEST(response_limit) {
  ck_assert_int_eq(two_literals(IMAP_LIMIT_RESPONSE), IMAP_LIMIT_RESPONSE);
  ck_assert_int_eq(two_literals(IMAP_LIMIT_RESPONSE + 1), -IMAP_ERROR_LIMIT);
}
END_TEST

START_TEST(literal_limit) {
  g_autoptr(GString) wire = g_string_new(NULL);
  g_string_append_printf(wire, "* {%u}\r\n", IMAP_LIMIT_LITERAL);
  append_fill(wire, IMAP_LIMIT_LITERAL);
  g_string_append(wire, "\r\n");
  ck_assert_int_eq(outcome(wire->str, wire->len), (gssize)wire->len - 2);
}
END_TEST

START_TEST(errors_are_final) {
  g_autoptr(ImapFramer) framer = imap_framer_new();
  imap_framer_feed(framer, "\n* OK\r\n", 7);
  for (int i = 0; i < 3; i++) {
    ImapFrame frame;
    g_autoptr(GError) error = NULL;
    ck_assert_int_eq(imap_framer_next(framer, &frame, &error), IMAP_FRAME_ERROR);
    ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL));
  }
  ImapFrame frame;
  ck_assert_int_eq(imap_framer_next(framer, &frame, NULL), IMAP_FRAME_ERROR);
}
END_TEST

/* STARTTLS asks whether anything came after its OK. */
START_TEST(buffered) {
  g_autoptr(ImapFramer) framer = imap_framer_new();
  ImapFrame frame;
  ck_assert_uint_eq(imap_framer_buffered(framer), 0);
  imap_framer_feed(framer, "a1 OK\r\n* ", 9);
  ck_assert_uint_eq(imap_framer_buffered(framer), 9);
  ck_assert_int_eq(imap_framer_next(framer, &frame, NULL), IMAP_FRAME_RESPONSE);
  ck_assert_uint_eq(imap_framer_buffered(framer), 2);
  ck_assert_int_eq(imap_framer_next(framer, &frame, NULL), IMAP_FRAME_MORE);
  imap_framer_feed(framer, "X\r\n", 3);
  ck_assert_int_eq(imap_framer_next(framer, &frame, NULL), IMAP_FRAME_RESPONSE);
  ck_assert_uint_eq(imap_framer_buffered(framer), 0);
}
END_TEST

START_TEST(data_counts_down) {
  g_autoptr(ImapFramer) framer = imap_framer_new();
  ImapFrame frame;
  imap_framer_feed(framer, "* {5}\r\nab", 9);
  ck_assert_int_eq(imap_framer_next(framer, &frame, NULL), IMAP_FRAME_LITERAL);
  imap_framer_stream(framer);
  ck_assert_int_eq(imap_framer_next(framer, &frame, NULL), IMAP_FRAME_DATA);
  ck_assert_uint_eq(frame.len, 2);
  ck_assert_uint_eq(frame.size, 3);
  imap_framer_feed(framer, "cde\r\n", 5);
  ck_assert_int_eq(imap_framer_next(framer, &frame, NULL), IMAP_FRAME_DATA);
  ck_assert_uint_eq(frame.len, 3);
  ck_assert_uint_eq(frame.size, 0);
  ck_assert_int_eq(imap_framer_next(framer, &frame, NULL), IMAP_FRAME_RESPONSE);
}
END_TEST

int main(void) {
  TCase *tcase = tcase_create("framer");
  tcase_add_loop_test(tcase, split_at_every_octet, 0, G_N_ELEMENTS(cases));
  tcase_add_test(tcase, line_limit);
  tcase_add_test(tcase, line_limit_counts_text_around_literals);
  tcase_add_test(tcase, response_limit);
  tcase_add_test(tcase, literal_limit);
  tcase_add_test(tcase, errors_are_final);
  tcase_add_test(tcase, buffered);
  tcase_add_test(tcase, data_counts_down);
  Suite *suite = suite_create("framer");
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
