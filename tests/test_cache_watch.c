/* SPDX-License-Identifier: MIT */
/* The watching thread over a scripted server: what it hears becomes work on the agenda. */
#include "cache/sync/watch.h"

#include <check.h>

#include "tests/account.h"
#include "tests/suite.h"

#define STATUS(name, messages, next) "S: * STATUS " name " (MESSAGES " messages " UIDNEXT " next " UIDVALIDITY 7)\n"

#define NOTIFY "C: @ NOTIFY SET STATUS (*\n" STATUS("Other", "9", "10")
#define AS_KNOWN STATUS("INBOX", "3", "4")

typedef struct {
  TestAccount *test;
  Fake *fake;
  ImapPool *first; /* of the TestAccount */
  Agenda *agenda;
  Line line;
  Watch *watch;
  gint64 inbox, unlisted;
  GMutex mutex; /* guards names */
  GString *names;
} Bench;

static gint64 never(gpointer data) {
  (void)data;
  return 0;
}

static void note_names(const ImapListing *listing, gpointer data) {
  Bench *bench = data;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&bench->mutex);
  g_string_append_printf(bench->names, "%s<%s ", listing->name, listing->oldname ? listing->oldname : "");
}

/* INBOX with 3 messages below 4, listed; Other, which is not. */
static gboolean fill(IndexTxn *txn, gpointer data, GError **error) {
  Bench *bench = data;
  IndexMailbox inbox = {.raw = (char *)"Inbox", .name = (char *)"INBOX", .uidvalidity = 7, .uidnext = 4, .exists = 3};
  IndexMailbox other = {.raw = (char *)"Other", .name = (char *)"Other"};
  inbox.listed = INDEX_LISTED;
  gboolean ok = index_put_mailbox(txn, &inbox, error) && index_set_state(txn, &inbox, error) &&
                index_put_mailbox(txn, &other, error);
  bench->inbox = inbox.row;
  bench->unlisted = other.row;
  return ok;
}

static void bench_start(Bench *bench, const char *script) {
  AgendaSetup setup = {.refresh = 15, .next_try = never};
  bench->test = test_account_new("", "");
  bench->fake = fake_new(script);
  ImapConfig config = fake_config(bench->fake);
  config.connections = 2;
  bench->first = bench->test->account.pool;
  imap_conn_fail(bench->test->conn);
  imap_pool_release(bench->first, g_steal_pointer(&bench->test->conn));
  bench->test->account.pool = imap_pool_new(&config);
  ck_assert(index_write(bench->test->account.index, INDEX_SYNC, fill, bench, NULL));
  bench->agenda = agenda_new(&setup);
  bench->line = (Line){.account = &bench->test->account, .agenda = bench->agenda};
  bench->names = g_string_new(NULL);
  bench->watch = watch_new(&bench->line, note_names, bench);
  agenda_online(bench->agenda, TRUE, NULL);
  agenda_swept(bench->agenda, TRUE);
  watch_run(bench->watch);
}

static void bench_clear(Bench *bench) {
  g_cancellable_cancel(bench->test->account.cancellable);
  agenda_close(bench->agenda);
  watch_join(bench->watch);
  watch_free(bench->watch);
  agenda_free(bench->agenda);
  imap_pool_free(bench->test->account.pool);
  fake_free(bench->fake);
  bench->test->account.pool = bench->first;
  test_account_free(bench->test);
  g_string_free(bench->names, TRUE);
  g_mutex_clear(&bench->mutex);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

static AgendaTask task(Bench *bench) {
  AgendaTask ret;
  ck_assert(agenda_next_task(bench->agenda, &ret));
  return ret;
}

static void ck_news(Bench *bench, gint64 row, guint32 messages) {
  AgendaTask news = task(bench);
  ck_assert_int_eq(news.row, row);
  ck_assert(!news.sweep && news.said);
  ck_assert_uint_eq(news.status.messages, messages);
}

static void await_push(Bench *bench, AgendaPush push) {
  for (;;) {
    g_auto(AgendaState) state = {0};
    agenda_look(bench->agenda, &state);
    if (state.push == push)
      return;
    g_usleep(1000);
  }
}

START_TEST(what_differs_is_news_and_what_does_not_is_verified) {
  g_auto(Bench) bench = {0};
  gint64 began = g_get_monotonic_time();
  bench_start(&bench, FAKE_LOGIN("NOTIFY") NOTIFY STATUS("INBOX", "3", "4")
                          STATUS("Other", "9", "10") "S: @ OK\n" STATUS("INBOX", "3", "4") STATUS("INBOX", "4", "5"));
  ck_news(&bench, bench.inbox, 4);
  ck_assert(agenda_verified_since(bench.agenda, bench.inbox, began));
  ck_assert(!agenda_verified_since(bench.agenda, bench.unlisted, 1));
}
END_TEST

START_TEST(news_during_a_first_listing_are_not_lost) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN "S: @ OK\nwait\n" STATUS("Other", "10", "11")
                          STATUS("INBOX", "4", "5"));
  IndexMailbox other = {.row = bench.unlisted};
  ck_assert_int_eq(agenda_want(bench.agenda, &other), SYNC_LISTING);
  ck_assert_int_eq(agenda_next_first(bench.agenda), bench.unlisted);
  gint64 started = g_get_monotonic_time();
  await_push(&bench, AGENDA_PUSH_ALL);
  fake_go(bench.fake);
  ck_news(&bench, bench.inbox, 4); /* by then Other's have been heard */
  agenda_verified(bench.agenda, bench.unlisted, started, TRUE);
  agenda_end_first(bench.agenda, bench.unlisted, TRUE);
  ck_assert_int_eq(task(&bench).row, bench.unlisted);
}
END_TEST

START_TEST(what_changed_before_is_news_at_once) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("NOTIFY") NOTIFY STATUS("INBOX", "2", "4") "S: @ OK\n");
  ck_news(&bench, bench.inbox, 2);
}
END_TEST

START_TEST(flags_alone_are_news_without_numbers) {
  g_auto(Bench) bench = {0};
  bench_start(&bench,
              FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN "S: @ OK\nS: * STATUS INBOX (UIDVALIDITY 7 HIGHESTMODSEQ 99)\n");
  AgendaTask news = task(&bench);
  ck_assert_int_eq(news.row, bench.inbox);
  ck_assert(!news.said);
}
END_TEST

START_TEST(names_are_told_and_mean_a_sweep) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN "S: @ OK\nS: * LIST () \"/\" New (\"OLDNAME\" (Other))\n");
  ck_assert(task(&bench).sweep);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&bench.mutex);
  ck_assert_str_eq(bench.names->str, "New<Other ");
}
END_TEST

START_TEST(an_unknown_name_means_a_sweep) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN STATUS("Strange", "1", "2") "S: @ OK\n");
  ck_assert(task(&bench).sweep);
}
END_TEST

START_TEST(an_overflow_means_a_sweep_and_a_new_connection) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN "S: @ OK\nS: * OK [NOTIFICATIONOVERFLOW] too much\n"
                                                           "next\n" FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN
              "S: @ OK\n"
              "wait\n" STATUS("INBOX", "4", "5"));
  ck_assert(task(&bench).sweep);
  agenda_swept(bench.agenda, TRUE);
  fake_go(bench.fake);
  ck_news(&bench, bench.inbox, 4);
}
END_TEST

START_TEST(a_name_made_anew_means_a_new_connection) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN
              "S: @ OK\nS: * LIST () \"/\" Other\nS: * LIST (\\NonExistent) \"/\" Other\nS: * LIST () \"/\" Other\n"
              "next\n" FAKE_LOGIN("NOTIFY") NOTIFY STATUS("INBOX", "4", "5") "S: @ OK\n");
  for (AgendaTask next = task(&bench); next.row != bench.inbox; next = task(&bench))
    agenda_swept(bench.agenda, TRUE);
}
END_TEST

START_TEST(a_lost_line_means_a_sweep_and_a_new_connection) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN "S: @ OK\nhalf\nnext\n" FAKE_LOGIN("NOTIFY")
                          NOTIFY STATUS("INBOX", "4", "5") "S: @ OK\n");
  AgendaTask next = task(&bench);
  ck_assert(next.sweep);
  agenda_swept(bench.agenda, TRUE);
  ck_news(&bench, bench.inbox, 4);
}
END_TEST

/* Courier just closes the connection that is one too many. */
START_TEST(a_server_that_wants_no_watcher_is_not_away) {
  g_auto(Bench) bench = {0};
  g_auto(AgendaState) state = {0};
  bench_start(&bench, "half\nnext\n" FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN "S: @ OK\n");
  await_push(&bench, AGENDA_PUSH_ALL);
  agenda_look(bench.agenda, &state);
  ck_assert(state.online);
}
END_TEST

START_TEST(without_notify_it_sits_on_inbox) {
  g_auto(Bench) bench = {0};
  gint64 began = g_get_monotonic_time();
  bench_start(&bench, FAKE_LOGIN("IDLE") "C: @ EXAMINE \"Inbox\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\n"
                                         "S: * OK [UIDNEXT 4] x\nS: @ OK\nC: @ IDLE\nS: + go\nwait\nS: * 4 EXISTS\n");
  await_push(&bench, AGENDA_PUSH_FOLDER);
  while (!agenda_verified_since(bench.agenda, bench.inbox, began))
    g_usleep(1000);
  fake_go(bench.fake);
  AgendaTask news = task(&bench);
  ck_assert_int_eq(news.row, bench.inbox);
  ck_assert(!news.sweep && !news.said);
}
END_TEST

#define SIT_INBOX                                                                                                      \
  "C: @ EXAMINE \"Inbox\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 4] x\nS: @ OK\n"                 \
  "C: @ IDLE\nS: + go\n"

/* The server has no CONDSTORE: only to compare them shows which flags moved, and mail that comes is no reason to. */
START_TEST(idle_tells_flags_and_messages_apart) {
  static const struct {
    const char *told;
    AgendaFlags due;
  } cases[] = {{"S: * 2 FETCH (FLAGS (\\Seen))\n", AGENDA_FLAGS_WANTED}, {"S: * 4 EXISTS\n", AGENDA_FLAGS_KNOWN}};
  g_autofree char *script = g_strconcat(FAKE_LOGIN("IDLE"), SIT_INBOX "wait\n", cases[_i].told, NULL);
  g_auto(Bench) bench = {0};
  bench_start(&bench, script);
  await_push(&bench, AGENDA_PUSH_FOLDER);
  agenda_verified(bench.agenda, bench.inbox, g_get_monotonic_time(), TRUE);
  fake_go(bench.fake);
  ck_assert_int_eq(task(&bench).row, bench.inbox);
  ck_assert_int_eq(agenda_flags_due(bench.agenda, bench.inbox), cases[_i].due);
}
END_TEST

static gboolean renumber(IndexTxn *txn, gpointer data, GError **error) {
  Bench *bench = data;
  g_auto(IndexMailbox) inbox = {0};
  if (!index_get_mailbox(bench->test->account.index, bench->inbox, &inbox, error))
    return FALSE;
  inbox.uidvalidity = 8;
  return index_set_state(txn, &inbox, error);
}

static gboolean rename_it(IndexTxn *txn, gpointer data, GError **error) {
  Bench *bench = data;
  g_auto(IndexMailbox) inbox = {0};
  if (!index_get_mailbox(bench->test->account.index, bench->inbox, &inbox, error))
    return FALSE;
  g_free(inbox.raw);
  inbox.raw = g_strdup("Inbox.Old");
  return index_put_mailbox(txn, &inbox, error);
}

#define SIT(name, validity)                                                                                            \
  "C: @ EXAMINE \"" name "\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY " validity "] x\nS: * OK [UIDNEXT 4] x\nS: @ OK\n"   \
  "C: @ IDLE\nS: + go\n"
#define RISE "C: DONE\nS: @ OK\nC: @ UNSELECT\nS: @ OK\n"

static const struct {
  IndexJob change;
  const char *script;
} moves[] = {
    {renumber, SIT("Inbox", "7") RISE SIT("Inbox", "8")},
    {rename_it, SIT("Inbox", "7") RISE SIT("Inbox.Old", "7")},
};

/* What is told of the mailbox that was called so before says nothing of this one. */
START_TEST(a_folder_that_became_another_is_sat_on_anew) {
  g_auto(Bench) bench = {0};
  g_autofree char *script = g_strconcat(FAKE_LOGIN("IDLE UNSELECT"), moves[_i].script, "S: * 4 EXISTS\n", NULL);
  bench_start(&bench, script);
  await_push(&bench, AGENDA_PUSH_FOLDER);
  while (!agenda_verified_since(bench.agenda, bench.inbox, 1))
    g_usleep(1000);
  watch_recheck(bench.watch); /* nothing has moved */
  ck_assert(index_write(bench.test->account.index, INDEX_SYNC, moves[_i].change, &bench, NULL));
  watch_recheck(bench.watch);
  ck_assert_int_eq(task(&bench).row, bench.inbox);
}
END_TEST

/* Without stable UIDs it is another one each time: once it has been seen so, that changes nothing. */
START_TEST(a_folder_that_is_always_another_is_not_sat_on_again) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("IDLE UNSELECT") SIT("Inbox", "9") "wait\nS: * 4 EXISTS\n");
  ck_news(&bench, bench.inbox, 3);
  ck_assert(index_write(bench.test->account.index, INDEX_SYNC, renumber, &bench, NULL));
  watch_recheck(bench.watch);
  fake_go(bench.fake);
  ck_assert_int_eq(task(&bench).row, bench.inbox);
}
END_TEST

START_TEST(an_opening_that_differs_is_news) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("IDLE") "C: @ EXAMINE \"Inbox\"\nS: * 5 EXISTS\nS: * OK [UIDVALIDITY 7] x\n"
                                         "S: * OK [UIDNEXT 6] x\nS: @ OK\nC: @ IDLE\nS: + go\n");
  ck_news(&bench, bench.inbox, 5);
}
END_TEST

START_TEST(a_probe_that_stays_unanswered_loses_the_line) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, FAKE_LOGIN("NOTIFY") NOTIFY AS_KNOWN "S: @ OK\nC: @ NOOP\nstall\nnext\n" FAKE_LOGIN("NOTIFY")
                          NOTIFY STATUS("INBOX", "4", "5") "S: @ OK\n");
  await_push(&bench, AGENDA_PUSH_ALL);
  watch_probe(bench.watch);
  ck_assert(task(&bench).sweep);
  agenda_swept(bench.agenda, TRUE);
  ck_news(&bench, bench.inbox, 4);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/watch");
  TCase *tests = tcase_create("watch");
  tcase_add_test(tests, what_differs_is_news_and_what_does_not_is_verified);
  tcase_add_test(tests, news_during_a_first_listing_are_not_lost);
  tcase_add_test(tests, what_changed_before_is_news_at_once);
  tcase_add_test(tests, flags_alone_are_news_without_numbers);
  tcase_add_test(tests, names_are_told_and_mean_a_sweep);
  tcase_add_test(tests, an_unknown_name_means_a_sweep);
  tcase_add_test(tests, an_overflow_means_a_sweep_and_a_new_connection);
  tcase_add_test(tests, a_name_made_anew_means_a_new_connection);
  tcase_add_test(tests, a_lost_line_means_a_sweep_and_a_new_connection);
  tcase_add_test(tests, a_server_that_wants_no_watcher_is_not_away);
  tcase_add_test(tests, without_notify_it_sits_on_inbox);
  tcase_add_loop_test(tests, idle_tells_flags_and_messages_apart, 0, 2);
  tcase_add_loop_test(tests, a_folder_that_became_another_is_sat_on_anew, 0, G_N_ELEMENTS(moves));
  tcase_add_test(tests, a_folder_that_is_always_another_is_not_sat_on_again);
  tcase_add_test(tests, an_opening_that_differs_is_news);
  tcase_add_test(tests, a_probe_that_stays_unanswered_loses_the_line);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
