/* SPDX-License-Identifier: MIT */
/*
 * What the replay does. Before a command goes out its rows are SENT, all of them or none: a row that a user changed
 * since the batch was made fails the job, and the replay asks anew. Afterwards each row is settled for itself, in the
 * transaction that also gives its message its place.
 */
#include "cache/journal/journal_private.h"

#include "cache/cache.h"
#include "cache/journal/words.h"

gboolean journal_send(IndexTxn *txn, const JournalBatch *batch, guint32 uidvalidity, guint32 uidnext, GError **error) {
  for (guint i = 0; i < batch->items->len; i++) {
    const JournalItem *item = &g_array_index(batch->items, JournalItem, i);
    if (!JOURNAL_RUN(txn, error,
                     "UPDATE journal SET state = 2, uidvalidity = ?4, uidnext = ?5 WHERE seq = ?1 AND state = ?2"
                     " AND edition = ?3",
                     item->seq, batch->state, item->edition, uidvalidity, uidnext))
      return FALSE;
    if (sqlite3_changes(txn->db->sql) == 0) {
      g_set_error(error, CACHE_ERROR, CACHE_ERROR_BUSY, "it was changed meanwhile");
      return FALSE;
    }
  }
  return TRUE;
}

/* What waits behind it is for a message alone: RMDIR has none. */
static gboolean fold_behind(IndexTxn *txn, gint64 seq, GError **error) {
  gint64 row = 0;
  if (!journal_number_or_none(txn,
                              "SELECT message FROM journal AS j WHERE seq = ?1 AND state = 1 AND EXISTS"
                              " (SELECT 1 FROM journal AS e WHERE e.message = j.message AND e.seq > j.seq)",
                              seq, &row, error))
    return FALSE;
  return row == 0 || journal_fold(txn, row, error);
}

gboolean journal_set_state(IndexTxn *txn, const GArray *seqs, JournalState state, GError **error) {
  for (guint i = 0; i < seqs->len; i++) {
    gint64 seq = g_array_index(seqs, gint64, i);
    if (!JOURNAL_RUN(txn, error, "UPDATE journal SET state = ?2 WHERE seq = ?1", seq, state) ||
        !fold_behind(txn, seq, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean retry_one(IndexTxn *txn, gint64 seq, gint64 due, const char *reason, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE journal SET state = iif(state = 2, 1, state), due = ?2, reason = ?3, tries = tries + 1"
                         " WHERE seq = ?1");
  sqlite3_bind_int64(stmt, 1, seq);
  sqlite3_bind_int64(stmt, 2, MIN(due, g_get_real_time() + JOURNAL_AHEAD));
  index_bind_text(stmt, 3, reason);
  return index_run(txn->db, stmt, error);
}

gboolean journal_retry(IndexTxn *txn, const GArray *seqs, gint64 due, const char *reason, GError **error) {
  for (guint i = 0; i < seqs->len; i++) {
    gint64 seq = g_array_index(seqs, gint64, i);
    if (!retry_one(txn, seq, due, reason, error) || !fold_behind(txn, seq, error))
      return FALSE;
  }
  return TRUE;
}

gboolean journal_hurry(IndexTxn *txn, GError **error) {
  return index_db_exec(
      txn->db, "UPDATE journal SET due = 0 WHERE state IN (1, 4) AND tries > 0 AND due < 9223372036854775807", error);
}

/* ---- done --------------------------------------------------------------------------------------------------- */

static gboolean drop(IndexTxn *txn, gint64 seq, GError **error) {
  return JOURNAL_RUN(txn, error, "DELETE FROM journal WHERE seq = ?1", seq);
}

/* A delta saw it first, and made a row of it: flags that users set there are for ours. That they removed or moved one
 * of what looked like two says nothing of the other. */
static gboolean end_echo(IndexTxn *txn, gint64 row, gint64 mailbox, guint32 uid, IndexLeft *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  g_auto(IndexMessage) echo = {0};
  gint64 other = 0;
  if (!JOURNAL_NUMBER(txn->db, &other, &failed,
                      "SELECT row FROM message WHERE mailbox = ?1 AND uid = ?2 AND gone = 0 AND row <> ?3", mailbox,
                      uid, row)) {
    gboolean none = failed == NULL;
    if (failed)
      g_propagate_error(error, g_steal_pointer(&failed));
    return none;
  }
  if (!journal_message(txn, other, &echo, error))
    return FALSE;
  ret->row = echo.row;
  ret->folder = echo.folder;
  g_strlcpy(ret->name, echo.name, sizeof ret->name);
  return JOURNAL_RUN(txn, error, "UPDATE journal SET message = ?2 WHERE message = ?1 AND op = 4", other, row) &&
         JOURNAL_RUN(txn, error, "UPDATE journal SET copy = ?2 WHERE copy = ?1 AND copy > 0", other, row) &&
         journal_end_message(txn, other, error) && journal_set_flags(txn, row, echo.flags, echo.keywords, error);
}

/* The UID means something under the UIDVALIDITY that the index has. Where it has not opened the mailbox yet it learns
 * which one it is from here: the first listing then sees whether it still is. */
static gboolean knows(IndexTxn *txn, gint64 mailbox, guint32 uidvalidity, gboolean *ret, GError **error) {
  gint64 known = 0;
  g_autoptr(GError) failed = NULL;
  *ret = JOURNAL_NUMBER(txn->db, &known, &failed, "SELECT uidvalidity FROM mailbox WHERE row = ?1", mailbox) &&
         (known == 0 || known == (gint64)uidvalidity);
  if (!failed)
    return known != 0 || JOURNAL_RUN(txn, error, "UPDATE mailbox SET uidvalidity = ?2 WHERE row = ?1 AND listed = 0",
                                     mailbox, uidvalidity);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean journal_placed(IndexTxn *txn, gint64 seq, gint64 mailbox, guint32 uidvalidity, guint32 uid, IndexLeft *ret,
                        GError **error) {
  g_auto(JournalRow) row = {0};
  IndexLeft none = {0};
  gboolean known = FALSE;
  ret = ret ? ret : &none;
  *ret = none;
  if (!journal_get_row(txn, seq, &row, error) || !knows(txn, mailbox, uidvalidity, &known, error))
    return FALSE;
  if (!known)
    uid = 0;
  if ((uid != 0 && !end_echo(txn, row.message, mailbox, uid, ret, error)) ||
      !JOURNAL_RUN(txn, error, "UPDATE OR FAIL message SET mailbox = ?2, uid = nullif(?3, 0) WHERE row = ?1",
                   row.message, mailbox, uid))
    return FALSE;
  gboolean ok = row.op == JOURNAL_NEW
                    ? JOURNAL_RUN(txn, error,
                                  "UPDATE journal SET state = 4, target = ?2, due = 0, tries = 0, reason = NULL"
                                  " WHERE seq = ?1",
                                  seq, mailbox)
                    : drop(txn, seq, error);
  return ok && journal_fold(txn, row.message, error) && journal_show(txn, row.message, NULL, error);
}

gboolean journal_finish(IndexTxn *txn, gint64 seq, GError **error) {
  g_auto(JournalRow) row = {0};
  return journal_get_row(txn, seq, &row, error) && drop(txn, seq, error) && journal_show(txn, row.message, NULL, error);
}

static gboolean flags_done(IndexTxn *txn, const JournalRow *row, GError **error) {
  g_auto(IndexMessage) message = {0};
  if (!journal_message(txn, row->message, &message, error))
    return FALSE;
  g_autofree char *keywords = words_change(message.keywords, row->flags.add_keywords, row->flags.remove_keywords);
  return journal_set_flags(txn, row->message, (message.flags & ~row->flags.remove) | row->flags.add, keywords, error) &&
         drop(txn, row->seq, error);
}

gboolean journal_done(IndexTxn *txn, gint64 seq, GError **error) {
  g_auto(JournalRow) row = {0};
  if (!journal_get_row(txn, seq, &row, error))
    return FALSE;
  switch (row.op) {
  case JOURNAL_FLAGS:
    return flags_done(txn, &row, error);
  case JOURNAL_REMOVE:
  case JOURNAL_MOVE:
    return journal_end_message(txn, row.message, error);
  case JOURNAL_RMDIR:
    return index_end_mailbox(txn, row.mailbox, error);
  default:
    return drop(txn, seq, error) && journal_show(txn, row.message, NULL, error);
  }
}

/* ---- kept by the server, flagged ---------------------------------------------------------------------------- */

static gboolean flag_deleted(IndexTxn *txn, gint64 row, GError **error) {
  return JOURNAL_RUN(txn, error, "UPDATE message SET flags = flags | ?2 WHERE row = ?1", row, IMAP_FLAG_DELETED);
}

gboolean journal_mark(IndexTxn *txn, gint64 seq, GError **error) {
  g_auto(JournalRow) row = {0};
  return journal_get_row(txn, seq, &row, error) && flag_deleted(txn, row.message, error) &&
         JOURNAL_RUN(txn, error,
                     "UPDATE journal SET state = 4, due = 0, after = 0, uploads = 0, reason = NULL"
                     " WHERE seq = ?1",
                     seq);
}

/* It has a row already where a delta was faster. */
static gboolean find_or_copy(IndexTxn *txn, IndexMessage *message, GError **error) {
  g_autoptr(GError) failed = NULL;
  gint64 other = 0;
  if (JOURNAL_NUMBER(txn->db, &other, &failed, "SELECT row FROM message WHERE mailbox = ?1 AND uid = ?2 AND gone = 0",
                     message->mailbox, message->uid)) {
    message->row = other;
    return TRUE;
  }
  if (!failed)
    return index_insert_message(txn, message, error);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean journal_leave_behind(IndexTxn *txn, gint64 row, gint64 mailbox, guint32 uid, GError **error) {
  g_auto(IndexMessage) message = {0};
  if (!journal_message(txn, row, &message, error))
    return FALSE;
  message.mailbox = mailbox;
  message.uid = uid;
  message.folder = 0;
  if (!find_or_copy(txn, &message, error) || !flag_deleted(txn, message.row, error))
    return FALSE;
  JournalRow hidden = {
      .op = JOURNAL_REMOVE, .state = JOURNAL_CONFIRMED, .message = message.row, .mailbox = mailbox, .target = mailbox};
  return journal_insert(txn, &hidden, error) && journal_show(txn, message.row, NULL, error);
}

/* ---- refused ------------------------------------------------------------------------------------------------ */

/* What it replaced was to be removed after it, and is shown again. */
static gboolean bring_back(IndexTxn *txn, gint64 after, JournalUndone *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  JournalUndone back = {0};
  gint64 seq = 0;
  while (
      JOURNAL_NUMBER(txn->db, &seq, &failed, "SELECT seq FROM journal WHERE after = ?1 AND after > 0 LIMIT 1", after)) {
    g_auto(JournalRow) row = {0};
    if (!journal_get_row(txn, seq, &row, error) || !drop(txn, seq, error) ||
        !journal_show(txn, row.message, &back, error))
      return FALSE;
    ret->back = back.row;
    ret->back_in = back.to;
  }
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean mark_refused(IndexTxn *txn, gint64 seq, gint64 lost_found, const char *reason, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE journal SET state = 5, target = ?2, reason = ?3, due = 0,"
                                                 " edition = edition + 1 WHERE seq = ?1");
  sqlite3_bind_int64(stmt, 1, seq);
  sqlite3_bind_int64(stmt, 2, lost_found);
  index_bind_text(stmt, 3, reason);
  return index_run(txn->db, stmt, error);
}

/* Where a removal waits for it, a user has gone on: what it had replaced goes with it, or after what replaces it now.
 */
static gboolean pass_on_or_bring_back(IndexTxn *txn, const JournalRow *row, JournalUndone *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  gint64 after = 0;
  if (JOURNAL_NUMBER(txn->db, &after, &failed, "SELECT after FROM journal WHERE message = ?1 AND op = 3", row->message))
    return JOURNAL_RUN(txn, error, "UPDATE journal SET after = ?2 WHERE after = ?1 AND after > 0", row->seq, after);
  if (!failed)
    return bring_back(txn, row->seq, ret, error);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean journal_finish_missing(IndexTxn *txn, gint64 seq, JournalUndone *ret, GError **error) {
  g_auto(JournalRow) row = {0};
  JournalUndone none = {0};
  ret = ret ? ret : &none;
  return journal_get_row(txn, seq, &row, error) && drop(txn, seq, error) &&
         journal_show(txn, row.message, ret, error) && pass_on_or_bring_back(txn, &row, ret, error);
}

/* Flags that were set while it was sent are its own; a removal or a move has nothing to be of. */
static gboolean refuse_new(IndexTxn *txn, const JournalRow *row, const char *reason, gint64 lost_found,
                           JournalUndone *ret, GError **error) {
  guint flags = 0;
  g_autofree char *keywords = NULL;
  return journal_flags_over(txn->db, row->message, FALSE, &flags, &keywords, error) &&
         journal_set_flags(txn, row->message, flags, keywords, error) &&
         JOURNAL_RUN(txn, error, "DELETE FROM journal WHERE message = ?1 AND seq <> ?2", row->message, row->seq) &&
         mark_refused(txn, row->seq, lost_found, reason, error) &&
         JOURNAL_RUN(txn, error, "UPDATE message SET mailbox = ?2, uid = NULL WHERE row = ?1", row->message,
                     lost_found) &&
         journal_show(txn, row->message, ret, error) && bring_back(txn, row->seq, ret, error);
}

static gboolean refuse_rmdir(IndexTxn *txn, const JournalRow *row, JournalUndone *ret, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "SELECT parent, name FROM mailbox WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row->mailbox);
  IndexStep step = index_step(txn->db, stmt, error);
  if (step == INDEX_STEP_ERROR)
    return FALSE;
  *ret = (JournalUndone){.row = row->mailbox};
  if (step == INDEX_STEP_ROW) {
    ret->to = sqlite3_column_int64(stmt, 0);
    g_strlcpy(ret->name, (const char *)sqlite3_column_text(stmt, 1), sizeof ret->name);
  }
  return drop(txn, row->seq, error) &&
         (ret->to == 0 || index_touch_mailbox(txn, ret->to, g_get_real_time() * 1000, error));
}

gboolean journal_refuse(IndexTxn *txn, gint64 seq, const char *reason, gint64 lost_found, JournalUndone *ret,
                        GError **error) {
  g_auto(JournalRow) row = {0};
  JournalUndone none = {0};
  ret = ret ? ret : &none;
  if (!journal_get_row(txn, seq, &row, error))
    return FALSE;
  if (row.op == JOURNAL_NEW)
    return refuse_new(txn, &row, reason, lost_found, ret, error);
  if (row.op == JOURNAL_RMDIR)
    return refuse_rmdir(txn, &row, ret, error);
  return drop(txn, seq, error) && journal_fold(txn, row.message, error) && journal_show(txn, row.message, ret, error);
}
