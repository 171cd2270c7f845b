/* SPDX-License-Identifier: MIT */
/* Names of files that are open, or were a moment ago. */
#include "cache/cache.h"

#include <check.h>
#include <string.h>

#include "cache/index/index_private.h"
#include "tests/offline.h"
#include "tests/suite.h"

#define LETTER "Subject: a letter\r\n\r\ntext\r\n"
#define LF_LETTER "Subject: a letter\n\ntext\n"

static int renamed(const char *name, const char *to_name) {
  return offline_rename(&offline, offline.inbox, name, offline.inbox, to_name, 0);
}

static CacheDraft *written(const char *name, const char *octets, gboolean killed, gint64 *ret_row) {
  g_autoptr(GError) error = NULL;
  CacheDraft *draft = NULL;
  CacheEntry entry;
  ck_assert_int_eq(cache_create(offline.cache, offline.inbox, name, &entry, &draft, &error), CACHE_READY);
  ck_assert(cache_draft_write(draft, octets, strlen(octets), 0, &error));
  ck_assert_msg(cache_draft_flush(draft, killed, &error), "%s", error ? error->message : "");
  *ret_row = entry.row;
  return draft;
}

static CacheDraft *edited(gint64 row) {
  CacheDraft *draft = NULL;
  ck_assert_int_eq(cache_edit(offline.cache, row, FALSE, &draft, NULL), CACHE_READY);
  return draft;
}

static guint64 size_of(gint64 row) {
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(offline.cache->account.index, row, &message, NULL));
  return message.size;
}

static JournalState state_of(gint64 row) {
  return offline_state(&offline, row);
}

/* It waits to be sent, and nobody holds it. */
static void check_ready(gint64 row, guint64 size) {
  g_auto(JournalNew) entry = offline_new(&offline, row);
  ck_assert_int_eq(entry.state, JOURNAL_READY);
  ck_assert_int_ne(entry.due, JOURNAL_HELD);
  ck_assert_uint_eq(size_of(row), size);
}

static void check_events(const char *format, gint64 row) {
  g_autofree char *events = offline_events(&offline), *said = g_strdup_printf("%s %d\n", format, (int)row);
  ck_assert_str_eq(events, said);
}

START_TEST(what_is_open_is_judged_by_its_new_name) {
  gint64 row;
  CacheDraft *draft = written("letter.tmp", LF_LETTER, FALSE, &row);
  ck_assert_int_eq(renamed("letter.tmp", "letter"), 0);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  cache_draft_close(draft);
  check_ready(row, strlen(LETTER));
}
END_TEST

START_TEST(also_if_nothing_was_written_since_it_was_opened) {
  gint64 row;
  cache_draft_close(written("letter.tmp", LF_LETTER, FALSE, &row));
  CacheDraft *draft = edited(row);
  ck_assert_int_eq(renamed("letter.tmp", "letter"), 0);
  cache_draft_close(draft);
  check_ready(row, strlen(LETTER));
}
END_TEST

START_TEST(mail_that_becomes_debris_while_it_is_open) {
  gint64 row;
  CacheDraft *draft = written("letter", LF_LETTER, FALSE, &row);
  ck_assert_int_eq(renamed("letter", "letter~"), 0);
  cache_draft_close(draft);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  ck_assert_uint_eq(size_of(row), strlen(LF_LETTER));
}
END_TEST

START_TEST(lines_end_in_cr_lf_when_debris_becomes_mail) {
  gint64 row;
  cache_draft_close(written("letter.tmp", LF_LETTER, FALSE, &row));
  ck_assert_uint_eq(size_of(row), strlen(LF_LETTER));
  g_free(offline_events(&offline));
  ck_assert_int_eq(renamed("letter.tmp", "letter"), 0);
  check_ready(row, strlen(LETTER));
  check_events("DATA", row);
}
END_TEST

START_TEST(what_is_no_message_stays_debris) {
  gint64 row;
  cache_draft_close(written("letter.tmp", "no header\n", FALSE, &row));
  ck_assert_int_eq(renamed("letter.tmp", "letter"), CACHE_ERROR_INVALID);
  ck_assert_int_eq(offline_find(&offline, offline.inbox, "letter.tmp"), row);
  ck_assert_uint_eq(size_of(row), strlen("no header\n"));
}
END_TEST

START_TEST(half_a_file_is_not_sent_until_somebody_goes_on) {
  gint64 row;
  cache_draft_close(written("letter", LETTER, TRUE, &row));
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  ck_assert_int_eq(renamed("letter", "other"), CACHE_ERROR_INVALID);
  ck_assert_int_eq(renamed("letter", "letter~"), 0);
  ck_assert_int_eq(renamed("letter~", "letter"), CACHE_ERROR_INVALID);
  cache_draft_close(edited(row));
  ck_assert_int_eq(renamed("letter~", "letter"), CACHE_ERROR_INVALID);
  CacheDraft *draft = edited(row);
  ck_assert(cache_draft_write(draft, "more\r\n", 6, strlen(LETTER), NULL));
  ck_assert(cache_draft_flush(draft, FALSE, NULL));
  cache_draft_close(draft);
  ck_assert_int_eq(renamed("letter~", "letter"), 0);
  check_ready(row, strlen(LETTER) + 6);
}
END_TEST

START_TEST(equal_octets_while_it_is_open) {
  gint64 row;
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  CacheDraft *draft = written("letter.tmp", LF_LETTER, FALSE, &row);
  ck_assert_int_eq(renamed("letter.tmp", "letter"), 0);
  ck_assert_uint_eq(offline_left(&offline), 0);
  g_free(offline_events(&offline));
  cache_draft_close(draft);
  ck_assert_uint_eq(offline_left(&offline), 0);
  ck_assert_int_eq(offline_find(&offline, offline.inbox, "letter"), row);
  ck_assert_uint_eq(size_of(row), strlen(LETTER));
  check_events("DATA", row);
}
END_TEST

START_TEST(what_is_written_after_that_is_a_rewrite) {
  gint64 row;
  offline_message(&offline, offline.inbox, 4, "letter", LETTER);
  CacheDraft *draft = written("letter.tmp", LETTER, FALSE, &row);
  ck_assert_int_eq(renamed("letter.tmp", "letter"), 0);
  ck_assert(cache_draft_write(draft, "more\r\n", 6, strlen(LETTER), NULL));
  ck_assert(cache_draft_flush(draft, FALSE, NULL));
  cache_draft_close(draft);
  gint64 fresh = offline_find(&offline, offline.inbox, "letter");
  ck_assert_int_ne(fresh, row);
  check_ready(fresh, strlen(LETTER) + 6);
  ck_assert_uint_eq(offline_left(&offline), 2); /* the new one, and the removal of the old one */
}
END_TEST

START_TEST(a_file_that_is_removed_while_it_is_open_is_never_sent) {
  gint64 row;
  CacheDraft *draft = written("letter", LETTER, FALSE, &row);
  char text[10] = "";
  ck_assert_int_eq(cache_remove(offline.cache, offline.inbox, "letter", NULL), CACHE_READY);
  ck_assert(cache_draft_write(draft, "X", 1, 0, NULL));
  ck_assert_int_eq(cache_draft_read(draft, text, 7, 0, NULL), 7);
  ck_assert_str_eq(text, "Xubject");
  ck_assert(cache_draft_flush(draft, FALSE, NULL));
  cache_draft_close(draft);
  ck_assert_uint_eq(offline_left(&offline), 0);
  ck_assert_int_eq(offline_find(&offline, offline.inbox, "letter"), 0);
}
END_TEST

static CacheAnswer await_sent(gint64 row) {
  g_autoptr(GError) error = NULL;
  CacheAnswer answer = cache_await_sent(offline.cache, row, &error);
  ck_assert_msg(!error, "%s", error ? error->message : "");
  return answer;
}

static gboolean set_sent(IndexTxn *txn, gpointer row, GError **error) {
  g_autofree char *sql = g_strdup_printf("UPDATE journal SET state = 2 WHERE message = %d", (int)*(gint64 *)row);
  return index_db_exec(txn->db, sql, error);
}

/* fsync() of an unlinked file is a success, as on other filesystems: also of one that the server is just being given,
 * whose removal may wait for long. */
START_TEST(nobody_waits_for_what_was_removed) {
  gint64 row;
  CacheDraft *draft = written("letter", LETTER, FALSE, &row);
  ck_assert_int_eq(await_sent(row), CACHE_WAIT);
  if (_i == 1)
    ck_assert(index_write(offline.cache->account.index, INDEX_CHANGE, set_sent, &row, NULL));
  g_free(offline_events(&offline));
  ck_assert_int_eq(cache_remove(offline.cache, offline.inbox, "letter", NULL), CACHE_READY);
  check_events("DONE", row);
  ck_assert_int_eq(await_sent(row), CACHE_READY);
  cache_draft_close(draft);
}
END_TEST

START_TEST(nor_for_what_was_replaced) {
  gint64 row, other;
  cache_draft_close(written("letter", LETTER, FALSE, &row));
  cache_draft_close(written("letter.tmp", LETTER, FALSE, &other));
  ck_assert_int_eq(await_sent(row), CACHE_WAIT);
  g_free(offline_events(&offline));
  ck_assert_int_eq(renamed("letter.tmp", "letter"), 0);
  g_autofree char *events = offline_events(&offline), *done = g_strdup_printf("DONE %d\n", (int)row);
  ck_assert_msg(strstr(events, done) != NULL, "%s", events);
}
END_TEST

START_TEST(in_lost_found_it_keeps_its_reason) {
  gint64 row = offline_refused(&offline, "letter", LF_LETTER), lost = 0;
  CacheDraft *draft = edited(row);
  ck_assert(cache_draft_write(draft, "X", 1, 0, NULL));
  ck_assert(cache_draft_flush(draft, FALSE, NULL));
  cache_draft_close(draft);
  g_auto(JournalNew) entry = offline_new(&offline, row);
  ck_assert_int_eq(entry.state, JOURNAL_REFUSED);
  ck_assert_str_eq(entry.reason, "the server says no");
  lost = offline_find_folder(&offline, offline.root, "lost+found");
  ck_assert_int_eq(offline_rename(&offline, lost, "letter", offline.inbox, "letter", 0), 0);
  g_auto(JournalNew) again = offline_new(&offline, row);
  ck_assert_ptr_null(again.reason);
  check_ready(row, strlen(LETTER));
}
END_TEST

START_TEST(an_mtime_that_is_set_while_it_is_open) {
  gint64 row;
  CacheDraft *draft = written("letter", LETTER, FALSE, &row);
  ck_assert(cache_set_mtime(offline.cache, CACHE_MESSAGE, row, 5000000000, NULL));
  ck_assert(cache_draft_flush(draft, FALSE, NULL));
  cache_draft_close(draft);
  g_auto(JournalNew) entry = offline_new(&offline, row);
  ck_assert_int_eq(entry.due, JOURNAL_NOW);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(offline.cache->account.index, row, &message, NULL));
  ck_assert_int_eq(message.mtime, 5000000000);
  ck_assert_int_eq(message.internaldate, 5);
}
END_TEST

static gpointer close_it(gpointer draft) {
  cache_draft_close(draft);
  return NULL;
}

/* The kernel sends RELEASE and does not wait for it, so a rename may come first, or at the same time. */
START_TEST(closing_and_renaming_at_once) {
  for (guint i = 0; i < 200; i++) {
    gint64 row;
    g_autofree char *debris = g_strdup_printf(".letter-%u", i), *name = g_strdup_printf("letter-%u", i);
    CacheDraft *draft = written(debris, LF_LETTER, FALSE, &row);
    GThread *thread = g_thread_new("other", close_it, draft);
    ck_assert_int_eq(renamed(debris, name), 0);
    g_thread_join(thread);
    check_ready(row, strlen(LETTER));
  }
}
END_TEST

START_TEST(closing_and_renaming_over_its_like_at_once) {
  for (guint i = 0; i < 100; i++) {
    gint64 row;
    g_autofree char *debris = g_strdup_printf(".letter-%u", i), *name = g_strdup_printf("letter-%u", i);
    offline_message(&offline, offline.inbox, i + 1, name, LETTER);
    CacheDraft *draft = written(debris, LF_LETTER, FALSE, &row);
    GThread *thread = g_thread_new("other", close_it, draft);
    ck_assert_int_eq(renamed(debris, name), 0);
    g_thread_join(thread);
    ck_assert_uint_eq(offline_left(&offline), 0);
    ck_assert_int_eq(offline_find(&offline, offline.inbox, name), row);
  }
}
END_TEST

START_TEST(closing_and_exchanging_at_once) {
  for (guint i = 0; i < 100; i++) {
    gint64 row;
    g_autofree char *debris = g_strdup_printf(".letter-%u", i), *name = g_strdup_printf("letter-%u", i);
    offline_message(&offline, offline.inbox, i + 1, name, "Subject: another\r\n\r\n");
    CacheDraft *draft = written(debris, LF_LETTER, FALSE, &row);
    GThread *thread = g_thread_new("other", close_it, draft);
    ck_assert_int_eq(offline_rename(&offline, offline.inbox, debris, offline.inbox, name, CACHE_RENAME_EXCHANGE), 0);
    g_thread_join(thread);
    ck_assert_int_eq(offline_find(&offline, offline.inbox, name), row);
    check_ready(row, strlen(LETTER));
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/change: what is open");
  TCase *tests = tcase_create("open");
  tcase_add_checked_fixture(tests, offline_setup, offline_teardown);
  tcase_add_test(tests, what_is_open_is_judged_by_its_new_name);
  tcase_add_test(tests, also_if_nothing_was_written_since_it_was_opened);
  tcase_add_test(tests, mail_that_becomes_debris_while_it_is_open);
  tcase_add_test(tests, lines_end_in_cr_lf_when_debris_becomes_mail);
  tcase_add_test(tests, what_is_no_message_stays_debris);
  tcase_add_test(tests, half_a_file_is_not_sent_until_somebody_goes_on);
  tcase_add_test(tests, equal_octets_while_it_is_open);
  tcase_add_test(tests, what_is_written_after_that_is_a_rewrite);
  tcase_add_test(tests, a_file_that_is_removed_while_it_is_open_is_never_sent);
  tcase_add_loop_test(tests, nobody_waits_for_what_was_removed, 0, 2);
  tcase_add_test(tests, nor_for_what_was_replaced);
  tcase_add_test(tests, in_lost_found_it_keeps_its_reason);
  tcase_add_test(tests, an_mtime_that_is_set_while_it_is_open);
  tcase_add_test(tests, closing_and_renaming_at_once);
  tcase_add_test(tests, closing_and_renaming_over_its_like_at_once);
  tcase_add_test(tests, closing_and_exchanging_at_once);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
