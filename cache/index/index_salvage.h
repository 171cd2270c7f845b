/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/index/index_private.h"

/*
 * A damaged index.db. It is set aside, and what can be read of it, and of the last copy (cache/index/index_backup.h),
 * becomes the new one: rows keep their numbers, and with them inodes and the names that users gave; what was not sent
 * yet is sent, or stands in lost+found. Used by index_open() alone, before the writer runs.
 *
 *   index.db ── damaged ──▶ index.db.salvaging ── read out, durably ──▶ index.db.corrupt-N
 *
 * While there is an index.db.salvaging, index.db is half made: the next run begins again.
 */
gboolean index_salvage_pending(int dirfd);
gboolean index_salvage_set_aside(int dirfd, GError **error);
gboolean index_salvage_clear(int dirfd, GError **error); /* what an attempt has made that was cut off */
gboolean index_salvage(Index *index, GError **error);    /* into this one, which is empty */

/* The octets in the journal are those that were written: SQLite has no checksums, and a letter nobody else has is in
 * there. */
gboolean index_octets_whole(IndexDb *db, gboolean *ret, GError **error);

/* The journal is older than what the server was told: what says that it was not sent may have been. It is looked for
 * before it is sent. */
gboolean index_doubt_uploads(IndexTxn *txn, GError **error);
