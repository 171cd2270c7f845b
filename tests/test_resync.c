/* SPDX-License-Identifier: MIT */
#include "cache/sync/resync.h"

#include <string.h>

#include "cache/index/index_private.h"
#include "tests/box.h"
#include "tests/suite.h"

/* ---- three kinds of servers; the box holds 1 to 3, or what the test says -------------------------------- */

#define EXAMINE(parameter, exists, validity, next, modseq)                                                             \
  "C: @ EXAMINE \"box\"" parameter "\nS: * " exists " EXISTS\nS: * OK [UIDVALIDITY " validity                          \
  "] x\nS: * OK [UIDNEXT " next "] x\nS: * OK [HIGHESTMODSEQ " modseq "] x\n"
#define ESEARCH(set) "C: @ UID SEARCH RETURN (ALL) ALL\nS: * ESEARCH (TAG \"x\") UID ALL " set "\nS: @ OK\n"
/* An opening with ESEARCH comes in one packet, and `told` with it. */
#define TOLD(parameter, exists, next, modseq, told, set)                                                               \
  EXAMINE(parameter, exists, "7", next, modseq) told OK ESEARCH(set)
#define ROWS3 ROW("1", "a") ROW("2", "b") ROW("3", "c")
#define ASKED(messages, next, modseq)                                                                                  \
  "C: @ STATUS \"box\" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)\n"                                                 \
  "S: * STATUS box (MESSAGES " messages " UIDNEXT " next " UIDVALIDITY 7 HIGHESTMODSEQ " modseq ")\n" OK

#define QRESYNC "ENABLE CONDSTORE QRESYNC ESEARCH UNSELECT"
#define QENABLE "C: @ ENABLE QRESYNC\nS: * ENABLED CONDSTORE QRESYNC\nS: @ OK\n"
#define KNOWN " (QRESYNC (7 100 1:3))"
#define QSTART QENABLE TOLD("", "3", "4", "100", "", "1:3") ASK("1:3", ITEMS) ROWS3 OK ESEARCH("1:3") LEAVE

#define CONDSTORE "ENABLE CONDSTORE ESEARCH UNSELECT"
#define CENABLE "C: @ ENABLE CONDSTORE\nS: * ENABLED CONDSTORE\nS: @ OK\n"
#define CSTART CENABLE TOLD("", "3", "4", "100", "", "1:3") ASK("1:3", ITEMS) ROWS3 OK ESEARCH("1:3") LEAVE

#define PSTART OPEN("3", "7", "4") UIDS("1 2 3") ASK("1:3", ITEMS) ROWS3 OK UIDS("1 2 3") LEAVE

static TestAccount *listed(const char *capabilities, const char *start, const char *then) {
  g_autofree char *script = g_strconcat(start, then, NULL);
  TestAccount *test = box_start(capabilities, script);
  box_list(test);
  g_free(test_account_events(test));
  return test;
}

static ResyncResult visit(TestAccount *test, ResyncFlags flags, gboolean confirmed) {
  g_autoptr(GError) error = NULL;
  ResyncResult result = resync_run(&test->account, test->conn, box, NULL, flags, confirmed, &error);
  ck_assert_msg(result != RESYNC_FAILED, "%s", error ? error->message : "");
  return result;
}

#define ck_done(test) ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, FALSE), RESYNC_DONE)

static void ck_events(TestAccount *test, const char *removed, gboolean changed) {
  g_autofree char *events = test_account_events(test);
  g_autoptr(GString) wanted = g_string_new(removed);
  if (changed)
    g_string_append_printf(wanted, "CHANGED %d\n", (int)box);
  ck_assert_str_eq(events, wanted->str);
}

static gint64 mtime(TestAccount *test) {
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(test->account.index, box, &mailbox, NULL));
  return mailbox.mtime;
}

static guint64 modseq(TestAccount *test) {
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(test->account.index, box, &mailbox, NULL));
  return mailbox.modseq;
}

/* ---- round trips ------------------------------------------------------------------------------------------ */

START_TEST(nothing_new_is_one_round_trip) {
  g_autoptr(TestAccount) test = listed("UNSELECT", PSTART, STATUS("3", "4", "7"));
  ck_done(test);
}
END_TEST

START_TEST(qresync_tells_flags_in_the_opening) {
  g_autoptr(TestAccount) test =
      listed(QRESYNC, QSTART, ASKED("3", "4", "105") TOLD(KNOWN, "3", "4", "105", FLAG("2", "\\Flagged"), "1:3"));
  gint64 before = mtime(test);
  ck_done(test);
  ck_assert_uint_eq(box_flags(test, 2), IMAP_FLAG_FLAGGED);
  ck_assert_uint_eq(modseq(test), 105);
  ck_assert_int_eq(mtime(test), before);
  ck_events(test, "", FALSE);
}
END_TEST

START_TEST(qresync_takes_one_more_round_trip_for_new_mail) {
  g_autoptr(TestAccount) test = listed(QRESYNC, QSTART,
                                       ASKED("4", "5", "105") TOLD(KNOWN, "4", "5", "105", FLAG("4", "") FLAG("1", ""),
                                                                   "1:4") ASK("4", ITEMS) ROW("4", "d") OK);
  ck_done(test);
  ck_uids(test, "1:4");
  ck_assert_uint_eq(box_flags(test, 1), 0);
  ck_events(test, "", TRUE);
}
END_TEST

START_TEST(condstore_asks_for_flags_and_mail_at_once) {
  g_autoptr(TestAccount) test =
      listed(CONDSTORE, CSTART,
             ASKED("4", "5", "105") TOLD("", "4", "5", "105", "", "1:4") ASK("4", ITEMS) SINCE("1:3", "100")
                 ROW("4", "d") "S: @12 OK\n" FLAG("2", "\\Answered") "S: @13 OK\n");
  ck_done(test);
  ck_uids(test, "1:4");
  ck_assert_uint_eq(box_flags(test, 2), IMAP_FLAG_ANSWERED);
  ck_assert_uint_eq(modseq(test), 105);
}
END_TEST

/* It would have said so: who wants flags pays a STATUS. */
START_TEST(condstore_flags_that_are_wanted_cost_nothing_more) {
  g_autoptr(TestAccount) test = listed(CONDSTORE, CSTART, ASKED("3", "4", "100"));
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_WANTED, FALSE), RESYNC_DONE);
}
END_TEST

START_TEST(plain_flags_that_are_wanted_are_compared) {
  g_autoptr(TestAccount) test =
      listed("UNSELECT", PSTART, STATUS("3", "4", "7") OPEN("3", "7", "4") FLAGS("1:3") FLAG("2", "\\Answered") OK);
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_WANTED, FALSE), RESYNC_DONE);
  ck_assert_uint_eq(box_flags(test, 2), IMAP_FLAG_ANSWERED);
}
END_TEST

/* Nobody says that flags moved: they are compared when that is due, and not before. */
START_TEST(plain_compares_flags_now_and_then) {
  g_autoptr(TestAccount) test =
      listed("UNSELECT", PSTART,
             STATUS("4", "5", "7") OPEN("4", "7", "5") ASK("4", ITEMS) ROW("4", "d") OK LEAVE //
                 STATUS("4", "5", "7") OPEN("4", "7", "5") FLAGS("1:4") FLAG("2", "\\Answered") OK);
  ck_done(test);
  ck_uids(test, "1:4");
  ck_assert_uint_eq(box_flags(test, 2), IMAP_FLAG_SEEN);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(test->account.index, box_row(test, 4), &message, NULL));
  ck_assert_int_gt(message.ctime, message.mtime);
  ck_events(test, "", TRUE);
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_OLD, FALSE), RESYNC_DONE);
  ck_assert_uint_eq(box_flags(test, 2), IMAP_FLAG_ANSWERED);
  ck_events(test, "", FALSE);
}
END_TEST

START_TEST(a_refused_changedsince_is_asked_plainly) {
  g_autoptr(TestAccount) test = listed(CONDSTORE, CSTART,
                                       ASKED("3", "4", "105") TOLD("", "3", "4", "105", "", "1:3")
                                           SINCE("1:3", "100") "S: @ NO not today\n" FLAGS("1:3") FLAG("3", "") OK);
  ck_done(test);
  ck_assert_uint_eq(box_flags(test, 3), 0);
  ck_assert_uint_eq(modseq(test), 105);
}
END_TEST

/* ---- removals --------------------------------------------------------------------------------------------- */

#define FIVE ROW("4", "d") ROW("5", "e") ROW("6", "f") ROW("7", "g")
#define QSEVEN                                                                                                         \
  QENABLE TOLD("", "7", "8", "100", "", "1:7") ASK("1:7", ITEMS) ROWS3 FIVE OK ESEARCH("1:7")                          \
      LEAVE ASKED("6", "8", "105")
#define KNOWN7 " (QRESYNC (7 100 1:7))"
#define VANISHED(set) "S: * VANISHED (EARLIER) " set "\n"

START_TEST(what_vanished_is_removed_in_one_round_trip) {
  g_autoptr(TestAccount) test = listed(QRESYNC, QSEVEN, TOLD(KNOWN7, "6", "8", "105", VANISHED("5"), "1:4,6:7"));
  g_autofree char *removed = g_strdup_printf("REMOVED %d 2020-01-01_e.5.eml\n", (int)box_row(test, 5));
  gint64 before = mtime(test);
  ck_done(test);
  ck_uids(test, "1:4,6:7");
  ck_assert_int_gt(mtime(test), before);
  ck_events(test, removed, TRUE);
  ck_assert_int_eq(test->account.wrong_deltas[IMAP_DELTA_QRESYNC], 0);
}
END_TEST

/* Lost between two commands (Mailspring-Sync#141). Flags are asked for otherwise, too. */
START_TEST(what_qresync_forgot_is_found_by_the_set) {
  g_autoptr(TestAccount) test =
      listed(QRESYNC, QSEVEN, TOLD(KNOWN7, "6", "8", "105", "", "1:4,6:7") SINCE("1:4,6:7", "100") FLAG("7", "") OK);
  ck_done(test);
  ck_uids(test, "1:4,6:7");
  ck_assert_uint_eq(box_flags(test, 7), 0);
  ck_assert_int_eq(test->account.wrong_deltas[IMAP_DELTA_QRESYNC], 1);
}
END_TEST

/* nextcloud/mail#11908: the mailbox was emptied for that. */
START_TEST(what_vanished_and_is_there_stays) {
  g_autoptr(TestAccount) test =
      listed(QRESYNC, QSEVEN, TOLD(KNOWN7, "7", "8", "105", VANISHED("1:7"), "1:7") SINCE("1:7", "100") OK);
  ck_done(test);
  ck_uids(test, "1:7");
  ck_events(test, "", FALSE);
  ck_assert_int_eq(test->account.wrong_deltas[IMAP_DELTA_QRESYNC], 1);
}
END_TEST

/* Somebody deletes 6 between the opening and the search: nobody lied. */
START_TEST(what_goes_meanwhile_is_no_lie) {
  g_autoptr(TestAccount) test = listed(QRESYNC, QSEVEN, TOLD(KNOWN7, "7", "8", "105", "", "1:5,7"));
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, FALSE), RESYNC_UNSURE);
  ck_assert_int_eq(test->account.wrong_deltas[IMAP_DELTA_QRESYNC], 0);
}
END_TEST

START_TEST(a_liar_is_remembered) {
  g_autoptr(TestAccount) test =
      listed(QRESYNC, QSTART, ASKED("3", "4", "105") TOLD("", "3", "4", "105", "", "1:3") SINCE("1:3", "100") OK);
  for (guint i = 0; i < 3; i++)
    account_lied(&test->account, IMAP_DELTA_QRESYNC);
  ck_assert(index_flush(test->account.index, NULL));
  memset(test->account.wrong_deltas, 0, sizeof test->account.wrong_deltas);
  account_load_facts(&test->account); /* the next mount */
  ck_assert_int_eq(account_delta(&test->account, test->conn), IMAP_DELTA_CONDSTORE);
  ck_done(test);
  account_lied(&test->account, IMAP_DELTA_CONDSTORE);
  account_lied(&test->account, IMAP_DELTA_CONDSTORE);
  account_lied(&test->account, IMAP_DELTA_CONDSTORE);
  ck_assert_int_eq(account_delta(&test->account, test->conn), IMAP_DELTA_PLAIN);
}
END_TEST

START_TEST(losing_much_must_be_confirmed) {
  g_autoptr(TestAccount) test = listed("UNSELECT", PSTART,
                                       STATUS("2", "4", "7") OPEN("2", "7", "4") UIDS("1 3") //
                                       LEAVE STATUS("2", "4", "7") OPEN("2", "7", "4") UIDS("1 3"));
  gint64 row = box_row(test, 2);
  g_autofree char *removed = g_strdup_printf("REMOVED %d 2020-01-01_b.2.eml\n", (int)row);
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, FALSE), RESYNC_UNSURE);
  ck_uids(test, "1:3");
  ck_events(test, "", FALSE);
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, TRUE), RESYNC_DONE);
  ck_uids(test, "1,3");
  ck_events(test, removed, TRUE);
  g_auto(IndexMessage) gone = {0};
  ck_assert(index_get_message(test->account.index, row, &gone, NULL));
  ck_assert(gone.gone);
}
END_TEST

/* One of seven is less than a fifth; but the mailbox counts seven. */
START_TEST(a_set_that_lacks_a_message_must_be_confirmed) {
  g_autoptr(TestAccount) test =
      listed(QRESYNC, QSEVEN,
             TOLD(KNOWN7, "7", "8", "105", VANISHED("6"), "1:5,7") LEAVE //
                 ASKED("6", "8", "105") TOLD(KNOWN7, "6", "8", "105", VANISHED("6"), "1:5,7"));
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, FALSE), RESYNC_UNSURE);
  ck_uids(test, "1:7");
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, TRUE), RESYNC_DONE);
  ck_uids(test, "1:5,7");
}
END_TEST

/* The set names no 6, and that of the fresh session that confirms does not either: but 6 answers. */
START_TEST(the_last_word_is_who_answers) {
  g_autoptr(TestAccount) test = listed(QRESYNC, QSEVEN,
                                       TOLD(KNOWN7, "7", "8", "105", "", "1:5,7") //
                                       FLAGS("1:4294967295") FLAG("1", "") FLAG("2", "") FLAG("3", "") FLAG("4", "")
                                           FLAG("5", "") FLAG("6", "") FLAG("7", "") OK);
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, TRUE), RESYNC_DONE);
  ck_uids(test, "1:7");
}
END_TEST

/* ---- without ESEARCH -------------------------------------------------------------------------------------- */

/* What came below UIDNEXT explains the number of messages: no list of all. */
START_TEST(numbers_that_add_up_spare_the_list) {
  g_autoptr(TestAccount) test = listed(
      "UNSELECT", PSTART, STATUS("5", "9", "7") OPEN("5", "7", "9") ASK("4:8", ITEMS) ROW("5", "d") ROW("8", "e") OK);
  ck_done(test);
  ck_uids(test, "1:3,5,8");
}
END_TEST

START_TEST(numbers_that_do_not_ask_for_the_list) {
  g_autoptr(TestAccount) test =
      listed("UNSELECT",
             OPEN("6", "7", "8") UIDS("1 2 3 4 6 7") ASK("1:4,6:7", ITEMS) ROWS3 ROW("4", "d") ROW("6", "f")
                 ROW("7", "g") OK UIDS("1 2 3 4 6 7") LEAVE,
             STATUS("6", "9", "7") OPEN("6", "7", "9") ASK("8", ITEMS) ROW("8", "h") OK UIDS("1 2 3 4 7 8"));
  ck_done(test);
  ck_uids(test, "1:4,7:8");
}
END_TEST

START_TEST(qresync_without_esearch_is_checked_by_numbers) {
  g_autoptr(TestAccount) test =
      listed("ENABLE CONDSTORE QRESYNC UNSELECT",
             QENABLE EXAMINE("", "6", "7", "7", "100") OK UIDS("1 2 3 4 5 6") ASK("1:6", ITEMS) ROWS3 ROW("4", "d")
                 ROW("5", "e") ROW("6", "f") OK UIDS("1 2 3 4 5 6") LEAVE,
             ASKED("5", "7", "105") EXAMINE(" (QRESYNC (7 100 1:6))", "5", "7", "7", "105") VANISHED("2") OK LEAVE //
                 ASKED("4", "7", "106") EXAMINE(" (QRESYNC (7 105 1:6))", "4", "7", "7", "106") OK UIDS("1 3 4 6")
                     SINCE("1,3:4,6", "105") OK);
  ck_done(test);
  ck_uids(test, "1,3:6");
  ck_assert_int_eq(test->account.wrong_deltas[IMAP_DELTA_QRESYNC], 0);
  ck_done(test);
  ck_uids(test, "1,3:4,6");
  ck_assert_int_eq(test->account.wrong_deltas[IMAP_DELTA_QRESYNC], 1);
}
END_TEST

/* ---- the same mailbox? -------------------------------------------------------------------------------------- */

START_TEST(renumbered_mail_keeps_rows_and_names) {
  g_autoptr(TestAccount) test = listed(
      "UNSELECT", PSTART,
      STATUS("2", "13", "8") OPEN("2", "8", "13") LEAVE STATUS("2", "13", "8") OPEN("2", "8", "13") //
      LEAVE OPEN("2", "8", "13") UIDS("11 12") ASK("11:12", ITEMS) ROW("11", "b") ROW("12", "new") OK UIDS("11 12"));
  gint64 row = box_row(test, 2);
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, FALSE), RESYNC_UNSURE);
  ck_assert_int_eq(test->account.doubted, box);
  ck_uids(test, "1:3");
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, TRUE), RESYNC_RELIST);
  box_list(test);
  ck_uids(test, "11:12");
  ck_assert_int_eq(box_row(test, 11), row);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(test->account.index, row, &message, NULL));
  ck_assert_str_eq(message.name, "2020-01-01_b.2.eml");
}
END_TEST

static gint64 box_mtime(TestAccount *test) {
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(test->account.index, box, &mailbox, NULL));
  return mailbox.mtime;
}

/* Nothing has come and nothing has gone. */
START_TEST(other_uids_are_no_other_membership) {
  g_autoptr(TestAccount) test =
      listed("UNSELECT", PSTART,
             STATUS("3", "4", "8") OPEN("3", "8", "4") LEAVE STATUS("3", "4", "8") OPEN("3", "8", "4") //
             LEAVE OPEN("3", "8", "4") UIDS("1 2 3") ASK("1:3", ITEMS) ROW("1", "a") ROW("2", "b") ROW("3", "c")
                 OK UIDS("1 2 3"));
  gint64 mtime = box_mtime(test);
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, FALSE), RESYNC_UNSURE);
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, TRUE), RESYNC_RELIST);
  box_list(test);
  ck_uids(test, "1:3");
  ck_assert_int_eq(box_mtime(test), mtime);
}
END_TEST

/* Deleted and created again within a second: the UIDVALIDITY is the same, the messages are not. By the time it is
 * listed again the numbers have caught up. */
START_TEST(a_falling_uidnext_may_mean_another_mailbox) {
  g_autoptr(TestAccount) test =
      listed("UNSELECT", PSTART,
             STATUS("2", "3", "7") OPEN("2", "7", "3") UIDS("1 2") ASK("1:2", ITEMS) ROW("1", "c") ROW("2", "new") OK //
                 LEAVE OPEN("3", "7", "9") UIDS("1 2 8") ASK("1:2,8", ITEMS) ROW("1", "c") ROW("2", "new") ROW("8", "x")
                     OK UIDS("1 2 8"));
  gint64 three = box_row(test, 3), two = box_row(test, 2);
  ck_assert_int_eq(visit(test, RESYNC_FLAGS_AS_TOLD, TRUE), RESYNC_RELIST);
  box_list(test);
  ck_uids(test, "1:2,8");
  ck_assert_int_eq(box_row(test, 1), three);
  ck_assert_int_ne(box_row(test, 2), two);
}
END_TEST

/* A server restored from last night's backup. */
START_TEST(a_falling_modseq_may_mean_the_same_mailbox) {
  g_autoptr(TestAccount) test =
      listed(QRESYNC, QSTART,
             ASKED("3", "4", "90") TOLD(KNOWN, "3", "4", "90", VANISHED("1:3"), "1:3") ESEARCH("1:3") //
             ASK("1:3", ITEMS) ROWS3 OK FLAGS("1:3") FLAG("2", "") OK);
  ck_done(test);
  ck_uids(test, "1:3");
  ck_assert_uint_eq(box_flags(test, 2), 0);
  ck_assert_uint_eq(modseq(test), 90);
  ck_events(test, "", FALSE);
}
END_TEST

/* ---- numbers --------------------------------------------------------------------------------------------------- */

/* A message that is named and not described is asked for by each visit, and listed by its UID in the second. */
START_TEST(what_is_never_described_is_listed_at_last) {
  g_autoptr(TestAccount) test = listed(CONDSTORE, CSTART,
                                       ASKED("4", "5", "105") TOLD("", "4", "5", "105", "", "1:4") ASK("4", ITEMS)
                                           SINCE("1:3", "100") "S: @12 OK\nS: @13 OK\n" LEAVE ASKED("4", "5", "105")
                                               TOLD("", "4", "5", "105", "", "1:4") //
                                       ASK("4", ITEMS) OK ASK("4", BARE) OK);
  ck_done(test);
  ck_uids(test, "1:3");
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*message 4*by its UID alone");
  ck_done(test);
  g_test_assert_expected_messages();
  ck_uids(test, "1:4");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/resync");
  TCase *tests = tcase_create("resync");
  tcase_add_test(tests, nothing_new_is_one_round_trip);
  tcase_add_test(tests, qresync_tells_flags_in_the_opening);
  tcase_add_test(tests, qresync_takes_one_more_round_trip_for_new_mail);
  tcase_add_test(tests, condstore_asks_for_flags_and_mail_at_once);
  tcase_add_test(tests, condstore_flags_that_are_wanted_cost_nothing_more);
  tcase_add_test(tests, plain_flags_that_are_wanted_are_compared);
  tcase_add_test(tests, plain_compares_flags_now_and_then);
  tcase_add_test(tests, a_refused_changedsince_is_asked_plainly);
  tcase_add_test(tests, what_vanished_is_removed_in_one_round_trip);
  tcase_add_test(tests, what_qresync_forgot_is_found_by_the_set);
  tcase_add_test(tests, what_vanished_and_is_there_stays);
  tcase_add_test(tests, what_goes_meanwhile_is_no_lie);
  tcase_add_test(tests, a_liar_is_remembered);
  tcase_add_test(tests, losing_much_must_be_confirmed);
  tcase_add_test(tests, a_set_that_lacks_a_message_must_be_confirmed);
  tcase_add_test(tests, the_last_word_is_who_answers);
  tcase_add_test(tests, numbers_that_add_up_spare_the_list);
  tcase_add_test(tests, numbers_that_do_not_ask_for_the_list);
  tcase_add_test(tests, qresync_without_esearch_is_checked_by_numbers);
  tcase_add_test(tests, renumbered_mail_keeps_rows_and_names);
  tcase_add_test(tests, other_uids_are_no_other_membership);
  tcase_add_test(tests, a_falling_uidnext_may_mean_another_mailbox);
  tcase_add_test(tests, a_falling_modseq_may_mean_the_same_mailbox);
  tcase_add_test(tests, what_is_never_described_is_listed_at_last);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
