/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/agenda.h"

/*
 * Keeps folders true: two threads. One watches (refreshes of listed folders, the sweep over all, reconnecting), one
 * makes first listings, so that a folder of a million messages holds up nobody's `ls` elsewhere. Both take their work
 * from here.
 */
typedef struct _Sync Sync;

Sync *sync_new(Account *account);
void sync_stop(Sync *sync); /* joins the threads; Account.cancellable must be cancelled */
void sync_free(Sync *sync); /* stopped, or never run */

/* The first conversation of this mount: log in; then learn the folders. Both block; before sync_run(). */
gboolean sync_login(Sync *sync, GError **error);
gboolean sync_first(Sync *sync, GError **error);
void sync_run(Sync *sync); /* starts the threads */

/* FRESH: verified within `refresh` seconds. Else the work is queued, and CACHE_EVENT_FOLDER tells how it ended. */
SyncAnswer sync_want(Sync *sync, const IndexMailbox *mailbox);
/* Something contradicted what we hold of this folder: look now. */
void sync_doubt(Sync *sync, gint64 mailbox);
/* A user waits while we are offline: try the line again now (at most every few seconds). */
void sync_kick(Sync *sync);
/* The same, and refused logins are forgotten: the user says so. */
void sync_retry(Sync *sync);
