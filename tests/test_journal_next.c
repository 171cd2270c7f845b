/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/journal.h"
#include "tests/suite.h"

#define INBOX journal_test.inbox
#define ARCHIVE journal_test.archive
#define SECOND ((gint64)G_USEC_PER_SEC)

static gint64 next_time(gint64 now) {
  gint64 next = 0;
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_next(journal_test.index, now, 9, 9, &batch, &next, NULL));
  return next;
}

START_TEST(the_oldest_first_and_equals_with_it) {
  gint64 rows[5];
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *name = g_strdup_printf("m%u", i);
    rows[i] = journal_server(INBOX, 10 + i, name);
  }
  journal_set(rows[3], IMAP_FLAG_SEEN, 0, NULL, NULL);
  journal_mv(rows[0], ARCHIVE, "a", 0);
  journal_set(rows[1], IMAP_FLAG_FLAGGED, 0, NULL, NULL);
  journal_set(rows[4], IMAP_FLAG_SEEN, 0, NULL, NULL);
  journal_mv(rows[3], ARCHIVE, "d", 0); /* waits for its flags */
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 2);
  ck_assert_int_eq(journal_item(&batch, 0)->row, rows[3]);
  ck_assert_int_eq(journal_item(&batch, 1)->row, rows[4]);
  journal_end(journal_item(&batch, 0)->seq, FALSE);
  journal_end(journal_item(&batch, 1)->seq, FALSE);
  journal_expect(&batch, JOURNAL_MOVE, JOURNAL_READY, 2);
  ck_assert_int_eq(journal_item(&batch, 0)->row, rows[0]);
  ck_assert_int_eq(journal_item(&batch, 1)->row, rows[3]);
}
END_TEST

START_TEST(a_batch_has_its_limits) {
  gint64 next;
  for (guint i = 0; i < 5; i++) {
    g_autofree char *name = g_strdup_printf("n%u", i);
    journal_upload(INBOX, name);
  }
  g_auto(JournalBatch) batch = {0};
  ck_assert(journal_take(&batch, 2));
  ck_assert_uint_eq(batch.items->len, 2);
  journal_batch_clear(&batch);
  ck_assert(journal_next(journal_test.index, 1, 9, 18, &batch, &next, NULL)); /* of six octets each */
  ck_assert_uint_eq(batch.items->len, 3);
  journal_batch_clear(&batch);
  ck_assert(journal_next(journal_test.index, 1, 9, 1, &batch, &next, NULL));
  ck_assert_uint_eq(batch.items->len, 1);
}
END_TEST

START_TEST(what_is_not_due_says_when) {
  gint64 now = g_get_real_time(), row = journal_make(INBOX, "a");
  ck_assert_int_eq(next_time(now), G_MAXINT64);
  journal_fill(row, JOURNAL_READY, JOURNAL_HELD);
  ck_assert_int_eq(next_time(now), G_MAXINT64);
  journal_fill(row, JOURNAL_READY, now + 2 * SECOND);
  ck_assert_int_eq(next_time(now), now + 2 * SECOND);
  g_auto(JournalBatch) batch = {0};
  gint64 next;
  ck_assert(journal_next(journal_test.index, now + 2 * SECOND, 9, 9, &batch, &next, NULL));
  journal_batch_clear(&batch);
  /* The clock was set back by an hour. */
  ck_assert(journal_next(journal_test.index, now - 3600 * SECOND, 9, 9, &batch, &next, NULL));
}
END_TEST

START_TEST(removals_wait_for_uploads_but_for_refused_ones) {
  gint64 old = journal_server(INBOX, 5, "five"), fresh = journal_upload(INBOX, "x");
  journal_upload(ARCHIVE, "elsewhere");
  journal_rm(old);
  gint64 later = journal_upload(INBOX, "later");
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 2);
  ck_assert_int_eq(journal_item(&batch, 0)->row, fresh);
  ck_assert_int_eq(journal_item(&batch, 1)->row, later);
  journal_sent(&batch);
  gint64 seq = journal_item(&batch, 0)->seq;
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  journal_sent(&batch);
  ck_assert(!journal_take(&batch, 9));
  journal_again(seq, g_get_real_time() + 60 * SECOND); /* over quota */
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.target, 0);
  ck_assert_int_eq(batch.source, INBOX);
}
END_TEST

/* It was looked for once in vain, and may be there all the same. */
START_TEST(removals_wait_for_what_nobody_knows_of) {
  gint64 old = journal_server(INBOX, 5, "five");
  journal_upload(INBOX, "x");
  journal_rm(old);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  journal_sent(&batch);
  gint64 seq = journal_item(&batch, 0)->seq;
  journal_state(seq, JOURNAL_UNKNOWN);
  journal_again(seq, g_get_real_time() + 60 * SECOND);
  ck_assert(!journal_take(&batch, 9));
  journal_state(seq, JOURNAL_READY);
  journal_again(seq, JOURNAL_NOW); /* it goes first */
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  journal_sent(&batch);
  journal_place(seq, INBOX, 9);
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 1);
}
END_TEST

static guint64 left(void) {
  guint64 changes, bytes;
  ck_assert(journal_left(journal_test.index, &changes, &bytes, NULL));
  return changes;
}

/* An editor that keeps the file open removes its backup after what it wrote is on the server, whenever that is; nobody
 * else waits for it, nor does who unmounts. */
START_TEST(an_open_file_holds_up_nothing_but_its_backup) {
  gint64 backup = journal_server(INBOX, 5, "letter.eml~"), other = journal_server(INBOX, 6, "other.eml");
  gint64 old = journal_server(INBOX, 7, "rewritten.eml"), open = journal_make(INBOX, "letter.eml");
  journal_fill(open, JOURNAL_READY, JOURNAL_HELD);
  journal_fill(journal_rewrite(old), JOURNAL_READY, JOURNAL_HELD);
  journal_rm(backup);
  journal_rm(other);
  ck_assert_uint_eq(left(), 1);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_item(&batch, 0)->row, other);
  journal_end(journal_item(&batch, 0)->seq, FALSE);
  ck_assert(!journal_take(&batch, 9));
  ck_assert_uint_eq(left(), 0);
  journal_fill(open, JOURNAL_READY, JOURNAL_NOW);
  ck_assert_uint_eq(left(), 2);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  gint64 seq = journal_item(&batch, 0)->seq;
  journal_sent(&batch);
  ck_assert(!journal_take(&batch, 9));
  journal_place(seq, INBOX, 8);
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_item(&batch, 0)->row, backup);
}
END_TEST

/* The copy stays here, or the server would not make it: nobody else has its octets. */
START_TEST(removals_wait_for_what_could_not_be_copied) {
  gint64 old = journal_server(INBOX, 5, "five"), copy = journal_make(INBOX, ".copy");
  g_autofree char *sql =
      g_strdup_printf("UPDATE journal SET copy = %d, due = 0, state = %d WHERE message = %d", (int)old, _i, (int)copy);
  do_write(journal_test.index, exec_sql, sql);
  journal_rm(old);
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_take(&batch, 9));
  ck_assert_uint_eq(left(), 0);
  journal_rm(copy);
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 1);
}
END_TEST

START_TEST(removals_wait_for_what_is_copied) {
  gint64 old = journal_server(INBOX, 5, "five"), copy = journal_upload(ARCHIVE, "copy");
  g_autofree char *sql = g_strdup_printf("UPDATE journal SET copy = %d WHERE message = %d", (int)old, (int)copy);
  do_write(journal_test.index, exec_sql, sql);
  journal_rm(old);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  gint64 seq = journal_item(&batch, 0)->seq;
  ck_assert_int_eq(journal_item(&batch, 0)->copy, old);
  journal_sent(&batch);
  journal_again(seq, g_get_real_time() + 60 * SECOND);
  ck_assert(!journal_take(&batch, 9)); /* refused for now, and it has no octets but those */
  journal_place(seq, ARCHIVE, 6);
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 1);
}
END_TEST

START_TEST(what_replaces_must_be_there_first) {
  gint64 old = journal_server(INBOX, 5, "five"), fresh = journal_rewrite(old);
  journal_fill(fresh, JOURNAL_READY, JOURNAL_NOW);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  gint64 seq = journal_item(&batch, 0)->seq;
  journal_sent(&batch);
  journal_again(seq, g_get_real_time() + 60 * SECOND);
  ck_assert(!journal_take(&batch, 9));
  journal_place(seq, INBOX, 6);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_CONFIRMED, 1); /* not before it was compared */
  journal_end(seq, TRUE);
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 1);
}
END_TEST

START_TEST(a_folder_goes_after_all_that_concerns_it) {
  gint64 sub = add_mailbox(journal_test.index, ARCHIVE, "sub");
  gint64 in = journal_server(INBOX, 5, "five"), out = journal_server(sub, 6, "six");
  journal_mv(out, INBOX, "six", 0);
  journal_mv(in, ARCHIVE, "five", 0);
  journal_drop_folder(sub);
  journal_rm(in);
  journal_drop_folder(ARCHIVE);
  journal_upload(INBOX, "free");
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_MOVE, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.source, sub);
  gint64 seq = journal_item(&batch, 0)->seq;
  journal_sent(&batch);
  journal_expect(&batch, JOURNAL_MOVE, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.target, ARCHIVE);
  gint64 moved = journal_item(&batch, 0)->seq;
  journal_sent(&batch);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  journal_sent(&batch);
  ck_assert(!journal_take(&batch, 9));
  journal_place(seq, INBOX, 7);
  journal_expect(&batch, JOURNAL_RMDIR, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.source, sub);
  journal_place(moved, ARCHIVE, 8);
  journal_end(journal_item(&batch, 0)->seq, FALSE);
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 1);
  journal_end(journal_item(&batch, 0)->seq, FALSE);
  journal_expect(&batch, JOURNAL_RMDIR, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.source, ARCHIVE);
}
END_TEST

START_TEST(nothing_below_passes_a_folder_that_goes) {
  gint64 sub = add_mailbox(journal_test.index, ARCHIVE, "sub"), row = journal_server(sub, 6, "six");
  journal_drop_folder(ARCHIVE);
  journal_set(row, IMAP_FLAG_SEEN, 0, NULL, NULL);
  journal_upload(sub, "x");
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_RMDIR, JOURNAL_READY, 1);
  journal_sent(&batch);
  gint64 seq = journal_item(&batch, 0)->seq;
  ck_assert(!journal_take(&batch, 9));
  journal_no(seq);
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
}
END_TEST

START_TEST(after_a_crash_the_unknown_comes_first) {
  gint64 old = journal_server(INBOX, 5, "five"), sent = journal_upload(INBOX, "b");
  journal_set(old, IMAP_FLAG_SEEN, 0, NULL, NULL);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  journal_sent(&batch);
  g_autoptr(GArray) none = journal_mailboxes(journal_test.index, JOURNAL_UNKNOWN, NULL);
  ck_assert_uint_eq(none->len, 0);
  journal_reopen();
  g_autoptr(GArray) mailboxes = journal_mailboxes(journal_test.index, JOURNAL_UNKNOWN, NULL);
  ck_assert_uint_eq(mailboxes->len, 1);
  ck_assert_int_eq(g_array_index(mailboxes, gint64, 0), INBOX);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_UNKNOWN, 1);
  ck_assert_int_eq(journal_item(&batch, 0)->row, sent);
  ck_assert_uint_eq(journal_item(&batch, 0)->uidnext, 100);
  ck_assert_uint_eq(journal_item(&batch, 0)->uidvalidity, 7);
  journal_again(journal_item(&batch, 0)->seq, g_get_real_time() + 5 * SECOND);
  gint64 seq = journal_item(&batch, 0)->seq;
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_count("SELECT state FROM journal WHERE op = 1"), JOURNAL_UNKNOWN);
  journal_state(seq, JOURNAL_READY);
  journal_end(journal_item(&batch, 0)->seq, FALSE);
  ck_assert_int_gt(next_time(g_get_real_time()), 0);
}
END_TEST

START_TEST(questions_about_what_waits) {
  guint64 changes, bytes;
  gboolean waits, concerned;
  gint64 old = journal_server(INBOX, 5, "five"), row = journal_make(INBOX, "x");
  ck_assert(journal_left(journal_test.index, &changes, &bytes, NULL));
  ck_assert(journal_waits(journal_test.index, row, &waits, NULL));
  ck_assert(changes == 0 && bytes == 0 && !waits);
  journal_fill(row, JOURNAL_READY, JOURNAL_NOW);
  journal_mv(old, ARCHIVE, "five", 0);
  ck_assert(journal_left(journal_test.index, &changes, &bytes, NULL));
  ck_assert(journal_waits(journal_test.index, row, &waits, NULL));
  ck_assert_uint_eq(changes, 2);
  ck_assert_uint_eq(bytes, 6);
  ck_assert(waits);
  ck_assert(journal_concerns(journal_test.index, ARCHIVE, &concerned, NULL));
  ck_assert(concerned);
  ck_assert(journal_concerns(journal_test.index, journal_test.lost, &concerned, NULL));
  ck_assert(!concerned);
  g_auto(JournalNew) none = {0};
  ck_assert(!journal_get_new(journal_test.index, old, &none, NULL));
}
END_TEST

/* The statements of journal_next() themselves name their index; these are those of everybody else. */
START_TEST(nobody_looks_through_all_that_waits) {
  static const char *const sql[] = {
      "SELECT seq FROM journal WHERE message = 1 AND op = 1",
      "SELECT target FROM journal WHERE message = 1 AND op IN (1, 2) AND state IN (2, 3, 4) ORDER BY seq DESC LIMIT 1",
      "SELECT min(seq) FROM journal WHERE message = 1 AND op = 2 AND state = 1",
      "SELECT max(seq) FROM journal WHERE target = 2 AND op = 1 AND state IN (1, 2, 3)",
      "SELECT 1 FROM journal AS e WHERE e.message = 1 AND e.seq < 5",
      "DELETE FROM journal WHERE message = 1 AND op = 2 AND state = 1 AND seq <> 2",
      "UPDATE journal SET mailbox = 1 WHERE message = 2",
      "SELECT seq FROM journal WHERE after = 4 AND after > 0 LIMIT 1",
      "SELECT 1 FROM journal WHERE op = 5 AND mailbox = 2",
      "SELECT 1 FROM journal AS e WHERE e.copy > 0 AND e.copy = 3 AND e.state IN (0, 1, 2, 3)",
  };
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  g_autofree char *explain = g_strconcat("EXPLAIN QUERY PLAN ", sql[_i], NULL);
  gint damaged = 0;
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "", NULL);
  g_autoptr(IndexStmt) stmt = index_use(db, explain);
  while (index_step(db, stmt, NULL) == INDEX_STEP_ROW) {
    const char *step = (const char *)sqlite3_column_text(stmt, 3);
    gboolean by_index = strstr(step, "journal_message") || strstr(step, "journal_target") ||
                        strstr(step, "journal_after") || strstr(step, "journal_copy") ||
                        strstr(step, "journal_group") || strstr(step, "B-TREE");
    ck_assert_msg(by_index, "%s: %s", sql[_i], step);
  }
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/journal: what is next");
  TCase *tests = tcase_create("next");
  tcase_add_checked_fixture(tests, journal_setup, journal_teardown);
  tcase_add_test(tests, the_oldest_first_and_equals_with_it);
  tcase_add_test(tests, a_batch_has_its_limits);
  tcase_add_test(tests, what_is_not_due_says_when);
  tcase_add_test(tests, removals_wait_for_uploads_but_for_refused_ones);
  tcase_add_test(tests, removals_wait_for_what_nobody_knows_of);
  tcase_add_test(tests, an_open_file_holds_up_nothing_but_its_backup);
  tcase_add_loop_test(tests, removals_wait_for_what_could_not_be_copied, JOURNAL_LOCAL, JOURNAL_LOCAL + 1);
  tcase_add_loop_test(tests, removals_wait_for_what_could_not_be_copied, JOURNAL_REFUSED, JOURNAL_REFUSED + 1);
  tcase_add_test(tests, removals_wait_for_what_is_copied);
  tcase_add_test(tests, what_replaces_must_be_there_first);
  tcase_add_test(tests, a_folder_goes_after_all_that_concerns_it);
  tcase_add_test(tests, nothing_below_passes_a_folder_that_goes);
  tcase_add_test(tests, after_a_crash_the_unknown_comes_first);
  tcase_add_test(tests, questions_about_what_waits);
  tcase_add_loop_test(tests, nobody_looks_through_all_that_waits, 0, 9);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
