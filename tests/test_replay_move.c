/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cache/index/index_private.h"
#include "tests/box.h"
#include "tests/replaying.h"
#include "tests/suite.h"

#define STATUS_TO(validity, next)                                                                                      \
  "C: @ STATUS \"to\" (MESSAGES UIDNEXT UIDVALIDITY)\n"                                                                \
  "S: * STATUS to (MESSAGES 9 UIDNEXT " next " UIDVALIDITY " validity ")\nS: @ OK\n"
#define NUMBERS STATUS_TO("5", "20")
#define SELECT                                                                                                         \
  "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 10] x\nS: @ OK [READ-WRITE] open\n"
#define MOVE "C: @ UID MOVE 1:3 \"to\"\n"
#define LOOK(set) ASK(set, "(UID FLAGS)")
#define HAS(uid) "S: * 1 FETCH (UID " uid " FLAGS ())\n"
#define HAS_DELETED(uid) "S: * 1 FETCH (UID " uid " FLAGS (\\Deleted))\n"
#define THERE                                                                                                          \
  LEAVE "C: @ EXAMINE \"to\"\nS: * 9 EXISTS\nS: * OK [UIDVALIDITY 5] x\nS: * OK [UIDNEXT 29] x\n"                      \
        "S: @ OK [READ-ONLY]\n" ASK("20:4294967295", ITEMS)
#define LOGIN(capabilities) "next\n" FAKE_LOGIN(capabilities)
#define ALL "UNSELECT UIDPLUS MOVE"

static void ck_places(Replaying *r, const char *expected) {
  g_autofree char *places = replaying_places(r);
  ck_assert_str_eq(places, expected);
}

static const struct {
  const char *capabilities, *script, *places;
  guint left;
} moves[] = {
    {ALL, NUMBERS SELECT MOVE "S: * OK [COPYUID 5 1:3 20:22] x\nS: @ OK\n", "to:20 to:21 to:22", 0},
    /* one was gone before: its end is somebody else's doing */
    {ALL, NUMBERS SELECT MOVE "S: * OK [COPYUID 5 1,3 20:21] x\nS: @ OK\n" LOOK("2") OK THERE OK, "to:20 gone to:21",
     0},
    /* later: it waits, and is shown where it is to be */
    {ALL,
     NUMBERS SELECT MOVE "S: * OK [COPYUID 5 1 20] x\nS: @ NO [OVERQUOTA] full\n" LOOK("2:3") HAS("2") HAS("3")
         OK THERE OK,
     "to:20 box:2@to box:3@to", 2},
    /* Without UIDPLUS the old ones stay, and are nobody's. */
    {"UNSELECT",
     NUMBERS SELECT "C: @ UID COPY 1:3 \"to\"\nS: @ OK\n" LOOK("1:3") HAS("1") HAS("2") HAS("3")
         OK THERE ROW("20", "one") ROW("21", "two") ROW("22", "three") OK SELECT
     "C: @ UID STORE 1:3 +FLAGS.SILENT (\\Deleted)\nS: @ OK\n" LOOK("1:3") HAS_DELETED("1") HAS_DELETED("2")
         HAS_DELETED("3") OK,
     "to:20 to:21 to:22", 0},
};

START_TEST(test_move) {
  g_autoptr(Replaying) r = replaying_new(moves[_i].capabilities, moves[_i].script);
  replaying_move(r, 1, 3);
  ck_places(r, "box:1@to box:2@to box:3@to");
  ck_assert(replaying_step(r, NULL));
  ck_places(r, moves[_i].places);
  ck_assert_uint_eq(replaying_left(r), moves[_i].left);
}
END_TEST

/* Nobody is told what he did himself; that a message ended is another's doing. */
START_TEST(test_events) {
  g_autoptr(Replaying) r = replaying_new(ALL, moves[1].script);
  replaying_move(r, 1, 3);
  g_free(test_account_events(r->test));
  replaying_all(r);
  g_autofree char *events = test_account_events(r->test);
  g_autofree char *expected =
      g_strdup_printf("REMOVED %d 2.eml\nCHANGED %d\n", (int)g_array_index(r->rows, gint64, 1), (int)r->to);
  ck_assert_str_eq(events, expected);
}
END_TEST

/* What we left flagged is known, so that no delta lists it, and shown nowhere. */
START_TEST(test_left_behind_is_hidden) {
  g_autoptr(Replaying) r = replaying_new(moves[3].capabilities, moves[3].script);
  replaying_move(r, 1, 3);
  replaying_all(r);
  g_autofree char *known = replaying_uids(r, r->box), *shown = replaying_shown(r, r->box);
  g_autofree char *moved = replaying_shown(r, r->to);
  ck_assert_str_eq(known, "1:3");
  ck_assert_str_eq(shown, "");
  ck_assert_str_eq(moved, "1.eml 2.eml 3.eml");
  replaying_crash(r);
  g_autofree char *still = replaying_shown(r, r->box);
  ck_assert_str_eq(still, "");
}
END_TEST

/* Permanently refused: where it was, under its name. */
START_TEST(test_refused) {
  g_autoptr(Replaying) r = replaying_new(ALL, NUMBERS SELECT MOVE "S: @ NO [NOPERM] no\n" LOOK("1:3") HAS("1") HAS("2")
                                                  HAS("3") OK THERE OK);
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*refused the move*undone*");
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*refused the move*undone*");
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*refused the move*undone*");
  replaying_move(r, 1, 3);
  replaying_all(r);
  g_test_assert_expected_messages();
  ck_places(r, "box:1 box:2 box:3");
  ck_assert_uint_eq(replaying_left(r), 0);
}
END_TEST

/* ---- the line was lost ------------------------------------------------------------------------------------------ */

static Replaying *cut(const char *script) {
  g_autofree char *whole = g_strconcat(NUMBERS SELECT MOVE "half\n" LOGIN(ALL), script, NULL);
  Replaying *r = replaying_new(ALL, whole);
  gboolean alive = TRUE;
  replaying_move(r, 1, 3);
  ck_assert(replaying_step(r, &alive));
  ck_assert(!alive);
  ck_places(r, "box:1@to box:2@to box:3@to");
  test_account_lease(r->test);
  return r;
}

/* Nothing, then a thousand, then two thousand: what is there is there, and nothing is sent twice. */
START_TEST(test_cut_in_the_middle) {
  g_autoptr(Replaying) r = cut(SELECT LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE OK                           /* */
                                   LEAVE SELECT LOOK("1:3") HAS("3") OK THERE ROW("20", "one") ROW("21", "two") OK /* */
                                       LEAVE SELECT LOOK("3") OK THERE ROW("20", "one") ROW("22", "three") OK);
  ck_assert(replaying_step(r, NULL));
  ck_places(r, "box:1@to box:2@to box:3@to");
  ck_assert(replaying_step(r, NULL));
  ck_places(r, "to:20 to:21 box:3@to");
  ck_assert(replaying_step(r, NULL));
  ck_places(r, "to:20 to:21 to:22");
  ck_assert(!replaying_step(r, NULL));
}
END_TEST

/* Three looks agree: it was not done, and is done. */
START_TEST(test_cut_before) {
  g_autoptr(Replaying) r = cut(SELECT LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE OK               /* */
                                   LEAVE SELECT LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE OK     /* */
                                       LEAVE SELECT LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE OK /* */
                                           LEAVE NUMBERS SELECT MOVE "S: * OK [COPYUID 5 1:3 20:22] x\nS: @ OK\n");
  replaying_all(r);
  ck_places(r, "to:20 to:21 to:22");
}
END_TEST

/* Gone from both, and again, and again: somebody else was at it. */
START_TEST(test_cut_and_gone) {
  g_autoptr(Replaying) r = cut(SELECT LOOK("1:3") HAS("3") OK THERE ROW("20", "two") OK           /* */
                                   LEAVE SELECT LOOK("1,3") HAS("3") OK THERE ROW("20", "two") OK /* */
                                       LEAVE SELECT LOOK("1,3") HAS("3") OK THERE OK              /* */
                                           LEAVE STATUS_TO("5", "21") SELECT
                               "C: @ UID MOVE 3 \"to\"\nS: * OK [COPYUID 5 3 21] x\nS: @ OK\n");
  replaying_all(r);
  ck_places(r, "gone to:20 to:21");
}
END_TEST

/* Copied and not removed: the second half is done, and no second copy made. */
START_TEST(test_cut_between_copy_and_removal) {
  g_autoptr(Replaying) r =
      cut(SELECT LOOK("1:3") HAS("1") HAS("2") HAS("3") OK THERE ROW("20", "one") ROW("21", "two") ROW("22", "three")
              OK SELECT
          "C: @ UID STORE 1:3 +FLAGS.SILENT (\\Deleted)\nS: @ OK\nC: @ UID EXPUNGE 1:3\nS: @ OK\n" LOOK("1:3") OK);
  replaying_all(r);
  ck_places(r, "to:20 to:21 to:22");
}
END_TEST

static gboolean forget_headers(IndexTxn *txn, G_GNUC_UNUSED gpointer data, GError **error) {
  return index_db_exec(txn->db, "UPDATE message SET fingerprint = NULL", error);
}

#define ROWS(one, two, three) ROW(one, "one") ROW(two, "two") ROW(three, "three")

/* names=uid: size and date are no reason to remove a message, and to copy it once more would double it. */
START_TEST(test_cut_between_without_headers) {
  g_autoptr(Replaying) r =
      cut(SELECT ASK("1:3", ITEMS) ROWS("1", "2", "3") OK THERE ROWS("20", "21", "22") OK SELECT
          "C: @ UID STORE 1:3 +FLAGS.SILENT (\\Deleted)\nS: @ OK\nC: @ UID EXPUNGE 1:3\nS: @ OK\n" LOOK("1:3") OK);
  r->test->config.names_uid = TRUE;
  ck_assert(index_write(r->test->account.index, INDEX_SYNC, forget_headers, NULL, NULL));
  replaying_all(r);
  ck_places(r, "to:20 to:21 to:22");
}
END_TEST

#define READ_ONLY                                                                                                      \
  "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 10] x\nS: @ OK [READ-ONLY] open\n"

/* Nobody will ever look again: it is undone, and neither mailbox stays claimed for it. */
START_TEST(test_cut_and_read_only_since) {
  g_autoptr(Replaying) r = cut(READ_ONLY LEAVE READ_ONLY LEAVE READ_ONLY);
  ck_assert(replaying_step(r, NULL));
  ck_assert(replaying_step(r, NULL));
  ck_places(r, "box:1@to box:2@to box:3@to");
  g_test_expect_message("cache", G_LOG_LEVEL_INFO, "cannot look for what was moved*");
  for (guint i = 0; i < 3; i++)
    g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "the server refused the move of a message*");
  ck_assert(replaying_step(r, NULL));
  g_test_assert_expected_messages();
  ck_places(r, "box:1 box:2 box:3");
  ck_assert_uint_eq(replaying_left(r), 0);
}
END_TEST

#define STATUS_BOX(validity)                                                                                           \
  "C: @ STATUS \"box\" (MESSAGES UIDNEXT UIDVALIDITY)\n"                                                               \
  "S: * STATUS box (MESSAGES 3 UIDNEXT 4 UIDVALIDITY " validity ")\nS: @ OK\n"
#define SELECT_NEW                                                                                                     \
  "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 8] x\nS: * OK [UIDNEXT 4] x\nS: @ OK [READ-WRITE] open\n"

static gboolean is_claimed(Replaying *r, gint64 mailbox) {
  gboolean taken = claims_try(r->test->account.claims, mailbox);
  if (taken)
    claims_release(r->test->account.claims, mailbox, 0);
  return !taken;
}

/* As long as they were claimed, no listing could say what has which number now. */
START_TEST(test_cut_and_renumbered) {
  static const char *const renumbered[] = {
      SELECT_NEW LEAVE STATUS_BOX("8"),
      SELECT LOOK("1:3") OK LEAVE "C: @ EXAMINE \"to\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 6] x\n"
                                  "S: * OK [UIDNEXT 4] x\nS: @ OK [READ-ONLY]\n" LEAVE STATUS_BOX("7")
                                      STATUS_TO("6", "4"),
  };
  g_autoptr(Replaying) r = cut(renumbered[_i]);
  ck_assert(replay_claim(r->replay, &(JournalBatch){.op = JOURNAL_MOVE, .source = r->box, .target = r->to}));
  ck_assert(replaying_step(r, NULL));
  ck_places(r, "box:1@to box:2@to box:3@to");
  ck_assert_uint_eq(replaying_left(r), 3);
  replay_let_go(r->replay);
  ck_assert(!is_claimed(r, r->box));
  ck_assert(!is_claimed(r, r->to));
}
END_TEST

static gboolean renumber(IndexTxn *txn, G_GNUC_UNUSED gpointer data, GError **error) {
  return index_db_exec(txn->db,
                       "UPDATE message SET uid = uid + 1 WHERE uid = 3;"
                       "UPDATE message SET uid = uid + 1 WHERE uid = 2",
                       error);
}

/* While the turn of the batch was waited for, a listing matched the messages again: 2 and 3 are others now. */
START_TEST(test_renumbered_before_its_turn) {
  g_autoptr(Replaying) r = replaying_new(ALL, NUMBERS SELECT "C: @ UID MOVE 1,3:4 \"to\"\n"
                                                             "S: * OK [COPYUID 5 1,3:4 20:22] x\nS: @ OK\n");
  g_auto(JournalBatch) batch = {0};
  g_autoptr(GError) error = NULL;
  gint64 next = 0;
  replaying_move(r, 1, 3);
  ck_assert(journal_next(r->test->account.index, g_get_real_time(), 9, 1 << 20, &batch, &next, NULL));
  ck_assert(index_write(r->test->account.index, INDEX_SYNC, renumber, NULL, NULL));
  ck_assert(!replay_do(r->replay, r->test->conn, &batch, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_BUSY));
  ck_assert(!imap_conn_failed(r->test->conn));
  replaying_all(r);
  ck_places(r, "to:20 to:21 to:22");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay_move");
  TCase *tcase = tcase_create("replay_move");
  tcase_add_loop_test(tcase, test_move, 0, G_N_ELEMENTS(moves));
  tcase_add_test(tcase, test_events);
  tcase_add_test(tcase, test_left_behind_is_hidden);
  tcase_add_test(tcase, test_refused);
  tcase_add_test(tcase, test_cut_in_the_middle);
  tcase_add_test(tcase, test_cut_before);
  tcase_add_test(tcase, test_cut_and_gone);
  tcase_add_test(tcase, test_renumbered_before_its_turn);
  tcase_add_test(tcase, test_cut_between_without_headers);
  tcase_add_test(tcase, test_cut_and_read_only_since);
  tcase_add_loop_test(tcase, test_cut_and_renumbered, 0, 2);
  tcase_add_test(tcase, test_cut_between_copy_and_removal);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
