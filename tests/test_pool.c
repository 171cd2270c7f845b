/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/fake.h"
#include "tests/lease.h"
#include "tests/suite.h"

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
  ck_assert_int_lt(g_get_monotonic_time() - before, 20 * G_USEC_PER_SEC);
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

int main(void) {
  Suite *suite = suite_create("pool");
  TCase *tc = tcase_create("all");
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
  tcase_add_test(tc, test_drop_ends_a_wait);
  tcase_add_test(tc, test_drop_ends_a_fetch);
  tcase_add_test(tc, test_drop_repeats_a_connect);
  tcase_add_test(tc, test_drop_forgets_idle_ones);
  tcase_add_test(tc, test_mistrust_replaces_idle_ones);
  tcase_add_test(tc, test_drop_forgets_back_off);
  tcase_add_test(tc, test_drop_repeats_no_refused_login);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
