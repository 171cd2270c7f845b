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

#define LOOKED "C: @ LIST \"\" INBOX\nS: * LIST () \"/\" INBOX\nS: @ OK\n"

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

/* LIST was our idea: a NO to it ends nothing, and it is not asked for again. */
START_TEST(test_notify_may_not_look) {
  g_auto(Bench) bench;
  bench_new(&bench, NOTIFIED "C: @ NOOP\nS: @ OK\nC: @ LIST \"\" INBOX\nS: @ NO\nC: @ NOOP\nS: @ OK\n"
                             "C: @ NOOP\nS: @ OK\nS: * STATUS Work (MESSAGES 1)\n");
  bench.conn->watch.test_interval = SOON;
  g_auto(ImapNews) news = {0};
  ck_assert(notify(&bench));
  ck_assert_int_eq(next_until(&bench, G_MAXINT64, &news), IMAP_NEWS_STATUS);
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

/* Silent for good, while NOOP still knows: first one that has nothing to tell, then one that brings what push has
 * not told. */
START_TEST(test_notify_deaf) {
  g_auto(Bench) bench;
  bench_new(&bench, NOTIFIED "C: @ NOOP\nS: @ OK\n" LOOKED "C: @ NOOP\nS: * STATUS Work (MESSAGES 1)\nS: @ OK\n");
  bench.conn->watch.test_interval = SOON;
  ck_assert(notify(&bench));
  ck_assert_int_eq(next(&bench), IMAP_NEWS_DEAF);
}
END_TEST

/* Whoever lists makes Dovecot see a rename; that is not to be deaf, and INBOX in the answer is no news. */
START_TEST(test_notify_looks_for_renames) {
  g_auto(Bench) bench;
  bench_new(&bench, NOTIFIED "C: @ NOOP\nS: @ OK\nC: @ LIST \"\" INBOX\n"
                             "S: * LIST () \"/\" Other\nS: * LIST (\\HasNoChildren) \"/\" Inbox\nS: @ OK\n"
                             "S: * LIST () \"/\" New (\"OLDNAME\" (Old))\n");
  bench.conn->watch.test_interval = SOON;
  ck_assert(notify(&bench));
  g_auto(ImapNews) during = {0};
  ck_assert_int_eq(next_until(&bench, G_MAXINT64, &during), IMAP_NEWS_NAMES);
  ck_assert_str_eq(during.listing.name, "Other");
  bench.conn->watch.test_interval = 0;
  g_auto(ImapNews) after = {0};
  ck_assert_int_eq(next_until(&bench, G_MAXINT64, &after), IMAP_NEWS_NAMES);
  ck_assert_str_eq(after.listing.oldname, "Old");
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

/* IDLE is left and entered again, and only by way of "+" and the tagged answer. */
START_TEST(test_idle_again) {
  g_auto(Bench) bench;
  bench_new(&bench, IDLING "C: DONE\nS: @ OK\nC: @ IDLE\nS: +\nC: DONE\nS: @ OK\nC: @ IDLE\nS: * 4 EXISTS\nS: +\n"
                           "C: DONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n");
  bench.conn->watch.test_interval = SOON;
  idle(&bench);
  ck_assert_int_eq(next(&bench), IMAP_NEWS_MAILBOX); /* before "+" is soon enough */
  end(&bench);
}
END_TEST

/* What comes only because of DONE should have come long ago: twice is no accident. */
START_TEST(test_idle_deaf) {
  g_auto(Bench) bench;
  bench_new(&bench, IDLING "C: DONE\nS: * 4 EXISTS\nS: @ OK\nC: @ IDLE\nS: +\nC: DONE\nS: @ OK\nC: @ IDLE\nS: +\n"
                           "C: DONE\nS: * 5 EXISTS\nS: * 6 EXISTS\nS: @ OK\nC: @ IDLE\nS: +\n");
  bench.conn->watch.test_interval = SOON;
  idle(&bench);
  for (int i = 0; i < 3; i++)
    ck_assert_int_eq(next(&bench), IMAP_NEWS_MAILBOX);
  ck_assert_int_eq(next(&bench), IMAP_NEWS_DEAF);
}
END_TEST

/* A server that looks once a minute. */
START_TEST(test_idle_slow) {
  g_auto(Bench) bench;
  bench_new(&bench, IDLING "C: DONE\nS: * 4 EXISTS\nS: @ OK\nC: @ IDLE\nR: +\\r\\n* 5 EXISTS\\r\\n\n"
                           "C: DONE\nS: * 6 EXISTS\nS: @ OK\nC: @ IDLE\nR: +\\r\\n* 7 EXISTS\\r\\n\n");
  bench.conn->watch.test_interval = SOON;
  idle(&bench);
  for (int i = 0; i < 4; i++)
    ck_assert_int_eq(next(&bench), IMAP_NEWS_MAILBOX);
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
  g_auto(Bench) bench;
  bench_new(&bench, script);
  idle(&bench);
  /* Whoever relies on being told hears that he will not be. */
  g_auto(ImapNews) news = {0};
  if (imap_watch_tells(bench.conn))
    ck_assert_int_eq(next_until(&bench, G_MAXINT64, &news), IMAP_NEWS_NONE);
  ck_assert(!imap_watch_tells(bench.conn));
  bench.conn->watch.due = 1; /* long ago */
  bench.conn->watch.test_interval = SOON;
  ck_assert_int_eq(next(&bench), IMAP_NEWS_MAILBOX);
  bench.conn->watch.test_interval = 0; /* the next NOOP of the script is the one that follows the end */
  end(&bench);
}
END_TEST

START_TEST(test_idle_ends_before_it_began) {
  g_auto(Bench) bench;
  bench_new(&bench, FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nwait\nS: +\nC: DONE\nS: @ OK\nC: @ NOOP\nS: @ OK\n");
  idle(&bench);
  g_auto(ImapNews) news = {0};
  ck_assert_int_eq(next_until(&bench, g_get_monotonic_time(), &news), IMAP_NEWS_NONE);
  fake_go(bench.fake);
  end(&bench);
}
END_TEST

START_TEST(test_idle_refused_while_it_ends) {
  g_auto(Bench) bench;
  bench_new(&bench, FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nS: @ NO\nC: @ NOOP\nS: @ OK\n");
  idle(&bench);
  end(&bench);
}
END_TEST

/* The mailbox is opened anew, and what the opening says of it is what counts from then on. */
START_TEST(test_idle_opens_afresh) {
  g_auto(Bench) bench;
  bench_new(&bench, FAKE_LOGIN("IDLE UNSELECT") "C: @ EXAMINE \"INBOX\"\nS: * 2 EXISTS\nS: @ OK\n"
                                                "C: @ UNSELECT\nS: @ OK\n" EXAMINED "C: @ IDLE\nS: +\n");
  ck_assert(imap_examine(bench.conn, "INBOX", TRUE, NULL, NULL, NULL));
  idle(&bench);
}
END_TEST

/* ---- the line ---------------------------------------------------------------------------------------------- */

START_TEST(test_bye_in_idle) {
  g_auto(Bench) bench;
  bench_new(&bench, IDLING "S: * BYE Server shutting down\n");
  idle(&bench);
  check_failure(&bench, FALSE, IMAP_ERROR_NETWORK);
}
END_TEST

START_TEST(test_bye_under_notify) {
  g_auto(Bench) bench;
  bench_new(&bench, NOTIFIED "S: * BYE [UNAVAILABLE] see you\n");
  ck_assert(notify(&bench));
  check_failure(&bench, FALSE, IMAP_ERROR_UNAVAILABLE);
}
END_TEST

START_TEST(test_end_of_stream) {
  g_auto(Bench) bench;
  bench_new(&bench, IDLING "half\n");
  idle(&bench);
  check_failure(&bench, FALSE, IMAP_ERROR_NETWORK);
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
  g_auto(Bench) bench = {.fake = fake_new(silences[_i].script)};
  ImapConfig config = fake_config(bench.fake);
  config.timeout = 1;
  bench_start(&bench, &config);
  bench.conn->watch.test_interval = silences[_i].probe ? 0 : 1500 * 1000; /* more than the timeout */
  if (!notify(&bench))
    idle(&bench);
  gint64 before = g_get_monotonic_time();
  check_failure(&bench, silences[_i].probe, IMAP_ERROR_TIMEOUT);
  ck_assert_int_ge(g_get_monotonic_time() - before, (silences[_i].probe ? 1000 : 2500) * 1000);
}
END_TEST

/* An answer that came while nobody listened is in time. */
START_TEST(test_late_listener) {
  g_auto(Bench)
      bench = {.fake = fake_new(FAKE_LOGIN("IDLE") EXAMINED "C: @ IDLE\nR: * 4 EXISTS\\r\\n+\\r\\n* 5 EXISTS\\r\\n\n")};
  ImapConfig config = fake_config(bench.fake);
  bench_start(&bench, &config);
  idle(&bench);
  ck_assert_int_eq(next(&bench), IMAP_NEWS_MAILBOX);
  bench.conn->watch.deadline = 1; /* as if it had been long ago */
  ck_assert_int_eq(next(&bench), IMAP_NEWS_MAILBOX);
}
END_TEST

START_TEST(test_answer_to_nothing) {
  g_auto(Bench) bench;
  bench_new(&bench, NOTIFIED "S: @ OK once more\n");
  ck_assert(notify(&bench));
  check_failure(&bench, FALSE, IMAP_ERROR_PROTOCOL);
}
END_TEST

static gpointer wake_soon(gpointer conn) {
  g_usleep(50000); /* meant to meet the wait */
  imap_conn_wake(conn);
  return NULL;
}

/* And nothing is lost by it. */
START_TEST(test_wake) {
  g_auto(Bench) bench;
  bench_new(&bench, IDLING "wait\nS: * 4 EXISTS\n");
  idle(&bench);
  GThread *thread = g_thread_new("wake", wake_soon, bench.conn);
  ck_assert_int_eq(next(&bench), IMAP_NEWS_NONE);
  g_thread_join(thread);
  fake_go(bench.fake);
  ck_assert_int_eq(next(&bench), IMAP_NEWS_MAILBOX);
}
END_TEST

START_TEST(test_probe) {
  g_auto(Bench) bench;
  bench_new(&bench, NOTIFIED "C: @ NOOP\nS: @ OK\nS: * STATUS Work (MESSAGES 2)\n");
  g_auto(ImapNews) news = {0};
  ck_assert(notify(&bench));
  ck_assert_int_eq(imap_watch_next(bench.conn, TRUE, G_MAXINT64, &news, NULL, NULL), IMAP_NEWS_STATUS);
}
END_TEST

static gpointer drop_soon(gpointer pool) {
  g_usleep(50000); /* meant to meet the wait */
  imap_pool_drop(pool);
  return NULL;
}

START_TEST(test_drop) {
  g_auto(Bench) bench;
  bench_new(&bench, IDLING "stall\n");
  idle(&bench);
  GThread *thread = g_thread_new("drop", drop_soon, bench.pool);
  check_failure(&bench, FALSE, IMAP_ERROR_NETWORK);
  g_thread_join(thread);
}
END_TEST

START_TEST(test_cancel) {
  g_auto(Bench) bench;
  bench_new(&bench, IDLING "stall\n");
  idle(&bench);
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  g_auto(ImapNews) news = {0};
  g_cancellable_cancel(c);
  ck_assert_int_eq(imap_watch_next(bench.conn, FALSE, G_MAXINT64, &news, c, &error), IMAP_NEWS_FAILED);
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
}
END_TEST

/* ---- against Dovecot --------------------------------------------------------------------------------------- */

typedef struct {
  Dovecot *dovecot;
  Bench bench;
  ImapPool *other_pool;
  ImapConn *other; /* another client */
} Real;

static void real_new(Real *real, char **disable) {
  *real = (Real){.dovecot = dovecot_new(10)};
  ImapConfig config = dovecot_config(real->dovecot, "ann");
  g_autoptr(GError) error = NULL;
  real->other_pool = imap_pool_new(&config);
  real->other = imap_pool_lease(real->other_pool, IMAP_ROLE_PROMPT, NULL, &error);
  ck_assert_msg(real->other != NULL, "%s", error != NULL ? error->message : "");
  ck_assert(imap_conn_simple(real->other, "CREATE Work", NULL, NULL, NULL, NULL));
  config.disable = disable;
  bench_start(&real->bench, &config);
  real->bench.conn->watch.test_interval = 40 * G_USEC_PER_SEC; /* a busy machine has time enough */
}

static void real_clear(Real *real) {
  imap_pool_release(real->other_pool, real->other);
  imap_pool_free(real->other_pool);
  imap_conn_fail(real->bench.conn);
  imap_pool_release(real->bench.pool, real->bench.conn);
  imap_pool_free(real->bench.pool);
  g_string_free(real->bench.census, TRUE);
  dovecot_free(real->dovecot);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Real, real_clear)

static void append_by_other(Real *real, const char *mailbox) {
  static const char message[] = "From: a@b\r\nSubject: x\r\n\r\nhi\r\n";
  g_autoptr(GError) error = NULL;
  ImapEncoder *encoder = imap_conn_command(real->other);
  imap_encoder_raw(encoder, "APPEND ");
  imap_encoder_string(encoder, mailbox, strlen(mailbox));
  imap_encoder_raw(encoder, " ");
  imap_encoder_string(encoder, message, sizeof message - 1);
  ck_assert_msg(imap_conn_run(real->other, encoder, NULL, NULL, NULL, NULL, &error), "%s",
                error != NULL ? error->message : "");
}

/* Not by a NOOP, which would be DEAF. */
static ImapNewsType pushed(Real *real, ImapNews *ret) {
  return next_until(&real->bench, G_MAXINT64, ret);
}

START_TEST(test_dovecot_notify) {
  if (!dovecot_installed())
    return;
  g_auto(Real) real;
  real_new(&real, NULL);
  ck_assert(notify(&real.bench));
  ck_assert(strstr(real.bench.census->str, "Work ") != NULL);
  append_by_other(&real, "Work");
  g_auto(ImapNews) arrived = {0};
  ck_assert_int_eq(pushed(&real, &arrived), IMAP_NEWS_STATUS);
  ck_assert_str_eq(arrived.status.name, "Work");
  ck_assert_uint_eq(arrived.status.messages, 1);
  ck_assert(arrived.status.has_modseq);
  ck_assert(imap_conn_simple(real.other, "RENAME Work Play", NULL, NULL, NULL, NULL));
  g_auto(ImapNews) renamed = {0};
  while (pushed(&real, &renamed) == IMAP_NEWS_STATUS) /* perhaps once more of what has arrived */
    imap_news_clear(&renamed);
  ck_assert_pstr_eq(renamed.listing.name, "Play");
  ck_assert_pstr_eq(renamed.listing.oldname, "Work");
  end(&real.bench);
}
END_TEST

START_TEST(test_dovecot_idle) {
  static char *disable[] = {(char *)"NOTIFY", NULL};
  if (!dovecot_installed())
    return;
  g_auto(Real) real;
  g_autoptr(GError) error = NULL;
  g_auto(ImapMailbox) opening = {0};
  g_auto(ImapNews) news = {0};
  real_new(&real, disable);
  ck_assert(!notify(&real.bench));
  ck_assert_msg(imap_watch_idle(real.bench.conn, "Work", TRUE, &opening, NULL, &error), "%s",
                error != NULL ? error->message : "");
  ck_assert_uint_eq(opening.exists, 0);
  append_by_other(&real, "Work");
  ck_assert_int_eq(pushed(&real, &news), IMAP_NEWS_MAILBOX);
  end(&real.bench);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("watch");
  TCase *tc = tcase_create("all");
  tcase_set_timeout(tc, 60);
  tcase_add_test(tc, test_notify_tells);
  tcase_add_test(tc, test_notify_asks_for_less);
  tcase_add_test(tc, test_notify_refused);
  tcase_add_test(tc, test_notify_may_not_look);
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
  tcase_add_test(tc, test_dovecot_notify);
  tcase_add_test(tc, test_dovecot_idle);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
