/* SPDX-License-Identifier: MIT */
/*
 * The first listing of a mailbox, and the one after its UIDs changed their meaning. The states are those of the row:
 *
 *   UNLISTED ── opened ──▶ PARTIAL ── all there is has a row ──▶ LISTED
 *      LISTED, PARTIAL ── renumbered ──▶ DOUBTED ── UIDs forgotten ──▶ PARTIAL
 *
 * Cut in PARTIAL, the next run goes on from the rows that are there. The HIGHESTMODSEQ kept is that of the first
 * opening, because flags may change until the end; if that was long after, those that did are asked for before the
 * mailbox counts as listed.
 *
 * A session whose mailbox was renamed away is told that all has vanished, and each search confirms it. So where a later
 * look misses more than a fifth of what there was, the mailbox is opened afresh, and what that says goes.
 *
 * What a search names and no FETCH describes, round after round, is asked for alone and at last listed by its UID.
 */
#include "cache/sync/listing.h"
#include "cache/sync/rematch.h"
#include "cache/sync/removals.h"
#include "cache/sync/roll.h"

#define BRIEF (1 * G_USEC_PER_SEC)
#define ROUNDS 5 /* looks at a folder that changes while it is listed */
#define UNSURE_FRACTION 5

typedef struct {
  Account *account;
  ImapConn *conn;
  IndexMailbox mailbox;
  ImapMailbox *opened;
  gboolean renumbered;
  gboolean fresh;     /* `server` is what an opening said */
  gboolean resumed;   /* begun on an earlier connection */
  gint64 began;       /* monotonic */
  ImapSeqset *server; /* UIDs at the last look */
  ImapSeqset *asked;  /* what was asked for in the round before */
  ImapSeqset *rolled; /* that answered to a roll call at the first look; or NULL */
  ImapSeqset *gone;   /* rows whose UID is no more */
  ListingPause pause;
  gpointer pause_data;
  gboolean paused, removed;
} First;

static void first_clear(First *first) {
  index_mailbox_clear(&first->mailbox);
  g_clear_pointer(&first->server, imap_seqset_free);
  g_clear_pointer(&first->asked, imap_seqset_free);
  g_clear_pointer(&first->rolled, imap_seqset_free);
  g_clear_pointer(&first->gone, imap_seqset_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(First, first_clear)

/* ---- opening ------------------------------------------------------------------------------------------- */

ListingIdentity listing_identity(const IndexMailbox *known, const ImapMailbox *opened) {
  if (known->uidvalidity != opened->uidvalidity || opened->uidvalidity == 0 || !opened->sticky)
    return LISTING_OTHER;
  if (known->mailboxid && opened->mailboxid && !g_str_equal(known->mailboxid, opened->mailboxid))
    return LISTING_OTHER;
  /* RFC 9051 section 2.3.1.1, RFC 7162 section 3.1.1 */
  gboolean fell = (opened->uidnext != 0 && opened->uidnext < known->uidnext) ||
                  (opened->modseq != 0 && opened->modseq < known->modseq);
  return fell ? LISTING_SUSPICIOUS : LISTING_SAME;
}

static gboolean write_begin(IndexTxn *txn, gpointer data, GError **error) {
  First *first = data;
  IndexMailbox *mailbox = &first->mailbox;
  /* Flags may change between here and the end: the delta to come must start from the first opening. */
  if (mailbox->listed == INDEX_UNLISTED || first->renumbered)
    mailbox->modseq = first->opened->modseq;
  /* From now on it is this mailbox that was begun. */
  if (first->renumbered) {
    mailbox->uidnext = 0;
    g_free(mailbox->mailboxid);
    mailbox->mailboxid = g_strdup(first->opened->mailboxid);
  }
  mailbox->uidvalidity = first->opened->uidvalidity;
  mailbox->listed = INDEX_PARTIAL;
  return index_set_state(txn, mailbox, error);
}

static gboolean is_renumbered(const First *first) {
  const IndexMailbox *mailbox = &first->mailbox;
  return mailbox->listed == INDEX_DOUBTED ||
         /* Where nothing was listed yet the journal may have put messages. */
         ((mailbox->listed != INDEX_UNLISTED || mailbox->uidvalidity != 0) &&
          listing_identity(mailbox, first->opened) != LISTING_SAME);
}

/* Where the set names fewer than there are. */
static gboolean complete(First *first, guint32 exists, GError **error) {
  if (imap_seqset_count(first->server) >= exists)
    return TRUE;
  if (!roll_call(first->account, first->conn, first->server, error))
    return FALSE;
  first->rolled = imap_seqset_copy(first->server);
  return TRUE;
}

/* Opens it, and where its UIDs changed their meaning lets go of what they meant. */
static gboolean begin(First *first, GError **error) {
  Account *account = first->account;
  g_auto(IndexMailbox) any = {.raw = g_strdup(first->mailbox.raw)};
  gboolean known = first->mailbox.listed == INDEX_LISTED || first->mailbox.listed == INDEX_DOUBTED;
  /* To go on with a part needs no new opening. To look again does: this connection may still be in the mailbox that was
   * called so before. */
  if (known && g_strcmp0(imap_selected(first->conn), any.raw) == 0 &&
      !imap_unselect(first->conn, account->cancellable, error))
    return FALSE;
  first->fresh = g_strcmp0(imap_selected(first->conn), any.raw) != 0;
  if (!account_open_mailbox(account, first->conn, &any, first->opened, &first->server, error))
    return FALSE;
  if (first->fresh && !complete(first, first->opened->exists, error))
    return FALSE;
  first->resumed = first->mailbox.listed == INDEX_PARTIAL;
  first->began = g_get_monotonic_time();
  first->renumbered = is_renumbered(first);
  if (first->renumbered && !rematch_begin(account, &first->mailbox, first->opened->uidvalidity != 0, error))
    return FALSE;
  return index_write(account->index, INDEX_SYNC, write_begin, first, error);
}

/* The same on a session that has seen nothing yet; what it says may be of another mailbox. */
static gboolean begin_afresh(First *first, GError **error) {
  g_info("folder %" G_GINT64_FORMAT ": much is missing while it is listed; it is opened afresh", first->mailbox.row);
  if (!imap_unselect(first->conn, first->account->cancellable, error))
    return FALSE;
  imap_mailbox_clear(first->opened);
  g_clear_pointer(&first->server, imap_seqset_free);
  g_clear_pointer(&first->rolled, imap_seqset_free);
  imap_seqset_free(first->asked);
  first->asked = imap_seqset_new();
  return begin(first, error);
}

/* ---- looking ------------------------------------------------------------------------------------------- */

static gboolean write_came(IndexTxn *txn, gpointer data, GError **error) {
  return index_touch_mailbox(txn, ((First *)data)->mailbox.row, g_get_real_time() * 1000, error);
}

static gboolean fetch(First *first, const ImapSeqset *uids, gboolean insist, GError **error) {
  ListingJob job = {.account = first->account,
                    .conn = first->conn,
                    .mailbox = first->mailbox.row,
                    .entered = first->mailbox.listed_at ? g_get_real_time() / G_USEC_PER_SEC : 0,
                    .pause = first->pause,
                    .data = first->pause_data,
                    .insist = insist};
  if (first->paused || imap_seqset_empty(uids))
    return TRUE;
  gboolean ok = listing_fetch(&job, uids, listing_items(first->account), error);
  first->paused = job.ret_paused;
  /* What is listed for the first time has not come: it was only unknown. */
  gboolean came = job.ret_changed && first->mailbox.listed_at != 0;
  if (came && !index_write(first->account->index, INDEX_SYNC, write_came, first, ok ? error : NULL))
    return FALSE;
  return ok;
}

/* Later sets lack the same messages; those that were described stay. */
static void keep_rolled(First *first, const ImapSeqset *have) {
  if (!first->rolled)
    return;
  g_autoptr(ImapSeqset) described = imap_seqset_intersect(first->rolled, have);
  imap_seqset_join(first->server, described);
}

/* What the server has, into first->server. Returns what the index has. */
static ImapSeqset *compare(First *first, GError **error) {
  Account *account = first->account;
  if (!first->server) {
    first->fresh = FALSE;
    if (!imap_uids(first->conn, &first->server, account->cancellable, error))
      return NULL;
  }
  ImapSeqset *have = index_uids(account->index, first->mailbox.row, error);
  if (have)
    keep_rolled(first, have);
  return have;
}

/* Of what has a row, and of what the server named before. */
static gboolean has_shrunk(const First *first, const ImapSeqset *have) {
  g_autoptr(ImapSeqset) had = imap_seqset_copy(have);
  imap_seqset_join(had, first->asked);
  g_autoptr(ImapSeqset) lost = imap_seqset_subtract(had, first->server);
  return imap_seqset_count(lost) * UNSURE_FRACTION > imap_seqset_count(had);
}

/* One look: what the server has and the index lacks is fetched. *ret_done when there was nothing (any more). */
static gboolean look(First *first, gboolean *ret_done, GError **error) {
  g_clear_pointer(&first->gone, imap_seqset_free);
  g_autoptr(ImapSeqset) have = compare(first, error);
  if (have && !first->fresh && has_shrunk(first, have)) {
    g_clear_pointer(&have, imap_seqset_free);
    have = begin_afresh(first, error) ? compare(first, error) : NULL;
  }
  if (!have)
    return FALSE;
  g_autoptr(ImapSeqset) missing = imap_seqset_subtract(first->server, have);
  g_autoptr(ImapSeqset) fresh = imap_seqset_subtract(missing, first->asked);
  g_autoptr(ImapSeqset) again = imap_seqset_intersect(missing, first->asked);
  first->gone = imap_seqset_subtract(have, first->server);
  *ret_done = imap_seqset_empty(missing);
  imap_seqset_free(first->asked);
  first->asked = g_steal_pointer(&missing);
  return fetch(first, fresh, FALSE, error) && fetch(first, again, TRUE, error);
}

static gboolean look_until_done(First *first, GError **error) {
  gboolean done = FALSE;
  for (guint round = 0; round < ROUNDS && !done && !first->paused; round++) {
    if (round > 0)
      g_clear_pointer(&first->server, imap_seqset_free);
    if (!look(first, &done, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- the end ------------------------------------------------------------------------------------------- */

/* What changes during a brief listing is found by the next visit, as the MODSEQ that is kept is that of the opening. */
static gboolean is_brief(const First *first) {
  return !first->resumed && g_get_monotonic_time() - first->began < BRIEF;
}

static gboolean catch_up(First *first, const ImapSeqset *have, GError **error) {
  IndexMailbox *mailbox = &first->mailbox;
  gboolean told = mailbox->modseq > 0 && first->opened->modseq > 0 &&
                  account_delta(first->account, first->conn) != IMAP_DELTA_PLAIN;
  if (!told || is_brief(first) || imap_seqset_empty(have))
    return TRUE;
  g_autoptr(ImapSeqset) none = imap_seqset_new();
  ListingJob job = {
      .account = first->account, .conn = first->conn, .mailbox = mailbox->row, .flags = have, .since = mailbox->modseq};
  if (!listing_fetch(&job, none, IMAP_FETCH_FLAGS, error))
    return FALSE;
  if (!job.ret_refused)
    mailbox->modseq = MAX(mailbox->modseq, first->opened->modseq);
  return TRUE;
}

static gboolean write_end(IndexTxn *txn, gpointer data, GError **error) {
  First *first = data;
  IndexMailbox *mailbox = &first->mailbox;
  mailbox->listed = INDEX_LISTED;
  if (mailbox->listed_at == 0)
    mailbox->listed_at = g_get_real_time() / G_USEC_PER_SEC;
  mailbox->uidnext = first->opened->uidnext;
  g_free(mailbox->mailboxid);
  mailbox->mailboxid = g_strdup(first->opened->mailboxid);
  return index_set_state(txn, mailbox, error);
}

static gboolean finish(First *first, GError **error) {
  Account *account = first->account;
  gint64 row = first->mailbox.row;
  if (!removals_run(account, row, first->gone, &first->removed, error))
    return FALSE;
  g_autoptr(ImapSeqset) have = index_uids(account->index, row, error);
  if (!have || !catch_up(first, have, error) || !rematch_prove(account, first->conn, row, error) ||
      !removals_forgotten(account, row, &first->removed, error))
    return FALSE;
  /* Only what has a row: were something missing, the next visit would see that the numbers differ. */
  first->mailbox.exists = (guint32)MIN(imap_seqset_count(have), G_MAXUINT32);
  if (!index_write(account->index, INDEX_SYNC, write_end, first, error))
    return FALSE;
  account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, row, 0, NULL, NULL);
  return TRUE;
}

gboolean listing_first(Account *account, ImapConn *conn, gint64 row, ListingPause pause, gpointer data,
                       gboolean *ret_paused, GError **error) {
  g_auto(ImapMailbox) opened = {0};
  g_auto(First)
      first = {.account = account, .conn = conn, .opened = &opened, .asked = imap_seqset_new(), .pause_data = data};
  if (!index_get_mailbox(account->index, row, &first.mailbox, error)) {
    if (error && !*error)
      g_set_error(error, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
    return FALSE;
  }
  if (!begin(&first, error))
    return FALSE;
  /* Without stable UIDs the next run begins again, so it must not be broken off by us. */
  first.pause = opened.uidvalidity != 0 ? pause : NULL;
  if (!look_until_done(&first, error))
    return FALSE;
  if (first.paused)
    return *ret_paused = TRUE;
  return finish(&first, error);
}
