/* SPDX-License-Identifier: MIT */
/*
 * The first listing of a mailbox, and the one after its UIDs changed their meaning. The states are those of the row:
 *
 *   UNLISTED ── opened ──▶ PARTIAL ── a look found nothing new ──▶ LISTED
 *      LISTED ── renumbered: UIDs forgotten, bodies dropped ──▶ PARTIAL
 *
 * Cut in PARTIAL, the next run goes on from the rows that are there. The HIGHESTMODSEQ kept is that of the first
 * opening, because flags may change until the end.
 */
#include "cache/listing.h"
#include "cache/removals.h"

#define FORGET_AT_ONCE 5000
#define ROUNDS 5 /* looks at a folder that changes while it is listed */

typedef struct {
  Account *account;
  IndexMailbox mailbox;
  const ImapMailbox *opened;
  gboolean renumbered, more;
  ImapSeqset *server; /* UIDs at the last look */
  ImapSeqset *gone;   /* rows whose UID is no more */
  Removals *removals;
  ListingPause pause;
  gpointer pause_data;
  gboolean paused;
} First;

static void first_clear(First *first) {
  index_mailbox_clear(&first->mailbox);
  g_clear_pointer(&first->server, imap_seqset_free);
  g_clear_pointer(&first->gone, imap_seqset_free);
  g_clear_pointer(&first->removals, removals_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(First, first_clear)

/* In parts, for what one transaction changes stays in memory. Still under the old UIDVALIDITY: whoever is interrupted
 * here begins again. */
static gboolean write_forget(IndexTxn *txn, gpointer data, GError **error) {
  First *first = data;
  first->mailbox.listed = INDEX_PARTIAL;
  return index_set_state(txn, &first->mailbox, error) &&
         index_forget_uids(txn, first->mailbox.row, FORGET_AT_ONCE, &first->more, error);
}

static gboolean forget_uids(First *first, GError **error) {
  do {
    if (!index_write(first->account->index, INDEX_SYNC, write_forget, first, error))
      return FALSE;
  } while (first->more);
  return TRUE;
}

static gboolean write_begin(IndexTxn *txn, gpointer data, GError **error) {
  First *first = data;
  IndexMailbox *mailbox = &first->mailbox;
  /* Flags may change between here and the end: the delta to come must start from the first opening. */
  if (mailbox->listed == INDEX_UNLISTED || first->renumbered)
    mailbox->modseq = first->opened->modseq;
  mailbox->uidvalidity = first->opened->uidvalidity;
  mailbox->listed = INDEX_PARTIAL;
  return index_set_state(txn, mailbox, error);
}

static gboolean write_end(IndexTxn *txn, gpointer data, GError **error) {
  First *first = data;
  IndexMailbox *mailbox = &first->mailbox;
  guint64 count = imap_seqset_count(first->server);
  removals_forget(first->removals);
  if (!index_end_forgotten(txn, mailbox->row, removals_add, first->removals, error))
    return FALSE;
  gint64 now = g_get_real_time();
  mailbox->listed = INDEX_LISTED;
  gboolean first_time = mailbox->listed_at == 0; /* then nothing has come or gone: it was only unknown */
  mailbox->listed_at = first_time ? now / G_USEC_PER_SEC : mailbox->listed_at;
  mailbox->uidnext = first->opened->uidnext;
  mailbox->exists = (guint32)MIN(count, G_MAXUINT32);
  g_free(mailbox->mailboxid);
  mailbox->mailboxid = g_strdup(first->opened->mailboxid);
  return index_set_state(txn, mailbox, error) &&
         (first_time || index_touch_mailbox(txn, mailbox->row, now * 1000, error));
}

/* One look: what the server has and the index lacks is fetched. *ret_done when there was nothing (any more). */
static gboolean look(First *first, ImapConn *conn, gboolean *ret_done, GError **error) {
  Account *account = first->account;
  g_clear_pointer(&first->gone, imap_seqset_free);
  if (!first->server && !imap_uids(conn, &first->server, account->cancellable, error))
    return FALSE;
  g_autoptr(ImapSeqset) have = index_uids(account->index, first->mailbox.row, error);
  if (!have)
    return FALSE;
  g_autoptr(ImapSeqset) missing = imap_seqset_subtract(first->server, have);
  first->gone = imap_seqset_subtract(have, first->server);
  *ret_done = imap_seqset_empty(missing);
  if (*ret_done)
    return TRUE;
  ListingJob job = {.account = account,
                    .conn = conn,
                    .mailbox = first->mailbox.row,
                    .entered = first->mailbox.listed_at ? g_get_real_time() / G_USEC_PER_SEC : 0,
                    .pause = first->pause,
                    .data = first->pause_data};
  gboolean ok = listing_fetch(&job, missing, listing_items(account), error);
  first->paused = job.ret_paused;
  return ok;
}

/* Rows are matched by four header fields and a size; that is good enough for a name, not for the octets of a letter. */
static gboolean drop_bodies(Account *account, gint64 mailbox, GError **error) {
  IndexMessage messages[64];
  gint64 after = 0;
  gssize n;
  while ((n = index_messages(account->index, mailbox, after, messages, G_N_ELEMENTS(messages), error)) > 0) {
    after = messages[n - 1].row;
    for (gssize i = 0; i < n; i++) {
      body_drop(account->bodies, messages[i].row);
      index_message_clear(&messages[i]);
    }
  }
  return n == 0;
}

gboolean listing_renumbered(const IndexMailbox *known, const ImapMailbox *opened) {
  if (known->uidvalidity != opened->uidvalidity || opened->uidvalidity == 0 || !opened->sticky)
    return TRUE;
  if (known->mailboxid && opened->mailboxid && !g_str_equal(known->mailboxid, opened->mailboxid))
    return TRUE;
  /* UIDNEXT never falls (RFC 9051 section 2.3.1.1). */
  return opened->uidnext != 0 && opened->uidnext < known->uidnext;
}

/* Opens it, and where its UIDs changed their meaning lets go of what they meant. */
static gboolean begin(First *first, ImapConn *conn, ImapMailbox *opened, GError **error) {
  Account *account = first->account;
  g_auto(IndexMailbox) any = {.raw = g_strdup(first->mailbox.raw)};
  /* To go on with a part needs no new opening. To look again does: this connection may still be in the mailbox that was
   * called so before. */
  if (first->mailbox.listed == INDEX_LISTED && g_strcmp0(imap_selected(conn), any.raw) == 0 &&
      !imap_unselect(conn, account->cancellable, error))
    return FALSE;
  if (!account_open_mailbox(account, conn, &any, opened, &first->server, error))
    return FALSE;
  first->opened = opened;
  first->renumbered = first->mailbox.listed != INDEX_UNLISTED && listing_renumbered(&first->mailbox, opened);
  if (first->renumbered)
    g_info("folder %" G_GINT64_FORMAT ": the server renumbered its messages; matching them again", first->mailbox.row);
  if (first->renumbered && (!drop_bodies(account, first->mailbox.row, error) || !forget_uids(first, error)))
    return FALSE;
  return index_write(account->index, INDEX_SYNC, write_begin, first, error);
}

static gboolean look_until_done(First *first, ImapConn *conn, GError **error) {
  gboolean done = FALSE;
  for (guint round = 0; round < ROUNDS && !done && !first->paused; round++) {
    if (round > 0)
      g_clear_pointer(&first->server, imap_seqset_free);
    if (!look(first, conn, &done, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean finish(First *first, GError **error) {
  Account *account = first->account;
  gint64 row = first->mailbox.row;
  gboolean removed = FALSE;
  if (!removals_run(account, row, first->gone, &removed, error) ||
      !index_write(account->index, INDEX_SYNC, write_end, first, error))
    return FALSE;
  removals_tell(first->removals, account, row);
  account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, row, 0, NULL, NULL);
  return TRUE;
}

gboolean listing_first(Account *account, ImapConn *conn, gint64 row, ListingPause pause, gpointer data,
                       gboolean *ret_paused, GError **error) {
  g_auto(First) first = {.account = account, .removals = removals_new(), .pause_data = data};
  g_auto(ImapMailbox) opened = {0};
  if (!index_get_mailbox(account->index, row, &first.mailbox, error)) {
    if (error && !*error)
      g_set_error(error, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
    return FALSE;
  }
  if (!begin(&first, conn, &opened, error))
    return FALSE;
  /* To match again is begun again after a break, so it must not be broken off by us. */
  first.pause = first.renumbered ? NULL : pause;
  if (!look_until_done(&first, conn, error))
    return FALSE;
  if (first.paused)
    return *ret_paused = TRUE;
  return finish(&first, error);
}
