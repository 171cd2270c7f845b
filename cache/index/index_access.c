/* SPDX-License-Identifier: MIT */
/*
 * What may be done in a mailbox: columns of its row that only cache/access reads and writes. `heard` says whether the
 * rest means anything.
 */
#include "cache/index/index_private.h"

gboolean index_get_access(Index *index, gint64 mailbox, IndexAccess *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT heard, read_only, rights, limited, permanent, any_keyword, keywords, append_limit"
                        " FROM mailbox WHERE row = ?1 AND gone = 0");
  sqlite3_bind_int64(stmt, 1, mailbox);
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  *ret = (IndexAccess){
      .heard = sqlite3_column_int64(stmt, 0),
      .read_only = sqlite3_column_int(stmt, 1) != 0,
      .rights = (guint)sqlite3_column_int64(stmt, 2),
      .limited = sqlite3_column_int(stmt, 3) != 0,
      .permanent = (guint)sqlite3_column_int64(stmt, 4),
      .any_keyword = sqlite3_column_int(stmt, 5) != 0,
      .keywords = g_strdup((const char *)sqlite3_column_text(stmt, 6)),
      .append_limit = (guint64)sqlite3_column_int64(stmt, 7),
  };
  return TRUE;
}

gboolean index_set_access(IndexTxn *txn, gint64 mailbox, const IndexAccess *access, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE mailbox SET heard = ?2, read_only = ?3, rights = ?4, limited = ?5, permanent = ?6,"
                         " any_keyword = ?7, keywords = ?8, append_limit = ?9 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, access->heard);
  sqlite3_bind_int(stmt, 3, access->read_only != FALSE);
  sqlite3_bind_int64(stmt, 4, access->rights);
  sqlite3_bind_int(stmt, 5, access->limited != FALSE);
  sqlite3_bind_int64(stmt, 6, access->permanent);
  sqlite3_bind_int(stmt, 7, access->any_keyword != FALSE);
  index_bind_text(stmt, 8, access->keywords);
  sqlite3_bind_int64(stmt, 9, (gint64)MIN(access->append_limit, (guint64)G_MAXINT64));
  return index_run(txn->db, stmt, error);
}
