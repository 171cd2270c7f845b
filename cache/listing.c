/* SPDX-License-Identifier: MIT */
/*
 * A listing is a queue of ranges, each a set of UIDs to ask for. Two are in flight; what arrives is taken out of its
 * range, made into a row and posted to the index in batches of BATCH rows. At most POSTED batches wait there: then this
 * thread waits too, so that memory is bounded by the disk's pace and not by the folder.
 *
 * A range that ends in NO keeps what it gave (reliability Q19); what is left of it is halved, down to one UID, which is
 * then asked for without header fields, and at last is listed with nothing but its UID: a message that a server cannot
 * describe is still a message, and a folder must not be unreadable because of it. A UID left out with a plain OK was
 * expunged.
 */
#include "cache/listing.h"

#include "cache/error.h"
#include "cache/message.h"
#include "cache/removals.h"

#define RANGE 5000 /* messages per command: 1 to 2 MB of answer */
#define FLIGHT 2
#define BATCH 400
#define POSTED 8
#define FORGET_AT_ONCE 5000
#define ROUNDS 5 /* looks at a folder that changes while it is listed */

typedef struct {
  ImapSeqset *uids; /* not yet answered */
  ImapFetchItems items;
} Range;

typedef struct {
  Account *account;
  ImapConn *conn;
  gint64 mailbox, entered, now;
  GQueue todo;  /* Range* */
  GQueue asked; /* Range*, oldest first */
  ListingPause pause;
  gpointer pause_data;
  gboolean going, paused; /* going: a range has been answered */
  struct Batch *batch;
  GMutex mutex; /* guards the rest, shared with the index writer's callbacks */
  GCond cond;
  guint posted;
  gboolean changed;
  GError *failed;
} Listing;

typedef struct Batch {
  Listing *listing;
  gboolean flags;
  guint n;
  IndexMessage messages[BATCH];
} Batch;

/* ---- batches into the index ------------------------------------------------------------------------ */

static gboolean write_message(IndexTxn *txn, gboolean flags, IndexMessage *message, gboolean *ret_changed,
                              GError **error) {
  if (flags)
    return index_set_flags(txn, message->mailbox, message->uid, message->flags, message->keywords, ret_changed, error);
  return index_add_message(txn, message, ret_changed, error);
}

static gboolean write_batch(IndexTxn *txn, gpointer data, GError **error) {
  Batch *batch = data;
  gboolean changed = FALSE;
  for (guint i = 0; i < batch->n; i++) {
    gboolean one = FALSE;
    if (!write_message(txn, batch->flags, &batch->messages[i], &one, error))
      return FALSE;
    changed |= one;
  }
  if (changed) {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&batch->listing->mutex);
    batch->listing->changed = TRUE;
  }
  return TRUE;
}

static void batch_free(Batch *batch) {
  for (guint i = 0; i < batch->n; i++)
    index_message_clear(&batch->messages[i]);
  g_free(batch);
}

static void batch_done(gpointer data, const GError *error) {
  Batch *batch = data;
  Listing *listing = batch->listing;
  batch_free(batch);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&listing->mutex);
  if (error && !listing->failed)
    listing->failed = g_error_copy(error);
  listing->posted--;
  g_cond_signal(&listing->cond);
}

/* Waits until at most `most` batches are under way. FALSE: one of them failed. */
static gboolean settle(Listing *listing, guint most, GError **error) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&listing->mutex);
  while (listing->posted > most)
    g_cond_wait(&listing->cond, &listing->mutex);
  if (listing->failed && error && !*error)
    *error = g_error_copy(listing->failed);
  return listing->failed == NULL;
}

static gboolean post_batch(Listing *listing, GError **error) {
  Batch *batch = g_steal_pointer(&listing->batch);
  if (!batch)
    return TRUE;
  if (!settle(listing, POSTED - 1, error)) {
    batch_free(batch);
    return FALSE;
  }
  g_mutex_lock(&listing->mutex);
  listing->posted++;
  g_mutex_unlock(&listing->mutex);
  index_post(listing->account->index, INDEX_SYNC, write_batch, batch, batch_done);
  return TRUE;
}

static gboolean add(Listing *listing, const ImapMessage *fetched, ImapFetchItems items, GError **error) {
  if (!listing->batch) {
    listing->batch = g_new(Batch, 1);
    listing->batch->listing = listing;
    listing->batch->flags = items == IMAP_FETCH_FLAGS;
    listing->batch->n = 0;
  }
  Batch *batch = listing->batch;
  message_from_fetch(fetched, listing->mailbox, listing->account->config->names_uid, listing->entered, listing->now,
                     &batch->messages[batch->n++]);
  return batch->n < BATCH || post_batch(listing, error);
}

/* ---- ranges ------------------------------------------------------------------------------------------ */

static void range_free(gpointer data) {
  Range *range = data;
  imap_seqset_free(range->uids);
  g_free(range);
}

static void queue_range(GQueue *queue, ImapSeqset *uids, ImapFetchItems items) {
  Range *range = g_new(Range, 1);
  *range = (Range){.uids = uids, .items = items};
  g_queue_push_tail(queue, range);
}

static void queue_all(Listing *listing, const ImapSeqset *uids, ImapFetchItems items) {
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(uids);
  while (!imap_seqset_empty(rest))
    queue_range(&listing->todo, imap_seqset_take(rest, RANGE, IMAP_LIMIT_COMMAND - 400), items);
}

/* Not before something was gained: two large folders would otherwise take turns for ever. */
static gboolean is_paused(Listing *listing) {
  if (listing->pause && listing->going && listing->todo.length > 0 && !listing->paused)
    listing->paused = listing->pause(listing->pause_data);
  return listing->paused;
}

static gboolean ask(Listing *listing, GError **error) {
  while (listing->asked.length < FLIGHT && listing->todo.length > 0 && !is_paused(listing)) {
    Range *range = g_queue_pop_head(&listing->todo);
    g_queue_push_tail(&listing->asked, range);
    if (!imap_fetch_send(listing->conn, range->uids, range->items, listing->account->cancellable, error))
      return FALSE;
  }
  return TRUE;
}

/* Whatever the server says of a UID we asked for counts, in the order in which it pleases; what we did not ask for is
 * skipped. */
static gboolean take(Listing *listing, const ImapMessage *fetched, GError **error) {
  for (GList *link = listing->asked.head; link; link = link->next) {
    Range *range = link->data;
    if (!(fetched->has & IMAP_HAS_UID) || !imap_seqset_contains(range->uids, fetched->uid))
      continue;
    if (range->items == IMAP_FETCH_FLAGS && !(fetched->has & IMAP_HAS_FLAGS))
      return TRUE;
    /* A flag update pushed between is no listing: dates and size are still to come. */
    if (range->items != IMAP_FETCH_FLAGS && !(fetched->has & (IMAP_HAS_DATE | IMAP_HAS_SIZE | IMAP_HAS_HEADER)))
      return TRUE;
    imap_seqset_remove(range->uids, fetched->uid, fetched->uid);
    return add(listing, fetched, range->items, error);
  }
  return TRUE;
}

static gboolean list_unknown(Listing *listing, Range *range, GError **error) {
  gsize n = 0;
  const ImapRange *uids = imap_seqset_ranges(range->uids, &n);
  if (n == 0 || range->items == IMAP_FETCH_FLAGS)
    return TRUE;
  g_warning("the server cannot describe message %u; it is listed by its UID alone", uids->first);
  ImapMessage bare = {.has = IMAP_HAS_UID, .uid = uids->first, .internaldate = IMAP_UNKNOWN_DATE};
  return add(listing, &bare, range->items, error);
}

/* The oldest command ended in NO: halve what it left out. */
static gboolean halve(Listing *listing, Range *range, GError **error) {
  guint64 count = imap_seqset_count(range->uids);
  if (count > 1) {
    queue_range(&listing->todo, imap_seqset_take(range->uids, count / 2, IMAP_LIMIT_COMMAND - 400), range->items);
    queue_range(&listing->todo, g_steal_pointer(&range->uids), range->items);
  } else if (range->items == IMAP_FETCH_LISTING) {
    queue_range(&listing->todo, g_steal_pointer(&range->uids), IMAP_FETCH_LISTING_BARE);
  } else {
    return list_unknown(listing, range, error);
  }
  return TRUE;
}

static gboolean refusal_is_temporary(const GError *error) {
  return g_error_matches(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE);
}

static gboolean finish_range(Listing *listing, GError *refused, GError **error) {
  Range *range = g_queue_pop_head(&listing->asked);
  gboolean ok = TRUE;
  listing->going = TRUE;
  if (refused && refusal_is_temporary(refused)) {
    g_propagate_error(error, g_error_copy(refused));
    ok = FALSE;
  } else if (refused && !imap_seqset_empty(range->uids)) {
    ok = halve(listing, range, error);
  }
  range_free(range);
  return ok;
}

static gboolean no_body(gpointer data, guint64 size) {
  (void)data;
  (void)size;
  return FALSE;
}

static gboolean step(Listing *listing, GError **error) {
  static const ImapSink sink = {.begin = no_body};
  g_auto(ImapMessage) fetched = {0};
  g_autoptr(GError) refused = NULL;
  switch (imap_fetch_next(listing->conn, &sink, NULL, &fetched, listing->account->cancellable, &refused)) {
  case IMAP_FETCH_MESSAGE:
    return take(listing, &fetched, error);
  case IMAP_FETCH_DONE:
    return finish_range(listing, refused, error);
  case IMAP_FETCH_WOKEN:
    return TRUE;
  case IMAP_FETCH_FAILED:
    break;
  }
  g_propagate_error(error, g_steal_pointer(&refused));
  return FALSE;
}

static gboolean run(Listing *listing, GError **error) {
  do {
    if (!ask(listing, error))
      return FALSE;
    if (listing->asked.length > 0 && !step(listing, error))
      return FALSE;
  } while (listing->asked.length > 0 || (listing->todo.length > 0 && !listing->paused));
  return post_batch(listing, error);
}

static gboolean fetch_all(Listing *listing, const ImapSeqset *uids, ImapFetchItems items, GError **error) {
  listing->now = g_get_real_time() / G_USEC_PER_SEC;
  g_mutex_init(&listing->mutex);
  g_cond_init(&listing->cond);
  queue_all(listing, uids, items);
  gboolean ok = run(listing, error);
  if (!ok) {
    /* Commands are still in flight: the connection cannot be used for anything else. What arrived is worth keeping. */
    imap_conn_fail(listing->conn);
    post_batch(listing, NULL);
  }
  ok = settle(listing, 0, error) && ok;
  g_queue_clear_full(&listing->todo, range_free);
  g_queue_clear_full(&listing->asked, range_free);
  g_clear_error(&listing->failed);
  g_cond_clear(&listing->cond);
  g_mutex_clear(&listing->mutex);
  return ok;
}

gboolean listing_fetch(Account *account, ImapConn *conn, gint64 mailbox, const ImapSeqset *uids, ImapFetchItems items,
                       gint64 entered, gboolean *ret_changed, GError **error) {
  Listing listing = {.account = account, .conn = conn, .mailbox = mailbox, .entered = entered};
  gboolean ok = fetch_all(&listing, uids, items, error);
  if (ret_changed)
    *ret_changed = listing.changed;
  return ok;
}

ImapFetchItems listing_items(Account *account) {
  return account->config->names_uid ? IMAP_FETCH_LISTING_BARE : IMAP_FETCH_LISTING;
}

/* ---- first listing ------------------------------------------------------------------------------------ */

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
  Listing listing = {.account = account,
                     .conn = conn,
                     .mailbox = first->mailbox.row,
                     .entered = first->mailbox.listed_at ? g_get_real_time() / G_USEC_PER_SEC : 0,
                     .pause = first->pause,
                     .pause_data = first->pause_data};
  gboolean ok = *ret_done || fetch_all(&listing, missing, listing_items(account), error);
  first->paused = listing.paused;
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

gboolean listing_first(Account *account, ImapConn *conn, gint64 row, ListingPause pause, gpointer data,
                       gboolean *ret_paused, GError **error) {
  g_auto(First) first = {.account = account, .removals = removals_new(), .pause_data = data};
  g_auto(ImapMailbox) opened = {0};
  if (!index_get_mailbox(account->index, row, &first.mailbox, error)) {
    if (error && !*error)
      g_set_error(error, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
    return FALSE;
  }
  g_auto(IndexMailbox) any = {.raw = g_strdup(first.mailbox.raw)};
  if (!account_open_mailbox(account, conn, &any, &opened, &first.server, error))
    return FALSE;
  first.opened = &opened;
  first.renumbered = first.mailbox.listed != INDEX_UNLISTED && listing_renumbered(&first.mailbox, &opened);
  if (first.renumbered)
    g_info("folder %" G_GINT64_FORMAT ": the server renumbered its messages; matching them again", row);
  if (first.renumbered && (!drop_bodies(account, row, error) || !forget_uids(&first, error)))
    return FALSE;
  if (!index_write(account->index, INDEX_SYNC, write_begin, &first, error))
    return FALSE;
  /* To match again is begun again after a break, so it must not be broken off by us. */
  first.pause = first.renumbered ? NULL : pause;
  gboolean done = FALSE;
  for (guint round = 0; round < ROUNDS && !done; round++) {
    if (round > 0)
      g_clear_pointer(&first.server, imap_seqset_free);
    if (!look(&first, conn, &done, error))
      return FALSE;
    if (first.paused)
      return *ret_paused = TRUE;
  }
  gboolean removed = FALSE;
  if (!removals_run(account, row, first.gone, &removed, error) ||
      !index_write(account->index, INDEX_SYNC, write_end, &first, error))
    return FALSE;
  removals_tell(first.removals, account, row);
  account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, row, 0, NULL, NULL);
  return TRUE;
}
