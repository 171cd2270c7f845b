/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/*
 * A cache without a server, for the tests of fs/: a tree in memory that does what the test says. It stands in for
 * cache/ at link time.
 */
typedef enum {
  MOCK_HERE,    /* the body is here */
  MOCK_AWAY,    /* the size is exact; the body comes with mock_deliver() */
  MOCK_CLAIMED, /* only a claim: OPEN waits for mock_deliver(), too */
} MockState;

Cache *mock_new(void);
gint64 mock_folder(Cache *cache, gint64 parent, const char *name);
gint64 mock_message(Cache *cache, gint64 folder, const char *name, const char *content);
void mock_many(Cache *cache, gint64 folder, gsize n); /* n more messages "%07zu.eml", which take no memory */

void mock_state(Cache *cache, gint64 row, MockState state, guint64 claim);
void mock_listed(Cache *cache, gint64 folder, CacheAnswer answer); /* READY, STALE or WAIT (never listed) */

/* What comes from the server. */
void mock_deliver(Cache *cache, gint64 row);
void mock_deliver_listing(Cache *cache, gint64 folder);
void mock_fail(Cache *cache, CacheKind kind, gint64 row, CacheError code);
void mock_remove(Cache *cache, gint64 row);
void mock_rename(Cache *cache, gint64 row, const char *name);
void mock_touch(Cache *cache, gint64 folder, gint64 mtime); /* and CHANGED */
void mock_hear(Cache *cache);

/* What fs/ asked for. */
guint mock_wanted(Cache *cache, gint64 row); /* waiting readers */
guint mock_lookups(Cache *cache);            /* calls of cache_lookup() */
guint mock_lists(Cache *cache);              /* calls of cache_list() */
