/* SPDX-License-Identifier: MIT */
/* New files, from the first octet to the journal, as fs/ makes them; nothing is sent. */
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "cache/draft/draft.h"
#include "tests/drafts.h"
#include "tests/suite.h"

#define INBOX draft_test.inbox

static void check_octets(gint64 row, const char *expected) {
  g_autofree char *found = octets_of(row);
  ck_assert_str_eq(found, expected);
  ck_assert_uint_eq(entry_of(row).size, strlen(expected));
}

static void check_reason(gint64 row, const char *word) {
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(row, &entry));
  ck_assert_int_eq(entry.state, JOURNAL_LOCAL);
  ck_assert_msg(word ? entry.reason && strstr(entry.reason, word) : !entry.reason, "%s", entry.reason);
}

/* ---- what is sent -------------------------------------------------------------------------------------------- */

START_TEST(a_file_is_sent_after_its_last_close) {
  gint64 row, before = g_get_real_time();
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  write_at(draft, LF_TEXT, 0);
  ck_assert_uint_eq(entry_of(row).size, strlen(LF_TEXT));
  flush_file(draft);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  ck_assert_int_eq(due_of(row), JOURNAL_HELD);
  check_octets(row, LF_TEXT);
  cache_draft_close(draft);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  ck_assert_int_ge(due_of(row), before + 2 * G_USEC_PER_SEC);
  ck_assert_int_le(due_of(row), g_get_real_time() + 2 * G_USEC_PER_SEC);
  check_octets(row, CRLF_TEXT);
  g_autofree char *told = events(), *expected = g_strdup_printf("DATA %d\n", (int)row);
  ck_assert_str_eq(told, expected);
}
END_TEST

/* The kernel holds the size that was written until it asks anew: an open must not read to there, or append. */
START_TEST(what_became_crlf_is_opened_when_its_size_is_known) {
  int fd = -1;
  CacheDraft *draft = NULL;
  gint64 row = make_file(INBOX, "a.eml", LF_TEXT);
  ck_assert_int_eq(cache_open_body(draft_test.cache, row, CACHE_BODY_OPEN, &fd, NULL), CACHE_STALE);
  ck_assert_int_eq(cache_edit(draft_test.cache, row, FALSE, &draft, NULL), CACHE_STALE);
  ck_assert_int_eq(find(INBOX, "a.eml"), row);
  ck_assert_int_eq(cache_open_body(draft_test.cache, row, CACHE_BODY_OPEN, &fd, NULL), CACHE_READY);
  close(fd);
}
END_TEST

START_TEST(who_comes_while_lines_are_ended_looks_again) {
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row), *other = NULL;
  write_at(draft, LF_TEXT, 0);
  fetch_resized(draft_test.cache->fetch, row);
  ck_assert_ptr_null(cache_draft_of(draft_test.cache, row));
  ck_assert_int_eq(cache_edit(draft_test.cache, row, FALSE, &other, NULL), CACHE_STALE);
  ck_assert_uint_eq(entry_of(row).size, strlen(LF_TEXT));
  other = edit_file(row, FALSE);
  cache_draft_close(other);
  flush_file(draft);
  cache_draft_close(draft);
}
END_TEST

START_TEST(crlf_needs_no_change) {
  gint64 row = make_file(INBOX, "a.eml", CRLF_TEXT);
  check_octets(row, CRLF_TEXT);
  g_autofree char *told = events();
  ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(half_a_file_is_flushed_and_goes_on) {
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  flush_file(draft);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  write_at(draft, "Subject: a\n", 0);
  flush_file(draft);
  check_octets(row, "Subject: a\n");
  write_at(draft, "\nbody\n", 11);
  flush_file(draft);
  flush_file(draft);
  ck_assert_int_eq(due_of(row), JOURNAL_HELD);
  cache_draft_close(draft);
  check_octets(row, "Subject: a\r\n\r\nbody\r\n");
}
END_TEST

START_TEST(the_last_of_several_handles_counts) {
  gint64 row;
  CacheDraft *first = create_file(INBOX, "a.eml", &row), *second = edit_file(row, FALSE);
  write_at(first, LF_TEXT, 0);
  write_at(second, "J", 21);
  flush_file(first);
  cache_draft_close(first);
  ck_assert_int_eq(due_of(row), JOURNAL_HELD);
  g_autofree char *seen = draft_octets(second);
  ck_assert_uint_eq(strlen(seen), strlen(LF_TEXT));
  CacheDraft *reader = cache_draft_of(draft_test.cache, row);
  ck_assert_ptr_nonnull(reader);
  flush_file(second);
  cache_draft_close(second);
  ck_assert_int_ne(due_of(row), JOURNAL_HELD);
  ck_assert_ptr_null(cache_draft_of(draft_test.cache, row));
  g_autofree char *after = draft_octets(reader), *octets = octets_of(row);
  ck_assert_str_eq(after, octets);
  cache_draft_close(reader);
}
END_TEST

/* Written after it was opened for reading: what a reader sees is never older than what the kernel may hold. */
START_TEST(a_reader_sees_the_next_writer) {
  gint64 row = make_file(INBOX, "a.eml", CRLF_TEXT);
  CacheDraft *first = edit_file(row, FALSE), *reader = cache_draft_of(draft_test.cache, row);
  cache_draft_close(first);
  CacheDraft *second = edit_file(row, FALSE);
  write_at(second, "X", 0);
  char octet = 0;
  ck_assert_int_eq(cache_draft_read(reader, &octet, 1, 0, NULL), 1);
  ck_assert_int_eq(octet, 'X');
  cache_draft_close(reader);
  flush_file(second);
  cache_draft_close(second);
}
END_TEST

START_TEST(large_files_are_spooled) {
  g_autoptr(GString) text = g_string_new("Subject: large\n\n"), crlf = g_string_new("Subject: large\r\n\r\n");
  while (text->len < 3 * JOURNAL_BYTES) {
    g_string_append(text, "a line of some length, and no other\n");
    g_string_append(crlf, "a line of some length, and no other\r\n");
  }
  gint64 row = make_file(INBOX, "a.eml", text->str);
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(row, &entry) && entry.spooled);
  check_octets(row, crlf->str);
  g_autofree char *about = spool_about(draft_test.cache->account.spool, row, NULL);
  ck_assert_ptr_nonnull(strstr(about, "name: a.eml\n"));
  ck_assert_ptr_nonnull(strstr(about, "folder: INBOX"));
  /* And back into the journal's row. */
  CacheDraft *draft = edit_file(row, TRUE);
  write_at(draft, CRLF_TEXT, 0);
  flush_file(draft);
  cache_draft_close(draft);
  check_octets(row, CRLF_TEXT);
  g_autoptr(GArray) rows = spool_rows(draft_test.cache->account.spool, NULL);
  ck_assert_uint_eq(rows->len, 0);
}
END_TEST

START_TEST(a_name_is_taken_once) {
  g_autoptr(GError) error = NULL;
  CacheEntry entry;
  CacheDraft *draft = NULL;
  make_file(INBOX, "a.eml", CRLF_TEXT);
  ck_assert_int_eq(cache_create(draft_test.cache, INBOX, "a.eml", &entry, &draft, &error), CACHE_FAILED);
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_EXISTS));
}
END_TEST

/* ---- what stays ---------------------------------------------------------------------------------------------- */

START_TEST(debris_stays_as_it_is) {
  gint64 row = make_file(INBOX, ".a.eml.swp", "b0VIM 9.0\n\x01 and no header\n");
  check_octets(row, "b0VIM 9.0\n\x01 and no header\n");
  check_reason(row, NULL);
  CacheDraft *draft = create_file(INBOX, "a.tmp", &row);
  ck_assert(cache_draft_write(draft, "\0\0", 2, 0, NULL));
  flush_file(draft);
  cache_draft_close(draft);
  check_reason(row, NULL);
}
END_TEST

START_TEST(an_empty_file_stays) {
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  flush_file(draft);
  cache_draft_close(draft);
  check_reason(row, NULL);
  check_octets(row, "");
  CacheEntry entry;
  ck_assert_int_eq(cache_lookup(draft_test.cache, INBOX, "a.eml", &entry, NULL), CACHE_READY);
  ck_assert(entry.shown);
}
END_TEST

static void check_no_message(const char *name, const char *octets, gsize len, const char *why) {
  g_autoptr(GError) error = NULL;
  gint64 row;
  CacheDraft *draft = create_file(INBOX, name, &row);
  ck_assert(cache_draft_write(draft, octets, len, 0, NULL));
  ck_assert(!cache_draft_flush(draft, FALSE, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_INVALID));
  cache_draft_close(draft);
  check_reason(row, why);
  ck_assert_uint_eq(entry_of(row).size, len);
}

START_TEST(what_is_no_message_stays_and_says_so) {
  check_no_message("a.eml", "hello\n", 6, "header");
  check_no_message("b.eml", "Subject: a\n\n\0\n", 14, "NUL");
  check_no_message("c.eml", "Subject: never ends", 19, "header");
}
END_TEST

START_TEST(a_writer_that_was_killed_leaves_half_a_file) {
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, LF_TEXT, 0);
  ck_assert(cache_draft_flush(draft, TRUE, NULL));
  check_reason(row, "incomplete");
  flush_file(draft);
  cache_draft_close(draft);
  check_reason(row, "incomplete");
  check_octets(row, LF_TEXT);
  /* Whoever goes on with it finishes it. */
  draft = edit_file(row, FALSE);
  write_at(draft, "more\n", strlen(LF_TEXT));
  flush_file(draft);
  cache_draft_close(draft);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
}
END_TEST

START_TEST(one_that_was_only_opened_changes_nothing) {
  gint64 row = make_file(INBOX, ".a", LF_TEXT);
  CacheDraft *draft = edit_file(row, FALSE);
  ck_assert(cache_draft_flush(draft, TRUE, NULL));
  cache_draft_close(draft);
  check_reason(row, NULL);
  check_octets(row, LF_TEXT);
}
END_TEST

START_TEST(scratch_has_a_limit) {
  g_autoptr(GError) error = NULL;
  CacheDraft *draft = create_file(INBOX, "a.tmp", NULL);
  write_at(draft, "x", 0);
  ck_assert(!cache_draft_truncate(draft, (G_GUINT64_CONSTANT(1) << 30) + 1, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_SPACE));
  ck_assert_uint_eq(cache_draft_size(draft), 1);
  cache_draft_close(draft);
  g_clear_error(&error);
  draft = create_file(INBOX, "a.eml", NULL);
  ck_assert(!cache_draft_write(draft, "x", 1, G_GUINT64_CONSTANT(1) << 62, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_TOOBIG));
  cache_draft_close(draft);
}
END_TEST

START_TEST(an_unlinked_file_ends_with_its_handles) {
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, LF_TEXT, 0);
  flush_file(draft);
  remove_file(row);
  write_at(draft, "Y", 0);
  flush_file(draft);
  g_autofree char *octets = draft_octets(draft);
  ck_assert_int_eq(octets[0], 'Y');
  cache_draft_close(draft);
  ck_assert_uint_eq(changes(), 0);
  ck_assert_int_eq(find(INBOX, "a.eml"), 0);
}
END_TEST

/* ---- what it is, besides ------------------------------------------------------------------------------------- */

static guint flags_of(gint64 row) {
  guint flags = 0;
  g_autofree char *keywords = NULL;
  ck_assert(journal_flags(draft_test.cache->account.index, row, &flags, &keywords, NULL));
  ck_assert(!keywords || strcmp(keywords, "$Forwarded") == 0);
  return flags | (keywords ? 1u << 30 : 0);
}

START_TEST(name_and_folder_give_flags) {
  ck_assert_uint_eq(flags_of(make_file(INBOX, "a.eml", LF_TEXT)), 0);
  ck_assert_uint_eq(flags_of(make_file(INBOX, "1.M2.host:2,FPS", LF_TEXT)),
                    IMAP_FLAG_FLAGGED | IMAP_FLAG_SEEN | 1u << 30);
  ck_assert_uint_eq(flags_of(make_file(draft_test.drafts, "a.eml", LF_TEXT)), IMAP_FLAG_DRAFT);
  ck_assert_uint_eq(flags_of(make_file(draft_test.sent, "a:2,R", LF_TEXT)), IMAP_FLAG_SEEN | IMAP_FLAG_ANSWERED);
}
END_TEST

static gint64 internaldate_of(gint64 row) {
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(draft_test.cache->account.index, row, &message, NULL));
  return message.internaldate;
}

START_TEST(an_mtime_that_was_set_stays) {
  gint64 row, mtime = G_GINT64_CONSTANT(1500000000123456789);
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, LF_TEXT, 0);
  gint64 live = entry_of(row).mtime;
  ck_assert_int_le(ABS(live / 1000 - g_get_real_time()), 60 * G_USEC_PER_SEC);
  set_mtime(row, mtime);
  ck_assert_int_eq(entry_of(row).mtime, mtime);
  flush_file(draft);
  cache_draft_close(draft);
  ck_assert_int_eq(entry_of(row).mtime, mtime);
  ck_assert_int_eq(internaldate_of(row), 1500000000);
  ck_assert_int_eq(due_of(row), JOURNAL_NOW);
}
END_TEST

START_TEST(else_it_is_that_of_the_last_write) {
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  gint64 created = entry_of(row).mtime;
  write_at(draft, LF_TEXT, 0);
  gint64 written = entry_of(row).mtime;
  ck_assert_int_ge(written, created);
  flush_file(draft);
  cache_draft_close(draft);
  ck_assert_int_eq(entry_of(row).mtime, written);
  ck_assert_int_eq(internaldate_of(row), written / 1000000000);
}
END_TEST

START_TEST(a_listing_is_live) {
  CacheEntry entries[4];
  gsize n = 0;
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, "Subject", 0);
  ck_assert_int_eq(cache_list(draft_test.cache, INBOX, 0, 0, entries, 4, &n, NULL), CACHE_READY);
  ck_assert_uint_eq(n, 1);
  ck_assert(entries[0].row == row && entries[0].size == 7 && entries[0].shown);
  cache_draft_close(draft);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/draft");
  TCase *tests = tcase_create("draft");
  tcase_add_checked_fixture(tests, drafts_setup, drafts_teardown);
  tcase_add_test(tests, a_file_is_sent_after_its_last_close);
  tcase_add_test(tests, what_became_crlf_is_opened_when_its_size_is_known);
  tcase_add_test(tests, who_comes_while_lines_are_ended_looks_again);
  tcase_add_test(tests, crlf_needs_no_change);
  tcase_add_test(tests, half_a_file_is_flushed_and_goes_on);
  tcase_add_test(tests, the_last_of_several_handles_counts);
  tcase_add_test(tests, a_reader_sees_the_next_writer);
  tcase_add_test(tests, large_files_are_spooled);
  tcase_add_test(tests, a_name_is_taken_once);
  tcase_add_test(tests, debris_stays_as_it_is);
  tcase_add_test(tests, an_empty_file_stays);
  tcase_add_test(tests, what_is_no_message_stays_and_says_so);
  tcase_add_test(tests, a_writer_that_was_killed_leaves_half_a_file);
  tcase_add_test(tests, one_that_was_only_opened_changes_nothing);
  tcase_add_test(tests, scratch_has_a_limit);
  tcase_add_test(tests, an_unlinked_file_ends_with_its_handles);
  tcase_add_test(tests, name_and_folder_give_flags);
  tcase_add_test(tests, an_mtime_that_was_set_stays);
  tcase_add_test(tests, else_it_is_that_of_the_last_write);
  tcase_add_test(tests, a_listing_is_live);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
