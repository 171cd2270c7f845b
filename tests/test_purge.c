/* SPDX-License-Identifier: MIT */
#include "cache/replay/purge.h"

#include <string.h>

#include "tests/box.h"
#include "tests/suite.h"

#define SELECT                                                                                                         \
  "C: @ SELECT \"box\"\nS: * 3 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 10] x\nS: @ OK [READ-WRITE] open\n"
#define STORE "C: @ UID STORE 1:3 +FLAGS.SILENT (\\Deleted)\n"
#define EXPUNGE "C: @ UID EXPUNGE 1:3\n"
#define LOOK ASK("1:3", "(UID FLAGS)")
#define HAS(uid) "S: * 1 FETCH (UID " uid " FLAGS (\\Seen))\n"
#define HAS_DELETED(uid) "S: * 1 FETCH (UID " uid " FLAGS (\\Seen \\Deleted))\n"
#define FINE -1
#define LOST -2

static const struct {
  const char *capabilities;
  gboolean mark;
  const char *script, *outcome; /* gone/marked/kept */
  int refusal;                  /* ImapError, FINE, or LOST: nothing is known */
} dialogues[] = {
    {"UIDPLUS", FALSE, STORE OK EXPUNGE OK LOOK OK, "1:3//", FINE},
    /* other UIDs are others' */
    {"UIDPLUS", FALSE, STORE OK EXPUNGE OK LOOK HAS_DELETED("9") OK, "1:3//", FINE},
    {"UIDPLUS", FALSE, STORE OK EXPUNGE OK LOOK HAS("2") HAS_DELETED("3") OK, "1/3/2", FINE},
    {"UIDPLUS", FALSE, STORE OK EXPUNGE "S: @ NO [NOPERM] no\n" LOOK HAS_DELETED("1") HAS_DELETED("2") OK, "3/1:2/",
     IMAP_ERROR_PERMISSION},
    /* nothing is expunged that could not be flagged */
    {"UIDPLUS", FALSE, STORE "S: @ NO [READ-ONLY] no\n" LOOK HAS("1") HAS("2") HAS("3") OK, "//1:3",
     IMAP_ERROR_READONLY},
    {"UIDPLUS", TRUE, STORE OK LOOK HAS_DELETED("1") HAS_DELETED("2") OK, "3/1:2/", FINE},
    {"", FALSE, STORE OK LOOK HAS_DELETED("1") HAS_DELETED("2") HAS_DELETED("3") OK, "/1:3/", FINE},
    {"UIDPLUS", FALSE, STORE "half\n", "", LOST},
    {"UIDPLUS", FALSE, STORE OK EXPUNGE "half\n", "", LOST},
    {"UIDPLUS", FALSE, STORE OK EXPUNGE OK LOOK "S: @ NO not now\n", "", LOST},
    /* it was done, and then the line was lost */
    {"UIDPLUS", TRUE, STORE "S: * BYE enough\n" OK, "", LOST},
    {"UIDPLUS", FALSE, STORE OK EXPUNGE "S: * BYE enough\n" OK, "", LOST},
};

static char *describe(const Purge *purge) {
  if (!purge->gone)
    return g_strdup("");
  g_autofree char *gone = imap_seqset_format(purge->gone), *marked = imap_seqset_format(purge->marked),
                  *kept = imap_seqset_format(purge->kept);
  return g_strdup_printf("%s/%s/%s", gone, marked, kept);
}

static gboolean run(TestAccount *test, const ImapMailbox *opened, gboolean mark, Purge *ret, GError **error) {
  g_autoptr(ImapSeqset) uids = imap_seqset_parse("1:3", 3, 0);
  return purge_run(&test->account, test->conn, opened, uids, mark, ret, error);
}

START_TEST(test_dialogue) {
  g_autofree char *script = g_strconcat(SELECT, dialogues[_i].script, NULL);
  g_autoptr(TestAccount) test = box_start(dialogues[_i].capabilities, script);
  g_auto(ImapMailbox) opened = {0};
  g_auto(Purge) purge = {0};
  g_autoptr(GError) error = NULL;
  int refusal = dialogues[_i].refusal;
  ck_assert(imap_examine(test->conn, "box", FALSE, &opened, NULL, NULL));
  gboolean known = run(test, &opened, dialogues[_i].mark, &purge, &error);
  g_autofree char *outcome = describe(&purge);
  ck_assert_msg(strcmp(outcome, dialogues[_i].outcome) == 0, "row %d: %s", _i, outcome);
  ck_assert_msg(known == (refusal != LOST) && known == (error == NULL), "row %d", _i);
  ck_assert_msg(refusal < 0 || g_error_matches(purge.refusal, IMAP_ERROR, refusal), "row %d", _i);
  ck_assert_msg(refusal != FINE || !purge.refusal, "row %d", _i);
}
END_TEST

START_TEST(test_deleted_does_not_last) {
  g_autoptr(TestAccount) test =
      box_start("UIDPLUS", "C: @ SELECT \"box\"\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 10] x\n"
                           "S: * OK [PERMANENTFLAGS (\\Seen)] x\nS: @ OK [READ-WRITE] open\n" LOOK HAS("1") OK);
  g_auto(ImapMailbox) opened = {0};
  g_auto(Purge) purge = {0};
  ck_assert(imap_examine(test->conn, "box", FALSE, &opened, NULL, NULL));
  ck_assert(!purge_is_possible(&opened));
  ck_assert(run(test, &opened, FALSE, &purge, NULL));
  g_autofree char *outcome = describe(&purge);
  ck_assert_str_eq(outcome, "2:3//1");
  ck_assert(g_error_matches(purge.refusal, IMAP_ERROR, IMAP_ERROR_PERMISSION));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("purge");
  TCase *tcase = tcase_create("purge");
  tcase_add_loop_test(tcase, test_dialogue, 0, G_N_ELEMENTS(dialogues));
  tcase_add_test(tcase, test_deleted_does_not_last);
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
