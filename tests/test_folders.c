/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/session.h"
#include "tests/suite.h"

/* ---- CREATE ----------------------------------------------------------------------------------------- */

#define LOOK(name, lines) "C: @ LIST \"\" \"" name "\"\n" lines "S: @ OK\n"
#define CREATE "C: @ CREATE \"a/b\""

static const struct {
  const char *capabilities;
  guint use;
  const char *dialogue, *mailboxid; /* NULL: none */
} creations[] = {
    {"", 0, CREATE "\nS: @ OK\n", NULL},
    {"OBJECTID", 0, CREATE "\nS: @ OK [MAILBOXID (F22)] x\n", "F22"},
    {"SPECIAL-USE", IMAP_ATTR_TRASH, CREATE "\nS: @ OK\n", NULL},
    {"CREATE-SPECIAL-USE", 0, CREATE "\nS: @ OK\n", NULL},
    {"CREATE-SPECIAL-USE", IMAP_ATTR_TRASH, CREATE " (USE (\\Trash))\nS: @ OK [MAILBOXID (F1)]\n", "F1"},
    {"CREATE-SPECIAL-USE", IMAP_ATTR_SENT, CREATE " (USE (\\Sent))\nS: @ OK\n", NULL},
    {"CREATE-SPECIAL-USE", IMAP_ATTR_NOSELECT, CREATE "\nS: @ OK\n", NULL},
    {"", 0, CREATE "\nS: @ OK [COPYUID 1 1 1] odd\n", NULL},
};

START_TEST(test_create) {
  g_autofree char *dialogue = g_strconcat(LOOK("a/b", ""), creations[_i].dialogue, NULL);
  g_auto(Session) s = session_new(creations[_i].capabilities, dialogue);
  g_autofree char *mailboxid = NULL;
  ck_assert(imap_create(s.conn, "a/b", creations[_i].use, &mailboxid, NULL, NULL));
  ck_assert_msg(g_strcmp0(mailboxid, creations[_i].mailboxid) == 0, "row %d: %s", _i, mailboxid);
}
END_TEST

/* Whose it is. */
static const struct {
  const char *look, *answer;
  int code; /* ImapError, or -1 */
} races[] = {
    {LOOK("a/b", ""), "NO [ALREADYEXISTS] Mailbox already exists", -1},
    {LOOK("a/b", "S: * LIST () \"/\" a/bc\n"), "NO Mailbox already exists", -1},
    {LOOK("a/b", "S: * LIST () \"/\" a/b\n"), "NO [ALREADYEXISTS] x", IMAP_ERROR_EXISTS},
    {LOOK("a/b", "S: * LIST () \"/\" a/b\n"), "NO Cannot create this folder.", IMAP_ERROR_EXISTS},
    {LOOK("a/b", "S: * LIST () \"/\" a/b\n"), "OK somebody removed it", -1},
    {LOOK("a/b", "S: * LIST (\\Noselect) \"/\" a/b\n"), "NO [ALREADYEXISTS] x", IMAP_ERROR_EXISTS},
    {LOOK("a/b", "S: * LIST (\\Noselect) \"/\" a/b\n"), "OK", -1},
    {LOOK("a/b", ""), "NO Cannot create this folder.", IMAP_ERROR_REFUSED},
    {"C: @ LIST \"\" \"a/b\"\nS: @ NO what\n", "NO [ALREADYEXISTS] x", IMAP_ERROR_EXISTS},
    {"C: @ LIST \"\" \"a/b\"\nS: @ NO what\n", "OK", -1},
};

START_TEST(test_what_was_there) {
  g_autofree char *dialogue = g_strconcat(races[_i].look, CREATE "\nS: @ ", races[_i].answer, "\n", NULL);
  g_auto(Session) s = session_new("", dialogue);
  g_autoptr(GError) error = NULL;
  g_autofree char *mailboxid = NULL;
  ck_assert_int_eq(imap_create(s.conn, "a/b", 0, &mailboxid, NULL, &error), races[_i].code < 0);
  ck_assert_msg((error ? error->code : -1) == races[_i].code, "row %d: %s", _i, error ? error->message : "no error");
  ck_assert_ptr_null(mailboxid);
}
END_TEST

/* Both are on their way before the first is answered. */
START_TEST(test_look_costs_no_round_trip) {
  g_auto(Session) s = session_new("", "C: @ LIST \"\" \"a/b\"\n" CREATE "\nS: @3 OK\nS: @4 OK\n");
  ck_assert(imap_create(s.conn, "a/b", 0, NULL, NULL, NULL));
}
END_TEST

/* Nobody waits for a line that does not even answer that. */
START_TEST(test_silence) {
  g_auto(Session) s = session_log_in(FAKE_LOGIN(""), NULL, 60, "C: @ LIST \"\" \"a/b\"\n" CREATE "\nstall\n");
  g_autoptr(GError) error = NULL;
  ck_assert(!imap_create(s.conn, "a/b", 0, NULL, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_TIMEOUT));
  ck_assert(imap_conn_failed(s.conn));
}
END_TEST

/* What a refusal means, in codes and in words. */
static const struct {
  const char *answer;
  ImapError code;
} refusals[] = {
    {"NO [ALREADYEXISTS] x", IMAP_ERROR_EXISTS},
    {"NO Mailbox already exists", IMAP_ERROR_EXISTS}, /* Exchange, Dovecot, Cyrus */
    {"NO Mailbox exists.", IMAP_ERROR_EXISTS},
    {"NO RENAME failed: File exists", IMAP_ERROR_EXISTS},                      /* Courier */
    {"NO Mailbox does not exist, or must be subscribed to.", IMAP_ERROR_GONE}, /* the same */
    {"NO Cannot create this folder.", IMAP_ERROR_REFUSED},                     /* the same, where it exists: LIST */
    {"NO [NONEXISTENT] x", IMAP_ERROR_GONE},
    {"NO Mailbox does not exist", IMAP_ERROR_GONE},   /* Cyrus */
    {"NO Mailbox doesn't exist: x", IMAP_ERROR_GONE}, /* Dovecot */
    {"NO No such mailbox", IMAP_ERROR_GONE},
    {"NO [NOPERM] x", IMAP_ERROR_PERMISSION},
    {"NO Permission denied", IMAP_ERROR_PERMISSION}, /* Cyrus */
    {"NO [CANNOT] already exists", IMAP_ERROR_REFUSED},
    {"NO [USEATTR] no second one", IMAP_ERROR_REFUSED},
    {"NO [HASCHILDREN] x", IMAP_ERROR_REFUSED},
    {"NO [INUSE] x", IMAP_ERROR_UNAVAILABLE},
    {"NO [LIMIT] x", IMAP_ERROR_UNAVAILABLE},
    {"NO [OVERQUOTA] x", IMAP_ERROR_QUOTA},
    {"NO Invalid mailbox name", IMAP_ERROR_REFUSED},
    {"NO", IMAP_ERROR_REFUSED},
    {"BAD Invalid name", IMAP_ERROR_REFUSED},
};

START_TEST(test_refusal) {
  g_autofree char *dialogue = g_strdup_printf(
      LOOK("x", "S: * LIST () \"/\" y\n") "C: @ CREATE \"x\"\nS: @ %s\nC: @ DELETE \"x\"\nS: @ %s\n"
                                          "C: @ RENAME \"x\" \"y\"\nS: @ %s\nC: @ SUBSCRIBE \"x\"\nS: @ %s\n",
      refusals[_i].answer, refusals[_i].answer, refusals[_i].answer, refusals[_i].answer);
  g_auto(Session) s = session_new("", dialogue);
  GError *errors[4] = {NULL};
  gboolean ours = refusals[_i].code == IMAP_ERROR_EXISTS; /* see above */
  ck_assert_int_eq(imap_create(s.conn, "x", 0, NULL, NULL, &errors[0]), ours);
  ck_assert(!imap_delete(s.conn, "x", NULL, &errors[1]));
  ck_assert(!imap_rename(s.conn, "x", "y", NULL, &errors[2]));
  ck_assert(!imap_subscribe(s.conn, "x", TRUE, NULL, &errors[3]));
  for (guint i = ours ? 1 : 0; i < 4; i++) {
    gboolean names = i % 2 == 0; /* CREATE and RENAME */
    gboolean invalid = names && (strstr(refusals[_i].answer, "Invalid") || strstr(refusals[_i].answer, "CANNOT"));
    ImapError expected = invalid ? IMAP_ERROR_INVALID : refusals[_i].code;
    if (i == 1 && expected == IMAP_ERROR_EXISTS) /* DELETE: see there */
      expected = IMAP_ERROR_UNAVAILABLE;
    ck_assert_msg(errors[i]->code == (int)expected, "row %d: %d, %s", _i, errors[i]->code, errors[i]->message);
    g_error_free(errors[i]);
  }
  ck_assert(!imap_conn_failed(s.conn));
}
END_TEST

/* ---- the others ------------------------------------------------------------------------------------------ */

START_TEST(test_delete_and_rename) {
  g_auto(Session) s = session_new("UNSELECT", "C: @ DELETE \"a\"\nS: @ OK\n"
                                              "C: @ RENAME \"a\" \"b \\\"c\\\"\"\nS: @ OK\n"
                                              "C: @ SUBSCRIBE \"INBOX\"\nS: @ OK\n"
                                              "C: @ UNSUBSCRIBE \"a\"\nS: @ OK\n");
  ck_assert(imap_delete(s.conn, "a", NULL, NULL));
  ck_assert(imap_rename(s.conn, "a", "b \"c\"", NULL, NULL));
  ck_assert(imap_subscribe(s.conn, "INBOX", TRUE, NULL, NULL));
  ck_assert(imap_subscribe(s.conn, "a", FALSE, NULL, NULL));
}
END_TEST

/* What is taken away or renamed must not be where we are. */
START_TEST(test_leaves_first) {
  g_auto(Session) s = session_new(
      "UNSELECT", "C: @ EXAMINE \"a\"\nS: @ OK\nC: @ UNSELECT\nS: @ OK\nC: @ DELETE \"a\"\nS: @ OK\n"
                  "C: @ EXAMINE \"b\"\nS: @ OK\nC: @ UNSELECT\nS: @ OK\nC: @ RENAME \"a\" \"c\"\nS: @ OK\n");
  ck_assert(imap_examine(s.conn, "a", TRUE, NULL, NULL, NULL));
  ck_assert(imap_delete(s.conn, "a", NULL, NULL));
  ck_assert(imap_examine(s.conn, "b", TRUE, NULL, NULL, NULL));
  ck_assert(imap_rename(s.conn, "a", "c", NULL, NULL));
  ck_assert_ptr_null(imap_selected(s.conn));
}
END_TEST

/* Without UNSELECT something else must be opened. */
START_TEST(test_leaves_for_inbox) {
  g_auto(Session) s =
      session_new("", "C: @ EXAMINE \"a\"\nS: @ OK\nC: @ NOOP\nS: @ OK\nC: @ EXAMINE \"INBOX\"\nS: @ OK\n"
                      "C: @ DELETE \"a\"\nS: @ OK\n");
  ck_assert(imap_examine(s.conn, "a", TRUE, NULL, NULL, NULL));
  ck_assert(imap_delete(s.conn, "a", NULL, NULL));
}
END_TEST

/* RENAME INBOX would move all mail out of it. */
START_TEST(test_inbox_stays) {
  g_auto(Session) s = session_new("", "C: @ NOOP\nS: @ OK\n");
  g_autoptr(GError) deleting = NULL, renaming = NULL;
  ck_assert(!imap_delete(s.conn, "Inbox", NULL, &deleting));
  ck_assert(!imap_rename(s.conn, "INBOX", "x", NULL, &renaming));
  ck_assert(g_error_matches(deleting, IMAP_ERROR, IMAP_ERROR_REFUSED));
  ck_assert(g_error_matches(renaming, IMAP_ERROR, IMAP_ERROR_REFUSED));
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

/* Raw octets, whatever they are; a name refused before it is sent. */
START_TEST(test_raw_names) {
  g_auto(Session) s = session_new("", "C: @ RENAME \"M&APw-ll\" {3}\nS: + go\nC: a?b\nS: @ OK\n"
                                      "C: @ LIST \"\" {3}\nS: + go\nC: a?b\nS: @ OK\n"
                                      "C: @ CREATE {3}\nS: @ NO [CANNOT] no tabs\n");
  g_autoptr(GError) error = NULL;
  ck_assert(imap_rename(s.conn, "M&APw-ll", "a\tb", NULL, NULL));
  ck_assert(!imap_create(s.conn, "a\tb", 0, NULL, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_INVALID));
}
END_TEST

static const char *const losses[] = {"half\n", "S: * BYE tired\n", "R: ((((\\r\\n\n", "S: x OK\n"};

START_TEST(test_lost) {
  g_autofree char *dialogue = g_strconcat(LOOK("x", "") "C: @ CREATE \"x\"\n", losses[_i], NULL);
  g_auto(Session) s = session_new("", dialogue);
  g_autoptr(GError) error = NULL;
  ck_assert(!imap_create(s.conn, "x", 0, NULL, NULL, &error));
  ck_assert(imap_conn_failed(s.conn));
  ck_assert_int_eq(error->code, _i < 2 ? IMAP_ERROR_NETWORK : IMAP_ERROR_PROTOCOL);
}
END_TEST

int main(void) {
  TCase *tc = tcase_create("folders");
  tcase_add_loop_test(tc, test_create, 0, G_N_ELEMENTS(creations));
  tcase_add_loop_test(tc, test_what_was_there, 0, G_N_ELEMENTS(races));
  tcase_add_test(tc, test_look_costs_no_round_trip);
  tcase_add_test(tc, test_silence);
  tcase_add_loop_test(tc, test_refusal, 0, G_N_ELEMENTS(refusals));
  tcase_add_test(tc, test_delete_and_rename);
  tcase_add_test(tc, test_leaves_first);
  tcase_add_test(tc, test_leaves_for_inbox);
  tcase_add_test(tc, test_inbox_stays);
  tcase_add_test(tc, test_raw_names);
  tcase_add_loop_test(tc, test_lost, 0, G_N_ELEMENTS(losses));
  Suite *suite = suite_create("folders");
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
