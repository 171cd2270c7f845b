/* SPDX-License-Identifier: MIT */
/*
 * A thread takes the events, because cache_next_event() has no deadline, and hands them to whoever waits. Events that
 * nobody waits for are passed over, as fs/ does where no request is parked.
 */
#include "tests/visit.h"

#include <sys/stat.h>
#include <unistd.h>

#define DRAIN_LOOK (G_USEC_PER_SEC / 20)

struct _Visit {
  Cache *cache;
  GThread *thread;
  GAsyncQueue *events; /* CacheEvent * */
  gboolean hangs;
};

static void event_free(gpointer data) {
  cache_event_clear(data);
  g_free(data);
}

static gpointer take_events(gpointer data) {
  Visit *visit = data;
  CacheEvent event;
  while (cache_next_event(visit->cache, &event))
    g_async_queue_push(visit->events, g_memdup2(&event, sizeof event));
  return NULL;
}

Visit *visit_new(const CacheConfig *config, GError **error) {
  Cache *cache = cache_open(config, error);
  if (!cache || !cache_start(cache, error)) {
    cache_free(cache);
    return NULL;
  }
  Visit *visit = g_new0(Visit, 1);
  visit->cache = cache;
  visit->events = g_async_queue_new_full(event_free);
  visit->thread = g_thread_new("visit", take_events, visit);
  return visit;
}

void visit_free(Visit *visit) {
  if (!visit)
    return;
  cache_stop(visit->cache);
  g_thread_join(visit->thread);
  g_async_queue_unref(visit->events);
  cache_free(visit->cache);
  g_free(visit);
}

Cache *visit_cache(Visit *visit) {
  return visit->cache;
}

gint64 visit_inbox(Visit *visit) {
  CacheEntry entry;
  CacheAnswer answer = cache_lookup(visit->cache, cache_root(visit->cache), "INBOX", &entry, NULL);
  return answer == CACHE_READY ? entry.row : 0;
}

/* *ret_fd, which may be NULL, is the caller's. */
static VisitResult await(Visit *visit, CacheEventType type, gint64 row, int *ret_fd, GError **error) {
  gint64 until = g_get_monotonic_time() + VISIT_PATIENCE;
  for (;;) {
    gint64 left = until - g_get_monotonic_time();
    CacheEvent *event = left > 0 ? g_async_queue_timeout_pop(visit->events, (guint64)left) : NULL;
    VisitResult result = !event ? VISIT_HANGS : event->error ? VISIT_FAILED : VISIT_OK;
    gboolean ours = !event || (event->type == type && event->row == row);
    visit->hangs |= !event;
    if (ours && result == VISIT_FAILED)
      g_propagate_error(error, g_steal_pointer(&event->error));
    if (ours && result == VISIT_OK && ret_fd) {
      *ret_fd = event->fd;
      event->fd = -1;
    }
    g_clear_pointer(&event, event_free);
    if (ours)
      return result;
  }
}

VisitResult visit_drain(Visit *visit, gint64 patience, GError **error) {
  gint64 until = g_get_monotonic_time() + patience;
  g_autoptr(GError) refused = NULL;
  CacheAnswer answer = visit->hangs ? CACHE_FAILED : CACHE_WAIT;
  while (!visit->hangs && (answer = cache_await_drained(visit->cache, NULL, &refused)) != CACHE_READY) {
    gint64 left = until - g_get_monotonic_time();
    if (left <= 0)
      break;
    /* A line that is down tells no end of it. */
    CacheEvent *event = g_async_queue_timeout_pop(visit->events, (guint64)MIN(left, DRAIN_LOOK));
    g_clear_pointer(&event, event_free);
    g_clear_error(&refused);
  }
  if (refused)
    g_propagate_error(error, g_steal_pointer(&refused));
  return answer == CACHE_READY ? VISIT_OK : VISIT_FAILED;
}

VisitResult visit_open_folder(Visit *visit, gint64 folder, GError **error) {
  if (visit->hangs)
    return VISIT_HANGS;
  CacheAnswer answer = cache_open_folder(visit->cache, folder, error);
  if (answer == CACHE_WAIT || answer == CACHE_STALE)
    return await(visit, CACHE_EVENT_FOLDER, folder, NULL, error);
  return answer == CACHE_READY ? VISIT_OK : VISIT_FAILED;
}

VisitResult visit_list(Visit *visit, gint64 folder, GArray **ret, GError **error) {
  g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(CacheEntry));
  CacheEntry some[7];
  CacheEntry last = {0};
  gsize n = 0;
  for (;;) {
    CacheAnswer answer = cache_list(visit->cache, folder, last.kind, last.row, some, G_N_ELEMENTS(some), &n, error);
    VisitResult result = answer == CACHE_READY  ? VISIT_OK
                         : answer == CACHE_WAIT ? await(visit, CACHE_EVENT_FOLDER, folder, NULL, error)
                                                : VISIT_FAILED;
    if (result != VISIT_OK)
      return result;
    if (answer == CACHE_WAIT)
      continue;
    if (n == 0)
      break;
    g_array_append_vals(entries, some, (guint)n);
    last = some[n - 1];
  }
  *ret = g_steal_pointer(&entries);
  return VISIT_OK;
}

static GBytes *octets_of(int fd) {
  struct stat st = {0};
  g_autofree char *octets = fstat(fd, &st) == 0 ? g_malloc((gsize)st.st_size + 1) : NULL;
  gssize n = octets ? pread(fd, octets, (gsize)st.st_size + 1, 0) : -1;
  close(fd);
  return n == st.st_size ? g_bytes_new_take(g_steal_pointer(&octets), (gsize)n) : NULL;
}

/* As the kernel does: OPEN, and again after ESTALE; then READ. */
VisitResult visit_read(Visit *visit, const CacheEntry *entry, GBytes **ret, GError **error) {
  CacheBodyUse use = CACHE_BODY_OPEN;
  VisitResult result = visit->hangs ? VISIT_HANGS : VISIT_OK;
  CacheEntry again;
  int fd = -1;
  for (int i = 0; i < 4 && fd < 0 && result == VISIT_OK; i++) {
    CacheAnswer answer = cache_open_body(visit->cache, entry->row, use, &fd, error);
    if (answer == CACHE_WAIT)
      result = await(visit, CACHE_EVENT_BODY, entry->row, &fd, error);
    else if (answer == CACHE_STALE)
      cache_lookup(visit->cache, entry->parent, entry->name, &again, NULL);
    else if (answer == CACHE_READY)
      use = CACHE_BODY_READ;
    else
      result = VISIT_FAILED;
  }
  if (fd < 0)
    return result == VISIT_OK ? VISIT_FAILED : result;
  *ret = octets_of(fd);
  return *ret ? VISIT_OK : VISIT_FAILED;
}
