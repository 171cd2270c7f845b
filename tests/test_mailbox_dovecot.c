/* SPDX-License-Identifier: MIT */
/* What has changed in a mailbox since we knew it, on a real server with and without its extensions. */
#include <check.h>

#include "tests/dovecot.h"
#include "tests/session.h"
#include "tests/suite.h"

static Dovecot *dovecot; /* one for the whole program */

typedef struct {
  ImapConfig config;
  ImapPool *pool;
  ImapConn *conn;
} Client;

static Client client_new(const char *user, char **disable) {
  g_autoptr(GError) error = NULL;
  Client client = {.config = dovecot_config(dovecot, user)};
  client.config.disable = disable;
  client.pool = imap_pool_new(&client.config);
  client.conn = imap_pool_lease(client.pool, IMAP_ROLE_PROMPT, NULL, &error);
  ck_assert_msg(client.conn != NULL, "%s", error != NULL ? error->message : "");
  return client;
}

static void client_clear(Client *client) {
  imap_pool_release(client->pool, client->conn);
  imap_pool_free(client->pool);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Client, client_clear)

static void run(Client *client, const char *command) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(imap_conn_simple(client->conn, command, NULL, NULL, NULL, &error), "%s: %s", command,
                error != NULL ? error->message : "");
}

static void look(Client *client, ImapDelta delta, const ImapKnown *known, ImapChanges *ret, GString *changed) {
  g_autoptr(GError) error = NULL;
  gboolean ok =
      imap_examine_since(client->conn, "INBOX", TRUE, delta, known, TRUE, tell_changed, changed, ret, NULL, &error);
  ck_assert_msg(ok, "%s", error != NULL ? error->message : "");
}

static ImapKnown known_of(const ImapMailbox *mailbox) {
  return (ImapKnown){mailbox->uidvalidity, mailbox->uidnext, mailbox->modseq};
}

/* Ten messages seen by `client`; then another one flags 2, removes 3 and 10, and 11 arrives. */
static ImapKnown change_behind(Client *client, const char *user) {
  g_auto(ImapChanges) first = {0};
  for (guint i = 0; i < 10; i++)
    dovecot_deliver(dovecot, user, "", i, 200);
  look(client, IMAP_DELTA_QRESYNC, NULL, &first, NULL);
  ck_assert(!first.resumed);
  check_set(first.uids, "1:10", "the set", 0);
  ck_assert_uint_eq(first.mailbox.exists, 10);
  g_auto(Client) other = client_new(user, NULL);
  run(&other, "SELECT INBOX");
  run(&other, "UID STORE 2 +FLAGS (\\Flagged)");
  run(&other, "UID STORE 3,10 +FLAGS (\\Deleted)");
  run(&other, "UID EXPUNGE 3,10");
  dovecot_deliver(dovecot, user, "", 10, 200);
  return known_of(&first.mailbox);
}

/* The mailbox stays selected on the connection that looks, as it does in real life. */
START_TEST(test_dovecot_qresync) {
  g_auto(Client) client = client_new("ann", NULL);
  ck_assert_int_eq(imap_conn_delta(client.conn), IMAP_DELTA_QRESYNC);
  ImapKnown known = change_behind(&client, "ann");
  g_auto(ImapChanges) changes = {0}, again = {0};
  g_autoptr(GString) changed = g_string_new(NULL), nothing = g_string_new(NULL);
  look(&client, IMAP_DELTA_QRESYNC, &known, &changes, changed);
  ck_assert(changes.resumed);
  ck_assert_str_eq(changed->str, "2:flagged "); /* it tells of the UIDs that were known */
  check_set(changes.vanished, "3,10", "vanished", 0);
  check_set(changes.uids, "1:2,4:9,11", "the set", 0);
  ck_assert_uint_eq(changes.mailbox.exists, 9);
  ck_assert_uint_gt(changes.mailbox.modseq, known.modseq);
  known = known_of(&changes.mailbox);
  look(&client, IMAP_DELTA_QRESYNC, &known, &again, nothing);
  ck_assert(again.resumed);
  ck_assert_str_eq(nothing->str, "");
  check_set(again.vanished, "", "vanished", 0);
  ck_assert_uint_eq(again.mailbox.modseq, known.modseq);
}
END_TEST

START_TEST(test_dovecot_condstore) {
  static char *disable[] = {"QRESYNC", NULL};
  g_auto(Client) client = client_new("bob", disable);
  ck_assert_int_eq(imap_conn_delta(client.conn), IMAP_DELTA_CONDSTORE);
  ImapKnown known = change_behind(&client, "bob");
  g_auto(ImapChanges) changes = {0};
  g_autoptr(GString) changed = g_string_new(NULL);
  look(&client, IMAP_DELTA_QRESYNC, &known, &changes, changed);
  ck_assert(!changes.resumed);
  ck_assert_str_eq(changed->str, "");
  check_set(changes.uids, "1:2,4:9,11", "the set", 0);
  ck_assert(imap_fetch_send_since(client.conn, changes.uids, known.modseq, NULL, NULL));
  for (;;) {
    g_auto(ImapMessage) message = {0};
    ImapFetchResult result = imap_fetch_next(client.conn, NULL, NULL, &message, NULL, NULL);
    if (result == IMAP_FETCH_DONE)
      break;
    ck_assert_int_eq(result, IMAP_FETCH_MESSAGE);
    tell_changed(&message, changed);
  }
  ck_assert_str_eq(changed->str, "2:flagged 11: ");
}
END_TEST

/* Without ESEARCH and CONDSTORE: no set and no count, but the opening is fresh all the same. */
START_TEST(test_dovecot_plain) {
  static char *disable[] = {"CONDSTORE", "ESEARCH", "UNSELECT", NULL};
  g_auto(Client) client = client_new("cid", NULL), plain = client_new("cid", disable);
  ck_assert_int_eq(imap_conn_delta(plain.conn), IMAP_DELTA_PLAIN);
  ImapKnown known = change_behind(&client, "cid");
  g_auto(ImapChanges) changes = {0};
  g_autoptr(ImapSeqset) uids = NULL;
  look(&plain, IMAP_DELTA_QRESYNC, &known, &changes, NULL);
  check_set(changes.uids, "-", "the set", 0);
  ck_assert_uint_eq(changes.mailbox.exists, 9);
  ck_assert_uint_eq(changes.mailbox.modseq, 0);
  ck_assert(imap_uids(plain.conn, &uids, NULL, NULL));
  check_set(uids, "1:2,4:9,11", "the set", 0);
}
END_TEST

static void start_dovecot(void) {
  dovecot = dovecot_new(50);
}

static void stop_dovecot(void) {
  g_clear_pointer(&dovecot, dovecot_free);
}

int main(void) {
  if (!dovecot_installed())
    return 77;
  Suite *suite = suite_create("mailbox on Dovecot");
  TCase *tests = tcase_create("dovecot");
  tcase_add_unchecked_fixture(tests, start_dovecot, stop_dovecot);
  tcase_add_test(tests, test_dovecot_qresync);
  tcase_add_test(tests, test_dovecot_condstore);
  tcase_add_test(tests, test_dovecot_plain);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
