/* SPDX-License-Identifier: MIT */
/*
 * What users do that gives a message another place: renames, and one message in the place of another. Names are unique,
 * so whoever leaves a place leaves it before another takes it: folder is NULL in between, inside the transaction.
 */
#include "cache/journal/journal_private.h"

#include "cache/cache.h"
#include "cache/journal/debris.h"

static gboolean is_local(IndexTxn *txn, gint64 folder, gboolean *ret, GError **error) {
  gint64 attrs = 0;
  if (!JOURNAL_NUMBER(txn->db, &attrs, error, "SELECT attrs FROM mailbox WHERE row = ?1 AND gone = 0", folder)) {
    if (error && !*error)
      g_set_error(error, CACHE_ERROR, CACHE_ERROR_GONE, "the folder is no more");
    return FALSE;
  }
  *ret = (attrs & INDEX_LOCAL) != 0;
  return TRUE;
}

gboolean journal_give_up_place(IndexTxn *txn, gint64 row, GError **error) {
  return JOURNAL_RUN(txn, error, "UPDATE message SET folder = NULL WHERE row = ?1", row);
}

gboolean journal_has_new(IndexTxn *txn, gint64 row, JournalRow *ret, gboolean *ret_has, GError **error) {
  g_autoptr(GError) failed = NULL;
  *ret_has = journal_find_new(txn, row, ret, &failed);
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* ---- a rewrite ---------------------------------------------------------------------------------------------- */

gboolean journal_replace(IndexTxn *txn, gint64 old, IndexMessage *fresh, GError **error) {
  g_auto(IndexMessage) before = {0};
  g_auto(JournalRow) row = {0};
  gboolean has = FALSE;
  if (!journal_shown(txn, old, &before, error))
    return FALSE;
  g_clear_pointer(&fresh->keywords, g_free);
  if (!journal_flags_over(txn->db, old, FALSE, &fresh->flags, &fresh->keywords, error))
    return FALSE;
  g_strlcpy(fresh->name, before.name, sizeof fresh->name);
  fresh->mailbox = before.folder;
  return journal_give_up_place(txn, old, error) && journal_create(txn, fresh, error) &&
         journal_has_new(txn, fresh->row, &row, &has, error) && journal_leave(txn, &before, row.seq, NULL, error);
}

/* ---- renames ------------------------------------------------------------------------------------------------ */

static gboolean place_new(IndexTxn *txn, const JournalRow *row, gint64 folder, JournalState state, GError **error) {
  gboolean local = FALSE;
  if (state == JOURNAL_REFUSED && folder == row->target) /* called otherwise, in lost+found */
    return TRUE;
  if (!is_local(txn, folder, &local, error))
    return FALSE;
  state = local ? JOURNAL_LOCAL : state;
  return JOURNAL_RUN(txn, error,
                     "UPDATE journal SET target = ?2, state = ?3, due = iif(due = 9223372036854775807, due, 0),"
                     " reason = iif(state = 5 OR ?3 = 1, NULL, reason), tries = 0, edition = edition + 1"
                     " WHERE seq = ?1",
                     row->seq, folder, state) &&
         JOURNAL_RUN(txn, error, "UPDATE message SET mailbox = ?2 WHERE row = ?1", row->message, folder);
}

/* Where it will be once all that was sent is done. */
static gboolean find_base(IndexTxn *txn, const IndexMessage *message, gint64 *ret, GError **error) {
  if (!journal_number_or_none(txn,
                              "SELECT target FROM journal WHERE message = ?1 AND op IN (1, 2) AND state IN (2, 3, 4)"
                              " ORDER BY seq DESC LIMIT 1",
                              message->row, ret, error))
    return FALSE;
  *ret = *ret ? *ret : message->mailbox;
  return TRUE;
}

gboolean journal_move(IndexTxn *txn, const IndexMessage *message, gint64 folder, GError **error) {
  gint64 base = 0, seq = 0;
  if (!find_base(txn, message, &base, error) ||
      !journal_number_or_none(txn, "SELECT min(seq) FROM journal WHERE message = ?1 AND op = 2 AND state = 1",
                              message->row, &seq, error))
    return FALSE;
  if (!JOURNAL_RUN(txn, error, "DELETE FROM journal WHERE message = ?1 AND op = 2 AND state = 1 AND seq <> ?2",
                   message->row, folder == base ? 0 : seq) ||
      folder == base)
    return folder == base;
  if (seq != 0)
    return JOURNAL_RUN(txn, error,
                       "UPDATE journal SET target = ?2, due = 0, tries = 0, reason = NULL, edition = edition + 1"
                       " WHERE seq = ?1 AND target <> ?2",
                       seq, folder);
  JournalRow row = {.op = JOURNAL_MOVE,
                    .state = JOURNAL_READY,
                    .message = message->row,
                    .mailbox = message->mailbox,
                    .target = folder};
  return journal_insert(txn, &row, error);
}

/* ---- what is READY again ------------------------------------------------------------------------------------ */

/* The target of the last MOVE that waits, or 0. */
static gboolean find_target(IndexTxn *txn, gint64 row, gint64 *ret, GError **error) {
  return journal_number_or_none(
      txn, "SELECT target FROM journal WHERE message = ?1 AND op = 2 AND state = 1 ORDER BY seq DESC LIMIT 1", row, ret,
      error);
}

/* It was not appended after all: so it is appended as it is wanted now. */
static gboolean absorb(IndexTxn *txn, const JournalRow *fresh, gint64 target, GError **error) {
  guint flags = 0;
  g_autofree char *keywords = NULL;
  return journal_flags_over(txn->db, fresh->message, FALSE, &flags, &keywords, error) &&
         journal_set_flags(txn, fresh->message, flags, keywords, error) &&
         JOURNAL_RUN(txn, error, "DELETE FROM journal WHERE message = ?1 AND op IN (2, 4)", fresh->message) &&
         (target == 0 || place_new(txn, fresh, target, fresh->state, error));
}

gboolean journal_fold(IndexTxn *txn, gint64 row, GError **error) {
  g_auto(IndexMessage) message = {0};
  g_auto(JournalRow) fresh = {0};
  gboolean is_new = FALSE;
  gint64 target = 0;
  if (!journal_message(txn, row, &message, error) || !journal_has_new(txn, row, &fresh, &is_new, error) ||
      !find_target(txn, row, &target, error))
    return FALSE;
  if (is_new && fresh.state == JOURNAL_READY)
    return absorb(txn, &fresh, target, error);
  return (target == 0 || journal_move(txn, &message, target, error)) && journal_fold_flags(txn, row, error);
}

/* ---- over another ------------------------------------------------------------------------------------------- */

/* It stays what it was to others: what replaces it has its flags. */
static gboolean inherit(IndexTxn *txn, gint64 row, gint64 from, GError **error) {
  guint flags = 0;
  g_autofree char *keywords = NULL;
  return journal_flags_over(txn->db, from, FALSE, &flags, &keywords, error) &&
         journal_set_flags(txn, row, flags, keywords, error);
}

static gboolean push_out(IndexTxn *txn, gint64 replaced, gint64 row, const JournalRow *fresh, GError **error) {
  g_auto(IndexMessage) old = {0};
  if (!journal_shown(txn, replaced, &old, error))
    return FALSE;
  if (fresh->seq != 0 && journal_is_unsent(fresh->state) && !inherit(txn, row, replaced, error))
    return FALSE;
  return journal_leave(txn, &old, fresh->seq, NULL, error);
}

static gboolean entered(IndexTxn *txn, const IndexMessage *before, gint64 folder, GError **error) {
  gint64 now = g_get_real_time() * 1000;
  if (folder == before->folder)
    return TRUE;
  return JOURNAL_RUN(txn, error, "UPDATE message SET ctime = max(ctime, ?2) WHERE row = ?1", before->row, now) &&
         index_touch_mailbox(txn, before->folder, now, error);
}

gboolean journal_rename(IndexTxn *txn, gint64 row, gint64 folder, const char *name, JournalState state, gint64 replaces,
                        GError **error) {
  g_auto(IndexMessage) before = {0};
  g_auto(JournalRow) fresh = {0};
  gboolean is_new = FALSE, local = FALSE;
  if (!journal_shown(txn, row, &before, error) || !journal_has_new(txn, row, &fresh, &is_new, error) ||
      !is_local(txn, folder, &local, error))
    return FALSE;
  gboolean unsent = is_new && journal_is_unsent(fresh.state);
  if (local && !unsent) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_CROSS, "a message of the server cannot become a local file");
    return FALSE;
  }
  if ((replaces != 0 && !push_out(txn, replaces, row, &fresh, error)) ||
      !journal_name_free(txn, folder, name, row, error) || !journal_give_up_place(txn, row, error) ||
      !journal_set_name(txn, row, name, error))
    return FALSE;
  if (unsent ? !place_new(txn, &fresh, folder, state, error)
             : folder != before.folder && !journal_move(txn, &before, folder, error))
    return FALSE;
  return journal_show(txn, row, NULL, error) && entered(txn, &before, folder, error);
}

/* A NEW under another name: it may be debris now, or no longer. */
static gboolean judge_name(IndexTxn *txn, gint64 row, const char *name, GError **error) {
  JournalState state = debris_name(name) ? JOURNAL_LOCAL : JOURNAL_READY;
  return JOURNAL_RUN(
      txn, error,
      "UPDATE journal SET state = ?2, edition = edition + 1 WHERE message = ?1 AND op = 1"
      " AND state IN (0, 1) AND reason IS NULL AND copy = 0 AND (SELECT size FROM message WHERE row = ?1) > 0"
      " AND (SELECT attrs & 1073741824 FROM mailbox WHERE row = target) = 0",
      row, state);
}

gboolean journal_exchange(IndexTxn *txn, gint64 row, gint64 other, GError **error) {
  g_auto(IndexMessage) left = {0}, right = {0};
  if (!journal_shown(txn, row, &left, error) || !journal_shown(txn, other, &right, error))
    return FALSE;
  if (left.folder != right.folder) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_INVALID, "only within one folder");
    return FALSE;
  }
  return row == other || (journal_give_up_place(txn, row, error) && journal_set_name(txn, other, left.name, error) &&
                          journal_set_name(txn, row, right.name, error) && journal_show(txn, row, NULL, error) &&
                          judge_name(txn, row, right.name, error) && judge_name(txn, other, left.name, error));
}
