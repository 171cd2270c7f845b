/* SPDX-License-Identifier: MIT */
/*
 * Three strategies, and what each says beyond the opening:
 *
 *   QRESYNC    flags that moved and UIDs that vanished, in the opening itself
 *   CONDSTORE  flags that moved, if asked: UID FETCH (CHANGEDSINCE)
 *   PLAIN      flags, all of them, now and then
 *
 * None is believed about who is in the mailbox. With ESEARCH its UID set comes in the same round trip, and that counts:
 * what QRESYNC said vanished and the set still has stays, what it left out is found. Only a set of thousands of ranges
 * is too dear for each visit (some 14 octets a range, for a single flag that moved); there, and on servers without
 * ESEARCH, rows less what vanished plus what came below UIDNEXT must be as many as EXISTS, and the highest below
 * UIDNEXT. Where they are not the full list decides, however it is to be had.
 *
 * A QRESYNC that was wrong is not believed about flags either: the same session is asked with CHANGEDSINCE. After a few
 * such lies the account goes on with that (account_lied).
 */
#include "cache/sync/delta.h"

#include "cache/sync/roll.h"

#define RANGES_MOST 4000 /* of a UID set that is asked for at each visit: 56 kB */
#define NEW_MOST 5000    /* UIDs that may be new and are asked for without knowing whether they are there */

void delta_clear(Delta *delta) {
  imap_changes_clear(&delta->changes);
  g_clear_pointer(&delta->server, imap_seqset_free);
  g_clear_pointer(&delta->fresh, imap_seqset_free);
  g_clear_pointer(&delta->missed, imap_seqset_free);
  g_clear_pointer(&delta->gone, imap_seqset_free);
  g_clear_pointer(&delta->flags, posting_free);
}

static guint32 last_of(const ImapSeqset *set, gsize *ret_ranges) {
  const ImapRange *ranges = imap_seqset_ranges(set, ret_ranges);
  return *ret_ranges > 0 ? ranges[*ret_ranges - 1].last : 0;
}

gboolean delta_open(Delta *delta, GError **error) {
  const IndexMailbox *mailbox = delta->mailbox;
  g_autoptr(ImapSeqset) have = index_uids(delta->account->index, mailbox->row, error);
  if (!have)
    return FALSE;
  gsize ranges = 0;
  guint32 last = last_of(have, &ranges);
  /* What came while we last looked has a row, too. */
  ImapKnown known = {.uidvalidity = mailbox->uidvalidity,
                     .uidnext = last < G_MAXUINT32 ? MAX(mailbox->uidnext, last + 1) : last,
                     .modseq = mailbox->modseq};
  delta->strategy = mailbox->modseq > 0 ? account_delta(delta->account, delta->conn) : IMAP_DELTA_PLAIN;
  delta->flags = posting_new(delta->account, mailbox->row, POSTING_FLAGS, 0);
  gboolean uids = delta->strategy != IMAP_DELTA_QRESYNC || ranges <= RANGES_MOST;
  if (!account_open_since(delta->account, delta->conn, mailbox->raw, delta->strategy, &known, uids, posting_take,
                          delta->flags, &delta->changes, error))
    return FALSE;
  if (delta->strategy == IMAP_DELTA_QRESYNC && !delta->changes.resumed)
    delta->strategy = IMAP_DELTA_CONDSTORE;
  return TRUE;
}

void delta_distrust(Delta *delta) {
  delta->strategy = IMAP_DELTA_PLAIN;
  delta->changes.resumed = FALSE;
}

/* ---- who is in it ------------------------------------------------------------------------------------- */

static guint32 top_of(const Delta *delta) {
  return MAX(delta->changes.mailbox.uidnext, delta->uidnext);
}

static gboolean is_below(const ImapSeqset *set, guint32 top) {
  gsize n = 0;
  return last_of(set, &n) < top || n == 0;
}

/* As many as the opening counted: then nobody came or went between that and the set. */
static gboolean adds_up(const Delta *delta, const ImapSeqset *set) {
  return imap_seqset_count(set) == delta->changes.mailbox.exists && is_below(set, top_of(delta));
}

static gboolean list_new(Delta *delta, const ImapSeqset *uids, gboolean insist, GError **error) {
  ListingJob job = {.account = delta->account,
                    .conn = delta->conn,
                    .mailbox = delta->mailbox->row,
                    .entered = g_get_real_time() / G_USEC_PER_SEC,
                    .insist = insist};
  gboolean ok = imap_seqset_empty(uids) || listing_fetch(&job, uids, listing_items(delta->account), error);
  delta->added |= job.ret_changed;
  return ok;
}

/* Lists what may be new, and sees whether that explains the number of messages. */
static gboolean guess_members(Delta *delta, GError **error) {
  guint32 known = delta->mailbox->uidnext, top = top_of(delta);
  if (known == 0 || top < known || top - known > NEW_MOST)
    return TRUE;
  g_autoptr(ImapSeqset) come = imap_seqset_new();
  if (top > known)
    imap_seqset_add(come, known, top - 1);
  if (!list_new(delta, come, FALSE, error))
    return FALSE;
  g_autoptr(ImapSeqset) have = index_uids(delta->account->index, delta->mailbox->row, error);
  if (!have)
    return FALSE;
  gboolean resumed = delta->changes.resumed && delta->changes.vanished;
  g_autoptr(ImapSeqset) left = resumed ? imap_seqset_subtract(have, delta->changes.vanished) : imap_seqset_copy(have);
  if (adds_up(delta, left))
    delta->server = g_steal_pointer(&left);
  return TRUE;
}

/* Whether QRESYNC and the mailbox agree about who vanished. `settled`: nobody came or went meanwhile. */
static gboolean was_wrong(const Delta *delta, gboolean settled) {
  if (!delta->changes.resumed)
    return FALSE;
  g_autoptr(ImapSeqset) none = imap_seqset_new();
  const ImapSeqset *vanished = delta->changes.vanished ? delta->changes.vanished : none;
  g_autoptr(ImapSeqset) alive = imap_seqset_intersect(vanished, delta->server);
  g_autoptr(ImapSeqset) untold = imap_seqset_subtract(delta->gone, vanished);
  return !imap_seqset_empty(alive) || (settled && !imap_seqset_empty(untold));
}

/* What has no row: new, or (below the UIDNEXT of the last visit) left out when it was asked for. */
static void sort_fresh(Delta *delta, const ImapSeqset *have) {
  delta->fresh = imap_seqset_subtract(delta->server, have);
  delta->missed = imap_seqset_copy(delta->fresh);
  guint32 known = delta->mailbox->uidnext;
  if (known > 1)
    imap_seqset_remove(delta->fresh, 1, known - 1);
  imap_seqset_remove(delta->missed, MAX(known, 1), G_MAXUINT32);
}

gboolean delta_members(Delta *delta, gboolean insist, GError **error) {
  Account *account = delta->account;
  delta->server = g_steal_pointer(&delta->changes.uids);
  if (!delta->server && !guess_members(delta, error))
    return FALSE;
  if (!delta->server && !imap_uids(delta->conn, &delta->server, account->cancellable, error))
    return FALSE;
  if (insist && imap_seqset_count(delta->server) < delta->changes.mailbox.exists &&
      !roll_call(account, delta->conn, delta->server, error))
    return FALSE;
  g_autoptr(ImapSeqset) have = index_uids(account->index, delta->mailbox->row, error);
  if (!have)
    return FALSE;
  delta->gone = imap_seqset_subtract(have, delta->server);
  sort_fresh(delta, have);
  if (was_wrong(delta, adds_up(delta, delta->server))) {
    g_info("folder %" G_GINT64_FORMAT ": QRESYNC told what is not so; asking otherwise", delta->mailbox->row);
    account_lied(account, IMAP_DELTA_QRESYNC);
    delta->strategy = IMAP_DELTA_CONDSTORE;
    delta->changes.resumed = FALSE;
    delta->wrong = TRUE;
  }
  return TRUE;
}

/* ---- what it is like ---------------------------------------------------------------------------------- */

/* Which flags to ask for. FALSE: none, and they are as they were. */
static gboolean want_flags(Delta *delta, gboolean due, guint64 *ret_since) {
  guint64 before = delta->mailbox->modseq, now = delta->changes.mailbox.modseq;
  gboolean tells = delta->strategy != IMAP_DELTA_PLAIN && before > 0 && now > 0;
  *ret_since = tells ? before : 0;
  delta->compared = tells || due;
  if (delta->changes.resumed)
    return FALSE;
  return tells ? now != before || delta->wrong : due;
}

/* Anew, as flags have been written since: a message that is no longer flagged \Deleted may have lost the row that only
 * hid it. */
static gboolean list_missed(Delta *delta, GError **error) {
  g_autoptr(ImapSeqset) have = index_uids(delta->account->index, delta->mailbox->row, error);
  if (!have)
    return FALSE;
  g_autoptr(ImapSeqset) missed = imap_seqset_subtract(delta->server, have);
  imap_seqset_remove(missed, MAX(delta->mailbox->uidnext, 1), G_MAXUINT32);
  return list_new(delta, missed, TRUE, error);
}

gboolean delta_fetch(Delta *delta, gboolean due, GError **error) {
  g_autoptr(ImapSeqset) have = index_uids(delta->account->index, delta->mailbox->row, error);
  if (!have)
    return FALSE;
  g_autoptr(ImapSeqset) kept = imap_seqset_subtract(have, delta->gone);
  ListingJob job = {.account = delta->account,
                    .conn = delta->conn,
                    .mailbox = delta->mailbox->row,
                    .entered = g_get_real_time() / G_USEC_PER_SEC};
  if (want_flags(delta, due, &job.since) && !imap_seqset_empty(kept))
    job.flags = kept;
  if ((job.flags || !imap_seqset_empty(delta->fresh)) &&
      !listing_fetch(&job, delta->fresh, listing_items(delta->account), error))
    return FALSE;
  delta->added |= job.ret_changed;
  if (job.ret_refused) {
    g_autoptr(ImapSeqset) none = imap_seqset_new();
    job.since = 0;
    if (!listing_fetch(&job, none, IMAP_FETCH_FLAGS, error))
      return FALSE;
  }
  return posting_end(delta->flags, NULL, error) && list_missed(delta, error);
}
