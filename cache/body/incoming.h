/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/body/lane.h"

/*
 * One body on its way in: the sink that imap_fetch_next() writes to, and the door through which a finished body enters
 * the cache. Used by one lane's thread.
 */
typedef struct _Incoming Incoming;

extern const ImapSink incoming_sink;

Incoming *incoming_new(const LaneShared *shared, ImapConn *conn); /* both must outlive it */
void incoming_free(Incoming *incoming);

/* The only body in flight is of this row (0: there are several): where its reader gives up and much is still to come,
 * the connection is dropped. */
void incoming_sole(Incoming *incoming, gint64 row);

/* Why the body that just ended could not be written here, or NULL; the caller's. The server is not to blame. */
GError *incoming_trouble(Incoming *incoming);

/* The body that just ended had octets. Servers send "" for what they cannot read (iCloud, Exchange), and an empty
 * message is none. */
gboolean incoming_filled(Incoming *incoming);

/* Makes the body that just ended, which was asked for by `key`, the body of that message. Returns an fd of it, the
 * caller's, or -1 and an error; `misplaced`: it is another message's body. The exact size is in the index, where it
 * differs from what was shown, before this returns. */
int incoming_accept(Incoming *incoming, const IndexKey *key, gboolean *ret_misplaced, GError **error);
