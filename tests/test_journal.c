/* SPDX-License-Identifier: MIT */
#include "cache/journal.h"

#include <string.h>

#include "tests/index.h"
#include "tests/suite.h"

static Index *the_index;
static gint64 inbox, archive, lost;

static void setup(void) {
  index_setup();
  the_index = open_index(NULL);
  inbox = add_mailbox(the_index, 1, "INBOX");
  archive = add_mailbox(the_index, 1, "Archive");
  IndexMailbox local = {.parent = 1, .name = (char *)"lost+found", .attrs = INDEX_LOCAL};
  do_write(the_index, put_mailbox, &local);
  lost = local.row;
}

static void teardown(void) {
  g_clear_pointer(&the_index, index_close);
  index_teardown();
}

/* ---- jobs ----------------------------------------------------------------------------------------------------- */

typedef struct {
  gint64 row, folder, replaces, seq;
  const char *name;
  JournalState state;
  IndexMessage message;
  JournalContent content;
  JournalFlags flags;
  JournalBatch *batch;
  GArray *seqs;
  guint32 uid;
  IndexLeft left;
  JournalUndone undone;
  gboolean spooled;
} Do;

#define JOB(name, call)                                                                                                \
  static gboolean name(IndexTxn *txn, gpointer data, GError **error) {                                                 \
    Do *job = data;                                                                                                    \
    return call;                                                                                                       \
  }
JOB(do_create, journal_create(txn, &job->message, error))
JOB(do_put, journal_put(txn, &job->content, error))
JOB(do_replace, journal_replace(txn, job->row, &job->message, error))
JOB(do_rename, journal_rename(txn, job->row, job->folder, job->name, job->state, job->replaces, error))
JOB(do_remove, journal_remove(txn, job->row, &job->spooled, error))
JOB(do_flag, journal_flag(txn, job->row, &job->flags, error))
JOB(do_rmdir, journal_rmdir(txn, job->folder, error))
JOB(do_send, journal_send(txn, job->batch, 7, 100, error))
JOB(do_placed, journal_placed(txn, job->seq, job->folder, 7, job->uid, &job->left, error))
JOB(do_finish, journal_finish(txn, job->seq, error))
JOB(do_done, journal_done(txn, job->seq, error))
JOB(do_refuse, journal_refuse(txn, job->seq, "no", lost, &job->undone, error))

static gint64 create(gint64 folder, const char *name) {
  Do job = {.message = {.mailbox = folder, .mtime = 5, .ctime = 6, .internaldate = 7}};
  g_strlcpy(job.message.name, name, sizeof job.message.name);
  do_write(the_index, do_create, &job);
  return job.message.row;
}

static void put(gint64 row, JournalState state, gint64 due) {
  Do job = {.content = {.row = row, .state = state, .bytes = "A: b\r\n", .size = 6, .due = due}};
  memset(job.content.sha256, 9, sizeof job.content.sha256);
  job.content.fingerprint[0] = (guint8)row;
  do_write(the_index, do_put, &job);
}

static gint64 create_ready(gint64 folder, const char *name) {
  gint64 row = create(folder, name);
  put(row, JOURNAL_READY, JOURNAL_NOW);
  return row;
}

static gint64 row_of(gint64 mailbox, guint32 uid) {
  g_auto(IndexMessage) message = {0};
  ck_assert(index_find_uid(the_index, mailbox, uid, &message, NULL));
  return message.row;
}

static gint64 folder_of(gint64 row) {
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(the_index, row, &message, NULL));
  return message.gone ? -1 : message.folder;
}

static gint64 find(gint64 folder, const char *name) {
  g_auto(IndexMessage) message = {0};
  return index_find_message(the_index, folder, name, &message, NULL) ? message.row : 0;
}

static gboolean next(JournalBatch *batch) {
  gint64 when;
  g_autoptr(GError) error = NULL;
  gboolean found = journal_next(the_index, g_get_real_time(), 1000, 1 << 20, batch, &when, &error);
  ck_assert_msg(error == NULL, "%s", error ? error->message : "");
  return found;
}

static JournalItem *item(JournalBatch *batch, guint i) {
  return &g_array_index(batch->items, JournalItem, i);
}

static void send_batch(JournalBatch *batch) {
  Do job = {.batch = batch};
  do_write(the_index, do_send, &job);
}

/* ---- new ------------------------------------------------------------------------------------------------------- */

START_TEST(a_new_file_is_shown_sent_placed_and_finished) {
  gint64 row = create(inbox, "a");
  g_auto(JournalBatch) batch = {0};
  ck_assert(!next(&batch));
  ck_assert_int_eq(find(inbox, "a"), row);
  put(row, JOURNAL_READY, JOURNAL_HELD);
  ck_assert(!next(&batch));
  put(row, JOURNAL_READY, JOURNAL_NOW);
  ck_assert(next(&batch));
  ck_assert_int_eq(batch.op, JOURNAL_NEW);
  ck_assert_int_eq(batch.target, inbox);
  ck_assert_int_eq(batch.source, 0);
  ck_assert_int_eq(item(&batch, 0)->row, row);
  send_batch(&batch);
  Do placed = {.seq = item(&batch, 0)->seq, .folder = inbox, .uid = 44};
  do_write(the_index, do_placed, &placed);
  ck_assert_int_eq(row_of(inbox, 44), row);
  journal_batch_clear(&batch);
  ck_assert(next(&batch));
  ck_assert_int_eq(batch.state, JOURNAL_CONFIRMED);
  ck_assert_uint_eq(item(&batch, 0)->uid, 44);
  g_autoptr(GBytes) bytes = journal_bytes(the_index, row, NULL);
  ck_assert_uint_eq(g_bytes_get_size(bytes), 6);
  do_write(the_index, do_finish, &placed);
  ck_assert_ptr_null(journal_bytes(the_index, row, NULL));
  journal_batch_clear(&batch);
  ck_assert(!next(&batch));
}
END_TEST

START_TEST(moves_are_coalesced_and_cancelled) {
  add_messages(the_index, inbox, 1, 1000);
  for (guint32 uid = 1; uid <= 1000; uid++) {
    g_autofree char *name = g_strdup_printf("%u", uid);
    Do job = {.row = row_of(inbox, uid), .folder = archive, .name = name};
    do_write(the_index, do_rename, &job);
  }
  ck_assert_int_eq(folder_of(row_of(inbox, 3)), archive);
  Do back = {.row = row_of(inbox, 1000), .folder = inbox, .name = "1000"};
  do_write(the_index, do_rename, &back);
  g_auto(JournalBatch) batch = {0};
  ck_assert(next(&batch));
  ck_assert_int_eq(batch.op, JOURNAL_MOVE);
  ck_assert_uint_eq(batch.items->len, 999);
  send_batch(&batch);
  Do placed = {.seq = item(&batch, 0)->seq, .folder = archive, .uid = 1};
  do_write(the_index, do_placed, &placed);
  ck_assert_int_eq(folder_of(row_of(archive, 1)), archive);
}
END_TEST

START_TEST(a_refused_rewrite_shows_the_old_and_keeps_the_new) {
  add_messages(the_index, inbox, 1, 1);
  gint64 old = row_of(inbox, 1);
  g_auto(IndexMessage) before = {0};
  ck_assert(index_get_message(the_index, old, &before, NULL));
  Do job = {.row = old};
  do_write(the_index, do_replace, &job);
  put(job.message.row, JOURNAL_READY, JOURNAL_NOW);
  ck_assert_int_eq(find(inbox, before.name), job.message.row);
  ck_assert_int_eq(folder_of(old), 0);
  g_auto(JournalBatch) batch = {0};
  ck_assert(next(&batch));
  ck_assert_int_eq(batch.op, JOURNAL_NEW);
  send_batch(&batch);
  Do refuse = {.seq = item(&batch, 0)->seq};
  do_write(the_index, do_refuse, &refuse);
  ck_assert_int_eq(refuse.undone.from, inbox);
  ck_assert_int_eq(refuse.undone.to, lost);
  ck_assert_int_eq(refuse.undone.back, old);
  ck_assert_int_eq(find(inbox, before.name), old);
  ck_assert_int_eq(find(lost, before.name), job.message.row);
  journal_batch_clear(&batch);
  ck_assert(!next(&batch));
}
END_TEST

START_TEST(opposite_flags_cancel_out) {
  add_messages(the_index, inbox, 1, 1);
  gint64 row = row_of(inbox, 1);
  Do on = {.row = row, .flags = {.add = IMAP_FLAG_SEEN, .add_keywords = "$A b"}};
  do_write(the_index, do_flag, &on);
  guint flags;
  g_autofree char *words = NULL;
  ck_assert(journal_flags(the_index, row, &flags, &words, NULL));
  ck_assert_uint_eq(flags, IMAP_FLAG_SEEN);
  ck_assert_str_eq(words, "$A b");
  g_auto(JournalBatch) batch = {0};
  ck_assert(next(&batch));
  Do done = {.seq = item(&batch, 0)->seq};
  Do off = {.row = row, .flags = {.remove = IMAP_FLAG_SEEN, .remove_keywords = "B"}};
  do_write(the_index, do_flag, &off);
  g_autoptr(GError) error = NULL;
  Do late = {.batch = &batch};
  ck_assert(!index_write(the_index, INDEX_JOURNAL, do_send, &late, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_BUSY));
  do_write(the_index, do_done, &done);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(the_index, row, &message, NULL));
  ck_assert_uint_eq(message.flags, 0);
  ck_assert_str_eq(message.keywords, "$A");
}
END_TEST

START_TEST(a_removal_waits_for_uploads_and_a_folder_for_all) {
  add_messages(the_index, archive, 1, 1);
  gint64 old = row_of(archive, 1), fresh = create_ready(archive, "new");
  Do remove = {.row = old}, rmdir_job = {.folder = archive};
  do_write(the_index, do_remove, &remove);
  do_write(the_index, do_rmdir, &rmdir_job);
  ck_assert_int_eq(folder_of(old), 0);
  g_auto(IndexMailbox) none = {0};
  ck_assert(!index_find_mailbox(the_index, 1, "Archive", &none, NULL));
  g_auto(JournalBatch) batch = {0};
  ck_assert(next(&batch));
  ck_assert_int_eq(batch.op, JOURNAL_NEW);
  send_batch(&batch);
  Do placed = {.seq = item(&batch, 0)->seq, .folder = archive, .uid = 2};
  journal_batch_clear(&batch);
  ck_assert(!next(&batch));
  do_write(the_index, do_placed, &placed);
  ck_assert(next(&batch));
  ck_assert_int_eq(batch.op, JOURNAL_REMOVE);
  ck_assert_int_eq(batch.source, archive);
  ck_assert_int_eq(batch.target, 0);
  Do done = {.seq = item(&batch, 0)->seq};
  do_write(the_index, do_done, &done);
  ck_assert_int_eq(folder_of(old), -1);
  do_write(the_index, do_finish, &placed);
  ck_assert_int_eq(row_of(archive, 2), fresh);
  journal_batch_clear(&batch);
  ck_assert(next(&batch));
  ck_assert_int_eq(batch.op, JOURNAL_RMDIR);
  ck_assert_int_eq(batch.source, archive);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/journal");
  TCase *tests = tcase_create("journal");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, a_new_file_is_shown_sent_placed_and_finished);
  tcase_add_test(tests, moves_are_coalesced_and_cancelled);
  tcase_add_test(tests, a_refused_rewrite_shows_the_old_and_keeps_the_new);
  tcase_add_test(tests, opposite_flags_cancel_out);
  tcase_add_test(tests, a_removal_waits_for_uploads_and_a_folder_for_all);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
