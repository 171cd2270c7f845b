/* SPDX-License-Identifier: MIT */
#include "cache/sync/listing.h"

#include <string.h>

#include "cache/sync/removals.h"
#include "tests/box.h"
#include "tests/suite.h"

START_TEST(lists_and_looks_again) {
  g_autoptr(TestAccount) test =
      box_start("UNSELECT", OPEN("2", "7", "10") UIDS("3 9") ASK("3,9", ITEMS) ROW("3", "a") ROW("9", "b") OK //
                                UIDS("3 9 10") ASK("10", ITEMS) ROW("10", "c") OK UIDS("3 9 10"));
  box_list(test);
  ck_uids(test, "3,9:10");
  ck_assert_int_eq(box_state(test), INDEX_LISTED);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(test->account.index, box_row(test, 3), &message, NULL));
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
  g_autoptr(TestAccount) test = box_start("UNSELECT", script);
  g_autoptr(GError) error = NULL;
  gboolean paused = FALSE;
  guint asked = 0;
  ck_assert(listing_first(&test->account, test->conn, box, always, &asked, &paused, &error));
  ck_assert(paused);
  ck_assert_uint_eq(asked, 1);
  ck_assert_int_eq(box_state(test), INDEX_PARTIAL);
  g_autofree char *have = box_uids(test);
  ck_assert_str_eq(have, "1,5001");
}
END_TEST

START_TEST(resumes) {
  g_autoptr(TestAccount) test =
      box_start("UNSELECT", OPEN("3", "7", "4") UIDS("1 2 3") ASK("1:3", ITEMS) ROW("1", "a") ROW("2", "b") //
                "next\n" FAKE_LOGIN("UNSELECT")                                                             //
                OPEN("3", "7", "4") UIDS("1 2 3") ASK("3", ITEMS) ROW("3", "c") OK UIDS("1 2 3"));
  g_autoptr(GError) error = NULL;
  ck_assert(!listing_first(&test->account, test->conn, box, NULL, NULL, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK));
  ck_assert_int_eq(box_state(test), INDEX_PARTIAL);
  ck_uids(test, "1:2");
  test_account_lease(test);
  box_list(test);
  ck_uids(test, "1:3");
  ck_assert_int_eq(box_row(test, 3), box_row(test, 2) + 1);
}
END_TEST

/* 1 comes; of 2 and 3, asked for one by one, 3 is refused with and without its header fields: it is listed by its
 * UID. */
START_TEST(a_refused_message_is_found_by_halving) {
  g_autoptr(TestAccount) test = box_start("UNSELECT", OPEN("3", "7", "4") UIDS("1 2 3") ASK("1:3", ITEMS)
                                                          ROW("1", "a") "S: @ NO Some could not be FETCHed\n"        //
                                          ASK("2", ITEMS) ASK("3", ITEMS) ROW("2", "b") "S: @6 OK\nS: @7 NO sorry\n" //
                                          ASK("3", BARE) "S: @ NO sorry\n" UIDS("1 2 3"));
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*message 3*by its UID alone");
  box_list(test);
  g_test_assert_expected_messages();
  ck_uids(test, "1:3");
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(test->account.index, box_row(test, 3), &message, NULL));
  ck_assert_uint_eq(message.claim, IMAP_UNKNOWN_SIZE);
}
END_TEST

/* The server dies of 2, whatever is asked of it. What it says before comes in, what would come after does once 2 is
 * asked for last, and in the end 2 is listed, too. */
START_TEST(a_message_the_server_dies_of_is_listed) {
#define AGAIN "next\n" FAKE_LOGIN("UNSELECT") OPEN("3", "7", "4") UIDS("1 2 3")
  g_autoptr(TestAccount) test =
      box_start("UNSELECT", OPEN("3", "7", "4") UIDS("1 2 3") ASK("1:3", ITEMS) ROW("1", "a")        //
                AGAIN ASK("2:3", ITEMS) AGAIN ASK("2:3", ITEMS)                                      //
                AGAIN ASK("3", ITEMS) ROW("3", "c") OK ASK("2", BARE) "S: * 1 FETCH (UID 2 FLAGS)\n" //
                AGAIN ASK("2", BARE) AGAIN UIDS("1 2 3"));
  for (guint fall = 1; fall <= 5; fall++) {
    g_autoptr(GError) error = NULL;
    ck_assert(!listing_first(&test->account, test->conn, box, NULL, NULL, NULL, &error));
    ck_assert(!g_error_matches(error, IMAP_ERROR, IMAP_ERROR_TIMEOUT));
    ck_uids(test, fall < 4 ? "1" : "1,3");
    test_account_lease(test);
  }
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*message 2*by its UID alone");
  box_list(test);
  g_test_assert_expected_messages();
  ck_uids(test, "1:3");
#undef AGAIN
}
END_TEST

#define FIVE ROW("2", "b") ROW("3", "c") ROW("4", "d") ROW("5", "e") ROW("6", "f")

START_TEST(an_expunged_message_is_left_out) {
  g_autoptr(TestAccount) test =
      box_start("UNSELECT", OPEN("6", "7", "7") UIDS("1 2 3 4 5 6") ASK("1:6", ITEMS) FIVE OK UIDS("2 3 4 5 6"));
  box_list(test);
  ck_uids(test, "2:6");
}
END_TEST

#define TWO OPEN("2", "7", "3") UIDS("1 2")
#define BOTH ASK("1:2", ITEMS) ROW("1", "a") ROW("2", "b") OK

/* Cyrus, to a session whose mailbox was renamed: it is empty from then on. Afresh it may be as it was, or another. */
static const struct {
  const char *blind, *afresh, *uids;
} losses[] = {
    {BOTH UIDS(""), TWO, "1:2"},
    {BOTH UIDS("2"), TWO, "1:2"},
    {ASK("1:2", ITEMS) OK UIDS(""), TWO BOTH UIDS("1 2"), "1:2"},
    {ASK("1:2", ITEMS) ROW("1", "a") OK UIDS(""), TWO ASK("2", ITEMS) ROW("2", "b") OK UIDS("1 2"), "1:2"},
    {BOTH UIDS(""), OPEN("1", "7", "3") UIDS("2"), "2"},
    {BOTH UIDS(""), OPEN("0", "7", "3") UIDS(""), ""},
    {BOTH UIDS(""), OPEN("1", "8", "10") UIDS("9") ASK("9", ITEMS) ROW("9", "b") OK UIDS("9"), "9"},
    {ASK("1:2", ITEMS) OK UIDS(""), TWO BOTH UIDS("") LEAVE TWO, "1:2"},
};

START_TEST(what_is_suddenly_missing_is_looked_at_afresh) {
  g_autofree char *script = g_strconcat(TWO, losses[_i].blind, LEAVE, losses[_i].afresh, NULL);
  g_autoptr(TestAccount) test = box_start("UNSELECT", script);
  box_list(test);
  ck_uids(test, losses[_i].uids);
  ck_assert_int_eq(box_state(test), INDEX_LISTED);
}
END_TEST

static gboolean make_partial(IndexTxn *txn, gpointer data, GError **error) {
  IndexMailbox *mailbox = data;
  mailbox->listed = INDEX_PARTIAL;
  return index_set_state(txn, mailbox, error);
}

/* The session that it goes on with is as old as the first part. */
START_TEST(the_rest_is_not_listed_on_a_blind_session) {
  g_autoptr(TestAccount) test = box_start("UNSELECT", TWO BOTH UIDS("1 2") UIDS("") LEAVE TWO);
  g_auto(IndexMailbox) mailbox = {0};
  box_list(test);
  ck_assert(index_get_mailbox(test->account.index, box, &mailbox, NULL));
  ck_assert(index_write(test->account.index, INDEX_SYNC, make_partial, &mailbox, NULL));
  box_list(test);
  ck_uids(test, "1:2");
  ck_assert_int_eq(box_state(test), INDEX_LISTED);
}
END_TEST

START_TEST(pushed_flags_are_no_listing) {
  g_autoptr(TestAccount) test =
      box_start("UNSELECT", OPEN("1", "7", "2") UIDS("1") ASK("1", ITEMS) "S: * 1 FETCH (UID 1 FLAGS ())\n" //
                ROW("1", "a") "S: * 5 FETCH (UID 99 FLAGS ())\n" OK UIDS("1"));
  box_list(test);
  ck_uids(test, "1");
}
END_TEST

START_TEST(courier_is_opened_with_select) {
  g_autoptr(TestAccount) test =
      box_start("UNSELECT", "C: @ EXAMINE \"box\"\nS: * 1 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: @ OK\n" //
                            "C: @ UNSELECT\nS: @ OK\n"                                                  //
                            "C: @ SELECT \"box\"\nS: * 1 EXISTS\nS: * OK [UIDVALIDITY 8] x\nS: @ OK\n"  //
                UIDS("1") ASK("1", ITEMS) ROW("1", "a") OK UIDS("1"));
  box_list(test);
  ck_uids(test, "1");
  ck_assert_int_eq(test->account.select_only, 1);
}
END_TEST

/* The connection that listed the folder is in it still, while there has long been another of that name. */
START_TEST(another_folder_of_that_name_is_opened_afresh) {
  g_autoptr(TestAccount) test =
      box_start("UNSELECT", OPEN("1", "7", "2") UIDS("1") ASK("1", ITEMS) ROW("1", "a") OK UIDS("1") //
                LEAVE OPEN("1", "8", "2") UIDS("1") ASK("1", ITEMS) ROW("1", "b") OK UIDS("1"));
  box_list(test);
  gint64 row = box_row(test, 1);
  box_list(test);
  ck_assert_int_ne(box_row(test, 1), row);
}
END_TEST

/* Dovecot refuses with plain words; whether there is such a mailbox LIST knows, soon after if not at once. */
#define LOOK(lines) "C: @ LIST \"\" \"box\"\n" lines "S: @ OK\n"
#define SHOWN "S: * LIST () \"/\" box\n"
static const struct {
  const char *refusal, *looks;
  ImapError code;
} refusals[] = {{"Mailbox doesn't exist: box", LOOK(""), IMAP_ERROR_GONE},
                {"Mailbox doesn't exist: box", LOOK("S: * LIST (\\NonExistent) \"/\" box\n"), IMAP_ERROR_GONE},
                {"Mailbox doesn't exist: box", LOOK("S: * LIST () \"/\" other\n"), IMAP_ERROR_GONE},
                {"Mailbox doesn't exist: box", LOOK(SHOWN) LOOK(""), IMAP_ERROR_GONE},
                {"Mailbox was deleted under us", LOOK(SHOWN) LOOK(""), IMAP_ERROR_GONE},
                {"Mailbox doesn't exist: box", LOOK(SHOWN) LOOK(SHOWN), IMAP_ERROR_REFUSED},
                {"Mailbox doesn't exist: box", LOOK(SHOWN) "C: @ LIST *\nS: @ NO\n", IMAP_ERROR_REFUSED},
                {"[NOPERM] not yours", "", IMAP_ERROR_PERMISSION}};

START_TEST(a_refused_mailbox_may_be_none) {
  g_autofree char *script =
      g_strconcat("C: @ EXAMINE \"box\"\nS: @ NO ", refusals[_i].refusal, "\n", refusals[_i].looks, NULL);
  g_autoptr(TestAccount) test = box_start("UNSELECT", script);
  g_autoptr(GError) error = NULL;
  IndexMailbox mailbox = {.raw = (char *)"box"};
  ck_assert(!account_open_mailbox(&test->account, test->conn, &mailbox, NULL, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, (int)refusals[_i].code));
}
END_TEST

/* To end does not wait for a folder that may be going. */
START_TEST(who_ends_does_not_look_again) {
  g_autoptr(TestAccount) test = box_start("UNSELECT", LOOK(SHOWN));
  g_autoptr(GError) error = NULL;
  gboolean shown = FALSE;
  ck_assert(imap_exists(test->conn, "box", &shown, NULL, NULL) && shown);
  g_cancellable_cancel(test->account.cancellable);
  GError *refusal = g_error_new_literal(IMAP_ERROR, IMAP_ERROR_REFUSED, "no");
  ck_assert(!account_pause(&test->account, G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC));
  ck_assert(!account_refused(&test->account, test->conn, "box", refusal, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_REFUSED));
}
END_TEST

/* The index was matched again over another connection: this one must not serve a UID as it was understood before. */
START_TEST(a_renumbered_folder_is_opened_afresh) {
  g_autoptr(TestAccount) test = box_start("UNSELECT", OPEN("1", "7", "2") LEAVE OPEN("1", "8", "2"));
  IndexMailbox mailbox = {.raw = (char *)"box", .uidvalidity = 7};
  ck_assert(account_open_mailbox(&test->account, test->conn, &mailbox, NULL, NULL, NULL));
  mailbox.uidvalidity = 8;
  ck_assert(account_open_mailbox(&test->account, test->conn, &mailbox, NULL, NULL, NULL));
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
  g_autoptr(TestAccount) test = box_start("UNSELECT", "");
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
  ListingIdentity identity;
} openings[] = {
    {{.uidvalidity = 7, .uidnext = 4}, {.uidvalidity = 7, .uidnext = 4, .sticky = TRUE}, LISTING_SAME},
    {{.uidvalidity = 7, .uidnext = 4}, {.uidvalidity = 7, .sticky = TRUE}, LISTING_SAME}, /* Courier */
    {{.uidvalidity = 7, .uidnext = 4}, {.uidvalidity = 7, .uidnext = 3, .sticky = TRUE}, LISTING_SUSPICIOUS},
    {{.uidvalidity = 7, .modseq = 9}, {.uidvalidity = 7, .modseq = 8, .sticky = TRUE}, LISTING_SUSPICIOUS},
    {{.uidvalidity = 7, .modseq = 9}, {.uidvalidity = 7, .sticky = TRUE}, LISTING_SAME},
    {{.uidvalidity = 7}, {.uidvalidity = 8, .sticky = TRUE}, LISTING_OTHER},
    {{.uidvalidity = 0}, {.uidvalidity = 0, .sticky = TRUE}, LISTING_OTHER},
    {{.uidvalidity = 7}, {.uidvalidity = 7}, LISTING_OTHER},
    {{.uidvalidity = 7, .mailboxid = (char *)"a"},
     {.uidvalidity = 7, .sticky = TRUE, .mailboxid = (char *)"a"},
     LISTING_SAME},
    {{.uidvalidity = 7, .mailboxid = (char *)"a"},
     {.uidvalidity = 7, .sticky = TRUE, .mailboxid = (char *)"b"},
     LISTING_OTHER},
    {{.uidvalidity = 7}, {.uidvalidity = 7, .sticky = TRUE, .mailboxid = (char *)"b"}, LISTING_SAME},
};

START_TEST(what_an_opening_says_of_uids) {
  ck_assert_int_eq(listing_identity(&openings[_i].known, &openings[_i].opened), openings[_i].identity);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/listing");
  TCase *tests = tcase_create("listing");
  tcase_add_test(tests, lists_and_looks_again);
  tcase_add_test(tests, gives_way_to_others);
  tcase_add_test(tests, resumes);
  tcase_add_test(tests, a_refused_message_is_found_by_halving);
  tcase_add_test(tests, a_message_the_server_dies_of_is_listed);
  tcase_add_test(tests, an_expunged_message_is_left_out);
  tcase_add_loop_test(tests, what_is_suddenly_missing_is_looked_at_afresh, 0, G_N_ELEMENTS(losses));
  tcase_add_test(tests, the_rest_is_not_listed_on_a_blind_session);
  tcase_add_test(tests, pushed_flags_are_no_listing);
  tcase_add_test(tests, courier_is_opened_with_select);
  tcase_add_test(tests, another_folder_of_that_name_is_opened_afresh);
  tcase_add_test(tests, a_renumbered_folder_is_opened_afresh);
  tcase_add_loop_test(tests, a_refused_mailbox_may_be_none, 0, G_N_ELEMENTS(refusals));
  tcase_add_test(tests, who_ends_does_not_look_again);
  tcase_add_test(tests, thousands_are_removed_and_each_is_told);
  tcase_add_loop_test(tests, what_an_opening_says_of_uids, 0, G_N_ELEMENTS(openings));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
