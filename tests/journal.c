/* SPDX-License-Identifier: MIT */
#include "tests/journal.h"

#include <string.h>

JournalTest journal_test;

typedef struct {
  gint64 row, folder, replaces, seq;
  const char *name, *reason;
  IndexMessage message;
  JournalContent content;
  JournalFlags flags;
  JournalBatch *batch;
  guint32 uid;
  gint64 due;
  JournalState state;
  IndexLeft left;
  JournalUndone undone;
} Call;

static void run(JournalCall call, Call *data) {
  do_write(journal_test.index, call, data);
}

void journal_fails(JournalCall call, gpointer data, CacheError code) {
  g_autoptr(GError) error = NULL;
  ck_assert(!index_write(journal_test.index, INDEX_CHANGE, call, data, &error));
  ck_assert_msg(g_error_matches(error, CACHE_ERROR, (gint)code), "%s", error ? error->message : "no error");
}

/* ---- the fixture ---------------------------------------------------------------------------------------------- */

static gint64 add_local(gint64 parent, const char *name) {
  IndexMailbox local = {.parent = parent, .name = (char *)name, .attrs = INDEX_LOCAL | IMAP_ATTR_NOSELECT};
  do_write(journal_test.index, put_mailbox, &local);
  return local.row;
}

void journal_setup(void) {
  index_setup();
  journal_test.index = open_index(NULL);
  ck_assert_int_eq(add_mailbox(journal_test.index, 0, ""), 1);
  journal_test.inbox = add_mailbox(journal_test.index, 1, "INBOX");
  journal_test.archive = add_mailbox(journal_test.index, 1, "Archive");
  journal_test.lost = add_local(1, "lost+found");
  journal_test.local = add_local(journal_test.inbox, ".tmp");
}

void journal_teardown(void) {
  g_clear_pointer(&journal_test.index, index_close);
  index_teardown();
}

void journal_reopen(void) {
  index_close(journal_test.index);
  journal_test.index = open_index(NULL);
  ck_assert(journal_open(journal_test.index, NULL));
}

/* ---- what users do -------------------------------------------------------------------------------------------- */

static gboolean create(IndexTxn *txn, gpointer data, GError **error) {
  return journal_create(txn, &((Call *)data)->message, error);
}

gint64 journal_make(gint64 folder, const char *name) {
  Call call = {.message = {.mailbox = folder, .mtime = 5, .ctime = 6, .internaldate = 7}};
  g_strlcpy(call.message.name, name, sizeof call.message.name);
  run(create, &call);
  ck_assert_int_eq(call.message.folder, folder);
  return call.message.row;
}

static gboolean put(IndexTxn *txn, gpointer data, GError **error) {
  return journal_put(txn, &((Call *)data)->content, error);
}

void journal_fill(gint64 row, JournalState state, gint64 due) {
  Call call = {.content = {.row = row, .state = state, .bytes = "A: b\r\n", .size = 6, .due = due}};
  memcpy(call.content.sha256, &row, sizeof row);
  memcpy(call.content.fingerprint, &row, sizeof row);
  run(put, &call);
}

gint64 journal_upload(gint64 folder, const char *name) {
  gint64 row = journal_make(folder, name);
  journal_fill(row, JOURNAL_READY, JOURNAL_NOW);
  return row;
}

gint64 journal_server(gint64 mailbox, guint32 uid, const char *name) {
  Add add = {.message = message_of(mailbox, uid)};
  g_strlcpy(add.message.name, name, sizeof add.message.name);
  do_write(journal_test.index, add_one, &add);
  ck_assert(add.added);
  return add.message.row;
}

static gboolean replace(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  return journal_replace(txn, call->row, &call->message, error);
}

gint64 journal_rewrite(gint64 old) {
  Call call = {.row = old, .message = {.mtime = 5, .ctime = 6, .internaldate = 7}};
  run(replace, &call);
  g_free(call.message.keywords);
  return call.message.row;
}

static gboolean rm(IndexTxn *txn, gpointer data, GError **error) {
  return journal_remove(txn, ((Call *)data)->row, NULL, error);
}

void journal_rm(gint64 row) {
  Call call = {.row = row};
  run(rm, &call);
}

static gboolean mv(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  return journal_rename(txn, call->row, call->folder, call->name, JOURNAL_READY, call->replaces, error);
}

void journal_mv(gint64 row, gint64 folder, const char *name, gint64 replaces) {
  Call call = {.row = row, .folder = folder, .name = name, .replaces = replaces};
  run(mv, &call);
}

static gboolean flag(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  return journal_flag(txn, call->row, &call->flags, error);
}

void journal_set(gint64 row, guint add, guint remove, const char *add_keywords, const char *remove_keywords) {
  Call call = {.row = row, .flags = {add, remove, add_keywords, remove_keywords}};
  run(flag, &call);
}

static gboolean drop_folder(IndexTxn *txn, gpointer data, GError **error) {
  return journal_rmdir(txn, ((Call *)data)->folder, error);
}

void journal_drop_folder(gint64 mailbox) {
  Call call = {.folder = mailbox};
  run(drop_folder, &call);
}

/* ---- what is shown -------------------------------------------------------------------------------------------- */

gint64 journal_folder(gint64 row) {
  g_auto(IndexMessage) message = {0};
  return !index_get_message(journal_test.index, row, &message, NULL) || message.gone ? -1 : message.folder;
}

gint64 journal_at(gint64 folder, const char *name) {
  g_auto(IndexMessage) message = {0};
  return index_find_message(journal_test.index, folder, name, &message, NULL) ? message.row : 0;
}

gint64 journal_mailbox(gint64 row, guint32 *ret_uid) {
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(journal_test.index, row, &message, NULL));
  if (ret_uid)
    *ret_uid = message.uid;
  return message.mailbox;
}

gint64 journal_count(const char *sql) {
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  gint damaged = 0;
  gint64 n = -1;
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "", NULL);
  g_autoptr(IndexStmt) stmt = index_use(db, sql);
  ck_assert_msg(index_number(db, stmt, &n, NULL), "%s", sql);
  return n;
}

/* ---- what the replay does ------------------------------------------------------------------------------------- */

gboolean journal_take(JournalBatch *batch, guint most) {
  gint64 next = 0;
  g_autoptr(GError) error = NULL;
  journal_batch_clear(batch);
  gboolean found = journal_next(journal_test.index, g_get_real_time(), most, 1 << 20, batch, &next, &error);
  ck_assert_msg(error == NULL, "%s", error ? error->message : "");
  return found;
}

void journal_expect(JournalBatch *batch, JournalOp op, JournalState state, guint n) {
  ck_assert(journal_take(batch, 1000));
  ck_assert_int_eq(batch->op, op);
  ck_assert_int_eq(batch->state, state);
  ck_assert_uint_eq(batch->items->len, n);
}

JournalItem *journal_item(JournalBatch *batch, guint i) {
  return &g_array_index(batch->items, JournalItem, i);
}

static gboolean send_it(IndexTxn *txn, gpointer data, GError **error) {
  return journal_send(txn, ((Call *)data)->batch, 7, 100, error);
}

void journal_sent(JournalBatch *batch) {
  Call call = {.batch = batch};
  run(send_it, &call);
}

static gboolean place(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  return journal_placed(txn, call->seq, call->folder, 7, call->uid, &call->left, error);
}

IndexLeft journal_place(gint64 seq, gint64 mailbox, guint32 uid) {
  Call call = {.seq = seq, .folder = mailbox, .uid = uid};
  run(place, &call);
  return call.left;
}

static gboolean finish(IndexTxn *txn, gpointer data, GError **error) {
  return journal_finish(txn, ((Call *)data)->seq, error);
}

static gboolean done(IndexTxn *txn, gpointer data, GError **error) {
  return journal_done(txn, ((Call *)data)->seq, error);
}

void journal_end(gint64 seq, gboolean finished) {
  Call call = {.seq = seq};
  run(finished ? finish : done, &call);
}

static gboolean refuse(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  return journal_refuse(txn, call->seq, "no", journal_test.lost, &call->undone, error);
}

JournalUndone journal_no(gint64 seq) {
  Call call = {.seq = seq};
  run(refuse, &call);
  return call.undone;
}

static gboolean set_state_of(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  g_autoptr(GArray) seqs = g_array_new(FALSE, FALSE, sizeof(gint64));
  g_array_append_val(seqs, call->seq);
  return call->due < 0 ? journal_set_state(txn, seqs, call->state, error)
                       : journal_retry(txn, seqs, call->due, "later", error);
}

void journal_state(gint64 seq, JournalState state) {
  Call call = {.seq = seq, .state = state, .due = -1};
  run(set_state_of, &call);
}

void journal_again(gint64 seq, gint64 due) {
  Call call = {.seq = seq, .due = due};
  run(set_state_of, &call);
}
