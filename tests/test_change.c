/* SPDX-License-Identifier: MIT */
/* Removing, and times. Renames are in test_change_rename.c. */
#include "cache/cache.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/offline.h"
#include "tests/suite.h"

#define LETTER "Subject: a letter\r\n\r\ntext\r\n"

#define ABSENT OFFLINE_ABSENT

/* 0: done; else the code of the error. */
static int removed(gint64 folder, const char *name) {
  g_autoptr(GError) error = NULL;
  CacheAnswer answer = cache_remove(offline.cache, folder, name, &error);
  ck_assert_int_eq(error != NULL, answer == CACHE_FAILED);
  return answer == CACHE_READY ? 0 : answer == CACHE_ABSENT ? ABSENT : error->code;
}

static CacheEntry entry_of(gint64 row) {
  CacheEntry entry;
  ck_assert_int_eq(cache_get(offline.cache, CACHE_MESSAGE, row, &entry, NULL), CACHE_READY);
  return entry;
}

START_TEST(a_message_goes_at_once_here_and_by_the_journal_there) {
  gint64 row = offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  ck_assert_int_eq(removed(offline.inbox, "letter"), 0);
  ck_assert_int_eq(offline_find(&offline, offline.inbox, "letter"), 0);
  ck_assert_uint_eq(offline_left(&offline), 1);
  ck_assert_int_eq(entry_of(row).row, row);
  g_auto(IndexMailbox) inbox = offline_folder(&offline, offline.inbox);
  ck_assert_int_gt(inbox.mtime, 1);
  ck_assert_int_eq(removed(offline.inbox, "letter"), ABSENT);
  g_autofree char *events = offline_events(&offline);
  ck_assert_str_eq(events, "");
}
END_TEST

START_TEST(what_is_no_message) {
  ck_assert_int_eq(removed(offline.inbox, "nothing"), ABSENT);
  ck_assert_int_eq(removed(999, "nothing"), ABSENT);
  ck_assert_int_eq(removed(offline.root, "INBOX"), CACHE_ERROR_FOLDER);
}
END_TEST

START_TEST(what_was_never_sent_leaves_no_trace) {
  gint64 row = offline_fresh(&offline, offline.inbox, "letter", LETTER);
  ck_assert_uint_eq(offline_left(&offline), 1);
  ck_assert_int_eq(removed(offline.inbox, "letter"), 0);
  ck_assert_uint_eq(offline_left(&offline), 0);
  ck_assert_uint_eq(entry_of(row).nlink, 0);
}
END_TEST

START_TEST(mounted_read_only) {
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  offline.config.read_only = TRUE;
  ck_assert_int_eq(removed(offline.inbox, "letter"), CACHE_ERROR_READONLY);
  ck_assert(!cache_set_mtime(offline.cache, CACHE_FOLDER, offline.inbox, 5, NULL));
  ck_assert_uint_eq(offline_left(&offline), 0);
}
END_TEST

START_TEST(where_the_server_would_refuse) {
  gint64 fixed = offline_mailbox(&offline, offline.root, "fixed", 0);
  IndexMailbox state = {.row = fixed, .listed = INDEX_LISTED};
  ck_assert(offline_set_state(&offline, &state));
  offline_message(&offline, fixed, 4, "letter", LETTER);
  ck_assert_int_eq(removed(fixed, "letter"), CACHE_ERROR_READONLY);
  ck_assert_int_ne(offline_find(&offline, fixed, "letter"), 0);
}
END_TEST

START_TEST(never_is_never_but_for_what_was_not_sent) {
  offline.config.remove = CACHE_DELETE_NEVER;
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  offline_fresh(&offline, offline.inbox, "draft", LETTER);
  ck_assert_int_eq(removed(offline.inbox, "letter"), CACHE_ERROR_PROTECTED);
  ck_assert_int_eq(removed(offline.inbox, "draft"), 0);
}
END_TEST

START_TEST(the_brake) {
  for (guint i = 1; i <= 5; i++) {
    g_autofree char *name = g_strdup_printf("letter-%u", i), *debris = g_strdup_printf(".debris-%u", i);
    offline_message(&offline, offline.inbox, i, name, LETTER);
    offline_fresh(&offline, offline.inbox, debris, LETTER);
    ck_assert_int_eq(removed(offline.inbox, debris), 0);
  }
  ck_assert_int_eq(removed(offline.inbox, "letter-1"), 0);
  ck_assert_int_eq(removed(offline.inbox, "nothing"), ABSENT);
  ck_assert_int_eq(removed(offline.inbox, "letter-2"), 0);
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "more messages than 2*SIGHUP*");
  ck_assert_int_eq(removed(offline.inbox, "letter-3"), CACHE_ERROR_PROTECTED);
  g_test_assert_expected_messages();
  ck_assert_int_ne(offline_find(&offline, offline.inbox, "letter-3"), 0);
  cache_release_brake(offline.cache);
  ck_assert_int_eq(removed(offline.inbox, "letter-3"), 0);
}
END_TEST

static void braked(void) {
  offline_init(&offline);
  offline.config.brake = 2;
  offline_open(&offline);
}

/* The one file in discarded/. A new string. */
static char *discarded(void) {
  g_autofree char *state = g_build_filename(offline.config.state_dir, "*", "discarded", "*", NULL);
  g_autofree char *command = g_strdup_printf("cat %s", state);
  char *text = NULL, *argv[] = {(char *)"sh", (char *)"-c", command, NULL};
  ck_assert(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &text, NULL,
                         NULL, NULL));
  return text;
}

START_TEST(what_is_removed_in_lost_found_is_kept_elsewhere) {
  gint64 row = offline_refused(&offline, "letter", LETTER);
  gint64 lost = offline_find_folder(&offline, offline.root, "lost+found");
  ck_assert_int_ne(lost, 0);
  g_free(offline_events(&offline));
  ck_assert_int_eq(removed(lost, "letter"), 0);
  ck_assert_uint_eq(entry_of(row).nlink, 0);
  g_autofree char *text = discarded();
  ck_assert_str_eq(text, LETTER);
  ck_assert_int_eq(offline_find_folder(&offline, offline.root, "lost+found"), 0);
  g_autofree char *events = offline_events(&offline);
  g_autofree char *said = g_strdup_printf("MOVED %d lost+found\nCHANGED %d\n", (int)lost, (int)offline.root);
  ck_assert_str_eq(events, said);
}
END_TEST

START_TEST(it_is_seen_as_long_as_there_is_another) {
  offline_refused(&offline, "one", LETTER);
  offline_refused(&offline, "other", LETTER);
  gint64 lost = offline_find_folder(&offline, offline.root, "lost+found");
  ck_assert_int_eq(removed(lost, "one"), 0);
  ck_assert_int_eq(offline_find_folder(&offline, offline.root, "lost+found"), lost);
}
END_TEST

typedef struct {
  int ready, absent;
} Outcome;

static gpointer remove_all(gpointer data) {
  Outcome *outcome = data;
  for (guint i = 1; i <= 50; i++) {
    g_autofree char *name = g_strdup_printf("letter-%u", i);
    int code = removed(offline.inbox, name);
    outcome->ready += code == 0;
    outcome->absent += code == ABSENT;
  }
  return NULL;
}

START_TEST(of_two_one_removes_it) {
  for (guint i = 1; i <= 50; i++) {
    g_autofree char *name = g_strdup_printf("letter-%u", i);
    if (i % 2)
      offline_message(&offline, offline.inbox, i, name, LETTER);
    else
      offline_fresh(&offline, offline.inbox, name, LETTER);
  }
  Outcome here = {0}, there = {0};
  GThread *thread = g_thread_new("other", remove_all, &there);
  remove_all(&here);
  g_thread_join(thread);
  ck_assert_int_eq(here.ready + there.ready, 50);
  ck_assert_int_eq(here.absent + there.absent, 50);
  ck_assert_uint_eq(offline_left(&offline), 25);
}
END_TEST

/* ---- times ------------------------------------------------------------------------------------------------------ */

START_TEST(the_mtime_of_a_message_is_ours) {
  gint64 row = offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  ck_assert(cache_set_mtime(offline.cache, CACHE_MESSAGE, row, 5000000007, NULL));
  ck_assert_int_eq(entry_of(row).mtime, 5000000007);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(offline.cache->account.index, row, &message, NULL));
  ck_assert_int_eq(message.internaldate, 1700000000);
  ck_assert_uint_eq(offline_left(&offline), 0);
}
END_TEST

START_TEST(that_of_a_new_one_is_its_date_and_ends_its_grace) {
  static const gint64 times[][2] = {{5000000007, 5}, {-1, -1}, {-1000000000, -1}, {0, 0}};
  gint64 row = offline_fresh(&offline, offline.inbox, "letter", LETTER);
  g_auto(JournalNew) before = offline_new(&offline, row);
  ck_assert_int_gt(before.due, JOURNAL_NOW);
  for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
    g_auto(IndexMessage) message = {0};
    ck_assert(cache_set_mtime(offline.cache, CACHE_MESSAGE, row, times[i][0], NULL));
    ck_assert(index_get_message(offline.cache->account.index, row, &message, NULL));
    ck_assert_int_eq(message.mtime, times[i][0]);
    ck_assert_int_eq(message.internaldate, times[i][1]);
  }
  g_auto(JournalNew) after = offline_new(&offline, row);
  ck_assert_int_eq(after.due, JOURNAL_NOW);
}
END_TEST

START_TEST(folders_have_one_too) {
  ck_assert(cache_set_mtime(offline.cache, CACHE_FOLDER, offline.inbox, 77, NULL));
  g_auto(IndexMailbox) inbox = offline_folder(&offline, offline.inbox);
  ck_assert_int_eq(inbox.mtime, 77);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/change: removing, and times");
  TCase *tests = tcase_create("change");
  tcase_add_checked_fixture(tests, offline_setup, offline_teardown);
  tcase_add_test(tests, a_message_goes_at_once_here_and_by_the_journal_there);
  tcase_add_test(tests, what_is_no_message);
  tcase_add_test(tests, what_was_never_sent_leaves_no_trace);
  tcase_add_test(tests, mounted_read_only);
  tcase_add_test(tests, where_the_server_would_refuse);
  tcase_add_test(tests, never_is_never_but_for_what_was_not_sent);
  tcase_add_test(tests, what_is_removed_in_lost_found_is_kept_elsewhere);
  tcase_add_test(tests, it_is_seen_as_long_as_there_is_another);
  tcase_add_test(tests, of_two_one_removes_it);
  tcase_add_test(tests, the_mtime_of_a_message_is_ours);
  tcase_add_test(tests, that_of_a_new_one_is_its_date_and_ends_its_grace);
  tcase_add_test(tests, folders_have_one_too);
  suite_add_tcase(suite, tests);
  TCase *brake = tcase_create("the brake");
  tcase_add_checked_fixture(brake, braked, offline_teardown);
  tcase_add_test(brake, the_brake);
  suite_add_tcase(suite, brake);
  return suite_run(suite);
}
