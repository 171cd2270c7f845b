/* SPDX-License-Identifier: MIT */
/*
 * Moves, removals, flags and rmdir on a real server, with all that it has and with parts of it switched off. Afterwards
 * each letter is on the server exactly once, but for those that a server without UIDPLUS has to keep; these are flagged
 * \Deleted, and a delta that looks at the folder afterwards finds nothing new.
 */
#include <check.h>
#include <string.h>

#include "cache/replay/trash.h"
#include "cache/sync/listing.h"
#include "cache/sync/resync.h"
#include "cache/tree/tree.h"
#include "tests/dovecot.h"
#include "tests/replaying.h"
#include "tests/suite.h"

#define LETTERS 30

static Dovecot *dovecot; /* one for the whole program */

static char *variants[][4] = {{NULL}, {"MOVE", NULL}, {"UIDPLUS", NULL}, {"MOVE", "UIDPLUS", NULL}};

static gboolean expunges(guint variant) {
  return variant < 2;
}

/* MOVE takes messages away by itself. */
static gboolean leaves_copies(guint variant) {
  return variant == 3;
}

static void deliver(const char *user) {
  for (guint i = 1; i <= LETTERS; i++) {
    g_autofree char *text =
        g_strdup_printf("Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: Ann <ann@example.com>\r\nSubject: letter %u\r\n"
                        "Message-ID: <%u@example.com>\r\n\r\nThis is letter %u.\r\n",
                        i, i, i);
    dovecot_deliver_text(dovecot, user, "", i, text, strlen(text));
  }
}

static void list(TestAccount *test, gint64 folder) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(listing_first(&test->account, test->conn, folder, NULL, NULL, NULL, &error), "%s",
                error ? error->message : "");
}

static Replaying *mount(const char *user, guint variant) {
  ImapConfig config = dovecot_config(dovecot, user);
  g_autoptr(GError) error = NULL;
  g_auto(TreeNews) news = {0};
  gint64 row = 0;
  config.disable = variants[variant];
  deliver(user);
  TestAccount *test = test_account_on(&config);
  ck_assert(tree_update(&test->account, test->conn, NULL, TRUE, &news, NULL));
  ck_assert_msg(tree_make(&test->account, test->conn, "Other", '/', 0, 0, &row, &error), "%s",
                error ? error->message : "");
  list(test, test_account_folder(test, "INBOX"));
  return replaying_on(test, "INBOX", "Other");
}

/* ---- what the server has: a client that has never been here before ---------------------------------------- */

typedef struct {
  guint n, deleted, flagged;
} Count;

static Count count(const char *user, const char *path, gboolean seen[LETTERS + 1]) {
  ImapConfig config = dovecot_config(dovecot, user);
  g_autoptr(TestAccount) test = test_account_on(&config);
  g_auto(TreeNews) news = {0};
  IndexMessage messages[2 * LETTERS];
  Count counted = {0};
  ck_assert(tree_update(&test->account, test->conn, NULL, TRUE, &news, NULL));
  gint64 folder = test_account_folder(test, path);
  list(test, folder);
  gssize n = index_messages(test->account.index, folder, 0, messages, G_N_ELEMENTS(messages), NULL);
  for (gssize i = 0; i < n; i++) {
    const char *subject = strstr(messages[i].name, "letter-");
    guint number = subject ? (guint)g_ascii_strtoull(subject + strlen("letter-"), NULL, 10) : 0;
    ck_assert(number > 0 && number <= LETTERS);
    counted.n++;
    counted.deleted += (messages[i].flags & IMAP_FLAG_DELETED) != 0;
    counted.flagged += (messages[i].flags & IMAP_FLAG_FLAGGED) != 0;
    if (!(messages[i].flags & IMAP_FLAG_DELETED)) {
      ck_assert_msg(!seen[number], "letter %u is there twice", number);
      seen[number] = TRUE;
    }
    index_message_clear(&messages[i]);
  }
  return counted;
}

/* Nothing that we did is news to a delta. */
static void ck_no_news(Replaying *r, gint64 folder) {
  g_autofree char *before = replaying_shown(r, folder), *places = replaying_places(r);
  g_autoptr(GError) error = NULL;
  ResyncResult result = resync_run(&r->test->account, r->test->conn, folder, NULL, RESYNC_FLAGS_OLD, FALSE, &error);
  ck_assert_msg(result == RESYNC_DONE || result == RESYNC_UNSURE, "%s", error ? error->message : "");
  if (result == RESYNC_UNSURE)
    ck_assert_int_eq(resync_run(&r->test->account, r->test->conn, folder, NULL, RESYNC_FLAGS_OLD, TRUE, NULL),
                     RESYNC_DONE);
  g_autofree char *after = replaying_shown(r, folder), *places_after = replaying_places(r);
  ck_assert_str_eq(before, after);
  ck_assert_str_eq(places, places_after);
}

/* ---- tests ---------------------------------------------------------------------------------------------------- */

START_TEST(test_changes) {
  g_autofree char *user = g_strdup_printf("changes%d", _i);
  g_autoptr(Replaying) r = mount(user, (guint)_i);
  const JournalFlags wish = {.add = IMAP_FLAG_FLAGGED, .add_keywords = "$Work", .remove = IMAP_FLAG_SEEN};
  gboolean seen[LETTERS + 1] = {FALSE};
  guint left = leaves_copies((guint)_i) ? 20 : 0;
  replaying_move(r, 1, 10);
  replaying_remove(r, 11, 20);
  replaying_flag(r, 18, 25, &wish); /* three of them are on their way to the trash */
  replaying_all(r);
  ck_assert_uint_eq(replaying_left(r), 0);
  ck_no_news(r, r->box);
  ck_no_news(r, r->to);
  Count inbox = count(user, "INBOX", seen), other = count(user, "Other", seen), trash = count(user, "Trash", seen);
  ck_assert_uint_eq(inbox.n, 10 + left);
  ck_assert_uint_eq(inbox.deleted, left);
  ck_assert_uint_eq(other.n, 10);
  ck_assert_uint_eq(trash.n, 10);
  ck_assert_uint_ge(inbox.flagged, 5);
  for (guint i = 1; i <= LETTERS; i++)
    ck_assert_msg(seen[i], "letter %u is lost", i);
}
END_TEST

/* From the trash they really go. */
START_TEST(test_trash_is_emptied) {
  g_autofree char *user = g_strdup_printf("empties%d", _i);
  g_autoptr(Replaying) r = mount(user, (guint)_i);
  gboolean seen[LETTERS + 1] = {FALSE};
  replaying_remove(r, 1, 10);
  replaying_all(r);
  replaying_remove(r, 1, 5);
  replaying_all(r);
  ck_no_news(r, test_account_folder(r->test, "Trash"));
  Count trash = count(user, "Trash", seen);
  ck_assert_uint_eq(trash.n - trash.deleted, 5);
  ck_assert_uint_eq(trash.deleted, expunges((guint)_i) ? 0 : 5);
}
END_TEST

START_TEST(test_rmdir) {
  g_autoptr(Replaying) r = mount("rmdir", 0);
  gboolean is = TRUE;
  gint64 made = 0;
  ck_assert(tree_make(&r->test->account, r->test->conn, "Empty", '/', 0, 0, &made, NULL));
  replaying_rmdir(r, made);
  replaying_all(r);
  ck_assert(imap_exists(r->test->conn, "Empty", &is, NULL, NULL) && !is);
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*removal of a folder*undone*");
  replaying_move(r, 1, 1);
  replaying_all(r);
  replaying_rmdir(r, r->to);
  replaying_all(r);
  g_test_assert_expected_messages();
  ck_assert(imap_exists(r->test->conn, "Other", &is, NULL, NULL) && is);
}
END_TEST

/* Somebody else was faster: neither an error nor a loss, and nothing else is touched. */
START_TEST(test_others_were_faster) {
  g_autofree char *user = g_strdup_printf("faster%d", _i);
  g_autoptr(Replaying) r = mount(user, (guint)_i), other = NULL;
  gboolean seen[LETTERS + 1] = {FALSE};
  ImapConfig config = dovecot_config(dovecot, user);
  TestAccount *test = test_account_on(&config);
  g_auto(TreeNews) news = {0};
  ck_assert(tree_update(&test->account, test->conn, NULL, TRUE, &news, NULL));
  list(test, test_account_folder(test, "INBOX"));
  other = replaying_on(test, "INBOX", "Other");
  replaying_move(other, 3, 4);
  replaying_all(other);
  replaying_move(r, 1, 5);
  replaying_all(r);
  Count inbox = count(user, "INBOX", seen), moved = count(user, "Other", seen);
  ck_assert_uint_eq(inbox.n - inbox.deleted, LETTERS - 5);
  ck_assert_uint_eq(moved.n, 5);
  for (guint i = 1; i <= LETTERS; i++)
    ck_assert_msg(seen[i], "letter %u is lost", i);
}
END_TEST

static void start_dovecot(void) {
  dovecot = dovecot_new(50);
}

static void stop_dovecot(void) {
  g_clear_pointer(&dovecot, dovecot_free);
}

int main(void) {
  Suite *suite = suite_create("replay ops on Dovecot");
  TCase *tcase = tcase_create("replay");
  tcase_add_unchecked_fixture(tcase, start_dovecot, stop_dovecot);
  if (dovecot_installed()) {
    tcase_add_loop_test(tcase, test_changes, 0, G_N_ELEMENTS(variants));
    tcase_add_loop_test(tcase, test_trash_is_emptied, 0, G_N_ELEMENTS(variants));
    tcase_add_loop_test(tcase, test_others_were_faster, 0, 2);
    tcase_add_test(tcase, test_rmdir);
  }
  suite_add_tcase(suite, tcase);
  return suite_run(suite);
}
