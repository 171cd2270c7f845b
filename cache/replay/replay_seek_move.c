/* SPDX-License-Identifier: MIT */
/*
 * What became of what was sent and never answered. Nothing is repeated that could be done twice; a server may still be
 * at it (a MOVE of 2000 showed 0, then 1000, then 2000 of them moved), so only what was seen is final at once:
 *
 *   where it was   in the target
 *   no             yes             it is there
 *   yes            yes             it was copied: the old one is purged
 *   no             no              looked for again, and at last ended: somebody else removed it
 *   yes            no              looked for again, and at last not done: READY
 *
 * In the target are UIDs from the UIDNEXT on that was written before it was sent. Where the server has renumbered one
 * of the two since, there is nothing to look by, and as long as they are claimed no listing can match the messages
 * again: then it is READY at once. What was moved has no old UID to be moved by; if it was copied, and not removed, it
 * is there twice.
 */
#include "cache/replay/replay_shift.h"

#include "cache/replay/trash.h"
#include "cache/replay/whereabouts.h"

static gboolean is_renumbered(Account *account, ImapConn *conn, gint64 mailbox) {
  g_auto(IndexMailbox) known = {0};
  g_auto(ImapStatus) status = {0};
  return index_get_mailbox(account->index, mailbox, &known, NULL) && known.raw && known.uidvalidity != 0 &&
         imap_unselect(conn, account->cancellable, NULL) &&
         imap_status(conn, known.raw, &status, account->cancellable, NULL) && status.has_uidvalidity &&
         status.uidvalidity != known.uidvalidity;
}

/* The listing goes first. */
static gboolean wait_for_listing(Replay *replay, const JournalBatch *batch, gint64 target, GError **error) {
  g_info("what was moved was renumbered; it is matched again first");
  sync_doubt(replay_sync(replay), batch->source);
  sync_doubt(replay_sync(replay), target);
  return replay_again_rest(replay, error);
}

/* Nobody can look now. What is UNKNOWN stays so for a while; then it is undone, and the mailboxes show who was right.
 */
static gboolean put_off(Replay *replay, ImapConn *conn, const JournalBatch *batch, GError *failure, GError **error) {
  g_autoptr(GError) taken = failure;
  if (imap_conn_failed(conn) || failure->domain != IMAP_ERROR) {
    g_propagate_error(error, g_steal_pointer(&taken));
    return FALSE;
  }
  g_info("cannot look for what was moved: %s", failure->message);
  for (guint i = 0; i < batch->items->len; i++) {
    const JournalItem *item = &g_array_index(batch->items, JournalItem, i);
    gboolean sure = FALSE;
    if (!replay_absent(replay, item, &sure, error) || (sure && !replay_refused(replay, item, taken, error)))
      return FALSE;
  }
  return TRUE;
}

static gboolean cannot_look(Replay *replay, ImapConn *conn, const JournalBatch *batch, gint64 target, GError *failure,
                            GError **error) {
  Account *account = replay_account(replay);
  if (!imap_conn_failed(conn) && g_error_matches(failure, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE) &&
      (is_renumbered(account, conn, batch->source) || is_renumbered(account, conn, target))) {
    g_error_free(failure);
    return wait_for_listing(replay, batch, target, error);
  }
  return put_off(replay, conn, batch, failure, error);
}

/* ---- where to look ---------------------------------------------------------------------------------------- */

/* 0: nothing was to be put anywhere, or not where anything can be now: there is nothing that it could double. */
static gint64 target_of(Account *account, const JournalBatch *batch, GError **error) {
  g_auto(IndexMailbox) target = {0};
  guint32 highest = 0;
  for (guint i = 0; i < batch->items->len; i++)
    highest = MAX(highest, g_array_index(batch->items, JournalItem, i).uidvalidity);
  if (highest == 0)
    return 0;
  if (batch->op == JOURNAL_MOVE)
    return index_get_mailbox(account->index, batch->target, &target, error) ? target.row : 0;
  return trash_find(account, &target, error) ? target.row : 0;
}

static gboolean look(ReplayShift *shift, Whereabouts *left, WhereaboutsSought *sought, GError **error) {
  Transfer *transfer = &shift->transfer;
  g_autoptr(ImapSeqset) uids = replay_uids(shift->batch);
  if (!whereabouts_describe(transfer->account, transfer->conn, uids, left, error))
    return FALSE;
  for (guint i = 0; i < transfer->n; i++)
    sought[i] = (WhereaboutsSought){.row = transfer->messages[i].row,
                                    .print = whereabouts_print(left, transfer->messages[i].uid)};
  return whereabouts_there(transfer->account, transfer->conn, &shift->target, transfer->uidnext, sought, transfer->n,
                           error);
}

/* ---- what was seen ------------------------------------------------------------------------------------------ */

/* The fate so far; UNKNOWN: it has been put off. */
static gboolean judge(ReplayShift *shift, guint i, gboolean here, const WhereaboutsSought *sought, GError **error) {
  TransferMessage *message = &shift->transfer.messages[i];
  gboolean sure = TRUE;
  message->placed = sought->found;
  if (sought->found != 0 && (!here || sought->sure))
    message->fate = here ? TRANSFER_KEPT : TRANSFER_PLACED;
  else if (!replay_absent(shift->replay, replay_shift_item(shift, i), &sure, error))
    return FALSE;
  else
    message->fate = !sure ? TRANSFER_UNKNOWN : here ? TRANSFER_STILL : TRANSFER_GONE;
  return TRUE;
}

static gboolean judge_all(ReplayShift *shift, const Whereabouts *left, const WhereaboutsSought *sought,
                          GError **error) {
  for (guint i = 0; i < shift->transfer.n; i++) {
    gboolean here = imap_seqset_contains(left->here, shift->transfer.messages[i].uid);
    if (!judge(shift, i, here, &sought[i], error))
      return FALSE;
  }
  return TRUE;
}

/* What was put off is settled; what becomes unknown again is put off now. */
static gboolean settle(ReplayShift *shift, const gboolean *decided, GError **error) {
  for (guint i = 0; i < shift->transfer.n; i++) {
    gboolean sure, unknown = shift->transfer.messages[i].fate == TRANSFER_UNKNOWN;
    if (!decided[i])
      continue;
    if (unknown ? !replay_absent(shift->replay, replay_shift_item(shift, i), &sure, error)
                : !replay_shift_settle_one(shift, i, error))
      return FALSE;
  }
  return replay_shift_commit(shift, error);
}

static gboolean finish(ReplayShift *shift, GError **error) {
  gboolean purged =
      shift->batch->op == JOURNAL_REMOVE && replay_account(shift->replay)->config->remove == CACHE_DELETE_EXPUNGE;
  g_autofree gboolean *decided = g_new(gboolean, shift->transfer.n);
  g_autoptr(GError) failure = NULL, trouble = NULL;
  for (guint i = 0; i < shift->transfer.n; i++)
    decided[i] = shift->transfer.messages[i].fate != TRANSFER_UNKNOWN;
  gboolean alive = transfer_complete(&shift->transfer, &failure);
  if (alive && purged)
    alive = replay_empty_trash(shift, &failure) || !imap_conn_failed(shift->transfer.conn);
  gboolean settled = settle(shift, decided, &trouble);
  if (alive && settled)
    return TRUE;
  g_propagate_error(error, settled ? g_steal_pointer(&failure) : g_steal_pointer(&trouble));
  return FALSE;
}

static gboolean seek(Replay *replay, ImapConn *conn, JournalBatch *batch, gint64 target, GError **error) {
  g_auto(ReplayShift) shift = {0};
  g_auto(Whereabouts) left = {0};
  g_autoptr(GError) failure = NULL;
  g_autofree WhereaboutsSought *sought = g_new0(WhereaboutsSought, batch->items->len);
  /* A session that has seen how it was before may go on seeing that. */
  if (!imap_unselect(conn, replay_account(replay)->cancellable, &failure) ||
      !replay_shift_open(&shift, replay, conn, batch, target, TRUE, &failure) || !look(&shift, &left, sought, &failure))
    return cannot_look(replay, conn, batch, target, g_steal_pointer(&failure), error);
  return judge_all(&shift, &left, sought, error) && finish(&shift, error);
}

gboolean replay_seek_move(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  g_autoptr(GError) failure = NULL;
  gint64 target = target_of(replay_account(replay), batch, &failure);
  if (target != 0)
    return seek(replay, conn, batch, target, error);
  if (!failure)
    return replay_again_rest(replay, error);
  g_propagate_error(error, g_steal_pointer(&failure));
  return FALSE;
}
