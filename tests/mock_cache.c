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

#include "tests/mock_private.h"

#define MANY_SHIFT 32 /* virtual messages: folder row above, 1-based position below */

G_DEFINE_QUARK(mock - cache - error - quark, cache_error)

static void node_free(gpointer data) {
  Node *node = data;
  g_free(node->name);
  if (node->content)
    g_string_free(node->content, TRUE);
  if (node->draft) /* of a test that ended early */
    g_string_free(node->draft->octets, TRUE);
  g_free(node->draft);
  g_free(node->flags);
  if (node->children)
    g_array_unref(node->children);
  g_free(node);
}

Node *mock_get(Cache *cache, gint64 row) {
  return row >= 1 && row <= cache->nodes->len ? g_ptr_array_index(cache->nodes, row - 1) : NULL;
}

Node *mock_find(Cache *cache, gint64 folder, const char *name) {
  const GArray *children = mock_get(cache, folder)->children;
  for (guint i = 0; i < children->len; i++) {
    Node *child = mock_get(cache, g_array_index(children, gint64, i));
    if (g_str_equal(child->name, name))
      return child;
  }
  return NULL;
}

void mock_detach(Cache *cache, Node *node) {
  Node *above = mock_get(cache, node->parent);
  for (guint i = 0; i < above->children->len; i++)
    if (g_array_index(above->children, gint64, i) == node->row)
      g_array_remove_index(above->children, i);
  above->subfolders -= node->kind == CACHE_FOLDER;
  above->mtime++;
}

void mock_attach(Cache *cache, Node *node, gint64 folder, const char *name) {
  Node *above = mock_get(cache, folder);
  char *copy = g_strdup(name);
  g_free(node->name);
  node->name = copy;
  node->parent = folder;
  g_array_append_val(above->children, node->row);
  above->subfolders += node->kind == CACHE_FOLDER;
  above->mtime++;
}

Node *mock_add(Cache *cache, CacheKind kind, gint64 parent, const char *name) {
  Node *node = g_new0(Node, 1);
  g_ptr_array_add(cache->nodes, node);
  node->kind = kind;
  node->row = cache->nodes->len;
  node->mtime = G_GINT64_CONSTANT(1763900000123456789) + node->row;
  node->listed = CACHE_READY;
  if (kind == CACHE_MESSAGE)
    node->content = g_string_new(NULL);
  else
    node->children = g_array_new(FALSE, FALSE, sizeof(gint64));
  if (mock_get(cache, parent))
    mock_attach(cache, node, parent, name);
  return node;
}

static void push(Cache *cache, CacheEvent event) {
  g_queue_push_tail(&cache->events, g_memdup2(&event, sizeof event));
  g_cond_signal(&cache->wake);
}

void mock_push_done(Cache *cache, CacheKind kind, gint64 row, GError *error) {
  push(cache, (CacheEvent){.type = CACHE_EVENT_DONE, .kind = kind, .row = row, .fd = -1, .error = error});
}

void mock_push(Cache *cache, CacheEventType type, const Node *node, GError *error, int fd) {
  push(cache, (CacheEvent){.type = type,
                           .kind = node->kind,
                           .row = node->row,
                           .parent = node->parent,
                           .name = g_strdup(node->name),
                           .fd = fd,
                           .error = error});
}

static int body(const Node *node) {
  int fd = memfd_create("body", MFD_CLOEXEC);
  gsize len = node->content->len;
  if (fd < 0 || write(fd, node->content->str, len) != (gssize)len)
    g_error("memfd: %s", g_strerror(errno));
  return fd;
}

void mock_fill(const Node *node, CacheEntry *ret) {
  gboolean message = node->kind == CACHE_MESSAGE;
  *ret = (CacheEntry){
      .kind = node->kind,
      .row = node->row,
      .parent = node->parent,
      .size = !message                      ? 0
              : node->state == MOCK_CLAIMED ? node->claim
              : node->draft                 ? node->draft->octets->len
                                            : node->content->len,
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
  cache->denied = -1;
  mock_add(cache, CACHE_FOLDER, 0, "");
  return cache;
}

gint64 mock_folder(Cache *cache, gint64 parent, const char *name) {
  LOCKED(cache);
  return mock_add(cache, CACHE_FOLDER, parent, name)->row;
}

gint64 mock_message(Cache *cache, gint64 folder, const char *name, const char *content) {
  LOCKED(cache);
  Node *node = mock_add(cache, CACHE_MESSAGE, folder, name);
  g_string_assign(node->content, content);
  return node->row;
}

void mock_many(Cache *cache, gint64 folder, gsize n) {
  LOCKED(cache);
  mock_get(cache, folder)->many = n;
}

void mock_state(Cache *cache, gint64 row, MockState state, guint64 claim) {
  LOCKED(cache);
  mock_get(cache, row)->state = state;
  mock_get(cache, row)->claim = claim;
}

void mock_listed(Cache *cache, gint64 folder, CacheAnswer answer) {
  LOCKED(cache);
  mock_get(cache, folder)->listed = answer;
}

void mock_deliver(Cache *cache, gint64 row) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  if (node->state == MOCK_AWAY || (node->state == MOCK_CLAIMED && node->claim == node->content->len))
    node->state = MOCK_HERE;
  node->wanted = 0;
  mock_push(cache, CACHE_EVENT_BODY, node, NULL, body(node));
  if (node->state == MOCK_CLAIMED) { /* the next OPEN is STALE, the one after it READY; a LOOKUP shows the truth */
    node->state = MOCK_HERE;
    node->claim = node->claim ? G_MAXUINT64 : 0;
    mock_push(cache, CACHE_EVENT_ATTR, node, NULL, -1);
  }
}

void mock_deliver_listing(Cache *cache, gint64 folder) {
  LOCKED(cache);
  Node *node = mock_get(cache, folder);
  node->listed = CACHE_READY;
  mock_push(cache, CACHE_EVENT_FOLDER, node, NULL, -1);
}

void mock_fail(Cache *cache, CacheKind kind, gint64 row, CacheError code) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  node->wanted = 0;
  mock_push(cache, kind == CACHE_FOLDER ? CACHE_EVENT_FOLDER : CACHE_EVENT_BODY, node,
            g_error_new(CACHE_ERROR, code, "the test says no"), -1);
}

void mock_remove(Cache *cache, gint64 row) {
  LOCKED(cache);
  Node *node = mock_get(cache, row), *above = mock_get(cache, node->parent);
  node->gone = TRUE;
  mock_detach(cache, node);
  mock_push(cache, CACHE_EVENT_REMOVED, node, NULL, -1);
  mock_push(cache, CACHE_EVENT_CHANGED, above, NULL, -1);
}

void mock_rename(Cache *cache, gint64 row, const char *name) {
  LOCKED(cache);
  Node *node = mock_get(cache, row), *above = mock_get(cache, node->parent);
  mock_push(cache, CACHE_EVENT_MOVED, node, NULL, -1);
  g_free(node->name);
  node->name = g_strdup(name);
  above->mtime++;
  mock_push(cache, CACHE_EVENT_CHANGED, above, NULL, -1);
}

void mock_touch(Cache *cache, gint64 folder, gint64 mtime) {
  LOCKED(cache);
  mock_get(cache, folder)->mtime = mtime;
  mock_push(cache, CACHE_EVENT_CHANGED, mock_get(cache, folder), NULL, -1);
}

void mock_hear(Cache *cache, gint64 ahead) {
  LOCKED(cache);
  cache->heard = g_get_monotonic_time() + ahead * 1000;
}

guint mock_wanted(Cache *cache, gint64 row) {
  LOCKED(cache);
  return mock_get(cache, row)->wanted;
}

guint mock_waits(Cache *cache, gint64 row) {
  LOCKED(cache);
  return mock_get(cache, row)->waits;
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
  cache_left_clear(&cache->left);
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
  Node *node = mock_get(cache, row);
  (void)error;
  if (row >> MANY_SHIFT) {
    fill_many(row >> MANY_SHIFT, row & G_MAXUINT32, ret);
    return CACHE_READY;
  }
  if (!node || node->kind != kind)
    return CACHE_ABSENT;
  mock_fill(node->successor ? mock_get(cache, node->successor) : node, ret);
  ret->row = row;
  return CACHE_READY;
}

CacheAnswer cache_lookup(Cache *cache, gint64 folder, const char *name, CacheEntry *ret, GError **error) {
  LOCKED(cache);
  Node *node = mock_get(cache, folder);
  gsize position;
  (void)error;
  cache->lookups++;
  if (node->listed == CACHE_WAIT) {
    mock_fill(node, ret);
    return CACHE_WAIT;
  }
  Node *child = mock_find(cache, folder, name);
  if (child) {
    mock_fill(child, ret);
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
    Node *child = mock_get(cache, g_array_index(folder->children, gint64, i));
    if (child->kind == pass && (kind < pass || (kind == pass && child->row > row)))
      mock_fill(child, &ret[got++]);
  }
  return got;
}

CacheAnswer cache_list(Cache *cache, gint64 folder, CacheKind kind, gint64 row, CacheEntry *ret, gsize n, gsize *ret_n,
                       GError **error) {
  LOCKED(cache);
  Node *node = mock_get(cache, folder);
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
  return mock_get(cache, folder)->listed;
}

CacheAnswer cache_open_body(Cache *cache, gint64 row, CacheBodyUse use, int *ret_fd, GError **error) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
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
  if ((node->state == MOCK_AWAY || node->state == MOCK_FLEETING) && use == CACHE_BODY_OPEN)
    return CACHE_READY;
  node->wanted++;
  node->waits++;
  return CACHE_WAIT;
}

void cache_retry(Cache *cache) {
  (void)cache;
}

void cache_unwant(Cache *cache, gint64 row, gint64 since) {
  (void)since;
  LOCKED(cache);
  Node *node = mock_get(cache, row);
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
