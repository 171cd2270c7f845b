/* SPDX-License-Identifier: MIT */
/* The server wants to be left alone. */
#include <check.h>

#include "tests/fake.h"
#include "tests/lease.h"
#include "tests/suite.h"

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

int main(void) {
  Suite *suite = suite_create("pool_pause");
  TCase *tc = tcase_create("all");
  tcase_add_loop_test(tc, test_pause_counts_for_all, 0, G_N_ELEMENTS(pleas));
  tcase_add_loop_test(tc, test_no_pause, 0, G_N_ELEMENTS(own_matters));
  tcase_add_test(tc, test_pause_of_the_last_run);
  tcase_add_test(tc, test_pause_ends_the_line);
  tcase_add_loop_test(tc, test_refusing_greeting, 0, G_N_ELEMENTS(greetings));
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
