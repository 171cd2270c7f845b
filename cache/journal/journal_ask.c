/* SPDX-License-Identifier: MIT */
/*
 * The questions. Each is one statement by an index, but journal_left() and those of bytes, which add up.
 */
#include "cache/journal/journal_private.h"

#define WAITING "(1, 2, 3)" /* READY, SENT, UNKNOWN */

gboolean journal_is_unsent(JournalState state) {
  return state == JOURNAL_LOCAL || state == JOURNAL_READY || state == JOURNAL_REFUSED;
}

void journal_new_clear(JournalNew *entry) {
  g_clear_pointer(&entry->reason, g_free);
}

gboolean journal_get_new(Index *index, gint64 row, JournalNew *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT seq, target, copy, due, state, spooled, reason FROM journal"
                                                " WHERE message = ?1 AND op = 1");
  sqlite3_bind_int64(stmt, 1, row);
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  *ret = (JournalNew){
      .seq = sqlite3_column_int64(stmt, 0),
      .row = row,
      .target = sqlite3_column_int64(stmt, 1),
      .copy = sqlite3_column_int64(stmt, 2),
      .due = sqlite3_column_int64(stmt, 3),
      .state = (JournalState)sqlite3_column_int(stmt, 4),
      .spooled = sqlite3_column_int(stmt, 5) != 0,
      .reason = g_strdup((const char *)sqlite3_column_text(stmt, 6)),
  };
  return TRUE;
}

GBytes *journal_bytes(Index *index, gint64 row, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return NULL;
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT bytes FROM octets WHERE message = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return NULL;
  const void *octets = sqlite3_column_blob(stmt, 0);
  return g_bytes_new(octets, (gsize)sqlite3_column_bytes(stmt, 0));
}

static gboolean any(Index *index, const char *sql, gint64 number, gboolean *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  gint64 one = 0;
  if (!reader)
    return FALSE;
  *ret = journal_number(reader, sql, &number, 1, &one, &failed);
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean journal_waits(Index *index, gint64 row, gboolean *ret, GError **error) {
  return any(index, "SELECT 1 FROM journal WHERE message = ?1 AND state IN " WAITING " LIMIT 1", row, ret, error);
}

gboolean journal_awaited(Index *index, gint64 row, gboolean *ret, GError **error) {
  return any(index,
             "SELECT 1 FROM journal WHERE message = ?1 AND state IN " WAITING
             " AND NOT EXISTS (SELECT 1 FROM journal WHERE message = ?1 AND op = 3) LIMIT 1",
             row, ret, error);
}

gboolean journal_concerns(Index *index, gint64 mailbox, gboolean *ret, GError **error) {
  return any(index,
             "SELECT 1 FROM journal WHERE op IN (1, 2, 3, 4) AND mailbox = ?1 AND NOT (op = 3 AND state = 4)"
             " UNION ALL SELECT 1 FROM journal WHERE target = ?1 AND NOT (op = 3 AND state = 4) LIMIT 1",
             mailbox, ret, error);
}

#define OPEN "9223372036854775807"

/* What waits for the user and not for the server: a file that is open; a REMOVE behind a NEW that is, or that stays
 * local, as that of a message that was made empty; one of a message whose octets such a NEW has and nobody else. */
#define HELD_UP                                                                                                        \
  "(j.op = 1 AND j.due = " OPEN ")"                                                                                    \
  " OR EXISTS (SELECT 1 FROM journal AS e WHERE e.seq = j.after AND (e.state = 0 OR e.due = " OPEN "))"                \
  " OR (j.op = 3 AND (EXISTS (SELECT 1 FROM journal AS e WHERE e.copy > 0 AND e.copy = j.message"                      \
  " AND (e.state IN (0, 5) OR e.due = " OPEN ")) OR EXISTS (SELECT 1 FROM journal AS e WHERE e.target = j.target"      \
  " AND e.op = 1 AND e.state = 1 AND e.due = " OPEN " AND e.seq <= j.uploads AND e.tries = 0 AND instr("               \
  "(SELECT name FROM message WHERE row = j.message), (SELECT name FROM message WHERE row = e.message)) > 0)))"

gboolean journal_left(Index *index, guint64 *ret_changes, guint64 *ret_bytes, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT count(*), ifnull(sum(iif(j.op = 1, m.size, 0)), 0) FROM journal AS j LEFT JOIN message"
                        " AS m ON j.op = 1 AND m.row = j.message WHERE j.state IN " WAITING " AND NOT (" HELD_UP ")");
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  *ret_changes = (guint64)sqlite3_column_int64(stmt, 0);
  *ret_bytes = (guint64)sqlite3_column_int64(stmt, 1);
  return TRUE;
}

gboolean journal_refused(Index *index, guint64 *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT count(*) FROM journal WHERE op = ?1 AND state = ?2");
  sqlite3_bind_int64(stmt, 1, JOURNAL_NEW);
  sqlite3_bind_int64(stmt, 2, JOURNAL_REFUSED);
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  *ret = (guint64)sqlite3_column_int64(stmt, 0);
  return TRUE;
}

static GArray *numbers(Index *index, const char *sql, gint64 number, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return NULL;
  g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(gint64));
  g_autoptr(IndexStmt) stmt = index_use(reader, sql);
  sqlite3_bind_int64(stmt, 1, number);
  IndexStep step;
  while ((step = index_step(reader, stmt, error)) == INDEX_STEP_ROW) {
    gint64 row = sqlite3_column_int64(stmt, 0);
    g_array_append_val(found, row);
  }
  return step == INDEX_STEP_DONE ? g_steal_pointer(&found) : NULL;
}

GArray *journal_spooled(Index *index, GError **error) {
  return numbers(index, "SELECT message FROM journal WHERE op = ?1 AND spooled = 1", JOURNAL_NEW, error);
}

GArray *journal_mailboxes(Index *index, JournalState state, GError **error) {
  return numbers(index,
                 "SELECT mailbox FROM journal WHERE state = ?1 AND NOT (op = 3 AND state = 4) UNION"
                 " SELECT target FROM journal WHERE state = ?1 AND op IN (1, 2)",
                 state, error);
}

GArray *journal_held(Index *index, GError **error) {
  return numbers(index, "SELECT message FROM journal WHERE op = 1 AND due = ?1 ORDER BY seq", JOURNAL_HELD, error);
}

/* What has the name that it was given by its UID is no file of ours. */
ImapSeqset *journal_echoes(Index *index, gint64 mailbox, gint64 row, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return NULL;
  g_autoptr(ImapSeqset) found = imap_seqset_new();
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT uid FROM message AS m WHERE mailbox = ?1 AND uid > 0 AND gone = 0 AND row > ?2"
                        " AND name LIKE '%' || uid || '.eml'"
                        " AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.message = m.row)");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, row);
  IndexStep step;
  while ((step = index_step(reader, stmt, error)) == INDEX_STEP_ROW) {
    guint32 uid = (guint32)sqlite3_column_int64(stmt, 0);
    imap_seqset_add(found, uid, uid);
  }
  return step == INDEX_STEP_DONE ? g_steal_pointer(&found) : NULL;
}

#define SUM "SELECT sum(m.size) FROM journal AS j JOIN message AS m ON m.row = j.message WHERE j.op = ?1 AND j.state "

static gboolean add_up(Index *index, const char *sql, guint64 *ret, GError **error) {
  gint64 bytes = 0;
  g_autoptr(GError) failed = NULL;
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  if (!JOURNAL_NUMBER(reader, &bytes, &failed, sql, JOURNAL_NEW) && failed) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  *ret = (guint64)bytes;
  return TRUE;
}

gboolean journal_local_bytes(Index *index, guint64 *ret, GError **error) {
  return add_up(index, SUM "= 0", ret, error);
}

gboolean journal_waiting_bytes(Index *index, guint64 *ret, GError **error) {
  return add_up(index, SUM "IN " WAITING, ret, error);
}
