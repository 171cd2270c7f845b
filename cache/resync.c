/* SPDX-License-Identifier: MIT */
/*
 * Equal UIDVALIDITY, UIDNEXT and MESSAGES mean an equal set of messages: a new one raises UIDNEXT and a removed one
 * lowers MESSAGES. So one STATUS, one round trip, settles most visits. Otherwise the mailbox is opened afresh (a
 * session that saw a rename reports an emptied mailbox and confirms it in each answer), the UID sets are
 * compared, new messages listed, vanished ones removed and, where they may have moved, all flags compared.
 *
 * The numbers stored at the end are those of the STATUS or opening *before* the comparison, so whatever arrives in
 * between differs from them and is found by the next visit.
 */
#include "cache/resync.h"

#include "cache/listing.h"
#include "cache/removals.h"

#define UNSURE_FRACTION 5

typedef struct {
  Account *account;
  IndexMailbox mailbox;
  ImapMailbox opened;
  ImapStatus asked; /* where the caller had no status */
  ImapSeqset *server, *fresh, *gone, *kept;
  gboolean added, removed;
} Resync;

static void resync_clear(Resync *resync) {
  index_mailbox_clear(&resync->mailbox);
  imap_mailbox_clear(&resync->opened);
  imap_status_clear(&resync->asked);
  g_clear_pointer(&resync->server, imap_seqset_free);
  g_clear_pointer(&resync->fresh, imap_seqset_free);
  g_clear_pointer(&resync->gone, imap_seqset_free);
  g_clear_pointer(&resync->kept, imap_seqset_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Resync, resync_clear)

gboolean resync_same(const IndexMailbox *mailbox, const ImapStatus *status) {
  return mailbox->listed == INDEX_LISTED && mailbox->uidvalidity != 0 && status->has_uidvalidity &&
         status->uidvalidity == mailbox->uidvalidity && status->has_uidnext && status->uidnext == mailbox->uidnext &&
         status->has_messages && status->messages == mailbox->exists &&
         (!status->has_modseq || status->modseq == mailbox->modseq);
}

static gboolean write_end(IndexTxn *txn, gpointer data, GError **error) {
  Resync *resync = data;
  IndexMailbox *mailbox = &resync->mailbox;
  if (resync->added && !index_touch_mailbox(txn, mailbox->row, g_get_real_time() * 1000, error))
    return FALSE;
  return index_set_state(txn, mailbox, error);
}

static void tell_changes(Resync *resync) {
  if (resync->added || resync->removed)
    account_tell(resync->account, CACHE_EVENT_CHANGED, CACHE_FOLDER, resync->mailbox.row, 0, NULL, NULL);
}

/* A session that has this mailbox open already may be blind: leave it first. */
static gboolean open_afresh(Resync *resync, ImapConn *conn, GError **error) {
  Account *account = resync->account;
  const char *selected = imap_selected(conn);
  if (selected && g_str_equal(selected, resync->mailbox.raw) && !imap_unselect(conn, account->cancellable, error))
    return FALSE;
  g_auto(IndexMailbox) any = {.raw = g_strdup(resync->mailbox.raw)};
  return account_open_mailbox(account, conn, &any, &resync->opened, &resync->server, error);
}

static gboolean compare(Resync *resync, GError **error) {
  g_autoptr(ImapSeqset) have = index_uids(resync->account->index, resync->mailbox.row, error);
  if (!have)
    return FALSE;
  resync->fresh = imap_seqset_subtract(resync->server, have);
  resync->gone = imap_seqset_subtract(have, resync->server);
  resync->kept = imap_seqset_intersect(have, resync->server);
  return TRUE;
}

/* Also where the search named fewer messages than the opening counted: then it may be the search that lacks them. */
static gboolean is_unsure(const Resync *resync) {
  guint64 gone = imap_seqset_count(resync->gone);
  return gone > 0 && (gone * UNSURE_FRACTION > gone + imap_seqset_count(resync->kept) ||
                      imap_seqset_count(resync->server) < resync->opened.exists);
}

static void take_numbers(Resync *resync, const ImapStatus *status) {
  IndexMailbox *mailbox = &resync->mailbox;
  mailbox->exists = (guint32)MIN(imap_seqset_count(resync->server), G_MAXUINT32);
  mailbox->uidnext = resync->opened.uidnext ? resync->opened.uidnext : status->uidnext;
  mailbox->modseq = resync->opened.modseq;
}

static ResyncResult apply(Resync *resync, ImapConn *conn, const ImapStatus *status, gboolean flags, GError **error) {
  Account *account = resync->account;
  gint64 row = resync->mailbox.row;
  gint64 now = g_get_real_time() / G_USEC_PER_SEC;
  ListingJob fresh = {.account = account, .conn = conn, .mailbox = row, .entered = now};
  ListingJob kept = {.account = account, .conn = conn, .mailbox = row};
  gboolean listed = listing_fetch(&fresh, resync->fresh, listing_items(account), error);
  resync->added = fresh.ret_changed;
  if (!listed)
    return RESYNC_FAILED;
  gboolean moved = flags || resync->opened.modseq == 0 || resync->opened.modseq != resync->mailbox.modseq;
  if (moved && !listing_fetch(&kept, resync->kept, IMAP_FETCH_FLAGS, error))
    return RESYNC_FAILED;
  take_numbers(resync, status);
  if (!removals_run(account, row, resync->gone, &resync->removed, error))
    return RESYNC_FAILED;
  if (!index_write(account->index, INDEX_SYNC, write_end, resync, error))
    return RESYNC_FAILED;
  tell_changes(resync);
  return RESYNC_DONE;
}

static ResyncResult resync_open(Resync *resync, ImapConn *conn, const ImapStatus *status, gboolean flags,
                                gboolean confirmed, GError **error) {
  if (!open_afresh(resync, conn, error))
    return RESYNC_FAILED;
  if (listing_renumbered(&resync->mailbox, &resync->opened))
    return RESYNC_RELIST;
  if (!compare(resync, error))
    return RESYNC_FAILED;
  if (!confirmed && is_unsure(resync))
    return RESYNC_UNSURE;
  return apply(resync, conn, status, flags, error);
}

ResyncResult resync_run(Account *account, ImapConn *conn, gint64 row, const ImapStatus *status, gboolean flags,
                        gboolean confirmed, GError **error) {
  g_auto(Resync) resync = {.account = account};
  if (!index_get_mailbox(account->index, row, &resync.mailbox, error)) {
    if (error && !*error)
      g_set_error(error, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
    return RESYNC_FAILED;
  }
  if (resync.mailbox.listed != INDEX_LISTED)
    return RESYNC_DONE; /* its first listing will see everything */
  if (!status) {
    const char *selected = imap_selected(conn);
    /* STATUS of the selected mailbox may be a cached answer (RFC 9051 section 6.3.11). */
    if (selected && g_str_equal(selected, resync.mailbox.raw) && !imap_unselect(conn, account->cancellable, error))
      return RESYNC_FAILED;
    if (!imap_status(conn, resync.mailbox.raw, &resync.asked, account->cancellable, error))
      return RESYNC_FAILED;
    status = &resync.asked;
  }
  if (!flags && resync_same(&resync.mailbox, status))
    return RESYNC_DONE;
  return resync_open(&resync, conn, status, flags, confirmed, error);
}
