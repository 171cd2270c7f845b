/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/suite.h"
#include "tests/watcher.h"

#define SOON (50 * 1000) /* µs between signs of life, where a test waits for one */

static void check_failure(Watcher *watcher, gboolean probe, ImapError code) {
  g_autoptr(GError) error = NULL;
  g_auto(ImapNews) news = {0};
  ck_assert_int_eq(imap_watch_next(watcher->conn, probe, G_MAXINT64, &news, NULL, &error), IMAP_NEWS_FAILED);
  ck_assert_msg(g_error_matches(error, IMAP_ERROR, (int)code), "%d: %s", error->code, error->message);
  ck_assert(imap_conn_failed(watcher->conn));
}

/* ---- NOTIFY ------------------------------------------------------------------------------------------------ */

#define SET "C: @ NOTIFY SET STATUS (personal (MessageNew MessageExpunge"
#define NOTIFIED FAKE_LOGIN("NOTIFY") SET " FlagChange MailboxName SubscriptionChange))\nS: @ OK\n"

#define LOOKED "C: @ LIST \"\" INBOX\nS: * LIST () \"/\" INBOX\nS: @ OK\n"

START_TEST(test_notify_tells) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, FAKE_LOGIN("NOTIFY") SET
              " FlagChange MailboxName SubscriptionChange))\n"
              "S: * STATUS INBOX (MESSAGES 3 UIDNEXT 4)\nS: * STATUS Work (MESSAGES 0)\nS: @ OK\n"
              "S: * STATUS Work (MESSAGES 1 UIDNEXT 2 HIGHESTMODSEQ 7)\n"
              "S: * LIST () \"/\" New (\"OLDNAME\" (Old))\n"
              "S: * LIST (\\NonExistent) \"/\" Gone\n"
              "C: @ NOTIFY NONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n");
  ck_assert(watcher_notify(&watcher));
  ck_assert_str_eq(watcher.census->str, "INBOX Work ");
  g_auto(ImapNews) status = {0};
  ck_assert_int_eq(watcher_next_until(&watcher, G_MAXINT64, &status), IMAP_NEWS_STATUS);
  ck_assert_str_eq(status.status.name, "Work");
  ck_assert_uint_eq(status.status.modseq, 7);
  g_auto(ImapNews) renamed = {0};
  ck_assert_int_eq(watcher_next_until(&watcher, G_MAXINT64, &renamed), IMAP_NEWS_NAMES);
  ck_assert_str_eq(renamed.listing.name, "New");
  ck_assert_str_eq(renamed.listing.oldname, "Old");
  g_auto(ImapNews) gone = {0};
  ck_assert_int_eq(watcher_next_until(&watcher, G_MAXINT64, &gone), IMAP_NEWS_NAMES);
  ck_assert_uint_eq(gone.listing.attrs, IMAP_ATTR_NOSELECT);
  watcher_end(&watcher);
}
END_TEST

/* A refused event takes all others with it: less and less is asked for. */
START_TEST(test_notify_asks_for_less) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher,
              FAKE_LOGIN("NOTIFY") SET " FlagChange MailboxName SubscriptionChange))\n"
                                       "S: @ NO [BADEVENT SubscriptionChange] Unsupported\n" SET
                                       " FlagChange MailboxName))\nS: @ BAD what\n" SET " MailboxName))\nS: @ OK\n");
  ck_assert(watcher_notify(&watcher));
  ck_assert(!imap_conn_failed(watcher.conn));
}
END_TEST

/* LIST was our idea: a NO to it ends nothing, and it is not asked for again. */
START_TEST(test_notify_may_not_look) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, NOTIFIED "C: @ NOOP\nS: @ OK\nC: @ LIST \"\" INBOX\nS: @ NO\nC: @ NOOP\nS: @ OK\n"
                                 "C: @ NOOP\nS: @ OK\nS: * STATUS Work (MESSAGES 1)\n");
  watcher.conn->watch.test_interval = SOON;
  g_auto(ImapNews) news = {0};
  ck_assert(watcher_notify(&watcher));
  ck_assert_int_eq(watcher_next_until(&watcher, G_MAXINT64, &news), IMAP_NEWS_STATUS);
}
END_TEST

START_TEST(test_notify_refused) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, FAKE_LOGIN("NOTIFY") SET "*\nS: @ NO\n" SET "*\nS: @ NO\n" SET "*\nS: @ NO\n" SET
                                                 "*\nS: @ NO\nC: @ NOOP\nS: @ OK\n");
  ck_assert(!watcher_notify(&watcher));
  watcher_end(&watcher);
}
END_TEST

START_TEST(test_notify_not_offered) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, FAKE_LOGIN("") "C: @ NOOP\nS: @ OK\n");
  ck_assert(!watcher_notify(&watcher));
  watcher_end(&watcher);
}
END_TEST

START_TEST(test_notify_overflow) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher,
              NOTIFIED "S: * OK [NOTIFICATIONOVERFLOW] too much\nC: @ NOTIFY NONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n");
  ck_assert(watcher_notify(&watcher));
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_OVERFLOW);
  watcher_end(&watcher);
}
END_TEST

START_TEST(test_notify_overflows_at_once) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, FAKE_LOGIN("NOTIFY") SET "*\nS: * OK [NOTIFICATIONOVERFLOW] too much\nS: @ OK\n");
  ck_assert(watcher_notify(&watcher));
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_OVERFLOW);
}
END_TEST

/* Silent for good, while NOOP still knows: first one that has nothing to tell, then one that brings what push has
 * not told. */
START_TEST(test_notify_deaf) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, NOTIFIED "C: @ NOOP\nS: @ OK\n" LOOKED "C: @ NOOP\nS: * STATUS Work (MESSAGES 1)\nS: @ OK\n");
  watcher.conn->watch.test_interval = SOON;
  ck_assert(watcher_notify(&watcher));
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_DEAF);
}
END_TEST

/* Whoever lists makes Dovecot see a rename; that is not to be deaf, and INBOX in the answer is no news. */
START_TEST(test_notify_looks_for_renames) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, NOTIFIED "C: @ NOOP\nS: @ OK\nC: @ LIST \"\" INBOX\n"
                                 "S: * LIST () \"/\" Other\nS: * LIST (\\HasNoChildren) \"/\" Inbox\nS: @ OK\n"
                                 "S: * LIST () \"/\" New (\"OLDNAME\" (Old))\n");
  watcher.conn->watch.test_interval = SOON;
  ck_assert(watcher_notify(&watcher));
  g_auto(ImapNews) during = {0};
  ck_assert_int_eq(watcher_next_until(&watcher, G_MAXINT64, &during), IMAP_NEWS_NAMES);
  ck_assert_str_eq(during.listing.name, "Other");
  watcher.conn->watch.test_interval = 0;
  g_auto(ImapNews) after = {0};
  ck_assert_int_eq(watcher_next_until(&watcher, G_MAXINT64, &after), IMAP_NEWS_NAMES);
  ck_assert_str_eq(after.listing.oldname, "Old");
}
END_TEST

/* ---- IDLE -------------------------------------------------------------------------------------------------- */

#define EXAMINED "C: @ EXAMINE \"INBOX\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: @ OK\n"
#define IDLING FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nS: + idling\n"

START_TEST(test_idle_tells) {
  static const char *const news[] = {"* 4 EXISTS", "* 2 EXPUNGE", "* VANISHED 7", "* 1 FETCH (FLAGS (\\Seen))"};
  for (gsize i = 0; i < G_N_ELEMENTS(news); i++) {
    g_auto(Watcher) watcher;
    g_autofree char *script =
        g_strdup_printf(IDLING "S: * OK Still here\nS: %s\nC: DONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n", news[i]);
    watcher_new(&watcher, script);
    watcher_idle(&watcher);
    ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_MAILBOX);
    watcher_end(&watcher);
  }
}
END_TEST

/* IDLE is left and entered again, and only by way of "+" and the tagged answer. */
START_TEST(test_idle_again) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, IDLING "C: DONE\nS: @ OK\nC: @ IDLE\nS: +\nC: DONE\nS: @ OK\nC: @ IDLE\nS: * 4 EXISTS\nS: +\n"
                               "C: DONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n");
  watcher.conn->watch.test_interval = SOON;
  watcher_idle(&watcher);
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_MAILBOX); /* before "+" is soon enough */
  watcher_end(&watcher);
}
END_TEST

/* What comes only because of DONE should have come long ago: twice is no accident. */
START_TEST(test_idle_deaf) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, IDLING "C: DONE\nS: * 4 EXISTS\nS: @ OK\nC: @ IDLE\nS: +\nC: DONE\nS: @ OK\nC: @ IDLE\nS: +\n"
                               "C: DONE\nS: * 5 EXISTS\nS: * 6 EXISTS\nS: @ OK\nC: @ IDLE\nS: +\n");
  watcher.conn->watch.test_interval = SOON;
  watcher_idle(&watcher);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_MAILBOX);
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_DEAF);
}
END_TEST

/* A server that looks once a minute. */
START_TEST(test_idle_slow) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, IDLING "C: DONE\nS: * 4 EXISTS\nS: @ OK\nC: @ IDLE\nR: +\\r\\n* 5 EXISTS\\r\\n\n"
                               "C: DONE\nS: * 6 EXISTS\nS: @ OK\nC: @ IDLE\nR: +\\r\\n* 7 EXISTS\\r\\n\n");
  watcher.conn->watch.test_interval = SOON;
  watcher_idle(&watcher);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_MAILBOX);
}
END_TEST

/* Not a real IDLE, whatever the answer is called; and there is no news in silence. */
static const char *const no_idles[] = {
    FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nS: @ OK\n",
    FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nS: @ NO not today\n",
    FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nS: @ BAD what\n",
    IDLING "S: @ OK I ended it\n",
    FAKE_LOGIN("") EXAMINED,
};

START_TEST(test_polls_without_idle) {
  g_autofree char *script =
      g_strconcat(no_idles[_i], "C: @ NOOP\nS: @ OK\nC: @ NOOP\nS: * 4 EXISTS\nS: @ OK\nC: @ NOOP\nS: @ OK\n", NULL);
  g_auto(Watcher) watcher;
  watcher_new(&watcher, script);
  watcher_idle(&watcher);
  /* Whoever relies on being told hears that he will not be. */
  g_auto(ImapNews) news = {0};
  if (imap_watch_tells(watcher.conn))
    ck_assert_int_eq(watcher_next_until(&watcher, G_MAXINT64, &news), IMAP_NEWS_NONE);
  ck_assert(!imap_watch_tells(watcher.conn));
  watcher.conn->watch.due = 1; /* long ago */
  watcher.conn->watch.test_interval = SOON;
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_MAILBOX);
  watcher.conn->watch.test_interval = 0; /* the next NOOP of the script is the one that follows the end */
  watcher_end(&watcher);
}
END_TEST

START_TEST(test_idle_ends_before_it_began) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nwait\nS: +\nC: DONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n");
  watcher_idle(&watcher);
  g_auto(ImapNews) news = {0};
  ck_assert_int_eq(watcher_next_until(&watcher, g_get_monotonic_time(), &news), IMAP_NEWS_NONE);
  fake_go(watcher.fake);
  watcher_end(&watcher);
}
END_TEST

START_TEST(test_idle_refused_while_it_ends) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nS: @ NO\nC: @ NOOP\nS: @ OK\n");
  watcher_idle(&watcher);
  watcher_end(&watcher);
}
END_TEST

/* The mailbox is opened anew, and what the opening says of it is what counts from then on. */
START_TEST(test_idle_opens_afresh) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, FAKE_LOGIN("IDLE UNSELECT") "C: @ EXAMINE \"INBOX\"\nS: * 2 EXISTS\nS: @ OK\n"
                                                    "C: @ UNSELECT\nS: @ OK\n" EXAMINED "C: @ IDLE\nS: +\n");
  ck_assert(imap_examine(watcher.conn, "INBOX", TRUE, NULL, NULL, NULL));
  watcher_idle(&watcher);
}
END_TEST

/* ---- the line ---------------------------------------------------------------------------------------------- */

START_TEST(test_bye_in_idle) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, IDLING "S: * BYE Server shutting down\n");
  watcher_idle(&watcher);
  check_failure(&watcher, FALSE, IMAP_ERROR_NETWORK);
}
END_TEST

START_TEST(test_bye_under_notify) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, NOTIFIED "S: * BYE [UNAVAILABLE] see you\n");
  ck_assert(watcher_notify(&watcher));
  check_failure(&watcher, FALSE, IMAP_ERROR_UNAVAILABLE);
}
END_TEST

START_TEST(test_end_of_stream) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, IDLING "half\n");
  watcher_idle(&watcher);
  check_failure(&watcher, FALSE, IMAP_ERROR_NETWORK);
}
END_TEST

/* Silence is no failure until something was asked. */
static const struct {
  const char *script;
  gboolean probe;
} silences[] = {
    {NOTIFIED "C: @ NOOP\nstall\n", FALSE}, {NOTIFIED "C: @ NOOP\nstall\n", TRUE},
    {IDLING "C: DONE\nstall\n", FALSE},     {IDLING "C: DONE\nS: @ OK\nC: @ IDLE\nstall\n", FALSE},
    {IDLING "C: DONE\nstall\n", TRUE},      {FAKE_LOGIN("") EXAMINED "C: @ NOOP\nstall\n", FALSE},
};

START_TEST(test_silence) {
  g_auto(Watcher) watcher = {.fake = fake_new(silences[_i].script)};
  ImapConfig config = fake_config(watcher.fake);
  config.timeout = 1;
  watcher_start(&watcher, &config);
  watcher.conn->watch.test_interval = silences[_i].probe ? 0 : 1500 * 1000; /* more than the timeout */
  if (!watcher_notify(&watcher))
    watcher_idle(&watcher);
  gint64 before = g_get_monotonic_time();
  check_failure(&watcher, silences[_i].probe, IMAP_ERROR_TIMEOUT);
  ck_assert_int_ge(g_get_monotonic_time() - before, (silences[_i].probe ? 1000 : 2500) * 1000);
}
END_TEST

/* An answer that came while nobody listened is in time. */
START_TEST(test_late_listener) {
  g_auto(Watcher) watcher = {
      .fake = fake_new(FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nR: * 4 EXISTS\\r\\n+\\r\\n* 5 EXISTS\\r\\n\n")};
  ImapConfig config = fake_config(watcher.fake);
  watcher_start(&watcher, &config);
  watcher_idle(&watcher);
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_MAILBOX);
  watcher.conn->watch.deadline = 1; /* as if it had been long ago */
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_MAILBOX);
}
END_TEST

START_TEST(test_answer_to_nothing) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, NOTIFIED "S: @ OK once more\n");
  ck_assert(watcher_notify(&watcher));
  check_failure(&watcher, FALSE, IMAP_ERROR_PROTOCOL);
}
END_TEST

static gpointer wake_soon(gpointer conn) {
  g_usleep(50000); /* meant to meet the wait */
  imap_conn_wake(conn);
  return NULL;
}

/* And nothing is lost by it. */
START_TEST(test_wake) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, IDLING "wait\nS: * 4 EXISTS\n");
  watcher_idle(&watcher);
  GThread *thread = g_thread_new("wake", wake_soon, watcher.conn);
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_NONE);
  g_thread_join(thread);
  fake_go(watcher.fake);
  ck_assert_int_eq(watcher_next(&watcher), IMAP_NEWS_MAILBOX);
}
END_TEST

START_TEST(test_probe) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, NOTIFIED "C: @ NOOP\nS: @ OK\nS: * STATUS Work (MESSAGES 2)\n");
  g_auto(ImapNews) news = {0};
  ck_assert(watcher_notify(&watcher));
  ck_assert_int_eq(imap_watch_next(watcher.conn, TRUE, G_MAXINT64, &news, NULL, NULL), IMAP_NEWS_STATUS);
}
END_TEST

static gpointer drop_soon(gpointer pool) {
  g_usleep(50000); /* meant to meet the wait */
  imap_pool_drop(pool);
  return NULL;
}

START_TEST(test_drop) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, IDLING "stall\n");
  watcher_idle(&watcher);
  GThread *thread = g_thread_new("drop", drop_soon, watcher.pool);
  check_failure(&watcher, FALSE, IMAP_ERROR_NETWORK);
  g_thread_join(thread);
}
END_TEST

START_TEST(test_cancel) {
  g_auto(Watcher) watcher;
  watcher_new(&watcher, IDLING "stall\n");
  watcher_idle(&watcher);
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  g_auto(ImapNews) news = {0};
  g_cancellable_cancel(c);
  ck_assert_int_eq(imap_watch_next(watcher.conn, FALSE, G_MAXINT64, &news, c, &error), IMAP_NEWS_FAILED);
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("watch");
  TCase *tc = tcase_create("all");
  tcase_add_test(tc, test_notify_tells);
  tcase_add_test(tc, test_notify_asks_for_less);
  tcase_add_test(tc, test_notify_may_not_look);
  tcase_add_test(tc, test_notify_refused);
  tcase_add_test(tc, test_notify_not_offered);
  tcase_add_test(tc, test_notify_overflow);
  tcase_add_test(tc, test_notify_overflows_at_once);
  tcase_add_test(tc, test_notify_deaf);
  tcase_add_test(tc, test_notify_looks_for_renames);
  tcase_add_test(tc, test_idle_tells);
  tcase_add_test(tc, test_idle_again);
  tcase_add_test(tc, test_idle_deaf);
  tcase_add_test(tc, test_idle_slow);
  tcase_add_loop_test(tc, test_polls_without_idle, 0, G_N_ELEMENTS(no_idles));
  tcase_add_test(tc, test_idle_ends_before_it_began);
  tcase_add_test(tc, test_idle_refused_while_it_ends);
  tcase_add_test(tc, test_idle_opens_afresh);
  tcase_add_test(tc, test_bye_in_idle);
  tcase_add_test(tc, test_bye_under_notify);
  tcase_add_test(tc, test_end_of_stream);
  tcase_add_loop_test(tc, test_silence, 0, G_N_ELEMENTS(silences));
  tcase_add_test(tc, test_late_listener);
  tcase_add_test(tc, test_answer_to_nothing);
  tcase_add_test(tc, test_wake);
  tcase_add_test(tc, test_probe);
  tcase_add_test(tc, test_drop);
  tcase_add_test(tc, test_cancel);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
