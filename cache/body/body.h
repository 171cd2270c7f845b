/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

#include "cache/index/index.h"

/*
 * The bodies on disk: bodies/XX/ROW, whole or not there. A file without its row in the index (bytes, and the message's
 * size and SHA-256) does not exist. Files are unlinked, never truncated or rewritten, so an fd handed out stays good
 * for ever. No fsync: after an unclean stop, a restored index or a foreign cache directory each body is checked against
 * its hash before its first use, and dropped if it differs. The cache directory may be deleted at any time, also while
 * we run. Thread-safe.
 *
 * Eviction is scan-resistant (a `grep -r` larger than the cache must not empty it): see body_table.c. A body larger
 * than a quarter of cache_size is never kept. Open the store after the index, close it before the index.
 */
typedef struct _BodyStore BodyStore;
typedef struct _BodyTemp BodyTemp;

BodyStore *body_store_open(const char *path, Index *index, guint64 cache_size, guint64 min_free, gboolean distrust,
                           GError **error);
void body_store_close(BodyStore *store);

/* A body that is coming in. NULL: no space or no directory. Not thread-safe. */
BodyTemp *body_begin(BodyStore *store, GError **error);
gboolean body_write(BodyTemp *temp, const void *octets, gsize len, GError **error);
void body_discard(BodyTemp *temp); /* also of NULL */

typedef struct {
  guint64 size;
  guint8 sha256[32];
} BodyDigest;
void body_digest(BodyTemp *temp, BodyDigest *ret); /* after the last write */

/* Makes it the body of this message (replacing one), in place by rename. It is visible to body_open() at once; the
 * index rows (size, hash, body) follow by index_post(). Returns an fd of the octets, the caller's; where it could not
 * be kept (too big for the cache, no space) the fd is of an unlinked file; its offset is at the end. Consumes temp.
 * `ctime` as in index_set_size(). The index may lag by a tenth of a second: call index_flush() before telling anybody
 * of a size that was not the claim. Never -1.
 * `key` is what the octets were asked for by. Where the index says by then that the row is known by another it is not
 * kept: it is the message's that stood there. */
int body_commit(BodyTemp *temp, const IndexKey *key, gint64 ctime, GError **error);

/* An fd, or -1 where there is no body (or it proved wrong and was dropped). Counts as a use. Never waits for the index
 * writer. */
int body_open(BodyStore *store, gint64 row);
gboolean body_present(BodyStore *store, gint64 row);
void body_drop(BodyStore *store, gint64 row);
guint64 body_store_bytes(BodyStore *store); /* of all that is kept */

/* The message of this row may be another than the one whose body this is: from now on it is neither open nor present,
 * until it is released or a new one is committed. The index holds it, too (index_rematch). Call it from the job that
 * does that: before its commit nobody can see the message's new UID. */
void body_hold(BodyStore *store, gint64 row);
/* Compares a held body's header with what the server has: where they are equal it is released, else dropped. Waits for
 * the index. */
gboolean body_prove(BodyStore *store, gint64 row, const void *header, gsize len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BodyStore, body_store_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BodyTemp, body_discard)
