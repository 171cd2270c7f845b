/* SPDX-License-Identifier: MIT */
/*
 * What happens to messages when a server gives them other UIDs. Their rows lose the old ones (uid NULL) and wait; each
 * message that the new listing brings looks for its row among them:
 *
 *   the only one with its EMAILID                   is it, octet for octet, and so its body is good
 *   else the only one with its fingerprint, claim   is it as far as a name and an inode go; a body it has is held until
 *   (without header fields: INTERNALDATE, claim)    its whole header has been compared, in this same transaction, so
 *                                                   that no crash can serve it under a message that it is not
 *
 * Two that look alike are not matched by guess, nor by date and size what waits to be removed: it comes back. What
 * nothing matched ends.
 */
#include "cache/index/index_private.h"

#include <string.h>

static gboolean find_by_id(IndexTxn *txn, const IndexMessage *message, gint64 *ret, GError **error) {
  if (!message->emailid)
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT min(row) FROM message AS m WHERE mailbox = ?1 AND emailid = ?2 AND " INDEX_FORGOTTEN
                         " HAVING count(*) = 1");
  sqlite3_bind_int64(stmt, 1, message->mailbox);
  index_bind_text(stmt, 2, message->emailid);
  return index_number(txn->db, stmt, ret, error);
}

static gboolean find_alike(IndexTxn *txn, const IndexMessage *message, gint64 *ret, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT min(row) FROM message AS m WHERE mailbox = ?1 AND fingerprint = ?2 AND claim = ?3"
                         " AND " INDEX_FORGOTTEN " HAVING count(*) = 1");
  sqlite3_bind_int64(stmt, 1, message->mailbox);
  index_bind_fingerprint(stmt, 2, message->fingerprint);
  index_bind_size(stmt, 3, message->claim);
  return index_number(txn->db, stmt, ret, error);
}

/* Under names=uid a listing brings no header fields, and a size alone is soon another's. The second in which it came is
 * as good as a mark. */
static gboolean find_dated(IndexTxn *txn, const IndexMessage *message, gint64 *ret, GError **error) {
  static const guint8 none[sizeof message->fingerprint];
  if (memcmp(message->fingerprint, none, sizeof none) != 0 || message->internaldate == IMAP_UNKNOWN_DATE)
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT min(row) FROM message AS m WHERE mailbox = ?1 AND internaldate = ?2 AND claim = ?3"
                         " AND " INDEX_FORGOTTEN " HAVING count(*) = 1");
  sqlite3_bind_int64(stmt, 1, message->mailbox);
  sqlite3_bind_int64(stmt, 2, message->internaldate);
  index_bind_size(stmt, 3, message->claim);
  return index_number(txn->db, stmt, ret, error);
}

/* Two may share both, of which one came and one went: so what waits to remove it is no longer surely about it. */
static gboolean is_to_be_removed(IndexTxn *txn, gint64 row, GError **error) {
  gint64 one = 0;
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT 1 FROM journal WHERE message = ?1 AND op = 3 AND state <> 4 LIMIT 1");
  sqlite3_bind_int64(stmt, 1, row);
  return index_number(txn->db, stmt, &one, error);
}

static gboolean find_surely_dated(IndexTxn *txn, const IndexMessage *message, gint64 *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (!find_dated(txn, message, ret, error))
    return FALSE;
  if (is_to_be_removed(txn, *ret, &failed))
    g_message("message %" G_GINT64_FORMAT " was renumbered and is not surely the same: its removal is dropped", *ret);
  else if (!failed)
    return TRUE;
  else
    g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean take_over(IndexTxn *txn, const IndexMessage *message, gint64 row, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE message SET uid = ?2, flags = ?3, keywords = ?4, emailid = ?5 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_int64(stmt, 2, message->uid);
  sqlite3_bind_int64(stmt, 3, message->flags);
  index_bind_text(stmt, 4, message->keywords);
  index_bind_text(stmt, 5, message->emailid);
  return index_run(txn->db, stmt, error);
}

static gboolean hold_body(IndexTxn *txn, gint64 row, gboolean *ret_held, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE body SET held = 1 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  if (!index_run(txn->db, stmt, error))
    return FALSE;
  *ret_held = sqlite3_changes(txn->db->sql) > 0;
  return TRUE;
}

gboolean index_rematch(IndexTxn *txn, IndexMessage *message, GError **error) {
  g_autoptr(GError) failed = NULL;
  gint64 row = 0;
  gboolean same = find_by_id(txn, message, &row, &failed);
  gboolean alike = !same && !failed && find_alike(txn, message, &row, &failed);
  alike = alike || (!same && !failed && find_surely_dated(txn, message, &row, &failed));
  if (!failed && !same && !alike)
    return FALSE;
  if (!failed && take_over(txn, message, row, &failed) && (same || hold_body(txn, row, &message->unproven, &failed))) {
    message->row = row;
    return TRUE;
  }
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean index_forget_uids(IndexTxn *txn, gint64 mailbox, gint most, gboolean *ret_more, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE message SET uid = NULL WHERE row IN (SELECT row FROM message"
                                                 " WHERE mailbox = ?1 AND uid > 0 AND gone = 0 LIMIT ?2)");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, most);
  if (!index_run(txn->db, stmt, error))
    return FALSE;
  *ret_more = sqlite3_changes(txn->db->sql) == most;
  return TRUE;
}

static int find_forgotten_rows(IndexTxn *txn, gint64 mailbox, IndexLeft *ret, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT row, folder, name FROM message AS m WHERE mailbox = ?1 AND " INDEX_LOST " LIMIT ?2");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, INDEX_LEAVE_ROWS);
  return index_read_leaving(txn, stmt, ret, error);
}

gboolean index_end_forgotten(IndexTxn *txn, gint64 mailbox, IndexRemoved removed, gpointer data, gboolean *ret_more,
                             GError **error) {
  g_autofree IndexLeft *leaving = g_new(IndexLeft, INDEX_LEAVE_ROWS);
  int n = find_forgotten_rows(txn, mailbox, leaving, error);
  *ret_more = n == INDEX_LEAVE_ROWS;
  return n >= 0 && index_bury(txn, leaving, n, removed, data, error);
}

/* ---- which message a row stands for ----------------------------------------------------------------------- */

gboolean index_has_key(IndexTxn *txn, const IndexKey *key, gboolean *ret, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT count(*) FROM message AS m JOIN mailbox AS b ON b.row = m.mailbox WHERE m.row = ?1"
                         " AND m.gone = 0 AND m.mailbox = ?2 AND b.uidvalidity = ?3 AND m.uid = ?4");
  gint64 n = 0;
  sqlite3_bind_int64(stmt, 1, key->row);
  sqlite3_bind_int64(stmt, 2, key->mailbox);
  sqlite3_bind_int64(stmt, 3, key->uidvalidity);
  sqlite3_bind_int64(stmt, 4, key->uid);
  if (!index_number(txn->db, stmt, &n, error))
    return FALSE;
  *ret = n > 0;
  return TRUE;
}

gboolean index_get_key(Index *index, gint64 row, IndexKey *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT m.mailbox, b.uidvalidity, m.uid FROM message AS m JOIN mailbox AS b"
                        " ON b.row = m.mailbox WHERE m.row = ?1 AND m.gone = 0 AND m.uid > 0");
  sqlite3_bind_int64(stmt, 1, row);
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  *ret = (IndexKey){.row = row,
                    .mailbox = sqlite3_column_int64(stmt, 0),
                    .uidvalidity = (guint32)sqlite3_column_int64(stmt, 1),
                    .uid = (guint32)sqlite3_column_int64(stmt, 2)};
  return TRUE;
}
