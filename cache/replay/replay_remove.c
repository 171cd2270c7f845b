/* SPDX-License-Identifier: MIT */
/*
 * Where a removed message goes:
 *
 *                      from the trash     else
 *   delete=trash       purged             moved to the trash
 *   delete=expunge     purged             purged; Gmail: moved to the trash, and purged there
 *   delete=mark        flagged            flagged
 *
 * Gmail's folders are labels: to expunge a message from one only takes the label off, and it stays in "All Mail".
 * Purging is purge.h: where the server cannot take away just these, they stay flagged \Deleted and are shown no more.
 */
#include "cache/replay/replay_shift.h"

#include "cache/replay/purge.h"
#include "cache/replay/trash.h"

/* ---- for good ---------------------------------------------------------------------------------------------- */

static gboolean settle_purged(Replay *replay, const JournalItem *item, const Purge *purge, GError **error) {
  g_autoptr(GError) silent =
      g_error_new_literal(IMAP_ERROR, IMAP_ERROR_REFUSED, "the server says that it removed a message, and did not");
  if (imap_seqset_contains(purge->gone, item->uid))
    return replay_done(replay, item, error);
  /* Flagged, and its removal is to be tried again. */
  gboolean later = g_error_matches(purge->refusal, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE);
  if (imap_seqset_contains(purge->marked, item->uid) && !later)
    return replay_marked(replay, item, error);
  return replay_refused(replay, item, purge->refusal ? purge->refusal : silent, error);
}

static gboolean remove_here(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  Account *account = replay_account(replay);
  g_auto(ImapMailbox) opened = {0};
  g_auto(Purge) purge = {0};
  g_autoptr(GError) failure = NULL;
  g_autoptr(ImapSeqset) uids = replay_uids(batch);
  if (!replay_select(replay, conn, batch->source, &opened, &failure))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failure), error);
  if (!replay_send(replay, batch, 0, 0, error))
    return FALSE;
  steps_one();
  if (!purge_run(account, conn, &opened, uids, account->config->remove == CACHE_DELETE_MARK, &purge, &failure)) {
    /* Perhaps it is done: whoever will not say so now is asked again. */
    if (g_error_matches(failure, IMAP_ERROR, IMAP_ERROR_REFUSED))
      failure->code = IMAP_ERROR_UNAVAILABLE;
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failure), error);
  }
  steps_one();
  for (guint i = 0; i < batch->items->len; i++)
    if (!settle_purged(replay, &g_array_index(batch->items, JournalItem, i), &purge, error))
      return FALSE;
  return TRUE;
}

/* ---- into the trash ------------------------------------------------------------------------------------------ */

/* The UIDs that those which were moved have in the trash. */
static ImapSeqset *placed_uids(const ReplayShift *shift) {
  ImapSeqset *uids = imap_seqset_new();
  for (guint i = 0; i < shift->transfer.n; i++)
    if (shift->transfer.messages[i].fate == TRANSFER_PLACED)
      imap_seqset_add(uids, shift->transfer.messages[i].placed, shift->transfer.messages[i].placed);
  return uids;
}

/* What is gone from the trash, too, is nowhere; the rest stays in it, and is seen there. */
gboolean replay_empty_trash(ReplayShift *shift, GError **error) {
  Account *account = replay_account(shift->replay);
  g_auto(ImapMailbox) opened = {0};
  g_auto(Purge) purge = {0};
  g_autoptr(ImapSeqset) uids = placed_uids(shift);
  if (imap_seqset_empty(uids))
    return TRUE;
  if (!replay_select(shift->replay, shift->transfer.conn, shift->target.row, &opened, error) ||
      !purge_run(account, shift->transfer.conn, &opened, uids, FALSE, &purge, error))
    return FALSE;
  for (guint i = 0; i < shift->transfer.n; i++) {
    TransferMessage *message = &shift->transfer.messages[i];
    if (message->fate == TRANSFER_PLACED && imap_seqset_contains(purge.gone, message->placed))
      message->fate = TRANSFER_GONE;
  }
  return TRUE;
}

static gboolean remove_to(Replay *replay, ImapConn *conn, JournalBatch *batch, gint64 trash, GError **error) {
  g_auto(ReplayShift) shift = {0};
  g_autoptr(GError) failure = NULL, trouble = NULL;
  if (!replay_shift_open(&shift, replay, conn, batch, trash, FALSE, &failure))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failure), error);
  if (!replay_send(replay, batch, shift.transfer.uidvalidity, shift.transfer.uidnext, error))
    return FALSE;
  steps_one();
  gboolean alive = transfer_run(&shift.transfer, &failure);
  if (alive && replay_account(replay)->config->remove == CACHE_DELETE_EXPUNGE)
    alive = replay_empty_trash(&shift, &failure) || !imap_conn_failed(conn);
  steps_one();
  gboolean settled = replay_shift_settle(&shift, &trouble);
  if (alive && settled)
    return TRUE;
  g_propagate_error(error, settled ? g_steal_pointer(&failure) : g_steal_pointer(&trouble));
  return FALSE;
}

/* ---- which ------------------------------------------------------------------------------------------------- */

static gboolean stays_here(Account *account, ImapConn *conn, gint64 source, gboolean *ret, GError **error) {
  CacheDelete remove = account->config->remove;
  *ret = remove == CACHE_DELETE_MARK || (remove == CACHE_DELETE_EXPUNGE && !imap_conn_has(conn, "X-GM-EXT-1"));
  return *ret || trash_is(account, source, ret, error);
}

gint64 replay_other(Replay *replay, const JournalBatch *batch) {
  Account *account = replay_account(replay);
  g_auto(IndexMailbox) trash = {0};
  if (batch->op != JOURNAL_REMOVE || account->config->remove == CACHE_DELETE_MARK ||
      !trash_find(account, &trash, NULL) || trash.row == batch->source)
    return batch->op == JOURNAL_MOVE || batch->op == JOURNAL_NEW ? batch->target : 0;
  return trash.row;
}

gboolean replay_remove(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  Account *account = replay_account(replay);
  g_auto(IndexMailbox) trash = {0};
  g_autoptr(GError) failure = NULL;
  gboolean here = FALSE;
  if (!stays_here(account, conn, batch->source, &here, error))
    return FALSE;
  if (here)
    return remove_here(replay, conn, batch, error);
  if (!trash_make(account, conn, &trash, &failure))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failure), error);
  return remove_to(replay, conn, batch, trash.row, error);
}
