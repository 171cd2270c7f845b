/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <time.h>

#include "tests/fake.h"
#include "tests/suite.h"

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

static Session session_with(const char *capabilities, const char *dialogue, guint timeout) {
  Session s = {0};
  g_autofree char *login = g_strdup_printf(FAKE_LOGIN("%s"), capabilities);
  g_autofree char *script = g_strconcat(login, "C: @ EXAMINE \"INBOX\"\nS: * 3 EXISTS\nS: @ OK\n", dialogue, NULL);
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

static Session session_new(const char *dialogue, guint timeout) {
  return session_with("", dialogue, timeout);
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

/* ---- what breaks off ------------------------------------------------------------------------------------ */

static const struct {
  const char *lines, *told;
  ImapError code;
} breaks[] = {
    {"R: * 1 FETCH (UID 7 BODY[] {9}\\r\\nhello\nhalf\n", "begin(9) hello end(0) ", IMAP_ERROR_NETWORK},
    {"R: * 1 FETCH (UID 7 BODY[] {9}\\r\\nhello\nstall\n", "begin(9) hello end(0) ", IMAP_ERROR_TIMEOUT},
    {"R: * 1 FETCH (UID 7 BODY[] {5}\\r\\nhello\nhalf\n", "begin(5) hello end(0) ", IMAP_ERROR_NETWORK},
    {"R: * 1 FETCH (UID 7 BODY[] {5}\\r\\nhello\\r\\n\n", "begin(5) hello end(0) ", IMAP_ERROR_PROTOCOL},
    {"R: * 1 FETCH (UID 7 BODY[] {4}\\r\\nhello)\\r\\n\n", "begin(4) hell end(0) ", IMAP_ERROR_PROTOCOL},
    {"R: * 1 FETCH (UID 7 BODY[] {7}\\r\\nhello)\\r\\n\n", "begin(7) hello)\r end(0) ", IMAP_ERROR_PROTOCOL},
    {"R: * 1 FETCH (UID 7 BODY[] {2}\\r\\nab BODY[] {2}\\r\\ncd)\\r\\n\n", "begin(2) ab end(0) ", IMAP_ERROR_PROTOCOL},
    {"R: * LIST () BODY[] {2}\\r\\nab\\r\\n\n", "begin(2) ab end(0) ", IMAP_ERROR_PROTOCOL},
    {"R: * 1 FETCH (UID 7 BODY[] {99999999999}\\r\\nhello\n", "", IMAP_ERROR_LIMIT},
    {"S: * BYE [UNAVAILABLE] rate limit hit\n", "", IMAP_ERROR_UNAVAILABLE},
    {"S: * 1 FETCH (UID 7 FLAGS (\\Seen)\n", "", IMAP_ERROR_PROTOCOL},
    {"S: ZZZ1 OK not yours\n", "", IMAP_ERROR_PROTOCOL},
};

START_TEST(test_break) {
  g_autofree char *dialogue = g_strconcat("C: @ UID FETCH 7:9 (UID BODY.PEEK[])\n", breaks[_i].lines, NULL);
  g_auto(Session) s = session_new(dialogue, 1);
  ask(&s, IMAP_FETCH_BODY);
  g_auto(ImapMessage) message = {0};
  g_autoptr(GError) error = NULL;
  ImapFetchResult got = imap_fetch_next(s.conn, &sink, &s.told, &message, NULL, &error);
  ck_assert_msg(got == IMAP_FETCH_FAILED, "row %d: %d", _i, (int)got);
  ck_assert_msg(error->code == (int)breaks[_i].code, "row %d: %d %s", _i, error->code, error->message);
  ck_assert_msg(strcmp(s.told.log->str, breaks[_i].told) == 0, "row %d: %s", _i, s.told.log->str);
  ck_assert(imap_conn_failed(s.conn));
  ck_assert_uint_eq(imap_fetch_pending(s.conn), 0);
}
END_TEST

/* ---- what the sink does not want -------------------------------------------------------------------------- */

#define TWO_BODIES                                                                                                     \
  "C: @ UID FETCH 7:9 (UID BODY.PEEK[])\n"                                                                             \
  "R: * 1 FETCH (UID 7 BODY[] {5}\\r\\nhello)\\r\\n\n"                                                                 \
  "R: * 2 FETCH (UID 8 BODY[] {5}\\r\\nagain)\\r\\n\n"                                                                 \
  "S: @ OK done\n"

START_TEST(test_refused_body_is_drained) {
  g_auto(Session) s = session_new(TWO_BODIES, 5);
  g_auto(ImapMessage) message = {0};
  s.told.refuse = TRUE;
  ask(&s, IMAP_FETCH_BODY);
  ck_assert_int_eq(imap_fetch_next(s.conn, &sink, &s.told, &message, NULL, NULL), IMAP_FETCH_MESSAGE);
  ck_assert_uint_eq(message.has & IMAP_HAS_BODY, 0);
  s.told.refuse = FALSE;
  expect(&s, IMAP_FETCH_MESSAGE, 8, OK);
  ck_assert_str_eq(s.told.log->str, "begin(5) begin(5) again end(1) ");
  expect(&s, IMAP_FETCH_DONE, 0, OK);
}
END_TEST

/* Who asks for flags may be sent bodies all the same. */
START_TEST(test_nobody_wants_bodies) {
  static const ImapSink none = {0};
  g_auto(Session) s = session_new(TWO_BODIES, 5);
  ask(&s, IMAP_FETCH_BODY);
  for (guint i = 0; i < 2; i++) {
    g_auto(ImapMessage) message = {0};
    ck_assert_int_eq(imap_fetch_next(s.conn, i ? &none : NULL, NULL, &message, NULL, NULL), IMAP_FETCH_MESSAGE);
    ck_assert_uint_eq(message.has & IMAP_HAS_BODY, 0);
  }
  expect(&s, IMAP_FETCH_DONE, 0, OK);
}
END_TEST

START_TEST(test_failed_write_is_drained) {
  g_auto(Session) s = session_new(TWO_BODIES, 5);
  g_auto(ImapMessage) message = {0};
  s.told.fail = TRUE;
  ask(&s, IMAP_FETCH_BODY);
  ck_assert_int_eq(imap_fetch_next(s.conn, &sink, &s.told, &message, NULL, NULL), IMAP_FETCH_MESSAGE);
  ck_assert_uint_eq(message.has & IMAP_HAS_BODY, 0);
  ck_assert_str_eq(s.told.log->str, "begin(5)  end(0) ");
  s.told.fail = FALSE;
  expect(&s, IMAP_FETCH_MESSAGE, 8, OK);
  expect(&s, IMAP_FETCH_DONE, 0, OK);
}
END_TEST

/* A body without a UID is nobody's. */
START_TEST(test_body_without_uid) {
  g_auto(Session) s = session_new("C: @ UID FETCH 7:9 (UID BODY.PEEK[])\n"
                                  "R: * 1 FETCH (BODY[] {5}\\r\\nhello)\\r\\n\n"
                                  "S: @ OK done\n",
                                  5);
  ask(&s, IMAP_FETCH_BODY);
  expect(&s, IMAP_FETCH_DONE, 0, OK);
  ck_assert_str_eq(s.told.log->str, "begin(5) hello end(0) ");
}
END_TEST

/* ---- items ------------------------------------------------------------------------------------------------------ */

static const struct {
  const char *capabilities, *item, *value, *emailid;
} identities[] = {
    {"", "", "", NULL},
    {"OBJECTID", " EMAILID", " EMAILID (M12)", "M12"},
    {"OBJECTID X-GM-EXT-1", " EMAILID", " EMAILID NIL", NULL},
    {"X-GM-EXT-1", " X-GM-MSGID", " X-GM-MSGID 1278455344230334865", "1278455344230334865"},
};

START_TEST(test_identity) {
  g_autofree char *dialogue = g_strdup_printf("C: @ UID FETCH 7:9 (UID FLAGS INTERNALDATE RFC822.SIZE%s)\n"
                                              "S: * 1 FETCH (UID 7 RFC822.SIZE 12%s)\n"
                                              "S: @ OK\n"
                                              "C: @ UID FETCH 7:9 (UID FLAGS)\n"
                                              "S: @ OK\n",
                                              identities[_i].item, identities[_i].value);
  g_auto(Session) s = session_with(identities[_i].capabilities, dialogue, 5);
  g_auto(ImapMessage) message = {0};
  ask(&s, IMAP_FETCH_LISTING_BARE);
  ck_assert_int_eq(imap_fetch_next(s.conn, &sink, &s.told, &message, NULL, NULL), IMAP_FETCH_MESSAGE);
  ck_assert(g_strcmp0(message.emailid, identities[_i].emailid) == 0);
  ck_assert(((message.has & IMAP_HAS_EMAILID) != 0) == (identities[_i].emailid != NULL));
  expect(&s, IMAP_FETCH_DONE, 0, OK);
  ask(&s, IMAP_FETCH_FLAGS);
  expect(&s, IMAP_FETCH_DONE, 0, OK);
}
END_TEST

START_TEST(test_since) {
  g_auto(Session) s = session_new("C: @ UID FETCH 7:9 (UID FLAGS) (CHANGEDSINCE 12345678901)\n"
                                  "S: * 2 FETCH (UID 8 MODSEQ (12345678902) FLAGS (\\Seen))\n"
                                  "S: @ OK\n",
                                  5);
  g_autoptr(ImapSeqset) set = imap_seqset_parse("7:9", 3, 0);
  ck_assert(imap_fetch_send_since(s.conn, set, 12345678901, NULL, NULL));
  expect(&s, IMAP_FETCH_MESSAGE, 8, OK);
  expect(&s, IMAP_FETCH_DONE, 0, OK);
}
END_TEST

/* A header as large as may be kept; one octet more, and the message comes without it; then all goes on. */
START_TEST(test_header) {
  g_autoptr(GString) dialogue = g_string_new("C: @ UID FETCH 7:9 (UID BODY.PEEK[HEADER])\n");
  g_autofree char *octets = g_strnfill(IMAP_LIMIT_LITERAL + 1, 'x');
  g_string_append_printf(dialogue, "R: * 1 FETCH (UID 7 BODY[HEADER] {%u}\\r\\n%s)\\r\\n\n", IMAP_LIMIT_LITERAL,
                         octets + 1);
  g_string_append_printf(dialogue, "R: * 2 FETCH (UID 8 BODY[HEADER] {%u}\\r\\n%s)\\r\\n\n", IMAP_LIMIT_LITERAL + 1,
                         octets);
  g_string_append(dialogue, "R: * 3 FETCH (UID 9 BODY[HEADER] {6}\\r\\nA: b\\r\\n)\\r\\n\nS: @ OK\n");
  static const gsize sizes[] = {IMAP_LIMIT_LITERAL, 0, 6};
  g_auto(Session) s = session_new(dialogue->str, 5);
  ask(&s, IMAP_FETCH_HEADER);
  for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_auto(ImapMessage) message = {0};
    ck_assert_int_eq(imap_fetch_next(s.conn, &sink, &s.told, &message, NULL, NULL), IMAP_FETCH_MESSAGE);
    ck_assert_uint_eq(message.uid, 7 + i);
    ck_assert_uint_eq(message.header != NULL ? g_bytes_get_size(message.header) : 0, sizes[i]);
    ck_assert(((message.has & IMAP_HAS_HEADER) != 0) == (sizes[i] > 0));
  }
  expect(&s, IMAP_FETCH_DONE, 0, OK);
  ck_assert_str_eq(s.told.log->str, "");
}
END_TEST

/* ---- pipelining ----------------------------------------------------------------------------------------------- */

START_TEST(test_pipeline) {
  g_auto(Session) s = session_new("C: @ UID FETCH 7:9 (UID FLAGS INTERNALDATE RFC822.SIZE)\n"
                                  "C: @ UID FETCH 7:9 (UID FLAGS)\n"
                                  "S: * 1 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" "
                                  "RFC822.SIZE 12)\n"
                                  "S: @4 OK first\n"
                                  "S: * 1 FETCH (UID 7 FLAGS ())\n"
                                  "S: @5 NO Some messages could not be FETCHed\n"
                                  "C: @ UID FETCH 7:9 (UID FLAGS)\n"
                                  "S: @ BAD no\n",
                                  5);
  ask(&s, IMAP_FETCH_LISTING_BARE);
  ask(&s, IMAP_FETCH_FLAGS);
  ck_assert_uint_eq(imap_fetch_pending(s.conn), 2);
  expect(&s, IMAP_FETCH_MESSAGE, 7, OK);
  expect(&s, IMAP_FETCH_DONE, 0, OK);
  ck_assert_uint_eq(imap_fetch_pending(s.conn), 1);
  expect(&s, IMAP_FETCH_MESSAGE, 7, OK);
  expect(&s, IMAP_FETCH_DONE, 0, IMAP_ERROR_REFUSED); /* Q19: what came before it stands */
  ask(&s, IMAP_FETCH_FLAGS);
  expect(&s, IMAP_FETCH_DONE, 0, IMAP_ERROR_PROTOCOL);
  ck_assert(!imap_conn_failed(s.conn));
}
END_TEST

START_TEST(test_out_of_turn) {
  g_auto(Session) s = session_new("C: @ UID FETCH 7:9 (UID FLAGS)\n"
                                  "C: @ UID FETCH 7:9 (UID FLAGS)\n"
                                  "S: @5 OK second\n",
                                  5);
  ask(&s, IMAP_FETCH_FLAGS);
  ask(&s, IMAP_FETCH_FLAGS);
  expect(&s, IMAP_FETCH_FAILED, 0, IMAP_ERROR_PROTOCOL);
}
END_TEST

/* ---- wake and cancel --------------------------------------------------------------------------------------------- */

START_TEST(test_wake) {
  g_auto(Session) s = session_new("C: @ UID FETCH 7:9 (UID BODY.PEEK[])\n"
                                  "R: * 1 FETCH (UID 7 BODY[] {5}\\r\\nhel\n"
                                  "wait\n"
                                  "R: lo)\\r\\n\n"
                                  "S: @ OK done\n",
                                  5);
  ask(&s, IMAP_FETCH_BODY);
  imap_conn_wake(s.conn); /* sticky: before the call is as good as during it */
  expect(&s, IMAP_FETCH_WOKEN, 0, OK);
  GThread *thread = g_thread_new("wake", (GThreadFunc)(void (*)(void))imap_conn_wake, s.conn);
  expect(&s, IMAP_FETCH_WOKEN, 0, OK);
  g_thread_join(thread);
  fake_go(s.fake);
  expect(&s, IMAP_FETCH_MESSAGE, 7, OK); /* the body goes on where it was */
  ck_assert_str_eq(s.told.log->str, "begin(5) hello end(1) ");
  expect(&s, IMAP_FETCH_DONE, 0, OK);
}
END_TEST

/* What was meant for the last lessee wakes nobody, and is no reason to spin past the deadline. */
START_TEST(test_wake_of_the_last_lessee) {
  g_auto(Session) s = session_new("C: @ UID FETCH 7:9 (UID FLAGS)\nstall\n", 1);
  struct timespec before, after;
  imap_conn_wake(s.conn);
  imap_pool_release(s.pool, s.conn);
  s.conn = imap_pool_lease(s.pool, IMAP_ROLE_PROMPT, NULL, NULL);
  ck_assert(s.conn != NULL);
  ask(&s, IMAP_FETCH_FLAGS);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
  expect(&s, IMAP_FETCH_FAILED, 0, IMAP_ERROR_TIMEOUT);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
  gint64 ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
  ck_assert_int_lt(ms, 500);
}
END_TEST

START_TEST(test_cancel_in_a_body) {
  g_auto(Session) s = session_new("C: @ UID FETCH 7:9 (UID BODY.PEEK[])\n"
                                  "R: * 1 FETCH (UID 7 BODY[] {5}\\r\\nhel\n"
                                  "wait\n",
                                  5);
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  ImapMessage message;
  ask(&s, IMAP_FETCH_BODY);
  g_cancellable_cancel(c);
  ck_assert_int_eq(imap_fetch_next(s.conn, &sink, &s.told, &message, c, &error), IMAP_FETCH_FAILED);
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
  ck_assert(imap_conn_failed(s.conn));
  fake_go(s.fake);
}
END_TEST

/* Lets the fake go on six times, 400 ms apart: the passing of time is the subject here. */
static gpointer pace(gpointer data) {
  for (int i = 0; i < 6; i++) {
    g_usleep(400000);
    fake_go(data);
  }
  return NULL;
}

/* An answer may take longer than `timeout` as long as it moves; here it takes 2.4 s with a timeout of 1 s. */
START_TEST(test_progress_is_no_silence) {
  g_autoptr(GString) dialogue = g_string_new("C: @ UID FETCH 7:9 (UID FLAGS)\n");
  for (int i = 0; i < 6; i++)
    g_string_append(dialogue, "wait\nS: * OK still here\n");
  g_string_append(dialogue, "S: @ OK done\n");
  g_auto(Session) s = session_new(dialogue->str, 1);
  ask(&s, IMAP_FETCH_FLAGS);
  GThread *thread = g_thread_new("go", pace, s.fake);
  expect(&s, IMAP_FETCH_DONE, 0, OK);
  g_thread_join(thread);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("fetch");
  TCase *tc = tcase_create("all");
  tcase_add_loop_test(tc, test_body, 0, G_N_ELEMENTS(bodies));
  tcase_add_loop_test(tc, test_body_split_at_every_octet, 0, G_N_ELEMENTS(bodies));
  tcase_add_loop_test(tc, test_break, 0, G_N_ELEMENTS(breaks));
  tcase_add_test(tc, test_refused_body_is_drained);
  tcase_add_test(tc, test_nobody_wants_bodies);
  tcase_add_test(tc, test_failed_write_is_drained);
  tcase_add_test(tc, test_body_without_uid);
  tcase_add_loop_test(tc, test_identity, 0, G_N_ELEMENTS(identities));
  tcase_add_test(tc, test_since);
  tcase_add_test(tc, test_header);
  tcase_add_test(tc, test_pipeline);
  tcase_add_test(tc, test_out_of_turn);
  tcase_add_test(tc, test_wake);
  tcase_add_test(tc, test_wake_of_the_last_lessee);
  tcase_add_test(tc, test_cancel_in_a_body);
  tcase_add_test(tc, test_progress_is_no_silence);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
