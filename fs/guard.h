/* SPDX-License-Identifier: MIT */
#pragma once

#include "fs/fs.h"

/*
 * Takes the signals that end us, and sees to it that the end comes in time. guard_new() blocks them in the caller and
 * so in all threads started later. SIGUSR1 means fs_describe().
 */
typedef struct _Guard Guard;

Guard *guard_new(const char *mountpoint, gboolean hangup); /* hangup: SIGHUP ends us too; else it means fs_retry() */
/* A signal before this ends the process at once, for nothing is mounted yet; from now on it is kept for later. */
void guard_mounting(Guard *guard);
void guard_serving(Guard *guard, Fs *fs); /* a signal means fs_quit() */
void guard_ending(Guard *guard);          /* fs is about to go; whatever happens, it is over in 2 s */
void guard_free(Guard *guard);
