/* SPDX-License-Identifier: MIT */
/*
 * Rows of the journal and of the messages that they are about, one by one. A row goes with its message by a trigger, so
 * that no change outlives what it was to change; see cache/index/index_schema.c.
 */
#include "cache/journal/journal_private.h"

#include "cache/cache.h"

void journal_row_clear(JournalRow *row) {
  g_clear_pointer(&row->keywords[0], g_free);
  g_clear_pointer(&row->keywords[1], g_free);
}

static void bind(IndexStmt *stmt, const gint64 *numbers, gsize n) {
  for (gsize i = 0; i < n; i++)
    sqlite3_bind_int64(stmt, (int)i + 1, numbers[i]);
}

gboolean journal_run(IndexTxn *txn, const char *sql, const gint64 *numbers, gsize n, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, sql);
  bind(stmt, numbers, n);
  return index_run(txn->db, stmt, error);
}

gboolean journal_number(IndexDb *db, const char *sql, const gint64 *numbers, gsize n, gint64 *ret, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(db, sql);
  bind(stmt, numbers, n);
  if (index_step(db, stmt, error) != INDEX_STEP_ROW || sqlite3_column_type(stmt, 0) == SQLITE_NULL)
    return FALSE;
  *ret = sqlite3_column_int64(stmt, 0);
  return TRUE;
}

gboolean journal_number_or_none(IndexTxn *txn, const char *sql, gint64 number, gint64 *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  *ret = 0;
  if (journal_number(txn->db, sql, &number, 1, ret, &failed) || !failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* ---- rows of the journal ---------------------------------------------------------------------------------- */

#define ROW                                                                                                            \
  "SELECT seq, message, mailbox, target, after, due, op, state, spooled, flags_add, flags_remove, keywords_add,"       \
  " keywords_remove FROM journal "

static gboolean read_row(IndexTxn *txn, IndexStmt *stmt, JournalRow *ret, GError **error) {
  if (index_step(txn->db, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  *ret = (JournalRow){
      .seq = sqlite3_column_int64(stmt, 0),
      .message = sqlite3_column_int64(stmt, 1),
      .mailbox = sqlite3_column_int64(stmt, 2),
      .target = sqlite3_column_int64(stmt, 3),
      .after = sqlite3_column_int64(stmt, 4),
      .due = sqlite3_column_int64(stmt, 5),
      .op = (JournalOp)sqlite3_column_int(stmt, 6),
      .state = (JournalState)sqlite3_column_int(stmt, 7),
      .spooled = sqlite3_column_int(stmt, 8) != 0,
      .flags.add = (guint)sqlite3_column_int64(stmt, 9),
      .flags.remove = (guint)sqlite3_column_int64(stmt, 10),
      .keywords = {g_strdup((const char *)sqlite3_column_text(stmt, 11)),
                   g_strdup((const char *)sqlite3_column_text(stmt, 12))},
  };
  ret->flags.add_keywords = ret->keywords[0];
  ret->flags.remove_keywords = ret->keywords[1];
  return TRUE;
}

gboolean journal_get_row(IndexTxn *txn, gint64 seq, JournalRow *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  g_autoptr(IndexStmt) stmt = index_use(txn->db, ROW "WHERE seq = ?1");
  sqlite3_bind_int64(stmt, 1, seq);
  if (read_row(txn, stmt, ret, &failed))
    return TRUE;
  if (!failed)
    g_set_error(&failed, CACHE_ERROR, CACHE_ERROR_GONE, "this change is no longer in the journal");
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean journal_find_new(IndexTxn *txn, gint64 message, JournalRow *ret, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, ROW "WHERE message = ?1 AND op = 1");
  sqlite3_bind_int64(stmt, 1, message);
  return read_row(txn, stmt, ret, error);
}

gboolean journal_insert(IndexTxn *txn, JournalRow *row, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "INSERT INTO journal(op, state, message, mailbox, target, after, due, flags_add, flags_remove,"
                         " keywords_add, keywords_remove, created) VALUES(?1, ?2, nullif(?3, 0), ?4, ?5, ?6, ?7, ?8,"
                         " ?9, ?10, ?11, ?12)");
  sqlite3_bind_int64(stmt, 1, row->op);
  sqlite3_bind_int64(stmt, 2, row->state);
  sqlite3_bind_int64(stmt, 3, row->message);
  sqlite3_bind_int64(stmt, 4, row->mailbox);
  sqlite3_bind_int64(stmt, 5, row->target);
  sqlite3_bind_int64(stmt, 6, row->after);
  sqlite3_bind_int64(stmt, 7, row->due);
  sqlite3_bind_int64(stmt, 8, row->flags.add);
  sqlite3_bind_int64(stmt, 9, row->flags.remove);
  index_bind_text(stmt, 10, row->flags.add_keywords);
  index_bind_text(stmt, 11, row->flags.remove_keywords);
  sqlite3_bind_int64(stmt, 12, g_get_real_time());
  if (!index_run(txn->db, stmt, error))
    return FALSE;
  row->seq = sqlite3_last_insert_rowid(txn->db->sql);
  return TRUE;
}

/* ---- messages --------------------------------------------------------------------------------------------- */

gboolean journal_message(IndexTxn *txn, gint64 row, IndexMessage *ret, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT " INDEX_MESSAGE_COLUMNS " FROM message WHERE row = ?1 AND gone = 0");
  sqlite3_bind_int64(stmt, 1, row);
  IndexStep step = index_step(txn->db, stmt, error);
  if (step == INDEX_STEP_ROW)
    index_read_message(stmt, ret);
  else if (step == INDEX_STEP_DONE)
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_GONE, "the message is no more");
  return step == INDEX_STEP_ROW;
}

gboolean journal_shown(IndexTxn *txn, gint64 row, IndexMessage *ret, GError **error) {
  if (!journal_message(txn, row, ret, error))
    return FALSE;
  if (ret->folder != 0)
    return TRUE;
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_GONE, "the message was removed");
  return FALSE;
}

gboolean journal_end_message(IndexTxn *txn, gint64 row, GError **error) {
  return JOURNAL_RUN(txn, error, "UPDATE message SET gone = ?2 WHERE row = ?1 AND gone = 0", row, txn->run);
}

gboolean journal_name_free(IndexTxn *txn, gint64 folder, const char *name, gint64 row, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (index_name_taken(txn, folder, name, row, &failed))
    g_set_error(&failed, CACHE_ERROR, CACHE_ERROR_EXISTS, "there is something of this name already");
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}
