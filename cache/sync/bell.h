/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/sync/agenda.h"

/* What a piece of news means: which folder is spoken of, and whether that is anything new. Used by the watching thread
 * alone. */
typedef struct _Bell Bell;

Bell *bell_new(Account *account, Agenda *agenda);
void bell_free(Bell *bell);

void bell_begin(Bell *bell); /* on a new connection */
gboolean bell_find(Bell *bell, const char *raw, IndexMailbox *ret);
/* The server says this of a mailbox: it is verified by that, or it is news. */
void bell_status(Bell *bell, const ImapStatus *status);
void bell_compare(Bell *bell, const IndexMailbox *mailbox, const ImapStatus *status);
/* IDLE: something moved in this folder; `flags`: nothing but those of a message. */
void bell_moved(Bell *bell, gint64 row, gboolean flags);
/* After this the server may tell less, until it is asked anew: once for each such change. */
gboolean bell_must_begin_again(Bell *bell, const ImapStatus *status);
/* The same, after this name: it was told to be gone, and is there again. */
gboolean bell_was_made_anew(Bell *bell, const ImapListing *listing);
/* `told`: an ImapStatus of each mailbox there is. The index has one more. */
gboolean bell_lacks_one(Bell *bell, const GPtrArray *told);
