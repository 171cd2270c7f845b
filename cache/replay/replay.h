/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/sync/sync.h"

/* Sends the journal to the server. One thread; connections of SYNC for what is small, of BULK for what is not. */
typedef struct _Replay Replay;

/* Claims the mailboxes of what is UNKNOWN, so comes before anybody looks at one. */
Replay *replay_new(Account *account, Sync *sync);
/* `settled` is called for each message when a change to it is done or undone. From the replay's thread, without a lock;
 * set it before replay_run(). */
void replay_call_settled(Replay *replay, void (*settled)(gint64 row, gpointer data), gpointer data);
void replay_run(Replay *replay);  /* starts the thread, once */
void replay_stop(Replay *replay); /* joins; Account.cancellable must be cancelled. What was not sent stays */
void replay_free(Replay *replay);

void replay_wake(Replay *replay); /* something was written. Any thread, never blocks */
/* What was put off is tried now: the user says so. Likewise. */
void replay_hurry(Replay *replay);
gboolean replay_trouble(Replay *replay, char **ret); /* why nothing moves, a clean line, a new string. FALSE: it does */

/* From now on CACHE_EVENT_DONE of JOURNAL `as` tells that this row (0: everything) is on the server, or why not; of
 * everything once nothing is left. FALSE: it is known that it cannot be reached. */
gboolean replay_await(Replay *replay, gint64 row, gint64 as, GError **error);
/* What was to be sent of this row is not to be any more: a user removed or replaced it. Who waits for it is told. */
void replay_taken_back(Replay *replay, gint64 row);
