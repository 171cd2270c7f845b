/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/fake.h"

/* What a sink was told: "begin(5) hello end(1)". */
typedef struct {
  GString *log;
  gboolean refuse, fail;
} Told;

static gboolean told_begin(gpointer data, guint64 size) {
  Told *told = data;
  g_string_append_printf(told->log, "begin(%" G_GUINT64_FORMAT ") ", size);
  return !told->refuse;
}

static gboolean told_write(gpointer data, const void *octets, gsize len) {
  Told *told = data;
  if (told->fail)
    return FALSE;
  g_string_append_len(told->log, octets, (gssize)len);
  return TRUE;
}

static void told_end(gpointer data, gboolean whole) {
  g_string_append_printf(((Told *)data)->log, " end(%d) ", whole);
}

static const ImapSink sink = {told_begin, told_write, told_end};

typedef struct {
  Fake *fake;
  ImapConfig config;
  ImapPool *pool;
  ImapConn *conn;
  Told told;
} Session;

static Session session_new(const char *dialogue, guint timeout) {
  Session s = {0};
  g_autofree char *script =
      g_strconcat(FAKE_LOGIN(""), "C: @ EXAMINE \"INBOX\"\nS: * 3 EXISTS\nS: @ OK\n", dialogue, NULL);
  GError *error = NULL;
  s.fake = fake_new(script);
  s.config = fake_config(s.fake);
  s.config.timeout = timeout;
  s.pool = imap_pool_new(&s.config);
  s.conn = imap_pool_lease(s.pool, IMAP_ROLE_PROMPT, NULL, &error);
  ck_assert_msg(s.conn != NULL, "%s", error != NULL ? error->message : "");
  ck_assert(imap_examine(s.conn, "INBOX", TRUE, NULL, NULL, NULL));
  s.told.log = g_string_new(NULL);
  return s;
}

static void session_clear(Session *s) {
  imap_pool_release(s->pool, s->conn);
  imap_pool_free(s->pool);
  g_string_free(s->told.log, TRUE);
  fake_free(s->fake);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Session, session_clear)

static void ask(Session *s, ImapFetchItems items) {
  g_autoptr(ImapSeqset) set = imap_seqset_parse("7:9", 3, 0);
  ck_assert(imap_fetch_send(s->conn, set, items, NULL, NULL));
}

static void expect(Session *s, ImapFetchResult wanted, guint32 uid, ImapError code) {
  g_auto(ImapMessage) message = {0};
  g_autoptr(GError) error = NULL;
  ImapFetchResult got = imap_fetch_next(s->conn, &sink, &s->told, &message, NULL, &error);
  ck_assert_msg(got == wanted, "result %d instead of %d: %s", (int)got, (int)wanted, error ? error->message : "");
  ck_assert_uint_eq(message.uid, uid);
  if (code != (ImapError)-1)
    ck_assert_msg(g_error_matches(error, IMAP_ERROR, (int)code), "%s", error ? error->message : "no error");
  else
    ck_assert_msg(error == NULL, "%s", error != NULL ? error->message : "");
}

#define OK ((ImapError)-1)

/* Bodies however they come: literal, quoted, before or after the UID, between other responses. */
static const struct {
  const char *lines, *told;
} bodies[] = {
    {"R: * 1 FETCH (UID 7 BODY[] {5}\\r\\nhello)\\r\\n\n", "begin(5) hello end(1) "},
    {"R: * 1 FETCH (BODY[] {5}\\r\\nhello UID 7)\\r\\n\n", "begin(5) hello end(1) "},
    {"R: * 1 FETCH (UID 7 BODY[] {0}\\r\\n)\\r\\n\n", "begin(0)  end(1) "},
    {"R: * 1 FETCH (UID 7 BODY[] \"hello\")\\r\\n\n", "begin(5) hello end(1) "},
    {"R: * 1 fetch (uid 7 body[] {5}\\r\\nhello)\\r\\n\n", "begin(5) hello end(1) "},
    {"R: * 1 FETCH (UID 7 BODY[] ~{5}\\r\\nhello)\\r\\n\n", "begin(5) hello end(1) "},
    {"R: * 1 FETCH (UID 7 BODY[] {11}\\r\\n* OK x\\r\\n)\\r\\n)\\r\\n\n", "begin(11) * OK x\r\n)\r\n end(1) "},
    {"S: * 4 EXISTS\nS: * 1 FETCH (FLAGS (\\Seen))\nR: * 1 FETCH (UID 7 BODY[] {5}\\r\\nhello)\\r\\n\n",
     "begin(5) hello end(1) "},
    {"R: * 1 FETCH (UID 7 BODY[] NIL)\\r\\n\n", ""},
    {"R: * 1 FETCH (UID 7 BODY[HEADER.FIELDS (DATE)] {7}\\r\\nDate: x BODY[] {5}\\r\\nhello)\\r\\n\n",
     "begin(5) hello end(1) "},
};

static void run_body(int i, const char *prefix) {
  g_autofree char *dialogue =
      g_strconcat(prefix, "C: @ UID FETCH 7:9 (UID BODY.PEEK[])\n", bodies[i].lines, "S: @ OK done\n", NULL);
  g_auto(Session) s = session_new(dialogue, 5);
  ask(&s, IMAP_FETCH_BODY);
  ck_assert_uint_eq(imap_fetch_pending(s.conn), 1);
  expect(&s, IMAP_FETCH_MESSAGE, 7, OK);
  ck_assert_str_eq(s.told.log->str, bodies[i].told);
  expect(&s, IMAP_FETCH_DONE, 0, OK);
  ck_assert_uint_eq(imap_fetch_pending(s.conn), 0);
}

START_TEST(test_body) {
  run_body(_i, "");
}
END_TEST

START_TEST(test_body_split_at_every_octet) {
  run_body(_i, "split\n");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fetch");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 30);
  tcase_add_loop_test(tc, test_body, 0, G_N_ELEMENTS(bodies));
  tcase_add_loop_test(tc, test_body_split_at_every_octet, 0, G_N_ELEMENTS(bodies));
  suite_add_tcase(suite, tc);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
