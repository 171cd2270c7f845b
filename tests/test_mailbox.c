/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/session.h"
#include "tests/suite.h"

/* ---- logins ------------------------------------------------------------------------------------------ */

#define ALL "ENABLE CONDSTORE QRESYNC ESEARCH UNSELECT"
#define QRESYNC FAKE_LOGIN(ALL) "C: @ ENABLE QRESYNC\nS: * ENABLED QRESYNC\nS: @ OK\n"
#define NO_ESEARCH FAKE_LOGIN("ENABLE QRESYNC") "C: @ ENABLE QRESYNC\nS: * ENABLED CONDSTORE QRESYNC\nS: @ OK\n"
#define CONDSTORE FAKE_LOGIN("ENABLE CONDSTORE ESEARCH") "C: @ ENABLE CONDSTORE\nS: * ENABLED CONDSTORE\nS: @ OK\n"
#define SILENT FAKE_LOGIN(ALL) "C: @ ENABLE QRESYNC\nS: @ OK\n"
#define PLAIN FAKE_LOGIN("ESEARCH")

static const struct {
  const char *login;
  char *disable[3];
  ImapDelta delta;
} deltas[] = {
    {QRESYNC, {NULL}, IMAP_DELTA_QRESYNC},
    {NO_ESEARCH, {NULL}, IMAP_DELTA_QRESYNC},
    {CONDSTORE, {NULL}, IMAP_DELTA_CONDSTORE},
    {SILENT, {NULL}, IMAP_DELTA_CONDSTORE}, /* iCloud: nothing is enabled that was not confirmed */
    {PLAIN, {NULL}, IMAP_DELTA_PLAIN},
    {FAKE_LOGIN("CONDSTORE QRESYNC"), {NULL}, IMAP_DELTA_CONDSTORE},
    {FAKE_LOGIN(ALL) "C: @ ENABLE QRESYNC\nS: @ NO\n", {NULL}, IMAP_DELTA_CONDSTORE},
    {FAKE_LOGIN(ALL) "C: @ ENABLE QRESYNC\nS: @ BAD\n", {NULL}, IMAP_DELTA_CONDSTORE},
    {FAKE_LOGIN(ALL) "C: @ ENABLE QRESYNC\nS: * ENABLED\nS: @ OK\n", {NULL}, IMAP_DELTA_CONDSTORE},
    {FAKE_LOGIN(ALL) "C: @ ENABLE QRESYNC\nS: * ENABLED CONDSTORE\nS: @ OK\n", {NULL}, IMAP_DELTA_CONDSTORE},
    {FAKE_LOGIN(ALL) "C: @ ENABLE QRESYNC\nS: * enabled qresync\nS: @ OK\n", {NULL}, IMAP_DELTA_QRESYNC},
    {FAKE_LOGIN(ALL) "C: @ ENABLE CONDSTORE\nS: * ENABLED CONDSTORE\nS: @ OK\n", {"qresync"}, IMAP_DELTA_CONDSTORE},
    {FAKE_LOGIN(ALL), {"CONDSTORE"}, IMAP_DELTA_PLAIN}, /* what QRESYNC stands on */
    {FAKE_LOGIN(ALL), {"ENABLE"}, IMAP_DELTA_CONDSTORE},
    {FAKE_LOGIN(ALL), {"QRESYNC", "CONDSTORE"}, IMAP_DELTA_PLAIN},
};

START_TEST(test_delta) {
  g_auto(Session) s = session_log_in(deltas[_i].login, (char **)deltas[_i].disable, 0, "C: @ NOOP\nS: @ OK\n");
  ck_assert_msg(imap_conn_delta(s.conn) == deltas[_i].delta, "row %d: %d", _i, (int)imap_conn_delta(s.conn));
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

/* ---- since ------------------------------------------------------------------------------------------- */

#define KNOWN "C: @ EXAMINE \"a\" (QRESYNC (77 1000 1:99))\n"
#define SEARCH "C: @ UID SEARCH RETURN (ALL) ALL\n"
#define HEAD "S: * 3 EXISTS\nS: * OK [UIDVALIDITY 77] x\nS: * OK [UIDNEXT 103] x\n"
#define ENOUGH HEAD "S: * OK [HIGHESTMODSEQ 1010] x\nS: @ OK [READ-ONLY] done\n"
#define FOUND SEARCH "S: * ESEARCH (TAG \"x\") UID ALL 1:2,102\nS: @ OK\n"

static const struct {
  const char *login;
  ImapDelta delta;
  ImapKnown known;
  const char *dialogue;
  gboolean resumed;
  guint64 modseq;
  const char *changed, *vanished, *uids;
} rows[] = {
    /* 0: all of it: a new message, one that changed, some that went */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN HEAD "S: * OK [HIGHESTMODSEQ 1010] x\n"
                "S: * VANISHED (EARLIER) 3:5\nS: * VANISHED (EARLIER) 9\n"
                "S: * 2 FETCH (UID 2 FLAGS (\\Flagged) MODSEQ (1005))\n"
                "S: * 3 FETCH (UID 102 FLAGS () MODSEQ (1010))\n"
                "S: @ OK [READ-ONLY] done\n" FOUND,
     TRUE,
     1010,
     "2:flagged 102: ",
     "3:5,9",
     "1:2,102"},
    /* 1: another UIDVALIDITY: what is told is not a delta */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {76, 100, 1000},
     "C: @ EXAMINE \"a\" (QRESYNC (76 1000 1:99))\n" ENOUGH FOUND,
     FALSE,
     1010,
     "",
     "",
     "1:2,102"},
    /* 2: no mod-sequences in this mailbox */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN HEAD "S: * OK [NOMODSEQ] x\nS: @ OK\n" FOUND,
     FALSE,
     0,
     "",
     "",
     "1:2,102"},
    /* 3: Purelymail */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN HEAD "S: * OK [HIGHESTMODSEQ 0] x\nS: @ OK\n" FOUND,
     FALSE,
     0,
     "",
     "",
     "1:2,102"},
    /* 4: Zoho */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN HEAD "S: * OK [HIGHESTMODSEQ -1] x\nS: @ OK\n" FOUND,
     FALSE,
     0,
     "",
     "",
     "1:2,102"},
    /* 5: a backup was restored */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN HEAD "S: * OK [HIGHESTMODSEQ 999] x\nS: @ OK\n" FOUND,
     FALSE,
     999,
     "",
     "",
     "1:2,102"},
    /* 6: nothing to resume from: not known, never listed, weaker wish */
    {QRESYNC, IMAP_DELTA_QRESYNC, {77, 100, 0}, "C: @ EXAMINE \"a\"\n" ENOUGH FOUND, FALSE, 1010, "", "", "1:2,102"},
    {QRESYNC, IMAP_DELTA_QRESYNC, {0, 100, 1000}, "C: @ EXAMINE \"a\"\n" ENOUGH FOUND, FALSE, 1010, "", "", "1:2,102"},
    {QRESYNC,
     IMAP_DELTA_CONDSTORE,
     {77, 100, 1000},
     "C: @ EXAMINE \"a\"\n" ENOUGH FOUND,
     FALSE,
     1010,
     "",
     "",
     "1:2,102"},
    /* 9: an empty mailbox is known: no UIDs to name */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 1, 1000},
     "C: @ EXAMINE \"a\" (QRESYNC (77 1000))\n" ENOUGH FOUND,
     TRUE,
     1010,
     "",
     "",
     "1:2,102"},
    /* 10: what is no claim of the delta: VANISHED of now, EXPUNGE, flags without UID; and what cannot be read */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN "S: * 9 EXISTS\nS: * 5 EXPUNGE\nS: * VANISHED 7\nS: * VANISHED (EARLIER)\nS: * VANISHED (EARLIER) 1:*\n"
           "S: * 2 FETCH (FLAGS (\\Flagged))\nS: * 2 FETCH (UID 2)\n" ENOUGH FOUND,
     TRUE,
     1010,
     "",
     "",
     "1:2,102"},
    /* 11: Horde was wiped by this: the claim is passed on, and contradicts the set */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN "S: * VANISHED (EARLIER) 1:26183,26185\n" ENOUGH FOUND,
     TRUE,
     1010,
     "",
     "1:26183,26185",
     "1:2,102"},
    /* 12: flags that move while the UIDs are searched are told, the numbers stay */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN ENOUGH SEARCH "S: * 4 EXISTS\nS: * OK [HIGHESTMODSEQ 1011] x\nS: * 1 FETCH (UID 1 FLAGS (\\Flagged))\n"
                         "S: * ESEARCH (TAG \"x\") UID ALL 1:2,102:103\nS: @ OK\n",
     TRUE,
     1010,
     "1:flagged ",
     "",
     "1:2,102:103"},
    /* 13: two counts: the first is surely told */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN "S: * OK [HIGHESTMODSEQ 1005] x\n" ENOUGH FOUND,
     TRUE,
     1005,
     "",
     "",
     "1:2,102"},
    /* 14: the parameter is refused: once more without it */
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN "S: @ BAD what\n" SEARCH "S: @ BAD nothing selected\nC: @ EXAMINE \"a\"\n" ENOUGH FOUND,
     FALSE,
     1010,
     "",
     "",
     "1:2,102"},
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN "S: @ NO not so\n" SEARCH "S: @ BAD nothing selected\nC: @ EXAMINE \"a\"\n" ENOUGH FOUND,
     FALSE,
     1010,
     "",
     "",
     "1:2,102"},
    /* 16: no ESEARCH, or one that answers with a count (iCloud), or not at all: no set */
    {NO_ESEARCH, IMAP_DELTA_QRESYNC, {77, 100, 1000}, KNOWN ENOUGH, TRUE, 1010, "", "", "-"},
    {QRESYNC,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     KNOWN ENOUGH SEARCH "S: * ESEARCH (TAG \"x\") UID COUNT 3\nS: @ OK\n",
     TRUE,
     1010,
     "",
     "",
     "-"},
    {QRESYNC, IMAP_DELTA_QRESYNC, {77, 100, 1000}, KNOWN ENOUGH SEARCH "S: @ NO busy\n", TRUE, 1010, "", "", "-"},
    /* 19: CONDSTORE: switched on at login, else with the opening */
    {CONDSTORE,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     "C: @ EXAMINE \"a\"\n" ENOUGH FOUND,
     FALSE,
     1010,
     "",
     "",
     "1:2,102"},
    {SILENT,
     IMAP_DELTA_QRESYNC,
     {77, 100, 1000},
     "C: @ EXAMINE \"a\" (CONDSTORE)\n" ENOUGH FOUND,
     FALSE,
     1010,
     "",
     "",
     "1:2,102"},
    {SILENT, IMAP_DELTA_PLAIN, {77, 100, 1000}, "C: @ EXAMINE \"a\"\n" ENOUGH FOUND, FALSE, 1010, "", "", "1:2,102"},
    {SILENT,
     IMAP_DELTA_CONDSTORE,
     {77, 100, 1000},
     "C: @ EXAMINE \"a\" (CONDSTORE)\nS: @ BAD\n" SEARCH "S: @ BAD\nC: @ EXAMINE \"a\"\n" ENOUGH FOUND,
     FALSE,
     1010,
     "",
     "",
     "1:2,102"},
    /* 23: none of it; a number that is called HIGHESTMODSEQ all the same (Yahoo) means nothing */
    {PLAIN, IMAP_DELTA_QRESYNC, {77, 100, 1000}, "C: @ EXAMINE \"a\"\n" ENOUGH FOUND, FALSE, 0, "", "", "1:2,102"},
};

START_TEST(test_since) {
  g_auto(Session) s = session_log_in(rows[_i].login, NULL, 0, rows[_i].dialogue);
  g_auto(ImapChanges) changes = {0};
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) changed = g_string_new(NULL);
  gboolean ok = imap_examine_since(s.conn, "a", TRUE, rows[_i].delta, &rows[_i].known, TRUE, tell_changed, changed,
                                   &changes, NULL, &error);
  ck_assert_msg(ok, "row %d: %s", _i, error != NULL ? error->message : "");
  ck_assert_msg(changes.resumed == rows[_i].resumed, "row %d", _i);
  ck_assert_msg(strcmp(changed->str, rows[_i].changed) == 0, "row %d: %s", _i, changed->str);
  check_set(changes.vanished, rows[_i].vanished, "vanished", _i);
  check_set(changes.uids, rows[_i].uids, "the set", _i);
  ck_assert_msg(changes.mailbox.modseq == rows[_i].modseq, "row %d", _i);
  ck_assert_uint_eq(changes.mailbox.exists, 3);
  ck_assert_uint_eq(changes.mailbox.uidnext, 103);
  ck_assert_str_eq(imap_selected(s.conn), "a");
}
END_TEST

/* ---- afresh --------------------------------------------------------------------------------------------- */

static void open_since(Session *s, const char *mailbox, ImapChanges *ret, GString *changed) {
  static const ImapKnown known = {77, 100, 1000};
  g_autoptr(GError) error = NULL;
  gboolean ok = imap_examine_since(s->conn, mailbox, TRUE, IMAP_DELTA_QRESYNC, &known, FALSE, tell_changed, changed,
                                   ret, NULL, &error);
  ck_assert_msg(ok, "%s", error != NULL ? error->message : "");
}

/* What is selected is left first, in the same round trip: the fake reads all three before it answers the first. */
START_TEST(test_leaves_first) {
  g_auto(Session) s = session_log_in(QRESYNC, NULL, 0,
                                     "C: @ EXAMINE \"a\"\nS: * 9 EXISTS\nS: @ OK\n"
                                     "C: @ UNSELECT\n"
                                     "C: @ EXAMINE \"a\" (QRESYNC (77 1000 1:99))\n"
                                     "S: * VANISHED (EARLIER) 1:9\n"
                                     "S: * 1 FETCH (UID 1 FLAGS (\\Flagged))\n"
                                     "S: * 8 EXISTS\n"
                                     "S: @5 OK left\n"
                                     "S: * OK [UIDVALIDITY 77] x\n"
                                     "S: * OK [HIGHESTMODSEQ 1010] x\n"
                                     "S: * 2 FETCH (UID 2 FLAGS (\\Flagged))\n"
                                     "S: @6 OK\n");
  g_auto(ImapChanges) changes = {0};
  g_autoptr(GString) changed = g_string_new(NULL);
  ck_assert(imap_examine(s.conn, "a", TRUE, NULL, NULL, NULL));
  open_since(&s, "a", &changes, changed);
  ck_assert_str_eq(changed->str, "2:flagged ");
  check_set(changes.vanished, "", "vanished", 0);
  check_set(changes.uids, "-", "the set", 0);
  ck_assert_uint_eq(changes.mailbox.exists, 0); /* none said: some servers are silent about an empty mailbox */
  ck_assert(changes.resumed);
}
END_TEST

/* Without UNSELECT, [CLOSED] is the line between the two; where it does not come either, nothing is resumed. */
START_TEST(test_closed) {
  g_autofree char *dialogue = g_strdup_printf("C: @ EXAMINE \"b\"\nS: @ OK\n"
                                              "C: @ EXAMINE \"a\" (QRESYNC (77 1000 1:99))\n"
                                              "S: * 1 FETCH (UID 1 FLAGS (\\Flagged))\n"
                                              "S: * 9 EXISTS\n"
                                              "S: * OK [HIGHESTMODSEQ 5] x\n%s"
                                              "S: * OK [UIDVALIDITY 77] x\n"
                                              "S: * OK [HIGHESTMODSEQ 1010] x\n"
                                              "S: * 2 FETCH (UID 2 FLAGS (\\Flagged))\n"
                                              "S: @ OK\n",
                                              _i ? "S: * OK [CLOSED] left\n" : "");
  g_auto(Session) s = session_log_in(NO_ESEARCH, NULL, 0, dialogue);
  g_auto(ImapChanges) changes = {0};
  g_autoptr(GString) changed = g_string_new(NULL);
  ck_assert(imap_examine(s.conn, "b", TRUE, NULL, NULL, NULL));
  open_since(&s, "a", &changes, changed);
  ck_assert_str_eq(changed->str, _i ? "2:flagged " : "");
  ck_assert_uint_eq(changes.mailbox.exists, _i ? 0 : 9);
  ck_assert_uint_eq(changes.mailbox.modseq, _i ? 1010 : 5);
  ck_assert(changes.resumed == _i);
}
END_TEST

/* A name that waits for "+" must not stand behind an unanswered command. */
START_TEST(test_literal_name) {
  g_auto(Session) s = session_log_in(QRESYNC, NULL, 0,
                                     "C: @ EXAMINE \"a\"\nS: @ OK\n"
                                     "C: @ UNSELECT\nS: @ OK\n"
                                     "C: @ EXAMINE {3}\nS: + go on\n"
                                     "C: a?x (QRESYNC (77 1000 1:99))\n"
                                     "S: * OK [UIDVALIDITY 77] x\nS: * OK [HIGHESTMODSEQ 1010] x\nS: @ OK\n");
  g_auto(ImapChanges) changes = {0};
  g_autoptr(GString) changed = g_string_new(NULL);
  ck_assert(imap_examine(s.conn, "a", TRUE, NULL, NULL, NULL));
  open_since(&s, "a\tx", &changes, changed);
  ck_assert(changes.resumed);
}
END_TEST

/* What has nothing to do with the parameter is not asked twice; and the next opening is a clean one. */
START_TEST(test_refused) {
  g_auto(Session) s = session_log_in(QRESYNC, NULL, 0,
                                     "C: @ EXAMINE \"a\" (QRESYNC (77 1000 1:99))\nS: @ NO [NONEXISTENT] gone\n"
                                     "C: @ EXAMINE \"b\" (QRESYNC (77 1000 1:99))\nS: @ NO [UNAVAILABLE] later\n"
                                     "C: @ EXAMINE \"c\" (QRESYNC (77 1000 1:99))\nS: @ NO so\n"
                                     "C: @ EXAMINE \"c\"\nS: @ NO so\n"
                                     "C: @ EXAMINE \"d\" (QRESYNC (77 1000 1:99))\nS: @ NO so\n"
                                     "C: @ EXAMINE \"d\"\nS: @ OK\n"
                                     "C: @ UNSELECT\nS: @ OK\n"
                                     "C: @ EXAMINE \"e\"\nS: @ OK\n");
  static const ImapKnown known = {77, 100, 1000};
  static const int codes[] = {IMAP_ERROR_GONE, IMAP_ERROR_UNAVAILABLE, IMAP_ERROR_REFUSED};
  for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
    char name[] = {(char)('a' + i), '\0'};
    g_auto(ImapChanges) changes = {0};
    g_autoptr(GError) error = NULL;
    ck_assert(
        !imap_examine_since(s.conn, name, TRUE, IMAP_DELTA_QRESYNC, &known, FALSE, NULL, NULL, &changes, NULL, &error));
    ck_assert_msg(g_error_matches(error, IMAP_ERROR, codes[i]), "%s: %s", name, error->message);
    ck_assert_ptr_null(imap_selected(s.conn));
    ck_assert_int_eq(imap_conn_delta(s.conn), IMAP_DELTA_QRESYNC);
  }
  g_auto(ImapChanges) d = {0}, e = {0};
  open_since(&s, "d", &d, NULL);
  ck_assert_int_eq(imap_conn_delta(s.conn), IMAP_DELTA_CONDSTORE); /* it is not tried again */
  open_since(&s, "e", &e, NULL);
  ck_assert(!d.resumed && !e.resumed);
}
END_TEST

/* A server that names more UIDs than a mailbox can hold, a few at a time. */
START_TEST(test_vanished_limit) {
  g_autoptr(GString) dialogue = g_string_new(KNOWN);
  guint32 uid = 1;
  for (guint line = 0; line < 17; line++) {
    g_string_append(dialogue, "S: * VANISHED (EARLIER) 1");
    for (guint i = 0; i < (1u << 16); i++, uid += 2)
      g_string_append_printf(dialogue, ",%u", uid);
    g_string_append(dialogue, "\n");
  }
  g_string_append(dialogue, "stall\n");
  g_auto(Session) s = session_log_in(QRESYNC, NULL, 0, dialogue->str);
  static const ImapKnown known = {77, 100, 1000};
  g_auto(ImapChanges) changes = {0};
  g_autoptr(GError) error = NULL;
  ck_assert(
      !imap_examine_since(s.conn, "a", TRUE, IMAP_DELTA_QRESYNC, &known, FALSE, NULL, NULL, &changes, NULL, &error));
  ck_assert_msg(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LIMIT), "%s", error->message);
  ck_assert(imap_conn_failed(s.conn));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("mailbox");
  TCase *tc = tcase_create("fake");
  tcase_add_loop_test(tc, test_delta, 0, G_N_ELEMENTS(deltas));
  tcase_add_loop_test(tc, test_since, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tc, test_leaves_first);
  tcase_add_loop_test(tc, test_closed, 0, 2);
  tcase_add_test(tc, test_literal_name);
  tcase_add_test(tc, test_refused);
  tcase_add_test(tc, test_vanished_limit);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
