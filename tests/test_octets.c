/* SPDX-License-Identifier: MIT */
#include "cache/journal/octets.h"

#include <check.h>
#include <string.h>

#include "cache/tree/names.h"
#include "tests/suite.h"

/* In pieces of any size the answer is the same; returns it. */
static Octets look(const char *text, gsize len) {
  Octets whole, pieces;
  octets_init(&whole);
  octets_feed(&whole, text, len);
  for (gsize piece = 1; piece <= MIN(len, 5); piece++) {
    octets_init(&pieces);
    for (gsize at = 0; at < len; at += piece)
      octets_feed(&pieces, text + at, MIN(piece, len - at));
    ck_assert_msg(memcmp(&whole, &pieces, sizeof whole) == 0, "%s in pieces of %d", text, (int)piece);
  }
  return whole;
}

static Octets see(const char *text) {
  return look(text, strlen(text));
}

START_TEST(a_message_begins_with_a_field) {
  static const char *const messages[] = {
      "Subject: x\n",
      "Subject: x\r\n",
      "X:\r\n",
      "X:\n",
      "Subject \t: obsolete\n",
      "Return-Path: <>\r\nFrom: a\r\n\r\nbody",
      "A!#$%&'*+-/=?^_`{|}~: odd, and allowed\n",
      "Subject: \xc3\xa4\n",
  };
  for (guint i = 0; i < G_N_ELEMENTS(messages); i++)
    ck_assert_msg(see(messages[i]).begins, "%s", messages[i]);
}
END_TEST

START_TEST(everything_else_is_none) {
  static const char *const others[] = {
      "",
      "\n",
      "\r\n\r\nSubject: x\r\n",
      "hello\n",
      "hello world: no\n",
      "Subject: not complete",
      "Subject",
      "From ann@localhost Sat Nov 21 10:00:00 2026\nSubject: x\n",
      ">From ann: quoted: no\n"
      "From: a\n",
      ": nameless\n",
      " Subject: folded\n",
      "\xef\xbb\xbfSubject: byte order mark\n",
      "\x89PNG\r\n\x1a\n",
      "Subj\xc3\xa4"
      "ct: x\n",
      "Sub\rject: x\n",
  };
  for (guint i = 0; i < G_N_ELEMENTS(others); i++)
    ck_assert_msg(!see(others[i]).begins, "%s", others[i]);
  ck_assert(!look("a\0b: x\n", 7).begins);
}
END_TEST

START_TEST(line_ends_are_counted) {
  static const struct {
    const char *text;
    guint64 bare_lf;
    gboolean bare_cr, final_crlf, crcrlf;
  } cases[] = {
      {"", 0, FALSE, FALSE, FALSE},
      {"a: b\r\n\r\nc\r\n", 0, FALSE, TRUE, FALSE},
      {"a: b\n\nc\n", 3, FALSE, FALSE, FALSE},
      {"\n", 1, FALSE, FALSE, FALSE},
      {"\r\n", 0, FALSE, TRUE, FALSE},
      {"a: b\r\nc", 0, FALSE, FALSE, FALSE},
      {"a: b\rc\r\n", 0, TRUE, TRUE, FALSE},
      {"a: b\r\r\n", 0, TRUE, TRUE, TRUE},
      {"a: b\r\n\n", 1, FALSE, FALSE, FALSE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    Octets octets = see(cases[i].text);
    ck_assert_uint_eq(octets.size, strlen(cases[i].text));
    ck_assert_msg(octets.bare_lf == cases[i].bare_lf, "case %u", i);
    ck_assert_msg(octets.bare_cr == cases[i].bare_cr, "case %u", i);
    ck_assert_msg(octets.final_crlf == cases[i].final_crlf, "case %u", i);
    ck_assert_msg(octets.crcrlf == cases[i].crcrlf, "case %u", i);
  }
}
END_TEST

START_TEST(what_servers_keep_is_plain) {
  static const char *const plain[] = {
      "a: b\r\n",
      "a: b\r\n\r\n",
      "a: b\r\n\r\n\xc3\xa4\r\n",
      "a: b\r\n\r\n\r\nc: \xff\r\n",
  };
  static const char *const other[] = {
      "",
      "a: b",
      "a: b\n",
      "a: b\r",
      "a: \xc3\xa4\r\n",
      "a: b\r\n c\xff\r\n\r\nd\r\n",
      "a: b\r\n\r\nx\ry\r\n",
      "a: b\r\n\r\nx\r\r\n",
      "a: b\r\n\r\r\n\xc3\xa4\r\n", /* the header goes on */
      "a: b\r\n\r\nx\ny\r\n",
  };
  for (guint i = 0; i < G_N_ELEMENTS(plain); i++) {
    Octets octets = see(plain[i]);
    ck_assert_msg(octets_are_plain(&octets), "plain %u", i);
  }
  for (guint i = 0; i < G_N_ELEMENTS(other); i++) {
    Octets octets = see(other[i]);
    ck_assert_msg(!octets_are_plain(&octets), "other %u", i);
  }
  Octets nul = look("a: b\r\n\r\nx\0y\r\n", 13);
  ck_assert(nul.nul && !octets_are_plain(&nul));
}
END_TEST

/* ---- CR LF --------------------------------------------------------------------------------------------------- */

static void check_crlf(const char *text, const char *expected) {
  gsize len = strlen(text);
  for (gsize piece = 1; piece <= len + 1; piece++) {
    g_autoptr(GByteArray) out = g_byte_array_new();
    guint8 last = 0;
    for (gsize at = 0; at < len; at += piece)
      octets_to_crlf(text + at, MIN(piece, len - at), &last, out);
    ck_assert_msg(out->len == strlen(expected) && (out->len == 0 || memcmp(out->data, expected, out->len) == 0),
                  "%s in pieces of %d", text, (int)piece);
    ck_assert_uint_eq(out->len, len + see(text).bare_lf);
  }
}

START_TEST(lines_end_in_crlf_once) {
  check_crlf("", "");
  check_crlf("\n", "\r\n");
  check_crlf("a", "a");
  check_crlf("a\nb", "a\r\nb");
  check_crlf("a\r\nb\n\n", "a\r\nb\r\n\r\n");
  check_crlf("a\r\r\n", "a\r\r\n");
  check_crlf("a\rb\n", "a\rb\r\n");
  check_crlf("a: b\r\n\r\nc\r\n", "a: b\r\n\r\nc\r\n");
}
END_TEST

/* ---- fingerprints -------------------------------------------------------------------------------------------- */

/* The answer of a server to BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)], and the file. */
static void check_fingerprint(const char *answer, const char *file) {
  guint8 theirs[16], ours[16];
  names_fingerprint(answer, strlen(answer), theirs);
  octets_fingerprint(file, strlen(file), ours);
  ck_assert_msg(memcmp(theirs, ours, sizeof ours) == 0, "%s", file);
}

START_TEST(the_fingerprint_is_the_servers) {
  const char *answer = "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Ann <ann@example.org>\r\n"
                       "Subject: a long\r\n one\r\nMessage-ID: <1@x>\r\n\r\n";
  check_fingerprint(answer,
                    "Received: from x\r\n\tby y; Sat\r\nMessage-ID: <1@x>\r\nDate: Sat, 21 Nov 2026 10:00:00 "
                    "+0000\r\nFrom: Ann <ann@example.org>\r\nSubject: a long\r\n one\r\n\r\nSubject: not this\r\n");
  check_fingerprint(answer, "Message-ID: <1@x>\nDATE: Sat, 21 Nov 2026 10:00:00 +0000\nFrom: Ann <ann@example.org>\n"
                            "Subject: a long\n one\nX-Other: y\n\nSubject: not this\nFrom: nobody\n");
  check_fingerprint("\r\n", "X: no such fields\r\n\r\nFrom: a\r\n");
  check_fingerprint("Subject: header only\r\n\r\n", "Subject: header only");
  check_fingerprint("\r\n", "\nSubject: a body\n");
  check_fingerprint("\r\n", "");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/octets");
  TCase *tests = tcase_create("octets");
  tcase_add_test(tests, a_message_begins_with_a_field);
  tcase_add_test(tests, everything_else_is_none);
  tcase_add_test(tests, line_ends_are_counted);
  tcase_add_test(tests, what_servers_keep_is_plain);
  tcase_add_test(tests, lines_end_in_crlf_once);
  tcase_add_test(tests, the_fingerprint_is_the_servers);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
