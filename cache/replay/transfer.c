/* SPDX-License-Identifier: MIT */
/*
 * COPYUID is believed as far as it can be true: the target's UIDVALIDITY, and a UID that was not given out before. What
 * it does not name is looked for on both sides, whatever the tagged answer was, because servers say OK and do nothing,
 * or NO after the half:
 *
 *   where it was   in the target
 *   no             yes             PLACED
 *   no             no              GONE
 *   yes            yes             KEPT, to be completed: the old one is purged
 *   yes            no              STILL: after MOVE the turn of COPY, after COPY REFUSED
 *
 * Nothing is purged that was not seen in the target or named by COPYUID.
 */
#include "cache/replay/transfer.h"

#include "cache/replay/purge.h"
#include "cache/replay/whereabouts.h"

void transfer_clear(Transfer *transfer) {
  g_clear_pointer(&transfer->messages, g_free);
  g_clear_error(&transfer->refusal);
  transfer->n = 0;
}

/* ---- sets and fates ------------------------------------------------------------------------------------ */

static ImapSeqset *with_fate(const Transfer *transfer, TransferFate fate) {
  ImapSeqset *set = imap_seqset_new();
  for (guint i = 0; i < transfer->n; i++)
    if (transfer->messages[i].fate == fate)
      imap_seqset_add(set, transfer->messages[i].uid, transfer->messages[i].uid);
  return set;
}

static void decide(Transfer *transfer, const ImapSeqset *uids, TransferFate fate) {
  for (guint i = 0; i < transfer->n; i++)
    if (imap_seqset_contains(uids, transfer->messages[i].uid))
      transfer->messages[i].fate = fate;
}

static void replace_fate(Transfer *transfer, TransferFate before, TransferFate fate) {
  g_autoptr(ImapSeqset) set = with_fate(transfer, before);
  decide(transfer, set, fate);
}

/* The first reason counts. Takes `refusal`, which may be NULL. */
static void note_refusal(Transfer *transfer, GError *refusal) {
  if (transfer->refusal)
    g_clear_error(&refusal);
  else
    transfer->refusal = refusal;
}

/* FALSE with its error where the line is lost; else it was the server that would not. */
static gboolean is_alive(Transfer *transfer, GError *failure, GError **error) {
  if (imap_conn_failed(transfer->conn) || g_error_matches(failure, IMAP_ERROR, IMAP_ERROR_CANCELLED)) {
    g_propagate_error(error, failure);
    return FALSE;
  }
  note_refusal(transfer, failure);
  return TRUE;
}

/* ---- looking ------------------------------------------------------------------------------------------- */

static WhereaboutsSought *seek(const Transfer *transfer, const ImapSeqset *open, const Whereabouts *left,
                               guint *ret_n) {
  WhereaboutsSought *sought = g_new0(WhereaboutsSought, transfer->n);
  *ret_n = 0;
  for (guint i = 0; i < transfer->n; i++) {
    const TransferMessage *message = &transfer->messages[i];
    if (imap_seqset_contains(open, message->uid))
      sought[(*ret_n)++] = (WhereaboutsSought){.row = message->row, .print = whereabouts_print(left, message->uid)};
  }
  return sought;
}

/* `whole`: all of them were copied, if the server is right; so even where two look alike each of them is there. */
static void take_sighting(TransferMessage *message, const WhereaboutsSought *sought, gboolean here, gboolean whole) {
  message->placed = sought->found;
  if (sought->found == 0)
    message->fate = here ? TRANSFER_STILL : TRANSFER_GONE;
  else if (!here)
    message->fate = TRANSFER_PLACED;
  else
    message->fate = whole || sought->sure ? TRANSFER_KEPT : TRANSFER_STILL;
}

static gboolean look(Transfer *transfer, const ImapSeqset *open, GError **error) {
  guint n = 0;
  g_auto(Whereabouts) left = {0};
  if (!whereabouts_describe(transfer->account, transfer->conn, open, &left, error))
    return FALSE;
  g_autofree WhereaboutsSought *sought = seek(transfer, open, &left, &n);
  if (!whereabouts_there(transfer->account, transfer->conn, transfer->target, transfer->uidnext, sought, n, error))
    return FALSE;
  for (guint i = 0, at = 0; i < transfer->n; i++) {
    TransferMessage *message = &transfer->messages[i];
    if (imap_seqset_contains(open, message->uid))
      take_sighting(message, &sought[at++], imap_seqset_contains(left.here, message->uid), !transfer->refusal);
  }
  return TRUE;
}

/* What became of these is not known. Where nobody can say it now either, it stays so. */
static gboolean clear_up(Transfer *transfer, const ImapSeqset *open, GError **error) {
  g_autoptr(GError) failure = NULL;
  if (imap_seqset_empty(open) || look(transfer, open, &failure))
    return TRUE;
  decide(transfer, open, TRANSFER_UNKNOWN);
  return is_alive(transfer, g_steal_pointer(&failure), error);
}

/* ---- COPY and MOVE --------------------------------------------------------------------------------------- */

typedef gboolean (*Command)(ImapConn *conn, const ImapSeqset *uids, const char *mailbox, ImapEffect *ret,
                            GCancellable *c, GError **error);

/* What COPYUID says, where it can be true. Returns the others that were asked for. */
static ImapSeqset *take_effect(Transfer *transfer, const ImapEffect *effect, TransferFate named) {
  g_autoptr(ImapSeqset) believed = imap_seqset_new();
  ImapSeqset *open = imap_seqset_copy(effect->done);
  for (guint i = 0; i < transfer->n && effect->uidvalidity == transfer->uidvalidity; i++) {
    TransferMessage *message = &transfer->messages[i];
    guint32 placed = imap_uidmap_find(effect->copies, message->uid);
    if (placed == 0 || placed < transfer->uidnext)
      continue;
    message->placed = placed;
    imap_seqset_add(believed, message->uid, message->uid);
  }
  decide(transfer, believed, named);
  imap_seqset_join(open, effect->unnamed);
  imap_seqset_join(open, effect->refused);
  imap_seqset_join(open, effect->unknown);
  ImapSeqset *rest = imap_seqset_subtract(open, believed);
  imap_seqset_free(open);
  return rest;
}

/* Of all that is STILL. */
static gboolean try(Transfer *transfer, Command command, TransferFate named, GError **error) {
  g_autoptr(ImapSeqset) uids = with_fate(transfer, TRANSFER_STILL);
  g_auto(ImapEffect) effect = {0};
  g_autoptr(GError) failure = NULL;
  GCancellable *c = transfer->account->cancellable;
  command(transfer->conn, uids, transfer->target->raw, &effect, c, &failure);
  g_autoptr(ImapSeqset) open = take_effect(transfer, &effect, named);
  if (failure && !is_alive(transfer, g_steal_pointer(&failure), error)) {
    decide(transfer, open, TRANSFER_UNKNOWN);
    return FALSE;
  }
  return clear_up(transfer, open, error);
}

/* A target was looked into: back to where the rest of them is. */
static gboolean reopen(Transfer *transfer, GError **error) {
  g_auto(ImapMailbox) opened = {0};
  if (!imap_examine(transfer->conn, transfer->source->raw, FALSE, &opened, transfer->account->cancellable, error))
    return FALSE;
  if (opened.read_write && opened.uidvalidity == transfer->source->uidvalidity)
    return TRUE;
  g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, "the folder is another than a moment ago");
  return FALSE;
}

static gboolean has_any(const Transfer *transfer, TransferFate fate) {
  for (guint i = 0; i < transfer->n; i++)
    if (transfer->messages[i].fate == fate)
      return TRUE;
  return FALSE;
}

/* ---- the halves -------------------------------------------------------------------------------------------- */

/* Some cannot move what they can copy, and say so in no particular way. */
static gboolean is_final(const GError *refusal) {
  return refusal && !g_error_matches(refusal, IMAP_ERROR, IMAP_ERROR_REFUSED);
}

static gboolean move_all(Transfer *transfer, GError **error) {
  if (!imap_conn_has(transfer->conn, "MOVE"))
    return TRUE;
  if (!try(transfer, imap_move, TRANSFER_PLACED, error))
    return FALSE;
  if (is_final(transfer->refusal))
    replace_fate(transfer, TRANSFER_STILL, TRANSFER_REFUSED);
  else
    g_clear_error(&transfer->refusal);
  return TRUE;
}

static gboolean copy_all(Transfer *transfer, GError **error) {
  g_autoptr(GError) failure = NULL;
  if (!has_any(transfer, TRANSFER_STILL))
    return TRUE;
  if (!purge_is_possible(transfer->opened))
    g_set_error_literal(&transfer->refusal, IMAP_ERROR, IMAP_ERROR_PERMISSION,
                        "nothing can be removed from its folder");
  else if (!reopen(transfer, &failure)) {
    if (!is_alive(transfer, g_steal_pointer(&failure), error))
      return FALSE;
  } else if (!try(transfer, imap_copy, TRANSFER_KEPT, error))
    return FALSE;
  if (!transfer->refusal && has_any(transfer, TRANSFER_STILL))
    g_set_error_literal(&transfer->refusal, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE,
                        "the server says that it copied messages, and did not");
  replace_fate(transfer, TRANSFER_STILL, TRANSFER_REFUSED);
  return TRUE;
}

static gboolean is_temporary(const GError *refusal) {
  return g_error_matches(refusal, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE);
}

gboolean transfer_complete(Transfer *transfer, GError **error) {
  g_autoptr(ImapSeqset) copied = with_fate(transfer, TRANSFER_KEPT);
  g_auto(Purge) purge = {0};
  g_autoptr(GError) failure = NULL;
  if (imap_seqset_empty(copied))
    return TRUE;
  if (!reopen(transfer, &failure) ||
      !purge_run(transfer->account, transfer->conn, transfer->opened, copied, FALSE, &purge, &failure)) {
    decide(transfer, copied, TRANSFER_UNKNOWN);
    return is_alive(transfer, g_steal_pointer(&failure), error);
  }
  decide(transfer, purge.gone, TRANSFER_PLACED);
  decide(transfer, purge.marked, TRANSFER_LEFT);
  decide(transfer, purge.kept, is_temporary(purge.refusal) ? TRANSFER_UNKNOWN : TRANSFER_KEPT);
  note_refusal(transfer, g_steal_pointer(&purge.refusal));
  return TRUE;
}

gboolean transfer_run(Transfer *transfer, GError **error) {
  gboolean alive = move_all(transfer, error) && copy_all(transfer, error);
  if (!alive) /* copied, perhaps, and not completed */
    replace_fate(transfer, TRANSFER_KEPT, TRANSFER_UNKNOWN);
  return alive && transfer_complete(transfer, error);
}
