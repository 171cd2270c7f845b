/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/box.h"
#include "tests/replaying.h"
#include "tests/suite.h"

#define SELECT_WITH(flags)                                                                                             \
  "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 10] x\n" flags                      \
  "S: @ OK [READ-WRITE] open\n"
#define SELECT SELECT_WITH("")
#define LOOK ASK("1:3", "(UID FLAGS)")
#define IS(uid, flags) "S: * 1 FETCH (UID " uid " FLAGS (" flags "))\n"
#define ADD "C: @ UID STORE 1:3 +FLAGS.SILENT (\\Flagged $Work)\n"
#define TAKE "C: @ UID STORE 1:3 -FLAGS.SILENT (\\Seen)\n"

static const JournalFlags wish = {.add = IMAP_FLAG_FLAGGED, .remove = IMAP_FLAG_SEEN, .add_keywords = "$Work"};

/* "seen flagged $Work" of what is shown of the three, in digits: 1 seen, 4 flagged (ImapFlags) */
static char *shown(Replaying *r) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < r->rows->len; i++) {
    guint flags = 0;
    g_autofree char *keywords = NULL;
    g_autoptr(GError) error = NULL;
    if (!journal_flags(r->test->account.index, g_array_index(r->rows, gint64, i), &flags, &keywords, &error))
      continue;
    g_string_append_printf(text, "%s%u%s%s", i > 0 ? " " : "", flags, keywords ? "+" : "", keywords ? keywords : "");
  }
  return g_string_free(text, FALSE);
}

static const struct {
  const char *script, *flags;
  guint warnings, left;
} rows[] = {
    {SELECT ADD OK TAKE OK LOOK IS("1", "\\Flagged $Work") IS("2", "\\Flagged $Work") IS("3", "\\Flagged $Work") OK,
     "4+$Work 4+$Work 4+$Work", 0, 0},
    /* what others changed meanwhile is taken, too, and a message that is gone waits for the sync */
    {SELECT ADD OK TAKE OK LOOK IS("1", "\\Answered \\Flagged $work") OK, "6+$work 4+$Work 4+$Work", 0, 0},
    /* OK, and nothing done */
    {SELECT ADD OK TAKE OK LOOK IS("1", "\\Seen") IS("2", "\\Flagged $Work") IS("3", "\\Flagged") OK, "1 4+$Work 4", 2,
     0},
    /* the folder keeps no keywords */
    {SELECT_WITH("S: * OK [PERMANENTFLAGS (\\Seen \\Flagged)] x\n") "C: @ UID STORE 1:3 +FLAGS.SILENT (\\Flagged)\n"
                                                                    "S: @ OK\n" TAKE OK LOOK IS("1", "\\Flagged")
                                                                        IS("2", "\\Flagged") IS("3", "\\Flagged") OK,
     "4 4 4", 3, 0},
    /* or nothing at all */
    {SELECT_WITH("S: * OK [PERMANENTFLAGS ()] x\n") LOOK IS("1", "\\Seen") IS("2", "\\Seen") IS("3", "\\Seen") OK,
     "1 1 1", 3, 0},
    {SELECT ADD "S: @ NO [NOPERM] no\n" LOOK IS("1", "\\Seen") IS("2", "\\Seen") IS("3", "\\Seen") OK, "1 1 1", 3, 0},
    /* later: it goes on being shown as it was asked for */
    {SELECT ADD "S: @ NO [UNAVAILABLE] later\n" LOOK IS("1", "\\Seen") IS("2", "\\Seen") IS("3", "\\Seen") OK,
     "4+$Work 4+$Work 4+$Work", 0, 3},
    /* the second half: all of it is to be done again */
    {SELECT ADD OK TAKE "S: @ NO [UNAVAILABLE] later\n" LOOK IS("1", "\\Seen \\Flagged $Work") OK,
     "4+$Work 4+$Work 4+$Work", 0, 3},
    {SELECT ADD OK TAKE OK LOOK "S: @ NO who knows\n", "4+$Work 4+$Work 4+$Work", 0, 0},
};

START_TEST(test_flags) {
  g_autoptr(Replaying) r = replaying_new("UNSELECT", rows[_i].script);
  for (guint i = 0; i < rows[_i].warnings; i++)
    g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*flags*undone*");
  replaying_flag(r, 1, 3, &wish);
  ck_assert(replaying_step(r, NULL));
  g_test_assert_expected_messages();
  g_autofree char *flags = shown(r);
  ck_assert_msg(strcmp(flags, rows[_i].flags) == 0, "row %d: %s", _i, flags);
  ck_assert_uint_eq(replaying_left(r), rows[_i].left);
}
END_TEST

/* Courier: what was appended through this connection has no UID here, and STORE of it is OK, until a NOOP. */
START_TEST(test_courier_looks_again) {
  static const JournalFlags flagged = {.add = IMAP_FLAG_FLAGGED};
  g_autoptr(Replaying) r = replaying_new(
      "UNSELECT", "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: @ OK [READ-WRITE] open\n"
                  "C: @ UID STORE 1 +FLAGS.SILENT (\\Flagged)\n" OK ASK("1", "(UID FLAGS)") IS("1", "\\Flagged") OK
      "C: @ NOOP\nS: * 4 EXISTS\n" OK "C: @ UID STORE 2 +FLAGS.SILENT (\\Flagged)\n" OK ASK("2", "(UID FLAGS)")
          IS("2", "\\Flagged") OK);
  for (guint uid = 1; uid <= 2; uid++) {
    replaying_flag(r, uid, uid, &flagged);
    ck_assert(replaying_step(r, NULL));
  }
  ck_assert_uint_eq(replaying_left(r), 0);
}
END_TEST

/* Can be done twice, so nobody has to know whether it was done. */
START_TEST(test_cut) {
  g_autoptr(Replaying) r = replaying_new("UNSELECT", SELECT ADD "half\nnext\n" FAKE_LOGIN("UNSELECT")
                                                         SELECT ADD OK TAKE OK LOOK IS("1", "\\Flagged $Work") OK);
  gboolean alive = TRUE;
  replaying_flag(r, 1, 3, &wish);
  ck_assert(replaying_step(r, &alive));
  ck_assert(!alive);
  test_account_lease(r->test);
  replaying_all(r);
  ck_assert_uint_eq(replaying_left(r), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("replay_flags");
  TCase *tcase = tcase_create("replay_flags");
  tcase_add_loop_test(tcase, test_flags, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, test_courier_looks_again);
  tcase_add_test(tcase, test_cut);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
