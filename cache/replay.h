/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/sync.h"

/* Sends the journal to the server. One thread; connections of PROMPT for what is small, of BULK for what is not. */
typedef struct _Replay Replay;

Replay *replay_new(Account *account, Sync *sync);
void replay_run(Replay *replay);  /* starts the thread */
void replay_stop(Replay *replay); /* joins; Account.cancellable must be cancelled. What was not sent stays */
void replay_free(Replay *replay);

void replay_wake(Replay *replay);                    /* something was written. Any thread, never blocks */
gboolean replay_trouble(Replay *replay, char **ret); /* why nothing moves, a clean line, a new string. FALSE: it does */
