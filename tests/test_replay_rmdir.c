/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/box.h"
#include "tests/replaying.h"
#include "tests/suite.h"

#define BOX(attrs, name) "S: * LIST (" attrs ") \"/\" \"" name "\"\n"
#define LIST(lines) "C: @ LIST \"\" \"*\"\n" lines "S: @ OK\n"
#define COUNT(exists)                                                                                                  \
  "C: @ EXAMINE \"to\"\nS: * " exists                                                                                  \
  " EXISTS\nS: * OK [UIDVALIDITY 5] x\nS: * OK [UIDNEXT 20] x\nS: @ OK [READ-ONLY]\n"
#define DELETE LEAVE "C: @ DELETE \"to\"\n"
#define UNSUBSCRIBE "C: @ UNSUBSCRIBE \"to\"\nS: @ OK\n"

typedef enum { ENDED, BACK, WAITS } Outcome;

static const struct {
  const char *script;
  Outcome outcome;
} rows[] = {
    {LIST(BOX("", "box") BOX("", "to")) COUNT("0") DELETE OK UNSUBSCRIBE, ENDED},
    /* a name that only begins so is no child; and attributes are not asked */
    {LIST(BOX("\\HasChildren", "to") BOX("", "tomorrow")) COUNT("0") DELETE OK UNSUBSCRIBE, ENDED},
    {LIST(BOX("\\HasNoChildren", "to") BOX("", "to/child")), BACK},
    {LIST(BOX("\\HasNoChildren", "to") BOX("\\Noselect", "to/a/b")), BACK},
    {LIST(BOX("", "to")) COUNT("1"), BACK},
    {LIST(BOX("\\Noselect", "to")) "C: @ DELETE \"to\"\nS: @ OK\n" UNSUBSCRIBE, ENDED},
    {LIST(BOX("", "box")), ENDED},
    {LIST(BOX("", "to")) COUNT("0") DELETE "S: @ NO [NOPERM] no\n", BACK},
    {LIST(BOX("", "to")) COUNT("0") DELETE "S: @ NO [NONEXISTENT] gone\n" UNSUBSCRIBE, ENDED},
    {LIST(BOX("", "to")) COUNT("0") DELETE "S: @ NO [INUSE] later\n", WAITS},
    {LIST(BOX("", "to")) "C: @ EXAMINE \"to\"\nS: @ NO [NOPERM] no\n", BACK},
    {"C: @ LIST \"\" \"*\"\nS: @ NO [UNAVAILABLE] later\n", WAITS},
};

static gboolean lives(Replaying *r, gint64 mailbox) {
  g_auto(IndexMailbox) known = {0};
  return index_get_mailbox(r->test->account.index, mailbox, &known, NULL);
}

START_TEST(test_rmdir) {
  g_autoptr(Replaying) r = replaying_new("UNSELECT", rows[_i].script);
  g_autofree char *told = g_strdup_printf("*removal of a folder (%" G_GINT64_FORMAT ")*undone*", r->to);
  if (rows[_i].outcome == BACK)
    g_test_expect_message("cache", G_LOG_LEVEL_WARNING, told);
  replaying_rmdir(r, r->to);
  ck_assert(replaying_step(r, NULL));
  g_test_assert_expected_messages();
  ck_assert_msg(lives(r, r->to) == (rows[_i].outcome != ENDED), "row %d", _i);
  ck_assert_msg(replaying_left(r) == (rows[_i].outcome == WAITS), "row %d", _i);
}
END_TEST

/* DELETE was sent, and its answer lost: LIST says what became of it. */
START_TEST(test_cut) {
  g_autoptr(Replaying) r = replaying_new("UNSELECT", LIST(BOX("", "to")) COUNT("0") DELETE
                                         "half\nnext\n" FAKE_LOGIN("UNSELECT") LIST(BOX("", "box")));
  gboolean alive = TRUE;
  replaying_rmdir(r, r->to);
  ck_assert(replaying_step(r, &alive));
  ck_assert(!alive);
  test_account_lease(r->test);
  replaying_all(r);
  ck_assert(!lives(r, r->to));
}
END_TEST

/* Something is to go there that nobody knew of when the folder was removed. */
START_TEST(test_concerned) {
  g_autoptr(Replaying) r = replaying_new("UNSELECT", LIST(BOX("", "to")) COUNT("0"));
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*removal of a folder*undone*");
  replaying_rmdir(r, r->to);
  replaying_move(r, 1, 1);
  ck_assert(replaying_step(r, NULL));
  g_test_assert_expected_messages();
  ck_assert(lives(r, r->to));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay_rmdir");
  TCase *tcase = tcase_create("replay_rmdir");
  tcase_add_loop_test(tcase, test_rmdir, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, test_cut);
  tcase_add_test(tcase, test_concerned);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
