/* SPDX-License-Identifier: MIT */
/*
 * A listing is a queue of ranges, each a set of UIDs to ask for. Two are in flight; what arrives is taken out of its
 * range and posted to the index.
 *
 * A range that ends in NO keeps what it gave; what is left of it is halved, down to one UID, which is then asked for
 * without header fields, and at last is listed with nothing but its UID: a message that a server cannot describe is
 * still a message, and a folder must not be unreadable because of it. A UID left out with a plain OK was expunged,
 * unless the server goes on naming it (`insist`): then it is treated like a refused one. One at which the line is lost
 * time and again (stumble.c) comes after all others, and at last is not asked for either.
 */
#include "cache/sync/listing.h"

#include "cache/sync/posting.h"

#define FLIGHT 2
#define TEXT (IMAP_LIMIT_COMMAND - 400) /* of a set in a command */

typedef struct {
  ImapSeqset *uids; /* not yet answered; where `since` is set, all that are asked about */
  ImapFetchItems items;
  guint64 since;
  gboolean alone; /* nothing else is to be in flight with it, or that would get the blame */
} Range;

typedef struct {
  ListingJob *job;
  Account *account; /* and conn: the job's */
  ImapConn *conn;
  Posting *rows, *flags;
  GQueue todo;    /* Range* */
  GQueue asked;   /* Range*, oldest first */
  gboolean going; /* a range has been answered */
} Listing;

/* ---- ranges ------------------------------------------------------------------------------------------ */

static void range_free(gpointer data) {
  Range *range = data;
  imap_seqset_free(range->uids);
  g_free(range);
}

static Range *queue_range(Listing *listing, ImapSeqset *uids, ImapFetchItems items, guint64 since) {
  Range *range = g_new(Range, 1);
  *range = (Range){.uids = uids, .items = items, .since = since};
  g_queue_push_tail(&listing->todo, range);
  return range;
}

static void queue_all(Listing *listing, const ImapSeqset *uids, ImapFetchItems items) {
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(uids);
  while (!imap_seqset_empty(rest))
    queue_range(listing, imap_seqset_take(rest, LISTING_RANGE, TEXT), items, 0);
}

static gboolean list_alone(Listing *listing, guint32 uid, GError **error) {
  g_warning("the server cannot describe message %u; it is listed by its UID alone", uid);
  ImapMessage bare = {.has = IMAP_HAS_UID, .uid = uid, .internaldate = IMAP_UNKNOWN_DATE};
  return posting_add(listing->rows, &bare, error);
}

static gboolean queue_rows(Listing *listing, const ImapSeqset *uids, ImapFetchItems items, GError **error) {
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(uids), last = imap_seqset_new();
  guint32 uid = 0;
  Stumble stumble = stumbles_at(listing->account->stumbles, listing->job->mailbox, &uid);
  gboolean falls = stumble != STUMBLE_NONE && imap_seqset_contains(uids, uid);
  if (falls)
    imap_seqset_remove(rest, uid, uid);
  queue_all(listing, rest, items);
  if (falls && stumble == STUMBLE_SKIP)
    return list_alone(listing, uid, error);
  if (falls) {
    imap_seqset_add(last, uid, uid);
    queue_range(listing, g_steal_pointer(&last), IMAP_FETCH_LISTING_BARE, 0)->alone = TRUE;
  }
  return TRUE;
}

/* Only what changed is answered, so one command is enough; and one that names more than it must, where the set is too
 * full of holes for a line. */
static void queue_since(Listing *listing, const ImapSeqset *uids, guint64 since) {
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(uids);
  g_autoptr(ImapSeqset) fits = imap_seqset_take(rest, G_MAXUINT64, TEXT);
  if (!imap_seqset_empty(rest)) {
    gsize n = 0;
    const ImapRange *ranges = imap_seqset_ranges(uids, &n);
    imap_seqset_add(fits, ranges[0].first, ranges[n - 1].last);
  }
  if (!imap_seqset_empty(fits))
    queue_range(listing, g_steal_pointer(&fits), IMAP_FETCH_FLAGS, since);
}

/* Not before something was gained: two large folders would otherwise take turns for ever. */
static gboolean is_paused(Listing *listing) {
  if (listing->job->pause && listing->going && listing->todo.length > 0 && !listing->job->ret_paused)
    listing->job->ret_paused = listing->job->pause(listing->job->data);
  return listing->job->ret_paused;
}

static gboolean may_ask(const Listing *listing) {
  const Range *next = g_queue_peek_head((GQueue *)&listing->todo),
              *flying = g_queue_peek_head((GQueue *)&listing->asked);
  return next && listing->asked.length < FLIGHT && !(flying && (next->alone || flying->alone));
}

static gboolean ask(Listing *listing, GError **error) {
  while (may_ask(listing) && !is_paused(listing)) {
    Range *range = g_queue_pop_head(&listing->todo);
    g_queue_push_tail(&listing->asked, range);
    GCancellable *c = listing->account->cancellable;
    if (range->since ? !imap_fetch_send_since(listing->conn, range->uids, range->since, c, error)
                     : !imap_fetch_send(listing->conn, range->uids, range->items, c, error))
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
    if (range->since)
      return posting_add(listing->flags, fetched, error);
    /* A flag update pushed between is no listing: dates and size are still to come. */
    if (range->items != IMAP_FETCH_FLAGS && !(fetched->has & (IMAP_HAS_DATE | IMAP_HAS_SIZE | IMAP_HAS_HEADER)))
      return TRUE;
    imap_seqset_remove(range->uids, fetched->uid, fetched->uid);
    return posting_add(range->items == IMAP_FETCH_FLAGS ? listing->flags : listing->rows, fetched, error);
  }
  return TRUE;
}

static gboolean list_unknown(Listing *listing, Range *range, GError **error) {
  gsize n = 0;
  const ImapRange *uids = imap_seqset_ranges(range->uids, &n);
  if (n == 0 || range->items == IMAP_FETCH_FLAGS)
    return TRUE;
  return list_alone(listing, uids->first, error);
}

/* What the oldest command left out is asked for again, in halves. */
static gboolean halve(Listing *listing, Range *range, GError **error) {
  guint64 count = imap_seqset_count(range->uids);
  if (count > 1) {
    queue_range(listing, imap_seqset_take(range->uids, count / 2, TEXT), range->items, 0);
    queue_range(listing, g_steal_pointer(&range->uids), range->items, 0);
  } else if (range->items == IMAP_FETCH_LISTING) {
    queue_range(listing, g_steal_pointer(&range->uids), IMAP_FETCH_LISTING_BARE, 0);
  } else {
    return list_unknown(listing, range, error);
  }
  return TRUE;
}

/* Only what breaks the line may be a message's doing, or a "later" that is not said to the account as a whole: the
 * mailbox could be opened and searched a moment ago. */
static gboolean may_be_its_fault(const Listing *listing, const GError *error) {
  static const int codes[] = {IMAP_ERROR_NETWORK, IMAP_ERROR_PROTOCOL, IMAP_ERROR_LIMIT};
  for (guint i = 0; i < G_N_ELEMENTS(codes); i++)
    if (g_error_matches(error, IMAP_ERROR, codes[i]))
      return TRUE;
  return g_error_matches(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE) && !imap_pool_is_paused(listing->account->pool);
}

static void note_fall(Listing *listing, const Range *range, const GError *error) {
  gsize n = 0;
  const ImapRange *uids = range && range->items != IMAP_FETCH_FLAGS ? imap_seqset_ranges(range->uids, &n) : NULL;
  if (n > 0 && may_be_its_fault(listing, error))
    stumbles_note(listing->account->stumbles, listing->job->mailbox, uids->first);
}

static gboolean refusal_is_temporary(const GError *error) {
  return g_error_matches(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE);
}

static gboolean insists(const Listing *listing, const Range *range) {
  return listing->job->insist && range->items != IMAP_FETCH_FLAGS;
}

static gboolean finish_range(Listing *listing, GError *refused, GError **error) {
  Range *range = g_queue_pop_head(&listing->asked);
  gboolean ok = TRUE;
  listing->going = TRUE;
  if (refused && refusal_is_temporary(refused)) {
    note_fall(listing, range, refused);
    g_propagate_error(error, g_error_copy(refused));
    ok = FALSE;
  } else if (refused && range->since) {
    g_info("CHANGEDSINCE was refused: %s", refused->message);
    listing->job->ret_refused = TRUE;
  } else if ((refused || insists(listing, range)) && !imap_seqset_empty(range->uids)) {
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
    note_fall(listing, g_queue_peek_head(&listing->asked), refused);
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
  return TRUE;
}

gboolean listing_fetch(ListingJob *job, const ImapSeqset *uids, ImapFetchItems items, GError **error) {
  g_autoptr(Posting) rows = posting_new(job->account, job->mailbox, POSTING_ROWS, job->entered);
  g_autoptr(Posting) flags = posting_new(job->account, job->mailbox, POSTING_FLAGS, 0);
  Listing listing = {.job = job, .account = job->account, .conn = job->conn, .rows = rows, .flags = flags};
  gboolean ok = queue_rows(&listing, uids, items, error);
  if (job->flags && job->since)
    queue_since(&listing, job->flags, job->since);
  else if (job->flags)
    queue_all(&listing, job->flags, IMAP_FETCH_FLAGS);
  ok = ok && run(&listing, error);
  /* Commands are still in flight: the connection cannot be used for anything else. What arrived is worth keeping. */
  if (!ok)
    imap_conn_fail(listing.conn);
  ok = posting_end(rows, &job->ret_changed, ok ? error : NULL) && ok;
  ok = posting_end(flags, &job->ret_flags, ok ? error : NULL) && ok;
  g_queue_clear_full(&listing.todo, range_free);
  g_queue_clear_full(&listing.asked, range_free);
  return ok;
}

ImapFetchItems listing_items(Account *account) {
  return account->config->names_uid ? IMAP_FETCH_LISTING_BARE : IMAP_FETCH_LISTING;
}
