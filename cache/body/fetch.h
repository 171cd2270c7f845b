/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/sync/sync.h"

/* Brings bodies: the list of what is wanted, the lanes that fetch it, and the thread that looks ahead of readers. */
typedef struct _Fetch Fetch;

Fetch *fetch_new(Account *account, Sync *sync);
void fetch_run(Fetch *fetch);  /* starts the threads, once */
void fetch_stop(Fetch *fetch); /* joins; fails who still waits; Account.cancellable must be cancelled */
void fetch_free(Fetch *fetch); /* stopped, or never run */

/* A reader waits: CACHE_EVENT_BODY follows. Never blocks. */
void fetch_wait(Fetch *fetch, const IndexMessage *message);
void fetch_leave(Fetch *fetch, gint64 row, gint64 since); /* as cache_unwant() */
/* A change of ours to this message is done, or undone: who waits for its body finds it where it stands now. Any
 * thread. */
void fetch_settled(Fetch *fetch, gint64 row);
guint fetch_readers(Fetch *fetch); /* that wait */
/* It was opened and was here, or it is read and is not: look where its reader is heading. */
void fetch_opened(Fetch *fetch, gint64 row);
void fetch_missed(Fetch *fetch, const IndexMessage *message);
/* A draft became another size: so says fetch_is_resized() of it. */
void fetch_resized(Fetch *fetch, gint64 row);
/* The size that the kernel may hold is wrong, until fetch_shown(): its attributes are about to be sent again. */
gboolean fetch_is_resized(Fetch *fetch, gint64 row);
void fetch_shown(Fetch *fetch, gint64 row);
