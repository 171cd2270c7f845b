/* SPDX-License-Identifier: MIT */
#include "cache/replay/trash.h"

#include <check.h>
#include <string.h>

#include "cache/tree/tree.h"
#include "tests/account.h"
#include "tests/suite.h"

#define LIST(lines) "C: @ LIST \"\" \"*\"\n" lines "S: @ OK\n"
#define BOX(attrs, delimiter, name) "S: * LIST (" attrs ") \"" delimiter "\" \"" name "\"\n"
#define LOOK(name, lines) "C: @ LIST \"\" \"" name "\"\n" lines "S: @ OK\n"
#define CREATE(name, use) LOOK(name, "") "C: @ CREATE \"" name "\"" use "\n"
#define MADE(name)                                                                                                     \
  "C: @ SUBSCRIBE \"" name "\"\nS: @ OK\nC: @ STATUS \"" name "\" (MESSAGES UIDNEXT UIDVALIDITY)\nS: @ NO\n"

static TestAccount *start(const char *capabilities, const char *script) {
  TestAccount *test = test_account_new(capabilities, script);
  g_auto(TreeNews) news = {0};
  ck_assert(tree_update(&test->account, test->conn, NULL, FALSE, &news, NULL));
  return test;
}

static char *found(TestAccount *test) {
  g_auto(IndexMailbox) trash = {0};
  g_autoptr(GError) error = NULL;
  gboolean any = trash_find(&test->account, &trash, &error);
  ck_assert_msg(error == NULL, "%s", error ? error->message : "");
  return g_strdup(any ? trash.raw : "none");
}

static const struct {
  const char *list, *path, *found;
} rows[] = {
    {BOX("", "/", "INBOX") BOX("", "/", "Trash"), NULL, "Trash"},
    {BOX("", "/", "INBOX") BOX("", "/", "trash"), NULL, "none"},
    {BOX("", "/", "INBOX") BOX("\\Noselect", "/", "Trash"), NULL, "none"},
    {BOX("", ".", "INBOX") BOX("", ".", "INBOX.Trash"), NULL, "INBOX.Trash"},
    /* the special use goes before any name, and before what the user says */
    {BOX("", "/", "INBOX") BOX("\\Trash", "/", "Papierkorb") BOX("", "/", "Trash"), NULL, "Papierkorb"},
    {BOX("", "/", "INBOX") BOX("\\Trash", "/", "Papierkorb") BOX("", "/", "Old/Bin"), "Old/Bin", "Papierkorb"},
    {BOX("", "/", "INBOX") BOX("\\Trash", "/", "user/bob/Trash") BOX("\\Trash", "/", "Bin"), NULL, "Bin"},
    {BOX("", "/", "INBOX") BOX("", "/", "Trash") BOX("", "/", "Old/Bin"), "Old/Bin", "Old/Bin"},
    {BOX("", "/", "INBOX") BOX("", "/", "Trash"), "Old/Bin", "none"},
    {BOX("", ".", "INBOX") BOX("", ".", "INBOX.Old.Bin"), "Old/Bin", "INBOX.Old.Bin"},
    {BOX("", "/", "INBOX") BOX("", "/", "Gel&APY-scht"), "Gel\303\266scht", "Gel&APY-scht"},
};

START_TEST(test_which) {
  g_autofree char *script = g_strdup_printf(LIST("%s"), rows[_i].list);
  g_autoptr(TestAccount) test = start("", script);
  test->config.trash = (char *)rows[_i].path;
  g_autofree char *raw = found(test);
  ck_assert_str_eq(raw, rows[_i].found);
}
END_TEST

static gboolean is_trash(TestAccount *test, const char *path) {
  gboolean is = FALSE;
  ck_assert(trash_is(&test->account, test_account_folder(test, path), &is, NULL));
  return is;
}

START_TEST(test_what_stands_in_it) {
  g_autoptr(TestAccount) test = start("", LIST(BOX("", "/", "INBOX") BOX("\\Trash", "/", "Bin") BOX("", "/", "Bin/a")
                                                   BOX("", "/", "Bin/a/b") BOX("", "/", "INBOX/Bin")));
  ck_assert(is_trash(test, "Bin") && is_trash(test, "Bin/a") && is_trash(test, "Bin/a/b"));
  ck_assert(!is_trash(test, "INBOX") && !is_trash(test, "INBOX/Bin") && !is_trash(test, ""));
}
END_TEST

static const struct {
  const char *capabilities, *list, *path, *script, *made;
  int error; /* ImapError, or -1 */
} making[] = {
    {"", BOX("", "/", "INBOX"), NULL, CREATE("Trash", "") "S: @ OK\n" MADE("Trash"), "Trash", -1},
    {"CREATE-SPECIAL-USE", BOX("", "/", "INBOX"), NULL, CREATE("Trash", " (USE (\\Trash))") "S: @ OK\n" MADE("Trash"),
     "Trash", -1},
    {"CREATE-SPECIAL-USE", BOX("", "/", "INBOX"), NULL,
     CREATE("Trash", " (USE (\\Trash))") "S: @ NO [USEATTR] no\n" LIST("")
         CREATE("Trash", "") "S: @ OK\n" MADE("Trash"),
     "Trash", -1},
    {"NAMESPACE", BOX("", ".", "INBOX"), NULL,
     "C: @ NAMESPACE\nS: * NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\nS: @ OK\n" CREATE(
         "INBOX.Trash", "") "S: @ OK\n" MADE("INBOX.Trash"),
     "INBOX.Trash", -1},
    {"", BOX("", "/", "INBOX"), "Old/Gel\303\266scht",
     CREATE("Old/Gel&APY-scht", "") "S: @ OK\n" MADE("Old/Gel&APY-scht"), "Old/Gel&APY-scht", -1},
    {"", BOX("", "/", "INBOX") BOX("", "/", "Trash"), NULL, "", "Trash", -1},
    /* another client was faster */
    {"", BOX("", "/", "INBOX"), NULL,
     LOOK("Trash", BOX("", "/", "Trash")) "C: @ CREATE \"Trash\"\nS: @ NO [ALREADYEXISTS] it is\n" //
     LOOK("Trash", BOX("", "/", "Trash")),
     "Trash", -1},
    /* it was not: it is ours */
    {"", BOX("", "/", "INBOX"), NULL, CREATE("Trash", "") "S: @ NO [ALREADYEXISTS] it is\n" MADE("Trash"), "Trash", -1},
    {"", BOX("", "/", "INBOX"), NULL, CREATE("Trash", "") "S: @ NO [NOPERM] no\n", NULL, IMAP_ERROR_PERMISSION},
    {"", BOX("", "/", "INBOX"), "what%", "", NULL, IMAP_ERROR_CONFIG},
};

START_TEST(test_made) {
  g_autofree char *script = g_strdup_printf(LIST("%s") "%s", making[_i].list, making[_i].script);
  g_autoptr(TestAccount) test = start(making[_i].capabilities, script);
  g_auto(IndexMailbox) trash = {0};
  g_autoptr(GError) error = NULL;
  test->config.trash = (char *)making[_i].path;
  ck_assert_msg(trash_make(&test->account, test->conn, &trash, &error) == (making[_i].error < 0), "row %d: %s", _i,
                error ? error->message : "");
  if (error) {
    ck_assert(g_error_matches(error, IMAP_ERROR, making[_i].error));
    return;
  }
  ck_assert_str_eq(trash.raw, making[_i].made);
  g_autofree char *raw = found(test);
  ck_assert_str_eq(raw, making[_i].made);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("trash");
  TCase *tcase = tcase_create("trash");
  tcase_add_loop_test(tcase, test_which, 0, G_N_ELEMENTS(rows));
  tcase_add_test(tcase, test_what_stands_in_it);
  tcase_add_loop_test(tcase, test_made, 0, G_N_ELEMENTS(making));
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
