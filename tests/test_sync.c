/* SPDX-License-Identifier: MIT */
#include "cache/sync/sync.h"

#include <check.h>
#include <string.h>

#include "cache/sync/sync_task.h"
#include "cache/tree/tree.h"
#include "tests/account.h"
#include "tests/suite.h"

#define REFUSED                                                                                                        \
  "S: * OK [CAPABILITY IMAP4rev1] hello\nC: @ LOGIN \"ann\" \"secret\"\nS: @ NO [AUTHENTICATIONFAILED] no\n"
#define LIST "C: @ LIST \"\" \"*\"\nS: * LIST () \"/\" INBOX\nS: @ OK\n"

typedef struct {
  TestAccount *test;
  ImapPool *first; /* of the TestAccount */
  Fake *fake;
  Sync *sync;
} Bench;

static void bench_start(Bench *bench, const char *script) {
  bench->test = test_account_new("", "");
  bench->first = bench->test->account.pool;
  imap_conn_fail(bench->test->conn);
  imap_pool_release(bench->first, g_steal_pointer(&bench->test->conn));
  bench->fake = fake_new(script);
  ImapConfig config = fake_config(bench->fake);
  bench->test->account.pool = imap_pool_new(&config);
  bench->test->config.refresh = 15;
  bench->sync = sync_new(&bench->test->account);
  sync_run(bench->sync);
}

static void bench_clear(Bench *bench) {
  g_cancellable_cancel(bench->test->account.cancellable);
  sync_stop(bench->sync);
  sync_free(bench->sync);
  imap_pool_free(bench->test->account.pool);
  fake_free(bench->fake);
  bench->test->account.pool = bench->first;
  test_account_free(bench->test);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

START_TEST(the_first_conversation_is_a_login_and_the_folders) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("") "wait\n" LIST);
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LOGGED_IN, G_MAXINT64, NULL), SYNC_REACHED);
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LEARNT, g_get_monotonic_time() + 1000, NULL), SYNC_LATE);
  fake_go(bench.fake);
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LEARNT, G_MAXINT64, NULL), SYNC_REACHED);
  ck_assert(test_account_folder(bench.test, "INBOX") != 0);
}
END_TEST

START_TEST(who_mounts_need_not_wait_for_it) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, "wait\n" FAKE_LOGIN("") LIST);
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LOGGED_IN, g_get_monotonic_time() + 1000, NULL), SYNC_LATE);
  fake_go(bench.fake);
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LEARNT, G_MAXINT64, NULL), SYNC_REACHED);
}
END_TEST

START_TEST(its_failure_is_told) {
  g_autoptr(GError) error = NULL;
  g_auto(Bench) bench = {0};
  bench_start(&bench, REFUSED);
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LEARNT, G_MAXINT64, &error), SYNC_FAILED);
  ck_assert_msg(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_AUTH), "%s", error->message);
}
END_TEST

typedef struct {
  gint refused, given_up; /* atomic */
} Warnings;

/* From the syncing thread. */
static void count_warning(const char *domain, GLogLevelFlags level, const char *message, gpointer data) {
  Warnings *warnings = data;
  (void)domain;
  (void)level;
  if (strstr(message, "kill -HUP"))
    g_atomic_int_inc(&warnings->given_up);
  else
    g_atomic_int_inc(&warnings->refused);
}

static void await_count(gint *count, gint n) {
  while (g_atomic_int_get(count) < n)
    g_usleep(1000);
}

static gboolean is_online(Bench *bench) {
  g_auto(AgendaState) state = {0};
  sync_look(bench->sync, &state);
  return state.online;
}

/* Four would lock the account at some providers. */
START_TEST(three_refused_logins_are_enough) {
  g_auto(Bench) bench = {0};
  Warnings warnings = {0};
  g_log_set_always_fatal(G_LOG_FATAL_MASK);
  g_log_set_handler("cache", G_LOG_LEVEL_WARNING, count_warning, &warnings);
  bench_start(&bench, REFUSED "next\n" REFUSED "next\n" REFUSED "next\n" FAKE_LOGIN("") LIST);
  sync_mounted(bench.sync);
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LEARNT, G_MAXINT64, NULL), SYNC_FAILED);
  await_count(&warnings.given_up, 1);
  for (guint i = 0; i < 5; i++)
    sync_kick(bench.sync); /* readers do not change that */
  ck_assert(!is_online(&bench));
  sync_retry(bench.sync);
  while (!is_online(&bench))
    g_usleep(1000);
  while (!tree_known(&bench.test->account))
    g_usleep(1000);
  ck_assert_int_eq(g_atomic_int_get(&warnings.given_up), 1);
}
END_TEST

START_TEST(a_reader_is_told_when_the_line_is_lost) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("") LIST "C: @ LIST *\nhalf\n");
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LEARNT, G_MAXINT64, NULL), SYNC_REACHED);
  IndexMailbox directory = {.row = 99, .attrs = IMAP_ATTR_NOSELECT};
  ck_assert_int_eq(sync_want(bench.sync, &directory), SYNC_REFRESHING);
  for (;;) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_events_pop(bench.test->account.events, &event));
    if (event.type != CACHE_EVENT_FOLDER)
      continue;
    ck_assert_int_eq(event.row, 99);
    ck_assert(g_error_matches(event.error, CACHE_ERROR, CACHE_ERROR_OFFLINE));
    return;
  }
}
END_TEST

/* Hints, told by the server as fast as it likes. */
static gboolean list_inbox(IndexTxn *txn, gpointer data, GError **error) {
  IndexMailbox *inbox = data;
  inbox->uidvalidity = 7;
  inbox->uidnext = 10;
  inbox->listed = INDEX_LISTED;
  return index_set_state(txn, inbox, error);
}

static void on_freed(gint64 mailbox, gpointer data) {
  sync_freed(((Bench *)data)->sync, mailbox);
}

START_TEST(a_claimed_folder_is_looked_at_when_it_is_free) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("") LIST "wait\nC: @ STATUS \"INBOX\" (MESSAGES UIDNEXT UIDVALIDITY)\n"
                                          "S: * STATUS INBOX (MESSAGES 0 UIDNEXT 10 UIDVALIDITY 7)\nS: @ OK\n");
  Account *account = &bench.test->account;
  g_auto(IndexMailbox) inbox = {0};
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LEARNT, G_MAXINT64, NULL), SYNC_REACHED);
  claims_free(account->claims); /* nobody has tried any yet */
  account->claims = claims_new(on_freed, &bench);
  ck_assert(index_get_mailbox(account->index, test_account_folder(bench.test, "INBOX"), &inbox, NULL));
  ck_assert(index_write(account->index, INDEX_SYNC, list_inbox, &inbox, NULL));
  learnt_rights_asked(account->learnt, inbox.row);
  ck_assert(claims_take(account->claims, inbox.row, 0, NULL));
  sync_doubt(bench.sync, inbox.row);
  fake_go(bench.fake);
  gint64 heard = imap_pool_heard(account->pool);
  claims_release(account->claims, inbox.row, 0);
  while (imap_pool_heard(account->pool) == heard)
    g_thread_yield();
}
END_TEST

static gint still_seconds; /* atomic */

static gint64 still(void) {
  return g_atomic_int_get(&still_seconds) * (gint64)G_USEC_PER_SEC;
}

#define OPEN(how, code)                                                                                                \
  "C: @ " how " \"INBOX\"\nS: * 0 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 10] x\nS: @ OK " code " x\n"

static void count_one(gpointer data) {
  g_atomic_int_inc((gint *)data);
}

/* What is matched again by a listing can be changed now. */
START_TEST(who_waits_for_a_listing_is_called) {
  g_auto(Bench) bench = {0};
  gint calls = 0;
  bench_start(&bench, FAKE_LOGIN("") LIST "wait\n" OPEN("EXAMINE", "[READ-ONLY]") "C: @ UID SEARCH ALL\nS: * SEARCH\n"
                                                                                  "S: @ OK\nstall\n");
  Account *account = &bench.test->account;
  g_auto(IndexMailbox) inbox = {0};
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LEARNT, G_MAXINT64, NULL), SYNC_REACHED);
  sync_call_online(bench.sync, count_one, &calls); /* nothing goes on just now */
  ck_assert(index_get_mailbox(account->index, test_account_folder(bench.test, "INBOX"), &inbox, NULL));
  learnt_rights_asked(account->learnt, inbox.row);
  ck_assert_int_eq(sync_want(bench.sync, &inbox), SYNC_LISTING);
  fake_go(bench.fake);
  await_count(&calls, 1);
}
END_TEST

/* What a SELECT locks another client may be about to rename. */
START_TEST(a_folder_with_news_is_opened_to_ask_when_it_is_quiet) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("") LIST
              "wait\nC: @ STATUS \"INBOX\" (MESSAGES UIDNEXT UIDVALIDITY)\n"
              "S: * STATUS INBOX (MESSAGES 0 UIDNEXT 10 UIDVALIDITY 7)\nS: @ OK\n" OPEN("EXAMINE", "[READ-ONLY]")
                  LIST OPEN("SELECT", "[READ-WRITE]") OPEN("EXAMINE", "[READ-ONLY]") "stall\n");
  Account *account = &bench.test->account;
  g_auto(IndexMailbox) inbox = {0};
  gint later = (gint)(g_get_monotonic_time() / G_USEC_PER_SEC) + 3600; /* the agenda's clock goes on */
  ck_assert_int_eq(sync_await(bench.sync, SYNC_LEARNT, G_MAXINT64, NULL), SYNC_REACHED);
  ck_assert(index_get_mailbox(account->index, test_account_folder(bench.test, "INBOX"), &inbox, NULL));
  ck_assert(index_write(account->index, INDEX_SYNC, list_inbox, &inbox, NULL));
  g_atomic_int_set(&still_seconds, later);
  learnt_free(account->learnt); /* nobody has asked yet */
  account->learnt = learnt_new(still);
  sync_doubt(bench.sync, inbox.row);
  fake_go(bench.fake);
  while (learnt_put_off_until(account->learnt) == 0)
    g_thread_yield();
  g_atomic_int_set(&still_seconds, later + 60);
  sync_look_again(bench.sync);
  g_auto(IndexAccess) access = {0};
  while (!index_get_access(account->index, inbox.row, &access, NULL) || access.heard == 0)
    g_thread_yield();
  ck_assert(!access.read_only);
}
END_TEST

START_TEST(renames_that_are_told_do_not_pile_up) {
  SyncTask task = {0};
  sync_task_init(&task, NULL);
  for (guint i = 0; i < 3000; i++) {
    g_autofree char *raw = g_strdup_printf("new%u", i), *before = g_strdup_printf("old%u", i);
    sync_task_renamed(&task, raw, before);
  }
  ck_assert_uint_eq(g_hash_table_size(task.renames), 1000);
  sync_task_renamed(&task, "newer0", "new0");
  ck_assert_str_eq(g_hash_table_lookup(task.renames, "newer0"), "old0");
  sync_task_clear(&task);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/sync");
  TCase *tests = tcase_create("sync");
  tcase_add_test(tests, the_first_conversation_is_a_login_and_the_folders);
  tcase_add_test(tests, who_mounts_need_not_wait_for_it);
  tcase_add_test(tests, its_failure_is_told);
  tcase_add_test(tests, three_refused_logins_are_enough);
  tcase_add_test(tests, a_reader_is_told_when_the_line_is_lost);
  tcase_add_test(tests, a_claimed_folder_is_looked_at_when_it_is_free);
  tcase_add_test(tests, who_waits_for_a_listing_is_called);
  tcase_add_test(tests, a_folder_with_news_is_opened_to_ask_when_it_is_quiet);
  tcase_add_test(tests, renames_that_are_told_do_not_pile_up);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
