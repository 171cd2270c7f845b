/* SPDX-License-Identifier: MIT */
/*
 * The target is never selected to ask for its UIDNEXT: STATUS is one round trip, and what a session saw of a mailbox is
 * told by it alone.
 */
#include "cache/replay/replay_shift.h"

void replay_shift_clear(ReplayShift *shift) {
  index_mailbox_clear(&shift->source);
  index_mailbox_clear(&shift->target);
  imap_mailbox_clear(&shift->opened);
  transfer_clear(&shift->transfer);
  g_clear_pointer(&shift->ended, g_array_unref);
}

ImapSeqset *replay_uids(const JournalBatch *batch) {
  ImapSeqset *uids = imap_seqset_new();
  for (guint i = 0; i < batch->items->len; i++) {
    guint32 uid = g_array_index(batch->items, JournalItem, i).uid;
    if (uid != 0)
      imap_seqset_add(uids, uid, uid);
  }
  return uids;
}

const JournalItem *replay_shift_item(const ReplayShift *shift, guint i) {
  return &g_array_index(shift->batch->items, JournalItem, i);
}

/* ---- opening --------------------------------------------------------------------------------------------- */

static gboolean load(Account *account, gint64 row, IndexMailbox *ret, GError **error) {
  g_autoptr(GError) failure = NULL;
  if (index_get_mailbox(account->index, row, ret, &failure) && ret->raw)
    return TRUE;
  if (!failure)
    g_set_error_literal(&failure, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
  g_propagate_error(error, g_steal_pointer(&failure));
  return FALSE;
}

static gboolean ask_numbers(ReplayShift *shift, Account *account, ImapConn *conn, GError **error) {
  g_auto(ImapStatus) status = {0};
  GError *refusal = NULL;
  const char *raw = shift->target.raw;
  /* STATUS of what is selected may be a cached answer (RFC 9051 section 6.3.11). */
  if (g_strcmp0(imap_selected(conn), raw) == 0 && !imap_unselect(conn, account->cancellable, error))
    return FALSE;
  if (!imap_status(conn, raw, &status, account->cancellable, &refusal))
    return account_refused(account, conn, raw, refusal, error);
  /* What LIST and STATUS told before does as well: a UIDNEXT never falls. */
  shift->transfer.uidvalidity = status.has_uidvalidity ? status.uidvalidity : shift->target.uidvalidity;
  shift->transfer.uidnext = status.has_uidnext ? status.uidnext : shift->target.uidnext;
  return TRUE;
}

/* Rows that are sought together may have been sent at different times: the lowest UIDNEXT covers them all. */
static void recall_numbers(ReplayShift *shift) {
  for (guint i = 0; i < shift->batch->items->len; i++) {
    const JournalItem *item = replay_shift_item(shift, i);
    if (i == 0 || item->uidnext < shift->transfer.uidnext)
      shift->transfer.uidnext = item->uidnext;
    shift->transfer.uidvalidity = item->uidvalidity;
  }
  /* Renumbered meanwhile: any could be it that no row has. */
  if (shift->target.uidvalidity != 0 && shift->target.uidvalidity != shift->transfer.uidvalidity) {
    shift->transfer.uidvalidity = shift->target.uidvalidity;
    shift->transfer.uidnext = 1;
  }
}

static void list_messages(ReplayShift *shift) {
  Transfer *transfer = &shift->transfer;
  transfer->n = shift->batch->items->len;
  transfer->messages = g_new0(TransferMessage, transfer->n);
  for (guint i = 0; i < transfer->n; i++) {
    const JournalItem *item = replay_shift_item(shift, i);
    transfer->messages[i] = (TransferMessage){.row = item->row, .uid = item->uid, .fate = TRANSFER_STILL};
  }
}

gboolean replay_shift_open(ReplayShift *shift, Replay *replay, ImapConn *conn, JournalBatch *batch, gint64 target,
                           gboolean sent, GError **error) {
  Account *account = replay_account(replay);
  *shift = (ReplayShift){.replay = replay, .batch = batch};
  if (!load(account, batch->source, &shift->source, error) || !load(account, target, &shift->target, error))
    return FALSE;
  if (sent)
    recall_numbers(shift);
  else if (!ask_numbers(shift, account, conn, error))
    return FALSE;
  if (!replay_select(replay, conn, batch->source, &shift->opened, error))
    return FALSE;
  Transfer *transfer = &shift->transfer;
  transfer->account = account;
  transfer->conn = conn;
  transfer->source = &shift->source;
  transfer->opened = &shift->opened;
  transfer->target = &shift->target;
  list_messages(shift);
  return TRUE;
}

/* ---- settling ---------------------------------------------------------------------------------------------- */

static gboolean placed(ReplayShift *shift, const JournalItem *item, const TransferMessage *message, GError **error) {
  shift->arrived = shift->arrived || shift->batch->op == JOURNAL_REMOVE;
  return replay_placed(shift->replay, item, shift->target.row, shift->transfer.uidvalidity, message->placed, error);
}

/* Nothing is lost, but a message is there twice, which its owner should know. */
static gboolean kept(ReplayShift *shift, const JournalItem *item, const TransferMessage *message, GError **error) {
  const GError *why = shift->transfer.refusal;
  g_message("message %" G_GINT64_FORMAT " was copied, and the server does not remove it from where it was: %s",
            item->row, why ? why->message : "it says nothing of it");
  sync_doubt(replay_sync(shift->replay), shift->source.row);
  return placed(shift, item, message, error);
}

/* A removal is done. A message that was to be moved is still shown there. */
static gboolean gone(ReplayShift *shift, const JournalItem *item, GError **error) {
  g_auto(IndexMessage) message = {0};
  IndexLeft left = {.row = item->row};
  if (shift->batch->op == JOURNAL_REMOVE)
    return replay_done(shift->replay, item, error);
  g_message("message %" G_GINT64_FORMAT " was removed by somebody else before it could be moved", item->row);
  if (index_get_message(shift->transfer.account->index, item->row, &message, error)) {
    left.folder = message.folder;
    g_strlcpy(left.name, message.name, sizeof left.name);
  } else if (error && *error) {
    return FALSE;
  }
  if (!shift->ended)
    shift->ended = g_array_new(FALSE, FALSE, sizeof(IndexLeft));
  if (left.folder != 0)
    g_array_append_val(shift->ended, left);
  return replay_done(shift->replay, item, error);
}

gboolean replay_shift_settle_one(ReplayShift *shift, guint i, GError **error) {
  const JournalItem *item = replay_shift_item(shift, i);
  const TransferMessage *message = &shift->transfer.messages[i];
  switch (message->fate) {
  case TRANSFER_STILL:
    return replay_again(shift->replay, item, error);
  case TRANSFER_PLACED:
    return placed(shift, item, message, error);
  case TRANSFER_LEFT:
    return placed(shift, item, message, error) &&
           replay_left_behind(shift->replay, item, shift->source.row, message->uid, error);
  case TRANSFER_KEPT:
    return kept(shift, item, message, error);
  case TRANSFER_GONE:
    return gone(shift, item, error);
  case TRANSFER_REFUSED:
    return replay_refused(shift->replay, item, shift->transfer.refusal, error);
  case TRANSFER_UNKNOWN:
    break;
  }
  return replay_unknown(shift->replay, item, error);
}

static void tell_changed(Account *account, gint64 folder) {
  account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, folder, 0, NULL, NULL);
}

gboolean replay_shift_commit(ReplayShift *shift, GError **error) {
  Account *account = shift->transfer.account;
  if (!replay_settle(shift->replay, error))
    return FALSE;
  if (shift->arrived)
    tell_changed(account, shift->target.row);
  for (guint i = 0; shift->ended && i < shift->ended->len; i++) {
    const IndexLeft *left = &g_array_index(shift->ended, IndexLeft, i);
    account_tell(account, CACHE_EVENT_REMOVED, CACHE_MESSAGE, left->row, left->folder, left->name, NULL);
    tell_changed(account, left->folder);
  }
  return TRUE;
}

gboolean replay_shift_settle(ReplayShift *shift, GError **error) {
  for (guint i = 0; i < shift->transfer.n; i++)
    if (!replay_shift_settle_one(shift, i, error))
      return FALSE;
  return replay_shift_commit(shift, error);
}
