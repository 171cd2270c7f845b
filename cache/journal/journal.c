/* SPDX-License-Identifier: MIT */
/*
 * What users do. Each function edits the one row of the journal that says it, and places the messages anew:
 *
 *   a NEW that was not sent        is edited itself: target, flags, octets; removed, it ends
 *   a MOVE that was not sent       gets another target, or ends, if that is where the message will be anyhow
 *   everything else                is a row of its own behind those that are there
 *
 * A removal never edits what is before it: moved into the trash and removed there is not the same as removed here.
 */
#include "cache/journal/journal_private.h"

#include "cache/cache.h"

/* ---- opening ------------------------------------------------------------------------------------------------ */

static gboolean recover(IndexTxn *txn, G_GNUC_UNUSED gpointer data, GError **error) {
  return index_db_exec(txn->db,
                       "UPDATE journal SET state = 3, due = 0 WHERE state = 2;"
                       "UPDATE journal SET due = 0, edition = edition + 1 WHERE due = 9223372036854775807;",
                       error);
}

gboolean journal_open(Index *index, GError **error) {
  return index_write(index, INDEX_JOURNAL, recover, NULL, error);
}

/* ---- new ones ----------------------------------------------------------------------------------------------- */

static void set_empty(IndexMessage *message) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  gsize len = sizeof message->sha256;
  g_checksum_get_digest(sum, message->sha256, &len);
  message->size = message->claim = 0;
}

gboolean journal_create(IndexTxn *txn, IndexMessage *message, GError **error) {
  if (!journal_name_free(txn, message->mailbox, message->name, 0, error))
    return FALSE;
  message->uid = 0;
  message->folder = message->mailbox;
  set_empty(message);
  if (!index_insert_message(txn, message, error))
    return FALSE;
  JournalRow row = {.op = JOURNAL_NEW,
                    .state = JOURNAL_LOCAL,
                    .message = message->row,
                    .mailbox = message->mailbox,
                    .target = message->mailbox,
                    .due = JOURNAL_HELD};
  return journal_insert(txn, &row, error) &&
         index_touch_mailbox(txn, message->mailbox, g_get_real_time() * 1000, error);
}

/* GONE, or BUSY: the server has been told of it. */
static gboolean find_unsent(IndexTxn *txn, gint64 message, JournalRow *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (journal_find_new(txn, message, ret, &failed) && journal_is_unsent(ret->state))
    return TRUE;
  if (!failed)
    g_set_error(&failed, CACHE_ERROR, ret->seq ? CACHE_ERROR_BUSY : CACHE_ERROR_GONE,
                "this message is no longer one that was not sent");
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean put_octets(IndexTxn *txn, const JournalContent *content, GError **error) {
  if (!content->bytes && content->size > 0)
    return JOURNAL_RUN(txn, error, "DELETE FROM octets WHERE message = ?1", content->row);
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "INSERT OR REPLACE INTO octets(message, bytes) VALUES(?1, ?2)");
  sqlite3_bind_int64(stmt, 1, content->row);
  sqlite3_bind_blob64(stmt, 2, content->bytes ? content->bytes : "", content->size, SQLITE_STATIC);
  return index_run(txn->db, stmt, error);
}

static gboolean put_digest(IndexTxn *txn, const JournalContent *content, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE OR FAIL message SET size = ?2, claim = ?2, sha256 = ?3,"
                                                 " fingerprint = ?4 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, content->row);
  index_bind_size(stmt, 2, content->size);
  sqlite3_bind_blob(stmt, 3, content->sha256, sizeof content->sha256, SQLITE_STATIC);
  index_bind_fingerprint(stmt, 4, content->fingerprint);
  return index_run(txn->db, stmt, error);
}

/* What is in lost+found (1073741826: INDEX_LOCAL, NOINFERIORS) is there for the same reason whatever is written to it.
 */
static gboolean put_row(IndexTxn *txn, const JournalContent *content, gint64 seq, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(
      txn->db,
      "UPDATE journal SET due = ?3, state = CASE WHEN state = 5 THEN 5"
      " WHEN (SELECT gone FROM mailbox WHERE row = target) > 0 THEN 1 ELSE ?2 END, copy = ?4, spooled = ?5, reason ="
      " iif((SELECT attrs & 1073741826 FROM mailbox WHERE row = target) = 1073741826, ifnull(reason, ?6), ?6), tries = "
      "0,"
      " edition = edition + 1 WHERE seq = ?1");
  sqlite3_bind_int64(stmt, 1, seq);
  sqlite3_bind_int64(stmt, 2, content->state);
  sqlite3_bind_int64(stmt, 3, content->due);
  sqlite3_bind_int64(stmt, 4, content->copy);
  sqlite3_bind_int64(stmt, 5, !content->bytes && content->size > 0 && content->copy == 0);
  index_bind_text(stmt, 6, content->reason);
  return index_run(txn->db, stmt, error);
}

gboolean journal_put(IndexTxn *txn, const JournalContent *content, GError **error) {
  g_auto(JournalRow) row = {0};
  return find_unsent(txn, content->row, &row, error) && put_octets(txn, content, error) &&
         put_digest(txn, content, error) && put_row(txn, content, row.seq, error);
}

gboolean journal_set_due(IndexTxn *txn, gint64 message, gint64 due, GError **error) {
  g_auto(JournalRow) row = {0};
  return find_unsent(txn, message, &row, error) &&
         JOURNAL_RUN(txn, error, "UPDATE journal SET due = ?2, edition = edition + 1 WHERE seq = ?1", row.seq, due);
}

/* ---- removing ----------------------------------------------------------------------------------------------- */

/* `after`: the NEW that takes its place, or 0: the uploads that wait there. */
static gboolean insert_remove(IndexTxn *txn, const IndexMessage *message, gint64 after, GError **error) {
  JournalRow row = {.op = JOURNAL_REMOVE,
                    .state = JOURNAL_READY,
                    .message = message->row,
                    .mailbox = message->mailbox,
                    .target = message->folder,
                    .after = after};
  if (!journal_insert(txn, &row, error))
    return FALSE;
  return JOURNAL_RUN(txn, error,
                     "UPDATE journal SET uploads = ifnull((SELECT max(seq) FROM journal WHERE target = ?2 AND op = 1"
                     " AND state IN (1, 2, 3)), 0) WHERE seq = ?1",
                     row.seq, message->folder) &&
         journal_show(txn, message->row, NULL, error);
}

/* What one that never got there had replaced goes after what replaces that. */
static gboolean pass_on(IndexTxn *txn, gint64 seq, gint64 after, GError **error) {
  return after == 0 || JOURNAL_RUN(txn, error, "UPDATE journal SET after = ?2 WHERE after = ?1", seq, after);
}

/* `message` as it was shown; it leaves that place. */
gboolean journal_leave(IndexTxn *txn, const IndexMessage *message, gint64 after, gboolean *ret_spooled,
                       GError **error) {
  g_autoptr(GError) failed = NULL;
  g_auto(JournalRow) fresh = {0};
  if (journal_find_new(txn, message->row, &fresh, &failed) && journal_is_unsent(fresh.state)) {
    if (ret_spooled)
      *ret_spooled = fresh.spooled;
    return pass_on(txn, fresh.seq, after, error) && journal_end_message(txn, message->row, error) &&
           index_touch_mailbox(txn, message->folder, g_get_real_time() * 1000, error);
  }
  if (!failed)
    return insert_remove(txn, message, after, error);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean journal_remove(IndexTxn *txn, gint64 row, gboolean *ret_spooled, GError **error) {
  g_auto(IndexMessage) message = {0};
  if (ret_spooled)
    *ret_spooled = FALSE;
  return journal_shown(txn, row, &message, error) && journal_leave(txn, &message, 0, ret_spooled, error);
}

gboolean journal_rmdir(IndexTxn *txn, gint64 mailbox, GError **error) {
  gint64 parent = 0;
  JournalRow row = {.op = JOURNAL_RMDIR, .state = JOURNAL_READY, .mailbox = mailbox};
  if (!JOURNAL_NUMBER(txn->db, &parent, error, "SELECT parent FROM mailbox WHERE row = ?1 AND gone = 0", mailbox)) {
    if (error && !*error)
      g_set_error(error, CACHE_ERROR, CACHE_ERROR_GONE, "the folder is no more");
    return FALSE;
  }
  return journal_insert(txn, &row, error) && index_touch_mailbox(txn, parent, g_get_real_time() * 1000, error);
}
