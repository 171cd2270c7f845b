/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/sync/agenda.h"

/*
 * Keeps folders true. The syncing thread does what the agenda says: sweeps over all folders and deltas of one, each on
 * a connection leased for it alone. The watching thread rings, the listing thread makes first listings, and one more
 * notices when the network changes. What they share is the agenda.
 */
typedef struct _Sync Sync;

Sync *sync_new(Account *account);
void sync_run(Sync *sync); /* starts the threads, and with them the first conversation */
/* No new work. Comes before Account.cancellable is cancelled, or each thread would try on and on. */
void sync_close(Sync *sync);
void sync_stop(Sync *sync); /* joins the threads; Account.cancellable must be cancelled */
void sync_free(Sync *sync); /* stopped, or never run */

/* How far the first conversation of this mount has come: logged in; the folders learnt. Blocks until then, or until it
 * has failed, or until the deadline (monotonic µs). */
typedef enum { SYNC_LOGGED_IN = 1, SYNC_LEARNT } SyncStep;
typedef enum { SYNC_REACHED, SYNC_FAILED, SYNC_LATE } SyncOutcome;
SyncOutcome sync_await(Sync *sync, SyncStep step, gint64 deadline, GError **error);

void sync_mounted(Sync *sync); /* from now on the log is told how the line is */

/* FRESH: nothing speaks against what we hold. Else the work is queued, and CACHE_EVENT_FOLDER tells how it ended. */
SyncAnswer sync_want(Sync *sync, const IndexMailbox *mailbox);
/* The same, for who reads flags and waits for nothing. */
void sync_want_flags(Sync *sync, const IndexMailbox *mailbox);
/* Something contradicted what we hold of this folder: look now. */
void sync_doubt(Sync *sync, gint64 mailbox);
void sync_look_again(Sync *sync); /* a folder is not where it was: LIST it all */
/* `call` is called whenever a connection was had after there was none, or a folder was listed. From any thread, without
 * a lock; set it before sync_run(). */
void sync_call_online(Sync *sync, void (*call)(gpointer data), gpointer data);
void sync_freed(Sync *sync, gint64 mailbox); /* a claim that stood in the way is no more. Any thread */
/* A user waits while we are offline: try the line again now (at most every few seconds). */
void sync_kick(Sync *sync);
/* The same, and refused logins are forgotten: the user says so. Connections are made anew, everything is looked at. */
void sync_retry(Sync *sync);
void sync_look(Sync *sync, AgendaState *ret); /* for people */
