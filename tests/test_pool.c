/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/dovecot.h"
#include "tests/fake.h"
#include "tests/suite.h"

static ImapConn *must_lease(ImapPool *pool, ImapRole role) {
  g_autoptr(GError) error = NULL;
  ImapConn *conn = imap_pool_lease(pool, role, NULL, &error);
  ck_assert_msg(conn != NULL, "%s", error != NULL ? error->message : "");
  return conn;
}

static void check_fails(ImapPool *pool, ImapRole role, ImapError code) {
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(imap_pool_lease(pool, role, NULL, &error));
  ck_assert_msg(error->code == (int)code, "%d: %s", error->code, error->message);
}

#define REFUSED "S: * OK hi\nC: @ CAPABILITY\nS: * CAPABILITY IMAP4rev1\nS: @ OK\nC: @ LOGIN *\nS: @ NO wrong\n"

/* ---- one connection ---------------------------------------------------------------------------------- */

START_TEST(test_kept_and_replaced) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "C: @ NOOP\nS: @ OK\nwait\nnext\n" FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  ck_assert_int_eq(imap_pool_heard(pool), 0);
  ImapConn *first = must_lease(pool, IMAP_ROLE_PROMPT);
  ck_assert_int_gt(imap_pool_heard(pool), 0);
  imap_pool_release(pool, first);
  ck_assert_ptr_eq(must_lease(pool, IMAP_ROLE_BULK), first); /* connections=1: they share */
  ck_assert(imap_noop(first, NULL, NULL));
  imap_conn_fail(first);
  imap_pool_release(pool, first);
  fake_go(fake);
  ImapConn *second = must_lease(pool, IMAP_ROLE_WATCH);
  imap_conn_fail(second);
  imap_pool_release(pool, second);
  imap_pool_free(pool);
}
END_TEST

/* The server closed it while nobody used it: nobody notices. */
START_TEST(test_idle_death) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "S: * BYE Autologout\nnext\n" FAKE_LOGIN("") "C: @ NOOP\nS: @ OK\n");
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  imap_pool_release(pool, must_lease(pool, IMAP_ROLE_PROMPT));
  ImapConn *conn = NULL;
  for (gboolean done = FALSE; !done;) { /* until the BYE has been there to be seen */
    conn = must_lease(pool, IMAP_ROLE_PROMPT);
    done = imap_noop(conn, NULL, NULL);
    if (!done)
      imap_pool_release(pool, conn);
  }
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_logout) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "C: @ LOGOUT\nS: * BYE bye\nS: @ OK\n");
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  imap_pool_release(pool, must_lease(pool, IMAP_ROLE_PROMPT));
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_logout_does_not_wait_long) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "C: @ LOGOUT\nstall\n");
  ImapConfig config = fake_config(fake);
  config.timeout = 30;
  ImapPool *pool = imap_pool_new(&config);
  imap_pool_release(pool, must_lease(pool, IMAP_ROLE_PROMPT));
  gint64 before = g_get_monotonic_time();
  imap_pool_free(pool);
  ck_assert_int_lt(g_get_monotonic_time() - before, 3 * G_USEC_PER_SEC);
}
END_TEST

/* Three connections to a server that has fallen silent: unmounting has two seconds in all. */
START_TEST(test_logouts_wait_together) {
  static char tunnel[] = "sh -c 'printf \"* PREAUTH [CAPABILITY IMAP4rev1] hi\\r\\n\"; while read -r tag rest; do case "
                         "$rest in LOGOUT*) ;; *) printf \"%s OK\\r\\n\" $tag;; esac; done'";
  ImapConfig config = {.host = "h", .user = "ann", .tunnel = tunnel, .timeout = 30, .connections = 3};
  ImapPool *pool = imap_pool_new(&config);
  for (ImapRole role = 0; role < IMAP_ROLES; role++)
    imap_pool_release(pool, must_lease(pool, role));
  gint64 before = g_get_monotonic_time();
  imap_pool_free(pool);
  ck_assert_int_lt(g_get_monotonic_time() - before, 1800 * 1000);
}
END_TEST

/* ---- trouble --------------------------------------------------------------------------------------------- */

START_TEST(test_backoff) {
  g_autoptr(Fake) fake = fake_new("half\nnext\n" FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  ck_assert_int_eq(imap_pool_next_try(pool), 0);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_NETWORK);
  gint64 wait = imap_pool_next_try(pool) - g_get_monotonic_time();
  ck_assert_int_gt(wait, 0);
  ck_assert_int_le(wait, G_USEC_PER_SEC);
  check_fails(pool, IMAP_ROLE_BULK, IMAP_ERROR_NETWORK); /* at once: the fake sees no second try */
  imap_pool_retry(pool);
  ck_assert_int_eq(imap_pool_next_try(pool), 0);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_suggested_backoff) {
  g_autoptr(Fake) fake = fake_new("S: * BYE Request is throttled. Suggested Backoff Time: 299961 milliseconds\n");
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_UNAVAILABLE);
  ck_assert_int_gt(imap_pool_next_try(pool) - g_get_monotonic_time(), 290 * G_USEC_PER_SEC);
  imap_pool_free(pool);
}
END_TEST

/* ---- leave me alone ---------------------------------------------------------------------------------------- */

typedef struct {
  guint times;
  gint64 until;
} Paused;

static void note_pause(gint64 until, gpointer data) {
  Paused *paused = data;
  paused->times++;
  paused->until = until;
}

static gint64 seconds_left(gint64 until) {
  return until - g_get_real_time() / G_USEC_PER_SEC;
}

/* Said on one connection, in an answer to whatever it was, it holds for all, also for one that is there already. */
static const char *const pleas[] = {
    "@ NO Request is throttled. Suggested Backoff Time: 99961 milliseconds",
    "@ BAD Request is throttled. Suggested Backoff Time: 99961 milliseconds",
    "* NO [ALERT] Slow down. Suggested Backoff Time: 99961 milliseconds [THROTTLED]",
    "@ OK [THROTTLED] done. Suggested Backoff Time: 99961 ms",
    "* BYE Suggested Backoff Time: 99961 ms",
};

START_TEST(test_pause_counts_for_all) {
  g_autofree char *script = g_strdup_printf(FAKE_LOGIN("") "C: @ NOOP\nS: %s\nnext\n" FAKE_LOGIN(""), pleas[_i]);
  g_autoptr(Fake) fake = fake_new(script);
  ImapConfig config = fake_config(fake);
  Paused paused = {0};
  config.paused = note_pause;
  config.paused_data = &paused;
  config.connections = 2;
  config.timeout = 1; /* the untagged ones are all that comes */
  ImapPool *pool = imap_pool_new(&config);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  g_autoptr(GError) refusal = NULL;
  ck_assert_int_eq(imap_noop(conn, NULL, &refusal), refusal == NULL);
  imap_pool_release(pool, conn);
  for (int role = 0; role < IMAP_ROLES; role++)
    check_fails(pool, (ImapRole)role, IMAP_ERROR_UNAVAILABLE);
  ck_assert_uint_eq(paused.times, 1);
  ck_assert_int_gt(seconds_left(paused.until), 90);
  ck_assert_int_le(seconds_left(paused.until), 101); /* whole seconds */
  ck_assert_int_gt(imap_pool_next_try(pool) - g_get_monotonic_time(), 90 * G_USEC_PER_SEC);
  g_autofree char *state = imap_pool_describe(pool);
  ck_assert_msg(strstr(state, "left alone until") != NULL, "%s", state);
  imap_pool_drop(pool); /* a resume does not change what the server wants */
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_UNAVAILABLE);
  imap_pool_retry(pool);
  ck_assert_uint_eq(paused.times, 2);
  ck_assert_int_eq(paused.until, 0);
  conn = must_lease(pool, IMAP_ROLE_WATCH);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* Refusals that are one command's, or one folder's. */
static const char *const own_matters[] = {
    "@ NO [OVERQUOTA] Mailbox is full",      "@ NO [INUSE] somebody else",
    "@ NO [UNAVAILABLE] this one is broken", "@ NO [SERVERBUG] oops",
    "@ NO [LIMIT] too many flags",           "@ OK no rate limit here, not at all throttled",
};

START_TEST(test_no_pause) {
  g_autofree char *script = g_strdup_printf(FAKE_LOGIN("") "C: @ NOOP\nS: %s\nC: @ NOOP\nS: @ OK\n", own_matters[_i]);
  g_autoptr(Fake) fake = fake_new(script);
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_noop(conn, NULL, NULL);
  imap_pool_release(pool, conn);
  ck_assert_ptr_eq(must_lease(pool, IMAP_ROLE_PROMPT), conn);
  ck_assert(imap_noop(conn, NULL, NULL));
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_pause_of_the_last_run) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  imap_pool_set_pause(pool, 0);
  ck_assert_int_eq(imap_pool_next_try(pool), 0);
  imap_pool_set_pause(pool, g_get_real_time() / G_USEC_PER_SEC + 50);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_UNAVAILABLE);
  ck_assert_int_gt(imap_pool_next_try(pool) - g_get_monotonic_time(), 40 * G_USEC_PER_SEC);
  imap_pool_hurry(pool); /* that somebody reads is no reason */
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_UNAVAILABLE);
  imap_pool_retry(pool);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

static gpointer lease_in_vain(gpointer data) {
  check_fails(data, IMAP_ROLE_BULK, IMAP_ERROR_UNAVAILABLE);
  return NULL;
}

static void wait_for_waiters(ImapPool *pool, ImapConn *conn) {
  while (!imap_pool_contended(pool, conn))
    g_thread_yield();
}

/* Who stands in line hears of it at once. */
START_TEST(test_pause_ends_the_line) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "C: @ NOOP\nS: @ NO slow [THROTTLED]\n");
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  GThread *thread = g_thread_new("lease", lease_in_vain, pool);
  wait_for_waiters(pool, conn);
  ck_assert(!imap_noop(conn, NULL, NULL));
  g_thread_join(thread);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* A greeting can be a refusal. */
static const struct {
  const char *greeting;
  ImapError error;
} greetings[] = {
    {"* BYE Too many connections", IMAP_ERROR_UNAVAILABLE},
    {"* BYE [UNAVAILABLE] down for an hour", IMAP_ERROR_UNAVAILABLE},
    {"* BYE go away", IMAP_ERROR_NETWORK},
    {"* BYE Connection closed. 14", IMAP_ERROR_UNAVAILABLE},
    {"* NO [THROTTLED] not now", IMAP_ERROR_UNAVAILABLE},
    {"* BAD what", IMAP_ERROR_NETWORK},
};

START_TEST(test_refusing_greeting) {
  g_autofree char *script = g_strdup_printf("S: %s\n", greetings[_i].greeting);
  g_autoptr(Fake) fake = fake_new(script);
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  check_fails(pool, IMAP_ROLE_PROMPT, greetings[_i].error);
  ck_assert_int_ne(imap_pool_next_try(pool), 0);
  g_autofree char *state = imap_pool_describe(pool);
  ck_assert_msg(g_str_has_prefix(state, "0 of 1 connections, "), "%s", state);
  imap_pool_free(pool);
}
END_TEST

/* ---- after a sleep ----------------------------------------------------------------------------------------- */

static gpointer drop_soon(gpointer pool) {
  g_usleep(100000); /* meant to meet the wait */
  imap_pool_drop(pool);
  return NULL;
}

START_TEST(test_drop_ends_a_wait) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "C: @ NOOP\nstall\nnext\n" FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  config.timeout = 3600;
  ImapPool *pool = imap_pool_new(&config);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  GThread *thread = g_thread_new("drop", drop_soon, pool);
  g_autoptr(GError) error = NULL;
  ck_assert(!imap_noop(conn, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK));
  g_thread_join(thread);
  ck_assert(imap_conn_failed(conn));
  imap_pool_release(pool, conn);
  conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

static gboolean sink_begin(G_GNUC_UNUSED gpointer data, G_GNUC_UNUSED guint64 size) {
  return TRUE;
}

static gboolean sink_write(gpointer data, G_GNUC_UNUSED const void *octets, G_GNUC_UNUSED gsize len) {
  imap_pool_drop(data);
  return TRUE;
}

static void sink_end(G_GNUC_UNUSED gpointer data, gboolean whole) {
  ck_assert(!whole);
}

/* In the middle of a body: it is not whole, and nobody waits for the rest. */
START_TEST(test_drop_ends_a_fetch) {
  static const ImapSink sink = {sink_begin, sink_write, sink_end};
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "C: @ UID FETCH 1 (UID BODY.PEEK[])\n"
                                                 "R: * 1 FETCH (UID 1 BODY[] {100}\\r\\nSubject: x\nstall\n");
  ImapConfig config = fake_config(fake);
  config.timeout = 3600;
  ImapPool *pool = imap_pool_new(&config);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_BULK);
  g_autoptr(ImapSeqset) uids = imap_seqset_parse("1", 1, 0);
  g_autoptr(GError) error = NULL;
  g_auto(ImapMessage) message = {0};
  ck_assert(imap_fetch_send(conn, uids, IMAP_FETCH_BODY, NULL, &error));
  ck_assert_int_eq(imap_fetch_next(conn, &sink, pool, &message, NULL, &error), IMAP_FETCH_FAILED);
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK));
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* An attempt under way is as dead as the others, but whoever leases wants a connection and no error. */
START_TEST(test_drop_repeats_a_connect) {
  g_autoptr(Fake) fake = fake_new("S: * OK hi\nC: @ CAPABILITY\nstall\nnext\n" FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  config.timeout = 3600;
  ImapPool *pool = imap_pool_new(&config);
  GThread *thread = g_thread_new("drop", drop_soon, pool);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  g_thread_join(thread);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_drop_forgets_idle_ones) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "stall\nnext\n" FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  imap_pool_release(pool, must_lease(pool, IMAP_ROLE_PROMPT));
  g_autofree char *before = imap_pool_describe(pool);
  imap_pool_drop(pool);
  g_autofree char *after = imap_pool_describe(pool);
  ck_assert_str_eq(before, "1 of 1 connections");
  ck_assert_str_eq(after, "0 of 1 connections");
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_mistrust_replaces_idle_ones) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "stall\nnext\n" FAKE_LOGIN("") "C: @ NOOP\nS: @ OK\n");
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  imap_pool_release(pool, must_lease(pool, IMAP_ROLE_PROMPT));
  imap_pool_mistrust(pool);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_pool_mistrust(pool); /* one in use finds out by itself */
  ck_assert(imap_noop(conn, NULL, NULL));
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_drop_forgets_back_off) {
  g_autoptr(Fake) fake = fake_new("half\nnext\n" FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_NETWORK);
  imap_pool_drop(pool);
  ck_assert_int_eq(imap_pool_next_try(pool), 0);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_drop_repeats_no_refused_login) {
  g_autoptr(Fake) fake = fake_new(REFUSED);
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_AUTH);
  imap_pool_drop(pool);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_AUTH); /* the fake sees no second login */
  imap_pool_free(pool);
}
END_TEST

/* ---- refused logins ---------------------------------------------------------------------------------------- */

/* Waits out the back-off, and tells how the next login ended. */
static int login_after_backoff(ImapPool *pool) {
  g_autoptr(GError) error = NULL;
  gint64 until = imap_pool_next_try(pool);
  g_usleep((gulong)MAX(until - g_get_monotonic_time(), 0)); /* time itself is what is waited for */
  ck_assert_ptr_null(imap_pool_lease(pool, IMAP_ROLE_PROMPT, NULL, &error));
  return error->code;
}

/* Three refused logins, then none without being told, then again. */
START_TEST(test_three_refused_logins) {
  g_autoptr(Fake) fake = fake_new(REFUSED "next\n" REFUSED "next\n" REFUSED "next\n" FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  for (int i = 0; i < 3; i++) {
    ck_assert_int_ne(imap_pool_next_try(pool), G_MAXINT64);
    ck_assert_int_eq(login_after_backoff(pool), IMAP_ERROR_AUTH);
  }
  ck_assert_int_eq(imap_pool_next_try(pool), G_MAXINT64);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_AUTH);
  imap_pool_retry(pool);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* Readers that keep on coming must not lock the account: neither by logins nor against what the server asked for. */
START_TEST(test_hurry_repeats_no_refused_login) {
  g_autoptr(Fake) fake = fake_new(REFUSED);
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_AUTH);
  imap_pool_hurry(pool);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_AUTH); /* the fake sees no second login */
  imap_pool_free(pool);
}
END_TEST

START_TEST(test_hurry_tries_a_line_that_was_down) {
  g_autoptr(Fake) fake = fake_new("half\nnext\n" FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  check_fails(pool, IMAP_ROLE_PROMPT, IMAP_ERROR_NETWORK);
  imap_pool_hurry(pool);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* ---- turns -------------------------------------------------------------------------------------------------- */

typedef struct {
  ImapPool *pool;
  ImapRole role;
  GMutex *mutex;
  GString *order; /* who came, by the first letter of the role */
} Turn;

static gpointer take_turn(gpointer data) {
  Turn *turn = data;
  ImapConn *conn = must_lease(turn->pool, turn->role);
  g_mutex_lock(turn->mutex);
  g_string_append_c(turn->order, "PSBW"[turn->role]);
  g_mutex_unlock(turn->mutex);
  imap_pool_release(turn->pool, conn);
  return NULL;
}

START_TEST(test_prompt_goes_first) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "C: @ LOGOUT\nS: * BYE\n");
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  static const ImapRole roles[] = {IMAP_ROLE_BULK, IMAP_ROLE_WATCH, IMAP_ROLE_PROMPT, IMAP_ROLE_SYNC};
  GMutex mutex;
  g_mutex_init(&mutex);
  g_autoptr(GString) order = g_string_new(NULL);
  Turn turns[G_N_ELEMENTS(roles)];
  GThread *threads[G_N_ELEMENTS(roles)];
  ImapConn *conn = must_lease(pool, IMAP_ROLE_BULK);
  ck_assert(!imap_pool_contended(pool, conn));
  for (int i = 0; i < (int)G_N_ELEMENTS(roles); i++) {
    turns[i] = (Turn){pool, roles[i], &mutex, order};
    threads[i] = g_thread_new("turn", take_turn, &turns[i]);
    while (!imap_pool_contended_by(pool, conn, roles[i]))
      g_thread_yield();
  }
  imap_pool_release(pool, conn);
  for (int i = 0; i < (int)G_N_ELEMENTS(roles); i++)
    g_thread_join(threads[i]);
  ck_assert_str_eq(order->str, "PSWB");
  g_mutex_clear(&mutex);
  imap_pool_free(pool);
}
END_TEST

#define ROUNDS 200

static gpointer lease_and_release(gpointer data) {
  gpointer *args = data;
  imap_pool_release(args[0], must_lease(args[0], GPOINTER_TO_INT(args[1])));
  return NULL;
}

/* Who finds the connection dead gives up the slot for a moment, and must not leave those who looked then asleep. */
START_TEST(test_nobody_oversleeps) {
  g_autoptr(GString) script = g_string_new(FAKE_LOGIN(""));
  for (int i = 1; i < ROUNDS; i++)
    g_string_append(script, "stall\nnext\n" FAKE_LOGIN(""));
  g_autoptr(Fake) fake = fake_new(script->str);
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  gpointer watch[] = {pool, GINT_TO_POINTER(IMAP_ROLE_WATCH)}, bulk[] = {pool, GINT_TO_POINTER(IMAP_ROLE_BULK)};
  for (int i = 0; i < ROUNDS; i++) {
    imap_pool_retry(pool);
    GThread *thread = g_thread_new("watch", lease_and_release, watch);
    lease_and_release(bulk);
    g_thread_join(thread);
  }
  ImapConn *conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

static gpointer cancel_when_contended(gpointer data) {
  gpointer *args = data;
  wait_for_waiters(args[0], args[1]);
  g_cancellable_cancel(args[2]);
  return NULL;
}

START_TEST(test_cancel_in_line) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("") "C: @ LOGOUT\nS: * BYE\n");
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  ImapConn *conn = must_lease(pool, IMAP_ROLE_BULK);
  gpointer args[] = {pool, conn, c};
  GThread *thread = g_thread_new("cancel", cancel_when_contended, args);
  ck_assert_ptr_null(imap_pool_lease(pool, IMAP_ROLE_PROMPT, c, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
  g_thread_join(thread);
  ck_assert(!imap_pool_contended(pool, conn));
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

static gpointer cancel_soon(gpointer data) {
  g_usleep(100000); /* meant to meet the wait for the greeting */
  g_cancellable_cancel(data);
  return NULL;
}

START_TEST(test_cancelled_connect_is_no_failure) {
  g_autoptr(Fake) fake = fake_new("stall\n");
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  GThread *thread = g_thread_new("cancel", cancel_soon, c);
  ck_assert_ptr_null(imap_pool_lease(pool, IMAP_ROLE_PROMPT, c, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
  ck_assert_int_eq(imap_pool_next_try(pool), 0);
  g_thread_join(thread);
  imap_pool_free(pool);
}
END_TEST

/* ---- a connection that watches ------------------------------------------------------------------------------- */

static gpointer take_prompt(gpointer pool) {
  imap_pool_release(pool, must_lease(pool, IMAP_ROLE_PROMPT));
  return NULL;
}

/* It would wait for ever, and with it whoever needs its connection. */
START_TEST(test_watch_is_woken) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("IDLE") "C: @ EXAMINE \"INBOX\"\nS: @ OK\nC: @ IDLE\nS: +\n"
                                                     "C: DONE\nS: @ OK\nC: @ LOGOUT\nS: * BYE\n");
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  g_auto(ImapNews) news = {0};
  ck_assert(!imap_pool_watches_alone(pool)); /* connections=1 */
  ImapConn *conn = must_lease(pool, IMAP_ROLE_WATCH);
  ck_assert(imap_watch_idle(conn, "INBOX", TRUE, NULL, NULL, NULL));
  GThread *thread = g_thread_new("prompt", take_prompt, pool);
  ck_assert_int_eq(imap_watch_next(conn, FALSE, G_MAXINT64, &news, NULL, NULL), IMAP_NEWS_NONE);
  ck_assert(imap_pool_contended(pool, conn));
  ck_assert(imap_watch_end(conn, NULL, NULL));
  imap_pool_release(pool, conn);
  g_thread_join(thread);
  imap_pool_free(pool);
}
END_TEST

/* In IDLE a connection is of no use to anybody else. */
START_TEST(test_watch_is_not_passed_on) {
  g_autoptr(Fake) fake = fake_new(FAKE_LOGIN("IDLE") "C: @ EXAMINE \"INBOX\"\nS: @ OK\nC: @ IDLE\nS: +\n"
                                                     "next\n" FAKE_LOGIN(""));
  ImapConfig config = fake_config(fake);
  ImapPool *pool = imap_pool_new(&config);
  ImapConn *conn = must_lease(pool, IMAP_ROLE_WATCH);
  ck_assert(imap_watch_idle(conn, "INBOX", TRUE, NULL, NULL, NULL));
  imap_pool_release(pool, conn);
  conn = must_lease(pool, IMAP_ROLE_PROMPT);
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* ---- against Dovecot, which counts connections ------------------------------------------------------------------ */

static void check_roles(guint connections, guint allowed, guint expected) {
  if (!dovecot_installed())
    return;
  g_autoptr(Dovecot) dovecot = dovecot_new(allowed);
  ImapConfig config = dovecot_config(dovecot, "ann");
  config.connections = connections;
  ImapPool *pool = imap_pool_new(&config);
  g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
  for (int role = 0; role < IMAP_ROLES; role++) {
    ImapConn *conn = must_lease(pool, (ImapRole)role);
    g_hash_table_add(seen, conn);
    ck_assert(imap_noop(conn, NULL, NULL));
    imap_pool_release(pool, conn);
  }
  ck_assert_uint_eq(g_hash_table_size(seen), expected);
  ck_assert_int_eq(imap_pool_next_try(pool), 0);
  imap_pool_free(pool);
}

static const struct {
  guint connections, allowed;
  gboolean alone;
} watches[] = {{1, 10, FALSE}, {2, 10, TRUE}, {3, 10, TRUE}, {3, 2, FALSE}, {2, 1, FALSE}};

/* Where the server allows no connection for it, WATCH does without. */
START_TEST(test_watches_alone) {
  if (!dovecot_installed())
    return;
  g_autoptr(Dovecot) dovecot = dovecot_new(watches[_i].allowed);
  ImapConfig config = dovecot_config(dovecot, "ann");
  config.connections = watches[_i].connections;
  ImapPool *pool = imap_pool_new(&config);
  static const ImapRole order[] = {IMAP_ROLE_PROMPT, IMAP_ROLE_BULK, IMAP_ROLE_WATCH};
  for (gsize i = 0; i < G_N_ELEMENTS(order); i++)
    imap_pool_release(pool, must_lease(pool, order[i]));
  ck_assert_int_eq(imap_pool_watches_alone(pool), watches[_i].alone);
  imap_pool_free(pool);
}
END_TEST

typedef struct {
  ImapPool *pool;
  GMutex mutex;
  GCond changed;
  gboolean watching; /* under mutex */
} Watcher;

static gpointer watch_and_give_way(gpointer data) {
  Watcher *watcher = data;
  g_auto(ImapNews) news = {0};
  ImapConn *conn = must_lease(watcher->pool, IMAP_ROLE_WATCH);
  ck_assert(imap_watch_idle(conn, "INBOX", TRUE, NULL, NULL, NULL));
  g_mutex_lock(&watcher->mutex);
  watcher->watching = TRUE;
  g_cond_signal(&watcher->changed);
  g_mutex_unlock(&watcher->mutex);
  ck_assert_int_eq(imap_watch_next(conn, FALSE, G_MAXINT64, &news, NULL, NULL), IMAP_NEWS_NONE);
  ck_assert(!imap_pool_watches_alone(watcher->pool));
  ck_assert(imap_watch_end(conn, NULL, NULL));
  imap_pool_release(watcher->pool, conn);
  return NULL;
}

/* The only connection there may be is WATCH's, who came first. */
START_TEST(test_watch_gives_way) {
  if (!dovecot_installed())
    return;
  g_autoptr(Dovecot) dovecot = dovecot_new(1);
  ImapConfig config = dovecot_config(dovecot, "ann");
  Watcher watcher = {.pool = imap_pool_new(&config)};
  g_mutex_init(&watcher.mutex);
  g_cond_init(&watcher.changed);
  GThread *thread = g_thread_new("watch", watch_and_give_way, &watcher);
  g_mutex_lock(&watcher.mutex);
  while (!watcher.watching)
    g_cond_wait(&watcher.changed, &watcher.mutex);
  g_mutex_unlock(&watcher.mutex);
  ImapConn *conn = must_lease(watcher.pool, IMAP_ROLE_PROMPT);
  ck_assert(imap_noop(conn, NULL, NULL));
  g_autofree char *state = imap_pool_describe(watcher.pool);
  ck_assert_str_eq(state, "1 of 3 connections, the server allows no more");
  imap_pool_release(watcher.pool, conn);
  g_thread_join(thread);
  imap_pool_free(watcher.pool);
  g_mutex_clear(&watcher.mutex);
  g_cond_clear(&watcher.changed);
}
END_TEST

static const struct {
  guint connections, allowed, expected;
} counts[] = {{1, 10, 1}, {2, 10, 2}, {3, 10, 3}, {9, 10, 3}, {3, 2, 2}, {3, 1, 1}};

START_TEST(test_roles) {
  check_roles(counts[_i].connections, counts[_i].allowed, counts[_i].expected);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("pool");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, test_kept_and_replaced);
  tcase_add_test(tc, test_idle_death);
  tcase_add_test(tc, test_logout);
  tcase_add_test(tc, test_logout_does_not_wait_long);
  tcase_add_test(tc, test_logouts_wait_together);
  tcase_add_test(tc, test_backoff);
  tcase_add_test(tc, test_suggested_backoff);
  tcase_add_test(tc, test_three_refused_logins);
  tcase_add_test(tc, test_hurry_repeats_no_refused_login);
  tcase_add_test(tc, test_hurry_tries_a_line_that_was_down);
  tcase_add_test(tc, test_prompt_goes_first);
  tcase_add_test(tc, test_nobody_oversleeps);
  tcase_add_test(tc, test_cancel_in_line);
  tcase_add_test(tc, test_cancelled_connect_is_no_failure);
  tcase_add_loop_test(tc, test_pause_counts_for_all, 0, G_N_ELEMENTS(pleas));
  tcase_add_loop_test(tc, test_no_pause, 0, G_N_ELEMENTS(own_matters));
  tcase_add_test(tc, test_pause_of_the_last_run);
  tcase_add_test(tc, test_pause_ends_the_line);
  tcase_add_loop_test(tc, test_refusing_greeting, 0, G_N_ELEMENTS(greetings));
  tcase_add_test(tc, test_drop_ends_a_wait);
  tcase_add_test(tc, test_drop_ends_a_fetch);
  tcase_add_test(tc, test_drop_repeats_a_connect);
  tcase_add_test(tc, test_drop_forgets_idle_ones);
  tcase_add_test(tc, test_mistrust_replaces_idle_ones);
  tcase_add_test(tc, test_drop_forgets_back_off);
  tcase_add_test(tc, test_drop_repeats_no_refused_login);
  tcase_add_test(tc, test_watch_is_woken);
  tcase_add_test(tc, test_watch_is_not_passed_on);
  tcase_add_loop_test(tc, test_watches_alone, 0, G_N_ELEMENTS(watches));
  tcase_add_test(tc, test_watch_gives_way);
  tcase_add_loop_test(tc, test_roles, 0, G_N_ELEMENTS(counts));
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
