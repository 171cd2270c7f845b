/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "tests/session.h"
#include "tests/suite.h"

/* ---- EXAMINE --------------------------------------------------------------------------------------- */

START_TEST(test_examine) {
  g_auto(Session) s = session_new("CONDSTORE", "C: @ EXAMINE \"INBOX\"\n"
                                               "S: * FLAGS (\\Seen)\n"
                                               "S: * OK [PERMANENTFLAGS ()] none\n"
                                               "S: * 500 EXISTS\n"
                                               "S: * 1000 EXISTS\n"
                                               "S: * OK [UIDVALIDITY 77] x\n"
                                               "S: * OK [UIDNEXT 4711]\n"
                                               "S: * OK [HIGHESTMODSEQ 12345678901]\n"
                                               "S: * OK [MAILBOXID (F22)] x\n"
                                               "S: @ OK [READ-ONLY] done\n"
                                               "C: @ NOOP\n"
                                               "S: * 1001 EXISTS\n"
                                               "S: @ OK\n"
                                               "C: @ SELECT \"INBOX\"\n"
                                               "S: * OK [PERMANENTFLAGS (\\Seen $a)] these\n"
                                               "S: @ OK [READ-WRITE] done\n");
  g_auto(ImapMailbox) m = {0}, again = {0}, selected = {0};
  ck_assert(imap_examine(s.conn, "INBOX", TRUE, &m, NULL, NULL));
  ck_assert_uint_eq(m.exists, 1000);
  ck_assert_uint_eq(m.uidvalidity, 77);
  ck_assert_uint_eq(m.uidnext, 4711);
  ck_assert_uint_eq(m.modseq, 12345678901);
  ck_assert_str_eq(m.mailboxid, "F22");
  ck_assert(m.sticky && m.read_only && !m.read_write && m.limited && m.permanent == 0);
  ck_assert(imap_noop(s.conn, NULL, NULL));
  ck_assert(imap_examine(s.conn, "INBOX", TRUE, &again, NULL, NULL));
  ck_assert_uint_eq(again.exists, 1000);
  ck_assert_str_eq(again.mailboxid, "F22");
  ck_assert_str_eq(imap_selected(s.conn), "INBOX");
  ck_assert(imap_examine(s.conn, "INBOX", FALSE, &selected, NULL, NULL));
  ck_assert(!selected.read_only && selected.read_write && selected.permanent == IMAP_FLAG_SEEN);
  ck_assert_str_eq(selected.keywords[0], "$a");
  ck_assert_uint_eq(selected.uidnext, 0);
  ck_assert_uint_eq(selected.uidvalidity, 0);
}
END_TEST

/* Courier leaves UIDNEXT out; a server may have no stable UIDs. */
START_TEST(test_examine_unstable) {
  g_auto(Session) s = session_new("", "C: @ EXAMINE \"a\"\n"
                                      "S: * 3 EXISTS\n"
                                      "S: * OK [UIDVALIDITY 0] x\n"
                                      "S: * OK [UIDNEXT 0] x\n"
                                      "S: * NO [UIDNOTSTICKY] x\n"
                                      "S: @ OK done\n");
  g_auto(ImapMailbox) m = {0};
  ck_assert(imap_examine(s.conn, "a", TRUE, &m, NULL, NULL));
  ck_assert_uint_eq(m.uidvalidity, 0);
  ck_assert_uint_eq(m.uidnext, 0);
  ck_assert(!m.sticky);
}
END_TEST

START_TEST(test_examine_refused_leaves_nothing_selected) {
  g_auto(Session) s = session_new("UNSELECT", "C: @ EXAMINE \"a\"\nS: @ OK\n"
                                              "C: @ EXAMINE \"[Gmail]\"\nS: @ NO [NONEXISTENT] Unknown Mailbox\n"
                                              "C: @ EXAMINE \"a\"\nS: @ OK\n"
                                              "C: @ UNSELECT\nS: @ OK\n");
  g_autoptr(GError) error = NULL;
  ck_assert(imap_examine(s.conn, "a", TRUE, NULL, NULL, NULL));
  ck_assert(!imap_examine(s.conn, "[Gmail]", TRUE, NULL, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_GONE));
  ck_assert_ptr_null(imap_selected(s.conn));
  ck_assert(!imap_conn_failed(s.conn));
  ck_assert(imap_examine(s.conn, "a", TRUE, NULL, NULL, NULL));
  ck_assert(imap_unselect(s.conn, NULL, NULL));
  ck_assert_ptr_null(imap_selected(s.conn));
  ck_assert(imap_unselect(s.conn, NULL, NULL));
}
END_TEST

/* A name that cannot be quoted waits for the server's "+", and may be refused before it. */
START_TEST(test_literal_name) {
  g_auto(Session) s = session_new("", "C: @ EXAMINE {3}\n"
                                      "S: * 9 EXISTS\n"
                                      "S: + go on\n"
                                      "C: a?b\n"
                                      "S: @ OK\n"
                                      "C: @ STATUS {3}\n"
                                      "S: @ NO [NOPERM] not that one\n");
  g_autoptr(GError) error = NULL;
  ImapStatus status;
  ck_assert(imap_examine(s.conn, "a\tb", TRUE, NULL, NULL, NULL));
  ck_assert(!imap_status(s.conn, "a\nb", &status, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_PERMISSION));
}
END_TEST

/* ---- UNSELECT and STATUS --------------------------------------------------------------------------- */

/* Without UNSELECT the session stays where it is; NOOP makes it see what STATUS shall answer. */
START_TEST(test_unselect_without_the_command) {
  g_auto(Session) s = session_new("", "C: @ EXAMINE \"a\"\nS: @ OK\n"
                                      "C: @ NOOP\nS: * 3 EXPUNGE\nS: @ OK\n"
                                      "C: @ EXAMINE \"a\"\nS: @ OK\n");
  ck_assert(imap_examine(s.conn, "a", TRUE, NULL, NULL, NULL));
  ck_assert(imap_unselect(s.conn, NULL, NULL));
  ck_assert_ptr_null(imap_selected(s.conn));
  ck_assert(imap_examine(s.conn, "a", TRUE, NULL, NULL, NULL));
}
END_TEST

/* Courier: what it says of the mailbox that it is still in is as old as the last NOOP. */
START_TEST(test_status_of_the_mailbox_that_was_left) {
  g_auto(Session) s = session_new("", "C: @ EXAMINE \"a\"\nS: @ OK\n"
                                      "C: @ NOOP\nS: @ OK\n"
                                      "C: @ STATUS \"b\" (MESSAGES UIDNEXT UIDVALIDITY)\nS: @ OK\n"
                                      "C: @ NOOP\nS: * 3 EXPUNGE\nS: @ OK\n"
                                      "C: @ STATUS \"a\" (MESSAGES UIDNEXT UIDVALIDITY)\nS: @ OK\n"
                                      "C: @ EXAMINE \"b\"\nS: @ OK\n"
                                      "C: @ STATUS \"a\" (MESSAGES UIDNEXT UIDVALIDITY)\nS: @ OK\n");
  static const char *const asked[] = {"b", "a"};
  ck_assert(imap_examine(s.conn, "a", TRUE, NULL, NULL, NULL));
  ck_assert(imap_unselect(s.conn, NULL, NULL));
  for (guint i = 0; i < G_N_ELEMENTS(asked); i++) {
    g_auto(ImapStatus) status = {0};
    ck_assert(imap_status(s.conn, asked[i], &status, NULL, NULL));
  }
  g_auto(ImapStatus) status = {0};
  ck_assert(imap_examine(s.conn, "b", TRUE, NULL, NULL, NULL));
  ck_assert(imap_status(s.conn, "a", &status, NULL, NULL));
}
END_TEST

/* ---- LIST --------------------------------------------------------------------------------------------- */

/* "name/attrs " of each, in order. */
static char *describe(GPtrArray *listings) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < listings->len; i++) {
    ImapListing *l = g_ptr_array_index(listings, i);
    g_string_append_printf(text, "%s%c%u ", l->name, l->delimiter != 0 ? l->delimiter : '-', l->attrs);
  }
  return g_string_free(text, FALSE);
}

#define EXTENDED "LIST-EXTENDED SPECIAL-USE LIST-STATUS"
#define ITEMS "STATUS (MESSAGES UIDNEXT UIDVALIDITY)"

static const struct {
  const char *capabilities;
  gboolean subscribed;
  const char *dialogue, *listings;
  gboolean has_status;
} lists[] = {
    {EXTENDED, FALSE,
     "C: @ LIST \"\" \"\\*\" RETURN (SUBSCRIBED SPECIAL-USE " ITEMS ")\n"
     "S: * LIST (\\Subscribed) \"/\" INBOX\n"
     "S: * STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 5)\n"
     "S: * LIST (\\Trash) \"/\" Bin\n"
     "S: @ OK\n",
     "INBOX/4 Bin/512 ", TRUE},
    {EXTENDED, TRUE,
     "C: @ LIST (SUBSCRIBED) \"\" \"\\*\" RETURN (SUBSCRIBED SPECIAL-USE " ITEMS ")\n"
     "S: * LIST (\\Subscribed) \"/\" a\n"
     "S: @ OK\n",
     "a/4 INBOX/0 ", TRUE},
    {EXTENDED, FALSE,
     "C: @ LIST \"\" \"\\*\" RETURN (SUBSCRIBED SPECIAL-USE " ITEMS ")\n"
     "S: @ BAD syntax\n"
     "C: @ LIST \"\" \"\\*\"\n"
     "S: * LIST () \"|\" Inbox\n"
     "S: @ OK\n",
     "Inbox|0 ", FALSE},
    {"", FALSE,
     "C: @ LIST \"\" \"\\*\"\n"
     "S: * LIST (\\Noselect) \"/\" \"[Gmail]\"\n"
     "S: * LIST (\\HasNoChildren) \"/\" \"[Gmail]/All Mail\"\n"
     "S: * LIST () NIL \"flat\"\n"
     "S: * LIST () \"/\" \"[Gmail]\"\n"
     "S: @ OK\n",
     "[Gmail]/1 [Gmail]/All Mail/0 flat-0 INBOX/0 ", FALSE},
    {"", TRUE,
     "C: @ LIST \"\" \"\\*\"\n"
     "S: * LIST (\\Sent) \".\" a\n"
     "S: * LIST () \".\" b\n"
     "S: * LIST () \".\" INBOX\n"
     "S: @ OK\n"
     "C: @ LSUB \"\" \"\\*\"\n"
     "S: * LSUB () \".\" a\n"
     "S: * LSUB () \".\" gone\n"
     "S: @ OK\n",
     "a.260 INBOX.0 ", FALSE},
};

/* The fake's patterns know no escape: "\*" stands for one octet. */
static char *pattern(const char *dialogue) {
  g_autoptr(GString) text = g_string_new(dialogue);
  g_string_replace(text, "\\*", "?", 0);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

START_TEST(test_list) {
  g_autofree char *dialogue = pattern(lists[_i].dialogue);
  g_auto(Session) s = session_new(lists[_i].capabilities, dialogue);
  g_autoptr(GPtrArray) listings = NULL;
  g_autoptr(GHashTable) status = NULL;
  g_autoptr(GError) error = NULL;
  ck_assert_msg(imap_list(s.conn, lists[_i].subscribed, &listings, &status, NULL, &error), "row %d: %s", _i,
                error != NULL ? error->message : "");
  g_autofree char *text = describe(listings);
  ck_assert_msg(strcmp(text, lists[_i].listings) == 0, "row %d: %s", _i, text);
  ck_assert((status != NULL) == lists[_i].has_status);
  if (_i == 0)
    ck_assert_uint_eq(((ImapStatus *)g_hash_table_lookup(status, "INBOX"))->uidnext, 4);
}
END_TEST

START_TEST(test_status) {
  g_auto(Session) s = session_new("CONDSTORE", "C: @ STATUS \"a b\" (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)\n"
                                               "S: * STATUS \"a b\" (MESSAGES 3 HIGHESTMODSEQ 9 )\n"
                                               "S: @ OK\n"
                                               "C: @ STATUS *\n"
                                               "S: * STATUS c ()\n"
                                               "S: @ OK\n");
  g_auto(ImapStatus) status = {0}, empty = {0};
  ck_assert(imap_status(s.conn, "a b", &status, NULL, NULL));
  ck_assert(status.has_messages && status.has_modseq && !status.has_uidnext);
  ck_assert_uint_eq(status.messages, 3);
  ck_assert_str_eq(status.name, "a b");
  ck_assert(imap_status(s.conn, "c", &empty, NULL, NULL));
  ck_assert(!empty.has_messages);
}
END_TEST

/* As many folders as there may be, INBOX among them; and one more. */
START_TEST(test_list_limit) {
  g_autoptr(GString) script = g_string_new("C: @ LIST *\nS: * LIST () \"/\" INBOX\n");
  for (guint i = 1; i < IMAP_LIMIT_MAILBOXES + (guint)_i; i++)
    g_string_append_printf(script, "S: * LIST () \"/\" f%u\n", i);
  g_string_append(script, _i == 0 ? "S: @ OK\n" : "stall\n");
  g_auto(Session) s = session_new("", script->str);
  g_autoptr(GPtrArray) listings = NULL;
  g_autoptr(GHashTable) status = NULL;
  g_autoptr(GError) error = NULL;
  ck_assert_int_eq(imap_list(s.conn, FALSE, &listings, &status, NULL, &error), _i == 0);
  if (_i == 0)
    ck_assert_uint_eq(listings->len, IMAP_LIMIT_MAILBOXES);
  else
    ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LIMIT));
}
END_TEST

/* The count is set to just below the limit, because sixteen million responses take minutes. */
START_TEST(test_untagged_limit) {
  g_auto(Session) s = session_new("", "C: @ NOOP\nS: * OK a\nS: * OK b\nstall\n");
  g_autoptr(GError) error = NULL;
  g_auto(ImapEvent) early = {0}, last = {0}, beyond = {0};
  gboolean is_early;
  ImapEncoder *noop = imap_conn_command(s.conn);
  imap_encoder_raw(noop, "NOOP");
  ck_assert(imap_conn_send(s.conn, noop, &early, &is_early, NULL, NULL));
  s.conn->responses = IMAP_LIMIT_UNTAGGED - 1;
  ck_assert(imap_conn_event(s.conn, &last, NULL, NULL));
  ck_assert(!imap_conn_event(s.conn, &beyond, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LIMIT));
  ck_assert(imap_conn_failed(s.conn));
}
END_TEST

START_TEST(test_namespace) {
  g_auto(Session) s = session_new("NAMESPACE", "C: @ NAMESPACE\n"
                                               "S: * NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\n"
                                               "S: @ OK\n");
  ImapNamespace ns;
  ck_assert(imap_namespace(s.conn, &ns, NULL, NULL));
  ck_assert_str_eq(ns.prefix, "INBOX.");
  ck_assert_int_eq(ns.delimiter, '.');
  imap_namespace_clear(&ns);
}
END_TEST

/* ---- the command loop ------------------------------------------------------------------------------------ */

static const struct {
  const char *dialogue;
  ImapError code;
  gboolean lost;
} ends[] = {
    {"C: @ NOOP\nS: @ NO [UNAVAILABLE] later\n", IMAP_ERROR_UNAVAILABLE, FALSE},
    {"C: @ NOOP\nS: @ BAD what\n", IMAP_ERROR_PROTOCOL, FALSE},
    {"C: @ NOOP\nS: @ BAD User is authenticated but not connected.\n", IMAP_ERROR_AUTH, TRUE},
    {"C: @ NOOP\nS: * BYE\n", IMAP_ERROR_NETWORK, TRUE},
    {"C: @ NOOP\nS: * BYE Session expired, please login again.\n", IMAP_ERROR_NETWORK, TRUE},
    {"C: @ NOOP\nS: * BYE [UNAVAILABLE] going down\n", IMAP_ERROR_UNAVAILABLE, TRUE},
    {"C: @ NOOP\nhalf\n", IMAP_ERROR_NETWORK, TRUE},
    {"C: @ NOOP\nR: * OK [ALE\nhalf\n", IMAP_ERROR_NETWORK, TRUE},
    {"C: @ NOOP\nS: XX1 OK done\n", IMAP_ERROR_PROTOCOL, TRUE},
    {"C: @ NOOP\nS: * 12 FETCH (FLAGS (\\Seen\n", IMAP_ERROR_PROTOCOL, TRUE},
    {"C: @ NOOP\nstall\n", IMAP_ERROR_TIMEOUT, TRUE},
};

START_TEST(test_end) {
  g_auto(Session) s = session_log_in(FAKE_LOGIN(""), NULL, 1, ends[_i].dialogue);
  g_autoptr(GError) error = NULL;
  ck_assert(!imap_noop(s.conn, NULL, &error));
  ck_assert_msg(error->code == (int)ends[_i].code, "row %d: %d %s", _i, error->code, error->message);
  ck_assert_msg(imap_conn_failed(s.conn) == ends[_i].lost, "row %d", _i);
}
END_TEST

START_TEST(test_bads_end_it) {
  g_autoptr(GString) dialogue = g_string_new(NULL);
  for (int i = 0; i < IMAP_LIMIT_BAD; i++)
    g_string_append(dialogue, "C: @ NOOP\nS: @ BAD what\n");
  g_auto(Session) s = session_new("", dialogue->str);
  for (int i = 0; i < IMAP_LIMIT_BAD; i++) {
    ck_assert(!imap_conn_failed(s.conn));
    ck_assert(!imap_noop(s.conn, NULL, NULL));
  }
  ck_assert(imap_conn_failed(s.conn));
}
END_TEST

static gpointer cancel_when_waiting(gpointer data) {
  g_usleep(20000); /* so that the cancellation meets a wait in most runs; both orders must pass */
  g_cancellable_cancel(data);
  return NULL;
}

START_TEST(test_cancel) {
  g_auto(Session) s = session_new("", "C: @ NOOP\nstall\n");
  g_autoptr(GCancellable) c = g_cancellable_new();
  g_autoptr(GError) error = NULL;
  GThread *thread = g_thread_new("cancel", cancel_when_waiting, c);
  gint64 before = g_get_monotonic_time();
  ck_assert(!imap_noop(s.conn, c, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED));
  ck_assert_int_lt(g_get_monotonic_time() - before, 20 * G_USEC_PER_SEC);
  ck_assert(imap_conn_failed(s.conn));
  g_thread_join(thread);
}
END_TEST

START_TEST(test_capabilities) {
  g_auto(Session) s = session_new("LITERAL + uidplus IDLE ", "C: @ NOOP\nS: * CAPABILITY IMAP4rev1 MOVE\nS: @ OK\n");
  s.config.disable = NULL;
  ck_assert(imap_conn_has(s.conn, "LITERAL+"));
  ck_assert(imap_conn_has(s.conn, "UIDPLUS"));
  ck_assert(imap_conn_has(s.conn, "idle"));
  ck_assert(!imap_conn_has(s.conn, "MOVE"));
  ck_assert(imap_noop(s.conn, NULL, NULL));
  ck_assert(imap_conn_has(s.conn, "MOVE"));
  ck_assert(!imap_conn_has(s.conn, "IDLE"));
  ck_assert_int_ge(imap_conn_rtt(s.conn), 1);
  ck_assert_uint_gt(imap_conn_received(s.conn), 50);
}
END_TEST

/* What is switched off by hand is not used, whatever the server offers. */
START_TEST(test_disable) {
  static char *disable[] = {"esearch",  "Unselect", "LIST-STATUS", "LIST-EXTENDED", "NAMESPACE", "CONDSTORE",
                            "LITERAL+", "OBJECTID", "IDLE",        "NOTIFY",        "MOVE",      NULL};
  g_autofree char *offered = g_strjoinv(" ", disable);
  g_autofree char *login = g_strdup_printf(FAKE_LOGIN("ENABLE QRESYNC %s"), offered);
  g_autofree char *script = g_strconcat(login,
                                        "C: @ LIST \"\" \"?\"\nS: @ OK\n"
                                        "C: @ STATUS \"a\" (MESSAGES UIDNEXT UIDVALIDITY)\nS: @ OK\n"
                                        "C: @ EXAMINE {3}\nS: + go on\nC: a?b\nS: * 3 EXISTS\nS: @ OK\n"
                                        "C: @ UID SEARCH ALL\nS: * SEARCH 1 2 3\nS: @ OK\n"
                                        "C: @ UID FETCH 1:3 (UID FLAGS INTERNALDATE RFC822.SIZE)\nS: @ OK\n"
                                        "C: @ NOOP\nS: @ OK\n",
                                        NULL);
  g_autoptr(Fake) fake = fake_new(script);
  ImapConfig config = fake_config(fake);
  config.disable = disable;
  ImapPool *pool = imap_pool_new(&config);
  ImapConn *conn = imap_pool_lease(pool, IMAP_ROLE_PROMPT, NULL, NULL);
  ck_assert_ptr_nonnull(conn);
  for (char **name = disable; *name != NULL; name++)
    ck_assert(!imap_conn_has(conn, *name));
  g_autoptr(GPtrArray) listings = NULL;
  g_autoptr(GHashTable) statuses = NULL;
  g_autoptr(ImapSeqset) uids = NULL;
  g_auto(ImapStatus) status = {0};
  g_auto(ImapMessage) message = {0};
  ImapNamespace ns;
  ck_assert(imap_namespace(conn, &ns, NULL, NULL));
  imap_namespace_clear(&ns);
  ck_assert(imap_list(conn, FALSE, &listings, &statuses, NULL, NULL));
  ck_assert(imap_status(conn, "a", &status, NULL, NULL));
  ck_assert(imap_examine_uids(conn, "a\tb", TRUE, NULL, &uids, NULL, NULL));
  ck_assert(imap_fetch_send(conn, uids, IMAP_FETCH_LISTING_BARE, NULL, NULL));
  ck_assert_int_eq(imap_fetch_next(conn, NULL, NULL, &message, NULL, NULL), IMAP_FETCH_DONE);
  ck_assert(imap_unselect(conn, NULL, NULL));
  imap_conn_fail(conn);
  imap_pool_release(pool, conn);
  imap_pool_free(pool);
}
END_TEST

/* A name goes as a literal; the server says OK to a command that it does not have yet. */
START_TEST(test_ok_too_early) {
  g_auto(Session) s = session_new(_i ? "ESEARCH" : "", "C: @ EXAMINE {3}\nS: @ OK [READ-ONLY] done\n");
  g_auto(ImapMailbox) m = {0};
  g_autoptr(ImapSeqset) uids = NULL;
  g_autoptr(GError) error = NULL;
  ck_assert(!imap_examine_uids(s.conn, "\xc3\xa4x", TRUE, &m, &uids, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL));
  ck_assert(imap_conn_failed(s.conn));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("commands");
  TCase *tc = tcase_create("all");
  tcase_add_test(tc, test_examine);
  tcase_add_test(tc, test_examine_unstable);
  tcase_add_test(tc, test_examine_refused_leaves_nothing_selected);
  tcase_add_test(tc, test_literal_name);
  tcase_add_loop_test(tc, test_ok_too_early, 0, 2);
  tcase_add_test(tc, test_unselect_without_the_command);
  tcase_add_test(tc, test_status_of_the_mailbox_that_was_left);
  tcase_add_loop_test(tc, test_list, 0, G_N_ELEMENTS(lists));
  tcase_add_test(tc, test_status);
  tcase_add_loop_test(tc, test_list_limit, 0, 2);
  tcase_add_test(tc, test_untagged_limit);
  tcase_add_test(tc, test_namespace);
  tcase_add_loop_test(tc, test_end, 0, G_N_ELEMENTS(ends));
  tcase_add_test(tc, test_bads_end_it);
  tcase_add_test(tc, test_cancel);
  tcase_add_test(tc, test_capabilities);
  tcase_add_test(tc, test_disable);
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
