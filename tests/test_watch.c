/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "imap/conn.h"
#include "tests/dovecot.h"
#include "tests/fake.h"
#include "tests/suite.h"

#define SOON (50 * 1000) /* µs between signs of life, where a test waits for one */

typedef struct {
  Fake *fake;
  ImapPool *pool;
  ImapConn *conn;
  GString *census; /* what NOTIFY told at first: "INBOX Work " */
} Bench;

static void bench_start(Bench *bench, const ImapConfig *config) {
  g_autoptr(GError) error = NULL;
  bench->census = g_string_new(NULL);
  bench->pool = imap_pool_new(config);
  bench->conn = imap_pool_lease(bench->pool, IMAP_ROLE_WATCH, NULL, &error);
  ck_assert_msg(bench->conn != NULL, "%s", error != NULL ? error->message : "");
}

static void bench_new(Bench *bench, const char *script) {
  *bench = (Bench){.fake = fake_new(script)};
  ImapConfig config = fake_config(bench->fake);
  bench_start(bench, &config);
}

static void bench_clear(Bench *bench) {
  imap_conn_fail(bench->conn); /* no LOGOUT: the dialogue is over */
  imap_pool_release(bench->pool, bench->conn);
  imap_pool_free(bench->pool);
  fake_free(bench->fake);
  g_string_free(bench->census, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bench, bench_clear)

static void count(const ImapStatus *status, gpointer data) {
  g_string_append_printf(data, "%s ", status->name);
}

static gboolean notify(Bench *bench) {
  g_autoptr(GError) error = NULL;
  gboolean accepted;
  ck_assert_msg(imap_watch_notify(bench->conn, count, bench->census, &accepted, NULL, &error), "%s",
                error != NULL ? error->message : "");
  return accepted;
}

static void idle(Bench *bench) {
  g_autoptr(GError) error = NULL;
  g_auto(ImapMailbox) opening = {0};
  ck_assert_msg(imap_watch_idle(bench->conn, "INBOX", TRUE, &opening, NULL, &error), "%s",
                error != NULL ? error->message : "");
  ck_assert_uint_eq(opening.exists, 3);
}

static ImapNewsType next_until(Bench *bench, gint64 until, ImapNews *ret) {
  g_autoptr(GError) error = NULL;
  ImapNewsType type = imap_watch_next(bench->conn, FALSE, until, ret, NULL, &error);
  ck_assert_msg(type != IMAP_NEWS_FAILED, "%s", error != NULL ? error->message : "");
  return type;
}

static ImapNewsType next(Bench *bench) {
  g_auto(ImapNews) news = {0};
  return next_until(bench, G_MAXINT64, &news);
}

static void check_failure(Bench *bench, gboolean probe, ImapError code) {
  g_autoptr(GError) error = NULL;
  g_auto(ImapNews) news = {0};
  ck_assert_int_eq(imap_watch_next(bench->conn, probe, G_MAXINT64, &news, NULL, &error), IMAP_NEWS_FAILED);
  ck_assert_msg(g_error_matches(error, IMAP_ERROR, (int)code), "%d: %s", error->code, error->message);
  ck_assert(imap_conn_failed(bench->conn));
}

static void end(Bench *bench) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(imap_watch_end(bench->conn, NULL, &error), "%s", error != NULL ? error->message : "");
  ck_assert(imap_noop(bench->conn, NULL, &error));
}

/* ---- NOTIFY ------------------------------------------------------------------------------------------------ */

#define SET "C: @ NOTIFY SET STATUS (personal (MessageNew MessageExpunge"
#define NOTIFIED FAKE_LOGIN("NOTIFY") SET " FlagChange MailboxName SubscriptionChange))\nS: @ OK\n"

START_TEST(test_notify_tells) {
  g_auto(Bench) bench;
  bench_new(&bench, FAKE_LOGIN("NOTIFY") SET
            " FlagChange MailboxName SubscriptionChange))\n"
            "S: * STATUS INBOX (MESSAGES 3 UIDNEXT 4)\nS: * STATUS Work (MESSAGES 0)\nS: @ OK\n"
            "S: * STATUS Work (MESSAGES 1 UIDNEXT 2 HIGHESTMODSEQ 7)\n"
            "S: * LIST () \"/\" New (\"OLDNAME\" (Old))\n"
            "S: * LIST (\\NonExistent) \"/\" Gone\n"
            "C: @ NOTIFY NONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n");
  ck_assert(notify(&bench));
  ck_assert_str_eq(bench.census->str, "INBOX Work ");
  g_auto(ImapNews) status = {0};
  ck_assert_int_eq(next_until(&bench, G_MAXINT64, &status), IMAP_NEWS_STATUS);
  ck_assert_str_eq(status.status.name, "Work");
  ck_assert_uint_eq(status.status.modseq, 7);
  g_auto(ImapNews) renamed = {0};
  ck_assert_int_eq(next_until(&bench, G_MAXINT64, &renamed), IMAP_NEWS_NAMES);
  ck_assert_str_eq(renamed.listing.name, "New");
  ck_assert_str_eq(renamed.listing.oldname, "Old");
  g_auto(ImapNews) gone = {0};
  ck_assert_int_eq(next_until(&bench, G_MAXINT64, &gone), IMAP_NEWS_NAMES);
  ck_assert_uint_eq(gone.listing.attrs, IMAP_ATTR_NOSELECT);
  end(&bench);
}
END_TEST

/* A refused event takes all others with it: less and less is asked for. */
START_TEST(test_notify_asks_for_less) {
  g_auto(Bench) bench;
  bench_new(&bench,
            FAKE_LOGIN("NOTIFY") SET " FlagChange MailboxName SubscriptionChange))\n"
                                     "S: @ NO [BADEVENT SubscriptionChange] Unsupported\n" SET
                                     " FlagChange MailboxName))\nS: @ BAD what\n" SET " MailboxName))\nS: @ OK\n");
  ck_assert(notify(&bench));
  ck_assert(!imap_conn_failed(bench.conn));
}
END_TEST

START_TEST(test_notify_refused) {
  g_auto(Bench) bench;
  bench_new(&bench, FAKE_LOGIN("NOTIFY") SET "*\nS: @ NO\n" SET "*\nS: @ NO\n" SET "*\nS: @ NO\n" SET
                                             "*\nS: @ NO\nC: @ NOOP\nS: @ OK\n");
  ck_assert(!notify(&bench));
  end(&bench);
}
END_TEST

START_TEST(test_notify_not_offered) {
  g_auto(Bench) bench;
  bench_new(&bench, FAKE_LOGIN("") "C: @ NOOP\nS: @ OK\n");
  ck_assert(!notify(&bench));
  end(&bench);
}
END_TEST

START_TEST(test_notify_overflow) {
  g_auto(Bench) bench;
  bench_new(&bench,
            NOTIFIED "S: * OK [NOTIFICATIONOVERFLOW] too much\nC: @ NOTIFY NONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n");
  ck_assert(notify(&bench));
  ck_assert_int_eq(next(&bench), IMAP_NEWS_OVERFLOW);
  end(&bench);
}
END_TEST

START_TEST(test_notify_overflows_at_once) {
  g_auto(Bench) bench;
  bench_new(&bench, FAKE_LOGIN("NOTIFY") SET "*\nS: * OK [NOTIFICATIONOVERFLOW] too much\nS: @ OK\n");
  ck_assert(notify(&bench));
  ck_assert_int_eq(next(&bench), IMAP_NEWS_OVERFLOW);
}
END_TEST

/* Silent for good, while NOOP still knows: one that has nothing to tell, then one that brings what push has not told.
 */
START_TEST(test_notify_deaf) {
  g_auto(Bench) bench;
  bench_new(&bench, NOTIFIED "C: @ NOOP\nS: @ OK\nC: @ NOOP\nS: * STATUS Work (MESSAGES 1)\nS: @ OK\n");
  bench.conn->watch.test_interval = SOON;
  ck_assert(notify(&bench));
  ck_assert_int_eq(next(&bench), IMAP_NEWS_DEAF);
}
END_TEST

/* ---- IDLE -------------------------------------------------------------------------------------------------- */

#define EXAMINED "C: @ EXAMINE \"INBOX\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: @ OK\n"
#define IDLING FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nS: + idling\n"

START_TEST(test_idle_tells) {
  static const char *const news[] = {"* 4 EXISTS", "* 2 EXPUNGE", "* VANISHED 7", "* 1 FETCH (FLAGS (\\Seen))"};
  for (gsize i = 0; i < G_N_ELEMENTS(news); i++) {
    g_auto(Bench) bench;
    g_autofree char *script =
        g_strdup_printf(IDLING "S: * OK Still here\nS: %s\nC: DONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n", news[i]);
    bench_new(&bench, script);
    idle(&bench);
    ck_assert_int_eq(next(&bench), IMAP_NEWS_MAILBOX);
    end(&bench);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("watch");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, test_notify_tells);
  tcase_add_test(tc, test_notify_asks_for_less);
  tcase_add_test(tc, test_notify_refused);
  tcase_add_test(tc, test_notify_not_offered);
  tcase_add_test(tc, test_notify_overflow);
  tcase_add_test(tc, test_notify_overflows_at_once);
  tcase_add_test(tc, test_notify_deaf);
  tcase_add_test(tc, test_idle_tells);
  (void)check_failure;
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
