/* SPDX-License-Identifier: MIT */
/*
 * The questions about messages; those about mailboxes are in index_mailbox.c. Each takes a reader from the stack, runs
 * one statement and resets it, so that no read transaction outlives a question (a reader that stays pins the WAL). What
 * a user sees is read from shown_message; what the sync verifies (UIDs) from the messages themselves. Every order asked
 * for is the order of an index: nothing is sorted and nothing scanned, however large the folder is.
 */
#include "cache/index/index_private.h"

#include <string.h>

#define SHOWN "SELECT " INDEX_MESSAGE_COLUMNS " FROM shown_message "
#define ANY "SELECT " INDEX_MESSAGE_COLUMNS " FROM message "

/* SQLite hands out an empty text as NULL, too. */
char *index_text(IndexStmt *stmt, int i) {
  const void *octets = sqlite3_column_blob(stmt, i);
  if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
    return NULL;
  return g_strndup(octets ? octets : "", (gsize)sqlite3_column_bytes(stmt, i));
}

guint64 index_size(IndexStmt *stmt, int i) {
  return sqlite3_column_type(stmt, i) == SQLITE_NULL ? IMAP_UNKNOWN_SIZE : (guint64)sqlite3_column_int64(stmt, i);
}

void index_octets(IndexStmt *stmt, int i, guint8 *ret, gsize len) {
  const void *octets = sqlite3_column_blob(stmt, i);
  if (octets && (gsize)sqlite3_column_bytes(stmt, i) == len)
    memcpy(ret, octets, len);
}

void index_read_message(IndexStmt *stmt, IndexMessage *ret) {
  *ret = (IndexMessage){
      .row = sqlite3_column_int64(stmt, 0),
      .mailbox = sqlite3_column_int64(stmt, 1),
      .uid = (guint32)sqlite3_column_int64(stmt, 2),
      .flags = (guint)sqlite3_column_int64(stmt, 4),
      .keywords = index_text(stmt, 5),
      .internaldate = sqlite3_column_int64(stmt, 6),
      .mtime = sqlite3_column_int64(stmt, 7),
      .ctime = sqlite3_column_int64(stmt, 8),
      .claim = index_size(stmt, 9),
      .size = index_size(stmt, 10),
      .gone = sqlite3_column_int64(stmt, 13) != 0,
      .emailid = index_text(stmt, 14),
      .folder = sqlite3_column_int64(stmt, 15),
  };
  const char *name = (const char *)sqlite3_column_text(stmt, 3);
  g_strlcpy(ret->name, name ? name : "", sizeof ret->name);
  index_octets(stmt, 11, ret->sha256, sizeof ret->sha256);
  index_octets(stmt, 12, ret->fingerprint, sizeof ret->fingerprint);
}

static gboolean one_message(IndexReader *reader, IndexStmt *stmt, IndexMessage *ret, GError **error) {
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  index_read_message(stmt, ret);
  return TRUE;
}

/* ---- messages ------------------------------------------------------------------------------------ */
gboolean index_get_message(Index *index, gint64 row, IndexMessage *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(reader, ANY "WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  return one_message(reader, stmt, ret, error);
}

gboolean index_find_message(Index *index, gint64 folder, const char *name, IndexMessage *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(reader, SHOWN "WHERE folder = ?1 AND name = ?2");
  sqlite3_bind_int64(stmt, 1, folder);
  index_bind_text(stmt, 2, name);
  return one_message(reader, stmt, ret, error);
}

gboolean index_find_uid(Index *index, gint64 mailbox, guint32 uid, IndexMessage *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(reader, ANY "WHERE mailbox = ?1 AND uid = ?2 AND gone = 0");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, uid);
  return one_message(reader, stmt, ret, error);
}

static gssize many_messages(IndexReader *reader, IndexStmt *stmt, IndexMessage *ret, gsize n, GError **error) {
  gsize found = 0;
  IndexStep step;
  while ((step = index_step(reader, stmt, error)) == INDEX_STEP_ROW && found < n)
    index_read_message(stmt, &ret[found++]);
  if (step != INDEX_STEP_ERROR)
    return (gssize)found;
  while (found)
    index_message_clear(&ret[--found]);
  return -1;
}

gssize index_messages(Index *index, gint64 folder, gint64 row, IndexMessage *ret, gsize n, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return -1;
  g_autoptr(IndexStmt) stmt = index_use(reader, SHOWN "WHERE folder = ?1 AND row > ?2 ORDER BY row LIMIT ?3");
  sqlite3_bind_int64(stmt, 1, folder);
  sqlite3_bind_int64(stmt, 2, row);
  sqlite3_bind_int64(stmt, 3, (gint64)n);
  return many_messages(reader, stmt, ret, n, error);
}

gssize index_placed(Index *index, gint64 mailbox, guint32 uid, IndexMessage *ret, gsize n, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return -1;
  g_autoptr(IndexStmt) stmt =
      index_use(reader, ANY "WHERE mailbox = ?1 AND uid > ?2 AND gone = 0 ORDER BY uid LIMIT ?3");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, uid);
  sqlite3_bind_int64(stmt, 3, (gint64)n);
  return many_messages(reader, stmt, ret, n, error);
}

ImapSeqset *index_uids(Index *index, gint64 mailbox, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return NULL;
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT uid FROM message WHERE mailbox = ?1 AND uid > 0 AND gone = 0 ORDER BY uid");
  sqlite3_bind_int64(stmt, 1, mailbox);
  IndexStep step;
  while ((step = index_step(reader, stmt, error)) == INDEX_STEP_ROW) {
    guint32 uid = (guint32)sqlite3_column_int64(stmt, 0);
    imap_seqset_add(uids, uid, uid);
  }
  return step == INDEX_STEP_DONE ? g_steal_pointer(&uids) : NULL;
}

/* The inner query bounds what one question costs: in a folder whose bodies are all here none would ever match. */
static const char *const following[] = {
    [INDEX_BY_ROW] = "SELECT n.row, n.uid, n.bytes, n.mailbox FROM (SELECT row, uid, coalesce(size, claim, 0) AS bytes,"
                     " mailbox"
                     " FROM shown_message WHERE folder = ?1 AND row > ?2 ORDER BY row LIMIT ?4) AS n"
                     " WHERE NOT ?3 OR NOT EXISTS (SELECT 1 FROM body AS b WHERE b.row = n.row) LIMIT ?5",
    [INDEX_BY_NAME] =
        "SELECT n.row, n.uid, n.bytes, n.mailbox FROM (SELECT row, uid, coalesce(size, claim, 0) AS bytes,"
        " mailbox"
        " FROM shown_message WHERE folder = ?1 AND name > (SELECT name FROM message WHERE row = ?2)"
        " ORDER BY name LIMIT ?4) AS n"
        " WHERE NOT ?3 OR NOT EXISTS (SELECT 1 FROM body AS b WHERE b.row = n.row) LIMIT ?5",
};

gssize index_read_next(IndexReader *reader, IndexStmt *stmt, IndexNext *ret, gsize n, GError **error) {
  gsize found = 0;
  IndexStep step;
  while ((step = index_step(reader, stmt, error)) == INDEX_STEP_ROW && found < n)
    ret[found++] = (IndexNext){
        .row = sqlite3_column_int64(stmt, 0),
        .uid = (guint32)sqlite3_column_int64(stmt, 1),
        .size = (guint64)sqlite3_column_int64(stmt, 2),
        .mailbox = sqlite3_column_int64(stmt, 3),
    };
  return step == INDEX_STEP_ERROR ? -1 : (gssize)found;
}

gssize index_following(Index *index, gint64 folder, gint64 row, IndexOrder order, gboolean bodiless, IndexNext *ret,
                       gsize n, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return -1;
  g_autoptr(IndexStmt) stmt = index_use(reader, following[order]);
  sqlite3_bind_int64(stmt, 1, folder);
  sqlite3_bind_int64(stmt, 2, row);
  sqlite3_bind_int64(stmt, 3, bodiless);
  sqlite3_bind_int64(stmt, 4, bodiless ? MAX((gint64)n, INDEX_LOOKAHEAD) : (gint64)n);
  sqlite3_bind_int64(stmt, 5, (gint64)n);
  return index_read_next(reader, stmt, ret, n, error);
}

/* ---- the rest ------------------------------------------------------------------------------------ */
gboolean index_totals(Index *index, guint64 *messages, guint64 *folders, guint64 *bytes, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(reader, "SELECT messages, bytes, (SELECT count(*) FROM mailbox WHERE gone = 0) FROM totals");
  if (index_step(reader, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  *messages = (guint64)sqlite3_column_int64(stmt, 0);
  *bytes = (guint64)sqlite3_column_int64(stmt, 1);
  *folders = (guint64)sqlite3_column_int64(stmt, 2);
  return TRUE;
}

gboolean index_last_row(Index *index, gint64 *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return FALSE;
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT max(seq) FROM sqlite_sequence");
  return index_number(reader, stmt, ret, error);
}

char *index_get_meta(Index *index, const char *key, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  if (!reader)
    return NULL;
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT value FROM meta WHERE key = ?1");
  index_bind_text(stmt, 1, key);
  return index_step(reader, stmt, error) == INDEX_STEP_ROW ? index_text(stmt, 0) : NULL;
}
