/* SPDX-License-Identifier: MIT */
/* What the sync does to messages that have changes waiting. */
#include <string.h>

#include "tests/journal.h"
#include "tests/suite.h"

#define INBOX journal_test.inbox
#define ARCHIVE journal_test.archive

typedef struct {
  gint64 mailbox;
  guint32 uid;
  GArray *left; /* IndexLeft */
} Leave;

static void note(const IndexLeft *left, gpointer data) {
  g_array_append_vals(((Leave *)data)->left, left, 1);
}

static gboolean remove_uid(IndexTxn *txn, gpointer data, GError **error) {
  Leave *leave = data;
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  imap_seqset_add(uids, leave->uid, leave->uid);
  return index_remove_uids(txn, leave->mailbox, uids, note, leave, error);
}

static gboolean end_all(IndexTxn *txn, gpointer data, GError **error) {
  Leave *leave = data;
  gboolean more = FALSE;
  return index_end_mailbox(txn, leave->mailbox, error) &&
         index_end_messages(txn, leave->mailbox, 100, note, leave, &more, error) && !more;
}

static gboolean forget(IndexTxn *txn, gpointer data, GError **error) {
  gboolean more = FALSE;
  return index_forget_uids(txn, ((Leave *)data)->mailbox, 100, &more, error);
}

static gboolean end_forgotten(IndexTxn *txn, gpointer data, GError **error) {
  Leave *leave = data;
  gboolean more = FALSE;
  return index_end_forgotten(txn, leave->mailbox, note, leave, &more, error);
}

static guint run(Leave *leave, IndexJob job) {
  g_clear_pointer(&leave->left, g_array_unref);
  leave->left = g_array_new(FALSE, FALSE, sizeof(IndexLeft));
  do_write(journal_test.index, job, leave);
  return leave->left->len;
}

static const IndexLeft *left(const Leave *leave, guint i) {
  return &g_array_index(leave->left, IndexLeft, i);
}

START_TEST(it_leaves_the_folder_where_it_was_shown) {
  gint64 moved = journal_server(INBOX, 5, "five"), removed = journal_server(INBOX, 6, "six");
  journal_mv(moved, ARCHIVE, "V", 0);
  journal_rm(removed);
  Leave leave = {.mailbox = INBOX, .uid = 5};
  ck_assert_uint_eq(run(&leave, remove_uid), 1);
  ck_assert_int_eq(left(&leave, 0)->folder, ARCHIVE);
  ck_assert_str_eq(left(&leave, 0)->name, "V");
  leave.uid = 6;
  ck_assert_uint_eq(run(&leave, remove_uid), 1);
  ck_assert_int_eq(left(&leave, 0)->folder, 0);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM journal"), 0);
  ck_assert_int_eq(journal_at(ARCHIVE, "V"), 0);
  g_array_unref(leave.left);
}
END_TEST

START_TEST(new_ones_outlive_their_folder) {
  gint64 fresh = journal_upload(ARCHIVE, "new"), out = journal_server(ARCHIVE, 5, "five");
  gint64 in = journal_server(INBOX, 6, "six"), there = journal_server(ARCHIVE, 7, "seven");
  journal_mv(out, INBOX, "out", 0);
  journal_mv(in, ARCHIVE, "in", 0);
  Leave leave = {.mailbox = ARCHIVE};
  ck_assert_uint_eq(run(&leave, end_all), 1); /* those in the folder go with it */
  ck_assert_int_eq(left(&leave, 0)->row, out);
  ck_assert_int_eq(left(&leave, 0)->folder, INBOX);
  ck_assert_int_eq(journal_folder(there), -1);
  ck_assert_int_eq(journal_folder(fresh), ARCHIVE);
  journal_reopen();
  ck_assert(index_flush(journal_test.index, NULL));
  ck_assert(index_flush(journal_test.index, NULL));
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_no(journal_item(&batch, 0)->seq).to, journal_test.lost);
  journal_expect(&batch, JOURNAL_MOVE, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_no(journal_item(&batch, 0)->seq).to, INBOX);
  ck_assert_int_eq(journal_at(INBOX, "in"), in);
  ck_assert_int_eq(journal_at(journal_test.lost, "new"), fresh);
  g_array_unref(leave.left);
}
END_TEST

START_TEST(local_ones_in_a_folder_that_is_gone_are_found_again) {
  gint64 debris = journal_make(INBOX, ".x"), below = journal_make(journal_test.local, "y");
  journal_fill(debris, JOURNAL_LOCAL, JOURNAL_NOW);
  journal_fill(below, JOURNAL_LOCAL, JOURNAL_HELD);
  Leave leave = {.mailbox = INBOX};
  run(&leave, end_all);
  g_auto(IndexMailbox) none = {0};
  ck_assert(!index_get_mailbox(journal_test.index, journal_test.local, &none, NULL));
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_item(&batch, 0)->row, debris);
  journal_no(journal_item(&batch, 0)->seq);
  journal_fill(below, JOURNAL_LOCAL, JOURNAL_NOW); /* it is closed */
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_item(&batch, 0)->row, below);
  g_array_unref(leave.left);
}
END_TEST

static gboolean drop_folder(IndexTxn *txn, gpointer data, GError **error) {
  return journal_rmdir(txn, ((Leave *)data)->mailbox, error);
}

START_TEST(a_folder_that_others_removed_is_not_removed_again) {
  journal_drop_folder(ARCHIVE);
  Leave leave = {.mailbox = ARCHIVE};
  run(&leave, end_all);
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_take(&batch, 9));
  journal_fails(drop_folder, &leave, CACHE_ERROR_GONE);
  g_array_unref(leave.left);
}
END_TEST

START_TEST(changes_follow_a_message_that_was_renumbered) {
  gint64 moved = journal_server(INBOX, 5, "five"), lost = journal_server(INBOX, 6, "six");
  gint64 fresh = journal_upload(INBOX, "new");
  journal_mv(moved, ARCHIVE, "V", 0);
  journal_set(lost, IMAP_FLAG_SEEN, 0, NULL, NULL);
  Leave leave = {.mailbox = INBOX};
  run(&leave, forget);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  journal_sent(&batch);
  ck_assert(!journal_take(&batch, 9));
  Add add = {.message = message_of(INBOX, 5)};
  add.message.uid = 1005;
  do_write(journal_test.index, add_one, &add);
  ck_assert_int_eq(add.message.row, moved);
  ck_assert_uint_eq(run(&leave, end_forgotten), 1);
  ck_assert_int_eq(left(&leave, 0)->row, lost);
  ck_assert_int_eq(journal_folder(fresh), INBOX);
  journal_expect(&batch, JOURNAL_MOVE, JOURNAL_READY, 1);
  ck_assert_uint_eq(journal_item(&batch, 0)->uid, 1005);
  ck_assert_int_eq(journal_at(ARCHIVE, "V"), moved);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM journal"), 2);
  g_array_unref(leave.left);
}
END_TEST

/* A new one looks like a message that the server renumbered: it is another. */
START_TEST(what_was_not_sent_is_not_matched) {
  gint64 fresh = journal_upload(INBOX, "new");
  Add add = {.message = {.mailbox = INBOX, .uid = 9, .name = "nine", .claim = 6, .size = IMAP_UNKNOWN_SIZE}};
  memcpy(add.message.fingerprint, &fresh, sizeof fresh);
  do_write(journal_test.index, add_one, &add);
  ck_assert(add.added);
  ck_assert_int_ne(add.message.row, fresh);
}
END_TEST

static gboolean set_access(IndexTxn *txn, gpointer data, GError **error) {
  return index_set_access(txn, INBOX, data, error);
}

START_TEST(what_may_be_done_is_kept) {
  IndexAccess access = {.heard = 5,
                        .read_only = TRUE,
                        .rights = 7,
                        .limited = TRUE,
                        .permanent = 3,
                        .any_keyword = TRUE,
                        .keywords = (char *)"a b",
                        .append_limit = 1 << 20};
  g_auto(IndexAccess) got = {0};
  do_write(journal_test.index, set_access, &access);
  ck_assert(index_get_access(journal_test.index, INBOX, &got, NULL));
  ck_assert(got.heard == 5 && got.read_only && got.rights == 7 && got.limited && got.permanent == 3);
  ck_assert(got.any_keyword && got.append_limit == 1 << 20);
  ck_assert_str_eq(got.keywords, "a b");
  ck_assert(!index_get_access(journal_test.index, 99, &got, NULL));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/journal: beside the sync");
  TCase *tests = tcase_create("sync");
  tcase_add_checked_fixture(tests, journal_setup, journal_teardown);
  tcase_add_test(tests, it_leaves_the_folder_where_it_was_shown);
  tcase_add_test(tests, new_ones_outlive_their_folder);
  tcase_add_test(tests, local_ones_in_a_folder_that_is_gone_are_found_again);
  tcase_add_test(tests, a_folder_that_others_removed_is_not_removed_again);
  tcase_add_test(tests, changes_follow_a_message_that_was_renumbered);
  tcase_add_test(tests, what_was_not_sent_is_not_matched);
  tcase_add_test(tests, what_may_be_done_is_kept);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
