/* SPDX-License-Identifier: MIT */
#include "cache/local.h"

#include <check.h>

#include "tests/offline.h"
#include "tests/suite.h"

/* 0: made. */
static int make(gint64 parent, const char *name, gint64 *ret) {
  g_autoptr(GError) error = NULL;
  if (local_make(&offline.cache->account, parent, name, ret, &error))
    return 0;
  ck_assert(error && error->domain == CACHE_ERROR);
  return error->code;
}

static gint64 made(gint64 parent, const char *name) {
  gint64 row = 0;
  ck_assert_int_eq(make(parent, name, &row), 0);
  return row;
}

static int removed(gint64 row) {
  g_autoptr(GError) error = NULL;
  g_auto(IndexMailbox) folder = offline_folder(&offline, row);
  return local_remove(&offline.cache->account, &folder, &error) ? 0 : error->code;
}

static int renamed(gint64 row, gint64 parent, const char *name, gboolean replace) {
  g_autoptr(GError) error = NULL;
  g_auto(IndexMailbox) folder = offline_folder(&offline, row);
  return local_rename(&offline.cache->account, &folder, parent, name, replace, &error) ? 0 : error->code;
}

START_TEST(debris_and_what_is_in_it_stays_here) {
  gint64 partial = made(offline.inbox, ".rsync-partial");
  g_auto(IndexMailbox) inbox = offline_folder(&offline, offline.inbox);
  g_auto(IndexMailbox) folder = offline_folder(&offline, partial);
  ck_assert(local_keeps(&inbox, ".x") && !local_keeps(&inbox, "proper"));
  ck_assert(local_is(&folder) && !local_is(&inbox) && local_keeps(&folder, "proper"));
  ck_assert_int_gt(inbox.mtime, 1);
  ck_assert_int_ne(made(partial, "proper"), 0);
  CacheEntry entry;
  ck_assert_int_eq(cache_lookup(offline.cache, offline.inbox, ".rsync-partial", &entry, NULL), CACHE_READY);
  ck_assert_uint_eq(entry.nlink, 3);
  ck_assert_int_eq(cache_open_folder(offline.cache, partial, NULL), CACHE_READY);
}
END_TEST

START_TEST(what_cannot_be_made) {
  gint64 row;
  ck_assert_int_eq(make(offline.inbox, "proper", &row), CACHE_ERROR_CROSS);
  ck_assert_int_eq(make(offline.root, ".Trash-1000", &row), CACHE_ERROR_PROTECTED);
  ck_assert_int_eq(make(999, ".x", &row), CACHE_ERROR_GONE);
  offline_message(&offline, offline.inbox, 1, ".taken", "a");
  ck_assert_int_eq(make(offline.inbox, ".taken", &row), CACHE_ERROR_EXISTS);
  made(offline.inbox, ".x");
  ck_assert_int_eq(make(offline.inbox, ".x", &row), CACHE_ERROR_EXISTS);
  offline_mailbox(&offline, offline.inbox, ".hidden", INDEX_HIDDEN); /* hide= */
  ck_assert_int_eq(make(offline.inbox, ".hidden", &row), CACHE_ERROR_EXISTS);
  ck_assert_int_eq(renamed(made(offline.inbox, ".y"), offline.inbox, ".hidden", TRUE), CACHE_ERROR_EXISTS);
}
END_TEST

START_TEST(only_an_empty_one_is_removed) {
  gint64 folder = made(offline.inbox, ".x"), inner = made(folder, "inner");
  ck_assert_int_eq(removed(folder), CACHE_ERROR_NOT_EMPTY);
  offline_message(&offline, inner, 0, "file", "octets");
  ck_assert_int_eq(removed(inner), CACHE_ERROR_NOT_EMPTY);
  gint64 other = made(folder, "other");
  ck_assert_int_eq(removed(other), 0);
  ck_assert_int_eq(offline_find_folder(&offline, folder, "other"), 0);
  ck_assert_int_ne(made(folder, "other"), other);
}
END_TEST

START_TEST(it_is_renamed_among_its_like) {
  gint64 folder = made(offline.inbox, ".x"), inner = made(folder, "inner");
  ck_assert_int_eq(renamed(folder, offline.archive, "x~", TRUE), 0);
  ck_assert_int_eq(offline_find_folder(&offline, offline.archive, "x~"), folder);
  ck_assert_int_eq(offline_find_folder(&offline, offline.inbox, ".x"), 0);
  ck_assert_int_eq(offline_find_folder(&offline, folder, "inner"), inner);
  g_auto(IndexMailbox) inbox = offline_folder(&offline, offline.inbox);
  g_auto(IndexMailbox) archive = offline_folder(&offline, offline.archive);
  ck_assert_int_gt(MIN(inbox.mtime, archive.mtime), 1);
  ck_assert_int_eq(renamed(folder, offline.archive, "x~", TRUE), 0);
  ck_assert_int_eq(renamed(folder, offline.archive, "x~", FALSE), CACHE_ERROR_EXISTS);
  ck_assert_int_eq(renamed(inner, folder, "proper", FALSE), 0);
}
END_TEST

START_TEST(where_it_cannot_go) {
  gint64 folder = made(offline.inbox, ".x"), inner = made(folder, "inner");
  ck_assert_int_eq(renamed(folder, offline.inbox, "proper", TRUE), CACHE_ERROR_CROSS);
  ck_assert_int_eq(renamed(folder, offline.inbox, ".Trash", TRUE), CACHE_ERROR_PROTECTED);
  ck_assert_int_eq(renamed(folder, folder, "in", TRUE), CACHE_ERROR_INVALID);
  ck_assert_int_eq(renamed(folder, inner, "in", TRUE), CACHE_ERROR_INVALID);
  ck_assert_int_eq(renamed(folder, 999, ".y", TRUE), CACHE_ERROR_GONE);
  ck_assert_int_eq(offline_find_folder(&offline, offline.inbox, ".x"), folder);
}
END_TEST

START_TEST(what_stands_there_gives_way_when_it_is_empty) {
  gint64 folder = made(offline.inbox, ".x"), there = made(offline.inbox, ".y"), inner = made(there, "inner");
  offline_message(&offline, offline.inbox, 1, ".file", "a");
  gint64 real = offline_mailbox(&offline, offline.inbox, ".real", 0);
  ck_assert_int_eq(renamed(folder, offline.inbox, ".y", FALSE), CACHE_ERROR_EXISTS);
  ck_assert_int_eq(renamed(folder, offline.inbox, ".y", TRUE), CACHE_ERROR_NOT_EMPTY);
  ck_assert_int_eq(renamed(folder, offline.inbox, ".real", TRUE), CACHE_ERROR_CROSS);
  ck_assert_int_eq(renamed(folder, offline.inbox, ".file", TRUE), CACHE_ERROR_NO_FOLDER);
  ck_assert_int_eq(renamed(folder, offline.inbox, ".file", FALSE), CACHE_ERROR_EXISTS);
  ck_assert_int_eq(removed(inner), 0);
  ck_assert_int_eq(renamed(folder, offline.inbox, ".y", TRUE), 0);
  ck_assert_int_eq(offline_find_folder(&offline, offline.inbox, ".y"), folder);
  ck_assert_int_eq(offline_find_folder(&offline, offline.inbox, ".real"), real);
}
END_TEST

START_TEST(it_is_there_after_a_restart) {
  gint64 folder = made(offline.inbox, ".x");
  Offline other = offline;
  cache_free(other.cache);
  other.cache = cache_open(&offline.config, NULL);
  offline.cache = other.cache;
  ck_assert_ptr_nonnull(offline.cache);
  ck_assert_int_eq(offline_find_folder(&offline, offline.inbox, ".x"), folder);
}
END_TEST

typedef struct {
  gint go;
  int outcomes[2];
} Race;

static gpointer make_the_same(gpointer data) {
  Race *race = data;
  gint64 row;
  int outcome = make(offline.inbox, ".x", &row);
  race->outcomes[g_atomic_int_add(&race->go, 1)] = outcome;
  return NULL;
}

START_TEST(of_two_one_makes_it) {
  for (guint i = 0; i < 50; i++) {
    Race race = {0};
    GThread *thread = g_thread_new("other", make_the_same, &race);
    make_the_same(&race);
    g_thread_join(thread);
    ck_assert_int_eq(MIN(race.outcomes[0], race.outcomes[1]), 0);
    ck_assert_int_eq(MAX(race.outcomes[0], race.outcomes[1]), CACHE_ERROR_EXISTS);
    ck_assert_int_eq(removed(offline_find_folder(&offline, offline.inbox, ".x")), 0);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/local");
  TCase *tests = tcase_create("local folders");
  tcase_add_checked_fixture(tests, offline_setup, offline_teardown);
  tcase_add_test(tests, debris_and_what_is_in_it_stays_here);
  tcase_add_test(tests, what_cannot_be_made);
  tcase_add_test(tests, only_an_empty_one_is_removed);
  tcase_add_test(tests, it_is_renamed_among_its_like);
  tcase_add_test(tests, where_it_cannot_go);
  tcase_add_test(tests, what_stands_there_gives_way_when_it_is_empty);
  tcase_add_test(tests, it_is_there_after_a_restart);
  tcase_add_test(tests, of_two_one_makes_it);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
