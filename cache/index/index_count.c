/* SPDX-License-Identifier: MIT */
/*
 * How many messages a folder shows, and how many of them are not seen: with the flags that the journal will set. The
 * rows of the folder are walked for that; who asks is one that looks at a folder, not one that lists many.
 */
#include "cache/index/index_private.h"

#define SETS_SEEN "op = 4 AND (flags_add | flags_remove) & 1"

static gboolean count_rows(IndexReader *reader, gint64 folder, guint64 *messages, guint64 *unseen, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT count(*), coalesce(sum((flags & 1) = 0), 0) FROM message"
                                                " WHERE folder = ?1 AND gone = 0");
  sqlite3_bind_int64(stmt, 1, folder);
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  *messages = (guint64)sqlite3_column_int64(stmt, 0);
  *unseen = (guint64)sqlite3_column_int64(stmt, 1);
  return TRUE;
}

/* What the last change of \Seen that waits makes of each. */
static gboolean count_changes(IndexReader *reader, gint64 folder, gint64 *ret, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT coalesce(sum((m.flags & 1) - (SELECT flags_add & 1 FROM journal WHERE message = m.row"
                        " AND " SETS_SEEN " ORDER BY seq DESC LIMIT 1)), 0) FROM message AS m WHERE m.folder = ?1"
                        " AND m.gone = 0 AND m.row IN (SELECT message FROM journal WHERE " SETS_SEEN ")");
  sqlite3_bind_int64(stmt, 1, folder);
  return index_number(reader, stmt, ret, error);
}

gboolean index_count_messages(Index *index, gint64 folder, guint64 *messages, guint64 *unseen, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  gint64 changes = 0;
  if (!reader || !count_rows(reader, folder, messages, unseen, error) ||
      !count_changes(reader, folder, &changes, error))
    return FALSE;
  *unseen = (guint64)((gint64)*unseen + changes);
  return TRUE;
}
