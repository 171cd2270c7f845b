/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/index/index.h"

/*
 * index.db.backup beside the index: a copy of it, at most a day old after a day of use. It is for the case that the
 * index is damaged (cache/index/index_salvage.h); names that users gave and what was not sent yet are nowhere else.
 */
typedef struct _IndexBackup IndexBackup;

#define INDEX_BACKUP_EVERY (24 * 3600) /* seconds */
#define INDEX_BACKUP "index.db.backup"

IndexBackup *index_backup_run(Index *index); /* starts the thread; the index must outlive it */
/* Ends a copy that is under way, joins, and where a copy is due makes one if that takes no longer than `most` µs. */
void index_backup_stop(IndexBackup *backup, gint64 most);

/* Makes a copy now and puts it in the place of the last one, which stays where that fails. Blocks nobody who writes.
 * Ends with CANCELLED once *cancelled (atomic), or at `until` (monotonic µs; 0: never). */
gboolean index_back_up(Index *index, const gint *cancelled, gint64 until, GError **error);
gboolean index_backup_is_due(Index *index); /* the last one is old, or there is none */
