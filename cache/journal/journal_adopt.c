/* SPDX-License-Identifier: MIT */
/*
 * Octets that the server has already. Its message goes over to the row that was to be sent: that one has the name and
 * the inode by which the file is known now, and its own mtime and flags; the other row ends.
 */
#include <string.h>

#include "cache/journal/journal_private.h"

#include "cache/cache.h"
#include "cache/journal/words.h"

static gboolean check_adoptable(IndexTxn *txn, const IndexMessage *old, GError **error) {
  g_auto(JournalRow) row = {0};
  gboolean is_new = FALSE;
  if (!journal_has_new(txn, old->row, &row, &is_new, error))
    return FALSE;
  if (!is_new && old->uid != 0)
    return TRUE;
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_UNSUPPORTED, "the server does not have it under a number yet");
  return FALSE;
}

static gboolean become(IndexTxn *txn, gint64 row, const IndexMessage *old, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE OR FAIL message SET mailbox = ?2, uid = ?3, flags = ?4, keywords = ?5, emailid = ?6,"
                         " fingerprint = ?7, claim = ?8, internaldate = ?9, size = ?10, sha256 = ?11 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_int64(stmt, 2, old->mailbox);
  sqlite3_bind_int64(stmt, 3, old->uid);
  sqlite3_bind_int64(stmt, 4, old->flags);
  index_bind_text(stmt, 5, old->keywords);
  index_bind_text(stmt, 6, old->emailid);
  index_bind_fingerprint(stmt, 7, old->fingerprint);
  index_bind_size(stmt, 8, old->claim);
  sqlite3_bind_int64(stmt, 9, old->internaldate);
  index_bind_size(stmt, 10, old->size);
  if (old->size != IMAP_UNKNOWN_SIZE)
    sqlite3_bind_blob(stmt, 11, old->sha256, sizeof old->sha256, SQLITE_STATIC);
  return index_run(txn->db, stmt, error);
}

gboolean journal_adopt(IndexTxn *txn, gint64 row, gint64 old, GError **error) {
  g_auto(IndexMessage) mine = {0}, theirs = {0};
  g_auto(JournalRow) fresh = {0};
  gboolean is_new = FALSE;
  if (!journal_shown(txn, row, &mine, error) || !journal_shown(txn, old, &theirs, error) ||
      !check_adoptable(txn, &theirs, error) || !journal_has_new(txn, row, &fresh, &is_new, error))
    return FALSE;
  if (!is_new || !journal_is_unsent(fresh.state)) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_BUSY, "this message is no longer one that was not sent");
    return FALSE;
  }
  /* What waits for the old one is for the new one now, but for its course; its copies are copies of that. */
  if (!JOURNAL_RUN(txn, error, "DELETE FROM journal WHERE seq = ?1", fresh.seq) ||
      !JOURNAL_RUN(txn, error, "DELETE FROM journal WHERE message = ?1 AND op = 2 AND state = 1", old) ||
      !JOURNAL_RUN(txn, error, "UPDATE journal SET message = ?2 WHERE message = ?1", old, row) ||
      !JOURNAL_RUN(txn, error, "UPDATE journal SET copy = ?2 WHERE copy = ?1 AND copy > 0", old, row) ||
      !journal_end_message(txn, old, error) || !become(txn, row, &theirs, error))
    return FALSE;
  theirs.row = row;
  return journal_give_up_place(txn, row, error) && journal_move(txn, &theirs, mine.folder, error) &&
         journal_show(txn, row, NULL, error) &&
         index_touch_mailbox(txn, theirs.folder, g_get_real_time() * 1000, error);
}

/* ---- a rewrite that changed nothing ------------------------------------------------------------------------- */

/* What it is called by others stays as it was shown: the message's own flags may differ from those that it was to be
 * sent with. */
static gboolean keep_flags(IndexTxn *txn, const IndexMessage *fresh, const IndexMessage *old, GError **error) {
  g_autofree char *add = words_without(fresh->keywords, old->keywords);
  g_autofree char *remove = words_without(old->keywords, fresh->keywords);
  JournalFlags flags = {fresh->flags & ~old->flags, old->flags & ~fresh->flags & ~(guint)IMAP_FLAG_RECENT, add, remove};
  return journal_flag(txn, fresh->row, &flags, error);
}

static gboolean check_same(IndexTxn *txn, const JournalItem *item, GError **error) {
  gint64 same = 0;
  g_autoptr(GError) failed = NULL;
  if (JOURNAL_NUMBER(txn->db, &same, &failed,
                     "SELECT 1 FROM journal AS j JOIN journal AS r ON r.after = j.seq AND r.after > 0 AND r.op = 3"
                     " AND r.state = 1 AND r.message = ?3 WHERE j.seq = ?1 AND j.state = 1 AND j.edition = ?2",
                     item->seq, item->edition, item->replaces))
    return TRUE;
  if (!failed)
    g_set_error_literal(&failed, CACHE_ERROR, CACHE_ERROR_BUSY, "it was changed meanwhile");
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean journal_unchanged(IndexTxn *txn, const JournalItem *item, GError **error) {
  g_auto(IndexMessage) fresh = {0}, old = {0};
  if (!check_same(txn, item, error) || !journal_shown(txn, item->row, &fresh, error) ||
      !journal_message(txn, item->replaces, &old, error))
    return FALSE;
  old.size = fresh.size;
  memcpy(old.sha256, fresh.sha256, sizeof old.sha256);
  return JOURNAL_RUN(txn, error, "DELETE FROM journal WHERE seq = ?1", item->seq) &&
         JOURNAL_RUN(txn, error, "UPDATE journal SET copy = ?2 WHERE copy = ?1 AND copy > 0", old.row, fresh.row) &&
         journal_end_message(txn, old.row, error) && become(txn, fresh.row, &old, error) &&
         journal_show(txn, fresh.row, NULL, error) && keep_flags(txn, &fresh, &old, error);
}
