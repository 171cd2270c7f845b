/* SPDX-License-Identifier: MIT */
/*
 * What a job may do inside the writer's transaction to mailboxes and meta values. For messages see index_message.c, for
 * bodies index_body.c.
 */
#include "cache/index/index_private.h"

#include <string.h>

/* ---- mailboxes ------------------------------------------------------------------------------------ */
/* What LIST says, and what opening it says. */
static void bind_place(IndexStmt *stmt, const IndexMailbox *mailbox) {
  sqlite3_bind_int64(stmt, 1, mailbox->parent);
  sqlite3_bind_blob(stmt, 2, mailbox->raw, mailbox->raw ? (int)strlen(mailbox->raw) : 0, SQLITE_STATIC);
  index_bind_text(stmt, 3, mailbox->name);
  sqlite3_bind_int64(stmt, 4, mailbox->delimiter);
  sqlite3_bind_int64(stmt, 5, mailbox->attrs);
}

static void bind_state(IndexStmt *stmt, const IndexMailbox *mailbox) {
  sqlite3_bind_int64(stmt, 6, mailbox->uidvalidity);
  sqlite3_bind_int64(stmt, 7, mailbox->uidnext);
  sqlite3_bind_int64(stmt, 8, mailbox->exists);
  sqlite3_bind_int64(stmt, 9, (gint64)mailbox->modseq);
  index_bind_text(stmt, 10, mailbox->mailboxid);
  sqlite3_bind_int64(stmt, 11, mailbox->listed);
  sqlite3_bind_int64(stmt, 12, mailbox->listed_at);
}

static gboolean insert_mailbox(IndexTxn *txn, IndexMailbox *mailbox, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(
      txn->db, "INSERT INTO mailbox(parent, raw, name, delimiter, attrs, uidvalidity, uidnext, messages, modseq,"
               " mailboxid, listed, listed_at, mtime) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)");
  bind_place(stmt, mailbox);
  bind_state(stmt, mailbox);
  sqlite3_bind_int64(stmt, 13, mailbox->mtime);
  if (!index_run(txn->db, stmt, error))
    return FALSE;
  mailbox->row = sqlite3_last_insert_rowid(txn->db->sql);
  return TRUE;
}

gboolean index_put_mailbox(IndexTxn *txn, IndexMailbox *mailbox, GError **error) {
  if (!mailbox->row)
    return insert_mailbox(txn, mailbox, error);
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE mailbox SET parent = ?1, raw = ?2, name = ?3, delimiter = ?4,"
                                                 " attrs = ?5 WHERE row = ?6");
  bind_place(stmt, mailbox);
  sqlite3_bind_int64(stmt, 6, mailbox->row);
  return index_run(txn->db, stmt, error);
}

/* Under another UIDVALIDITY a UID means another message. */
static gboolean forget_tombstones(IndexTxn *txn, const IndexMailbox *mailbox, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE message SET uid = NULL WHERE mailbox = ?1 AND uid > 0 AND gone > 0"
                         " AND (SELECT uidvalidity FROM mailbox AS b WHERE b.row = ?1) <> ?2");
  sqlite3_bind_int64(stmt, 1, mailbox->row);
  sqlite3_bind_int64(stmt, 2, mailbox->uidvalidity);
  return index_run(txn->db, stmt, error);
}

gboolean index_set_state(IndexTxn *txn, const IndexMailbox *mailbox, GError **error) {
  if (!forget_tombstones(txn, mailbox, error))
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE mailbox SET uidvalidity = ?6, uidnext = ?7, messages = ?8,"
                                                 " modseq = ?9, mailboxid = ?10, listed = ?11, listed_at = ?12"
                                                 " WHERE row = ?13");
  bind_state(stmt, mailbox);
  sqlite3_bind_int64(stmt, 13, mailbox->row);
  return index_run(txn->db, stmt, error);
}

#define ENDING "mailbox = ?1 AND gone = 0 AND NOT EXISTS (SELECT 1 FROM journal WHERE message = message.row AND op = 1)"

/* Those of them that were moved here are seen elsewhere. */
static gboolean tell_elsewhere(IndexTxn *txn, gint64 mailbox, gint most, IndexRemoved removed, gpointer data,
                               GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT row, folder, name FROM message WHERE row IN (SELECT row FROM message WHERE " ENDING
                         " LIMIT ?2) AND folder <> mailbox");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, most);
  IndexStep step;
  while ((step = index_step(txn->db, stmt, error)) == INDEX_STEP_ROW) {
    IndexLeft left = {.row = sqlite3_column_int64(stmt, 0), .folder = sqlite3_column_int64(stmt, 1)};
    g_strlcpy(left.name, (const char *)sqlite3_column_text(stmt, 2), sizeof left.name);
    removed(&left, data);
  }
  return step == INDEX_STEP_DONE;
}

gboolean index_end_messages(IndexTxn *txn, gint64 mailbox, gint most, IndexRemoved removed, gpointer data,
                            gboolean *ret_more, GError **error) {
  if (removed && !tell_elsewhere(txn, mailbox, most, removed, data, error))
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(
      txn->db, "UPDATE message SET gone = ?2 WHERE row IN (SELECT row FROM message WHERE " ENDING " LIMIT ?3)");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, txn->run);
  sqlite3_bind_int64(stmt, 3, most);
  if (!index_run(txn->db, stmt, error))
    return FALSE;
  *ret_more = sqlite3_changes(txn->db->sql) == most;
  return TRUE;
}

gboolean index_end_mailbox(IndexTxn *txn, gint64 row, GError **error) {
  /* With the local folders in it, and those in them: nobody could come there any more. */
  g_autoptr(IndexStmt) mailbox =
      index_use(txn->db, "WITH RECURSIVE own(id) AS (VALUES(?1) UNION SELECT b.row FROM own JOIN mailbox AS b"
                         " ON b.parent = own.id WHERE b.gone = 0 AND b.attrs & 1073741824)"
                         " UPDATE mailbox SET gone = ?2 WHERE row IN (SELECT id FROM own) AND gone = 0");
  sqlite3_bind_int64(mailbox, 1, row);
  sqlite3_bind_int64(mailbox, 2, txn->run);
  return index_run(txn->db, mailbox, error);
}

gboolean index_touch_mailbox(IndexTxn *txn, gint64 row, gint64 mtime, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE mailbox SET mtime = ?2 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_int64(stmt, 2, mtime);
  return index_run(txn->db, stmt, error);
}

/* ---- meta, row numbers ------------------------------------------------------------------ */
gboolean index_set_meta(IndexTxn *txn, const char *key, const char *value, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)");
  index_bind_text(stmt, 1, key);
  index_bind_text(stmt, 2, value);
  return index_run(txn->db, stmt, error);
}

gboolean index_reserve_rows(IndexTxn *txn, gint64 last, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'message' AND seq < ?1");
  sqlite3_bind_int64(stmt, 1, last);
  return index_run(txn->db, stmt, error);
}

gboolean index_skip_rows(IndexTxn *txn, gint64 n, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name IN ('mailbox', 'message')");
  sqlite3_bind_int64(stmt, 1, n);
  return index_run(txn->db, stmt, error);
}
