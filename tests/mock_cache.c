/* SPDX-License-Identifier: MIT */
/*
 * cache/cache.h over a tree in memory. Rows count from 1 (the root). Nothing comes by itself: bodies and listings that
 * are away come when the test says so.
 */
#include "tests/mock_cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MANY_SHIFT 32 /* virtual messages: folder row above, 1-based position below */

typedef struct {
  CacheKind kind;
  gint64 row, parent;
  char *name, *content;
  gboolean gone;
  gint64 mtime;
  MockState state; /* message */
  guint64 claim;
  guint wanted;
  CacheAnswer listed; /* folder */
  GArray *children;   /* gint64 */
  gsize many;
  guint subfolders;
} Node;

struct _Cache {
  const CacheConfig *config;
  GMutex mutex; /* guards all below */
  GCond wake;
  GPtrArray *nodes;
  GQueue events;
  gboolean stopped;
  gint64 heard;
  guint lookups, lists;
};

G_DEFINE_QUARK(mock - cache - error - quark, cache_error)

static void node_free(gpointer data) {
  Node *node = data;
  g_free(node->name);
  g_free(node->content);
  if (node->children)
    g_array_unref(node->children);
  g_free(node);
}

static Node *get(Cache *cache, gint64 row) {
  return row >= 1 && row <= cache->nodes->len ? g_ptr_array_index(cache->nodes, row - 1) : NULL;
}

static Node *add(Cache *cache, CacheKind kind, gint64 parent, const char *name) {
  Node *node = g_new0(Node, 1), *above = get(cache, parent);
  g_ptr_array_add(cache->nodes, node);
  node->kind = kind;
  node->row = cache->nodes->len;
  node->parent = parent;
  node->name = g_strdup(name);
  node->mtime = G_GINT64_CONSTANT(1763900000123456789) + node->row;
  node->listed = CACHE_READY;
  if (kind == CACHE_FOLDER)
    node->children = g_array_new(FALSE, FALSE, sizeof(gint64));
  if (above) {
    g_array_append_val(above->children, node->row);
    above->subfolders += kind == CACHE_FOLDER;
  }
  return node;
}

static void push(Cache *cache, CacheEventType type, const Node *node, GError *error, int fd) {
  CacheEvent *event = g_new0(CacheEvent, 1);
  event->type = type;
  event->kind = node->kind;
  event->row = node->row;
  event->parent = node->parent;
  event->name = g_strdup(node->name);
  event->fd = fd;
  event->error = error;
  g_queue_push_tail(&cache->events, event);
  g_cond_signal(&cache->wake);
}

static int body(const Node *node) {
  int fd = memfd_create("body", MFD_CLOEXEC);
  gsize len = strlen(node->content);
  if (fd < 0 || write(fd, node->content, len) != (gssize)len)
    g_error("memfd: %s", g_strerror(errno));
  return fd;
}

static void fill(const Node *node, CacheEntry *ret) {
  gboolean message = node->kind == CACHE_MESSAGE;
  *ret = (CacheEntry){
      .kind = node->kind,
      .row = node->row,
      .parent = node->parent,
      .size = !message                      ? 0
              : node->state == MOCK_CLAIMED ? node->claim
                                            : strlen(node->content),
      .shown = !message || node->state != MOCK_CLAIMED || node->claim != 0,
      .mtime = node->mtime,
      .ctime = node->mtime,
      .nlink = node->gone ? 0
               : message  ? 1
                          : 2 + node->subfolders,
  };
  g_strlcpy(ret->name, node->name ? node->name : "", sizeof ret->name);
}

static void fill_many(gint64 folder, gsize position, CacheEntry *ret) {
  *ret = (CacheEntry){
      .kind = CACHE_MESSAGE,
      .row = folder << MANY_SHIFT | (gint64)position,
      .parent = folder,
      .size = 1000,
      .shown = TRUE,
      .nlink = 1,
  };
  g_snprintf(ret->name, sizeof ret->name, "%07zu.eml", position);
}

/* ---- commands of the test --------------------------------------------------------------------------- */
Cache *mock_new(void) {
  Cache *cache = g_new0(Cache, 1);
  g_mutex_init(&cache->mutex);
  g_cond_init(&cache->wake);
  cache->nodes = g_ptr_array_new_with_free_func(node_free);
  add(cache, CACHE_FOLDER, 0, "");
  return cache;
}

#define LOCKED(cache) G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&(cache)->mutex)

gint64 mock_folder(Cache *cache, gint64 parent, const char *name) {
  LOCKED(cache);
  return add(cache, CACHE_FOLDER, parent, name)->row;
}

gint64 mock_message(Cache *cache, gint64 folder, const char *name, const char *content) {
  LOCKED(cache);
  Node *node = add(cache, CACHE_MESSAGE, folder, name);
  node->content = g_strdup(content);
  return node->row;
}

void mock_many(Cache *cache, gint64 folder, gsize n) {
  LOCKED(cache);
  get(cache, folder)->many = n;
}

void mock_state(Cache *cache, gint64 row, MockState state, guint64 claim) {
  LOCKED(cache);
  get(cache, row)->state = state;
  get(cache, row)->claim = claim;
}

void mock_listed(Cache *cache, gint64 folder, CacheAnswer answer) {
  LOCKED(cache);
  get(cache, folder)->listed = answer;
}

void mock_deliver(Cache *cache, gint64 row) {
  LOCKED(cache);
  Node *node = get(cache, row);
  if (node->state != MOCK_CLAIMED || node->claim == strlen(node->content))
    node->state = MOCK_HERE;
  node->wanted = 0;
  push(cache, CACHE_EVENT_BODY, node, NULL, body(node));
  if (node->state == MOCK_CLAIMED) { /* the next OPEN is STALE, the one after it READY; a LOOKUP shows the truth */
    node->state = MOCK_HERE;
    node->claim = node->claim ? G_MAXUINT64 : 0;
    push(cache, CACHE_EVENT_ATTR, node, NULL, -1);
  }
}

void mock_deliver_listing(Cache *cache, gint64 folder) {
  LOCKED(cache);
  Node *node = get(cache, folder);
  node->listed = CACHE_READY;
  push(cache, CACHE_EVENT_FOLDER, node, NULL, -1);
}

void mock_fail(Cache *cache, CacheKind kind, gint64 row, CacheError code) {
  LOCKED(cache);
  Node *node = get(cache, row);
  node->wanted = 0;
  push(cache, kind == CACHE_FOLDER ? CACHE_EVENT_FOLDER : CACHE_EVENT_BODY, node,
       g_error_new(CACHE_ERROR, code, "the test says no"), -1);
}

void mock_remove(Cache *cache, gint64 row) {
  LOCKED(cache);
  Node *node = get(cache, row), *above = get(cache, node->parent);
  node->gone = TRUE;
  for (guint i = 0; i < above->children->len; i++)
    if (g_array_index(above->children, gint64, i) == row)
      g_array_remove_index(above->children, i);
  above->mtime++;
  push(cache, CACHE_EVENT_REMOVED, node, NULL, -1);
  push(cache, CACHE_EVENT_CHANGED, above, NULL, -1);
}

void mock_rename(Cache *cache, gint64 row, const char *name) {
  LOCKED(cache);
  Node *node = get(cache, row), *above = get(cache, node->parent);
  push(cache, CACHE_EVENT_MOVED, node, NULL, -1);
  g_free(node->name);
  node->name = g_strdup(name);
  above->mtime++;
  push(cache, CACHE_EVENT_CHANGED, above, NULL, -1);
}

void mock_touch(Cache *cache, gint64 folder, gint64 mtime) {
  LOCKED(cache);
  get(cache, folder)->mtime = mtime;
  push(cache, CACHE_EVENT_CHANGED, get(cache, folder), NULL, -1);
}

void mock_hear(Cache *cache) {
  LOCKED(cache);
  cache->heard = g_get_monotonic_time();
}

guint mock_wanted(Cache *cache, gint64 row) {
  LOCKED(cache);
  return get(cache, row)->wanted;
}

guint mock_lookups(Cache *cache) {
  LOCKED(cache);
  return cache->lookups;
}

guint mock_lists(Cache *cache) {
  LOCKED(cache);
  return cache->lists;
}

/* ---- cache.h ---------------------------------------------------------------------------------------- */
/* The tree of build/tests/imapfs-mock. */
Cache *cache_open(const CacheConfig *config, GError **error) {
  if (g_str_equal(config->host, "locked.example")) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCKED, "%s@%s is mounted already, on /elsewhere", config->user,
                config->host);
    return NULL;
  }
  Cache *cache = mock_new();
  cache->config = config;
  gint64 inbox = mock_folder(cache, 1, "INBOX"), archive = mock_folder(cache, 1, "Archive");
  mock_message(cache, inbox, "2026-11-21_Ann_Hello.1.eml", "Subject: Hello\r\n\r\nHello, world.\r\n");
  gint64 never = mock_message(cache, inbox, "2026-11-21_Bob_Never.2.eml", "Subject: Never\r\n\r\n");
  mock_state(cache, never, MOCK_AWAY, 0);
  mock_many(cache, archive, 1000000);
  return cache;
}

/* Logs in where the password is "right". */
gboolean cache_start(Cache *cache, GError **error) {
  const CacheConfig *config = cache->config;
  if (config->trace)
    config->trace("C: a1 LOGIN \"alice\" ***", config->trace_data);
  if (g_str_equal(config->host, "offline.example")) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_OFFLINE, "cannot reach %s", config->host);
    return FALSE;
  }
  g_autofree char *secret = config->secret(config->secret_data, error);
  if (!secret)
    return FALSE;
  if (!g_str_equal(secret, "right")) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOGIN, "%s refuses the password of %s", config->host, config->user);
    return FALSE;
  }
  return TRUE;
}

void cache_stop(Cache *cache) {
  LOCKED(cache);
  cache->stopped = TRUE;
  g_cond_signal(&cache->wake);
}

void cache_free(Cache *cache) {
  CacheEvent *event;
  while ((event = g_queue_pop_head(&cache->events))) {
    cache_event_clear(event);
    g_free(event);
  }
  g_ptr_array_unref(cache->nodes);
  g_mutex_clear(&cache->mutex);
  g_cond_clear(&cache->wake);
  g_free(cache);
}

gint64 cache_root(Cache *cache) {
  (void)cache;
  return 1;
}

CacheAnswer cache_get(Cache *cache, CacheKind kind, gint64 row, CacheEntry *ret, GError **error) {
  LOCKED(cache);
  Node *node = get(cache, row);
  (void)error;
  if (row >> MANY_SHIFT) {
    fill_many(row >> MANY_SHIFT, row & G_MAXUINT32, ret);
    return CACHE_READY;
  }
  if (!node || node->kind != kind)
    return CACHE_ABSENT;
  fill(node, ret);
  return CACHE_READY;
}

CacheAnswer cache_lookup(Cache *cache, gint64 folder, const char *name, CacheEntry *ret, GError **error) {
  LOCKED(cache);
  Node *node = get(cache, folder);
  gsize position;
  (void)error;
  cache->lookups++;
  if (node->listed == CACHE_WAIT) {
    fill(node, ret);
    return CACHE_WAIT;
  }
  for (guint i = 0; i < node->children->len; i++) {
    Node *child = get(cache, g_array_index(node->children, gint64, i));
    if (!g_str_equal(child->name, name))
      continue;
    fill(child, ret);
    return ret->shown ? CACHE_READY : CACHE_WAIT;
  }
  if (sscanf(name, "%zu.eml", &position) != 1 || position < 1 || position > node->many)
    return CACHE_ABSENT;
  fill_many(folder, position, ret);
  return CACHE_READY;
}

static gsize list_nodes(Cache *cache, const Node *folder, CacheKind pass, CacheKind kind, gint64 row, CacheEntry *ret,
                        gsize n) {
  gsize got = 0;
  for (guint i = 0; i < folder->children->len && got < n; i++) {
    Node *child = get(cache, g_array_index(folder->children, gint64, i));
    if (child->kind == pass && (kind < pass || (kind == pass && child->row > row)))
      fill(child, &ret[got++]);
  }
  return got;
}

CacheAnswer cache_list(Cache *cache, gint64 folder, CacheKind kind, gint64 row, CacheEntry *ret, gsize n, gsize *ret_n,
                       GError **error) {
  LOCKED(cache);
  Node *node = get(cache, folder);
  (void)error;
  cache->lists++;
  if (node->listed == CACHE_WAIT)
    return CACHE_WAIT;
  gsize got = list_nodes(cache, node, CACHE_FOLDER, kind, row, ret, n);
  got += list_nodes(cache, node, CACHE_MESSAGE, kind, row, ret + got, n - got);
  gsize position = row >> MANY_SHIFT ? row & G_MAXUINT32 : 0;
  while (got < n && position < node->many)
    fill_many(folder, ++position, &ret[got++]);
  *ret_n = got;
  return CACHE_READY;
}

CacheAnswer cache_open_folder(Cache *cache, gint64 folder, GError **error) {
  LOCKED(cache);
  (void)error;
  return get(cache, folder)->listed;
}

CacheAnswer cache_open_body(Cache *cache, gint64 row, CacheBodyUse use, int *ret_fd, GError **error) {
  LOCKED(cache);
  Node *node = get(cache, row);
  (void)error;
  *ret_fd = -1;
  if (!node || node->kind != CACHE_MESSAGE)
    return CACHE_ABSENT;
  if (node->state == MOCK_HERE && node->claim == G_MAXUINT64 && use == CACHE_BODY_OPEN) {
    node->claim = 0;
    return CACHE_STALE;
  }
  if (node->state == MOCK_HERE) {
    *ret_fd = body(node);
    return CACHE_READY;
  }
  if (node->gone)
    return CACHE_ABSENT;
  if (node->state == MOCK_AWAY && use == CACHE_BODY_OPEN)
    return CACHE_READY;
  node->wanted++;
  return CACHE_WAIT;
}

void cache_retry(Cache *cache) {
  (void)cache;
}

void cache_unwant(Cache *cache, gint64 row, gint64 since) {
  (void)since;
  LOCKED(cache);
  Node *node = get(cache, row);
  if (node->wanted > 0)
    node->wanted--;
}

gboolean cache_next_event(Cache *cache, CacheEvent *ret) {
  LOCKED(cache);
  while (g_queue_is_empty(&cache->events) && !cache->stopped)
    g_cond_wait(&cache->wake, &cache->mutex);
  g_autofree CacheEvent *event = g_queue_pop_head(&cache->events);
  if (!event)
    return FALSE;
  *ret = *event;
  return TRUE;
}

void cache_event_clear(CacheEvent *event) {
  g_clear_error(&event->error);
  g_clear_pointer(&event->name, g_free);
  if (event->fd >= 0)
    close(event->fd);
  event->fd = -1;
}

gint64 cache_heard(Cache *cache) {
  LOCKED(cache);
  return cache->heard;
}

gboolean cache_totals(Cache *cache, CacheTotals *ret, GError **error) {
  LOCKED(cache);
  (void)error;
  *ret = (CacheTotals){.messages = cache->nodes->len, .folders = 1, .bytes = 10000};
  return TRUE;
}

char *cache_describe(Cache *cache) {
  (void)cache;
  return g_strdup("online\nnothing to do\n");
}
