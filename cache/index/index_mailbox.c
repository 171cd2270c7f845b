/* SPDX-License-Identifier: MIT */
/*
 * The questions about mailboxes, asked like those of index_read.c. A folder that is hidden, or that an RMDIR waits for,
 * is found by its row and in the list of all, and by nobody who looks into its parent.
 */
#include "cache/index/index_private.h"

#include "cache/error.h"

#define MAILBOX_COLUMNS                                                                                                \
  "row, parent, raw, name, delimiter, attrs, uidvalidity, uidnext, messages, modseq, mailboxid, listed, listed_at, "   \
  "mtime"
/* Without INDEX_HIDDEN, and no RMDIR waits for it. */
#define VISIBLE                                                                                                        \
  " AND attrs < 2147483648 AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.op = 5 AND j.mailbox = mailbox.row)"

static void read_mailbox(IndexStmt *stmt, IndexMailbox *ret) {
  *ret = (IndexMailbox){
      .row = sqlite3_column_int64(stmt, 0),
      .parent = sqlite3_column_int64(stmt, 1),
      .raw = index_text(stmt, 2),
      .name = index_text(stmt, 3),
      .delimiter = (char)sqlite3_column_int(stmt, 4),
      .attrs = (guint)sqlite3_column_int64(stmt, 5),
      .uidvalidity = (guint32)sqlite3_column_int64(stmt, 6),
      .uidnext = (guint32)sqlite3_column_int64(stmt, 7),
      .exists = (guint32)sqlite3_column_int64(stmt, 8),
      .modseq = (guint64)sqlite3_column_int64(stmt, 9),
      .mailboxid = index_text(stmt, 10),
      .listed = (IndexListed)sqlite3_column_int(stmt, 11),
      .listed_at = sqlite3_column_int64(stmt, 12),
      .mtime = sqlite3_column_int64(stmt, 13),
  };
}

static gboolean one_mailbox(IndexReader *reader, IndexStmt *stmt, IndexMailbox *ret, GError **error) {
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  read_mailbox(stmt, ret);
  return TRUE;
}

gboolean index_get_mailbox(Index *index, gint64 row, IndexMailbox *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE row = ?1 AND gone = 0");
  sqlite3_bind_int64(stmt, 1, row);
  return one_mailbox(reader, stmt, ret, error);
}

gboolean index_need_mailbox(Index *index, gint64 row, IndexMailbox *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (index_get_mailbox(index, row, ret, &failed))
    return TRUE;
  if (!failed)
    return cache_fail(error, CACHE_ERROR_GONE, "the folder is no more");
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean index_find_mailbox(Index *index, gint64 parent, const char *name, IndexMailbox *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE parent = ?1 AND name = ?2 AND gone = 0" VISIBLE);
  sqlite3_bind_int64(stmt, 1, parent);
  index_bind_text(stmt, 2, name);
  return one_mailbox(reader, stmt, ret, error);
}

gboolean index_has_mailbox(Index *index, gint64 parent, const char *name, gboolean *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  gint64 n = 0;
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT count(*) FROM mailbox WHERE parent = ?1 AND name = ?2 AND gone = 0");
  sqlite3_bind_int64(stmt, 1, parent);
  index_bind_text(stmt, 2, name);
  if (!index_number(reader, stmt, &n, error))
    return FALSE;
  *ret = n > 0;
  return TRUE;
}

static void free_mailbox(gpointer mailbox) {
  index_mailbox_clear(mailbox);
  g_free(mailbox);
}

GPtrArray *index_mailboxes(Index *index, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return NULL;
  g_autoptr(GPtrArray) mailboxes = g_ptr_array_new_with_free_func(free_mailbox);
  g_autoptr(IndexStmt) stmt = index_use(
      reader, "WITH RECURSIVE tree(id, depth) AS (SELECT m.row, 0 FROM mailbox AS m WHERE m.gone = 0 AND NOT EXISTS"
              " (SELECT 1 FROM mailbox AS p WHERE p.row = m.parent AND p.gone = 0)"
              " UNION ALL SELECT m.row, depth + 1 FROM tree JOIN mailbox AS m ON m.parent = tree.id WHERE m.gone = 0)"
              " SELECT " MAILBOX_COLUMNS " FROM tree JOIN mailbox ON row = id ORDER BY depth, row");
  IndexStep step;
  while ((step = index_step(reader, stmt, error)) == INDEX_STEP_ROW) {
    IndexMailbox *mailbox = g_new(IndexMailbox, 1);
    read_mailbox(stmt, mailbox);
    g_ptr_array_add(mailboxes, mailbox);
  }
  return step == INDEX_STEP_DONE ? g_steal_pointer(&mailboxes) : NULL;
}

gssize index_children(Index *index, gint64 parent, gint64 row, IndexMailbox *ret, gsize n, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return -1;
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE parent = ?1"
                                                " AND row > ?2 AND gone = 0" VISIBLE " ORDER BY row LIMIT ?3");
  sqlite3_bind_int64(stmt, 1, parent);
  sqlite3_bind_int64(stmt, 2, row);
  sqlite3_bind_int64(stmt, 3, (gint64)n);
  gsize found = 0;
  IndexStep step;
  while ((step = index_step(reader, stmt, error)) == INDEX_STEP_ROW && found < n)
    read_mailbox(stmt, &ret[found++]);
  if (step != INDEX_STEP_ERROR)
    return (gssize)found;
  while (found)
    index_mailbox_clear(&ret[--found]);
  return -1;
}

gboolean index_count_children(Index *index, gint64 parent, guint *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT count(*) FROM mailbox WHERE parent = ?1 AND gone = 0" VISIBLE);
  sqlite3_bind_int64(stmt, 1, parent);
  gint64 count = 0;
  if (!index_number(reader, stmt, &count, error))
    return FALSE;
  *ret = (guint)count;
  return TRUE;
}
