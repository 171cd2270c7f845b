/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "cache/journal/journal.h"
#include "imap/conn.h"
#include "tests/lane.h"
#include "tests/suite.h"

START_TEST(serves_each_as_it_comes) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1:3") BODY("3", "3") BODY("1", "1") "wait\n" BODY("2", "2") OK);
  for (guint32 uid = 1; uid <= 3; uid++)
    wait_for(&bench, uid);
  lane_run(bench.lane);
  ck_body(&bench, 3, "Subject: 3\r\n\r\nhello");
  ck_body(&bench, 1, "Subject: 1\r\n\r\nhello");
  ck_assert(body_present(bench.test->account.bodies, bench.rows[1]));
  fake_go(bench.test->fake);
  ck_body(&bench, 2, "Subject: 2\r\n\r\nhello");
}
END_TEST

/* ---- how wants end ---------------------------------------------------------------------------------------------- */

#define LEAVE "C: @ UNSELECT\nS: @ OK\n"
#define AGAIN "next\n" FAKE_LOGIN("UNSELECT")
#define THERE "C: @ LIST \"\" \"box\"\nS: * LIST () \"/\" \"box\"\nS: @ OK\n"
#define SHUT "C: @ EXAMINE \"box\"\nS: @ NO Mailbox was deleted under us\n" THERE
#define BUG "S: @ NO [SERVERBUG] sorry\n"
#define NO "S: @ NO Some messages could not be FETCHed\n"
#define BYE "S: * BYE Internal error\n" AGAIN OPEN
#define BODY_HERE (-1)

static const struct {
  const char *script;
  guint32 wanted; /* 1 to that */
  struct {
    guint32 uid;
    int code; /* CacheError, or BODY_HERE */
  } ends[3];  /* in the order in which they are told */
} cases[] = {
    /* expunged */
    {OPEN ASK("1:2") BODY("1", "1") OK LOOK("1 3"), 2, {{1, BODY_HERE}, {2, CACHE_ERROR_GONE}}},
    {OPEN ASK("1") AGAIN OPEN ASK("1") OK LOOK("2 3"), 1, {{1, CACHE_ERROR_GONE}}},
    /* a folder that is suddenly empty proves nothing */
    {OPEN ASK("1") OK LOOK("") LEAVE OPEN ASK("1") BODY("1", "1") OK, 1, {{1, BODY_HERE}}},
    /* a lost connection is tried once more */
    {OPEN ASK("1") "S: * 1 FETCH (UID 1 BODY[] {19}\nR: Subje\n" AGAIN OPEN ASK("1") BODY("1", "1") OK,
     1,
     {{1, BODY_HERE}}},
    {"C: @ EXAMINE \"box\"\nS: * 3 EXI\n" AGAIN OPEN ASK("1") BODY("1", "1") OK, 1, {{1, BODY_HERE}}},
    /* a refused opening may be this session's own trouble; told when it is refused twice */
    {SHUT THERE AGAIN OPEN ASK("1") BODY("1", "1") OK, 1, {{1, BODY_HERE}}},
    {SHUT THERE AGAIN SHUT, 1, {{1, CACHE_ERROR_REFUSED}}},
    {"C: @ EXAMINE \"box\"\n" BUG AGAIN OPEN ASK("1") BODY("1", "1") OK, 1, {{1, BODY_HERE}}},
    /* a refusal is tried once more, and told */
    {OPEN ASK("1") BUG LOOK("1 2 3") ASK("1") BUG, 1, {{1, CACHE_ERROR_BUSY}}},
    /* what was whole is kept; the others are tried in company, then one by one */
    {OPEN ASK("1:3") BODY("1", "1") NO LOOK("1 2 3") ASK("2:3") NO LOOK("1 2 3") ASK("2") NO ASK("3") BODY("3", "3") OK,
     3,
     {{1, BODY_HERE}, {2, CACHE_ERROR_REFUSED}, {3, BODY_HERE}}},
    /* Dovecot hangs up over a message whose size it remembers wrongly */
    {OPEN ASK("1:3") BODY("1", "1") BYE ASK("2:3") BYE ASK("2") BYE ASK("3") BODY("3", "3") OK,
     3,
     {{1, BODY_HERE}, {2, CACHE_ERROR_OFFLINE}, {3, BODY_HERE}}},
    /* a renumbered folder serves nothing */
    {"C: @ EXAMINE \"box\"\nS: * 9 EXISTS\nS: * OK [UIDVALIDITY 8] x\nS: * OK [UIDNEXT 10] x\nS: @ OK\n",
     1,
     {{1, CACHE_ERROR_BUSY}}},
};

START_TEST(each_want_ends_in_its_way) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, cases[_i].script);
  for (guint32 uid = 1; uid <= cases[_i].wanted; uid++)
    wait_for(&bench, uid);
  lane_run(bench.lane);
  for (guint i = 0; i < cases[_i].wanted; i++) {
    guint32 uid = cases[_i].ends[i].uid;
    g_autofree char *text = g_strdup_printf("Subject: %u\r\n\r\nhello", uid);
    if (cases[_i].ends[i].code == BODY_HERE)
      ck_body(&bench, uid, text);
    else
      ck_failure(&bench, uid, (CacheError)cases[_i].ends[i].code);
  }
}
END_TEST

START_TEST(what_is_refused_in_a_pause_is_not_asked_for_again) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1:2") BODY("1", "1") "S: @ NO Slow down. Suggested Backoff Time: 99961 ms\n");
  wait_for(&bench, 1);
  wait_for(&bench, 2);
  lane_run(bench.lane);
  ck_body(&bench, 1, "Subject: 1\r\n\r\nhello");
  ck_failure(&bench, 2, CACHE_ERROR_BUSY);
  wait_for(&bench, 3);
  ck_failure(&bench, 3, CACHE_ERROR_BUSY);
}
END_TEST

START_TEST(a_folder_that_is_empty_when_opened_afresh_is) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1") OK LOOK("") LEAVE OPEN ASK("1") OK LOOK("") LEAVE OPEN ASK("2") BODY("2", "2") OK);
  wait_for(&bench, 1);
  lane_run(bench.lane);
  ck_failure(&bench, 1, CACHE_ERROR_GONE);
  wait_for(&bench, 2); /* it has left that folder by then */
  ck_body(&bench, 2, "Subject: 2\r\n\r\nhello");
}
END_TEST

static gboolean renumber(IndexTxn *txn, gpointer data, GError **error) {
  IndexMailbox mailbox = {.row = *(gint64 *)data, .uidvalidity = 8, .listed = INDEX_LISTED};
  return index_set_state(txn, &mailbox, error);
}

/* Listed anew while the body was on its way: the rows have the same UIDs, and perhaps other messages. */
START_TEST(a_body_asked_for_under_another_uidvalidity_is_not_accepted) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1:2") BODY("1", "1") "wait\n" BODY("2", "2") OK);
  wait_for(&bench, 1);
  wait_for(&bench, 2);
  lane_run(bench.lane);
  ck_body(&bench, 1, "Subject: 1\r\n\r\nhello");
  ck_assert(index_write(bench.test->account.index, INDEX_SYNC, renumber, &bench.box, NULL));
  fake_go(bench.test->fake);
  ck_failure(&bench, 2, CACHE_ERROR_BUSY);
  ck_assert(!body_present(bench.test->account.bodies, bench.rows[2]));
}
END_TEST

START_TEST(nil_and_nothing_are_asked_for_again_and_never_kept) {
  g_auto(Bench) bench = {0};
  bench_start(&bench,
              OPEN ASK("1:2") "S: * 1 FETCH (UID 1 BODY[] NIL)\nS: * 2 FETCH (UID 2 BODY[] {0}\nS: )\n" OK LOOK("1 2 3")
                  ASK("1:2") BODY("1", "1") "S: * 2 FETCH (UID 2 BODY[] \"\")\n" OK LOOK("1 2 3") ASK("2")
                      OK LOOK("1 2 3"));
  wait_for(&bench, 1);
  wait_for(&bench, 2);
  lane_run(bench.lane);
  ck_body(&bench, 1, "Subject: 1\r\n\r\nhello");
  ck_failure(&bench, 2, CACHE_ERROR_GARBAGE);
  ck_assert(!body_present(bench.test->account.bodies, bench.rows[2]));
}
END_TEST

/* From the lane's thread. */
static void count_warning(const char *domain, GLogLevelFlags level, const char *message, gpointer data) {
  (void)domain;
  (void)level;
  ck_assert_msg(strstr(message, "another message") != NULL, "%s", message);
  g_atomic_int_inc((gint *)data);
}

START_TEST(another_message_under_the_uid_is_not_accepted) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1") BODY("1", "2") "next\n" FAKE_LOGIN("UNSELECT") OPEN ASK("1") BODY("1", "2") OK);
  wait_for(&bench, 1);
  gint warnings = 0;
  g_log_set_always_fatal(G_LOG_FATAL_MASK);
  g_log_set_handler("cache", G_LOG_LEVEL_WARNING, count_warning, &warnings);
  lane_run(bench.lane);
  ck_failure(&bench, 1, CACHE_ERROR_GARBAGE);
  ck_assert(!body_present(bench.test->account.bodies, bench.rows[1]));
  ck_assert_int_eq(g_atomic_int_get(&warnings), 2);
}
END_TEST

/* But not each time, nor looked for twice. */
START_TEST(a_mailbox_refused_for_good_costs_no_login_each_time) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, SHUT THERE "next\n" FAKE_LOGIN("UNSELECT") SHUT SHUT);
  wait_for(&bench, 1);
  lane_run(bench.lane);
  ck_failure(&bench, 1, CACHE_ERROR_REFUSED);
  wait_for(&bench, 2);
  ck_failure(&bench, 2, CACHE_ERROR_REFUSED);
}
END_TEST

START_TEST(what_cannot_be_written_is_not_asked_for_again) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1:2") BODY("1", "1") "wait\n" BODY("2", "2") OK);
  g_autofree char *tmp = g_build_filename(bench.test->dir, "cache", "bodies", "tmp", NULL);
  ck_assert_int_eq(g_rmdir(tmp), 0);
  ck_assert(g_file_set_contents(tmp, "", 0, NULL));
  wait_for(&bench, 1);
  wait_for(&bench, 2);
  lane_run(bench.lane);
  ck_failure(&bench, 1, CACHE_ERROR_LOCAL);
  ck_assert_int_eq(g_unlink(tmp), 0);
  ck_assert_int_eq(g_mkdir(tmp, 0700), 0);
  fake_go(bench.test->fake);
  ck_body(&bench, 2, "Subject: 2\r\n\r\nhello");
}
END_TEST

START_TEST(a_body_that_nobody_claims_is_nobodys_trouble) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1:2") "S: * 1 FETCH (BODY[] {5}\nR: hello\nS: )\nS: * 2 FETCH (UID 2 FLAGS ())\n" BODY(
                          "1", "1") "wait\n" BODY("2", "2") OK);
  g_autofree char *tmp = g_build_filename(bench.test->dir, "cache", "bodies", "tmp", NULL);
  ck_assert_int_eq(g_rmdir(tmp), 0);
  ck_assert(g_file_set_contents(tmp, "", 0, NULL));
  wait_for(&bench, 1);
  wait_for(&bench, 2);
  lane_run(bench.lane);
  ck_failure(&bench, 1, CACHE_ERROR_LOCAL);
  ck_assert_int_eq(g_unlink(tmp), 0);
  ck_assert_int_eq(g_mkdir(tmp, 0700), 0);
  fake_go(bench.test->fake);
  ck_body(&bench, 2, "Subject: 2\r\n\r\nhello");
}
END_TEST

static gpointer look_shortly(gpointer data) {
  Account *account = data;
  ImapConn *conn = imap_pool_lease(account->pool, IMAP_ROLE_SYNC, NULL, NULL);
  gboolean ok = conn && imap_noop(conn, NULL, NULL);
  if (conn)
    imap_pool_release(account->pool, conn);
  return GINT_TO_POINTER(ok);
}

static gboolean sync_waits(Bench *bench) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&bench->lane->mutex);
  return bench->lane->conn && imap_pool_contended_by(bench->test->account.pool, bench->lane->conn, IMAP_ROLE_SYNC);
}

/* The one that asked later is served between two commands, though more is wanted by then. */
START_TEST(a_short_look_goes_between) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1") "wait\n" BODY("1", "1") OK "C: @ NOOP\nS: @ OK\n" ASK("2") BODY("2", "2") OK);
  wait_for(&bench, 1);
  lane_run(bench.lane);
  while (wants_outstanding(bench.shared.wants) == 0)
    g_thread_yield();
  GThread *look = g_thread_new("look", look_shortly, &bench.test->account);
  while (!sync_waits(&bench))
    g_thread_yield();
  wait_for(&bench, 2);
  fake_go(bench.test->fake);
  ck_body(&bench, 1, "Subject: 1\r\n\r\nhello");
  ck_body(&bench, 2, "Subject: 2\r\n\r\nhello");
  ck_assert(GPOINTER_TO_INT(g_thread_join(look)));
}
END_TEST

START_TEST(a_large_body_that_was_given_up_is_not_brought_after_all) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1") "S: * 1 FETCH (UID 1 BODY[] {9000000}\nwait\n"
                                    "half\nnext\n" FAKE_LOGIN("UNSELECT") OPEN ASK("2") BODY("2", "2") OK);
  Want want = {.row = bench.rows[1], .mailbox = bench.box, .uid = 1, .size = 9000000, .large = TRUE};
  wants_wait(bench.shared.wants, &want);
  lane_run(bench.lane);
  while (wants_outstanding(bench.shared.wants) == 0)
    g_thread_yield();
  wants_leave(bench.shared.wants, bench.rows[1], G_MAXINT64);
  wait_for(&bench, 2);
  fake_go(bench.test->fake);
  ck_body(&bench, 2, "Subject: 2\r\n\r\nhello");
}
END_TEST

START_TEST(a_wrong_size_is_exact_in_the_index_before_it_is_told) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1") "S: * 1 FETCH (UID 1 BODY[] {20}\nR: Subject: 1\\r\\n\\r\\nhello!\nS: )\n" OK);
  wait_for(&bench, 1);
  lane_run(bench.lane);
  ck_body(&bench, 1, "Subject: 1\r\n\r\nhello!");
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(bench.test->account.index, bench.rows[1], &message, NULL));
  ck_assert_uint_eq(message.size, 20);
  ck_assert_int_eq(bench.resized, bench.rows[1]);
}
END_TEST

START_TEST(silence_fails_the_readers) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1:2") "stall\n");
  ImapPool *pool = bench.test->account.pool;
  ImapConn *conn = imap_pool_lease(pool, IMAP_ROLE_PROMPT, NULL, NULL);
  conn->silence = 1;
  imap_pool_release(pool, conn);
  wait_for(&bench, 1);
  wait_for(&bench, 2);
  lane_run(bench.lane);
  g_auto(CacheEvent) event = next_body(&bench);
  ck_assert(g_error_matches(event.error, CACHE_ERROR, CACHE_ERROR_TIMEOUT));
}
END_TEST

static gboolean forget_uids(IndexTxn *txn, gpointer data, GError **error) {
  gboolean more;
  return index_forget_uids(txn, ((Bench *)data)->box, 3, &more, error);
}

/* Nobody knows that it is gone: it has another number by now, or will have. */
START_TEST(a_message_that_was_renumbered_meanwhile_is_not_gone) {
  g_auto(Bench) bench = {0};
  bench_start(&bench, OPEN ASK("1") OK LOOK("2 3"));
  wait_for(&bench, 1);
  ck_assert(index_write(bench.test->account.index, INDEX_SYNC, forget_uids, &bench, NULL));
  lane_run(bench.lane);
  ck_failure(&bench, 1, CACHE_ERROR_BUSY);
}
END_TEST

/* ---- our own moves ---------------------------------------------------------------------------------------------- */

typedef struct {
  Bench *bench;
  gint64 other;
  gboolean placed;
} Mv;

/* Message 1 is to be moved; then it has been, and is 20 there. */
static gboolean write_move(IndexTxn *txn, gpointer data, GError **error) {
  Mv *mv = data;
  gint64 row = mv->bench->rows[1];
  IndexMailbox other = {.raw = (char *)"other", .name = (char *)"other", .uidvalidity = 7, .listed = INDEX_LISTED};
  if (!mv->placed) {
    ck_assert(index_put_mailbox(txn, &other, error) && index_set_state(txn, &other, error));
    mv->other = other.row;
    return journal_rename(txn, row, mv->other, "1.eml", JOURNAL_READY, 0, error);
  }
  return journal_placed(txn, 1, mv->other, 7, 20, NULL, error);
}

static void write_mv(Mv *mv) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(index_write(mv->bench->test->account.index, INDEX_SYNC, write_move, mv, &error), "%s",
                error ? error->message : "");
  mv->placed = TRUE;
}

#define OTHER "C: @ EXAMINE \"other\"\nS: * 9 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 30] x\nS: @ OK\n"

START_TEST(a_message_that_we_moved_is_asked_for_at_its_new_place) {
  g_auto(Bench) bench = {0};
  Mv mv = {.bench = &bench};
  bench_start(&bench, OPEN ASK("1") OK LOOK("2 3") OTHER ASK("20") BODY("20", "1") OK);
  wait_for(&bench, 1);
  write_mv(&mv);
  write_mv(&mv);
  lane_run(bench.lane);
  ck_body(&bench, 1, "Subject: 1\r\n\r\nhello");
}
END_TEST

START_TEST(a_message_that_we_are_moving_is_asked_for_when_that_is_done) {
  g_auto(Bench) bench = {0};
  Mv mv = {.bench = &bench};
  bench_start(&bench, OPEN ASK("1") OK LOOK("2 3") "C: @ UID FETCH 2 (UID BODY.PEEK[])\n" BODY("2", "2")
                          OK OTHER ASK("20") BODY("20", "1") OK);
  wait_for(&bench, 1);
  write_mv(&mv);
  lane_run(bench.lane);
  while (wants_outstanding(bench.shared.wants) > 0 || !wants_is_parked(bench.shared.wants, bench.rows[1]))
    g_thread_yield();
  wait_for(&bench, 2); /* others do not wait for that */
  ck_body(&bench, 2, "Subject: 2\r\n\r\nhello");
  write_mv(&mv);
  ck_assert(wants_move(bench.shared.wants, bench.rows[1], mv.other, 20));
  ck_body(&bench, 1, "Subject: 1\r\n\r\nhello");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/lane");
  TCase *tests = tcase_create("lane");
  tcase_add_test(tests, serves_each_as_it_comes);
  tcase_add_loop_test(tests, each_want_ends_in_its_way, 0, G_N_ELEMENTS(cases));
  tcase_add_test(tests, a_message_that_we_moved_is_asked_for_at_its_new_place);
  tcase_add_test(tests, a_message_that_we_are_moving_is_asked_for_when_that_is_done);
  tcase_add_test(tests, what_is_refused_in_a_pause_is_not_asked_for_again);
  tcase_add_test(tests, a_folder_that_is_empty_when_opened_afresh_is);
  tcase_add_test(tests, a_body_asked_for_under_another_uidvalidity_is_not_accepted);
  tcase_add_test(tests, nil_and_nothing_are_asked_for_again_and_never_kept);
  tcase_add_test(tests, another_message_under_the_uid_is_not_accepted);
  tcase_add_test(tests, a_mailbox_refused_for_good_costs_no_login_each_time);
  tcase_add_test(tests, what_cannot_be_written_is_not_asked_for_again);
  tcase_add_test(tests, a_body_that_nobody_claims_is_nobodys_trouble);
  tcase_add_test(tests, a_short_look_goes_between);
  tcase_add_test(tests, a_large_body_that_was_given_up_is_not_brought_after_all);
  tcase_add_test(tests, a_wrong_size_is_exact_in_the_index_before_it_is_told);
  tcase_add_test(tests, silence_fails_the_readers);
  tcase_add_test(tests, a_message_that_was_renumbered_meanwhile_is_not_gone);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
