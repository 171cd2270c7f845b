/* SPDX-License-Identifier: MIT */
/*
 * The overlay. message.folder follows from the message and its rows in the journal, and from nothing else: after any
 * change of either, journal_show() brings it up to date in the same transaction. A message that comes back to where its
 * name was given to another meanwhile takes the next free one.
 */
#include "cache/journal/journal_private.h"

static gboolean place_of(IndexTxn *txn, gint64 row, gint64 *ret, GError **error) {
  return JOURNAL_NUMBER(
      txn->db, ret, error,
      "SELECT CASE WHEN EXISTS (SELECT 1 FROM journal WHERE message = ?1 AND op = 3) THEN 0 ELSE"
      " ifnull((SELECT target FROM journal WHERE message = ?1 AND op IN (1, 2) ORDER BY seq DESC LIMIT 1), mailbox) END"
      " FROM message WHERE row = ?1",
      row);
}

static gboolean put(IndexTxn *txn, gint64 row, gint64 folder, const char *name, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE OR FAIL message SET folder = nullif(?2, 0), name = ?3 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_int64(stmt, 2, folder);
  index_bind_text(stmt, 3, name);
  return index_run(txn->db, stmt, error);
}

static gboolean touch(IndexTxn *txn, gint64 folder, GError **error) {
  return folder == 0 || index_touch_mailbox(txn, folder, g_get_real_time() * 1000, error);
}

gboolean journal_set_name(IndexTxn *txn, gint64 row, const char *name, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE OR FAIL message SET name = ?2 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  index_bind_text(stmt, 2, name);
  return index_run(txn->db, stmt, error);
}

gboolean journal_show(IndexTxn *txn, gint64 row, JournalUndone *ret, GError **error) {
  g_auto(IndexMessage) message = {0};
  gint64 folder = 0;
  if (!journal_message(txn, row, &message, error) || !place_of(txn, row, &folder, error))
    return FALSE;
  if (ret) {
    *ret = (JournalUndone){.row = row, .from = message.folder, .to = folder};
    g_strlcpy(ret->name, message.name, sizeof ret->name);
  }
  if (folder == message.folder)
    return TRUE;
  if (folder != 0 && !index_free_name(txn, folder, row, message.name, error))
    return FALSE;
  return put(txn, row, folder, message.name, error) && touch(txn, message.folder, error) && touch(txn, folder, error);
}
