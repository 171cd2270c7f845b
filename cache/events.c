/* SPDX-License-Identifier: MIT */
/*
 * A list in order of arrival and, beside it, a table from (type, kind, row) to the waiting event. A second event for
 * the same object is poured into the first and keeps its place: whoever reads it asks the index what is true now, so
 * one bell is enough. What is replaced (an fd, an error, a name) is released after the lock.
 */
#include "cache/events.h"

#include <unistd.h>

typedef struct {
  CacheEvent event;
  GList link;
} Item;

struct _CacheEvents {
  GMutex mutex; /* guards all that follows */
  GCond arrived;
  GQueue queue;
  GHashTable *waiting; /* Item*, a set by what the event is about */
  gboolean closed;
};

static guint item_hash(gconstpointer key) {
  const CacheEvent *event = &((const Item *)key)->event;
  guint64 mixed = (guint64)event->row * 32 + event->kind * 8 + event->type;
  return g_int64_hash(&mixed);
}

static gboolean item_equal(gconstpointer a, gconstpointer b) {
  const CacheEvent *one = &((const Item *)a)->event, *two = &((const Item *)b)->event;
  return one->type == two->type && one->kind == two->kind && one->row == two->row;
}

static void item_free(Item *item) {
  cache_event_clear(&item->event);
  g_free(item);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Item, item_free)

void cache_event_clear(CacheEvent *event) {
  if (event->fd >= 0)
    close(event->fd);
  g_clear_pointer(&event->name, g_free);
  g_clear_error(&event->error);
  event->fd = -1;
}

CacheEvents *cache_events_new(void) {
  CacheEvents *events = g_new0(CacheEvents, 1);
  g_mutex_init(&events->mutex);
  g_cond_init(&events->arrived);
  events->waiting = g_hash_table_new(item_hash, item_equal);
  return events;
}

void cache_events_free(CacheEvents *events) {
  g_hash_table_unref(events->waiting);
  for (GList *link; (link = g_queue_pop_head_link(&events->queue));)
    item_free(link->data);
  g_cond_clear(&events->arrived);
  g_mutex_clear(&events->mutex);
  g_free(events);
}

/* The older item takes over the later event; the later item leaves with what that replaced. */
static void pour(Item *older, Item *later) {
  CacheEvent kept = older->event;
  older->event = later->event;
  later->event = kept;
}

void cache_events_push(CacheEvents *events, CacheEvent *event) {
  g_autoptr(Item) item = g_new0(Item, 1);
  item->event = *event;
  item->link.data = item;
  *event = (CacheEvent){.fd = -1};
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&events->mutex);
  Item *older = g_hash_table_lookup(events->waiting, item);
  if (older) {
    pour(older, item);
    return;
  }
  g_hash_table_add(events->waiting, item);
  g_queue_push_tail_link(&events->queue, &item->link);
  item = NULL;
  g_cond_signal(&events->arrived);
}

gboolean cache_events_pop(CacheEvents *events, CacheEvent *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&events->mutex);
  while (g_queue_is_empty(&events->queue) && !events->closed)
    g_cond_wait(&events->arrived, &events->mutex);
  GList *link = g_queue_pop_head_link(&events->queue);
  if (!link)
    return FALSE;
  Item *item = link->data;
  g_hash_table_remove(events->waiting, item);
  *ret = item->event;
  g_free(item);
  return TRUE;
}

void cache_events_close(CacheEvents *events) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&events->mutex);
  events->closed = TRUE;
  g_cond_broadcast(&events->arrived);
}
