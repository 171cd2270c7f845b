/* SPDX-License-Identifier: MIT */
/* Who gets a connection when several want it: turns, WATCH, and servers that count. */
#include <check.h>

#include "tests/dovecot.h"
#include "tests/fake.h"
#include "tests/lease.h"
#include "tests/suite.h"

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
  Suite *suite = suite_create("pool_turns");
  TCase *tc = tcase_create("all");
  tcase_add_test(tc, test_prompt_goes_first);
  tcase_add_test(tc, test_nobody_oversleeps);
  tcase_add_test(tc, test_cancel_in_line);
  tcase_add_test(tc, test_cancelled_connect_is_no_failure);
  tcase_add_test(tc, test_watch_is_woken);
  tcase_add_test(tc, test_watch_is_not_passed_on);
  tcase_add_loop_test(tc, test_watches_alone, 0, G_N_ELEMENTS(watches));
  tcase_add_test(tc, test_watch_gives_way);
  tcase_add_loop_test(tc, test_roles, 0, G_N_ELEMENTS(counts));
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
