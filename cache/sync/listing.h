/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * What the server lists, into the index. Both functions block on the network, own the leased connection while they run,
 * and keep what they had written when they fail, so that the next run goes on from there.
 */

/* Asked now and then: do others need the connection more? */
typedef gboolean (*ListingPause)(gpointer data);

#define LISTING_RANGE 5000 /* messages per command: 1 to 2 MB of answer */

typedef struct {
  Account *account;
  ImapConn *conn;     /* with the mailbox selected */
  gint64 mailbox;     /* its row */
  gint64 entered;     /* as in message_from_fetch() */
  ListingPause pause; /* or NULL */
  gpointer data;
  const ImapSeqset *flags; /* or NULL: also compare the flags of these, in the same flight, */
  guint64 since;           /* where not 0: as far as they changed since this MODSEQ */
  gboolean insist;         /* the server named these UIDs and left them out before: each gets a row now */
  gboolean ret_changed;    /* out: rows came or changed */
  gboolean ret_flags;      /* out: flags of rows changed */
  gboolean ret_refused;    /* out: the server will not tell what changed since */
  gboolean ret_paused;     /* out: it stopped before the end for `pause` */
} ListingJob;

/* Fetches these UIDs and writes them as rows (LISTING, LISTING_BARE). Memory does not grow with the set. */
gboolean listing_fetch(ListingJob *job, const ImapSeqset *uids, ImapFetchItems items, GError **error);

/* First listing of a mailbox, or the rest of one that was cut, or its renewal after the UIDs changed their meaning:
 * then rows are matched again and keep their identity. The mailbox counts as listed only when all is in the index and a
 * last look found nothing new. Where `pause` (or NULL) says so *ret_paused is set, and the next call goes on. */
gboolean listing_first(Account *account, ImapConn *conn, gint64 mailbox, ListingPause pause, gpointer data,
                       gboolean *ret_paused, GError **error);

typedef enum {
  LISTING_SAME,
  LISTING_SUSPICIOUS, /* UIDNEXT or HIGHESTMODSEQ fell, which they never do */
  LISTING_OTHER,      /* the UIDVALIDITY is another, or none, or the mailbox under this name is another although the
                         UIDVALIDITY is the same (DELETE and CREATE within a second) */
} ListingIdentity;

/* What an opening says of the meaning of the UIDs that we know. */
ListingIdentity listing_identity(const IndexMailbox *known, const ImapMailbox *opened);

/* IMAP_FETCH_LISTING, or _BARE under names=uid. */
ImapFetchItems listing_items(Account *account);
