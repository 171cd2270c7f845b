/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "cache/journal/journal.h"
#include "cache/tree/tree.h"
#include "tests/account.h"
#include "tests/suite.h"

typedef struct {
  const char *now, *before;
} Hint;

static void update(TestAccount *test, const Hint *hints, gboolean confirmed, gboolean unconfirmed) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GHashTable) renames = g_hash_table_new(g_str_hash, g_str_equal);
  g_auto(TreeNews) news = {0};
  for (; hints && hints->now; hints++)
    g_hash_table_insert(renames, (gpointer)hints->now, (gpointer)hints->before);
  ck_assert_msg(tree_update(&test->account, test->conn, renames, confirmed, &news, &error), "%s",
                error ? error->message : "");
  ck_assert_int_eq(news.unconfirmed, unconfirmed);
}

static gint64 row(TestAccount *test, const char *path) {
  return tree_resolve(&test->account, path, NULL);
}

#define LIST(lines) "C: @ LIST \"\" \"*\"\n" lines "S: @ OK\n"
#define BOX(name) "S: * LIST () \"/\" \"" name "\"\n"
#define DATE 1577836800
#define MESSAGE_OF(year, uid, size)                                                                                    \
  "S: * " uid " FETCH (UID " uid " FLAGS () INTERNALDATE \"01-Jan-" year " 00:00:00 +0000\" RFC822.SIZE " size ")\n"
#define MESSAGE(uid, size) MESSAGE_OF("2020", uid, size)
#define LOOK_AS(name, uidvalidity, sizes)                                                                              \
  "C: @ EXAMINE \"" name "\"\nS: * 2 EXISTS\nS: * OK [UIDVALIDITY " uidvalidity                                        \
  "] x\nS: * OK [UIDNEXT 3] x\nS: @ OK\n"                                                                              \
  "C: @ UID SEARCH ALL\nS: * SEARCH 1 2\nS: @ OK\n"                                                                    \
  "C: @ UID FETCH 1:2 (UID FLAGS INTERNALDATE RFC822.SIZE)\n" sizes "S: @ OK\n"
#define LOOK(name, sizes) LOOK_AS(name, "7", sizes)

/* Two messages, of first and first + 1 octets. */
typedef struct {
  IndexMailbox mailbox;
  guint uidvalidity, first;
} Fill;

static gboolean fill(IndexTxn *txn, gpointer data, GError **error) {
  Fill *fill = data;
  fill->mailbox.listed = INDEX_LISTED;
  fill->mailbox.uidvalidity = fill->uidvalidity;
  fill->mailbox.uidnext = 3;
  for (guint32 uid = 1; uid <= 2; uid++) {
    IndexMessage message = {.mailbox = fill->mailbox.row,
                            .uid = uid,
                            .internaldate = DATE,
                            .claim = fill->first + uid - 1,
                            .size = IMAP_UNKNOWN_SIZE};
    g_snprintf(message.name, sizeof message.name, "%u.eml", uid);
    if (!index_add_message(txn, &message, NULL, error))
      return FALSE;
  }
  return index_set_state(txn, &fill->mailbox, error);
}

static void fill_folder(TestAccount *test, const char *path, guint uidvalidity, guint first) {
  Fill data = {.uidvalidity = uidvalidity, .first = first};
  ck_assert(index_get_mailbox(test->account.index, test_account_folder(test, path), &data.mailbox, NULL));
  ck_assert(index_write(test->account.index, INDEX_SYNC, fill, &data, NULL));
  index_mailbox_clear(&data.mailbox);
}

static TestAccount *start(const char *capabilities, const char *script) {
  TestAccount *test = test_account_new(capabilities, script);
  test->config.names_uid = TRUE;
  update(test, NULL, FALSE, FALSE);
  return test;
}

static TestAccount *with_old_folder(const char *script) {
  TestAccount *test = start("", script);
  fill_folder(test, "Old", 7, 101);
  g_free(test_account_events(test));
  return test;
}

START_TEST(a_rename_keeps_the_row) {
  g_autoptr(TestAccount) test =
      with_old_folder(LIST(BOX("Old")) LIST(BOX("New")) LOOK("New", MESSAGE("1", "101") MESSAGE("2", "102")));
  gint64 old = row(test, "Old");
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "Old"), 0);
  ck_assert_int_eq(row(test, "New"), old);
  g_autofree char *events = test_account_events(test), *moved = g_strdup_printf("MOVED %d Old\n", (int)old);
  ck_assert_msg(strstr(events, moved) != NULL && strstr(events, "REMOVED") == NULL, "%s", events);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_find_message(test->account.index, old, "2.eml", &message, NULL));
}
END_TEST

/* Courier: the messages are the same, their UIDVALIDITY is not. */
START_TEST(a_rename_that_renumbers_keeps_the_row) {
  g_autoptr(TestAccount) test =
      with_old_folder(LIST(BOX("Old")) LIST(BOX("New")) LOOK_AS("New", "9", MESSAGE("1", "102") MESSAGE("2", "101")));
  gint64 old = row(test, "Old");
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "New"), old);
}
END_TEST

/* And it has got mail since. */
START_TEST(a_rename_that_renumbers_may_bring_mail) {
  g_autoptr(TestAccount) test =
      with_old_folder(LIST(BOX("Old")) LIST(BOX("New")) LOOK_AS("New", "9", MESSAGE("1", "102") MESSAGE("2", "999")));
  gint64 old = row(test, "Old");
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "New"), old);
}
END_TEST

static gboolean remove_message(IndexTxn *txn, gpointer data, GError **error) {
  return journal_remove(txn, *(gint64 *)data, NULL, error);
}

/* The removal waits for the line: nobody here sees the message any more, the server has it still. */
START_TEST(what_was_removed_before_a_rename_that_renumbers_counts) {
  g_autoptr(TestAccount) test =
      with_old_folder(LIST(BOX("Old")) LIST(BOX("New")) LOOK_AS("New", "9", MESSAGE("1", "101") MESSAGE("2", "102")));
  gint64 old = row(test, "Old");
  g_auto(IndexMessage) first = {0};
  ck_assert(index_find_message(test->account.index, old, "1.eml", &first, NULL));
  ck_assert(index_write(test->account.index, INDEX_CHANGE, remove_message, &first.row, NULL));
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "New"), old);
}
END_TEST

START_TEST(a_renumbered_folder_that_begins_otherwise_is_no_rename) {
  g_autoptr(TestAccount) test =
      with_old_folder(LIST(BOX("Old")) LIST(BOX("New")) LOOK_AS("New", "9", MESSAGE("1", "999") MESSAGE("2", "102")));
  gint64 old = row(test, "Old");
  update(test, NULL, FALSE, TRUE);
  ck_assert_int_ne(row(test, "New"), old);
}
END_TEST

START_TEST(another_folder_is_no_rename) {
  g_autoptr(TestAccount) test =
      with_old_folder(LIST(BOX("Old")) LIST(BOX("New")) LOOK("New", MESSAGE("1", "101") MESSAGE("2", "999")));
  gint64 old = row(test, "Old");
  update(test, NULL, FALSE, TRUE);
  ck_assert_int_eq(row(test, "Old"), old);
  ck_assert_int_ne(row(test, "New"), old);
}
END_TEST

/* Courier: siblings have one UIDVALIDITY. */
START_TEST(messages_of_the_same_sizes_are_no_rename) {
  g_autoptr(TestAccount) test = with_old_folder(
      LIST(BOX("Old")) LIST(BOX("New")) LOOK("New", MESSAGE_OF("2021", "1", "101") MESSAGE_OF("2021", "2", "102")));
  gint64 old = row(test, "Old");
  update(test, NULL, FALSE, TRUE);
  ck_assert_int_ne(row(test, "New"), old);
}
END_TEST

/* Nothing in it could tell, and nothing is asked. */
START_TEST(a_hint_is_enough_for_an_empty_folder) {
  g_autoptr(TestAccount) test = start("", LIST(BOX("Empty")) LIST(BOX("Hollow")));
  const Hint hints[] = {{"Hollow", "Empty"}, {NULL, NULL}};
  gint64 empty = row(test, "Empty");
  update(test, hints, FALSE, FALSE);
  ck_assert_int_eq(row(test, "Hollow"), empty);
  ck_assert_int_eq(row(test, "Empty"), 0);
}
END_TEST

START_TEST(a_hint_about_a_name_that_is_still_there_is_none) {
  g_autoptr(TestAccount) test = start("", LIST(BOX("Empty")) LIST(BOX("Empty") BOX("Hollow")));
  const Hint hints[] = {{"Hollow", "Empty"}, {NULL, NULL}};
  gint64 empty = row(test, "Empty");
  update(test, hints, FALSE, FALSE);
  ck_assert_int_eq(row(test, "Empty"), empty);
}
END_TEST

/* The server told of three renames; LIST shows two names, both as before. */
START_TEST(hints_are_followed_through_a_third_name) {
  g_autoptr(TestAccount) test = start("", LIST(BOX("a") BOX("b")) LIST(BOX("a") BOX("b")));
  const Hint hints[] = {{"tmp", "a"}, {"a", "b"}, {"b", "tmp"}, {NULL, NULL}};
  gint64 a = row(test, "a"), b = row(test, "b");
  update(test, hints, FALSE, FALSE);
  ck_assert_int_eq(row(test, "a"), b);
  ck_assert_int_eq(row(test, "b"), a);
}
END_TEST

START_TEST(children_go_with_their_parent) {
  g_autoptr(TestAccount) test = with_old_folder(LIST(BOX("Old") BOX("Old/x") BOX("Old/x/y") BOX("Other")) //
                                                LIST(BOX("New") BOX("New/x") BOX("New/x/y") BOX("Other")) //
                                                LOOK("New", MESSAGE("1", "101") MESSAGE("2", "102")));
  gint64 old = row(test, "Old"), x = row(test, "Old/x"), y = row(test, "Old/x/y");
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "New"), old);
  ck_assert_int_eq(row(test, "New/x"), x);
  ck_assert_int_eq(row(test, "New/x/y"), y);
  ck_assert_int_eq(row(test, "Old"), 0);
}
END_TEST

/* LIST leaves out the parents; one child with messages speaks for the family. */
START_TEST(a_parent_goes_with_its_children) {
  g_autoptr(TestAccount) test = start("", LIST(BOX("p/x") BOX("p/empty"))                  //
                                      LIST(BOX("q/empty") BOX("q/x"))                      //
                                      LOOK("q/empty", MESSAGE("1", "5") MESSAGE("2", "6")) //
                                      LOOK("q/x", MESSAGE("1", "101") MESSAGE("2", "102")));
  fill_folder(test, "p/x", 7, 101);
  gint64 p = row(test, "p"), x = row(test, "p/x"), empty = row(test, "p/empty");
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "q/x"), x);
  ck_assert_int_eq(row(test, "q"), p);
  ck_assert_int_eq(row(test, "q/empty"), empty);
}
END_TEST

#define STATUSES "LIST-EXTENDED LIST-STATUS UNSELECT"
#define LISTS(lines)                                                                                                   \
  "C: @ LIST \"\" \"*\" RETURN (SUBSCRIBED STATUS (MESSAGES UIDNEXT UIDVALIDITY))\n" lines "S: @ OK\n"
#define SEEN(name, uidvalidity)                                                                                        \
  BOX(name) "S: * STATUS \"" name "\" (MESSAGES 2 UIDNEXT 3 UIDVALIDITY " uidvalidity ")\n"

START_TEST(swapped_names_keep_their_mailboxes) {
  g_autoptr(TestAccount) test = start(STATUSES, LISTS(SEEN("a", "1") SEEN("a/in a", "3") SEEN("b", "2")) //
                                      LISTS(SEEN("a", "2") SEEN("b", "1") SEEN("b/in a", "3"))           //
                                      LOOK_AS("a", "2", MESSAGE("1", "201") MESSAGE("2", "202"))         //
                                      LOOK_AS("b", "1", MESSAGE("1", "101") MESSAGE("2", "102")));
  fill_folder(test, "a", 1, 101);
  fill_folder(test, "b", 2, 201);
  gint64 a = row(test, "a"), b = row(test, "b"), inner = row(test, "a/in a");
  g_free(test_account_events(test));
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "a"), b);
  ck_assert_int_eq(row(test, "b"), a);
  ck_assert_int_eq(row(test, "b/in a"), inner);
  g_autofree char *events = test_account_events(test);
  ck_assert_msg(strstr(events, "REMOVED") == NULL, "%s", events);
}
END_TEST

/* a became b, and there is a new a. */
START_TEST(a_name_used_again_is_another_folder) {
  g_autoptr(TestAccount) test = start(STATUSES, LISTS(SEEN("a", "1"))      //
                                      LISTS(SEEN("a", "9") SEEN("b", "1")) //
                                      LOOK_AS("b", "1", MESSAGE("1", "101") MESSAGE("2", "102")));
  fill_folder(test, "a", 1, 101);
  gint64 a = row(test, "a");
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "b"), a);
  ck_assert_int_ne(row(test, "a"), a);
  ck_assert_int_ne(row(test, "a"), 0);
}
END_TEST

/* The same on Courier, which tells no UIDVALIDITY in LIST and gives new ones: b was listed before a was opened. */
START_TEST(a_name_used_again_is_found_out_late) {
  g_autoptr(TestAccount) test = start("", LIST(BOX("a")) LIST(BOX("a") BOX("b")) LIST(BOX("a") BOX("b")) //
                                      LOOK_AS("a", "9", MESSAGE("1", "301") MESSAGE("2", "302"))
                                          LOOK_AS("b", "8", MESSAGE("1", "101") MESSAGE("2", "102")));
  fill_folder(test, "a", 1, 101);
  gint64 a = row(test, "a");
  update(test, NULL, FALSE, FALSE);
  gint64 b = row(test, "b");
  test->account.doubted = a;
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "b"), a);
  ck_assert_int_ne(row(test, "a"), a);
  ck_assert_int_ne(row(test, "a"), b);
  ck_assert_int_ne(row(test, "a"), 0);
}
END_TEST

/* b was deleted, and a took its name. */
START_TEST(a_folder_under_the_name_of_one_that_is_gone) {
  g_autoptr(TestAccount) test = start(STATUSES, LISTS(SEEN("a", "1") SEEN("b", "2")) //
                                      LISTS(SEEN("b", "1"))                          //
                                      LOOK_AS("b", "1", MESSAGE("1", "101") MESSAGE("2", "102")));
  fill_folder(test, "a", 1, 101);
  fill_folder(test, "b", 2, 201);
  gint64 a = row(test, "a"), b = row(test, "b");
  g_free(test_account_events(test));
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "b"), a);
  ck_assert_int_eq(row(test, "a"), 0);
  g_autofree char *events = test_account_events(test), *removed = g_strdup_printf("REMOVED %d b\n", (int)b);
  ck_assert_msg(strstr(events, removed) != NULL, "%s", events);
  g_auto(IndexMessage) gone = {0};
  ck_assert(index_get_message(test->account.index, 3, &gone, NULL));
  ck_assert(gone.gone);
}
END_TEST

/* All folders of a migrated account have another UIDVALIDITY. Nobody is sought under another name. */
START_TEST(other_uidvalidities_are_no_renames) {
  g_autoptr(TestAccount) test = start(STATUSES, LISTS(SEEN("a", "1") SEEN("b", "2")) //
                                      LISTS(SEEN("a", "11") SEEN("b", "12")));
  fill_folder(test, "a", 1, 101);
  fill_folder(test, "b", 2, 201);
  gint64 a = row(test, "a"), b = row(test, "b");
  update(test, NULL, FALSE, FALSE);
  ck_assert_int_eq(row(test, "a"), a);
  ck_assert_int_eq(row(test, "b"), b);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/tree: renames");
  TCase *tests = tcase_create("renames");
  tcase_add_test(tests, a_rename_keeps_the_row);
  tcase_add_test(tests, a_rename_that_renumbers_keeps_the_row);
  tcase_add_test(tests, a_rename_that_renumbers_may_bring_mail);
  tcase_add_test(tests, what_was_removed_before_a_rename_that_renumbers_counts);
  tcase_add_test(tests, a_renumbered_folder_that_begins_otherwise_is_no_rename);
  tcase_add_test(tests, another_folder_is_no_rename);
  tcase_add_test(tests, messages_of_the_same_sizes_are_no_rename);
  tcase_add_test(tests, a_hint_is_enough_for_an_empty_folder);
  tcase_add_test(tests, a_hint_about_a_name_that_is_still_there_is_none);
  tcase_add_test(tests, hints_are_followed_through_a_third_name);
  tcase_add_test(tests, children_go_with_their_parent);
  tcase_add_test(tests, a_parent_goes_with_its_children);
  tcase_add_test(tests, swapped_names_keep_their_mailboxes);
  tcase_add_test(tests, a_name_used_again_is_another_folder);
  tcase_add_test(tests, a_name_used_again_is_found_out_late);
  tcase_add_test(tests, a_folder_under_the_name_of_one_that_is_gone);
  tcase_add_test(tests, other_uidvalidities_are_no_renames);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
