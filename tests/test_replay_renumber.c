/* SPDX-License-Identifier: MIT */
/* The server has taken new messages, and then gives all of them other UIDs, before they were compared with ours. */
#include <string.h>

#include "cache/sync/listing.h"
#include "tests/box.h"
#include "tests/suite.h"
#include "tests/uploads.h"

#define CAPABILITIES "LITERAL+ MULTIAPPEND UIDPLUS UNSELECT"
#define TEXT "Subject: a\r\n\r\na\r\n"
#define LINES "C: Subject: a\nC: \nC: a\n"
#define APPEND "C: @ APPEND \"box\" * {*+}\n" LINES "C: \n"
#define TWICE "C: @ APPEND \"box\" * {*+}\n" LINES "C:  * {*+}\n" LINES "C: \n"
#define THERE(uid, size, subject)                                                                                      \
  "S: * 1 FETCH (UID " uid " FLAGS () INTERNALDATE \"01-Jan-2020 00:00:00 +0000\" RFC822.SIZE " size                   \
  " BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] \"Subject: " subject "\")\n"
#define SIZE "17" /* of TEXT */
#define BODY(uid) "S: * 1 FETCH (UID " uid " BODY[] {17}\nR: Subject: a\\r\\n\\r\\na\\r\\n\nS: )\n"
#define SELECT(exists)                                                                                                 \
  "C: @ SELECT \"box\"\nS: * " exists                                                                                  \
  " EXISTS\nS: * OK [UIDVALIDITY 8] x\nS: * OK [UIDNEXT 4] x\nS: @ OK [READ-WRITE] open\n"
#define LOOK(list) OPEN("1", "8", "4") UIDS(list)
#define LIST(list, set, rows) OPEN("1", "8", "4") UIDS(list) ASK(set, ITEMS) rows OK UIDS(list)

static Uploads *u;

static void list(void) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(listing_first(&u->test->account, u->test->conn, u->box, NULL, NULL, NULL, &error), "%s",
                error ? error->message : "");
}

static guint shown(void) {
  IndexMessage messages[8];
  gssize n = index_messages(u->test->account.index, u->box, 0, messages, G_N_ELEMENTS(messages), NULL);
  for (gssize i = 0; i < n; i++)
    index_message_clear(&messages[i]);
  return (guint)n;
}

static void step(void) {
  ck_assert(uploads_step(u, NULL));
}

/* The listing finds two rows for each of them: it matches none. */
START_TEST(two_that_look_alike_are_each_found) {
  u = uploads_new(CAPABILITIES, TWICE
                  "S: @ OK [APPENDUID 7 10:11] x\n" LIST("2 3", "2:3", THERE("2", SIZE, "a") THERE("3", SIZE, "a"))
                      LEAVE LOOK("2 3") ASK("2:3", ITEMS) THERE("2", SIZE, "a") THERE("3", SIZE, "a") OK SELECT("2")
                          ASK("2:3", ITEMS) THERE("2", SIZE, "a") THERE("3", SIZE, "a") OK);
  gint64 a = uploads_add(u, "a.eml", TEXT, 0), b = uploads_add(u, "b.eml", TEXT, 0);
  step();
  ck_state(u, a, "confirmed 10");
  list();
  ck_state(u, a, "confirmed");
  ck_assert_uint_eq(shown(), 4);
  step();
  ck_state(u, a, "confirmed 2");
  ck_state(u, b, "confirmed 3");
  ck_assert_uint_eq(shown(), 2);
  uploads_all(u);
  ck_state(u, a, "2");
  ck_state(u, b, "3");
  uploads_free(u);
}
END_TEST

/* Size and fields are another's, but not the octets. */
START_TEST(one_that_was_altered_is_known_by_its_octets) {
  u = uploads_new(CAPABILITIES,
                  APPEND "S: @ OK [APPENDUID 7 10] x\n" LIST("2", "2", THERE("2", SIZE, "X")) LEAVE LOOK("2")
                      ASK("2", ITEMS) THERE("2", SIZE, "X") OK ASK("2", "(UID BODY.PEEK[])") BODY("2") OK);
  gint64 a = uploads_add(u, "a.eml", TEXT, 0);
  step();
  list();
  ck_assert_uint_eq(shown(), 2);
  step();
  ck_state(u, a, "confirmed 2");
  ck_assert_uint_eq(shown(), 1);
  uploads_free(u);
}
END_TEST

#define ANOTHER LOOK("2") ASK("2", ITEMS) THERE("2", "99", "a") OK

/* Another version of the letter is no reason to forget this one. */
START_TEST(what_is_not_there_is_kept_and_not_sent_again) {
  u = uploads_new(CAPABILITIES, APPEND "S: @ OK [APPENDUID 7 10] x\n" LIST("2", "2", THERE("2", "99", "a"))
                                    LEAVE ANOTHER LEAVE ANOTHER LEAVE ANOTHER);
  gint64 a = uploads_add(u, "a.eml", TEXT, 0);
  step();
  list();
  step();
  step();
  ck_state(u, a, "confirmed");
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "the server refused a new message*lost+found");
  step();
  g_test_assert_expected_messages();
  ck_state(u, a, "refused: the server said that it has it, and shows no such message");
  ck_assert_uint_eq(shown(), 1);
  ck_assert(!uploads_step(u, NULL));
  uploads_free(u);
}
END_TEST

/* Without UIDPLUS: the first is said to be there and is not seen, the second is. */
START_TEST(a_file_of_ours_is_not_taken_for_another) {
#define SEEN "C: @ EXAMINE \"box\"\nS: * 1 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 11] x\nS: @ OK\n"
  u = uploads_new("LITERAL+ UNSELECT", APPEND "S: @ OK done\n" SEEN UIDS("3") APPEND
                  "S: @ OK done\n" LEAVE SEEN UIDS("3 10") ASK("10", ITEMS) THERE("10", SIZE, "a")
                      OK LEAVE SEEN UIDS("3 10") ASK("3", ITEMS) THERE("3", "99", "another") OK);
  gint64 a = uploads_add(u, "a.eml", TEXT, 0);
  step();
  gint64 b = uploads_add(u, "b.eml", TEXT, 0);
  step();
  ck_state(u, b, "confirmed 10");
  step();
  ck_state(u, a, "confirmed");
  ck_state(u, b, "confirmed 10");
  uploads_free(u);
}
END_TEST

/* The look goes before the listing. */
START_TEST(numbers_that_are_not_listed_yet_are_waited_for) {
  u = uploads_new("LITERAL+ UNSELECT", APPEND "S: @ OK done\n" LOOK("") LEAVE LOOK("2") ASK("2", ITEMS)
                                           THERE("2", SIZE, "a") OK LEAVE LIST("2", "2", THERE("2", SIZE, "a"))
                                               SELECT("1") ASK("2", ITEMS) THERE("2", SIZE, "a") OK);
  gint64 a = uploads_add(u, "a.eml", TEXT, 0);
  step();
  step();
  ck_state(u, a, "confirmed");
  list();
  ck_state(u, a, "confirmed 2");
  uploads_all(u);
  ck_state(u, a, "2");
  ck_assert_uint_eq(shown(), 1);
  uploads_free(u);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay_renumber");
  TCase *tcase = tcase_create("replay_renumber");
  tcase_add_test(tcase, two_that_look_alike_are_each_found);
  tcase_add_test(tcase, one_that_was_altered_is_known_by_its_octets);
  tcase_add_test(tcase, what_is_not_there_is_kept_and_not_sent_again);
  tcase_add_test(tcase, a_file_of_ours_is_not_taken_for_another);
  tcase_add_test(tcase, numbers_that_are_not_listed_yet_are_waited_for);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
