/* SPDX-License-Identifier: MIT */
/* New messages, and servers that answer in all the ways they do, or not at all. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache/index/index_private.h"
#include "cache/journal/octets.h"
#include "tests/box.h"
#include "tests/suite.h"
#include "tests/uploads.h"

#define TEXT(name) "Subject: " name "\r\n\r\n" name "\r\n"
#define LINES(name) "C: Subject: " name "\nC: \nC: " name "\n"
#define APPEND(name) "C: @ APPEND \"box\" * {*+}\n" LINES(name) "C: \n"
#define TWO(one, other) "C: @ APPEND \"box\" * {*+}\n" LINES(one) "C:  * {*+}\n" LINES(other) "C: \n"
#define THREE(one, other, last)                                                                                        \
  "C: @ APPEND \"box\" * {*+}\n" LINES(one) "C:  * {*+}\n" LINES(other) "C:  * {*+}\n" LINES(last) "C: \n"
#define MULTI "LITERAL+ MULTIAPPEND UIDPLUS UNSELECT"
#define SELECT                                                                                                         \
  "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 10] x\nS: @ OK [READ-WRITE] open\n"
#define THERE(uid, flags, size, name)                                                                                  \
  "S: * 1 FETCH (UID " uid " FLAGS (" flags ") INTERNALDATE \"01-Jan-2020 00:00:00 +0000\" RFC822.SIZE " size          \
  " BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] \"Subject: " name "\")\n"
#define LOGIN "next\n" FAKE_LOGIN(MULTI)
#define SIZE "17" /* of TEXT of one letter */
#define BODY(uid) ASK(uid, "(UID BODY.PEEK[])")
#define OCTETS(uid, size, text) "S: * 1 FETCH (UID " uid " BODY[] {" size "}\nR: " text "\nS: )\n"

static gint64 add(Uploads *u, const char *letter) {
  g_autofree char *name = g_strconcat(letter, ".eml", NULL);
  g_autofree char *text = g_strdup_printf(TEXT("%s"), letter, letter);
  return uploads_add(u, name, text, 0);
}

/* The line is lost in this one. */
static void step_and_lose(Uploads *u) {
  gboolean alive = TRUE;
  ck_assert(uploads_step(u, &alive));
  ck_assert(!alive);
  uploads_reconnect(u);
}

static void step(Uploads *u) {
  ck_assert(uploads_step(u, NULL));
}

static void ck_events(Uploads *u, const char *expected) {
  g_autofree char *events = test_account_events(u->test);
  ck_assert_str_eq(events, expected);
}

/* ---- well ------------------------------------------------------------------------------------------------------- */

START_TEST(many_go_together_and_are_compared) {
  g_autoptr(Uploads) u =
      uploads_new(MULTI, TWO("a", "b") "S: @ OK [APPENDUID 7 10:11] done\n" SELECT ASK("10:11", ITEMS)
                             THERE("10", "", SIZE, "a") THERE("11", "\\Seen", SIZE, "b") OK);
  gint64 a = add(u, "a"), b = add(u, "b");
  step(u);
  ck_state(u, a, "confirmed 10");
  ck_state(u, b, "confirmed 11");
  ck_assert_uint_eq(uploads_left(u), 0);
  step(u);
  ck_state(u, a, "10");
  ck_state(u, b, "11");
  ck_assert(uploads_cached(u, a) && uploads_cached(u, b));
  ck_assert(!uploads_step(u, NULL));
  ck_events(u, "");
}
END_TEST

START_TEST(what_the_server_altered_is_not_ours) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "S: @ OK [APPENDUID 7 10] done\n" SELECT ASK("10", ITEMS)
                                                THERE("10", "", "99", "a") OK BODY("10") "S: @ NO not now\n");
  g_auto(IndexMessage) message = {0};
  gint64 a = add(u, "a");
  uploads_all(u);
  ck_state(u, a, "10");
  ck_assert(!uploads_cached(u, a));
  ck_assert(index_get_message(u->test->account.index, a, &message, NULL));
  ck_assert(message.size == IMAP_UNKNOWN_SIZE && message.claim == 99);
  g_autofree char *data = g_strdup_printf("DATA %d\n", (int)a);
  ck_events(u, data);
}
END_TEST

/* Raw 8-bit headers: some servers keep them, some do not. */
static const struct {
  const char *subject, *octets;
  gboolean same, known;
} eights[] = {
    {"\xfc", "Subject: \xfc\\r\\n\\r\\na\\r\\n", TRUE, TRUE},
    {"X", "Subject: X\\r\\n\\r\\na\\r\\n", FALSE, TRUE},
    {"\xfc", "Subject: b\\r\\n\\r\\na\\r\\n", FALSE, FALSE}, /* another's */
};

START_TEST(what_it_may_have_altered_is_looked_at_at_once) {
  static const char text[] = "Subject: \xfc\r\n\r\na\r\n";
  g_autofree char *there = g_strdup_printf(THERE("10", "", SIZE, "%s") OK BODY("10") OCTETS("10", SIZE, "%s") OK,
                                           eights[_i].subject, eights[_i].octets);
  g_autofree char *script = g_strconcat("C: @ APPEND \"box\" * {*+}\nC: Subject: ?\nC: \nC: a\nC: \n"
                                        "S: @ OK [APPENDUID 7 10] done\n" SELECT ASK("10", ITEMS),
                                        there, NULL);
  g_autoptr(Uploads) u = uploads_new(MULTI, script);
  g_auto(IndexMessage) message = {0};
  guint8 sha256[32], fingerprint[16];
  gsize len = sizeof sha256;
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  g_checksum_update(sum, (const guchar *)text, strlen(text));
  g_checksum_get_digest(sum, sha256, &len);
  gint64 a = uploads_add(u, "a.eml", text, 0);
  uploads_all(u);
  ck_state(u, a, "10");
  ck_assert(index_flush(u->test->account.index, NULL));
  ck_assert(index_get_message(u->test->account.index, a, &message, NULL));
  ck_assert_int_eq(uploads_cached(u, a), eights[_i].known);
  ck_assert_uint_eq(message.size, eights[_i].known ? strlen(text) : IMAP_UNKNOWN_SIZE);
  ck_assert_int_eq(memcmp(message.sha256, sha256, sizeof sha256) == 0, eights[_i].same);
  g_autofree char *header = g_strdup_printf("Subject: %s\r\n", eights[_i].subject);
  octets_fingerprint(header, strlen(header), fingerprint); /* by which it is known when it is read */
  ck_assert_mem_eq(message.fingerprint, fingerprint, sizeof fingerprint);
}
END_TEST

START_TEST(forgotten_flags_are_set_again) {
  g_autoptr(Uploads) u = uploads_new(MULTI, "C: @ APPEND \"box\" (\\Seen \\Flagged work) * {*+}\n" LINES(
                                                "a") "C: \n"
                                                     "S: @ OK [APPENDUID 7 10] done\n" SELECT ASK("10", ITEMS)
                                                         THERE("10", "\\Seen", SIZE, "a") OK
                                     "C: @ UID STORE 10 +FLAGS.SILENT (\\Flagged work)\nS: @ OK\n");
  g_auto(IndexMessage) message = {0};
  gint64 a = uploads_add_flagged(u, "a.eml", TEXT("a"), IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED, "work");
  uploads_all(u);
  ck_state(u, a, "10");
  ck_assert(index_get_message(u->test->account.index, a, &message, NULL));
  ck_assert_uint_eq(message.flags, IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED);
  ck_assert_str_eq(message.keywords, "work");
}
END_TEST

START_TEST(what_cannot_be_kept_is_not_thought_to_be) {
  g_autoptr(Uploads) u = uploads_new(
      MULTI, "C: @ APPEND \"box\" (\\Seen \\Flagged work) * {*+}\n" LINES(
                 "a") "C: \nS: @ OK [APPENDUID 7 10] done\n"
                      "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 11] x\n"
                      "S: * OK [PERMANENTFLAGS (\\Seen)] x\nS: @ OK [READ-WRITE] open\n" ASK("10", ITEMS)
                          THERE("10", "", SIZE, "a") OK "C: @ UID STORE 10 +FLAGS.SILENT (\\Seen)\nS: @ OK\n");
  g_auto(IndexMessage) message = {0};
  gint64 a = uploads_add_flagged(u, "a.eml", TEXT("a"), IMAP_FLAG_SEEN | IMAP_FLAG_FLAGGED, "work");
  uploads_all(u);
  ck_state(u, a, "10");
  ck_assert(index_get_message(u->test->account.index, a, &message, NULL));
  ck_assert_uint_eq(message.flags, IMAP_FLAG_SEEN);
  ck_assert_ptr_null(message.keywords);
}
END_TEST

START_TEST(keywords_are_the_same_in_any_case) {
  g_autoptr(Uploads) u = uploads_new(
      MULTI, "C: @ APPEND \"box\" (later) * {*+}\n" LINES(
                 "a") "C: \nS: @ OK [APPENDUID 7 10] done\n"
                      "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 11] x\n"
                      "S: * OK [PERMANENTFLAGS (\\Seen Later)] x\nS: @ OK [READ-WRITE] open\n" ASK("10", ITEMS)
                          THERE("10", "Later", SIZE, "a") OK
      "C: @ APPEND \"box\" (LATER) * {*+}\n" LINES("b") "C: \nS: @ OK [APPENDUID 7 11] done\n" ASK("11", ITEMS)
          THERE("11", "Later", SIZE, "b") OK);
  gint64 a = uploads_add_flagged(u, "a.eml", TEXT("a"), 0, "later");
  uploads_all(u);
  gint64 b = uploads_add_flagged(u, "b.eml", TEXT("b"), 0, "LATER never");
  uploads_all(u);
  ck_state(u, a, "10");
  ck_state(u, b, "11");
}
END_TEST

static void ck_kept_aside(Uploads *u, const char *text) {
  g_autofree char *expected = g_build_filename(u->test->dir, "expected", NULL);
  g_autofree char *kept = g_strdup_printf("cat '%s'/discarded/* | cmp - '%s'", u->test->dir, expected);
  ck_assert(g_file_set_contents(expected, text, -1, NULL));
  ck_assert_int_eq(system(kept), 0);
}

START_TEST(one_that_was_removed_meanwhile_is_let_go) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "S: @ OK [APPENDUID 7 10] done\n" SELECT ASK("10", ITEMS) OK);
  gint64 a = add(u, "a");
  uploads_all(u);
  ck_state(u, a, "10");        /* the next delta ends it */
  ck_kept_aside(u, TEXT("a")); /* a server that lied has not had the only one */
}
END_TEST

/* ---- refused ------------------------------------------------------------------------------------------------------
 */

static void expect_refusal(void) {
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "the server refused a new message*lost+found");
}

START_TEST(a_refused_one_stands_in_lost_and_found) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "S: @ NO I do not like it\n");
  g_auto(IndexMessage) message = {0};
  g_auto(IndexMailbox) folder = {0};
  gint64 a = add(u, "a");
  expect_refusal();
  step(u);
  g_test_assert_expected_messages();
  ck_state(u, a, "refused: the server says: I do not like it");
  ck_assert(index_get_message(u->test->account.index, a, &message, NULL));
  ck_assert(index_get_mailbox(u->test->account.index, message.folder, &folder, NULL));
  ck_assert_str_eq(folder.name, "lost+found");
  g_autofree char *events = test_account_events(u->test);
  g_autofree char *moved = g_strdup_printf("MOVED %d a.eml\nCHANGED %d\n", (int)a, (int)u->box);
  ck_assert_msg(strstr(events, moved) != NULL, "%s", events);
  ck_assert(!uploads_step(u, NULL));
}
END_TEST

START_TEST(the_innocent_go_without_the_culprit) {
  g_autoptr(Uploads) u = uploads_new(
      MULTI,
      THREE("a", "b", "c") "S: @ NO one of them\n" APPEND("a") "S: @ OK [APPENDUID 7 10] done\n" TWO(
          "b",
          "c") "S: @ NO one of them\n" APPEND("b") "S: @ NO this one\n" APPEND("c") "S: @ OK [APPENDUID 7 11] x\n");
  gint64 a = add(u, "a"), b = add(u, "b"), c = add(u, "c");
  expect_refusal();
  step(u);
  g_test_assert_expected_messages();
  ck_state(u, a, "confirmed 10");
  ck_state(u, b, "refused: the server says: this one");
  ck_state(u, c, "confirmed 11");
}
END_TEST

START_TEST(no_room_is_for_a_while) {
  g_autoptr(Uploads) u =
      uploads_new(MULTI, APPEND("a") "S: @ NO [OVERQUOTA] full\n" APPEND("a") "S: @ OK [APPENDUID 7 10] now\n");
  g_autofree char *trouble = NULL;
  gint64 a = add(u, "a");
  step(u);
  ck_state(u, a, "ready");
  ck_assert_uint_eq(uploads_left(u), 1);
  ck_assert(replay_trouble(u->replay, &trouble));
  ck_assert(strstr(trouble, "full") != NULL);
  step(u);
  ck_state(u, a, "confirmed 10");
  ck_assert(!replay_trouble(u->replay, NULL));
}
END_TEST

START_TEST(what_fits_goes_where_another_does_not) {
  g_autoptr(Uploads) u =
      uploads_new("LITERAL+ UIDPLUS", "C: @ APPEND \"box\" * {*+}\nC: Subject: large\nC: \nC: large\nC: \n" APPEND(
                                          "b") "S: @3 NO [OVERQUOTA] full\nS: @4 OK [APPENDUID 7 10] x\n");
  gint64 large = uploads_add(u, "large.eml", TEXT("large"), 0), b = add(u, "b");
  step(u);
  ck_state(u, large, "ready");
  ck_state(u, b, "confirmed 10");
}
END_TEST

START_TEST(a_folder_that_is_gone_is_looked_for_first) {
  g_autoptr(Uploads) u =
      uploads_new(MULTI, APPEND("a") "S: @ NO [TRYCREATE] which\n" APPEND("a") "S: @ NO [TRYCREATE] which\n");
  gint64 a = add(u, "a");
  step(u);
  ck_state(u, a, "ready");
  step(u);
  ck_state(u, a, "ready");
}
END_TEST

static gboolean end_box(IndexTxn *txn, gpointer data, GError **error) {
  gboolean more = FALSE;
  gint64 box_row = ((Uploads *)data)->box;
  return index_end_mailbox(txn, box_row, error) && index_end_messages(txn, box_row, 100, NULL, NULL, &more, error);
}

START_TEST(of_a_folder_that_is_no_more_it_is_kept) {
  g_autoptr(Uploads) u = uploads_new(MULTI, "");
  gint64 a = add(u, "a");
  ck_assert(index_write(u->test->account.index, INDEX_SYNC, end_box, u, NULL));
  expect_refusal();
  step(u);
  g_test_assert_expected_messages();
  ck_state(u, a, "refused: the folder is no more");
}
END_TEST

/* ---- lost answers --------------------------------------------------------------------------------------------------
 */

#define LOOK(list)                                                                                                     \
  "C: @ EXAMINE \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 12] x\nS: @ OK\n" UIDS(list)

START_TEST(a_lost_answer_is_looked_for) {
  g_autoptr(Uploads) u = uploads_new(MULTI, TWO("a", "b") "half\n" LOGIN LOOK("3 10 11") ASK("10:11", ITEMS)
                                                THERE("10", "", SIZE, "a") THERE("11", "", SIZE, "b") OK);
  gint64 a = add(u, "a"), b = add(u, "b");
  step_and_lose(u);
  ck_state(u, a, "unknown");
  step(u);
  ck_state(u, a, "confirmed 10");
  ck_state(u, b, "confirmed 11");
}
END_TEST

START_TEST(it_is_sent_again_after_three_agreeing_looks) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "half\n" LOGIN LOOK("3") LEAVE LOOK("3") LEAVE LOOK("3")
                                                APPEND("a") "S: @ OK [APPENDUID 7 10] x\n");
  gint64 a = add(u, "a");
  step_and_lose(u);
  for (guint i = 0; i < 2; i++) {
    step(u);
    ck_state(u, a, "unknown");
    ck_assert(!replay_trouble(u->replay, NULL)); /* it goes on */
  }
  step(u);
  ck_state(u, a, "ready");
  step(u);
  ck_state(u, a, "confirmed 10");
}
END_TEST

START_TEST(a_late_one_is_not_sent_twice) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "half\n" LOGIN LOOK("3") LEAVE LOOK("3 10") ASK("10", ITEMS)
                                                THERE("10", "", SIZE, "a") OK);
  gint64 a = add(u, "a");
  step_and_lose(u);
  step(u);
  step(u);
  ck_state(u, a, "confirmed 10");
}
END_TEST

START_TEST(a_stranger_is_not_ours) {
  g_autoptr(Uploads) u = uploads_new(
      MULTI,
      APPEND("a") "half\n" LOGIN LOOK("3 10") ASK("10", ITEMS) THERE("10", "", SIZE, "b") OK ASK(
          "10", "(UID BODY.PEEK[])") "S: * 1 FETCH (UID 10 BODY[] {17}\nR: Subject: b\\r\\n\\r\\nb\\r\\n\nS: )\n" OK);
  gint64 a = add(u, "a");
  step_and_lose(u);
  step(u);
  ck_state(u, a, "unknown");
}
END_TEST

/* The server altered it, or a draft was saved elsewhere at that moment: ours is not lost for it. */
START_TEST(of_what_may_be_another_version_ours_is_kept) {
  g_autoptr(Uploads) u =
      uploads_new(MULTI, APPEND("a") "half\n" LOGIN LOOK("3 10") ASK("10", ITEMS) THERE("10", "", "99", "a") OK);
  gint64 a = add(u, "a");
  step_and_lose(u);
  step(u);
  ck_state(u, a, "confirmed 10");
  ck_kept_aside(u, TEXT("a"));
}
END_TEST

START_TEST(one_in_disguise_is_known_by_its_octets) {
  g_autoptr(Uploads) u = uploads_new(
      MULTI,
      APPEND("a") "half\n" LOGIN LOOK("3 10") ASK("10", ITEMS) THERE("10", "", SIZE, "X") OK ASK(
          "10", "(UID BODY.PEEK[])") "S: * 1 FETCH (UID 10 BODY[] {17}\nR: Subject: a\\r\\n\\r\\na\\r\\n\nS: )\n" OK);
  gint64 a = add(u, "a");
  step_and_lose(u);
  step(u);
  ck_state(u, a, "confirmed 10");
}
END_TEST

START_TEST(a_restart_does_not_know_either) {
  g_autoptr(Uploads) u =
      uploads_new(MULTI, APPEND("a") "half\n" LOGIN LOOK("3 10") ASK("10", ITEMS) THERE("10", "", SIZE, "a") OK);
  gint64 a = add(u, "a");
  step_and_lose(u);
  replay_free(u->replay);
  ck_assert(journal_open(u->test->account.index, NULL));
  u->replay = replay_new(&u->test->account, u->sync);
  ck_assert(!claims_try(u->test->account.claims, u->box)); /* nobody looks there before we know */
  step(u);
  ck_state(u, a, "confirmed 10");
}
END_TEST

START_TEST(half_sent_is_not_sent) {
  g_autoptr(Uploads) u = uploads_new("", "C: @ APPEND \"box\" * {*}\nhalf\nnext\n" FAKE_LOGIN(MULTI)
                                             APPEND("a") "S: @ OK [APPENDUID 7 10] x\n");
  gint64 a = add(u, "a");
  step_and_lose(u);
  ck_state(u, a, "ready");
  step(u);
  ck_state(u, a, "confirmed 10");
}
END_TEST

START_TEST(under_another_uidvalidity_all_is_looked_at) {
  g_autoptr(Uploads) u = uploads_new(
      MULTI,
      APPEND(
          "a") "half\n" LOGIN
               "C: @ EXAMINE \"box\"\nS: * 1 EXISTS\nS: * OK [UIDVALIDITY 8] x\nS: * OK [UIDNEXT 3] x\nS: @ OK\n" UIDS(
                   "2") ASK("2", ITEMS) THERE("2", "", SIZE, "a") OK);
  gint64 a = add(u, "a");
  step_and_lose(u);
  step(u);
  ck_state(u, a, "confirmed"); /* the index does not know the new numbers yet: the next listing matches it */
}
END_TEST

START_TEST(where_no_uid_is_told_it_is_looked_for) {
  g_autoptr(Uploads) u = uploads_new("LITERAL+ UNSELECT", APPEND("a") "S: @ OK done\n" LOOK("3 10") ASK("10", ITEMS)
                                                              THERE("10", "", SIZE, "a") OK);
  gint64 a = add(u, "a");
  step(u);
  ck_state(u, a, "confirmed 10");
}
END_TEST

/* UID 3 was there before. */
START_TEST(a_number_that_cannot_be_true_is_not_believed) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "S: @ OK [APPENDUID 7 3] done\n" LOOK("3 10") ASK("10", ITEMS)
                                                THERE("10", "", SIZE, "a") OK);
  gint64 a = add(u, "a");
  step(u);
  ck_state(u, a, "confirmed 10");
}
END_TEST

START_TEST(ok_means_it_is_there_though_nobody_sees_it) {
  g_autoptr(Uploads) u = uploads_new("LITERAL+ UNSELECT", APPEND("a") "S: @ OK done\n" LOOK("3"));
  gint64 a = add(u, "a");
  step(u);
  ck_state(u, a, "confirmed");
  ck_assert_uint_eq(uploads_left(u), 0);
}
END_TEST

/* The server altered it beyond recognition, or there are two that look alike: to send it again would double it each
 * time. */
START_TEST(what_was_said_to_be_there_is_never_sent_again) {
#define LOOK_AGAIN LEAVE LOOK("3") ASK("3", ITEMS) THERE("3", "", "99", "another") OK
  g_autoptr(Uploads) u =
      uploads_new("LITERAL+ UNSELECT", APPEND("a") "S: @ OK done\n" LOOK("3") LOOK_AGAIN LOOK_AGAIN LOOK_AGAIN);
  gint64 a = add(u, "a");
  step(u);
  ck_state(u, a, "confirmed");
  step(u);
  ck_assert(journal_open(u->test->account.index, NULL)); /* a restart knows no more */
  step(u);
  ck_state(u, a, "confirmed");
  expect_refusal();
  step(u);
  g_test_assert_expected_messages();
  ck_state(u, a, "refused: the server said that it has it, and shows no such message");
  ck_assert(!uploads_step(u, NULL));
}
END_TEST

/* Equal octets: the number that was told is no answer to where the other is. */
START_TEST(two_that_are_equal_are_two) {
  g_autoptr(Uploads) u =
      uploads_new("LITERAL+ UIDPLUS UNSELECT", "C: @ APPEND \"box\" * {*+}\n" LINES("a") "C: \n" APPEND(
                                                   "a") "S: @3 OK [APPENDUID 7 10] x\nS: @4 OK done\n" LOOK("3 10 11")
                                                   ASK("11", ITEMS) THERE("11", "", SIZE, "a") OK);
  gint64 a = uploads_add(u, "a.eml", TEXT("a"), 0), b = uploads_add(u, "b.eml", TEXT("a"), 0);
  step(u);
  ck_state(u, a, "confirmed 10");
  ck_state(u, b, "confirmed 11");
}
END_TEST

/* ---- copies --------------------------------------------------------------------------------------------------------
 */

static gboolean put_source(IndexTxn *txn, gpointer data, GError **error) {
  gint64 *row = data;
  IndexMailbox from = {
      .raw = "from", .name = "from", .delimiter = '/', .uidvalidity = 5, .uidnext = 9, .listed = INDEX_LISTED};
  IndexMessage message = {.uid = 4, .claim = 17, .size = IMAP_UNKNOWN_SIZE, .name = "source.eml"};
  ck_assert(index_put_mailbox(txn, &from, error) && index_set_state(txn, &from, error));
  message.mailbox = message.folder = from.row;
  ck_assert(index_add_message(txn, &message, NULL, error));
  *row = message.row;
  return TRUE;
}

static gint64 add_source(Uploads *u) {
  gint64 row = 0;
  ck_assert(index_write(u->test->account.index, INDEX_SYNC, put_source, &row, NULL));
  return row;
}

#define FROM                                                                                                           \
  "C: @ SELECT \"from\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 5] x\nS: * OK [UIDNEXT 9] x\nS: @ OK [READ-WRITE] open\n"

START_TEST(a_copy_moves_no_octets) {
  g_autoptr(Uploads) u = uploads_new(
      MULTI, FROM "C: @ UID COPY 4 \"box\"\nS: @ OK [COPYUID 7 4 10] x\n" SELECT ASK("10", ITEMS)
                 THERE("10", "\\Answered", SIZE, "a") OK "C: @ UID STORE 10 -FLAGS.SILENT (\\Answered)\nS: @ OK\n");
  gint64 a = uploads_add(u, "a.eml", TEXT("a"), add_source(u));
  step(u);
  ck_state(u, a, "confirmed 10");
  step(u);
  ck_state(u, a, "10");
}
END_TEST

START_TEST(a_copy_whose_number_cannot_be_true_is_looked_for) {
  g_autoptr(Uploads) u = uploads_new(MULTI, FROM "C: @ UID COPY 4 \"box\"\nS: @ OK [COPYUID 7 4 3] x\n");
  gint64 a = uploads_add(u, "a.eml", TEXT("a"), add_source(u));
  step(u);
  ck_state(u, a, "unknown");
}
END_TEST

START_TEST(what_cannot_be_copied_is_fetched_and_sent) {
  g_autoptr(Uploads) u = uploads_new(
      MULTI,
      FROM "C: @ UID COPY 4 \"box\"\nS: @ NO not so\n"
           "C: @ EXAMINE \"from\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 5] x\nS: * OK [UIDNEXT 9] x\nS: @ OK\n" ASK(
               "4", "(UID BODY.PEEK[])") "S: * 1 FETCH (UID 4 BODY[] {17}\nR: Subject: a\\r\\n\\r\\na\\r\\n\nS: )\n" OK
               APPEND("a") "S: @ OK [APPENDUID 7 10] x\n");
  gint64 a = uploads_add(u, "a.eml", TEXT("a"), add_source(u));
  step(u);
  ck_state(u, a, "confirmed 10");
}
END_TEST

/* The body of a message, as one that was read. */
static void cache_body(Uploads *u, gint64 row, const char *text) {
  IndexKey key = {0};
  ck_assert(index_get_key(u->test->account.index, row, &key, NULL));
  g_autoptr(BodyTemp) temp = body_begin(u->test->account.bodies, NULL);
  ck_assert(temp && body_write(temp, text, strlen(text), NULL));
  close(body_commit(g_steal_pointer(&temp), &key, 0, NULL));
}

static gboolean put_another(IndexTxn *txn, gpointer data, GError **error) {
  IndexMessage message = {.uid = 5, .claim = 17, .size = IMAP_UNKNOWN_SIZE, .name = "another.eml"};
  gint64 *row = data;
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "SELECT mailbox FROM message WHERE uid = 4");
  ck_assert(index_number(txn->db, stmt, &message.mailbox, error));
  message.folder = message.mailbox;
  ck_assert(index_add_message(txn, &message, NULL, error));
  *row = message.row;
  return TRUE;
}

/* Of the other one the octets are cached: it is sent, and the first not once more. */
START_TEST(a_copy_that_fails_in_the_middle_is_half_done) {
  g_autoptr(Uploads) u =
      uploads_new(MULTI, FROM "C: @ UID COPY 4:5 \"box\"\nS: @ NO no more\n"
                              "C: @ EXAMINE \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 12] x\n"
                              "S: @ OK\n" UIDS("3 10") ASK("10", ITEMS) THERE("10", "", SIZE, "a")
                                  OK APPEND("b") "S: @ OK [APPENDUID 7 11] x\n");
  gint64 source = add_source(u), another = 0;
  ck_assert(index_write(u->test->account.index, INDEX_SYNC, put_another, &another, NULL));
  cache_body(u, another, TEXT("b"));
  gint64 a = uploads_add(u, "a.eml", TEXT("a"), source), b = uploads_add(u, "b.eml", TEXT("b"), another);
  step(u);
  ck_state(u, a, "confirmed 10");
  ck_state(u, b, "confirmed 11");
}
END_TEST

static gboolean end_source(IndexTxn *txn, gpointer row, GError **error) {
  g_autofree char *sql = g_strdup_printf("UPDATE message SET gone = 1 WHERE row = %d", (int)*(gint64 *)row);
  return index_db_exec(txn->db, sql, error);
}

/* Somebody else removed it before its turn came. */
START_TEST(of_a_source_that_is_gone_the_cached_body_is_sent) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "S: @ OK [APPENDUID 7 10] x\n");
  gint64 source = add_source(u);
  cache_body(u, source, TEXT("a"));
  gint64 a = uploads_add(u, "a.eml", TEXT("a"), source);
  ck_assert(index_write(u->test->account.index, INDEX_SYNC, end_source, &source, NULL));
  step(u);
  ck_state(u, a, "confirmed 10");
}
END_TEST

START_TEST(of_a_source_that_is_gone_and_nowhere_here_nothing_is_left) {
  g_autoptr(Uploads) u = uploads_new(MULTI, "");
  gint64 source = add_source(u), a = uploads_add(u, "a.eml", TEXT("a"), source);
  ck_assert(index_write(u->test->account.index, INDEX_SYNC, end_source, &source, NULL));
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "the server refused a new message*lost+found");
  step(u);
  g_test_assert_expected_messages();
  ck_state(u, a,
           "refused: somebody removed the message before the server had copied it, and its octets were not here: so "
           "this file is empty");
}
END_TEST

/* ---- the disk --------------------------------------------------------------------------------------------------- */

static gboolean exec(IndexTxn *txn, gpointer sql, GError **error) {
  return index_db_exec(txn->db, sql, error);
}

static void disk(Uploads *u, const char *sql) {
  ck_assert(index_write(u->test->account.index, INDEX_SYNC, exec, (gpointer)sql, NULL));
}

#define FULL(state)                                                                                                    \
  "CREATE TRIGGER disk_full BEFORE UPDATE OF state ON journal WHEN new.state = " state                                 \
  " BEGIN SELECT RAISE(ABORT, 'no space'); END;"

/* What the server said is not forgotten: or a delta would take the message for somebody else's, and the next start
 * would look for it in vain and send it again. */
START_TEST(what_cannot_be_written_down_is_kept_in_mind) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "S: @ OK [APPENDUID 7 10] done\n");
  g_autoptr(GError) error = NULL;
  gboolean alive = TRUE;
  gint64 a = add(u, "a");
  disk(u, FULL("4"));
  ck_assert(uploads_step(u, &alive));
  ck_assert(!alive);
  ck_state(u, a, "sent");
  disk(u, "DROP TRIGGER disk_full;");
  ck_assert_msg(replay_settle(u->replay, &error), "%s", error ? error->message : "");
  ck_state(u, a, "confirmed 10");
}
END_TEST

START_TEST(one_that_cannot_be_written_down_does_not_keep_others) {
  g_autoptr(Uploads) u = uploads_new(MULTI, TWO("a", "b") "S: @ OK [APPENDUID 7 10:11] done\n");
  gboolean alive = TRUE;
  gint64 a = add(u, "a"), b = add(u, "b");
  disk(u, "CREATE TRIGGER disk_full BEFORE UPDATE OF uid ON message WHEN new.uid = 10"
          " BEGIN SELECT RAISE(ABORT, 'no space'); END;");
  ck_assert(uploads_step(u, &alive));
  ck_assert(!alive);
  ck_state(u, a, "sent");
  ck_state(u, b, "confirmed 11");
}
END_TEST

/* ---- the thread ----------------------------------------------------------------------------------------------------
 */

static void run(Uploads *u) {
  imap_pool_release(u->test->account.pool, g_steal_pointer(&u->test->conn));
  replay_run(u->replay);
}

static void stop(Uploads *u) {
  g_cancellable_cancel(u->test->account.cancellable);
  replay_stop(u->replay);
  g_cancellable_reset(u->test->account.cancellable);
}

/* The end of this wait: the code of its error, or -1. */
static int await_done(Uploads *u, gint64 row) {
  for (;;) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_events_pop(u->test->account.events, &event));
    if (event.type == CACHE_EVENT_DONE && event.kind == CACHE_JOURNAL && event.row == row)
      return event.error ? event.error->code : -1;
  }
}

static const struct {
  const char *answer;
  int code;
} ends[] = {
    {"S: @ OK [APPENDUID 7 10] x\n", -1},
    {"S: @ NO [TOOBIG] x\n", CACHE_ERROR_TOOBIG},
    {"S: @ NO [OVERQUOTA] x\n", CACHE_ERROR_QUOTA}, /* though it is tried again later */
    {"S: @ NO [UNAVAILABLE] x\n", CACHE_ERROR_BUSY},
};

START_TEST(who_waits_is_told) {
  g_autofree char *script = g_strconcat(APPEND("a"), ends[_i].answer, "stall\n", NULL);
  g_autoptr(Uploads) u = uploads_new("LITERAL+ UIDPLUS", script);
  gint64 a = add(u, "a");
  if (ends[_i].code == CACHE_ERROR_TOOBIG)
    g_log_set_always_fatal(G_LOG_FATAL_MASK); /* from the thread; it warns, as it should */
  ck_assert(replay_await(u->replay, a, a, NULL));
  ck_assert(replay_await(u->replay, a, 1000, NULL)); /* known by another number */
  run(u);
  ck_assert_int_eq(await_done(u, a), ends[_i].code);
  ck_assert_int_eq(await_done(u, 1000), ends[_i].code);
  stop(u);
}
END_TEST

static gboolean drop_folder(IndexTxn *txn, gpointer data, GError **error) {
  gint64 mailbox = 0;
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "SELECT row FROM mailbox WHERE name = 'from'");
  (void)data;
  return index_number(txn->db, stmt, &mailbox, error) && journal_rmdir(txn, mailbox, error);
}

/* The folder is not empty; what is behind it is sent all the same, and only then is anybody told. */
START_TEST(a_refusal_is_told_when_the_rest_is_there) {
  g_autoptr(Uploads) u = uploads_new(
      MULTI, "C: @ LIST \"\" \"*\"\nS: * LIST () \"/\" \"from\"\n"
             "S: * LIST () \"/\" \"from/child\"\nS: @ OK\n" APPEND("a") "S: @ OK [APPENDUID 7 10] x\nstall\n");
  add_source(u);
  ck_assert(index_write(u->test->account.index, INDEX_CHANGE, drop_folder, NULL, NULL));
  gint64 a = add(u, "a");
  g_log_set_always_fatal(G_LOG_FATAL_MASK); /* from the thread; it warns, as it should */
  ck_assert(replay_await(u->replay, 0, CACHE_ALL, NULL));
  run(u);
  ck_assert_int_eq(await_done(u, CACHE_ALL), CACHE_ERROR_REFUSED);
  ck_assert_uint_eq(uploads_left(u), 0);
  ck_state(u, a, "confirmed 10");
  stop(u);
}
END_TEST

/* A message of the row that has the smallest number is not all of them. */
START_TEST(one_is_not_all) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "S: @ OK [APPENDUID 7 10] x\nstall\n");
  gint64 a = add(u, "a");
  ck_assert_int_eq(a, 1);
  ck_assert(replay_await(u->replay, 0, CACHE_ALL, NULL));
  ck_assert(replay_await(u->replay, a, a, NULL));
  run(u);
  ck_assert_int_eq(await_done(u, a), -1);
  ck_assert_int_eq(await_done(u, CACHE_ALL), -1);
  stop(u);
}
END_TEST

static gboolean break_journal(IndexTxn *txn, gpointer data, GError **error) {
  static const char sql[] = "CREATE TRIGGER broken BEFORE UPDATE ON journal BEGIN SELECT raise(ABORT, 'broken'); END";
  g_autoptr(IndexStmt) stmt = index_use(txn->db, sql);
  (void)data;
  return index_run(txn->db, stmt, error);
}

START_TEST(nobody_waits_for_a_disk_that_fails) {
  g_autofree char *trouble = NULL;
  g_autoptr(Uploads) u = uploads_new(MULTI, "stall\n");
  add(u, "a");
  ck_assert(index_write(u->test->account.index, INDEX_CHANGE, break_journal, NULL, NULL));
  ck_assert(!replay_trouble(u->replay, NULL));
  ck_assert(replay_await(u->replay, 0, CACHE_ALL, NULL));
  run(u);
  ck_assert_int_ne(await_done(u, CACHE_ALL), -1);
  ck_assert(replay_trouble(u->replay, &trouble));
  ck_assert_ptr_nonnull(strstr(trouble, "broken"));
  stop(u);
}
END_TEST

START_TEST(nobody_waits_for_a_line_that_is_down) {
  g_autoptr(GError) error = NULL;
  g_autofree char *trouble = NULL;
  g_autoptr(Uploads) u = uploads_new(MULTI, "");
  gint64 a = add(u, "a");
  imap_conn_fail(u->test->conn);
  g_clear_pointer(&u->test->fake, fake_free); /* and nobody is at that port any more */
  ck_assert(replay_await(u->replay, a, a, NULL));
  ck_assert(replay_await(u->replay, 0, CACHE_ALL, NULL));
  run(u);
  ck_assert_int_eq(await_done(u, a), CACHE_ERROR_OFFLINE);
  ck_assert(!replay_await(u->replay, a, a, &error));
  ck_assert_msg(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_OFFLINE), "%s", error->message);
  ck_assert(replay_trouble(u->replay, &trouble));
  stop(u);
  ck_state(u, a, "ready");
}
END_TEST

/* A line that was lost over and over is not tried at once; but when the user says so. */
START_TEST(who_hurries_waits_for_nothing) {
  g_autoptr(Uploads) u = uploads_new(MULTI, APPEND("a") "S: @ OK [APPENDUID 7 10] x\nstall\n");
  gint64 a = add(u, "a");
  u->replay->not_before = g_get_monotonic_time() + 300 * G_USEC_PER_SEC;
  u->replay->losses = 9;
  ck_assert(replay_await(u->replay, a, a, NULL));
  replay_hurry(u->replay);
  run(u);
  ck_assert_int_eq(await_done(u, a), -1);
  stop(u);
}
END_TEST

START_TEST(to_stop_ends_what_is_sent_and_every_wait) {
  g_autoptr(Uploads) u = uploads_new(MULTI, "stall\n");
  g_autofree char *state = NULL;
  gint64 a = add(u, "a");
  ck_assert(replay_await(u->replay, a, a, NULL));
  run(u);
  do {
    g_free(state);
    state = uploads_state(u, a);
  } while (!g_str_equal(state, "sent"));
  stop(u);
  ck_assert_int_eq(await_done(u, a), CACHE_ERROR_CANCELLED);
  ck_assert_uint_eq(uploads_left(u), 1);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay");
  TCase *tests = tcase_create("replay");
  tcase_add_test(tests, many_go_together_and_are_compared);
  tcase_add_test(tests, what_the_server_altered_is_not_ours);
  tcase_add_loop_test(tests, what_it_may_have_altered_is_looked_at_at_once, 0, G_N_ELEMENTS(eights));
  tcase_add_test(tests, forgotten_flags_are_set_again);
  tcase_add_test(tests, what_cannot_be_kept_is_not_thought_to_be);
  tcase_add_test(tests, keywords_are_the_same_in_any_case);
  tcase_add_test(tests, one_that_was_removed_meanwhile_is_let_go);
  tcase_add_test(tests, a_refused_one_stands_in_lost_and_found);
  tcase_add_test(tests, the_innocent_go_without_the_culprit);
  tcase_add_test(tests, no_room_is_for_a_while);
  tcase_add_test(tests, what_fits_goes_where_another_does_not);
  tcase_add_test(tests, a_folder_that_is_gone_is_looked_for_first);
  tcase_add_test(tests, of_a_folder_that_is_no_more_it_is_kept);
  tcase_add_test(tests, a_lost_answer_is_looked_for);
  tcase_add_test(tests, it_is_sent_again_after_three_agreeing_looks);
  tcase_add_test(tests, a_late_one_is_not_sent_twice);
  tcase_add_test(tests, a_stranger_is_not_ours);
  tcase_add_test(tests, of_what_may_be_another_version_ours_is_kept);
  tcase_add_test(tests, one_in_disguise_is_known_by_its_octets);
  tcase_add_test(tests, a_restart_does_not_know_either);
  tcase_add_test(tests, half_sent_is_not_sent);
  tcase_add_test(tests, under_another_uidvalidity_all_is_looked_at);
  tcase_add_test(tests, where_no_uid_is_told_it_is_looked_for);
  tcase_add_test(tests, a_number_that_cannot_be_true_is_not_believed);
  tcase_add_test(tests, a_copy_whose_number_cannot_be_true_is_looked_for);
  tcase_add_test(tests, ok_means_it_is_there_though_nobody_sees_it);
  tcase_add_test(tests, what_was_said_to_be_there_is_never_sent_again);
  tcase_add_test(tests, two_that_are_equal_are_two);
  tcase_add_test(tests, a_copy_moves_no_octets);
  tcase_add_test(tests, a_copy_that_fails_in_the_middle_is_half_done);
  tcase_add_test(tests, what_cannot_be_copied_is_fetched_and_sent);
  tcase_add_test(tests, of_a_source_that_is_gone_the_cached_body_is_sent);
  tcase_add_test(tests, of_a_source_that_is_gone_and_nowhere_here_nothing_is_left);
  tcase_add_test(tests, what_cannot_be_written_down_is_kept_in_mind);
  tcase_add_test(tests, one_that_cannot_be_written_down_does_not_keep_others);
  tcase_add_loop_test(tests, who_waits_is_told, 0, G_N_ELEMENTS(ends));
  tcase_add_test(tests, a_refusal_is_told_when_the_rest_is_there);
  tcase_add_test(tests, one_is_not_all);
  tcase_add_test(tests, nobody_waits_for_a_line_that_is_down);
  tcase_add_test(tests, nobody_waits_for_a_disk_that_fails);
  tcase_add_test(tests, who_hurries_waits_for_nothing);
  tcase_add_test(tests, to_stop_ends_what_is_sent_and_every_wait);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
