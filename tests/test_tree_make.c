/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "cache/tree/names.h"
#include "cache/tree/tree.h"
#include "tests/account.h"
#include "tests/suite.h"

#define LIST(lines) "C: @ LIST \"\" \"*\"\n" lines "S: @ OK\n"
#define LOOK(name, lines) "C: @ LIST \"\" \"" name "\"\n" lines "S: @ OK\n"
#define MAKE(name, status)                                                                                             \
  LOOK(name, "")                                                                                                       \
  "C: @ CREATE \"" name "\"\nS: @ OK\nC: @ SUBSCRIBE \"" name "\"\nS: @ OK\n"                                          \
  "C: @ STATUS \"" name "\" (MESSAGES UIDNEXT UIDVALIDITY)\n" status

static void update(TestAccount *test) {
  g_autoptr(GError) error = NULL;
  g_auto(TreeNews) news = {0};
  ck_assert_msg(tree_update(&test->account, test->conn, NULL, FALSE, &news, &error), "%s", error ? error->message : "");
}

static gint64 make(TestAccount *test, const char *raw, gint64 knows) {
  g_autoptr(GError) error = NULL;
  gint64 row = 0;
  ck_assert_msg(tree_make(&test->account, test->conn, raw, '/', 0, knows, &row, &error), "%s",
                error ? error->message : "");
  return row;
}

/* ---- names --------------------------------------------------------------------------------------------------- */

/* Raw name below a parent of raw name "a" with this delimiter, or NULL and the code. */
static char *below(const char *name, char delimiter, int *ret_code) {
  g_autoptr(GError) error = NULL;
  IndexMailbox parent = {.raw = (char *)"a", .delimiter = delimiter};
  ImapNamespace personal = {.prefix = (char *)"", .delimiter = delimiter};
  char said = 0;
  char *raw = tree_raw_name(NULL, &parent, &personal, name, &said, &error);
  ck_assert_int_eq(said, delimiter);
  *ret_code = error ? error->code : -1;
  return raw;
}

START_TEST(a_name_becomes_what_is_shown_so) {
  static const struct {
    const char *name;
    char delimiter;
    const char *raw;
  } rows[] = {
      {"b", '/', "a/b"},
      {"b c", '/', "a/b c"},
      {"\303\244\303\266\303\274", '/', "a/&AOQA9gD8-"},
      {"R&D", '/', "a/R&-D"},
      {"v1.0", '/', "a/v1.0"},
      {"v1.0", '.', NULL},
      {"x%2Fy", '.', "a.x/y"},
      {"x%2Fy", '/', NULL},
      {"100%25", '/', "a/100%"},
      {"100%", '/', NULL},
      {"50%2", '/', NULL},
      {"%zz", '/', NULL},
      {"b\\c", '/', "a/b\\c"},
      {"*", '/', "a/*"},
      {"%2E", '/', NULL},
      {"%2E%2E", '/', NULL},
      {"%0A", '/', NULL},
      {"%00", '/', NULL},
      {"%7F", '/', NULL},
      {"%", '/', NULL},
      {"", '/', NULL},
      {"r\303\244w%", '/', "a/r\303\244w"},
      {"b%~0123456789abcdef", '/', NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    int code;
    g_autofree char *raw = below(rows[i].name, rows[i].delimiter, &code);
    ck_assert_pstr_eq(raw, rows[i].raw);
    ck_assert_int_eq(code, rows[i].raw ? -1 : CACHE_ERROR_INVALID);
  }
}
END_TEST

START_TEST(a_name_too_long_for_a_server) {
  int code;
  g_autofree char *many = g_strnfill(IMAP_LIMIT_MAILBOX_NAME, 'x');
  g_autofree char *raw = below(many, '/', &code);
  ck_assert_ptr_null(raw);
  ck_assert_int_eq(code, CACHE_ERROR_INVALID);
}
END_TEST

START_TEST(a_flat_parent_has_no_room) {
  int code;
  g_autofree char *raw = below("b", '\0', &code);
  ck_assert_ptr_null(raw);
  ck_assert_int_eq(code, CACHE_ERROR_PERMISSION);
}
END_TEST

START_TEST(the_top_is_the_personal_namespace) {
  g_autoptr(TestAccount) test = test_account_new("", "");
  g_autoptr(GError) error = NULL;
  IndexMailbox root = {.raw = NULL};
  ImapNamespace plain = {.prefix = (char *)"", .delimiter = '/'},
                inbox = {.prefix = (char *)"INBOX.", .delimiter = '.'};
  char delimiter;
  g_autofree char *top = tree_raw_name(&test->account, &root, &plain, "b", &delimiter, NULL);
  ck_assert_str_eq(top, "b");
  g_test_expect_message("cache", G_LOG_LEVEL_MESSAGE, "*all in INBOX");
  g_autofree char *none = tree_raw_name(&test->account, &root, &inbox, "b", &delimiter, &error);
  g_test_assert_expected_messages();
  ck_assert_ptr_null(none);
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_PERMISSION));
  g_autofree char *path = tree_raw_path(&test->account, &inbox, "old/Trash", &delimiter, NULL);
  ck_assert_str_eq(path, "INBOX.old.Trash");
  g_autofree char *whole = tree_raw_path(&test->account, &inbox, "INBOX/Trash", &delimiter, NULL);
  ck_assert_str_eq(whole, "INBOX.Trash");
}
END_TEST

/* ---- making --------------------------------------------------------------------------------------------------- */

START_TEST(what_is_made_is_there_and_empty) {
  g_autoptr(TestAccount) test =
      test_account_new("", LIST("S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" a\n")
                               MAKE("a/b", "S: * STATUS a/b (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 5)\nS: @ OK\n"));
  update(test);
  g_free(test_account_events(test));
  gint64 parent = test_account_folder(test, "a"), row = make(test, "a/b", parent);
  ck_assert_int_eq(test_account_folder(test, "a/b"), row);
  g_auto(IndexMailbox) made = {0}, a = {0};
  ck_assert(index_get_mailbox(test->account.index, row, &made, NULL));
  ck_assert_int_eq(made.listed, INDEX_LISTED);
  ck_assert_uint_eq(made.uidvalidity, 5);
  ck_assert_uint_eq(made.uidnext, 1);
  ck_assert_int_gt(made.listed_at, 0);
  /* The parent, which LIST showed, is what it was. */
  ck_assert(index_get_mailbox(test->account.index, parent, &a, NULL));
  ck_assert(!(a.attrs & IMAP_ATTR_NOSELECT));
  g_autofree char *events = test_account_events(test);
  ck_assert_str_eq(events, "");
}
END_TEST

START_TEST(others_are_told_of_it) {
  g_autoptr(TestAccount) test =
      test_account_new("", LIST("S: * LIST () \"/\" INBOX\n") MAKE("Trash", "S: @ NO not now\n"));
  update(test);
  g_free(test_account_events(test));
  gint64 row = make(test, "Trash", 0), root = test_account_folder(test, "");
  g_auto(IndexMailbox) made = {0};
  ck_assert(index_get_mailbox(test->account.index, row, &made, NULL));
  ck_assert_int_eq(made.listed, INDEX_UNLISTED);
  g_autofree char *events = test_account_events(test), *changed = g_strdup_printf("CHANGED %d\n", (int)root);
  ck_assert_str_eq(events, changed);
}
END_TEST

START_TEST(a_sweep_knows_what_was_made) {
  g_autoptr(TestAccount) test = test_account_new(
      "", LIST("S: * LIST () \"/\" INBOX\n") MAKE("b", "S: * STATUS b (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 5)\nS: @ OK\n")
              LIST("S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" b\n"));
  update(test);
  gint64 row = make(test, "b", 0);
  update(test);
  ck_assert_int_eq(test_account_folder(test, "b"), row);
}
END_TEST

START_TEST(a_name_that_is_taken) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \"/\" INBOX\n") //
                                                 LOOK("b", "") "C: @ CREATE \"b\"\nS: @ NO somebody made it\n"
                                                               "C: @ LIST \"\" \"b\"\nS: * LIST () \"/\" b\nS: @ OK\n");
  g_autoptr(GError) error = NULL;
  gint64 row = 0;
  update(test);
  ck_assert(!tree_make(&test->account, test->conn, "b", '/', 0, 0, &row, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_EXISTS));
  ck_assert_int_ne(test_account_folder(test, "b"), 0);
}
END_TEST

START_TEST(a_name_that_is_refused) {
  g_autoptr(TestAccount) test = test_account_new("", LOOK("b", "") "C: @ CREATE \"b\"\nS: @ NO no\n"
                                                                   "C: @ LIST \"\" \"b\"\nS: @ OK\n");
  g_autoptr(GError) error = NULL;
  gint64 row = 0;
  ck_assert(!tree_make(&test->account, test->conn, "b", '/', 0, 0, &row, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_REFUSED));
}
END_TEST

/* ---- renaming ------------------------------------------------------------------------------------------------- */

START_TEST(all_below_moves_along) {
  g_autoptr(TestAccount) test =
      test_account_new("", LIST("S: * LIST () \"/\" INBOX\n"
                                "S: * LIST () \"/\" a\n"
                                "S: * LIST () \"/\" a/x/y\n"
                                "S: * LIST () \"/\" ab\n"
                                "S: * LIST () \"/\" c\n") LIST("S: * LIST () \"/\" INBOX\n"
                                                               "S: * LIST () \"/\" c\n"
                                                               "S: * LIST () \"/\" ab\n"
                                                               "S: * LIST () \"/\" c/z\n"
                                                               "S: * LIST () \"/\" c/z/x/y\n"));
  update(test);
  gint64 a = test_account_folder(test, "a"), x = test_account_folder(test, "a/x");
  gint64 y = test_account_folder(test, "a/x/y"), ab = test_account_folder(test, "ab");
  g_free(test_account_events(test));
  ck_assert(tree_renamed(&test->account, a, "c/z", NULL));
  for (guint i = 0; i < 2; i++) {
    ck_assert_int_eq(test_account_folder(test, "c/z"), a);
    ck_assert_int_eq(test_account_folder(test, "c/z/x"), x);
    ck_assert_int_eq(test_account_folder(test, "c/z/x/y"), y);
    ck_assert_int_eq(test_account_folder(test, "ab"), ab);
    g_auto(IndexMailbox) deep = {0}, middle = {0};
    ck_assert(index_get_mailbox(test->account.index, y, &deep, NULL));
    ck_assert_str_eq(deep.raw, "c/z/x/y");
    ck_assert(index_get_mailbox(test->account.index, x, &middle, NULL));
    ck_assert(middle.attrs & IMAP_ATTR_NOSELECT);
    ck_assert(tree_resolve(&test->account, "a", NULL) == 0);
    g_autofree char *events = test_account_events(test);
    ck_assert_str_eq(events, "");
    if (i == 0)
      update(test);
  }
}
END_TEST

START_TEST(a_sweep_was_faster) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" a\n"));
  update(test);
  gint64 a = test_account_folder(test, "a");
  ck_assert(tree_renamed(&test->account, a, "b", NULL));
  ck_assert(tree_renamed(&test->account, a, "b", NULL));
  ck_assert_int_eq(test_account_folder(test, "b"), a);
}
END_TEST

/* A sweep saw both names before it knew them for one. */
START_TEST(a_stranger_under_the_new_name_ends) {
  g_autoptr(TestAccount) test = test_account_new("", LIST("S: * LIST () \"/\" INBOX\nS: * LIST () \"/\" a\n"
                                                          "S: * LIST () \"/\" b\nS: * LIST () \"/\" b/c\n"));
  update(test);
  gint64 a = test_account_folder(test, "a"), b = test_account_folder(test, "b");
  g_free(test_account_events(test));
  ck_assert(tree_renamed(&test->account, a, "b", NULL));
  ck_assert_int_eq(test_account_folder(test, "b"), a);
  g_autofree char *events = test_account_events(test), *removed = g_strdup_printf("REMOVED %d b\n", (int)b);
  ck_assert_msg(strstr(events, removed) != NULL, "%s", events);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/tree: our own");
  TCase *tests = tcase_create("tree_make");
  tcase_add_test(tests, a_name_becomes_what_is_shown_so);
  tcase_add_test(tests, a_name_too_long_for_a_server);
  tcase_add_test(tests, a_flat_parent_has_no_room);
  tcase_add_test(tests, the_top_is_the_personal_namespace);
  tcase_add_test(tests, what_is_made_is_there_and_empty);
  tcase_add_test(tests, others_are_told_of_it);
  tcase_add_test(tests, a_sweep_knows_what_was_made);
  tcase_add_test(tests, a_name_that_is_taken);
  tcase_add_test(tests, a_name_that_is_refused);
  tcase_add_test(tests, all_below_moves_along);
  tcase_add_test(tests, a_sweep_was_faster);
  tcase_add_test(tests, a_stranger_under_the_new_name_ends);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
