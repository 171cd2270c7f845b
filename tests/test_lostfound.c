/* SPDX-License-Identifier: MIT */
#include "cache/journal/lostfound.h"

#include <check.h>
#include <string.h>

#include "cache/local.h"
#include "tests/offline.h"
#include "tests/suite.h"

static gint64 row_of(gint64 root) {
  gint64 row = 0;
  ck_assert(lostfound_row(&offline.cache->account, root, &row, NULL));
  return row;
}

typedef struct {
  gint64 row;
  gboolean changed;
} Show;

static gboolean write_show(IndexTxn *txn, gpointer data, GError **error) {
  Show *show = data;
  return lostfound_show(&offline.cache->account, txn, show->row, &show->changed, error);
}

static gboolean show(gint64 row) {
  Show job = {.row = row};
  ck_assert(index_write(offline.cache->account.index, INDEX_CHANGE, write_show, &job, NULL));
  if (job.changed)
    lostfound_tell(&offline.cache->account, row);
  return job.changed;
}

static gboolean end_all(IndexTxn *txn, gpointer data, GError **error) {
  gboolean more;
  return index_end_messages(txn, *(gint64 *)data, 100, NULL, NULL, &more, error);
}

static void empty(gint64 row) {
  ck_assert(index_write(offline.cache->account.index, INDEX_CHANGE, end_all, &row, NULL));
}

/* What `rm -r` does. */
START_TEST(its_last_file_takes_it_along) {
  gint64 row = offline_refused(&offline, "refused", "octets"), root = offline.root;
  g_auto(IndexMessage) message = {0};
  ck_assert_int_eq(cache_remove_folder(offline.cache, root, LOSTFOUND_NAME "x", NULL), CACHE_ABSENT);
  ck_assert(index_get_message(offline.cache->account.index, row, &message, NULL));
  ck_assert_int_eq(cache_remove(offline.cache, message.folder, message.name, NULL), CACHE_READY);
  ck_assert_int_eq(offline_find_folder(&offline, root, LOSTFOUND_NAME), 0);
  ck_assert_int_eq(cache_remove_folder(offline.cache, root, LOSTFOUND_NAME, NULL), CACHE_READY);
  ck_assert_int_eq(cache_remove_folder(offline.cache, offline.inbox, LOSTFOUND_NAME, NULL), CACHE_ABSENT);
}
END_TEST

START_TEST(it_is_seen_only_while_it_holds_something) {
  gint64 row = row_of(offline.root);
  ck_assert_int_eq(row_of(offline.root), row);
  ck_assert_int_eq(offline_find_folder(&offline, offline.root, LOSTFOUND_NAME), 0);
  ck_assert(!show(row));
  offline_message(&offline, row, 0, "refused", "octets");
  ck_assert(show(row) && !show(row));
  ck_assert_int_eq(offline_find_folder(&offline, offline.root, LOSTFOUND_NAME), row);
  g_autofree char *came = offline_events(&offline), *came_line = g_strdup_printf("CHANGED %d\n", (int)offline.root);
  ck_assert_str_eq(came, came_line);
  g_auto(IndexMailbox) root = offline_folder(&offline, offline.root);
  ck_assert_int_gt(root.mtime, 1);
  empty(row);
  ck_assert(show(row));
  ck_assert_int_eq(offline_find_folder(&offline, offline.root, LOSTFOUND_NAME), 0);
  g_autofree char *left = offline_events(&offline);
  g_autofree char *left_lines = g_strdup_printf("MOVED %d lost+found\nCHANGED %d\n", (int)row, (int)offline.root);
  ck_assert_str_eq(left, left_lines);
  ck_assert_int_eq(row_of(offline.root), row);
}
END_TEST

START_TEST(the_servers_folder_keeps_its_name) {
  gint64 theirs = offline_mailbox(&offline, offline.root, LOSTFOUND_NAME, 0), row = row_of(offline.root);
  offline_message(&offline, row, 0, "refused", "octets");
  ck_assert(show(row));
  ck_assert_int_eq(offline_find_folder(&offline, offline.root, LOSTFOUND_NAME), theirs);
  ck_assert_int_eq(offline_find_folder(&offline, offline.root, LOSTFOUND_NAME "%~2"), row);
  g_free(offline_events(&offline));
  empty(row);
  ck_assert(show(row));
  g_autofree char *left = offline_events(&offline);
  ck_assert(g_str_has_prefix(left, "MOVED ") && strstr(left, " lost+found%~2\n"));
}
END_TEST

START_TEST(while_it_is_hidden_its_name_is_free) {
  row_of(offline.root);
  ck_assert_int_ne(offline_mailbox(&offline, offline.root, LOSTFOUND_NAME, 0), 0);
}
END_TEST

START_TEST(it_follows_the_root_of_the_mount) {
  ck_assert(lostfound_open(&offline.cache->account, offline.inbox, NULL));
  gint64 row = row_of(offline.root);
  ck_assert(lostfound_open(&offline.cache->account, offline.inbox, NULL));
  offline_message(&offline, row, 0, "refused", "octets");
  ck_assert(show(row));
  ck_assert_int_eq(offline_find_folder(&offline, offline.inbox, LOSTFOUND_NAME), row);
  ck_assert(lostfound_open(&offline.cache->account, offline.archive, NULL));
  ck_assert_int_eq(offline_find_folder(&offline, offline.inbox, LOSTFOUND_NAME), 0);
  ck_assert_int_eq(offline_find_folder(&offline, offline.archive, LOSTFOUND_NAME), row);
}
END_TEST

START_TEST(users_put_nothing_into_it) {
  g_autoptr(GError) error = NULL;
  gint64 row = row_of(offline.root), made;
  offline_message(&offline, row, 0, "refused", "octets");
  ck_assert(show(row));
  g_auto(IndexMailbox) folder = offline_folder(&offline, row);
  ck_assert(local_is_closed(&folder));
  ck_assert(!local_make(&offline.cache->account, row, ".x", &made, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_PERMISSION));
  g_clear_error(&error);
  ck_assert(!local_remove(&offline.cache->account, &folder, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_PERMISSION));
  g_clear_error(&error);
  ck_assert(!local_rename(&offline.cache->account, &folder, offline.inbox, ".x", TRUE, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_PERMISSION));
}
END_TEST

static gpointer ask_for_row(gpointer data) {
  *(gint64 *)data = row_of(offline.root);
  return NULL;
}

START_TEST(two_who_ask_get_the_same) {
  gint64 here = 0, there = 0;
  GThread *thread = g_thread_new("other", ask_for_row, &there);
  ask_for_row(&here);
  g_thread_join(thread);
  ck_assert_int_eq(here, there);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/lostfound");
  TCase *tests = tcase_create("lost+found");
  tcase_add_checked_fixture(tests, offline_setup, offline_teardown);
  tcase_add_test(tests, its_last_file_takes_it_along);
  tcase_add_test(tests, it_is_seen_only_while_it_holds_something);
  tcase_add_test(tests, the_servers_folder_keeps_its_name);
  tcase_add_test(tests, while_it_is_hidden_its_name_is_free);
  tcase_add_test(tests, it_follows_the_root_of_the_mount);
  tcase_add_test(tests, users_put_nothing_into_it);
  tcase_add_test(tests, two_who_ask_get_the_same);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
