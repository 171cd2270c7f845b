/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * What the server lists, into the index. Both functions block on the network, own the leased connection while they run,
 * and keep what they had written when they fail, so that the next run goes on from there.
 */

/* Fetches these UIDs of the selected mailbox and writes them as rows (LISTING, LISTING_BARE) or as new flags of
 * rows (FLAGS). Memory does not grow with the set. `entered` as in message_from_fetch(). ret_changed may be NULL. */
gboolean listing_fetch(Account *account, ImapConn *conn, gint64 mailbox, const ImapSeqset *uids, ImapFetchItems items,
                       gint64 entered, gboolean *ret_changed, GError **error);

/* First listing of a mailbox, or the rest of one that was cut, or its renewal after the UIDs changed their meaning:
 * then rows are matched again and keep their identity. The mailbox counts as listed only when all is in the index and a
 * last look found nothing new. `pause` (or NULL) is asked now and then whether others need the connection: then
 * *ret_paused is set, and the next call goes on. */
typedef gboolean (*ListingPause)(gpointer data);
gboolean listing_first(Account *account, ImapConn *conn, gint64 mailbox, ListingPause pause, gpointer data,
                       gboolean *ret_paused, GError **error);

/* The UIDs in the index no longer mean what they meant: the UIDVALIDITY is another, or none, or the mailbox under this
 * name is another although the UIDVALIDITY is the same (DELETE and CREATE within a second, measured S5). */
gboolean listing_renumbered(const IndexMailbox *known, const ImapMailbox *opened);

/* IMAP_FETCH_LISTING, or _BARE under names=uid. */
ImapFetchItems listing_items(Account *account);
