/* SPDX-License-Identifier: MIT */
/*
 * A listing is a queue of ranges, each a set of UIDs to ask for. Two are in flight; what arrives is taken out of its
 * range, made into a row and posted to the index in batches of BATCH rows. At most POSTED batches wait there: then this
 * thread waits too, so that memory is bounded by the disk's pace and not by the folder.
 *
 * A range that ends in NO keeps what it gave; what is left of it is halved, down to one UID, which is
 * then asked for without header fields, and at last is listed with nothing but its UID: a message that a server cannot
 * describe is still a message, and a folder must not be unreadable because of it. A UID left out with a plain OK was
 * expunged.
 */
#include "cache/listing.h"

#include "cache/error.h"
#include "cache/message.h"

#define RANGE 5000 /* messages per command: 1 to 2 MB of answer */
#define FLIGHT 2
#define BATCH 400
#define POSTED 8

typedef struct {
  ImapSeqset *uids; /* not yet answered */
  ImapFetchItems items;
} Range;

typedef struct {
  ListingJob *job;
  Account *account; /* and conn: the job's */
  ImapConn *conn;
  gint64 now;
  GQueue todo;    /* Range* */
  GQueue asked;   /* Range*, oldest first */
  gboolean going; /* a range has been answered */
  struct Batch *batch;
  GMutex mutex; /* guards the rest, shared with the index writer's callbacks */
  GCond cond;
  guint posted;
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
    batch->listing->job->ret_changed = TRUE;
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
  message_from_fetch(fetched, listing->job->mailbox, listing->account->config->names_uid, listing->job->entered,
                     listing->now, &batch->messages[batch->n++]);
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
  if (listing->job->pause && listing->going && listing->todo.length > 0 && !listing->job->ret_paused)
    listing->job->ret_paused = listing->job->pause(listing->job->data);
  return listing->job->ret_paused;
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

/* Whatever the server says of a UID we asked for counts, in any order; what we did not ask for is skipped. */
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
  } while (listing->asked.length > 0 || (listing->todo.length > 0 && !listing->job->ret_paused));
  return post_batch(listing, error);
}

gboolean listing_fetch(ListingJob *job, const ImapSeqset *uids, ImapFetchItems items, GError **error) {
  Listing listing = {.job = job, .account = job->account, .conn = job->conn};
  listing.now = g_get_real_time() / G_USEC_PER_SEC;
  g_mutex_init(&listing.mutex);
  g_cond_init(&listing.cond);
  queue_all(&listing, uids, items);
  gboolean ok = run(&listing, error);
  if (!ok) {
    /* Commands are still in flight: the connection cannot be used for anything else. What arrived is worth keeping. */
    imap_conn_fail(listing.conn);
    post_batch(&listing, NULL);
  }
  ok = settle(&listing, 0, error) && ok;
  g_queue_clear_full(&listing.todo, range_free);
  g_queue_clear_full(&listing.asked, range_free);
  g_clear_error(&listing.failed);
  g_cond_clear(&listing.cond);
  g_mutex_clear(&listing.mutex);
  return ok;
}

ImapFetchItems listing_items(Account *account) {
  return account->config->names_uid ? IMAP_FETCH_LISTING_BARE : IMAP_FETCH_LISTING;
}
