/* SPDX-License-Identifier: MIT */
#pragma once

/* The insides of the mock, for its two files. */
#include "tests/mock_cache.h"

typedef struct {
  CacheKind kind;
  gint64 row, parent;
  char *name;
  gboolean gone;
  gint64 mtime;
  gint64 successor; /* or 0 */

  GString *content; /* message: what is durable */
  MockState state;
  guint64 claim;
  guint wanted, waits;
  CacheDraft *draft;
  char *flags;
  guint flushes, copies;
  gboolean killed; /* the last of them */

  CacheAnswer listed; /* folder */
  GArray *children;   /* gint64 */
  gsize many;
  guint subfolders;
} Node;

struct _CacheDraft {
  Cache *cache;
  gint64 row;
  guint handles;
  GString *octets;
};

struct _Cache {
  const CacheConfig *config;
  GMutex mutex; /* guards all below */
  GCond wake;
  GPtrArray *nodes;
  GQueue events;
  gboolean stopped;
  gint64 heard;
  guint lookups, lists;

  int denied; /* CacheError of every change, or -1 */
  gboolean sending, errands, crlf;
  gint64 ticket;
  int outcome; /* CacheError of the errand under way, 0: it goes on, -1: done well */
  guint forgotten, released;
  CacheLeft left;
  CacheSpace space;
};

#define LOCKED(cache) G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&(cache)->mutex)

/* With the mutex held. */
Node *mock_get(Cache *cache, gint64 row);
Node *mock_find(Cache *cache, gint64 folder, const char *name);
Node *mock_add(Cache *cache, CacheKind kind, gint64 parent, const char *name);
void mock_detach(Cache *cache, Node *node); /* from its folder */
void mock_attach(Cache *cache, Node *node, gint64 folder, const char *name);
void mock_push(Cache *cache, CacheEventType type, const Node *node, GError *error, int fd);
void mock_push_done(Cache *cache, CacheKind kind, gint64 row, GError *error);
void mock_fill(const Node *node, CacheEntry *ret);
