/* SPDX-License-Identifier: MIT */
#include "cache/tree/tree.h"

#include <check.h>
#include <string.h>

#include "cache/local.h"
#include "tests/account.h"
#include "tests/suite.h"

static void update(TestAccount *test, gboolean confirmed, gboolean unconfirmed) {
  g_autoptr(GError) error = NULL;
  g_auto(TreeNews) news = {0};
  ck_assert_msg(tree_update(&test->account, test->conn, NULL, confirmed, &news, &error), "%s",
                error ? error->message : "");
  ck_assert_int_eq(news.unconfirmed, unconfirmed);
}

static gboolean exists(TestAccount *test, const char *path) {
  return tree_resolve(&test->account, path, NULL) != 0;
}

#define LIST(lines) "C: @ LIST \"\" \"*\"\n" lines "S: @ OK\n"

START_TEST(splits_names_at_their_own_delimiter) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \".\" INBOX\n"
                                                          "S: * LIST () \".\" INBOX.Sent\n"
                                                          "S: * LIST () \"/\" \"shared/a.b/c\"\n"
                                                          "S: * LIST () NIL \"flat/name\"\n"
                                                          "S: * LIST () \"/\" &AOQ-rger\n"));
  update(test, FALSE, FALSE);
  ck_assert(exists(test, "INBOX/Sent"));
  ck_assert(exists(test, "inbox"));
  ck_assert(exists(test, "shared/a.b/c"));
  ck_assert(exists(test, "flat%2Fname"));
  ck_assert(exists(test, "\303\244rger"));
  g_auto(IndexMailbox) shared = {0};
  ck_assert(index_get_mailbox(test->account.index, test_account_folder(test, "shared"), &shared, NULL));
  ck_assert(shared.attrs & IMAP_ATTR_NOSELECT);
  ck_assert(!exists(test, "nothing"));
}
END_TEST

START_TEST(the_namespace_itself_is_no_folder) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST (\\Noselect) \".\" INBOX.\n"
                                                          "S: * LIST () \".\" INBOX\n"
                                                          "S: * LIST () \".\" INBOX.Sent\n"));
  update(test, FALSE, FALSE);
  guint children = 0;
  ck_assert(index_count_children(test->account.index, test_account_folder(test, "INBOX"), &children, NULL));
  ck_assert_uint_eq(children, 1);
  g_auto(IndexMailbox) inbox = {0};
  ck_assert(index_get_mailbox(test->account.index, test_account_folder(test, "INBOX"), &inbox, NULL));
  ck_assert(!(inbox.attrs & IMAP_ATTR_NOSELECT));
}
END_TEST

START_TEST(a_local_folder_is_none_of_its_business) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \"/\" INBOX\n") LIST("S: * LIST () \"/\" a\n")
                                                         LIST("S: * LIST () \"/\" a\n"));
  update(test, FALSE, FALSE);
  gint64 root = test_account_folder(test, ""), row = 0;
  ck_assert(local_make(&test->account, root, ".x", &row, NULL));
  update(test, FALSE, FALSE);
  update(test, TRUE, FALSE);
  ck_assert_int_eq(test_account_folder(test, ""), root);
  ck_assert_int_eq(test_account_folder(test, ".x"), row);
  ck_assert_int_ne(test_account_folder(test, "a"), 0);
  ck_assert(tree_apply_hide(&test->account, NULL));
  ck_assert_int_eq(test_account_folder(test, ".x"), row);
}
END_TEST

START_TEST(inbox_is_always_there) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \"/\" Other\n"));
  update(test, FALSE, FALSE);
  ck_assert(exists(test, "INBOX"));
}
END_TEST

START_TEST(inbox_has_one_spelling) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \"/\" Inbox\n"));
  update(test, FALSE, FALSE);
  g_auto(IndexMailbox) inbox = {0};
  ck_assert(index_get_mailbox(test->account.index, test_account_folder(test, "INBOX"), &inbox, NULL));
  ck_assert_str_eq(inbox.name, "INBOX");
  ck_assert_str_eq(inbox.raw, "Inbox");
}
END_TEST

/* 201 names of 499 parts are more than 100000 folders. */
START_TEST(parents_count_against_the_limit) {
  g_autoptr(GString) lines = g_string_new("C: @ LIST \"\" \"*\"\n");
  for (guint i = 0; i < 201; i++) {
    g_string_append_printf(lines, "S: * LIST () \"/\" %u", i);
    for (guint part = 1; part < 499; part++)
      g_string_append(lines, "/a");
    g_string_append_c(lines, '\n');
  }
  g_string_append(lines, "S: @ OK\n");
  g_autoptr(TestAccount) test = test_account_new("", lines->str);
  g_auto(TreeNews) news = {0};
  g_autoptr(GError) error = NULL;
  ck_assert(!tree_update(&test->account, test->conn, NULL, FALSE, &news, &error));
  ck_assert_msg(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_LIMIT), "%s", error->message);
  ck_assert(!tree_known(&test->account));
}
END_TEST

START_TEST(a_folder_missing_once_is_not_gone) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \"/\" A\nS: * LIST () \"/\" B\n") //
                                                 LIST("S: * LIST () \"/\" A\n")                           //
                                                 LIST("S: * LIST () \"/\" A\nS: * LIST () \"/\" B\n")     //
                                                 LIST("S: * LIST () \"/\" A\n"));
  update(test, FALSE, FALSE);
  gint64 row = test_account_folder(test, "B");
  update(test, FALSE, TRUE);
  ck_assert_int_eq(test_account_folder(test, "B"), row);
  update(test, TRUE, FALSE);
  ck_assert_int_eq(test_account_folder(test, "B"), row);
  g_free(test_account_events(test));
  update(test, TRUE, FALSE);
  ck_assert(!exists(test, "B"));
  g_autofree char *events = test_account_events(test);
  g_autofree char *removed = g_strdup_printf("REMOVED %d B\n", (int)row);
  ck_assert_msg(strstr(events, removed) != NULL, "%s", events);
}
END_TEST

START_TEST(hidden_folders_keep_their_rows) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \"/\" Lists/big\n") //
                                                 LIST("S: * LIST () \"/\" Lists/big\n")     //
                                                 LIST("S: * LIST () \"/\" Lists/big\n"));
  char *hide[] = {"Lists/*", NULL};
  update(test, FALSE, FALSE);
  gint64 row = test_account_folder(test, "Lists/big");
  test->config.hide = hide;
  update(test, FALSE, FALSE);
  ck_assert(!exists(test, "Lists/big"));
  ck_assert(exists(test, "Lists"));
  test->config.hide = NULL;
  update(test, FALSE, FALSE);
  ck_assert_int_eq(test_account_folder(test, "Lists/big"), row);
}
END_TEST

START_TEST(one_path_for_two_mailboxes) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \".\" x.y\n"
                                                          "S: * LIST () \"/\" x/y\n"));
  update(test, FALSE, FALSE);
  ck_assert(exists(test, "x/y"));
  ck_assert(exists(test, "x/y%~2"));
}
END_TEST

/* The old folder must be listed for a rename to be recognised: two messages, known by UID and size. */
static gboolean fill(IndexTxn *txn, gpointer data, GError **error) {
  IndexMailbox *mailbox = data;
  mailbox->listed = INDEX_LISTED;
  mailbox->uidvalidity = 7;
  mailbox->uidnext = 3;
  for (guint32 uid = 1; uid <= 2; uid++) {
    IndexMessage message = {.mailbox = mailbox->row, .uid = uid, .claim = 100 + uid, .size = IMAP_UNKNOWN_SIZE};
    g_snprintf(message.name, sizeof message.name, "%u.eml", uid);
    if (!index_add_message(txn, &message, NULL, error))
      return FALSE;
  }
  return index_set_state(txn, mailbox, error);
}

static TestAccount *with_old_folder(const char *script) {
  TestAccount *test = test_account_new("", script);
  test->config.names_uid = TRUE;
  update(test, FALSE, FALSE);
  g_auto(IndexMailbox) old = {0};
  ck_assert(index_get_mailbox(test->account.index, test_account_folder(test, "Old"), &old, NULL));
  ck_assert(index_write(test->account.index, INDEX_SYNC, fill, &old, NULL));
  return test;
}

static void ck_deleted_parent(const char *list) {
  g_autofree char *script = g_strconcat(LIST("S: * LIST () \"/\" Old\nS: * LIST () \"/\" Old/sub\n"), list, list, NULL);
  g_autoptr(TestAccount) test = with_old_folder(script);
  gint64 row = test_account_folder(test, "Old"), sub = test_account_folder(test, "Old/sub");
  g_free(test_account_events(test));
  update(test, FALSE, TRUE);
  ck_assert(index_find_message(test->account.index, row, "2.eml", &(IndexMessage){0}, NULL));
  update(test, TRUE, FALSE);
  ck_assert(!index_find_message(test->account.index, row, "2.eml", &(IndexMessage){0}, NULL));
  ck_assert_int_eq(test_account_folder(test, "Old"), row);
  ck_assert_int_eq(test_account_folder(test, "Old/sub"), sub);
  g_autofree char *events = test_account_events(test);
  ck_assert_msg(strstr(events, " 2.eml\n") != NULL, "%s", events);
}

START_TEST(a_deleted_parent_holds_no_messages) {
  ck_deleted_parent(LIST("S: * LIST (\\Noselect) \"/\" Old\nS: * LIST () \"/\" Old/sub\n"));
  ck_deleted_parent(LIST("S: * LIST () \"/\" Old/sub\n"));
}
END_TEST

/* What LIST says of the selected mailbox may be what it was when it was opened. */
START_TEST(status_of_the_selected_mailbox) {
  g_autoptr(TestAccount) test =
      test_account_new("LIST-EXTENDED LIST-STATUS UNSELECT",
                       "C: @ EXAMINE \"a\"\nS: * 1 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: @ OK\n"
                       "C: @ UNSELECT\nS: @ OK\n"
                       "C: @ LIST \"\" \"*\" RETURN (SUBSCRIBED STATUS (MESSAGES UIDNEXT UIDVALIDITY))\n"
                       "S: * LIST () \"/\" a\nS: * STATUS a (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 8)\nS: @ OK\n");
  g_auto(TreeNews) news = {0};
  ck_assert(imap_examine(test->conn, "a", TRUE, NULL, NULL, NULL));
  ck_assert(tree_update(&test->account, test->conn, NULL, FALSE, &news, NULL));
  ImapStatus *status = g_hash_table_lookup(news.status, "a");
  ck_assert_uint_eq(status->uidvalidity, 8);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/tree");
  TCase *tests = tcase_create("tree");
  tcase_add_test(tests, splits_names_at_their_own_delimiter);
  tcase_add_test(tests, the_namespace_itself_is_no_folder);
  tcase_add_test(tests, a_local_folder_is_none_of_its_business);
  tcase_add_test(tests, inbox_is_always_there);
  tcase_add_test(tests, inbox_has_one_spelling);
  tcase_add_test(tests, parents_count_against_the_limit);
  tcase_add_test(tests, a_folder_missing_once_is_not_gone);
  tcase_add_test(tests, hidden_folders_keep_their_rows);
  tcase_add_test(tests, one_path_for_two_mailboxes);
  tcase_add_test(tests, a_deleted_parent_holds_no_messages);
  tcase_add_test(tests, status_of_the_selected_mailbox);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
