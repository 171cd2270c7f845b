/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/sync/sync.h"

/*
 * What a user waits for and the server has to do now: mkdir, and the rename of a folder. One thread, one errand at a
 * time, each at most ERRAND_WAIT long; what comes too late is seen by the next sweep. Offline it fails at once.
 */
typedef struct _Errands Errands;
#define ERRAND_WAIT (5 * G_USEC_PER_SEC)

Errands *errands_new(Account *account, Sync *sync);
void errands_run(Errands *errands);
void errands_stop(Errands *errands); /* joins; Account.cancellable must be cancelled */
void errands_free(Errands *errands);

/* Tickets; CACHE_EVENT_DONE of ERRAND follows. */
gint64 errands_make(Errands *errands, gint64 parent, const char *name);
gint64 errands_rename(Errands *errands, gint64 folder, gint64 to_parent, const char *to_name);
/* READY (*ret_row: the folder), WAIT or FAILED. Ends the ticket unless WAIT. */
CacheAnswer errands_take(Errands *errands, gint64 ticket, gint64 *ret_row, GError **error);
void errands_forget(Errands *errands, gint64 ticket);
