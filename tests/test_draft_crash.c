/* SPDX-License-Identifier: MIT */
/* What is left of files that were open when the process was killed, or the disk was full; and many writers at once. */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/draft/draft.h"
#include "cache/index/index_private.h"
#include "tests/drafts.h"
#include "tests/suite.h"

#define INBOX draft_test.inbox
#define OLD "Subject: old\r\n\r\nold\r\n"

static void check_octets(gint64 row, const char *expected) {
  g_autofree char *found = octets_of(row);
  ck_assert_msg(strcmp(found, expected) == 0, "%.100s of %zu, not %.100s of %zu", found, strlen(found), expected,
                strlen(expected));
  ck_assert_uint_eq(entry_of(row).size, strlen(expected));
}

static char *large_text(const char *end) {
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "Subject: large%s%s", end, end);
  for (guint i = 0; i < 2 * JOURNAL_BYTES / 36; i++)
    g_string_append_printf(text, "a line of some length, and no other%s", end);
  return g_string_free(text, FALSE);
}

/* ---- killed -------------------------------------------------------------------------------------------------- */

static void check_survives(const char *text, const char *expected) {
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, text, 0);
  flush_file(draft);
  write_at(draft, "Lost: ", 0);
  drafts_crash();
  cache_draft_close(draft);
  ck_assert_int_eq(find(INBOX, "a.eml"), row);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  ck_assert_int_eq(due_of(row), JOURNAL_NOW);
  check_octets(row, expected);
}

START_TEST(what_was_flushed_is_sent) {
  check_survives(LF_TEXT, CRLF_TEXT);
}
END_TEST

START_TEST(what_was_spooled_is_sent) {
  g_autofree char *text = large_text("\n"), *crlf = large_text("\r\n");
  check_survives(text, crlf);
}
END_TEST

START_TEST(what_was_closed_is_as_it_was) {
  gint64 row = make_file(INBOX, "a.eml", LF_TEXT), due = due_of(row);
  ck_assert(index_sync_disk(draft_test.cache->account.index, NULL));
  drafts_crash();
  ck_assert_int_eq(due_of(row), due);
  check_octets(row, CRLF_TEXT);
}
END_TEST

START_TEST(what_was_not_flushed_is_empty) {
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, LF_TEXT, 0);
  drafts_crash();
  cache_draft_close(draft);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  check_octets(row, "");
}
END_TEST

START_TEST(scratch_is_scratch) {
  gint64 row, killed;
  CacheDraft *draft = create_file(INBOX, ".a.swp", &row), *half = create_file(INBOX, "half.eml", &killed);
  write_at(draft, LF_TEXT, 0);
  flush_file(draft);
  write_at(half, LF_TEXT, 0);
  ck_assert(cache_draft_flush(half, TRUE, NULL));
  drafts_crash();
  cache_draft_close(draft);
  cache_draft_close(half);
  gint64 rows[] = {row, killed};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    ck_assert_int_eq(state_of(rows[i]), JOURNAL_LOCAL);
    check_octets(rows[i], LF_TEXT);
  }
}
END_TEST

START_TEST(a_rewrite_is_there_or_is_not) {
  gint64 old = server_message(INBOX, 5, "old.eml", OLD, TRUE), other = server_message(INBOX, 6, "other.eml", OLD, TRUE);
  CacheDraft *flushed = edit_file(old, TRUE), *not = edit_file(other, TRUE);
  write_at(flushed, LF_TEXT, 0);
  flush_file(flushed);
  flush_file(not );
  write_at(not, LF_TEXT, 0);
  drafts_crash();
  cache_draft_close(flushed);
  cache_draft_close(not );
  gint64 row = find(INBOX, "old.eml");
  ck_assert_int_ne(row, old);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  check_octets(row, CRLF_TEXT);
  ck_assert_int_eq(find(INBOX, "other.eml"), other);
  check_octets(other, OLD);
  ck_assert_uint_eq(changes(), 2);
}
END_TEST

START_TEST(a_copy_is_still_one) {
  gint64 row, old = server_message(INBOX, 5, "old.eml", OLD, FALSE);
  guint64 size;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  ck_assert_int_eq(cache_draft_copy(draft, old, &size, NULL), CACHE_READY);
  flush_file(draft);
  drafts_crash();
  cache_draft_close(draft);
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(row, &entry));
  ck_assert_int_eq(entry.state, JOURNAL_READY);
  ck_assert_int_eq(entry.copy, old);
  ck_assert_int_eq(entry.due, JOURNAL_NOW);
}
END_TEST

/* ---- files of the spool that the index does not know --------------------------------------------------------- */

static void keep(gint64 row, const char *text, const char *about) {
  Spool *spool = draft_test.cache->account.spool;
  int fd = spool_temp(spool, NULL);
  ck_assert_int_eq(write(fd, text, strlen(text)), (gssize)strlen(text));
  ck_assert(spool_keep(spool, fd, row, about, NULL));
  close(fd);
}

static guint spooled(void) {
  g_autoptr(GArray) rows = spool_rows(draft_test.cache->account.spool, NULL);
  return rows->len;
}

START_TEST(orphans_stand_in_lost_and_found) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = large_text("\r\n");
  gint64 claimed = make_file(INBOX, "a.eml", text), known = make_file(INBOX, "b.eml", CRLF_TEXT);
  keep(known, "left by a flush that never answered", "name: b.eml\n");
  keep(1000000, OLD, "folder: INBOX\nname: \x1b[31mlost.eml\n");
  for (int i = 0; i < 2; i++) {
    ck_assert_msg(drafts_adopt(draft_test.cache->drafts, draft_test.root, &error), "%s", error ? error->message : "");
    ck_assert_uint_eq(spooled(), 2);
    check_octets(claimed, text);
    check_octets(known, CRLF_TEXT);
    gint64 folder = 0;
    CacheEntry entry;
    ck_assert_int_eq(cache_lookup(draft_test.cache, draft_test.root, "lost+found", &entry, NULL), CACHE_READY);
    folder = entry.row;
    gint64 row = find(folder, "spool-1000000.eml");
    ck_assert_int_ne(row, 0);
    check_octets(row, OLD);
    g_auto(JournalNew) found = {0};
    ck_assert(new_of(row, &found));
    ck_assert_int_eq(found.state, JOURNAL_LOCAL);
    ck_assert_ptr_nonnull(strstr(found.reason, "folder: INBOX"));
    ck_assert_ptr_null(strchr(found.reason, '\x1b'));
  }
}
END_TEST

static gboolean lose_change(IndexTxn *txn, gpointer row, GError **error) {
  g_autofree char *sql = g_strdup_printf("DELETE FROM journal WHERE message = %d", (int)*(gint64 *)row);
  return index_db_exec(txn->db, sql, error);
}

START_TEST(a_file_goes_by_its_last_name) {
  g_autofree char *text = large_text("\r\n");
  gint64 row = make_file(INBOX, ".a.tmp", text), ticket = 0;
  ck_assert_int_eq(cache_rename(draft_test.cache, INBOX, ".a.tmp", draft_test.sent, "letter.eml", 0, &ticket, NULL),
                   CACHE_READY);
  g_autofree char *about = spool_about(draft_test.cache->account.spool, row, NULL);
  ck_assert_msg(g_str_has_prefix(about, "folder: Sent\nname: letter.eml\n"), "%s", about);
}
END_TEST

/* The index was damaged, and knows the message and not that it is new. */
START_TEST(what_the_journal_has_lost_stands_there_too) {
  g_autofree char *text = large_text("\r\n");
  gint64 row = make_file(INBOX, "a.eml", text);
  CacheEntry entry;
  ck_assert(index_write(draft_test.cache->account.index, INDEX_JOURNAL, lose_change, &row, NULL));
  ck_assert(drafts_adopt(draft_test.cache->drafts, draft_test.root, NULL));
  ck_assert_int_eq(cache_lookup(draft_test.cache, draft_test.root, "lost+found", &entry, NULL), CACHE_READY);
  g_autofree char *name = g_strdup_printf("spool-%d.eml", (int)row);
  gint64 found = find(entry.row, name);
  ck_assert_int_ne(found, 0);
  check_octets(found, text);
}
END_TEST

/* The power went when the files were on the disk and the rows were not: their numbers are free in the index. */
START_TEST(orphans_keep_their_numbers) {
  gint64 last = make_file(INBOX, "a.eml", CRLF_TEXT);
  keep(last + 1, "Subject: one\r\n\r\n", "name: one\n");
  keep(last + 2, "Subject: two\r\n\r\n", "name: two\n");
  drafts_crash();
  ck_assert_int_gt(make_file(INBOX, "b.eml", CRLF_TEXT), last + 2);
  ck_assert(drafts_adopt(draft_test.cache->drafts, draft_test.root, NULL));
  CacheEntry entry;
  ck_assert_int_eq(cache_lookup(draft_test.cache, draft_test.root, "lost+found", &entry, NULL), CACHE_READY);
  for (gint64 i = 1; i <= 2; i++) {
    g_autofree char *name = g_strdup_printf("spool-%" G_GINT64_FORMAT ".eml", last + i);
    check_octets(find(entry.row, name), i == 1 ? "Subject: one\r\n\r\n" : "Subject: two\r\n\r\n");
  }
}
END_TEST

/* ---- disks that fail ----------------------------------------------------------------------------------------- */

START_TEST(a_full_disk_is_told_and_costs_nothing) {
  if (!drafts_on_small_disk())
    return;
  drafts_setup();
  g_autoptr(GError) error = NULL;
  g_autofree char *text = large_text("\r\n"), *more = g_strnfill(4 << 20, 'x');
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, text, 0);
  flush_file(draft);
  ck_assert(!cache_draft_write(draft, more, 4 << 20, strlen(text), &error));
  ck_assert_msg(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_SPACE), "%s", error->message);
  g_autofree char *octets = draft_octets(draft);
  ck_assert(strcmp(octets, text) == 0);
  flush_file(draft);
  cache_draft_close(draft);
  check_octets(row, text);
  drafts_teardown();
}
END_TEST

START_TEST(a_flush_that_fails_can_be_repeated) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = large_text("\r\n"), *longer = g_strconcat(text, "more\r\n", NULL);
  gint64 row = make_file(INBOX, "a.eml", text);
  g_autofree char *name = g_strdup_printf("%d.new", (int)row);
  g_autofree char *block = g_build_filename(draft_test.config.state_dir, "ann@localhost", "spool", name, NULL);
  ck_assert_int_eq(g_mkdir(block, 0700), 0); /* stands where the file is to get its name */
  CacheDraft *draft = edit_file(row, FALSE);
  write_at(draft, "more\r\n", strlen(text));
  ck_assert(!cache_draft_flush(draft, FALSE, &error));
  ck_assert_int_eq(error->domain, CACHE_ERROR);
  g_autofree char *kept = octets_of(row), *written = draft_octets(draft);
  ck_assert(strcmp(kept, text) == 0 && strcmp(written, longer) == 0);
  ck_assert_int_eq(g_rmdir(block), 0);
  flush_file(draft);
  cache_draft_close(draft);
  check_octets(row, longer);
}
END_TEST

/* Its lines could not be ended in CR LF at the last close; nobody else would ever come back to it. */
START_TEST(what_could_not_be_finished_is_finished_later) {
  g_autofree char *text = large_text("\n"), *crlf = large_text("\r\n");
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, text, 0);
  flush_file(draft);
  g_autofree char *name = g_strdup_printf("%d.new", (int)row);
  g_autofree char *block = g_build_filename(draft_test.config.state_dir, "ann@localhost", "spool", name, NULL);
  ck_assert_int_eq(g_mkdir(block, 0700), 0);
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "a file that was closed cannot be sent yet*");
  cache_draft_close(draft);
  g_test_assert_expected_messages();
  ck_assert_int_eq(due_of(row), JOURNAL_HELD);
  ck_assert_int_eq(g_rmdir(block), 0);
  cache_await_drained(draft_test.cache, NULL, NULL);
  ck_assert_int_ne(due_of(row), JOURNAL_HELD);
  check_octets(row, crlf);
}
END_TEST

/* ---- many at once -------------------------------------------------------------------------------------------- */

#define WRITERS 4
#define ROUNDS 25

static char *pattern(guint writer) {
  g_autofree char *body = g_strnfill(1000 + 100 * writer, (char)('a' + writer));
  return g_strdup_printf("Subject: %u\r\n\r\n%s\r\n", writer, body);
}

static gpointer write_again_and_again(gpointer data) {
  guint writer = GPOINTER_TO_UINT(data);
  g_autofree char *text = pattern(writer);
  gsize len = strlen(text);
  for (guint i = 0; i < ROUNDS; i++) {
    gint64 row = find(INBOX, i % 2 ? "a.eml" : "b.eml");
    CacheDraft *draft = NULL;
    if (cache_edit(draft_test.cache, row, TRUE, &draft, NULL) != CACHE_READY)
      continue; /* rewritten in between: the kernel would look it up again */
    ck_assert(cache_draft_write(draft, text, len, 0, NULL));
    cache_draft_truncate(draft, len, NULL);
    cache_draft_flush(draft, FALSE, NULL);
    cache_draft_close(draft);
  }
  return NULL;
}

static gpointer look_again_and_again(gpointer data) {
  while (!g_atomic_int_get((gint *)data)) {
    CacheEntry entries[8];
    gsize n = 0;
    ck_assert_int_eq(cache_list(draft_test.cache, INBOX, 0, 0, entries, 8, &n, NULL), CACHE_READY);
    for (gsize i = 0; i < n; i++) {
      char octets[64];
      int fd = -1;
      g_autoptr(CacheDraft) draft = cache_draft_of(draft_test.cache, entries[i].row);
      if (draft)
        ck_assert_int_ge(cache_draft_read(draft, octets, sizeof octets, 0, NULL), 0);
      else if (cache_open_body(draft_test.cache, entries[i].row, CACHE_BODY_READ, &fd, NULL) == CACHE_READY)
        close(fd);
      drafts_seal(draft_test.cache->drafts, i % 2 ? entries[i].row : 0, NULL);
    }
  }
  return NULL;
}

START_TEST(many_writers_leave_one_of_their_files) {
  gint done = 0;
  GThread *writers[WRITERS], *reader;
  make_file(INBOX, "a.eml", CRLF_TEXT);
  make_file(INBOX, "b.eml", CRLF_TEXT);
  reader = g_thread_new("reader", look_again_and_again, &done);
  for (guint i = 0; i < WRITERS; i++)
    writers[i] = g_thread_new("writer", write_again_and_again, GUINT_TO_POINTER(i));
  for (guint i = 0; i < WRITERS; i++)
    g_thread_join(writers[i]);
  g_atomic_int_set(&done, TRUE);
  g_thread_join(reader);
  static const char *const names[] = {"a.eml", "b.eml"};
  for (guint i = 0; i < 2; i++) {
    gint64 row = find(INBOX, names[i]);
    DraftLook look;
    ck_assert(!drafts_look(draft_test.cache->drafts, row, &look));
    ck_assert_int_ne(due_of(row), JOURNAL_HELD);
    g_autofree char *octets = octets_of(row);
    ck_assert_uint_eq(entry_of(row).size, strlen(octets));
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/draft: crashes");
  TCase *tests = tcase_create("crashes"), *small = tcase_create("small disk");
  tcase_add_checked_fixture(tests, drafts_setup, drafts_teardown);
  tcase_add_test(tests, what_was_flushed_is_sent);
  tcase_add_test(tests, what_was_spooled_is_sent);
  tcase_add_test(tests, what_was_closed_is_as_it_was);
  tcase_add_test(tests, what_was_not_flushed_is_empty);
  tcase_add_test(tests, scratch_is_scratch);
  tcase_add_test(tests, a_rewrite_is_there_or_is_not);
  tcase_add_test(tests, a_copy_is_still_one);
  tcase_add_test(tests, orphans_stand_in_lost_and_found);
  tcase_add_test(tests, a_file_goes_by_its_last_name);
  tcase_add_test(tests, orphans_keep_their_numbers);
  tcase_add_test(tests, what_the_journal_has_lost_stands_there_too);
  tcase_add_test(tests, what_could_not_be_finished_is_finished_later);
  tcase_add_test(tests, a_flush_that_fails_can_be_repeated);
  tcase_add_test(tests, many_writers_leave_one_of_their_files);
  suite_add_tcase(suite, tests);
  tcase_add_test(small, a_full_disk_is_told_and_costs_nothing);
  suite_add_tcase(suite, small);
  return suite_run(suite);
}
