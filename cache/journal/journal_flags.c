/* SPDX-License-Identifier: MIT */
/*
 * Flags: what a message row has is what the server said, and each FLAGS row adds and takes away. Those that were not
 * sent are folded into one, the difference between what is shown and what the server was told; none where there is
 * none. A new message that was not sent has no rows, but its own flags. Keywords are compared as the server does,
 * without case.
 */
#include "cache/journal/journal_private.h"

#include "cache/cache.h"
#include "cache/journal/words.h"

/* ---- as shown ----------------------------------------------------------------------------------------------- */

static void apply(const JournalFlags *change, guint *flags, char **keywords) {
  g_autofree char *before = *keywords;
  *flags = (*flags & ~change->remove) | change->add;
  *keywords = words_change(before, change->add_keywords, change->remove_keywords);
}

gboolean journal_flags_over(IndexDb *db, gint64 row, gboolean sent, guint *ret, char **ret_keywords, GError **error) {
  g_autoptr(IndexStmt) message = index_use(db, "SELECT flags, keywords FROM message WHERE row = ?1");
  g_autoptr(IndexStmt) stmt = index_use(db, "SELECT flags_add, flags_remove, keywords_add, keywords_remove FROM journal"
                                            " WHERE message = ?1 AND op = 4 AND (?2 = 0 OR state <> 1) ORDER BY seq");
  sqlite3_bind_int64(message, 1, row);
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_int64(stmt, 2, sent);
  if (index_step(db, message, error) != INDEX_STEP_ROW)
    return FALSE;
  guint flags = (guint)sqlite3_column_int64(message, 0);
  g_autofree char *keywords = g_strdup((const char *)sqlite3_column_text(message, 1));
  IndexStep step;
  while ((step = index_step(db, stmt, error)) == INDEX_STEP_ROW) {
    JournalFlags change = {(guint)sqlite3_column_int64(stmt, 0), (guint)sqlite3_column_int64(stmt, 1),
                           (const char *)sqlite3_column_text(stmt, 2), (const char *)sqlite3_column_text(stmt, 3)};
    apply(&change, &flags, &keywords);
  }
  *ret = flags;
  *ret_keywords = g_steal_pointer(&keywords);
  return step == INDEX_STEP_DONE;
}

gboolean journal_flags(Index *index, gint64 row, guint *ret, char **ret_keywords, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  return reader && journal_flags_over(reader, row, FALSE, ret, ret_keywords, error);
}

/* ---- changing ----------------------------------------------------------------------------------------------- */

gboolean journal_set_flags(IndexTxn *txn, gint64 row, guint flags, const char *keywords, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "UPDATE message SET flags = ?2, keywords = ?3 WHERE row = ?1");
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_int64(stmt, 2, flags);
  index_bind_text(stmt, 3, keywords && *keywords ? keywords : NULL);
  return index_run(txn->db, stmt, error) &&
         JOURNAL_RUN(txn, error, "UPDATE journal SET edition = edition + 1 WHERE message = ?1 AND op = 1", row);
}

static gboolean edit_new(IndexTxn *txn, gint64 row, const JournalFlags *change, GError **error) {
  g_auto(IndexMessage) message = {0};
  if (!journal_message(txn, row, &message, error))
    return FALSE;
  apply(change, &message.flags, &message.keywords);
  return journal_set_flags(txn, row, message.flags, message.keywords, error);
}

static gboolean update(IndexTxn *txn, gint64 seq, const JournalFlags *flags, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(
      txn->db, "UPDATE journal SET flags_add = ?2, flags_remove = ?3, keywords_add = ?4, keywords_remove = ?5,"
               " edition = edition + 1 WHERE seq = ?1");
  sqlite3_bind_int64(stmt, 1, seq);
  sqlite3_bind_int64(stmt, 2, flags->add);
  sqlite3_bind_int64(stmt, 3, flags->remove);
  index_bind_text(stmt, 4, flags->add_keywords);
  index_bind_text(stmt, 5, flags->remove_keywords);
  return index_run(txn->db, stmt, error);
}

gboolean journal_fold_flags(IndexTxn *txn, gint64 row, GError **error) {
  gint64 seq = 0;
  guint shown = 0, told = 0;
  g_autofree char *words = NULL, *told_words = NULL;
  if (!journal_number_or_none(txn, "SELECT min(seq) FROM journal WHERE message = ?1 AND op = 4 AND state = 1", row,
                              &seq, error))
    return FALSE;
  if (seq == 0)
    return TRUE;
  if (!journal_flags_over(txn->db, row, FALSE, &shown, &words, error) ||
      !journal_flags_over(txn->db, row, TRUE, &told, &told_words, error))
    return FALSE;
  g_autofree char *add = words_without(words, told_words), *remove = words_without(told_words, words);
  JournalFlags rest = {shown & ~told, told & ~shown, add, remove};
  gboolean none = shown == told && !add && !remove;
  return JOURNAL_RUN(txn, error, "DELETE FROM journal WHERE message = ?1 AND op = 4 AND state = 1 AND seq > ?2", row,
                     none ? 0 : seq) &&
         (none || update(txn, seq, &rest, error));
}

static gboolean add_row(IndexTxn *txn, const IndexMessage *message, const JournalFlags *change, GError **error) {
  JournalRow row = {.op = JOURNAL_FLAGS,
                    .state = JOURNAL_READY,
                    .message = message->row,
                    .mailbox = message->mailbox,
                    .flags = *change};
  return journal_insert(txn, &row, error) && journal_fold_flags(txn, message->row, error);
}

gboolean journal_flag(IndexTxn *txn, gint64 row, const JournalFlags *flags, GError **error) {
  g_autoptr(GError) failed = NULL;
  g_auto(IndexMessage) message = {0};
  g_auto(JournalRow) fresh = {0};
  if (!journal_message(txn, row, &message, error))
    return FALSE;
  if (journal_find_new(txn, row, &fresh, &failed) && journal_is_unsent(fresh.state))
    return edit_new(txn, row, flags, error);
  if (!failed)
    return add_row(txn, &message, flags, error);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}
