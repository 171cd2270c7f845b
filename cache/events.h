/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/* The queue of news for fs/: unbounded, and coalescing by (type, kind, row): of two equal ones the later error and fd
 * win. Thread-safe; push never blocks. */
typedef struct _CacheEvents CacheEvents;

CacheEvents *cache_events_new(void);
void cache_events_free(CacheEvents *events);
void cache_events_push(CacheEvents *events, CacheEvent *event);  /* takes what it holds and clears it */
gboolean cache_events_pop(CacheEvents *events, CacheEvent *ret); /* blocks; FALSE: closed and empty */
void cache_events_close(CacheEvents *events);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheEvents, cache_events_free)
