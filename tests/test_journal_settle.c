/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/journal.h"
#include "tests/suite.h"

#define INBOX journal_test.inbox
#define ARCHIVE journal_test.archive
#define LOST journal_test.lost

static gint64 take_one(JournalOp op) {
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, op, JOURNAL_READY, 1);
  journal_sent(&batch);
  return journal_item(&batch, 0)->seq;
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

static gboolean send_it(IndexTxn *txn, gpointer batch, GError **error) {
  return journal_send(txn, batch, 7, 1, error);
}

START_TEST(what_was_edited_meanwhile_is_not_sent) {
  gint64 fresh = journal_upload(INBOX, "a"), old = journal_server(INBOX, 5, "five");
  journal_mv(old, ARCHIVE, "five", 0);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  journal_fill(fresh, JOURNAL_READY, JOURNAL_HELD);
  journal_fails(send_it, &batch, CACHE_ERROR_BUSY);
  journal_expect(&batch, JOURNAL_MOVE, JOURNAL_READY, 1);
  journal_mv(old, INBOX, "five", 0);
  journal_fails(send_it, &batch, CACHE_ERROR_BUSY);
  journal_set(old, IMAP_FLAG_SEEN, 0, NULL, NULL);
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  journal_set(old, IMAP_FLAG_FLAGGED, 0, NULL, NULL);
  journal_fails(send_it, &batch, CACHE_ERROR_BUSY);
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  journal_sent(&batch);
}
END_TEST

static gboolean hurry(IndexTxn *txn, gpointer data, GError **error) {
  (void)data;
  return journal_hurry(txn, error);
}

START_TEST(what_was_put_off_is_due_when_the_user_says_so) {
  g_auto(JournalBatch) batch = {0};
  gint64 held = journal_upload(INBOX, "held");
  journal_fill(held, JOURNAL_READY, JOURNAL_HELD);
  journal_upload(INBOX, "a");
  journal_again(take_one(JOURNAL_NEW), g_get_real_time() + G_TIME_SPAN_MINUTE);
  ck_assert(!journal_take(&batch, 10));
  ck_assert(index_write(journal_test.index, INDEX_CHANGE, hurry, NULL, NULL));
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1); /* what is open is held still */
}
END_TEST

START_TEST(what_is_ready_again_is_folded) {
  gint64 row = journal_upload(INBOX, "a"), seq = take_one(JOURNAL_NEW);
  journal_mv(row, ARCHIVE, "b", 0);
  journal_set(row, IMAP_FLAG_SEEN, 0, NULL, NULL);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM journal"), 3);
  journal_state(seq, JOURNAL_READY);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM journal"), 1);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.target, ARCHIVE);
  ck_assert_uint_eq(journal_item(&batch, 0)->flags, IMAP_FLAG_SEEN);
  ck_assert_int_eq(journal_at(ARCHIVE, "b"), row);
}
END_TEST

START_TEST(moved_and_back_while_it_was_sent) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_mv(row, ARCHIVE, "five", 0);
  gint64 seq = take_one(JOURNAL_MOVE);
  journal_mv(row, INBOX, "five", 0);
  ck_assert_int_eq(journal_folder(row), INBOX);
  journal_place(seq, ARCHIVE, 3);
  ck_assert_int_eq(journal_folder(row), INBOX);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_MOVE, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.source, ARCHIVE);
  ck_assert_int_eq(batch.target, INBOX);
  ck_assert_uint_eq(journal_item(&batch, 0)->uid, 3);
  journal_mv(row, ARCHIVE, "five", 0);
  ck_assert(!journal_take(&batch, 9));
}
END_TEST

START_TEST(a_refused_move_leaves_no_move_to_where_it_is) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_mv(row, ARCHIVE, "five", 0);
  gint64 seq = take_one(JOURNAL_MOVE);
  journal_mv(row, INBOX, "five", 0);
  JournalUndone undone = journal_no(seq);
  ck_assert_int_eq(undone.from, INBOX);
  ck_assert_int_eq(undone.to, INBOX);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM journal"), 0);
}
END_TEST

/* ---- placed ---------------------------------------------------------------------------------------------------- */

START_TEST(an_echo_gives_way_and_leaves_its_changes) {
  gint64 row = journal_upload(INBOX, "a"), seq = take_one(JOURNAL_NEW);
  gint64 echo = journal_server(INBOX, 100, "echo");
  journal_set(echo, IMAP_FLAG_FLAGGED, 0, NULL, NULL);
  journal_mv(echo, ARCHIVE, "echo", 0);
  IndexLeft left = journal_place(seq, INBOX, 100);
  ck_assert_int_eq(left.row, echo);
  ck_assert_int_eq(left.folder, ARCHIVE);
  ck_assert_str_eq(left.name, "echo");
  ck_assert_int_eq(journal_folder(echo), -1);
  ck_assert_int_eq(journal_folder(row), INBOX);
  journal_end(seq, TRUE);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_item(&batch, 0)->row, row);
  ck_assert_uint_eq(journal_item(&batch, 0)->uid, 100);
}
END_TEST

/* The next listing gives it its number. */
START_TEST(one_without_a_number_is_matched) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_mv(row, ARCHIVE, "five", 0);
  journal_place(take_one(JOURNAL_MOVE), ARCHIVE, 0);
  guint32 uid = 9;
  ck_assert_int_eq(journal_mailbox(row, &uid), ARCHIVE);
  ck_assert_uint_eq(uid, 0);
  journal_set(row, IMAP_FLAG_SEEN, 0, NULL, NULL);
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_take(&batch, 9));
  Add add = {.message = message_of(ARCHIVE, 5)};
  add.message.uid = 77;
  do_write(journal_test.index, add_one, &add);
  ck_assert(!add.added);
  ck_assert_int_eq(add.message.row, row);
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  ck_assert_uint_eq(journal_item(&batch, 0)->uid, 77);
}
END_TEST

START_TEST(a_new_one_without_a_number_is_matched_or_sought) {
  gint64 row = journal_upload(INBOX, "a"), seq = take_one(JOURNAL_NEW);
  journal_place(seq, INBOX, 0);
  g_auto(JournalBatch) batch = {0};
  journal_reopen();
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_CONFIRMED, 1);
  ck_assert_uint_eq(journal_item(&batch, 0)->uid, 0);
  IndexMailbox state = {.row = INBOX, .uidvalidity = 7, .listed = INDEX_DOUBTED};
  do_write(journal_test.index, set_state, &state);
  ck_assert(!journal_take(&batch, 9)); /* the listing goes first */
  Add add = {.message = {.mailbox = INBOX, .uid = 77, .name = "new", .claim = 6, .size = IMAP_UNKNOWN_SIZE}};
  memcpy(add.message.fingerprint, &row, sizeof row);
  do_write(journal_test.index, add_one, &add);
  ck_assert(!add.added);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_CONFIRMED, 1);
  ck_assert_uint_eq(journal_item(&batch, 0)->uid, 77);
}
END_TEST

/* names=uid: no header fields are asked for. */
START_TEST(a_new_one_is_matched_by_size_and_date) {
  gint64 row = journal_upload(INBOX, "a"), seq = take_one(JOURNAL_NEW);
  journal_place(seq, INBOX, 0);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(journal_test.index, row, &message, NULL));
  g_auto(JournalBatch) batch = {0};
  Add other = {.message = {.mailbox = INBOX, .uid = 76, .name = "other", .claim = 6, .size = IMAP_UNKNOWN_SIZE}};
  other.message.internaldate = message.internaldate + 1;
  do_write(journal_test.index, add_one, &other);
  ck_assert(other.added);
  Add add = {.message = {.mailbox = INBOX, .uid = 77, .name = "new", .claim = 6, .size = IMAP_UNKNOWN_SIZE}};
  add.message.internaldate = message.internaldate;
  do_write(journal_test.index, add_one, &add);
  ck_assert(!add.added);
  ck_assert_int_eq(add.message.row, row);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_CONFIRMED, 1);
  ck_assert_uint_eq(journal_item(&batch, 0)->uid, 77);
}
END_TEST

START_TEST(a_number_under_another_uidvalidity_is_none) {
  gint64 fresh = add_mailbox(journal_test.index, 1, "other"), row = journal_upload(fresh, "a");
  IndexMailbox state = {.row = fresh, .uidvalidity = 8, .listed = INDEX_LISTED};
  do_write(journal_test.index, set_state, &state);
  gint64 seq = take_one(JOURNAL_NEW);
  guint32 uid = 9;
  journal_place(seq, fresh, 3); /* under 7 */
  journal_mailbox(row, &uid);
  ck_assert_uint_eq(uid, 0);
  state = (IndexMailbox){.row = fresh};
  do_write(journal_test.index, set_state, &state);
  journal_place(seq, fresh, 3);
  journal_mailbox(row, &uid);
  ck_assert_uint_eq(uid, 3);
  g_auto(IndexMailbox) got = {0};
  ck_assert(index_get_mailbox(journal_test.index, fresh, &got, NULL));
  ck_assert_uint_eq(got.uidvalidity, 7);
}
END_TEST

START_TEST(what_is_removed_stands_in_the_trash) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_server(ARCHIVE, 5, "five");
  journal_rm(row);
  journal_place(take_one(JOURNAL_REMOVE), ARCHIVE, 6);
  ck_assert_int_eq(journal_folder(row), ARCHIVE);
  ck_assert_int_eq(journal_at(ARCHIVE, "five~2"), row);
}
END_TEST

/* ---- done, kept, refused --------------------------------------------------------------------------------------- */

START_TEST(flags_that_are_set_are_the_servers) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_set(row, IMAP_FLAG_SEEN, 0, "$A", NULL);
  gint64 seq = take_one(JOURNAL_FLAGS);
  journal_set(row, 0, IMAP_FLAG_SEEN, NULL, NULL);
  journal_end(seq, FALSE);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(journal_test.index, row, &message, NULL));
  ck_assert_uint_eq(message.flags, IMAP_FLAG_SEEN);
  ck_assert_str_eq(message.keywords, "$A");
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  ck_assert_uint_eq(batch.flags.remove, IMAP_FLAG_SEEN);
}
END_TEST

typedef struct {
  gint64 seq, row;
} Keep;

static gboolean mark(IndexTxn *txn, gpointer data, GError **error) {
  return journal_mark(txn, ((Keep *)data)->seq, error);
}

static gboolean leave_behind(IndexTxn *txn, gpointer data, GError **error) {
  return journal_leave_behind(txn, ((Keep *)data)->row, INBOX, 5, error);
}

/* Nobody waits for what will not happen by itself: `: > message` and then umount. */
START_TEST(what_was_made_empty_is_not_left) {
  gint64 row = journal_rewrite(journal_server(INBOX, 5, "five"));
  g_auto(JournalBatch) batch = {0};
  guint64 changes = 1, bytes = 1;
  journal_fill(row, JOURNAL_LOCAL, 0);
  ck_assert(journal_left(journal_test.index, &changes, &bytes, NULL) && changes == 0 && bytes == 0);
  ck_assert(!journal_take(&batch, 9));
  journal_fill(row, JOURNAL_READY, JOURNAL_NOW);
  ck_assert(journal_left(journal_test.index, &changes, &bytes, NULL) && changes == 2 && bytes == 6);
}
END_TEST

START_TEST(what_the_server_keeps_stays_hidden) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_rm(row);
  Keep keep = {.seq = take_one(JOURNAL_REMOVE)};
  do_write(journal_test.index, mark, &keep);
  journal_reopen();
  g_auto(JournalBatch) batch = {0};
  gboolean waits = TRUE, concerned = TRUE;
  guint64 changes = 1, bytes;
  ck_assert(!journal_take(&batch, 9));
  ck_assert(journal_waits(journal_test.index, row, &waits, NULL) && !waits);
  ck_assert(journal_concerns(journal_test.index, INBOX, &concerned, NULL) && !concerned);
  ck_assert(journal_left(journal_test.index, &changes, &bytes, NULL) && changes == 0);
  ck_assert_int_eq(journal_folder(row), 0);
  journal_drop_folder(INBOX); /* passes over it */
  journal_expect(&batch, JOURNAL_RMDIR, JOURNAL_READY, 1);
  g_autoptr(GString) names = g_string_new(NULL);
  remove_messages(journal_test.index, INBOX, 5, 5, names);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM journal WHERE op = 3"), 0);
}
END_TEST

START_TEST(what_a_move_leaves_behind_is_hidden) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_mv(row, ARCHIVE, "five", 0);
  journal_place(take_one(JOURNAL_MOVE), ARCHIVE, 9);
  Keep keep = {.row = row};
  do_write(journal_test.index, leave_behind, &keep);
  g_auto(IndexMessage) left = {0};
  ck_assert(index_find_uid(journal_test.index, INBOX, 5, &left, NULL));
  ck_assert_int_eq(left.folder, 0);
  ck_assert_uint_eq(left.flags, IMAP_FLAG_DELETED);
  ck_assert_int_ne(left.row, row);
  ck_assert_int_eq(journal_at(ARCHIVE, "five"), row);
  gint64 fresh = journal_make(INBOX, "five"); /* its name is free */
  ck_assert_int_eq(journal_folder(fresh), INBOX);
}
END_TEST

START_TEST(a_refused_new_one_is_found_again) {
  gint64 row = journal_upload(INBOX, "a"), seq = take_one(JOURNAL_NEW);
  journal_mv(row, ARCHIVE, "b", 0);
  journal_set(row, IMAP_FLAG_SEEN, 0, NULL, NULL);
  JournalUndone undone = journal_no(seq);
  ck_assert_int_eq(undone.row, row);
  ck_assert_int_eq(undone.from, ARCHIVE);
  ck_assert_int_eq(undone.to, LOST);
  ck_assert_str_eq(undone.name, "b");
  ck_assert_int_eq(journal_at(LOST, "b"), row);
  g_auto(JournalNew) entry = {0};
  ck_assert(journal_get_new(journal_test.index, row, &entry, NULL));
  ck_assert_int_eq(entry.state, JOURNAL_REFUSED);
  ck_assert_str_eq(entry.reason, "no");
  guint64 refused = 0;
  ck_assert(journal_refused(journal_test.index, &refused, NULL) && refused == 1);
  g_autoptr(GBytes) bytes = journal_bytes(journal_test.index, row, NULL);
  ck_assert_uint_eq(g_bytes_get_size(bytes), 6);
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_take(&batch, 9));
  journal_mv(row, INBOX, "again", 0);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  ck_assert_uint_eq(journal_item(&batch, 0)->flags, IMAP_FLAG_SEEN);
}
END_TEST

START_TEST(a_refused_rewrite_shows_the_old_and_keeps_the_new) {
  gint64 old = journal_server(INBOX, 5, "five"), fresh = journal_rewrite(old);
  journal_fill(fresh, JOURNAL_READY, JOURNAL_NOW);
  ck_assert_int_eq(journal_at(INBOX, "five"), fresh);
  ck_assert_int_eq(journal_folder(old), 0);
  JournalUndone undone = journal_no(take_one(JOURNAL_NEW));
  ck_assert_int_eq(undone.to, LOST);
  ck_assert_int_eq(undone.back, old);
  ck_assert_int_eq(undone.back_in, INBOX);
  ck_assert_int_eq(journal_at(INBOX, "five"), old);
  ck_assert_int_eq(journal_at(LOST, "five"), fresh);
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_take(&batch, 9));
}
END_TEST

START_TEST(what_replaces_a_rewrite_answers_for_the_old) {
  gint64 old = journal_server(INBOX, 5, "five"), fresh = journal_rewrite(old);
  journal_fill(fresh, JOURNAL_READY, JOURNAL_NOW);
  gint64 other = journal_upload(INBOX, "other");
  journal_mv(other, INBOX, "five", fresh);
  ck_assert_int_eq(journal_folder(fresh), -1);
  ck_assert_int_eq(journal_folder(old), 0);
  JournalUndone undone = journal_no(take_one(JOURNAL_NEW)); /* not the removal */
  ck_assert_int_eq(undone.back, old);
  ck_assert_int_eq(journal_at(INBOX, "five"), old);
  ck_assert_int_eq(journal_at(LOST, "five"), other);
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_take(&batch, 9));
}
END_TEST

START_TEST(what_comes_back_takes_a_free_name) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_rm(row);
  gint64 seq = take_one(JOURNAL_REMOVE), taken = journal_make(INBOX, "five");
  JournalUndone undone = journal_no(seq);
  ck_assert_int_eq(undone.from, 0);
  ck_assert_int_eq(undone.to, INBOX);
  ck_assert_int_eq(journal_at(INBOX, "five"), taken);
  ck_assert_int_eq(journal_at(INBOX, "five~2"), row);
  journal_set(row, IMAP_FLAG_SEEN, 0, NULL, NULL);
  journal_no(take_one(JOURNAL_FLAGS));
  guint flags;
  g_autofree char *words = NULL;
  ck_assert(journal_flags(journal_test.index, row, &flags, &words, NULL));
  ck_assert_uint_eq(flags, 0);
}
END_TEST

/* ---- said to be there, and is not ------------------------------------------------------------------------------ */

static gboolean finish_missing(IndexTxn *txn, gpointer data, GError **error) {
  return journal_finish_missing(txn, *(gint64 *)data, NULL, error);
}

static gboolean remove_uid(IndexTxn *txn, gpointer data, GError **error) {
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  imap_seqset_add(uids, *(guint32 *)data, *(guint32 *)data);
  return index_remove_uids(txn, INBOX, uids, NULL, NULL, error);
}

/* Nobody has its octets but we, nor what it replaces but the server. */
START_TEST(no_listing_ends_what_was_not_compared) {
  guint32 uid = 9;
  gint64 old = journal_server(INBOX, 5, "five"), fresh = journal_rewrite(old);
  journal_fill(fresh, JOURNAL_READY, JOURNAL_NOW);
  gint64 seq = take_one(JOURNAL_NEW);
  journal_place(seq, INBOX, uid);
  do_write(journal_test.index, remove_uid, &uid);
  ck_assert_int_eq(journal_at(INBOX, "five"), fresh);
  g_autoptr(GBytes) bytes = journal_bytes(journal_test.index, fresh, NULL);
  ck_assert(bytes != NULL);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_CONFIRMED, 1);
  do_write(journal_test.index, finish_missing, &seq);
  ck_assert_int_eq(journal_at(INBOX, "five~2"), old);
  do_write(journal_test.index, remove_uid, &uid);
  ck_assert_int_eq(journal_folder(fresh), -1);
  ck_assert(!journal_take(&batch, 9));
}
END_TEST

/* Once more, or removed: then what was replaced first is not what the user wants to see. */
START_TEST(what_is_missing_and_was_given_up_brings_nothing_back) {
  gint64 old = journal_server(INBOX, 5, "five"), fresh = journal_rewrite(old), newest = 0;
  journal_fill(fresh, JOURNAL_READY, JOURNAL_NOW);
  gint64 seq = take_one(JOURNAL_NEW);
  journal_place(seq, INBOX, 9);
  if (_i == 0)
    journal_fill(newest = journal_rewrite(fresh), JOURNAL_READY, JOURNAL_HELD);
  else
    journal_rm(fresh);
  do_write(journal_test.index, finish_missing, &seq);
  ck_assert_int_eq(journal_folder(old), 0);
  g_auto(JournalBatch) batch = {0};
  if (newest) { /* both wait for it */
    ck_assert(!journal_take(&batch, 9));
    journal_fill(newest, JOURNAL_READY, JOURNAL_NOW);
    seq = take_one(JOURNAL_NEW);
    journal_place(seq, INBOX, 10);
    journal_end(seq, TRUE);
  }
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/journal: what the replay does");
  TCase *tests = tcase_create("settle");
  tcase_add_checked_fixture(tests, journal_setup, journal_teardown);
  tcase_add_test(tests, what_was_edited_meanwhile_is_not_sent);
  tcase_add_test(tests, what_was_put_off_is_due_when_the_user_says_so);
  tcase_add_test(tests, what_is_ready_again_is_folded);
  tcase_add_test(tests, moved_and_back_while_it_was_sent);
  tcase_add_test(tests, a_refused_move_leaves_no_move_to_where_it_is);
  tcase_add_test(tests, an_echo_gives_way_and_leaves_its_changes);
  tcase_add_test(tests, one_without_a_number_is_matched);
  tcase_add_test(tests, a_new_one_without_a_number_is_matched_or_sought);
  tcase_add_test(tests, a_new_one_is_matched_by_size_and_date);
  tcase_add_test(tests, a_number_under_another_uidvalidity_is_none);
  tcase_add_test(tests, what_is_removed_stands_in_the_trash);
  tcase_add_test(tests, flags_that_are_set_are_the_servers);
  tcase_add_test(tests, what_was_made_empty_is_not_left);
  tcase_add_test(tests, what_the_server_keeps_stays_hidden);
  tcase_add_test(tests, what_a_move_leaves_behind_is_hidden);
  tcase_add_test(tests, a_refused_new_one_is_found_again);
  tcase_add_test(tests, a_refused_rewrite_shows_the_old_and_keeps_the_new);
  tcase_add_test(tests, what_replaces_a_rewrite_answers_for_the_old);
  tcase_add_test(tests, what_comes_back_takes_a_free_name);
  tcase_add_test(tests, no_listing_ends_what_was_not_compared);
  tcase_add_loop_test(tests, what_is_missing_and_was_given_up_brings_nothing_back, 0, 2);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
