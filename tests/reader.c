/* SPDX-License-Identifier: MIT */
/*
 * A thread takes the events and keeps those that answer a question until it is asked for. What was answered before the
 * question is thrown away with it, so an answer is never that to an earlier one.
 */
#include "tests/reader.h"

#include <string.h>
#include <unistd.h>

#include "tests/tempdir.h"

#define ENTRIES 64

struct _Reader {
  CacheConfig config;
  char *dir;
  Cache *cache;
  GThread *thread;
  GMutex mutex; /* guards the rest */
  GCond cond;
  GPtrArray *answers; /* CacheEvent: FOLDER and BODY */
  guint events, removed;
};

static char *secret(gpointer data, G_GNUC_UNUSED GError **error) {
  return g_strdup(data);
}

static void answer_free(gpointer data) {
  cache_event_clear(data);
  g_free(data);
}

Reader *reader_new(guint16 port) {
  Reader *reader = g_new0(Reader, 1);
  g_mutex_init(&reader->mutex);
  g_cond_init(&reader->cond);
  reader->answers = g_ptr_array_new_with_free_func(answer_free);
  reader->dir = tempdir_new();
  reader->config = (CacheConfig){.user = "ann",
                                 .host = "127.0.0.1",
                                 .port = port,
                                 .tls = CACHE_TLS_OFF,
                                 .connections = 3,
                                 .timeout = 60,
                                 .secret = secret,
                                 .secret_data = "secret",
                                 .cache_dir = g_build_filename(reader->dir, "cache", NULL),
                                 .state_dir = g_build_filename(reader->dir, "state", NULL),
                                 .cache_size = 1 << 30,
                                 .mountpoint = "/mnt/test"};
  return reader;
}

void reader_free(Reader *reader) {
  reader_unmount(reader);
  g_ptr_array_unref(reader->answers);
  g_free(reader->config.cache_dir);
  g_free(reader->config.state_dir);
  g_cond_clear(&reader->cond);
  g_mutex_clear(&reader->mutex);
  tempdir_free(reader->dir);
  g_free(reader);
}

CacheConfig *reader_config(Reader *reader) {
  return &reader->config;
}

Cache *reader_cache(Reader *reader) {
  return reader->cache;
}

/* ---- mounting and events ---------------------------------------------------------------------------------- */

static void take_event(Reader *reader, CacheEvent *event) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&reader->mutex);
  reader->events++;
  reader->removed += event->type == CACHE_EVENT_REMOVED;
  if (event->type == CACHE_EVENT_FOLDER || event->type == CACHE_EVENT_BODY) {
    g_ptr_array_add(reader->answers, g_memdup2(event, sizeof *event));
    *event = (CacheEvent){.fd = -1};
  }
  g_cond_broadcast(&reader->cond);
}

static gpointer event_main(gpointer data) {
  Reader *reader = data;
  for (CacheEvent event; cache_next_event(reader->cache, &event); cache_event_clear(&event))
    take_event(reader, &event);
  return NULL;
}

gboolean reader_mount(Reader *reader, GError **error) {
  Cache *cache = cache_open(&reader->config, error);
  if (!cache)
    return FALSE;
  if (!cache_start(cache, error)) {
    cache_free(cache);
    return FALSE;
  }
  reader->cache = cache;
  reader->thread = g_thread_new("events", event_main, reader);
  return TRUE;
}

void reader_unmount(Reader *reader) {
  if (!reader->cache)
    return;
  cache_stop(reader->cache);
  g_thread_join(reader->thread);
  g_clear_pointer(&reader->cache, cache_free);
  g_ptr_array_set_size(reader->answers, 0);
}

gboolean reader_await_any(Reader *reader, gint64 until) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&reader->mutex);
  guint before = reader->events;
  while (reader->events == before)
    if (!g_cond_wait_until(&reader->cond, &reader->mutex, until))
      return FALSE;
  return TRUE;
}

guint reader_removed(Reader *reader) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&reader->mutex);
  return reader->removed;
}

/* Old answers do not answer the question that comes now. */
static void forget_answers(Reader *reader, CacheEventType type, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&reader->mutex);
  for (guint i = reader->answers->len; i-- > 0;) {
    const CacheEvent *event = reader->answers->pdata[i];
    if (event->type == type && event->row == row)
      g_ptr_array_remove_index(reader->answers, i);
  }
}

/* NULL: none came. */
static CacheEvent *await_answer(Reader *reader, CacheEventType type, gint64 row, gint64 until, GError **error) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&reader->mutex);
  for (;;) {
    for (guint i = 0; i < reader->answers->len; i++) {
      const CacheEvent *event = reader->answers->pdata[i];
      if (event->type == type && event->row == row)
        return g_ptr_array_steal_index(reader->answers, i);
    }
    if (!g_cond_wait_until(&reader->cond, &reader->mutex, until)) {
      g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_LOCAL, "no event came");
      return NULL;
    }
  }
}

/* ---- folders -------------------------------------------------------------------------------------------------- */

static gboolean find_folder(Reader *reader, const char *path, gint64 *ret_row) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  *ret_row = cache_root(reader->cache);
  for (char **part = parts; *part; part++) {
    CacheEntry entry;
    if (!**part)
      continue;
    if (cache_lookup(reader->cache, *ret_row, *part, &entry, NULL) != CACHE_READY || entry.kind != CACHE_FOLDER)
      return FALSE;
    *ret_row = entry.row;
  }
  return TRUE;
}

gboolean reader_open(Reader *reader, const char *folder, gint64 until, GError **error) {
  gint64 row;
  if (!find_folder(reader, folder, &row)) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_GONE, "there is no folder %s", folder);
    return FALSE;
  }
  forget_answers(reader, CACHE_EVENT_FOLDER, row);
  CacheAnswer answer = cache_open_folder(reader->cache, row, error);
  if (answer != CACHE_WAIT && answer != CACHE_STALE)
    return answer == CACHE_READY;
  CacheEvent *event = await_answer(reader, CACHE_EVENT_FOLDER, row, until, error);
  gboolean ok = event && !event->error;
  if (event && event->error)
    g_propagate_error(error, g_steal_pointer(&event->error));
  if (event)
    answer_free(event);
  return ok;
}

/* 2020-01-01_Ann_INBOX-3.17.eml is letter 3 of INBOX; 2020-01-01.17.eml and 17.eml say only that it is 17. */
static char *letter_of(const CacheEntry *entry, char **ret_origin) {
  g_autofree char *name = g_strndup(entry->name, strlen(entry->name) - strlen(".eml"));
  char *uid = strrchr(name, '.'), *origin = strrchr(name, '_');
  if (!uid)
    return g_steal_pointer(&name);
  *uid++ = '\0';
  char *number = origin ? strrchr(origin, '-') : NULL;
  if (!number)
    return g_strdup(uid);
  *number++ = '\0';
  if (ret_origin)
    *ret_origin = g_strdup(origin + 1);
  return g_strdup(number);
}

char *reader_origin(const CacheEntry *entry) {
  char *origin = NULL;
  g_free(letter_of(entry, &origin));
  return origin;
}

typedef gboolean (*EachEntry)(const CacheEntry *entry, gpointer data);

/* FALSE: the folder is not known, or an error. Ends early where `each` says FALSE. */
static gboolean each_entry(Reader *reader, const char *folder, EachEntry each, gpointer data, GError **error) {
  CacheEntry entries[ENTRIES];
  CacheKind kind = 0;
  gint64 parent, row = 0;
  gsize n;
  if (!find_folder(reader, folder, &parent))
    return FALSE;
  do {
    if (cache_list(reader->cache, parent, kind, row, entries, ENTRIES, &n, error) != CACHE_READY)
      return FALSE;
    for (gsize i = 0; i < n; i++) {
      if (!each(&entries[i], data))
        return TRUE;
      kind = entries[i].kind;
      row = entries[i].row;
    }
  } while (n > 0);
  return TRUE;
}

static gboolean append_letter(const CacheEntry *entry, gpointer data) {
  GString *text = data;
  g_autofree char *letter = entry->kind == CACHE_FOLDER ? g_strconcat(entry->name, "/", NULL) : letter_of(entry, NULL);
  g_string_append_printf(text, "%s%s", text->len ? " " : "", letter);
  return TRUE;
}

char *reader_shown(Reader *reader, const char *folder, GError **error) {
  GString *text = g_string_new(NULL);
  gboolean known = each_entry(reader, folder, append_letter, text, error);
  return g_string_free(text, !known);
}

typedef struct {
  const char *letter;
  CacheEntry *ret;
  gboolean found;
} Search;

static gboolean is_letter(const CacheEntry *entry, gpointer data) {
  Search *search = data;
  if (entry->kind != CACHE_MESSAGE)
    return TRUE;
  g_autofree char *letter = letter_of(entry, NULL);
  search->found = strcmp(letter, search->letter) == 0;
  if (search->found)
    *search->ret = *entry;
  return !search->found;
}

gboolean reader_entry(Reader *reader, const char *folder, const char *letter, CacheEntry *ret) {
  Search search = {.letter = letter, .ret = ret};
  return each_entry(reader, folder, is_letter, &search, NULL) && search.found;
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

static char *read_all(int taken) {
  GString *text = g_string_new(NULL);
  char data[4096];
  for (gssize n; (n = pread(taken, data, sizeof data, (off_t)text->len)) > 0;)
    g_string_append_len(text, data, n);
  close(taken);
  return g_string_free(text, FALSE);
}

/* As fs/ does: the kernel looks the name up again where it is told that the size was another. */
static CacheAnswer open_body(Reader *reader, gint64 row, int *ret_fd, GError **error) {
  CacheEntry entry;
  CacheAnswer answer = cache_open_body(reader->cache, row, CACHE_BODY_OPEN, ret_fd, error);
  if (answer == CACHE_STALE && cache_get(reader->cache, CACHE_MESSAGE, row, &entry, error) == CACHE_READY)
    answer = cache_open_body(reader->cache, row, CACHE_BODY_OPEN, ret_fd, error);
  if (answer == CACHE_READY && *ret_fd < 0)
    answer = cache_open_body(reader->cache, row, CACHE_BODY_READ, ret_fd, error);
  return answer;
}

static int await_body(Reader *reader, gint64 row, gint64 until, GError **error) {
  CacheEvent *event = await_answer(reader, CACHE_EVENT_BODY, row, until, error);
  if (!event)
    return -1;
  int fd = event->fd;
  event->fd = -1;
  if (event->error)
    g_propagate_error(error, g_steal_pointer(&event->error));
  answer_free(event);
  return fd;
}

char *reader_read(Reader *reader, const char *folder, const char *letter, gint64 until, GError **error) {
  CacheEntry entry;
  int fd = -1;
  if (!reader_entry(reader, folder, letter, &entry)) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCAL, "letter %s is not listed", letter);
    return NULL;
  }
  forget_answers(reader, CACHE_EVENT_BODY, entry.row);
  CacheAnswer answer = open_body(reader, entry.row, &fd, error);
  if (answer == CACHE_WAIT)
    fd = await_body(reader, entry.row, until, error);
  else if (answer == CACHE_ABSENT)
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_GONE, "it is gone, and not here");
  return fd >= 0 ? read_all(fd) : NULL;
}

gboolean reader_has(Reader *reader, const char *folder, const char *letter) {
  CacheEntry entry;
  int fd = -1;
  gint64 now = g_get_monotonic_time();
  if (!reader_entry(reader, folder, letter, &entry))
    return FALSE;
  CacheAnswer answer = cache_open_body(reader->cache, entry.row, CACHE_BODY_READ, &fd, NULL);
  if (answer == CACHE_WAIT)
    cache_unwant(reader->cache, entry.row, now);
  if (fd >= 0)
    close(fd);
  return fd >= 0;
}
