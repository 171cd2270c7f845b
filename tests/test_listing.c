/* SPDX-License-Identifier: MIT */
#include "cache/listing.h"

#include <check.h>
#include <string.h>

#include "cache/removals.h"
#include "cache/resync.h"
#include "tests/account.h"
#include "tests/suite.h"

#define FIELDS "BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)]"
#define ITEMS "(UID FLAGS INTERNALDATE RFC822.SIZE " FIELDS ")"
#define BARE "(UID FLAGS INTERNALDATE RFC822.SIZE)"
#define OPEN(exists, validity, next)                                                                                   \
  "C: @ EXAMINE \"box\"\nS: * " exists " EXISTS\nS: * OK [UIDVALIDITY " validity "] x\nS: * OK [UIDNEXT " next         \
  "] x\nS: @ OK\n"
#define UIDS(list) "C: @ UID SEARCH ALL\nS: * SEARCH " list "\nS: @ OK\n"
#define ASK(set, items) "C: @ UID FETCH " set " " items "\n"
#define ROW(uid, subject)                                                                                              \
  "S: * 1 FETCH (UID " uid " FLAGS (\\Seen) INTERNALDATE \"01-Jan-2020 00:00:00 +0000\" RFC822.SIZE 50"                \
  " BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] \"Subject: " subject "\")\n"
#define OK "S: @ OK\n"
#define STATUS(messages, next, validity)                                                                               \
  "C: @ STATUS \"box\" (MESSAGES UIDNEXT UIDVALIDITY)\n"                                                               \
  "S: * STATUS box (MESSAGES " messages " UIDNEXT " next " UIDVALIDITY " validity ")\nS: @ OK\n"

static gint64 box;

static gboolean make_box(IndexTxn *txn, gpointer data, GError **error) {
  IndexMailbox mailbox = {.raw = (char *)"box", .name = (char *)"box", .delimiter = '/'};
  (void)data;
  gboolean ok = index_put_mailbox(txn, &mailbox, error);
  box = mailbox.row;
  return ok;
}

static TestAccount *start(const char *script) {
  TestAccount *test = test_account_new("UNSELECT", script);
  ck_assert(index_write(test->account.index, INDEX_SYNC, make_box, NULL, NULL));
  return test;
}

static void list(TestAccount *test) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(listing_first(&test->account, test->conn, box, NULL, NULL, NULL, &error), "%s",
                error ? error->message : "");
}

/* "1:3" of what the index has. */
static char *uids(TestAccount *test) {
  g_autoptr(ImapSeqset) set = index_uids(test->account.index, box, NULL);
  return imap_seqset_format(set);
}

#define ck_uids(test, text)                                                                                            \
  do {                                                                                                                 \
    g_autofree char *have = uids(test);                                                                                \
    ck_assert_str_eq(have, text);                                                                                      \
  } while (0)

static IndexListed state(TestAccount *test) {
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(test->account.index, box, &mailbox, NULL));
  return mailbox.listed;
}

static gint64 row_of(TestAccount *test, guint32 uid) {
  g_auto(IndexMessage) message = {0};
  ck_assert(index_find_uid(test->account.index, box, uid, &message, NULL));
  return message.row;
}

START_TEST(lists_and_looks_again) {
  g_autoptr(TestAccount) test =
      start(OPEN("2", "7", "10") UIDS("3 9") ASK("3,9", ITEMS) ROW("3", "a") ROW("9", "b") OK //
                UIDS("3 9 10") ASK("10", ITEMS) ROW("10", "c") OK UIDS("3 9 10"));
  list(test);
  ck_uids(test, "3,9:10");
  ck_assert_int_eq(state(test), INDEX_LISTED);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(test->account.index, row_of(test, 3), &message, NULL));
  ck_assert_str_eq(message.name, "2020-01-01_a.3.eml");
  ck_assert_int_eq(message.mtime, G_GINT64_CONSTANT(1577836800000000000));
  ck_assert_uint_eq(message.claim, 50);
  ck_assert_uint_eq(message.flags, IMAP_FLAG_SEEN);
}
END_TEST

static gboolean always(gpointer data) {
  (*(guint *)data)++;
  return TRUE;
}

/* Three commands' worth: two are in flight when it is asked, and no third follows. */
START_TEST(gives_way_to_others) {
  g_autoptr(GString) all = g_string_new("1");
  for (guint uid = 2; uid <= 15000; uid++)
    g_string_append_printf(all, " %u", uid);
  g_autofree char *script = g_strdup_printf(OPEN("3", "7", "4") UIDS("%s") ASK("1:5000", ITEMS) ASK("5001:10000", ITEMS)
                                                ROW("1", "a") "S: @%d OK\n" ROW("5001", "b") OK,
                                            all->str, 5);
  g_autoptr(TestAccount) test = start(script);
  g_autoptr(GError) error = NULL;
  gboolean paused = FALSE;
  guint asked = 0;
  ck_assert(listing_first(&test->account, test->conn, box, always, &asked, &paused, &error));
  ck_assert(paused);
  ck_assert_uint_eq(asked, 1);
  ck_assert_int_eq(state(test), INDEX_PARTIAL);
  g_autofree char *have = uids(test);
  ck_assert_str_eq(have, "1,5001");
}
END_TEST

START_TEST(resumes) {
  g_autoptr(TestAccount) test = start(OPEN("3", "7", "4") UIDS("1 2 3") ASK("1:3", ITEMS) ROW("1", "a") ROW("2", "b") //
                                      "next\n" FAKE_LOGIN("UNSELECT")                                                 //
                                      OPEN("3", "7", "4") UIDS("1 2 3") ASK("3", ITEMS) ROW("3", "c") OK UIDS("1 2 3"));
  g_autoptr(GError) error = NULL;
  ck_assert(!listing_first(&test->account, test->conn, box, NULL, NULL, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK));
  ck_assert_int_eq(state(test), INDEX_PARTIAL);
  ck_uids(test, "1:2");
  test_account_lease(test);
  list(test);
  ck_uids(test, "1:3");
  ck_assert_int_eq(row_of(test, 3), row_of(test, 2) + 1);
}
END_TEST

/* 1 comes; of 2 and 3, asked for one by one, 3 is refused with and without its header fields, and is listed by its UID.
 */
START_TEST(a_refused_message_is_found_by_halving) {
  g_autoptr(TestAccount) test =
      start(OPEN("3", "7", "4") UIDS("1 2 3") ASK("1:3", ITEMS) ROW("1", "a") "S: @ NO Some could not be FETCHed\n" //
            ASK("2", ITEMS) ASK("3", ITEMS) ROW("2", "b") "S: @6 OK\nS: @7 NO sorry\n"                              //
            ASK("3", BARE) "S: @ NO sorry\n" UIDS("1 2 3"));
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*message 3*by its UID alone");
  list(test);
  g_test_assert_expected_messages();
  ck_uids(test, "1:3");
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(test->account.index, row_of(test, 3), &message, NULL));
  ck_assert_uint_eq(message.claim, IMAP_UNKNOWN_SIZE);
}
END_TEST

START_TEST(an_expunged_message_is_left_out) {
  g_autoptr(TestAccount) test = start(OPEN("2", "7", "3") UIDS("1 2") ASK("1:2", ITEMS) ROW("2", "b") OK UIDS("2"));
  list(test);
  ck_uids(test, "2");
}
END_TEST

START_TEST(pushed_flags_are_no_listing) {
  g_autoptr(TestAccount) test = start(OPEN("1", "7", "2") UIDS("1") ASK("1", ITEMS) "S: * 1 FETCH (UID 1 FLAGS ())\n" //
                                      ROW("1", "a") "S: * 5 FETCH (UID 99 FLAGS ())\n" OK UIDS("1"));
  list(test);
  ck_uids(test, "1");
}
END_TEST

START_TEST(courier_is_opened_with_select) {
  g_autoptr(TestAccount) test = start("C: @ EXAMINE \"box\"\nS: * 1 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: @ OK\n" //
                                      "C: @ UNSELECT\nS: @ OK\n"                                                  //
                                      "C: @ SELECT \"box\"\nS: * 1 EXISTS\nS: * OK [UIDVALIDITY 8] x\nS: @ OK\n"  //
                                      UIDS("1") ASK("1", ITEMS) ROW("1", "a") OK UIDS("1"));
  list(test);
  ck_uids(test, "1");
  ck_assert_int_eq(test->account.select_only, 1);
}
END_TEST

/* ---- resync ---------------------------------------------------------------------------------------- */

#define LEAVE "C: @ UNSELECT\nS: @ OK\n"
#define THREE                                                                                                          \
  OPEN("3", "7", "4")                                                                                                  \
  UIDS("1 2 3") ASK("1:3", ITEMS) ROW("1", "a") ROW("2", "b") ROW("3", "c") OK UIDS("1 2 3") "C: @ UNSELECT\n" OK
#define FLAGS(set) ASK(set, "(UID FLAGS)")
#define FLAG(uid) "S: * 1 FETCH (UID " uid " FLAGS (\\Answered))\n"

static ResyncResult resync(TestAccount *test, gboolean confirmed) {
  g_autoptr(GError) error = NULL;
  ResyncResult result = resync_run(&test->account, test->conn, box, NULL, FALSE, confirmed, &error);
  ck_assert_msg(result != RESYNC_FAILED, "%s", error ? error->message : "");
  if (result == RESYNC_RELIST) {
    list(test);
    return RESYNC_DONE;
  }
  return result;
}

static TestAccount *three(const char *then) {
  g_autofree char *script = g_strconcat(THREE, then, NULL);
  TestAccount *test = start(script);
  list(test);
  g_free(test_account_events(test));
  return test;
}

START_TEST(nothing_new_is_one_round_trip) {
  g_autoptr(TestAccount) test = three(STATUS("3", "4", "7"));
  ck_assert_int_eq(resync(test, FALSE), RESYNC_DONE);
}
END_TEST

START_TEST(new_mail_comes_at_the_end) {
  g_autoptr(TestAccount) test = three(STATUS("4", "5", "7") OPEN("4", "7", "5") UIDS("1 2 3 4") ASK("4", ITEMS)
                                          ROW("4", "d") OK FLAGS("1:3") FLAG("2") OK);
  ck_assert_int_eq(resync(test, FALSE), RESYNC_DONE);
  ck_uids(test, "1:4");
  g_auto(IndexMessage) message = {0}, two = {0};
  ck_assert(index_get_message(test->account.index, row_of(test, 4), &message, NULL));
  ck_assert_int_gt(message.ctime, message.mtime);
  ck_assert(index_get_message(test->account.index, row_of(test, 2), &two, NULL));
  ck_assert_uint_eq(two.flags, IMAP_FLAG_ANSWERED);
  g_autofree char *events = test_account_events(test);
  g_autofree char *changed = g_strdup_printf("CHANGED %d\n", (int)box);
  ck_assert_str_eq(events, changed);
}
END_TEST

START_TEST(losing_much_must_be_confirmed) {
  g_autoptr(TestAccount) test =
      three(STATUS("2", "4", "7") OPEN("2", "7", "4") UIDS("1 3") //
            "C: @ UNSELECT\n" OK STATUS("2", "4", "7") OPEN("2", "7", "4") UIDS("1 3") FLAGS("1,3") FLAG("1") OK);
  gint64 row = row_of(test, 2);
  ck_assert_int_eq(resync(test, FALSE), RESYNC_UNSURE);
  ck_uids(test, "1:3");
  ck_assert_int_eq(resync(test, TRUE), RESYNC_DONE);
  ck_uids(test, "1,3");
  g_autofree char *events = test_account_events(test);
  g_autofree char *wanted = g_strdup_printf("REMOVED %d 2020-01-01_b.2.eml\nCHANGED %d\n", (int)row, (int)box);
  ck_assert_str_eq(events, wanted);
  g_auto(IndexMessage) gone = {0};
  ck_assert(index_get_message(test->account.index, row, &gone, NULL));
  ck_assert(gone.gone);
}
END_TEST

START_TEST(renumbered_mail_keeps_rows_and_names) {
  g_autoptr(TestAccount) test = three(STATUS("2", "13", "8") OPEN("2", "8", "13") UIDS("11 12") //
                                      LEAVE OPEN("2", "8", "13") UIDS("11 12") ASK("11:12", ITEMS) ROW("11", "b")
                                          ROW("12", "new") OK UIDS("11 12"));
  gint64 row = row_of(test, 2);
  ck_assert_int_eq(resync(test, FALSE), RESYNC_DONE);
  ck_uids(test, "11:12");
  ck_assert_int_eq(row_of(test, 11), row);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(test->account.index, row, &message, NULL));
  ck_assert_str_eq(message.name, "2020-01-01_b.2.eml");
}
END_TEST

/* The connection that listed the folder is in it still, while there has long been another of that name. */
START_TEST(another_folder_of_that_name_is_opened_afresh) {
  g_autoptr(TestAccount) test = start(OPEN("1", "7", "2") UIDS("1") ASK("1", ITEMS) ROW("1", "a") OK UIDS("1") //
                                      LEAVE OPEN("1", "8", "2") UIDS("1") ASK("1", ITEMS) ROW("1", "b") OK UIDS("1"));
  list(test);
  gint64 row = row_of(test, 1);
  list(test);
  ck_assert_int_ne(row_of(test, 1), row);
}
END_TEST

/* The index was matched again over another connection: this one must not serve a UID as it was understood before. */
START_TEST(a_renumbered_folder_is_opened_afresh) {
  g_autoptr(TestAccount) test = start(OPEN("1", "7", "2") LEAVE OPEN("1", "8", "2"));
  IndexMailbox mailbox = {.raw = (char *)"box", .uidvalidity = 7};
  ck_assert(account_open_mailbox(&test->account, test->conn, &mailbox, NULL, NULL, NULL));
  mailbox.uidvalidity = 8;
  ck_assert(account_open_mailbox(&test->account, test->conn, &mailbox, NULL, NULL, NULL));
}
END_TEST

/* One of seven is less than a fifth; but the mailbox counts seven. */
START_TEST(a_search_that_lacks_a_message_must_be_confirmed) {
  g_autoptr(TestAccount) test =
      start(OPEN("7", "7", "8") UIDS("1 2 3 4 5 6 7") ASK("1:7", ITEMS) ROW("1", "a") ROW("2", "b") ROW("3", "c")
                ROW("4", "d") ROW("5", "e") ROW("6", "f") ROW("7", "g") OK UIDS("1 2 3 4 5 6 7") "C: @ UNSELECT\n" OK //
                    STATUS("7", "9", "7") OPEN("7", "7", "9") UIDS("1 2 3 4 5 7") "C: @ UNSELECT\n" OK                //
                        STATUS("6", "9", "7") OPEN("6", "7", "9") UIDS("1 2 3 4 5 7") FLAGS("1:5,7") OK);
  list(test);
  ck_assert_int_eq(resync(test, FALSE), RESYNC_UNSURE);
  ck_uids(test, "1:7");
  ck_assert_int_eq(resync(test, FALSE), RESYNC_DONE);
  ck_uids(test, "1:5,7");
}
END_TEST

/* Deleted and created again within a second: the UIDVALIDITY is the same, the messages are not. */
START_TEST(a_falling_uidnext_means_another_mailbox) {
  g_autoptr(TestAccount) test =
      three(STATUS("2", "3", "7") OPEN("2", "7", "3") UIDS("1 2") //
            LEAVE OPEN("2", "7", "3") UIDS("1 2") ASK("1:2", ITEMS) ROW("1", "c") ROW("2", "new") OK UIDS("1 2"));
  gint64 three = row_of(test, 3), two = row_of(test, 2);
  ck_assert_int_eq(resync(test, FALSE), RESYNC_DONE);
  ck_assert_int_eq(row_of(test, 1), three);
  ck_assert_int_ne(row_of(test, 2), two);
}
END_TEST

static gboolean add_many(IndexTxn *txn, gpointer data, GError **error) {
  for (guint uid = 1; uid <= *(guint *)data; uid++) {
    IndexMessage message = {.mailbox = box, .uid = uid, .claim = 100, .size = IMAP_UNKNOWN_SIZE};
    g_snprintf(message.name, sizeof message.name, "%u.eml", uid);
    if (!index_add_message(txn, &message, NULL, error))
      return FALSE;
  }
  return TRUE;
}

/* More than one transaction takes. */
START_TEST(thousands_are_removed_and_each_is_told) {
  g_autoptr(TestAccount) test = start("");
  g_autoptr(ImapSeqset) gone = imap_seqset_parse("1:4000,4002:4500,9000", 21, 0);
  guint many = 4600;
  gboolean any = FALSE;
  ck_assert(index_write(test->account.index, INDEX_SYNC, add_many, &many, NULL));
  ck_assert(removals_run(&test->account, box, gone, &any, NULL));
  ck_assert(any);
  ck_uids(test, "4001,4501:4600");
  g_autofree char *events = test_account_events(test);
  g_auto(GStrv) lines = g_strsplit(events, "\n", -1);
  ck_assert_uint_eq(g_strv_length(lines), 4499 + 1);
  ck_assert_msg(g_str_has_suffix(lines[4498], " 4500.eml"), "%s", lines[4498]);
  any = FALSE;
  ck_assert(removals_run(&test->account, box, gone, &any, NULL));
  ck_assert(!any);
}
END_TEST

static const struct {
  IndexMailbox known;
  ImapMailbox opened;
  gboolean renumbered;
} openings[] = {
    {{.uidvalidity = 7, .uidnext = 4}, {.uidvalidity = 7, .uidnext = 4, .sticky = TRUE}, FALSE},
    {{.uidvalidity = 7, .uidnext = 4}, {.uidvalidity = 7, .sticky = TRUE}, FALSE}, /* Courier */
    {{.uidvalidity = 7, .uidnext = 4}, {.uidvalidity = 7, .uidnext = 3, .sticky = TRUE}, TRUE},
    {{.uidvalidity = 7}, {.uidvalidity = 8, .sticky = TRUE}, TRUE},
    {{.uidvalidity = 0}, {.uidvalidity = 0, .sticky = TRUE}, TRUE},
    {{.uidvalidity = 7}, {.uidvalidity = 7}, TRUE},
    {{.uidvalidity = 7, .mailboxid = (char *)"a"}, {.uidvalidity = 7, .sticky = TRUE, .mailboxid = (char *)"a"}, FALSE},
    {{.uidvalidity = 7, .mailboxid = (char *)"a"}, {.uidvalidity = 7, .sticky = TRUE, .mailboxid = (char *)"b"}, TRUE},
    {{.uidvalidity = 7}, {.uidvalidity = 7, .sticky = TRUE, .mailboxid = (char *)"b"}, FALSE},
};

START_TEST(what_an_opening_says_of_uids) {
  ck_assert_int_eq(listing_renumbered(&openings[_i].known, &openings[_i].opened), openings[_i].renumbered);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/listing, cache/resync");
  TCase *tests = tcase_create("listing");
  tcase_add_test(tests, lists_and_looks_again);
  tcase_add_test(tests, gives_way_to_others);
  tcase_add_test(tests, resumes);
  tcase_add_test(tests, a_refused_message_is_found_by_halving);
  tcase_add_test(tests, an_expunged_message_is_left_out);
  tcase_add_test(tests, pushed_flags_are_no_listing);
  tcase_add_test(tests, courier_is_opened_with_select);
  tcase_add_test(tests, nothing_new_is_one_round_trip);
  tcase_add_test(tests, new_mail_comes_at_the_end);
  tcase_add_test(tests, losing_much_must_be_confirmed);
  tcase_add_test(tests, renumbered_mail_keeps_rows_and_names);
  tcase_add_test(tests, another_folder_of_that_name_is_opened_afresh);
  tcase_add_test(tests, a_renumbered_folder_is_opened_afresh);
  tcase_add_test(tests, a_search_that_lacks_a_message_must_be_confirmed);
  tcase_add_test(tests, a_falling_uidnext_means_another_mailbox);
  tcase_add_test(tests, thousands_are_removed_and_each_is_told);
  tcase_add_loop_test(tests, what_an_opening_says_of_uids, 0, G_N_ELEMENTS(openings));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
