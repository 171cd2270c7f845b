/* SPDX-License-Identifier: MIT */
/*
 * Which bodies the cache has, and the order in which they were used. The rows are not part of what the server has said:
 * all of them may be dropped at any time, and the files with them.
 */
#include "cache/index/index_private.h"

/* ---- questions ------------------------------------------------------------------------------------ */

gboolean index_each_body(Index *index, void (*each)(const IndexBody *body, gpointer data), gpointer data,
                         GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT b.row, b.bytes, b.queue, b.used, b.epoch, ifnull(m.gone, 1) <> 0 OR"
                        " m.size IS NOT b.bytes OR x.uidvalidity = 0, b.held FROM body AS b"
                        " LEFT JOIN message AS m ON m.row = b.row LEFT JOIN mailbox AS x ON x.row = m.mailbox"
                        " ORDER BY b.used");
  IndexStep step;
  while ((step = index_step(reader, stmt, error)) == INDEX_STEP_ROW) {
    IndexBody body = {
        .row = sqlite3_column_int64(stmt, 0),
        .bytes = (guint64)sqlite3_column_int64(stmt, 1),
        .queue = (guint)sqlite3_column_int(stmt, 2),
        .used = sqlite3_column_int64(stmt, 3),
        .epoch = (guint64)sqlite3_column_int64(stmt, 4),
        .orphan = sqlite3_column_int(stmt, 5) != 0,
        .held = sqlite3_column_int(stmt, 6) != 0,
    };
    each(&body, data);
  }
  return step == INDEX_STEP_DONE;
}

gssize index_held_bodies(Index *index, gint64 mailbox, gint64 row, IndexNext *ret, gsize n, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return -1;
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT m.row, m.uid, b.bytes, m.mailbox FROM body AS b JOIN message AS m ON m.row = b.row"
                        " WHERE b.held = 1 AND b.row > ?2 AND m.mailbox = ?1 AND m.uid > 0 AND m.gone = 0"
                        " ORDER BY b.row LIMIT ?3");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, row);
  sqlite3_bind_int64(stmt, 3, (gint64)n);
  return index_read_next(reader, stmt, ret, n, error);
}

/* ---- in a job ------------------------------------------------------------------------------------- */

gboolean index_put_body(IndexTxn *txn, const IndexBody *body, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "INSERT INTO body(row, bytes, queue, used, epoch) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(row)"
                         " DO UPDATE SET bytes = ?2, queue = ?3, used = ?4, epoch = ?5");
  sqlite3_bind_int64(stmt, 1, body->row);
  index_bind_size(stmt, 2, body->bytes);
  sqlite3_bind_int64(stmt, 3, body->queue);
  sqlite3_bind_int64(stmt, 4, body->used);
  sqlite3_bind_int64(stmt, 5, (gint64)body->epoch);
  return index_run(txn->db, stmt, error);
}

gboolean index_release_body(IndexTxn *txn, gint64 row, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE body SET held = 0 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  return index_run(txn->db, stmt, error);
}

gboolean index_drop_body(IndexTxn *txn, gint64 row, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "DELETE FROM body WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  return index_run(txn->db, stmt, error);
}

gboolean index_drop_bodies(IndexTxn *txn, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "DELETE FROM body");
  return index_run(txn->db, stmt, error);
}
