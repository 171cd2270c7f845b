/* SPDX-License-Identifier: MIT */
/*
 * New ones that stay here, or that somebody had open: questions of cache/draft.
 */
#include "cache/journal_private.h"

gboolean journal_local_bytes(Index *index, guint64 *ret, GError **error) {
  gint64 bytes = 0;
  g_autoptr(GError) failed = NULL;
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  if (!JOURNAL_NUMBER(reader, &bytes, &failed,
                      "SELECT sum(m.size) FROM journal AS j JOIN message AS m ON m.row = j.message"
                      " WHERE j.state = ?1 AND j.op = ?2",
                      JOURNAL_LOCAL, JOURNAL_NEW) &&
      failed) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  *ret = (guint64)bytes;
  return TRUE;
}

GArray *journal_held(Index *index, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return NULL;
  g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT message FROM journal WHERE op = ?1 AND due = ?2 ORDER BY seq");
  sqlite3_bind_int64(stmt, 1, JOURNAL_NEW);
  sqlite3_bind_int64(stmt, 2, JOURNAL_HELD);
  IndexStep step;
  while ((step = index_step(reader, stmt, error)) == INDEX_STEP_ROW) {
    gint64 row = sqlite3_column_int64(stmt, 0);
    g_array_append_val(rows, row);
  }
  return step == INDEX_STEP_DONE ? g_steal_pointer(&rows) : NULL;
}
