/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/box.h"
#include "tests/replaying.h"
#include "tests/suite.h"

/* "to" is the trash here, by trash=. */
#define NUMBERS                                                                                                        \
  "C: @ STATUS \"to\" (MESSAGES UIDNEXT UIDVALIDITY)\n"                                                                \
  "S: * STATUS to (MESSAGES 9 UIDNEXT 20 UIDVALIDITY 5)\nS: @ OK\n"
#define OPEN_RW(name, validity)                                                                                        \
  "C: @ SELECT \"" name "\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY " validity                                            \
  "] x\nS: * OK [UIDNEXT 30] x\nS: @ OK [READ-WRITE] open\n"
#define SELECT OPEN_RW("box", "7")
#define SELECT_TRASH OPEN_RW("to", "5")
#define LOOK(set) ASK(set, "(UID FLAGS)")
#define HAS(uid) "S: * 1 FETCH (UID " uid " FLAGS ())\n"
#define HAS_DELETED(uid) "S: * 1 FETCH (UID " uid " FLAGS (\\Deleted))\n"
#define THERE                                                                                                          \
  LEAVE "C: @ EXAMINE \"to\"\nS: * 9 EXISTS\nS: * OK [UIDVALIDITY 5] x\nS: * OK [UIDNEXT 29] x\n"                      \
        "S: @ OK [READ-ONLY]\n" ASK("20:4294967295", ITEMS)
#define FLAG_DELETED(set) "C: @ UID STORE " set " +FLAGS.SILENT (\\Deleted)\n"
#define EXPUNGE(set) "C: @ UID EXPUNGE " set "\n"
#define MOVED "C: @ UID MOVE 1:3 \"to\"\nS: * OK [COPYUID 5 1:3 20:22] x\nS: @ OK\n"
#define ALL "UNSELECT UIDPLUS MOVE"

static void ck_places(Replaying *r, const char *expected) {
  g_autofree char *places = replaying_places(r);
  ck_assert_str_eq(places, expected);
}

static const struct {
  CacheDelete remove;
  gboolean from_trash;
  const char *capabilities, *script, *places;
} rows[] = {
    {CACHE_DELETE_TRASH, FALSE, ALL, NUMBERS SELECT MOVED, "to:20 to:21 to:22"},
    {CACHE_DELETE_TRASH, TRUE, ALL, SELECT FLAG_DELETED("1:3") OK EXPUNGE("1:3") OK LOOK("1:3") OK, "gone gone gone"},
    {CACHE_DELETE_EXPUNGE, FALSE, ALL, SELECT FLAG_DELETED("1:3") OK EXPUNGE("1:3") OK LOOK("1:3") OK,
     "gone gone gone"},
    {CACHE_DELETE_MARK, FALSE, ALL,
     SELECT FLAG_DELETED("1:3") OK LOOK("1:3") HAS_DELETED("1") HAS_DELETED("2") HAS_DELETED("3") OK,
     "box:1@- box:2@- box:3@-"},
    /* nothing removes just these: they stay, and are shown no more */
    {CACHE_DELETE_EXPUNGE, FALSE, "UNSELECT MOVE",
     SELECT FLAG_DELETED("1:3") OK LOOK("1:3") HAS_DELETED("1") HAS_DELETED("3") OK, "box:1@- gone box:3@-"},
    /* Gmail: to expunge is to archive, but in the trash */
    {CACHE_DELETE_EXPUNGE, FALSE, ALL " X-GM-EXT-1",
     NUMBERS SELECT MOVED SELECT_TRASH FLAG_DELETED("20:22") OK EXPUNGE("20:22") OK LOOK("20:22") OK, "gone gone gone"},
    {CACHE_DELETE_EXPUNGE, FALSE, ALL " X-GM-EXT-1",
     NUMBERS SELECT MOVED SELECT_TRASH FLAG_DELETED("20:22") "S: @ NO [NOPERM] no\n" LOOK("20:22") HAS("20") HAS("21")
         HAS("22") OK,
     "to:20 to:21 to:22"},
    {CACHE_DELETE_EXPUNGE, TRUE, ALL " X-GM-EXT-1", SELECT FLAG_DELETED("1:3") OK EXPUNGE("1:3") OK LOOK("1:3") OK,
     "gone gone gone"},
};

static Replaying *start(guint i) {
  Replaying *r = replaying_new(rows[i].capabilities, rows[i].script);
  r->test->config.remove = rows[i].remove;
  r->test->config.trash = rows[i].from_trash ? (char *)"box" : (char *)"to";
  replaying_remove(r, 1, 3);
  ck_places(r, "box:1@- box:2@- box:3@-");
  return r;
}

START_TEST(test_remove) {
  g_autoptr(Replaying) r = start(_i);
  replaying_all(r);
  ck_places(r, rows[_i].places);
  ck_assert_uint_eq(replaying_left(r), 0);
}
END_TEST

/* In the trash it goes on under its name and its row; its folder hears of it. */
START_TEST(test_trash_shows_it) {
  g_autoptr(Replaying) r = start(0);
  g_free(test_account_events(r->test));
  replaying_all(r);
  g_autofree char *shown = replaying_shown(r, r->to), *left = replaying_shown(r, r->box);
  g_autofree char *events = test_account_events(r->test), *expected = g_strdup_printf("CHANGED %d\n", (int)r->to);
  ck_assert_str_eq(events, expected);
  ck_assert_str_eq(shown, "1.eml 2.eml 3.eml");
  ck_assert_str_eq(left, "");
}
END_TEST

START_TEST(test_marked_stays_hidden) {
  g_autoptr(Replaying) r = start(3);
  replaying_all(r);
  replaying_crash(r);
  ck_assert(!replaying_step(r, NULL));
  g_autofree char *shown = replaying_shown(r, r->box), *known = replaying_uids(r, r->box);
  ck_assert_str_eq(shown, "");
  ck_assert_str_eq(known, "1:3");
}
END_TEST

/* As a delta writes what it hears of the first. */
static gboolean hear_flags(IndexTxn *txn, gpointer data, GError **error) {
  const gint64 *heard = data; /* mailbox, and what it has besides \Seen */
  return index_set_flags(txn, heard[0], 1, IMAP_FLAG_SEEN | (guint)heard[1], NULL, NULL, error);
}

static gboolean list_again(IndexTxn *txn, gpointer data, GError **error) {
  return index_add_message(txn, data, NULL, error);
}

/* Somebody takes the flag from it: then it is a message like any other, and the one that it was. */
START_TEST(test_marked_comes_back) {
  g_autoptr(Replaying) r = start(3);
  Index *index = r->test->account.index;
  g_auto(IndexMessage) message = {0};
  replaying_all(r);
  ck_assert(index_write(index, INDEX_SYNC, hear_flags, (gint64[]){r->box, IMAP_FLAG_DELETED}, NULL));
  ck_places(r, "box:1@- box:2@- box:3@-");
  ck_assert(index_find_uid(index, r->box, 1, &message, NULL));
  ck_assert(index_write(index, INDEX_SYNC, hear_flags, (gint64[]){r->box, 0}, NULL));
  g_autofree char *known = replaying_uids(r, r->box);
  ck_assert_str_eq(known, "2:3");
  ck_assert(index_write(index, INDEX_SYNC, list_again, &message, NULL));
  ck_places(r, "box:1 box:2@- box:3@-");
  g_autofree char *shown = replaying_shown(r, r->box);
  ck_assert_str_eq(shown, "1.eml");
}
END_TEST

/* ---- refused, or only said ----------------------------------------------------------------------------------------
 */

static const struct {
  const char *script, *places;
  guint warnings;
} refusals[] = {
    {SELECT FLAG_DELETED("1:3") "S: @ NO [NOPERM] no\n" LOOK("1:3") HAS("1") HAS("2") HAS("3") OK, "box:1 box:2 box:3",
     3},
    {SELECT FLAG_DELETED("1:3") OK EXPUNGE("1:3") OK LOOK("1:3") HAS("2") OK, "gone box:2 gone", 1},
    /* later: a removal that is asked for is hidden until then */
    {SELECT FLAG_DELETED("1:3") OK EXPUNGE("1:3") "S: @ NO [INUSE] later\n" LOOK("1:3") HAS_DELETED("2") OK,
     "gone box:2@- gone", 0},
    {SELECT FLAG_DELETED("1:3") OK EXPUNGE("1:3") OK LOOK("1:3") "S: @ NO not now\n", "box:1@- box:2@- box:3@-", 0},
};

START_TEST(test_refused) {
  g_autoptr(Replaying) r = replaying_new(ALL, refusals[_i].script);
  r->test->config.remove = CACHE_DELETE_EXPUNGE;
  for (guint i = 0; i < refusals[_i].warnings; i++)
    g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*a removal*undone*");
  replaying_remove(r, 1, 3);
  ck_assert(replaying_step(r, NULL));
  g_test_assert_expected_messages();
  ck_places(r, refusals[_i].places);
}
END_TEST

/* ---- the line was lost ------------------------------------------------------------------------------------------ */

#define LOGIN "next\n" FAKE_LOGIN(ALL)

static void lose(Replaying *r) {
  gboolean alive = TRUE;
  ck_assert(replaying_step(r, &alive));
  ck_assert(!alive);
  test_account_lease(r->test);
}

/* What can be done twice is done twice. */
START_TEST(test_cut_while_purging) {
  g_autoptr(Replaying) r = replaying_new(ALL, SELECT FLAG_DELETED("1:3") "half\n" LOGIN SELECT FLAG_DELETED("1:3")
                                                  OK EXPUNGE("1:3") OK LOOK("1:3") OK);
  r->test->config.remove = CACHE_DELETE_EXPUNGE;
  replaying_remove(r, 1, 3);
  lose(r);
  replaying_all(r);
  ck_places(r, "gone gone gone");
}
END_TEST

START_TEST(test_cut_on_the_way_to_the_trash) {
  g_autoptr(Replaying) r = replaying_new(ALL, NUMBERS SELECT "C: @ UID MOVE 1:3 \"to\"\nhalf\n" LOGIN SELECT LOOK("1:3")
                                                  OK THERE ROW("22", "one") ROW("21", "two") ROW("20", "three") OK);
  r->test->config.trash = (char *)"to";
  replaying_remove(r, 1, 3);
  lose(r);
  replaying_all(r);
  ck_places(r, "to:22 to:21 to:20");
  g_autofree char *shown = replaying_shown(r, r->to);
  ck_assert_str_eq(shown, "1.eml 2.eml 3.eml");
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay_remove");
  TCase *tcase = tcase_create("replay_remove");
  tcase_add_loop_test(tcase, test_remove, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, test_trash_shows_it);
  tcase_add_test(tcase, test_marked_stays_hidden);
  tcase_add_test(tcase, test_marked_comes_back);
  tcase_add_loop_test(tcase, test_refused, 0, G_N_ELEMENTS(refusals));
  tcase_add_test(tcase, test_cut_while_purging);
  tcase_add_test(tcase, test_cut_on_the_way_to_the_trash);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
