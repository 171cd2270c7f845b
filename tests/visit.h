/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/*
 * An account as fs/ and a few programs would use it: `ls`, then `cat` of what was listed. One Visit has one user. No
 * wait is longer than VISIT_PATIENCE; one that would be is a hang: VISIT_HANGS, and no call does anything any more.
 * Outside tests' threads too, so nothing here is an assertion of Check.
 */
#define VISIT_PATIENCE (150 * G_USEC_PER_SEC) /* over IMAP_TIMEOUT_SESSION */

typedef struct _Visit Visit;

typedef enum { VISIT_OK, VISIT_FAILED, VISIT_HANGS } VisitResult; /* FAILED: an error that a program would see */

Visit *visit_new(const CacheConfig *config, GError **error); /* cache_open() and cache_start() */
void visit_free(Visit *visit);
Cache *visit_cache(Visit *visit);
gint64 visit_inbox(Visit *visit); /* row; 0: no such folder */

/* opendir(), which waits for a refresh. FAILED also where the refresh did, and the folder can be listed all the same */
VisitResult visit_open_folder(Visit *visit, gint64 folder, GError **error);
/* All entries, as CacheEntry. FAILED: the first listing did */
VisitResult visit_list(Visit *visit, gint64 folder, GArray **ret, GError **error);
VisitResult visit_read(Visit *visit, const CacheEntry *entry, GBytes **ret, GError **error);
/* Until all is on the server. FAILED: it is not after `patience`, and why. */
VisitResult visit_drain(Visit *visit, gint64 patience, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Visit, visit_free)
