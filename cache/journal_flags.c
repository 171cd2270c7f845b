/* SPDX-License-Identifier: MIT */
/*
 * Flags: what a message row has is what the server said, and each FLAGS row adds and takes away. One row that was not
 * sent yet gathers all that is changed until it is; what comes to nothing leaves no row. A new message that was not
 * sent has no rows, but its own flags. Keywords are compared as the server does, without case.
 */
#include "cache/journal_private.h"

#include "cache/cache.h"

/* ---- sets of words ------------------------------------------------------------------------------------------ */

static gboolean has_word(GStrv words, const char *word) {
  for (char **each = words; each && *each; each++)
    if (g_ascii_strcasecmp(*each, word) == 0)
      return TRUE;
  return FALSE;
}

static GStrv split(const char *words) {
  return g_strsplit(words ? words : "", " ", -1);
}

static void append(GString *to, GStrv words, GStrv without, GStrv but) {
  for (char **each = words; *each; each++) {
    if (!**each || has_word(without, *each) || has_word(but, *each))
      continue;
    if (to->len)
      g_string_append_c(to, ' ');
    g_string_append(to, *each);
  }
}

char *journal_words(const char *base, const char *add, const char *remove) {
  g_auto(GStrv) have = split(base), more = split(add), less = split(remove);
  g_autoptr(GString) words = g_string_new(NULL);
  append(words, have, less, NULL);
  append(words, more, have, NULL);
  return words->len ? g_string_free(g_steal_pointer(&words), FALSE) : NULL;
}

/* ---- as shown ----------------------------------------------------------------------------------------------- */

static void apply(const JournalFlags *change, guint *flags, char **keywords) {
  g_autofree char *before = *keywords;
  *flags = (*flags & ~change->remove) | change->add;
  *keywords = journal_words(before, change->add_keywords, change->remove_keywords);
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

/* The row that was not sent yet, or an empty one. */
static gboolean find_waiting(IndexTxn *txn, gint64 row, JournalRow *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  *ret = (JournalRow){.op = JOURNAL_FLAGS, .state = JOURNAL_READY, .message = row};
  gint64 seq = 0;
  if (JOURNAL_NUMBER(txn->db, &seq, &failed,
                     "SELECT seq FROM journal WHERE message = ?1 AND op = 4 AND state = 1 ORDER BY seq DESC LIMIT 1",
                     row))
    return journal_get_row(txn, seq, ret, error);
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* What is left to be told to a server that has `flags` and `keywords`. */
static void merge(JournalRow *row, const JournalFlags *change, guint flags, const char *keywords) {
  guint add = (row->flags.add & ~change->remove) | change->add;
  guint less = (row->flags.remove & ~change->add) | change->remove;
  g_autofree char *words = journal_words(row->flags.add_keywords, change->add_keywords, change->remove_keywords);
  g_autofree char *off = journal_words(row->flags.remove_keywords, change->remove_keywords, change->add_keywords);
  g_autofree char *vain = journal_words(off, NULL, keywords);
  journal_row_clear(row);
  row->keywords[0] = journal_words(words, NULL, keywords);
  row->keywords[1] = journal_words(off, NULL, vain);
  row->flags = (JournalFlags){add & ~flags, less & flags, row->keywords[0], row->keywords[1]};
}

static gboolean update(IndexTxn *txn, const JournalRow *row, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(
      txn->db, "UPDATE journal SET flags_add = ?2, flags_remove = ?3, keywords_add = ?4, keywords_remove = ?5,"
               " edition = edition + 1 WHERE seq = ?1");
  sqlite3_bind_int64(stmt, 1, row->seq);
  sqlite3_bind_int64(stmt, 2, row->flags.add);
  sqlite3_bind_int64(stmt, 3, row->flags.remove);
  index_bind_text(stmt, 4, row->flags.add_keywords);
  index_bind_text(stmt, 5, row->flags.remove_keywords);
  return index_run(txn->db, stmt, error);
}

static gboolean edit_row(IndexTxn *txn, const IndexMessage *message, const JournalFlags *change, GError **error) {
  g_auto(JournalRow) row = {0};
  g_autofree char *keywords = NULL;
  guint flags = 0;
  if (!find_waiting(txn, message->row, &row, error) ||
      !journal_flags_over(txn->db, message->row, TRUE, &flags, &keywords, error))
    return FALSE;
  merge(&row, change, flags, keywords);
  row.mailbox = message->mailbox;
  gboolean empty = !row.flags.add && !row.flags.remove && !row.keywords[0] && !row.keywords[1];
  if (empty)
    return row.seq == 0 || JOURNAL_RUN(txn, error, "DELETE FROM journal WHERE seq = ?1", row.seq);
  return row.seq ? update(txn, &row, error) : journal_insert(txn, &row, error);
}

gboolean journal_flag(IndexTxn *txn, gint64 row, const JournalFlags *flags, GError **error) {
  g_autoptr(GError) failed = NULL;
  g_auto(IndexMessage) message = {0};
  g_auto(JournalRow) fresh = {0};
  if (!journal_message(txn, row, &message, error))
    return FALSE;
  if (journal_find_new(txn, row, &fresh, &failed) && journal_is_unsent(&fresh))
    return edit_new(txn, row, flags, error);
  if (!failed)
    return edit_row(txn, &message, flags, error);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}
