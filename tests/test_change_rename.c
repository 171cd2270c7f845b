/* SPDX-License-Identifier: MIT */
#include "cache/cache.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "cache/local.h"
#include "tests/offline.h"
#include "tests/suite.h"

#define LETTER "Subject: a letter\r\n\r\ntext\r\n"
#define OTHER "Subject: another letter\r\n\r\ntext\r\n"

static void setup_uid(void) {
  offline_init(&offline);
  offline.config.names_uid = TRUE;
  offline_open(&offline);
}

static int renamed(gint64 folder, const char *name, gint64 to, const char *to_name, guint flags) {
  return offline_rename(&offline, folder, name, to, to_name, flags);
}

static gint64 find(gint64 folder, const char *name) {
  return offline_find(&offline, folder, name);
}

static IndexMessage message_at(gint64 row) {
  IndexMessage message = {0};
  ck_assert(index_get_message(offline.cache->account.index, row, &message, NULL));
  return message;
}

static JournalState state_of(gint64 row) {
  return offline_state(&offline, row);
}

static gboolean has_new(gint64 row) {
  g_auto(JournalNew) entry = offline_new(&offline, row);
  return entry.seq != 0;
}

static gint64 make_local(gint64 parent, const char *name) {
  gint64 row = 0;
  ck_assert(local_make(&offline.cache->account, parent, name, &row, NULL));
  return row;
}

/* ---- a message that the server has ---- */

START_TEST(within_a_folder_a_name_is_ours_alone) {
  gint64 row = offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.inbox, "Letter", 0), 0);
  ck_assert_int_eq(find(offline.inbox, "Letter"), row);
  ck_assert_int_eq(find(offline.inbox, "letter"), 0);
  ck_assert_uint_eq(offline_left(&offline), 0);
  g_auto(IndexMailbox) inbox = offline_folder(&offline, offline.inbox);
  ck_assert_int_gt(inbox.mtime, 1);
  g_auto(IndexMessage) message = message_at(row);
  ck_assert_int_eq(message.ctime, 18);
  g_autofree char *events = offline_events(&offline);
  ck_assert_str_eq(events, "");
}
END_TEST

START_TEST(to_another_folder_it_is_moved_and_back_it_was_nothing) {
  gint64 row = offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.archive, "letter", CACHE_RENAME_NOREPLACE), 0);
  ck_assert_int_eq(find(offline.archive, "letter"), row);
  ck_assert_uint_eq(offline_left(&offline), 1);
  g_auto(IndexMailbox) inbox = offline_folder(&offline, offline.inbox);
  g_auto(IndexMailbox) archive = offline_folder(&offline, offline.archive);
  ck_assert_int_gt(MIN(inbox.mtime, archive.mtime), 1);
  g_auto(IndexMessage) message = message_at(row);
  ck_assert_int_gt(message.ctime, 18);
  ck_assert_int_eq(message.mtime, 17);
  ck_assert_int_eq(message.mailbox, offline.inbox);
  ck_assert_int_eq(renamed(offline.archive, "letter", offline.inbox, "back", 0), 0);
  ck_assert_int_eq(find(offline.inbox, "back"), row);
  ck_assert_uint_eq(offline_left(&offline), 0);
}
END_TEST

START_TEST(what_is_not_there_and_what_stands_in_the_way) {
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  offline_message(&offline, offline.archive, 5, "other", OTHER);
  ck_assert_int_eq(renamed(offline.inbox, "nothing", offline.inbox, "x", 0), OFFLINE_ABSENT);
  ck_assert_int_eq(renamed(offline.inbox, "letter", 999, "x", 0), CACHE_ERROR_GONE);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.root, "Archive", 0), CACHE_ERROR_FOLDER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.root, "Archive", CACHE_RENAME_NOREPLACE),
                   CACHE_ERROR_EXISTS);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.archive, "other", CACHE_RENAME_NOREPLACE),
                   CACHE_ERROR_EXISTS);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.inbox, "letter", 0), 0);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.inbox, "letter", CACHE_RENAME_NOREPLACE),
                   CACHE_ERROR_EXISTS);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.root, "letter", 0), CACHE_ERROR_PERMISSION);
  ck_assert_uint_eq(offline_left(&offline), 0);
}
END_TEST

START_TEST(over_another_message) {
  gint64 row = offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  offline_message(&offline, offline.archive, 5, "other", OTHER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.archive, "other", 0), 0);
  ck_assert_int_eq(find(offline.archive, "other"), row);
  ck_assert_int_eq(find(offline.inbox, "letter"), 0);
  ck_assert_uint_eq(offline_left(&offline), 2); /* a move, a removal */
}
END_TEST

START_TEST(never_to_remove_is_never_to_replace) {
  offline.config.remove = CACHE_DELETE_NEVER;
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  offline_message(&offline, offline.inbox, 5, "other", OTHER);
  offline_fresh(&offline, offline.inbox, "draft", OTHER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.inbox, "other", 0), CACHE_ERROR_PROTECTED);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.inbox, "draft", 0), 0);
}
END_TEST

START_TEST(an_editors_backup_is_a_name_only) {
  gint64 row = offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.inbox, "letter~", 0), 0);
  ck_assert_int_eq(find(offline.inbox, "letter~"), row);
  ck_assert(!has_new(row));
  ck_assert_int_eq(renamed(offline.inbox, "letter~", offline.inbox, "letter", 0), 0);
  ck_assert_int_eq(find(offline.inbox, "letter"), row);
  ck_assert_uint_eq(offline_left(&offline), 0);
}
END_TEST

START_TEST(a_mail_does_not_leave_its_account) {
  gint64 local = make_local(offline.inbox, ".backup");
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", local, "letter", 0), CACHE_ERROR_CROSS);
  ck_assert_uint_eq(offline_left(&offline), 0);
}
END_TEST

START_TEST(what_the_server_would_refuse) {
  gint64 fixed = offline_mailbox(&offline, offline.root, "fixed", 0);
  IndexMailbox state = {.row = fixed, .listed = INDEX_LISTED};
  ck_assert(offline_set_state(&offline, &state));
  offline_message(&offline, fixed, 4, "theirs", LETTER);
  offline_message(&offline, offline.inbox, 5, "letter", LETTER);
  offline_fresh(&offline, offline.inbox, "draft", OTHER);
  ck_assert_int_eq(renamed(fixed, "theirs", offline.inbox, "theirs", 0), CACHE_ERROR_READONLY);
  ck_assert_int_eq(renamed(offline.inbox, "letter", fixed, "letter", 0), CACHE_ERROR_READONLY);
  ck_assert_int_eq(renamed(offline.inbox, "draft", fixed, "draft", 0), CACHE_ERROR_READONLY);
  ck_assert_int_eq(renamed(offline.inbox, "draft", fixed, "theirs", 0), CACHE_ERROR_READONLY);
  ck_assert_int_eq(renamed(fixed, "theirs", fixed, "ours", 0), 0);
  offline.config.read_only = TRUE;
  ck_assert_int_eq(renamed(fixed, "ours", fixed, "theirs", 0), CACHE_ERROR_READONLY);
}
END_TEST

/* ---- what was not sent ---- */

START_TEST(debris_becomes_mail_under_a_proper_name) {
  gint64 row = offline_fresh(&offline, offline.inbox, ".letter.aB3xYz", LETTER);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  ck_assert_int_eq(renamed(offline.inbox, ".letter.aB3xYz", offline.inbox, "letter", 0), 0);
  g_auto(JournalNew) entry = offline_new(&offline, row);
  ck_assert_int_eq(entry.state, JOURNAL_READY);
  ck_assert_int_eq(entry.due, JOURNAL_NOW);
  ck_assert_int_eq(entry.target, offline.inbox);
}
END_TEST

START_TEST(and_mail_that_was_not_sent_debris) {
  gint64 row = offline_fresh(&offline, offline.inbox, "letter", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.inbox, "letter~", 0), 0);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  ck_assert_uint_eq(offline_left(&offline), 0);
}
END_TEST

START_TEST(what_is_no_message_stays_debris) {
  gint64 row = offline_fresh(&offline, offline.inbox, ".letter.swp", "no header\r\n");
  offline_because(&offline, row, "it does not begin like a message");
  ck_assert_int_eq(renamed(offline.inbox, ".letter.swp", offline.inbox, "letter", 0), CACHE_ERROR_INVALID);
  ck_assert_int_eq(find(offline.inbox, ".letter.swp"), row);
  ck_assert_int_eq(renamed(offline.inbox, ".letter.swp", offline.inbox, ".letter.swo", 0), 0);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
}
END_TEST

START_TEST(an_empty_file_stays_local) {
  gint64 row = offline_fresh(&offline, offline.inbox, ".empty", "");
  ck_assert_int_eq(renamed(offline.inbox, ".empty", offline.inbox, "empty", 0), 0);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
}
END_TEST

START_TEST(it_goes_where_it_is_moved_to) {
  gint64 row = offline_fresh(&offline, offline.inbox, "letter", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.archive, "letter", 0), 0);
  g_auto(JournalNew) entry = offline_new(&offline, row);
  ck_assert_int_eq(entry.target, offline.archive);
  ck_assert_int_eq(entry.state, JOURNAL_READY);
  ck_assert_uint_eq(offline_left(&offline), 1);
  ck_assert_int_eq(find(offline.archive, "letter"), row);
}
END_TEST

START_TEST(rsyncs_partial_dir_and_delayed_updates) {
  gint64 partial = make_local(offline.inbox, ".rsync-partial");
  gint64 row = offline_fresh(&offline, offline.inbox, ".letter.aB3xYz", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, ".letter.aB3xYz", partial, "letter", 0), 0);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  ck_assert_int_eq(renamed(partial, "letter", partial, "Letter", 0), 0);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  ck_assert_int_eq(renamed(partial, "Letter", offline.inbox, "letter", 0), 0);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  ck_assert_int_eq(find(offline.inbox, "letter"), row);
  /* and what was about to be sent is taken out again */
  ck_assert_int_eq(renamed(offline.inbox, "letter", partial, "letter", 0), 0);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  ck_assert_uint_eq(offline_left(&offline), 0);
}
END_TEST

START_TEST(over_a_message_it_is_its_successor) {
  gint64 old = offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  gint64 row = offline_fresh(&offline, offline.inbox, ".letter.aB3xYz", OTHER);
  ck_assert_int_eq(renamed(offline.inbox, ".letter.aB3xYz", offline.inbox, "letter", 0), 0);
  ck_assert_int_eq(find(offline.inbox, "letter"), row);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  ck_assert_uint_eq(offline_left(&offline), 2);
  g_auto(IndexMessage) message = message_at(old);
  ck_assert(!message.gone && message.folder == 0); /* until its successor is there */
}
END_TEST

START_TEST(equal_octets_are_a_rename_and_send_nothing) {
  gint64 old = offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  gint64 row = offline_fresh(&offline, offline.inbox, ".letter.aB3xYz", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, ".letter.aB3xYz", offline.inbox, "letter", 0), 0);
  ck_assert_int_eq(find(offline.inbox, "letter"), row);
  ck_assert(!has_new(row));
  ck_assert_uint_eq(offline_left(&offline), 0);
  g_auto(IndexMessage) message = message_at(row), before = message_at(old);
  ck_assert(before.gone);
  ck_assert_uint_eq(message.uid, 4);
  ck_assert_int_eq(message.mtime, 27);
  int fd = -1;
  char text[100] = "";
  ck_assert_int_eq(cache_open_body(offline.cache, row, CACHE_BODY_READ, &fd, NULL), CACHE_READY);
  ck_assert_int_eq(pread(fd, text, sizeof text, 0), strlen(LETTER));
  ck_assert_str_eq(text, LETTER);
  close(fd);
}
END_TEST

START_TEST(equal_octets_from_a_local_folder) {
  gint64 partial = make_local(offline.inbox, ".~tmp~");
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  gint64 row = offline_fresh(&offline, partial, "letter", LETTER);
  ck_assert_int_eq(renamed(partial, "letter", offline.inbox, "letter", 0), 0);
  ck_assert_int_eq(find(offline.inbox, "letter"), row);
  ck_assert_uint_eq(offline_left(&offline), 0);
}
END_TEST

START_TEST(equal_octets_over_what_is_being_moved) {
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, "letter", offline.archive, "letter", 0), 0);
  gint64 row = offline_fresh(&offline, offline.inbox, "draft", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, "draft", offline.archive, "letter", 0), 0);
  ck_assert_int_eq(find(offline.archive, "letter"), row);
  ck_assert_uint_eq(offline_left(&offline), 1); /* the move */
}
END_TEST

START_TEST(equal_octets_stay_debris_under_such_a_name) {
  gint64 old = offline_message(&offline, offline.inbox, 4, "letter~", LETTER);
  gint64 row = offline_fresh(&offline, offline.inbox, ".letter", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, ".letter", offline.inbox, "letter~", 0), 0);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  g_auto(IndexMessage) before = message_at(old);
  ck_assert_int_eq(before.folder, 0);
}
END_TEST

START_TEST(over_another_that_was_not_sent) {
  gint64 old = offline_fresh(&offline, offline.inbox, "letter", LETTER);
  gint64 row = offline_fresh(&offline, offline.inbox, "draft", OTHER);
  ck_assert_int_eq(renamed(offline.inbox, "draft", offline.inbox, "letter", 0), 0);
  ck_assert_int_eq(find(offline.inbox, "letter"), row);
  g_auto(IndexMessage) before = message_at(old);
  ck_assert(before.gone);
  ck_assert_uint_eq(offline_left(&offline), 1);
}
END_TEST

/* ---- lost+found
 * ------------------------------------------------------------------------------------------------------ */

START_TEST(out_of_lost_found_it_is_new_once_more) {
  gint64 row = offline_refused(&offline, "letter", LETTER);
  gint64 lost = offline_find_folder(&offline, offline.root, "lost+found");
  ck_assert_int_eq(renamed(lost, "letter", lost, "Letter", 0), 0);
  g_auto(JournalNew) refused = offline_new(&offline, row);
  ck_assert_int_eq(refused.state, JOURNAL_REFUSED);
  ck_assert_str_eq(refused.reason, "the server says no");
  g_free(offline_events(&offline));
  ck_assert_int_eq(renamed(lost, "Letter", offline.archive, "letter", 0), 0);
  g_auto(JournalNew) entry = offline_new(&offline, row);
  ck_assert_int_eq(entry.state, JOURNAL_READY);
  ck_assert_int_eq(entry.target, offline.archive);
  ck_assert_ptr_null(entry.reason);
  ck_assert_int_eq(offline_find_folder(&offline, offline.root, "lost+found"), 0);
  g_autofree char *events = offline_events(&offline);
  g_autofree char *said = g_strdup_printf("MOVED %d lost+found\nCHANGED %d\n", (int)lost, (int)offline.root);
  ck_assert_str_eq(events, said);
}
END_TEST

START_TEST(nothing_is_put_into_it) {
  offline_refused(&offline, "letter", LETTER);
  offline_refused(&offline, "other", OTHER);
  gint64 lost = offline_find_folder(&offline, offline.root, "lost+found");
  offline_message(&offline, offline.inbox, 4, "mail", LETTER);
  offline_fresh(&offline, offline.inbox, ".debris", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, "mail", lost, "mail", 0), CACHE_ERROR_PERMISSION);
  ck_assert_int_eq(renamed(offline.inbox, ".debris", lost, ".debris", 0), CACHE_ERROR_PERMISSION);
  ck_assert_int_eq(renamed(lost, "letter", lost, "other", 0), CACHE_ERROR_PERMISSION);
  ck_assert_int_eq(renamed(lost, "letter", lost, "other", CACHE_RENAME_EXCHANGE), CACHE_ERROR_PERMISSION);
  ck_assert_int_ne(find(lost, "other"), 0);
}
END_TEST

/* ---- exchange, names=uid
 * --------------------------------------------------------------------------------------------- */

START_TEST(two_change_places_within_a_folder) {
  gint64 one = offline_message(&offline, offline.inbox, 4, "one", LETTER);
  gint64 other = offline_message(&offline, offline.inbox, 5, "other", OTHER);
  offline_message(&offline, offline.archive, 6, "third", OTHER);
  ck_assert_int_eq(renamed(offline.inbox, "one", offline.inbox, "other", CACHE_RENAME_EXCHANGE), 0);
  ck_assert_int_eq(find(offline.inbox, "one"), other);
  ck_assert_int_eq(find(offline.inbox, "other"), one);
  ck_assert_uint_eq(offline_left(&offline), 0);
  ck_assert_int_eq(renamed(offline.inbox, "one", offline.archive, "third", CACHE_RENAME_EXCHANGE), CACHE_ERROR_INVALID);
  ck_assert_int_eq(renamed(offline.inbox, "one", offline.inbox, "none", CACHE_RENAME_EXCHANGE), CACHE_ERROR_GONE);
  ck_assert_int_eq(renamed(offline.root, "INBOX", offline.root, "Archive", CACHE_RENAME_EXCHANGE), CACHE_ERROR_INVALID);
}
END_TEST

START_TEST(debris_that_is_exchanged_becomes_mail) {
  gint64 mail = offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  gint64 fresh = offline_fresh(&offline, offline.inbox, "letter.tmp", OTHER);
  ck_assert_int_eq(renamed(offline.inbox, "letter.tmp", offline.inbox, "letter", CACHE_RENAME_EXCHANGE), 0);
  ck_assert_int_eq(find(offline.inbox, "letter"), fresh);
  ck_assert_int_eq(find(offline.inbox, "letter.tmp"), mail);
  ck_assert_int_eq(state_of(fresh), JOURNAL_READY);
  ck_assert_int_eq(renamed(offline.inbox, "letter.tmp", offline.inbox, "letter", CACHE_RENAME_EXCHANGE), 0);
  ck_assert_int_eq(state_of(fresh), JOURNAL_LOCAL);
}
END_TEST

START_TEST(with_names_uid_a_number_is_nobody_elses) {
  offline_message(&offline, offline.inbox, 4, "4.eml", LETTER);
  offline_message(&offline, offline.inbox, 5, "given", OTHER);
  offline_fresh(&offline, offline.inbox, ".4.eml.aB3xYz", OTHER);
  ck_assert_int_eq(renamed(offline.inbox, ".4.eml.aB3xYz", offline.inbox, "4.eml", 0), CACHE_ERROR_EXISTS);
  ck_assert_int_eq(renamed(offline.inbox, "4.eml", offline.inbox, "given", CACHE_RENAME_EXCHANGE), CACHE_ERROR_EXISTS);
  ck_assert_int_eq(renamed(offline.inbox, ".4.eml.aB3xYz", offline.inbox, "given", 0), 0);
}
END_TEST

/* ---- folders
 * --------------------------------------------------------------------------------------------------------- */

START_TEST(local_folders_are_renamed_at_once) {
  gint64 local = make_local(offline.inbox, ".x");
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  ck_assert_int_eq(renamed(offline.inbox, ".x", offline.archive, ".y", 0), 0);
  ck_assert_int_eq(offline_find_folder(&offline, offline.archive, ".y"), local);
  ck_assert_int_eq(renamed(offline.archive, ".y", offline.archive, "proper", 0), CACHE_ERROR_CROSS);
  ck_assert_int_eq(renamed(offline.archive, ".y", offline.inbox, "letter", 0), CACHE_ERROR_NO_FOLDER);
  ck_assert_int_eq(renamed(offline.archive, ".y", offline.inbox, "letter", CACHE_RENAME_NOREPLACE), CACHE_ERROR_EXISTS);
}
END_TEST

START_TEST(folders_of_the_server_stay_there) {
  gint64 local = make_local(offline.inbox, ".x");
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  ck_assert_int_eq(renamed(offline.root, "Archive", local, "Archive", 0), CACHE_ERROR_CROSS);
  ck_assert_int_eq(renamed(offline.root, "Archive", offline.root, ".Trash-1000", 0), CACHE_ERROR_PROTECTED);
  ck_assert_int_eq(renamed(offline.root, "Archive", offline.inbox, "letter", 0), CACHE_ERROR_NO_FOLDER);
  ck_assert_int_eq(offline_find_folder(&offline, offline.root, "Archive"), offline.archive);
}
END_TEST

/* ---- two at once
 * -------------------------------------------------------------------------------------------------------- */

typedef struct {
  char prefix;
  guint flags;
  int done, exists;
} Side;

static gpointer rename_all(gpointer data) {
  Side *side = data;
  for (guint i = 0; i < 40; i++) {
    g_autofree char *from = g_strdup_printf("%c%u", side->prefix, i), *to = g_strdup_printf("same%u", i);
    int code = renamed(offline.inbox, from, offline.inbox, to, side->flags);
    side->done += code == 0;
    side->exists += code == CACHE_ERROR_EXISTS;
  }
  return NULL;
}

static void race(guint flags, Side *here, Side *there) {
  *here = (Side){.prefix = 'a', .flags = flags};
  *there = (Side){.prefix = 'b', .flags = flags};
  for (guint i = 0; i < 80; i++) {
    g_autofree char *name = g_strdup_printf("%c%u", i % 2 ? 'a' : 'b', i / 2);
    if (i % 3)
      offline_message(&offline, offline.inbox, i + 1, name, LETTER);
    else
      offline_fresh(&offline, offline.inbox, name, OTHER);
  }
  GThread *thread = g_thread_new("other", rename_all, there);
  rename_all(here);
  g_thread_join(thread);
}

START_TEST(of_two_one_gets_the_name) {
  Side here, there;
  race(CACHE_RENAME_NOREPLACE, &here, &there);
  ck_assert_int_eq(here.done + there.done, 40);
  ck_assert_int_eq(here.exists + there.exists, 40);
}
END_TEST

START_TEST(of_two_the_later_replaces_the_earlier) {
  Side here, there;
  race(0, &here, &there);
  ck_assert_int_eq(here.done + there.done, 80);
  IndexMessage left[100];
  gssize n = index_messages(offline.cache->account.index, offline.inbox, 0, left, 100, NULL);
  ck_assert_int_eq(n, 40);
}
END_TEST

static gpointer remove_targets(gpointer data) {
  (void)data;
  for (guint i = 0; i < 40; i++) {
    g_autofree char *name = g_strdup_printf("same%u", i);
    g_autoptr(GError) error = NULL;
    ck_assert_int_ne(cache_remove(offline.cache, offline.inbox, name, &error), CACHE_FAILED);
  }
  return NULL;
}

START_TEST(what_is_replaced_may_be_removed_meanwhile) {
  for (guint i = 0; i < 40; i++) {
    g_autofree char *name = g_strdup_printf("same%u", i), *fresh = g_strdup_printf("a%u", i);
    offline_message(&offline, offline.inbox, i + 1, name, LETTER);
    offline_fresh(&offline, offline.inbox, fresh, OTHER);
  }
  Side side = {.prefix = 'a'};
  GThread *thread = g_thread_new("other", remove_targets, NULL);
  rename_all(&side);
  g_thread_join(thread);
  ck_assert_int_eq(side.done, 40);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/change: renaming");
  TCase *tests = tcase_create("renames");
  tcase_add_checked_fixture(tests, offline_setup, offline_teardown);
  tcase_add_test(tests, within_a_folder_a_name_is_ours_alone);
  tcase_add_test(tests, to_another_folder_it_is_moved_and_back_it_was_nothing);
  tcase_add_test(tests, what_is_not_there_and_what_stands_in_the_way);
  tcase_add_test(tests, over_another_message);
  tcase_add_test(tests, never_to_remove_is_never_to_replace);
  tcase_add_test(tests, an_editors_backup_is_a_name_only);
  tcase_add_test(tests, a_mail_does_not_leave_its_account);
  tcase_add_test(tests, what_the_server_would_refuse);
  tcase_add_test(tests, debris_becomes_mail_under_a_proper_name);
  tcase_add_test(tests, and_mail_that_was_not_sent_debris);
  tcase_add_test(tests, what_is_no_message_stays_debris);
  tcase_add_test(tests, an_empty_file_stays_local);
  tcase_add_test(tests, it_goes_where_it_is_moved_to);
  tcase_add_test(tests, rsyncs_partial_dir_and_delayed_updates);
  tcase_add_test(tests, over_a_message_it_is_its_successor);
  tcase_add_test(tests, equal_octets_are_a_rename_and_send_nothing);
  tcase_add_test(tests, equal_octets_from_a_local_folder);
  tcase_add_test(tests, equal_octets_over_what_is_being_moved);
  tcase_add_test(tests, equal_octets_stay_debris_under_such_a_name);
  tcase_add_test(tests, over_another_that_was_not_sent);
  tcase_add_test(tests, out_of_lost_found_it_is_new_once_more);
  tcase_add_test(tests, nothing_is_put_into_it);
  tcase_add_test(tests, two_change_places_within_a_folder);
  tcase_add_test(tests, debris_that_is_exchanged_becomes_mail);
  tcase_add_test(tests, local_folders_are_renamed_at_once);
  tcase_add_test(tests, folders_of_the_server_stay_there);
  tcase_add_test(tests, of_two_one_gets_the_name);
  tcase_add_test(tests, of_two_the_later_replaces_the_earlier);
  tcase_add_test(tests, what_is_replaced_may_be_removed_meanwhile);
  suite_add_tcase(suite, tests);
  TCase *numbers = tcase_create("names=uid");
  tcase_add_checked_fixture(numbers, setup_uid, offline_teardown);
  tcase_add_test(numbers, with_names_uid_a_number_is_nobody_elses);
  suite_add_tcase(suite, numbers);
  return suite_run(suite);
}
