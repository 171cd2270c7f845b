/* SPDX-License-Identifier: MIT */
/*
 * Equal UIDVALIDITY, UIDNEXT and MESSAGES mean an equal set of messages: a new one raises UIDNEXT and a removed one
 * lowers MESSAGES. So one STATUS, or what LIST-STATUS said, settles most visits. Otherwise the mailbox is opened afresh
 * (a session that saw a rename reports an emptied mailbox and confirms it in each answer) and delta.c says what came,
 * went and changed:
 *
 *   another mailbox, by UIDVALIDITY or MAILBOXID          UNSURE; confirmed: RELIST
 *   numbers fell that never fall (UIDNEXT, MODSEQ)        a few messages are compared; if they differ as above, else
 *                                                         nothing the server says of changes is used this time
 *   more than a fifth would go, or the numbers disagree   UNSURE, before anything is removed; confirmed: DONE
 *
 * The numbers stored at the end, in one transaction, are those of the opening, so whatever arrives in between differs
 * from them and is found by the next visit; and a visit that is cut off is repeated from where the last one ended.
 */
#include "cache/sync/resync.h"

#include "cache/sync/delta.h"
#include "cache/sync/removals.h"
#include "cache/tree/rename.h"

#define UNSURE_FRACTION 5

typedef struct {
  Account *account;
  ImapConn *conn;
  IndexMailbox mailbox;
  ImapStatus asked; /* where the caller had no status */
  Delta delta;
  gboolean flags, confirmed;
  gboolean thorough; /* once in a long time */
  gboolean removed;
} Resync;

static void resync_clear(Resync *resync) {
  delta_clear(&resync->delta);
  index_mailbox_clear(&resync->mailbox);
  imap_status_clear(&resync->asked);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Resync, resync_clear)

gboolean resync_same(const IndexMailbox *mailbox, const ImapStatus *status) {
  return mailbox->listed == INDEX_LISTED && mailbox->uidvalidity != 0 && status->has_uidvalidity &&
         status->uidvalidity == mailbox->uidvalidity && status->has_uidnext && status->uidnext == mailbox->uidnext &&
         status->has_messages && status->messages == mailbox->exists &&
         (!status->has_modseq || status->modseq == mailbox->modseq);
}

/* ---- is it still the same mailbox ---------------------------------------------------------------------- */

static gboolean write_doubt(IndexTxn *txn, gpointer data, GError **error) {
  Resync *resync = data;
  resync->mailbox.listed = INDEX_DOUBTED;
  return index_set_state(txn, &resync->mailbox, error);
}

/* A mailbox without stable UIDs is another each time, and nobody need confirm it. */
static ResyncResult relist(Resync *resync, GError **error) {
  Account *account = resync->account;
  if (!resync->confirmed && resync->mailbox.uidvalidity != 0) {
    account->doubted = resync->mailbox.row;
    return RESYNC_UNSURE;
  }
  return index_write(account->index, INDEX_SYNC, write_doubt, resync, error) ? RESYNC_RELIST : RESYNC_FAILED;
}

/* DONE: it is. *ret_plain: but what it says of changes is not to be used. */
static ResyncResult identify(Resync *resync, gboolean *ret_plain, GError **error) {
  const ImapMailbox *opened = &resync->delta.changes.mailbox;
  gboolean same = FALSE;
  switch (listing_identity(&resync->mailbox, opened)) {
  case LISTING_SAME:
    return RESYNC_DONE;
  case LISTING_OTHER:
    return relist(resync, error);
  case LISTING_SUSPICIOUS:
    break;
  }
  if (!rename_is_same(resync->account, resync->conn, &resync->mailbox, &same, error))
    return RESYNC_FAILED;
  if (!same)
    return relist(resync, error);
  g_info("folder %" G_GINT64_FORMAT ": UIDNEXT or HIGHESTMODSEQ fell, but the messages are the same",
         resync->mailbox.row);
  if (opened->modseq != 0 && opened->modseq < resync->mailbox.modseq)
    account_lied(resync->account, IMAP_DELTA_CONDSTORE);
  *ret_plain = TRUE;
  return RESYNC_DONE;
}

/* ---- applying ------------------------------------------------------------------------------------------ */

/* Also where the set named fewer messages than the opening counted: then it may be the set that lacks them. */
static gboolean is_unsure(const Resync *resync) {
  const Delta *delta = &resync->delta;
  guint64 gone = imap_seqset_count(delta->gone), there = imap_seqset_count(delta->server);
  guint64 had = gone + there - imap_seqset_count(delta->fresh) - imap_seqset_count(delta->missed);
  return gone > 0 && (gone * UNSURE_FRACTION > had || there < delta->changes.mailbox.exists);
}

static gboolean write_end(IndexTxn *txn, gpointer data, GError **error) {
  Resync *resync = data;
  IndexMailbox *mailbox = &resync->mailbox;
  if (resync->delta.added && !index_touch_mailbox(txn, mailbox->row, g_get_real_time() * 1000, error))
    return FALSE;
  return index_set_state(txn, mailbox, error);
}

/* A message that the server names and did not describe does not count: so the next visit will not find all the same. */
static gboolean take_numbers(Resync *resync, GError **error) {
  IndexMailbox *mailbox = &resync->mailbox;
  const Delta *delta = &resync->delta;
  const ImapMailbox *opened = &delta->changes.mailbox;
  g_autoptr(ImapSeqset) have = index_uids(resync->account->index, mailbox->row, error);
  if (!have)
    return FALSE;
  g_autoptr(ImapSeqset) both = imap_seqset_intersect(delta->server, have);
  mailbox->exists = (guint32)MIN(imap_seqset_count(both), G_MAXUINT32);
  mailbox->uidnext = opened->uidnext ? opened->uidnext : delta->uidnext;
  if (delta->compared)
    mailbox->modseq = opened->modseq;
  if (!mailbox->mailboxid)
    mailbox->mailboxid = g_strdup(opened->mailboxid);
  return TRUE;
}

static ResyncResult apply(Resync *resync, GError **error) {
  Account *account = resync->account;
  gint64 row = resync->mailbox.row;
  if (!delta_fetch(&resync->delta, resync->flags, error) || !take_numbers(resync, error) ||
      !removals_run(account, row, resync->delta.gone, &resync->removed, error) ||
      !index_write(account->index, INDEX_SYNC, write_end, resync, error))
    return RESYNC_FAILED;
  return RESYNC_DONE;
}

static ResyncResult look(Resync *resync, GError **error) {
  Delta *delta = &resync->delta;
  gboolean plain = FALSE;
  if (!delta_open(delta, error))
    return RESYNC_FAILED;
  ResyncResult result = identify(resync, &plain, error);
  if (result != RESYNC_DONE)
    return result;
  if (plain) {
    delta_distrust(delta);
    resync->flags = TRUE;
  }
  if (!delta_members(delta, resync->confirmed || resync->thorough, error))
    return RESYNC_FAILED;
  if (!resync->confirmed && is_unsure(resync))
    return RESYNC_UNSURE;
  return apply(resync, error);
}

/* ---- a visit ------------------------------------------------------------------------------------------- */

static gboolean ask_status(Resync *resync, GError **error) {
  GCancellable *c = resync->account->cancellable;
  const char *selected = imap_selected(resync->conn), *raw = resync->mailbox.raw;
  /* STATUS of the selected mailbox may be a cached answer (RFC 9051 section 6.3.11). */
  if (selected && g_str_equal(selected, raw) && !imap_unselect(resync->conn, c, error))
    return FALSE;
  return imap_status(resync->conn, raw, &resync->asked, c, error);
}

/* Somebody must say that flags moved, or they are compared now and then. */
static gboolean flags_are_told(const Resync *resync, const ImapStatus *status) {
  return status->has_modseq && resync->mailbox.modseq > 0 &&
         account_delta(resync->account, resync->conn) != IMAP_DELTA_PLAIN;
}

ResyncResult resync_run(Account *account, ImapConn *conn, gint64 row, const ImapStatus *status, ResyncFlags flags,
                        gboolean confirmed, GError **error) {
  g_auto(Resync) resync = {.account = account, .conn = conn, .confirmed = confirmed};
  resync.thorough = flags == RESYNC_FLAGS_OLD;
  if (!index_get_mailbox(account->index, row, &resync.mailbox, error)) {
    if (error && !*error)
      g_set_error(error, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
    return RESYNC_FAILED;
  }
  if (resync.mailbox.listed != INDEX_LISTED)
    return RESYNC_DONE; /* its first listing will see everything */
  if (!status && !ask_status(&resync, error))
    return RESYNC_FAILED;
  if (!status)
    status = &resync.asked;
  resync.flags = flags != RESYNC_FLAGS_AS_TOLD && !flags_are_told(&resync, status);
  if (!resync.flags && resync_same(&resync.mailbox, status))
    return RESYNC_DONE;
  resync.delta = (Delta){.account = account, .conn = conn, .mailbox = &resync.mailbox};
  resync.delta.uidnext = status->has_uidnext ? status->uidnext : 0;
  ResyncResult result = look(&resync, error);
  /* Also where it failed half-way: what is in the index by then is seen. */
  if (resync.delta.added || resync.removed)
    account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, row, 0, NULL, NULL);
  return result;
}
