/* SPDX-License-Identifier: MIT */
/*
 * What a job may do to messages, inside the writer's transaction. Rows that leave become tombstones in place, and give
 * up their name and UID by falling out of the partial indices of the living. A tombstone can come back, because servers
 * behind a load balancer do not all see the same messages at once; but only as itself (same UID under the same
 * UIDVALIDITY, same header fields, same claim): when a mailbox changes its UIDVALIDITY its tombstones lose their UIDs.
 *
 * Single rows are changed "OR FAIL", which is as whole as ABORT when there is one row, and spares SQLite a statement
 * journal inside the job's savepoint; with one a listing runs at less than half the speed.
 */
#include "cache/index/index_private.h"

#include <string.h>

#include "cache/cache.h"
#include "cache/tree/names.h"

#define SUFFIX_TRIES 999 /* names given by users can take a computed one, and its second, ... */

void index_bind_fingerprint(IndexStmt *stmt, int i, const guint8 fingerprint[16]) {
  static const guint8 none[16];
  if (memcmp(fingerprint, none, sizeof none) != 0)
    sqlite3_bind_blob(stmt, i, fingerprint, sizeof none, SQLITE_STATIC);
}

static gboolean living_row(IndexTxn *txn, const IndexMessage *message, gint64 *ret, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT row FROM message WHERE mailbox = ?1 AND uid = ?2 AND gone = 0");
  sqlite3_bind_int64(stmt, 1, message->mailbox);
  sqlite3_bind_int64(stmt, 2, message->uid);
  return index_number(txn->db, stmt, ret, error);
}

/* The latest tombstone that this message was. */
static gboolean find_tombstone(IndexTxn *txn, const IndexMessage *message, IndexMessage *ret, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT " INDEX_MESSAGE_COLUMNS " FROM message WHERE mailbox = ?1 AND uid = ?2 AND gone > 0"
                         " AND fingerprint IS ?3 AND claim IS ?4 ORDER BY row DESC LIMIT 1");
  sqlite3_bind_int64(stmt, 1, message->mailbox);
  sqlite3_bind_int64(stmt, 2, message->uid);
  index_bind_fingerprint(stmt, 3, message->fingerprint);
  index_bind_size(stmt, 4, message->claim);
  if (index_step(txn->db, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  index_read_message(stmt, ret);
  return TRUE;
}

gboolean index_insert_message(IndexTxn *txn, IndexMessage *message, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(
      txn->db,
      "INSERT OR FAIL INTO message(mailbox, uid, name, flags, keywords, internaldate, mtime, ctime, claim, size,"
      " sha256, fingerprint, emailid, folder) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)");
  sqlite3_bind_int64(stmt, 1, message->mailbox);
  if (message->uid)
    sqlite3_bind_int64(stmt, 2, message->uid);
  index_bind_text(stmt, 3, message->name);
  sqlite3_bind_int64(stmt, 4, message->flags);
  index_bind_text(stmt, 5, message->keywords);
  sqlite3_bind_int64(stmt, 6, message->internaldate);
  sqlite3_bind_int64(stmt, 7, message->mtime);
  sqlite3_bind_int64(stmt, 8, message->ctime);
  index_bind_size(stmt, 9, message->claim);
  index_bind_size(stmt, 10, message->size);
  if (message->size != IMAP_UNKNOWN_SIZE)
    sqlite3_bind_blob(stmt, 11, message->sha256, sizeof message->sha256, SQLITE_STATIC);
  index_bind_fingerprint(stmt, 12, message->fingerprint);
  index_bind_text(stmt, 13, message->emailid);
  if (message->folder)
    sqlite3_bind_int64(stmt, 14, message->folder);
  if (!index_run(txn->db, stmt, error))
    return FALSE;
  message->row = sqlite3_last_insert_rowid(txn->db->sql);
  return TRUE;
}

static gboolean revive(IndexTxn *txn, IndexMessage *message, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE OR FAIL message SET gone = 0, folder = mailbox, name = ?2, flags = ?3, keywords = ?4"
                         " WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, message->row);
  index_bind_text(stmt, 2, message->name);
  sqlite3_bind_int64(stmt, 3, message->flags);
  index_bind_text(stmt, 4, message->keywords);
  return index_run(txn->db, stmt, error);
}

gboolean index_name_taken(IndexTxn *txn, gint64 folder, const char *name, gint64 row, GError **error) {
  gint64 one;
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT 1 FROM message WHERE folder = ?1 AND name = ?2 AND gone = 0 AND row <> ?3 UNION ALL"
                         " SELECT 1 FROM mailbox WHERE parent = ?1 AND name = ?2 AND gone = 0 LIMIT 1");
  sqlite3_bind_int64(stmt, 1, folder);
  index_bind_text(stmt, 2, name);
  sqlite3_bind_int64(stmt, 3, row);
  return index_number(txn->db, stmt, &one, error);
}

gboolean index_free_name(IndexTxn *txn, gint64 folder, gint64 row, char name[256], GError **error) {
  char wanted[NAMES_MAX + 1];
  g_autoptr(GError) failed = NULL;
  g_strlcpy(wanted, name, sizeof wanted);
  for (guint n = 2; n <= SUFFIX_TRIES && index_name_taken(txn, folder, name, row, &failed); n++)
    names_suffix(wanted, n, name);
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* What the server shows stands where the server has it. */
static gboolean free_name(IndexTxn *txn, IndexMessage *message, GError **error) {
  message->folder = message->mailbox;
  return index_free_name(txn, message->folder, message->row, message->name, error);
}

static gboolean come_back(IndexTxn *txn, IndexMessage *message, IndexMessage *tombstone, GError **error) {
  tombstone->gone = FALSE;
  tombstone->flags = message->flags;
  g_free(tombstone->keywords);
  tombstone->keywords = g_steal_pointer(&message->keywords);
  g_free(message->emailid);
  *message = *tombstone;
  tombstone->keywords = tombstone->emailid = NULL;
  return free_name(txn, message, error) && revive(txn, message, error);
}

/* As a row that is there already in one way or another, or as a new one. */
static gboolean place_message(IndexTxn *txn, IndexMessage *message, gboolean *ret_added, GError **error) {
  g_autoptr(GError) failed = NULL;
  g_auto(IndexMessage) tombstone = {0};
  if (message->uid && living_row(txn, message, &message->row, &failed))
    return index_set_flags(txn, message->mailbox, message->uid, message->flags, message->keywords, NULL, error);
  if (!failed && message->uid && index_rematch(txn, message, &failed))
    return TRUE;
  *ret_added = TRUE;
  if (!failed && message->uid && find_tombstone(txn, message, &tombstone, &failed))
    return come_back(txn, message, &tombstone, error);
  if (!failed)
    return free_name(txn, message, error) && index_insert_message(txn, message, error);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean index_add_message(IndexTxn *txn, IndexMessage *message, gboolean *ret_added, GError **error) {
  gboolean added = FALSE;
  gboolean ok = place_message(txn, message, &added, error);
  if (ret_added)
    *ret_added = ok && added;
  return ok;
}

/* A message that we had flagged \Deleted is hidden by its row in the journal for as long as it is flagged. Somebody
 * took the flag from it: its row ends, and the next delta finds a message that has none, which is it again. */
static gboolean forget_hidden(IndexTxn *txn, gint64 mailbox, guint32 uid, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(
      txn->db, "UPDATE message SET gone = ?3 WHERE mailbox = ?1 AND uid = ?2 AND gone = 0 AND folder IS NULL"
               " AND EXISTS (SELECT 1 FROM journal AS j WHERE j.message = message.row AND j.op = 3 AND j.state = 4)");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, uid);
  sqlite3_bind_int64(stmt, 3, txn->run);
  return index_run(txn->db, stmt, error);
}

gboolean index_set_flags(IndexTxn *txn, gint64 mailbox, guint32 uid, guint flags, const char *keywords,
                         gboolean *ret_changed, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE message SET flags = ?3, keywords = ?4 WHERE mailbox = ?1 AND uid = ?2 AND gone = 0"
                         " AND (flags IS NOT ?3 OR keywords IS NOT ?4)");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, uid);
  sqlite3_bind_int64(stmt, 3, flags);
  index_bind_text(stmt, 4, keywords);
  if (!index_run(txn->db, stmt, error))
    return FALSE;
  gboolean changed = sqlite3_changes(txn->db->sql) > 0;
  if (ret_changed)
    *ret_changed = changed;
  return !changed || (flags & IMAP_FLAG_DELETED) || forget_hidden(txn, mailbox, uid, error);
}

gboolean index_describe(IndexTxn *txn, const IndexDescribed *described, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE message SET claim = ?2, emailid = coalesce(?3, emailid), size = iif(?4, NULL, size),"
                         " sha256 = iif(?4, NULL, sha256), fingerprint = iif(?4, ?5, fingerprint) WHERE row = ?1"
                         " AND gone = 0");
  sqlite3_bind_int64(stmt, 1, described->row);
  index_bind_size(stmt, 2, described->claim);
  index_bind_text(stmt, 3, described->emailid);
  sqlite3_bind_int64(stmt, 4, described->altered);
  if (described->altered)
    index_bind_fingerprint(stmt, 5, described->fingerprint);
  return index_run(txn->db, stmt, error);
}

/* ---- removing -------------------------------------------------------------------------------------- */
int index_read_leaving(IndexTxn *txn, IndexStmt *stmt, IndexLeft *ret, GError **error) {
  int n = 0;
  IndexStep step;
  while ((step = index_step(txn->db, stmt, error)) == INDEX_STEP_ROW && n < INDEX_LEAVE_ROWS) {
    ret[n].row = sqlite3_column_int64(stmt, 0);
    ret[n].folder = sqlite3_column_int64(stmt, 1);
    g_strlcpy(ret[n++].name, (const char *)sqlite3_column_text(stmt, 2), sizeof ret->name);
  }
  return step == INDEX_STEP_ERROR ? -1 : n;
}

/* The first few living messages of the range; -1 on error. What was just sent stays until the replay has seen for
 * itself that it is not there, and has put our octets aside. */
static int find_leaving(IndexTxn *txn, gint64 mailbox, const ImapRange *range, IndexLeft *ret, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(
      txn->db,
      "SELECT row, folder, name FROM message AS m WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 AND gone = 0"
      " AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.message = m.row AND j.op = 1) ORDER BY uid LIMIT ?4");
  sqlite3_bind_int64(stmt, 1, mailbox);
  sqlite3_bind_int64(stmt, 2, range->first);
  sqlite3_bind_int64(stmt, 3, range->last);
  sqlite3_bind_int64(stmt, 4, INDEX_LEAVE_ROWS);
  return index_read_leaving(txn, stmt, ret, error);
}

/* What was to be changed is no more. A removal that waits has come true. */
static gboolean tell_dropped(IndexTxn *txn, gint64 row, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT count(*) FROM journal WHERE message = ?1 AND op NOT IN (3, 5) HAVING count(*) > 0");
  g_autoptr(GError) failed = NULL;
  gint64 n = 0;
  sqlite3_bind_int64(stmt, 1, row);
  if (index_number(txn->db, stmt, &n, &failed))
    g_message("message %" G_GINT64_FORMAT " is gone from the server: a change to it is dropped", row);
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean bury_one(IndexTxn *txn, gint64 row, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE message SET gone = ?2 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_int64(stmt, 2, txn->run);
  return index_run(txn->db, stmt, error);
}

gboolean index_bury(IndexTxn *txn, const IndexLeft *leaving, int n, IndexRemoved removed, gpointer data,
                    GError **error) {
  for (int i = 0; i < n; i++) {
    if (!tell_dropped(txn, leaving[i].row, error) || !bury_one(txn, leaving[i].row, error))
      return FALSE;
    if (removed)
      removed(&leaving[i], data);
  }
  return TRUE;
}

gboolean index_remove_uids(IndexTxn *txn, gint64 mailbox, const ImapSeqset *uids, IndexRemoved removed, gpointer data,
                           GError **error) {
  g_autofree IndexLeft *leaving = g_new(IndexLeft, INDEX_LEAVE_ROWS);
  gsize n_ranges;
  const ImapRange *ranges = imap_seqset_ranges(uids, &n_ranges);
  for (gsize i = 0; i < n_ranges; i++)
    for (int n = INDEX_LEAVE_ROWS; n == INDEX_LEAVE_ROWS;) {
      n = find_leaving(txn, mailbox, &ranges[i], leaving, error);
      if (n < 0 || !index_bury(txn, leaving, n, removed, data, error))
        return FALSE;
    }
  return TRUE;
}

gboolean index_set_size(IndexTxn *txn, gint64 row, guint64 size, const guint8 sha256[32], gint64 ctime,
                        GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(
      txn->db, "UPDATE OR FAIL message SET size = ?2, sha256 = ?3, ctime = iif(?4 = 0, ctime, ?4) WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  index_bind_size(stmt, 2, size);
  sqlite3_bind_blob(stmt, 3, sha256, 32, SQLITE_STATIC);
  sqlite3_bind_int64(stmt, 4, ctime);
  if (!index_run(txn->db, stmt, error))
    return FALSE;
  if (sqlite3_changes(txn->db->sql) > 0)
    return TRUE;
  g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_GONE, "the index: no such message");
  return FALSE;
}

static gboolean set_date(IndexTxn *txn, IndexStmt *taken, gint64 row, gint64 date, GError **error) {
  g_autoptr(IndexStmt) stmt = taken;
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_int64(stmt, 2, date);
  return index_run(txn->db, stmt, error);
}

gboolean index_set_mtime(IndexTxn *txn, gint64 row, gint64 mtime, GError **error) {
  return set_date(txn, index_use(txn->db, "UPDATE message SET mtime = ?2 WHERE row = ?1"), row, mtime, error);
}

gboolean index_set_ctime(IndexTxn *txn, gint64 row, gint64 ctime, GError **error) {
  return set_date(txn, index_use(txn->db, "UPDATE message SET ctime = ?2 WHERE row = ?1"), row, ctime, error);
}

gboolean index_set_internaldate(IndexTxn *txn, gint64 row, gint64 internaldate, GError **error) {
  return set_date(txn, index_use(txn->db, "UPDATE message SET internaldate = ?2 WHERE row = ?1"), row, internaldate,
                  error);
}
