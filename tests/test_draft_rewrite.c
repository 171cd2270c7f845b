/* SPDX-License-Identifier: MIT */
/* What is written over a message that is there: one of the server, and one on its way. */
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "cache/draft/draft.h"
#include "cache/index/index_private.h"
#include "cache/journal/lostfound.h"
#include "tests/drafts.h"
#include "tests/index.h"
#include "tests/suite.h"

#define INBOX draft_test.inbox
#define OLD "Subject: old\r\n\r\nold\r\n"
#define OLD_LF "Subject: old\n\nold\n"
#define NEW "Subject: new\r\n\r\nnew\r\n"

static gint64 old;

static void setup(void) {
  drafts_setup();
  old = server_message(INBOX, 5, "old.eml", OLD, TRUE);
}

static void check_octets(gint64 row, const char *expected) {
  g_autofree char *found = octets_of(row);
  ck_assert_str_eq(found, expected);
}

static void check_draft(CacheDraft *draft, const char *expected) {
  g_autofree char *found = draft_octets(draft);
  ck_assert_str_eq(found, expected);
}

static void check_events(const char *format, ...) {
  va_list list;
  va_start(list, format);
  g_autofree char *expected = g_strdup_vprintf(format, list), *told = events();
  va_end(list);
  ck_assert_str_eq(told, expected);
}

/* Nothing has happened. */
static void check_untouched(void) {
  ck_assert_uint_eq(changes(), 0);
  ck_assert_int_eq(find(INBOX, "old.eml"), old);
  CacheEntry entry = entry_of(old);
  ck_assert_uint_eq(entry.size, strlen(OLD));
  ck_assert_int_eq(entry.mtime, G_GINT64_CONSTANT(1600000000000000000));
  check_octets(old, OLD);
}

START_TEST(new_octets_get_a_row_of_their_own) {
  CacheDraft *draft = edit_file(old, FALSE);
  check_draft(draft, OLD);
  write_at(draft, "Subject: new\r\n\r\nnew", 0);
  ck_assert_int_eq(find(INBOX, "old.eml"), old);
  flush_file(draft);
  gint64 row = find(INBOX, "old.eml");
  ck_assert_int_gt(row, old);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  ck_assert_int_eq(due_of(row), JOURNAL_HELD);
  check_events("MOVED %d old.eml\nCHANGED %d\n", (int)old, (int)INBOX);
  /* Whoever has the old one open goes on, and sees what he wrote. */
  write_at(draft, "NEW", 16);
  ck_assert_uint_eq(entry_of(old).size, strlen(NEW));
  ck_assert_int_eq(entry_of(old).mtime, entry_of(row).mtime);
  ck_assert_uint_eq(entry_of(old).nlink, 1);
  CacheDraft *same = edit_file(row, FALSE);
  check_draft(same, "Subject: new\r\n\r\nNEW\r\n");
  cache_draft_close(same);
  cache_draft_close(draft);
  check_octets(row, "Subject: new\r\n\r\nNEW\r\n");
  ck_assert_int_ne(due_of(row), JOURNAL_HELD);
  ck_assert_uint_eq(changes(), 2);
  /* The kernel may know the old row for a while. */
  ck_assert_uint_eq(entry_of(old).size, strlen(NEW));
  int fd = -1;
  ck_assert_int_eq(cache_open_body(draft_test.cache, old, CACHE_BODY_OPEN, &fd, NULL), CACHE_STALE);
  draft = edit_file(old, FALSE);
  check_draft(draft, "Subject: new\r\n\r\nNEW\r\n");
  cache_draft_close(draft);
}
END_TEST

START_TEST(equal_octets_are_nothing) {
  static const char *const same[] = {OLD, OLD_LF};
  for (guint i = 0; i < G_N_ELEMENTS(same); i++)
    for (gboolean truncate = FALSE; truncate <= TRUE; truncate++) {
      CacheDraft *draft = edit_file(old, truncate);
      ck_assert(cache_draft_truncate(draft, 0, NULL));
      flush_file(draft);
      write_at(draft, same[i], 0);
      flush_file(draft);
      flush_file(draft);
      cache_draft_close(draft);
      check_untouched();
      check_events("DATA %d\n", (int)old);
    }
}
END_TEST

START_TEST(opened_and_closed_is_nothing) {
  CacheDraft *draft = edit_file(old, FALSE);
  ck_assert(cache_draft_truncate(draft, strlen(OLD), NULL));
  flush_file(draft);
  cache_draft_close(draft);
  check_untouched();
  check_events("");
}
END_TEST

START_TEST(an_emptied_message_stays_on_the_server) {
  CacheDraft *draft = edit_file(old, TRUE);
  flush_file(draft);
  ck_assert_uint_eq(changes(), 0);
  cache_draft_close(draft);
  gint64 row = find(INBOX, "old.eml");
  ck_assert_int_ne(row, old);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  ck_assert_uint_eq(entry_of(row).size, 0);
  /* Until there is something in its place. */
  draft = edit_file(row, FALSE);
  write_at(draft, NEW, 0);
  flush_file(draft);
  cache_draft_close(draft);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  check_octets(row, NEW);
}
END_TEST

START_TEST(half_a_rewrite_stays_here) {
  CacheDraft *draft = edit_file(old, TRUE);
  write_at(draft, NEW, 0);
  ck_assert(cache_draft_flush(draft, TRUE, NULL));
  cache_draft_close(draft);
  gint64 row = find(INBOX, "old.eml");
  ck_assert_int_ne(row, old);
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
}
END_TEST

START_TEST(octets_that_are_not_here_are_waited_for) {
  gint64 far = server_message(INBOX, 7, "far.eml", OLD, FALSE);
  CacheDraft *draft = NULL;
  ck_assert_int_eq(cache_edit(draft_test.cache, far, FALSE, &draft, NULL), CACHE_WAIT);
  draft = edit_file(far, TRUE);
  write_at(draft, NEW, 0);
  flush_file(draft);
  cache_draft_close(draft);
  check_octets(find(INBOX, "far.eml"), NEW);
}
END_TEST

START_TEST(what_the_user_removes_is_not_written_again) {
  CacheDraft *draft = edit_file(old, TRUE);
  remove_file(old);
  write_at(draft, NEW, 0);
  flush_file(draft);
  cache_draft_close(draft);
  ck_assert_int_eq(find(INBOX, "old.eml"), 0);
  ck_assert_uint_eq(changes(), 1);
  ck_assert_int_eq(cache_edit(draft_test.cache, old, FALSE, &draft, NULL), CACHE_ABSENT);
}
END_TEST

static gboolean expunge(IndexTxn *txn, G_GNUC_UNUSED gpointer data, GError **error) {
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  imap_seqset_add(uids, 5, 5);
  return index_remove_uids(txn, INBOX, uids, NULL, NULL, error);
}

START_TEST(what_others_remove_is_written_anew) {
  CacheDraft *draft = edit_file(old, FALSE);
  ck_assert(index_write(draft_test.cache->account.index, INDEX_SYNC, expunge, NULL, NULL));
  write_at(draft, "S", 0);
  flush_file(draft);
  cache_draft_close(draft);
  gint64 row = find(INBOX, "old.eml");
  ck_assert_int_gt(row, old);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  check_octets(row, OLD);
  ck_assert_uint_eq(changes(), 1);
}
END_TEST

/* ---- what was not sent yet ----------------------------------------------------------------------------------- */

START_TEST(a_new_one_is_edited_in_its_row) {
  gint64 row = make_file(INBOX, "a.eml", LF_TEXT);
  CacheDraft *draft = edit_file(row, FALSE);
  ck_assert_int_eq(due_of(row), JOURNAL_HELD);
  check_draft(draft, CRLF_TEXT);
  write_at(draft, "more\n", strlen(CRLF_TEXT));
  flush_file(draft);
  cache_draft_close(draft);
  check_octets(row, CRLF_TEXT "more\r\n");
  ck_assert_int_eq(find(INBOX, "a.eml"), row);
  ck_assert_uint_eq(changes(), 1);
}
END_TEST

START_TEST(one_that_is_only_opened_is_held_for_a_while) {
  gint64 row = make_file(INBOX, "a.eml", LF_TEXT);
  CacheDraft *draft = edit_file(row, FALSE);
  ck_assert_int_eq(due_of(row), JOURNAL_HELD);
  flush_file(draft);
  cache_draft_close(draft);
  ck_assert_int_ne(due_of(row), JOURNAL_HELD);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
}
END_TEST

START_TEST(one_that_is_being_sent_is_rewritten) {
  gint64 row = make_file(INBOX, "a.eml", LF_TEXT);
  set_new_state(row, JOURNAL_SENT);
  CacheDraft *draft = edit_file(row, FALSE);
  check_draft(draft, CRLF_TEXT);
  write_at(draft, "X-", 0);
  flush_file(draft);
  cache_draft_close(draft);
  gint64 fresh = find(INBOX, "a.eml");
  ck_assert_int_gt(fresh, row);
  ck_assert_int_eq(state_of(row), JOURNAL_SENT);
  check_octets(row, CRLF_TEXT);
  ck_assert_uint_eq(changes(), 3);
}
END_TEST

START_TEST(one_that_was_sent_while_it_was_open_is_rewritten) {
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, CRLF_TEXT, 0);
  flush_file(draft);
  set_new_state(row, JOURNAL_SENT);
  write_at(draft, "X-", 0);
  flush_file(draft);
  cache_draft_close(draft);
  gint64 fresh = find(INBOX, "a.eml");
  ck_assert_int_gt(fresh, row);
  check_octets(row, CRLF_TEXT);
  g_autofree char *octets = octets_of(fresh);
  ck_assert_int_eq(strncmp(octets, "X-", 2), 0);
}
END_TEST

/* ---- fsync --------------------------------------------------------------------------------------------------- */

START_TEST(what_is_sealed_is_sent_while_it_is_open) {
  g_autoptr(GError) error = NULL;
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, LF_TEXT, 0);
  ck_assert_msg(drafts_seal(draft_test.cache->drafts, row, &error), "%s", error ? error->message : "");
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
  ck_assert_int_eq(due_of(row), JOURNAL_NOW);
  check_octets(row, CRLF_TEXT);
  check_draft(draft, LF_TEXT); /* the writer goes on where he was */
  set_new_state(row, JOURNAL_SENT);
  ck_assert(drafts_seal(draft_test.cache->drafts, row, NULL));
  write_at(draft, "more\n", strlen(LF_TEXT));
  flush_file(draft);
  gint64 fresh = find(INBOX, "a.eml");
  ck_assert_int_gt(fresh, row);
  ck_assert_int_eq(due_of(fresh), JOURNAL_HELD);
  check_octets(row, CRLF_TEXT);
  cache_draft_close(draft);
  check_octets(fresh, CRLF_TEXT "more\r\n");
}
END_TEST

START_TEST(what_cannot_be_sent_is_not_sealed) {
  g_autoptr(GError) error = NULL;
  gint64 row;
  CacheDraft *draft = create_file(INBOX, "a.tmp", &row);
  write_at(draft, "scratch", 0);
  ck_assert(drafts_seal(draft_test.cache->drafts, row, NULL));
  ck_assert_int_eq(state_of(row), JOURNAL_LOCAL);
  cache_draft_close(draft);
  draft = create_file(INBOX, "a.eml", &row);
  write_at(draft, "no mail", 0);
  ck_assert(!drafts_seal(draft_test.cache->drafts, row, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_INVALID));
  cache_draft_close(draft);
}
END_TEST

/* ---- renames, dates ------------------------------------------------------------------------------------------ */

START_TEST(scratch_that_becomes_mail_is_prepared) {
  g_autoptr(GError) error = NULL;
  JournalState state = JOURNAL_REFUSED;
  Drafts *drafts = draft_test.cache->drafts;
  gint64 row = make_file(INBOX, ".a.eml.Xy12ab", LF_TEXT), other = make_file(INBOX, "b.tmp", "no mail\n");
  ck_assert(drafts_prepare(drafts, row, INBOX, "a.tmp", &state, NULL));
  ck_assert_int_eq(state, JOURNAL_LOCAL);
  check_octets(row, LF_TEXT);
  ck_assert(drafts_prepare(drafts, row, INBOX, "a.eml", &state, NULL));
  ck_assert_int_eq(state, JOURNAL_READY);
  check_octets(row, CRLF_TEXT);
  ck_assert(!drafts_prepare(drafts, other, INBOX, "b.eml", &state, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_INVALID));
  CacheDraft *draft = edit_file(row, FALSE);
  ck_assert(drafts_prepare(drafts, row, INBOX, "a.eml", &state, NULL));
  ck_assert_int_eq(state, JOURNAL_LOCAL);
  cache_draft_close(draft);
}
END_TEST

typedef struct {
  gint64 row;
  const char *name;
  JournalState state;
} Rename;

static gboolean rename_job(IndexTxn *txn, gpointer data, GError **error) {
  Rename *job = data;
  return journal_rename(txn, job->row, INBOX, job->name, job->state, 0, error);
}

START_TEST(what_is_renamed_while_it_is_open_is_judged_when_it_is_closed) {
  static const char *const names[] = {"a.eml", "a.tmp"};
  for (int to = 0; to < 2; to++) {
    gint64 row;
    CacheDraft *draft = create_file(INBOX, names[!to], &row);
    write_at(draft, LF_TEXT, 0);
    flush_file(draft);
    Rename job = {row, names[to], JOURNAL_LOCAL};
    ck_assert(index_write(draft_test.cache->account.index, INDEX_CHANGE, rename_job, &job, NULL));
    cache_draft_close(draft);
    ck_assert_int_eq(state_of(row), to == 0 ? JOURNAL_READY : JOURNAL_LOCAL);
    check_octets(row, to == 0 ? CRLF_TEXT : LF_TEXT);
    remove_file(row);
  }
}
END_TEST

START_TEST(who_is_in_a_hurry_waits_for_no_grace) {
  Drafts *drafts = draft_test.cache->drafts;
  gint64 row = make_file(INBOX, "a.eml", LF_TEXT), open;
  ck_assert(drafts_hurry(drafts, row, NULL));
  ck_assert_int_eq(due_of(row), JOURNAL_NOW);
  CacheDraft *draft = create_file(INBOX, "b.eml", &open);
  write_at(draft, LF_TEXT, 0);
  flush_file(draft);
  ck_assert(drafts_hurry(drafts, open, NULL));
  ck_assert_int_eq(due_of(open), JOURNAL_HELD);
  cache_draft_close(draft);
  ck_assert_int_eq(due_of(open), JOURNAL_NOW);
  ck_assert(drafts_hurry(drafts, old, NULL));
}
END_TEST

/* ---- copies -------------------------------------------------------------------------------------------------- */

static gint64 copy_of(gint64 source, const char *name) {
  gint64 row;
  guint64 size = 0;
  CacheDraft *draft = create_file(INBOX, name, &row);
  ck_assert_int_eq(cache_draft_copy(draft, source, &size, NULL), CACHE_READY);
  ck_assert_uint_eq(size, strlen(OLD));
  ck_assert_uint_eq(cache_draft_size(draft), strlen(OLD));
  ck_assert_int_eq(cache_draft_copy(draft, source, &size, NULL), CACHE_ABSENT);
  flush_file(draft);
  cache_draft_close(draft);
  return row;
}

START_TEST(a_copy_moves_no_octets) {
  gint64 row = copy_of(old, "copy.eml");
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(row, &entry));
  ck_assert_int_eq(entry.copy, old);
  ck_assert_int_eq(entry.state, JOURNAL_READY);
  check_octets(row, OLD);
  ck_assert_uint_eq(entry_of(row).size, strlen(OLD));
}
END_TEST

/* It may stay for ever, and the source could not be removed as long. */
START_TEST(what_stays_local_has_its_own_octets) {
  guint64 size = 0;
  CacheDraft *draft = create_file(INBOX, ".copy.tmp", NULL);
  ck_assert_int_eq(cache_draft_copy(draft, old, &size, NULL), CACHE_ABSENT);
  cache_draft_close(draft);
}
END_TEST

static int renamed(const char *name, gint64 folder, const char *to_name) {
  g_autoptr(GError) error = NULL;
  gint64 ticket = 0;
  cache_rename(draft_test.cache, INBOX, name, folder, to_name, 0, &ticket, &error);
  return error ? error->code : -1;
}

/* Its source can be removed then, and the octets are not lost. */
START_TEST(a_copy_is_mail_whatever_it_is_called) {
  gint64 row = copy_of(old, "copy.eml"), ticket = 0;
  CacheDraft *open = _i == 1 ? edit_file(row, FALSE) : NULL;
  ck_assert_int_eq(renamed("copy.eml", INBOX, ".copy.eml"), -1);
  g_clear_pointer(&open, cache_draft_close);
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(row, &entry));
  ck_assert_int_eq(entry.copy, old);
  ck_assert_int_eq(entry.state, JOURNAL_READY);
  ck_assert_int_ne(entry.due, JOURNAL_HELD);
  CacheEntry made;
  ck_assert_int_eq(cache_make_folder(draft_test.cache, INBOX, ".trash", &ticket, &made, NULL), CACHE_READY);
  ck_assert_int_eq(renamed(".copy.eml", made.row, "copy.eml"), CACHE_ERROR_CROSS); /* so `mv` copies its octets */
  ck_assert_int_eq(renamed(".copy.eml", INBOX, "copy.eml"), -1);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
}
END_TEST

START_TEST(what_was_copied_under_another_name_has_its_own_octets) {
  gint64 row;
  guint64 size = 0;
  CacheDraft *draft = create_file(INBOX, "copy.eml", &row);
  ck_assert_int_eq(cache_draft_copy(draft, old, &size, NULL), CACHE_READY);
  ck_assert_int_eq(renamed("copy.eml", INBOX, ".copy.eml"), -1); /* nothing was flushed yet */
  flush_file(draft);
  cache_draft_close(draft);
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(row, &entry));
  ck_assert_int_eq(entry.state, JOURNAL_LOCAL);
  ck_assert_int_eq(entry.copy, 0);
  remove_file(old);
  body_drop(draft_test.cache->account.bodies, old);
  check_octets(row, OLD);
}
END_TEST

START_TEST(who_copied_a_whole_one_may_be_killed) {
  gint64 row;
  guint64 size = 0;
  CacheDraft *draft = create_file(INBOX, "copy.eml", &row);
  ck_assert_int_eq(cache_draft_copy(draft, old, &size, NULL), CACHE_READY);
  ck_assert(cache_draft_flush(draft, TRUE, NULL));
  cache_draft_close(draft);
  ck_assert_int_eq(state_of(row), JOURNAL_READY);
}
END_TEST

START_TEST(a_copy_that_is_written_has_its_own) {
  gint64 row = copy_of(old, "copy.eml");
  CacheDraft *draft = edit_file(row, FALSE);
  check_draft(draft, OLD);
  write_at(draft, "X", 0);
  flush_file(draft);
  cache_draft_close(draft);
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(row, &entry));
  ck_assert_int_eq(entry.copy, 0);
  check_octets(row, "Xubject: old\r\n\r\nold\r\n");
}
END_TEST

START_TEST(who_reads_a_copy_waits_for_the_other) {
  int fd = -1;
  gint64 far = server_message(INBOX, 8, "far.eml", OLD, FALSE), row = copy_of(far, "copy.eml");
  ck_assert_ptr_null(cache_draft_of(draft_test.cache, row));
  ck_assert_int_eq(cache_open_body(draft_test.cache, row, CACHE_BODY_READ, &fd, NULL), CACHE_WAIT);
  CacheDraft *draft = NULL;
  ck_assert_int_eq(cache_edit(draft_test.cache, row, FALSE, &draft, NULL), CACHE_WAIT);
  account_tell_body(&draft_test.cache->account, far, -1, NULL);
  g_autofree char *first = events(), *expected = g_strdup_printf("BODY %d\n", (int)far);
  ck_assert_msg(g_str_has_prefix(first, expected), "%s", first);
  g_autofree char *relayed = g_strdup_printf("BODY %d\n", (int)row), *second = events();
  ck_assert_msg(strstr(first, relayed) || strstr(second, relayed), "%s%s", first, second);
}
END_TEST

typedef struct {
  gint64 row, source, lost_found;
} Refusal;

/* Somebody else has removed the source, and the server does not want the copy. */
static gboolean refuse_copy(IndexTxn *txn, gpointer data, GError **error) {
  const Refusal *refusal = data;
  g_auto(JournalNew) entry = {0};
  g_autofree char *sql = g_strdup_printf("UPDATE message SET gone = 1 WHERE row = %d", (int)refusal->source);
  return journal_get_new(draft_test.cache->account.index, refusal->row, &entry, error) &&
         journal_refuse(txn, entry.seq, "why", refusal->lost_found, NULL, error) && index_db_exec(txn->db, sql, error);
}

START_TEST(a_refused_copy_gets_octets_of_its_own) {
  gboolean here = _i == 0;
  Refusal refusal = {.source = server_message(INBOX, 8, "far.eml", OLD, here)};
  refusal.row = copy_of(refusal.source, "copy.eml");
  ck_assert(lostfound_row(&draft_test.cache->account, draft_test.root, &refusal.lost_found, NULL));
  do_write(draft_test.cache->account.index, refuse_copy, &refusal);
  g_free(events());
  drafts_settled(draft_test.cache->drafts, refusal.row);
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(refusal.row, &entry));
  ck_assert_int_eq(entry.state, JOURNAL_REFUSED);
  ck_assert_int_eq(entry.copy, 0);
  ck_assert_str_eq(entry.reason, "why");
  body_drop(draft_test.cache->account.bodies, refusal.source);
  check_octets(refusal.row, here ? OLD : "");
  ck_assert_uint_eq(entry_of(refusal.row).size, here ? strlen(OLD) : 0);
  g_autofree char *told = events();
  ck_assert_int_eq(strstr(told, "DATA") != NULL, !here);
  drafts_settled(draft_test.cache->drafts, refusal.row);
  drafts_settled(draft_test.cache->drafts, old);
}
END_TEST

START_TEST(only_whole_messages_of_the_server_are_copied) {
  guint64 size;
  gint64 local = make_file(INBOX, "a.eml", LF_TEXT);
  CacheDraft *draft = create_file(INBOX, "copy.eml", NULL);
  ck_assert_int_eq(cache_draft_copy(draft, local, &size, NULL), CACHE_ABSENT);
  ck_assert_int_eq(cache_draft_copy(draft, 12345, &size, NULL), CACHE_ABSENT);
  write_at(draft, "X", 0);
  ck_assert_int_eq(cache_draft_copy(draft, old, &size, NULL), CACHE_ABSENT);
  cache_draft_close(draft);
  draft = edit_file(old, TRUE);
  ck_assert_int_eq(cache_draft_copy(draft, old, &size, NULL), CACHE_ABSENT);
  cache_draft_close(draft);
}
END_TEST

/* ---- names=uid ----------------------------------------------------------------------------------------------- */

START_TEST(no_stranger_is_overwritten_by_number) {
  g_autoptr(GError) error = NULL;
  draft_test.config.names_uid = TRUE;
  gint64 row = server_message(INBOX, 9, "9.eml", OLD, TRUE);
  CacheDraft *draft = NULL;
  ck_assert_int_eq(cache_edit(draft_test.cache, row, TRUE, &draft, &error), CACHE_FAILED);
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_EXISTS));
  draft = edit_file(row, FALSE);
  ck_assert(!cache_draft_truncate(draft, 0, NULL));
  write_at(draft, "X", 0);
  flush_file(draft);
  cache_draft_close(draft);
  cache_draft_close(edit_file(old, TRUE));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/draft: rewrites");
  TCase *tests = tcase_create("draft");
  tcase_add_checked_fixture(tests, setup, drafts_teardown);
  tcase_add_test(tests, new_octets_get_a_row_of_their_own);
  tcase_add_test(tests, equal_octets_are_nothing);
  tcase_add_test(tests, opened_and_closed_is_nothing);
  tcase_add_test(tests, an_emptied_message_stays_on_the_server);
  tcase_add_test(tests, half_a_rewrite_stays_here);
  tcase_add_test(tests, octets_that_are_not_here_are_waited_for);
  tcase_add_test(tests, what_the_user_removes_is_not_written_again);
  tcase_add_test(tests, what_others_remove_is_written_anew);
  tcase_add_test(tests, a_new_one_is_edited_in_its_row);
  tcase_add_test(tests, one_that_is_only_opened_is_held_for_a_while);
  tcase_add_test(tests, one_that_is_being_sent_is_rewritten);
  tcase_add_test(tests, one_that_was_sent_while_it_was_open_is_rewritten);
  tcase_add_test(tests, what_is_sealed_is_sent_while_it_is_open);
  tcase_add_test(tests, what_cannot_be_sent_is_not_sealed);
  tcase_add_test(tests, scratch_that_becomes_mail_is_prepared);
  tcase_add_test(tests, what_is_renamed_while_it_is_open_is_judged_when_it_is_closed);
  tcase_add_test(tests, who_is_in_a_hurry_waits_for_no_grace);
  tcase_add_test(tests, a_copy_moves_no_octets);
  tcase_add_test(tests, what_stays_local_has_its_own_octets);
  tcase_add_loop_test(tests, a_copy_is_mail_whatever_it_is_called, 0, 2);
  tcase_add_test(tests, what_was_copied_under_another_name_has_its_own_octets);
  tcase_add_test(tests, who_copied_a_whole_one_may_be_killed);
  tcase_add_test(tests, a_copy_that_is_written_has_its_own);
  tcase_add_test(tests, who_reads_a_copy_waits_for_the_other);
  tcase_add_loop_test(tests, a_refused_copy_gets_octets_of_its_own, 0, 2);
  tcase_add_test(tests, only_whole_messages_of_the_server_are_copied);
  tcase_add_test(tests, no_stranger_is_overwritten_by_number);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
