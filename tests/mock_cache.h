/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/*
 * A cache without a server, for the tests of fs/: a tree in memory that does what the test says. It stands in for
 * cache/ at link time.
 */
typedef enum {
  MOCK_HERE,     /* the body is here */
  MOCK_AWAY,     /* the size is exact; the body comes with mock_deliver() */
  MOCK_CLAIMED,  /* only a claim: OPEN waits for mock_deliver(), too */
  MOCK_FLEETING, /* like MOCK_AWAY; what comes is not kept */
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
void mock_touch(Cache *cache, gint64 folder, gint64 mtime);       /* and CHANGED */
void mock_rewrite(Cache *cache, gint64 row, const char *content); /* and DATA */
void mock_succeed(Cache *cache, gint64 row, gint64 fresh);        /* it was written anew, as that one */
void mock_hear(Cache *cache, gint64 ahead); /* the line has been alive until so many ms from now */

/* What fs/ asked for. */
guint mock_wanted(Cache *cache, gint64 row); /* waiting readers */
guint mock_waits(Cache *cache, gint64 row);  /* how many have begun to wait for this body by OPEN or READ */
guint mock_lookups(Cache *cache);            /* calls of cache_lookup() */
guint mock_lists(Cache *cache);              /* calls of cache_list() */

/* Changes happen at once, unless: */
void mock_deny(Cache *cache, int code);            /* all fail with this CacheError; -1: no longer */
void mock_sending(Cache *cache, gboolean sending); /* what waits for the server waits until */
void mock_sent(Cache *cache, gint64 row);          /* this has been sent; CACHE_ALL: everything */
void mock_errands(Cache *cache);                   /* errands take their time, until */
void mock_errand_done(Cache *cache, int code);     /* the one under way ends with this CacheError; -1: well */
void mock_left(Cache *cache, guint64 changes, const char *trouble);
void mock_crlf(Cache *cache); /* lines get CR LF at the last close, and at the rename of *.tmp; and DATA */
void mock_space(Cache *cache, const CacheSpace *space);

/* What became of it. */
gint64 mock_row(Cache *cache, gint64 folder, const char *name); /* 0: there is none */
char *mock_content(Cache *cache, gint64 row);                   /* what is durable, a new string */
guint mock_flushes(Cache *cache, gint64 row, gboolean *ret_killed);
guint mock_copies(Cache *cache, gint64 row);  /* cache_draft_copy() into it */
gboolean mock_open(Cache *cache, gint64 row); /* somebody has it open for writing */
guint mock_forgotten(Cache *cache);           /* errands that nobody waits for any more */
guint mock_released(Cache *cache);            /* cache_release_brake() */
