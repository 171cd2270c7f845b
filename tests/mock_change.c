/* SPDX-License-Identifier: MIT */
/* The changing half of cache/cache.h over the tree of mock_cache.c: at once, but for what the test makes wait. */
#include <string.h>
#include <time.h>

#include "tests/mock_private.h"

/* ---- commands of the test --------------------------------------------------------------------------- */
void mock_deny(Cache *cache, int code) {
  LOCKED(cache);
  cache->denied = code;
}

void mock_rewrite(Cache *cache, gint64 row, const char *content) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  g_string_assign(node->content, content);
  mock_push(cache, CACHE_EVENT_DATA, node, NULL, -1);
}

void mock_sending(Cache *cache, gboolean sending) {
  LOCKED(cache);
  cache->sending = sending;
}

void mock_sent(Cache *cache, gint64 row) {
  LOCKED(cache);
  cache->sending = FALSE;
  mock_push_done(cache, CACHE_JOURNAL, row, NULL);
}

void mock_errands(Cache *cache) {
  LOCKED(cache);
  cache->errands = TRUE;
}

void mock_errand_done(Cache *cache, int code) {
  LOCKED(cache);
  cache->outcome = code;
  mock_push_done(cache, CACHE_ERRAND, cache->ticket, NULL);
}

guint mock_forgotten(Cache *cache) {
  LOCKED(cache);
  return cache->forgotten;
}

guint mock_released(Cache *cache) {
  LOCKED(cache);
  return cache->released;
}

void mock_left(Cache *cache, guint64 changes, const char *trouble) {
  LOCKED(cache);
  cache_left_clear(&cache->left);
  cache->left = (CacheLeft){.changes = changes, .bytes = changes * 1000, .trouble = g_strdup(trouble)};
}

void mock_crlf(Cache *cache) {
  LOCKED(cache);
  cache->crlf = TRUE;
}

void mock_space(Cache *cache, const CacheSpace *space) {
  LOCKED(cache);
  cache->space = *space;
}

gint64 mock_row(Cache *cache, gint64 folder, const char *name) {
  LOCKED(cache);
  Node *node = mock_find(cache, folder, name);
  return node ? node->row : 0;
}

char *mock_content(Cache *cache, gint64 row) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  return g_strndup(node->content->str, node->content->len);
}

guint mock_flushes(Cache *cache, gint64 row, gboolean *ret_killed) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  if (ret_killed)
    *ret_killed = node->killed;
  return node->flushes;
}

guint mock_copies(Cache *cache, gint64 row) {
  LOCKED(cache);
  return mock_get(cache, row)->copies;
}

gboolean mock_open(Cache *cache, gint64 row) {
  LOCKED(cache);
  return mock_get(cache, row)->draft != NULL;
}

/* ---- drafts ----------------------------------------------------------------------------------------- */
static gboolean fail(GError **error, CacheError code) {
  g_set_error_literal(error, CACHE_ERROR, code, "the test says no");
  return FALSE;
}

static gboolean allowed(Cache *cache, GError **error) {
  return cache->denied < 0 || fail(error, (CacheError)cache->denied);
}

static gint64 now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec * G_GINT64_CONSTANT(1000000000) + time.tv_nsec;
}

static CacheDraft *handle(Cache *cache, Node *node) {
  CacheDraft *draft = node->draft;
  if (!draft) {
    draft = node->draft = g_new0(CacheDraft, 1);
    draft->cache = cache;
    draft->row = node->row;
    draft->octets = g_string_new_len(node->content->str, (gssize)node->content->len);
  }
  draft->handles++;
  return draft;
}

CacheAnswer cache_create(Cache *cache, gint64 folder, const char *name, CacheEntry *ret, CacheDraft **ret_draft,
                         GError **error) {
  LOCKED(cache);
  if (!allowed(cache, error))
    return CACHE_FAILED;
  if (mock_find(cache, folder, name)) {
    fail(error, CACHE_ERROR_EXISTS);
    return CACHE_FAILED;
  }
  Node *node = mock_add(cache, CACHE_MESSAGE, folder, name);
  node->mtime = mock_get(cache, folder)->mtime = now();
  *ret_draft = handle(cache, node);
  mock_fill(node, ret);
  return CACHE_READY;
}

CacheAnswer cache_edit(Cache *cache, gint64 row, gboolean truncate, CacheDraft **ret_draft, GError **error) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  if (!allowed(cache, error))
    return CACHE_FAILED;
  if (!node)
    return CACHE_ABSENT;
  if (!truncate && node->state == MOCK_HERE && node->claim == G_MAXUINT64) {
    node->claim = 0;
    return CACHE_STALE;
  }
  if (!truncate && node->state != MOCK_HERE) {
    node->wanted++;
    return CACHE_WAIT;
  }
  *ret_draft = handle(cache, node);
  if (truncate)
    g_string_truncate(node->draft->octets, 0);
  return CACHE_READY;
}

void mock_succeed(Cache *cache, gint64 row, gint64 fresh) {
  LOCKED(cache);
  mock_get(cache, row)->successor = fresh;
}

gint64 cache_successor(Cache *cache, gint64 row) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  return node && node->successor ? node->successor : row;
}

CacheDraft *cache_draft_of(Cache *cache, gint64 row) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  return node && node->draft ? handle(cache, node) : NULL;
}

gssize cache_draft_read(CacheDraft *draft, void *buffer, gsize len, guint64 offset, GError **error) {
  LOCKED(draft->cache);
  (void)error;
  gsize size = draft->octets->len;
  if (offset >= size)
    return 0;
  len = MIN(len, size - offset);
  len = MIN(len, 100000); /* in pieces */
  memcpy(buffer, draft->octets->str + offset, len);
  return (gssize)len;
}

static void resize(CacheDraft *draft, gsize size) {
  gsize old = draft->octets->len;
  g_string_set_size(draft->octets, size);
  if (size > old)
    memset(draft->octets->str + old, 0, size - old);
  mock_get(draft->cache, draft->row)->mtime = now();
}

gboolean cache_draft_write(CacheDraft *draft, const void *octets, gsize len, guint64 offset, GError **error) {
  LOCKED(draft->cache);
  if (!allowed(draft->cache, error))
    return FALSE;
  resize(draft, MAX(draft->octets->len, offset + len));
  memcpy(draft->octets->str + offset, octets, len);
  return TRUE;
}

gboolean cache_draft_truncate(CacheDraft *draft, guint64 size, GError **error) {
  LOCKED(draft->cache);
  if (!allowed(draft->cache, error))
    return FALSE;
  resize(draft, size);
  return TRUE;
}

/* Where the name of the source begins with "odd" it cannot. */
CacheAnswer cache_draft_copy(CacheDraft *draft, gint64 row, guint64 *ret_size, GError **error) {
  LOCKED(draft->cache);
  Node *from = mock_get(draft->cache, row);
  if (!allowed(draft->cache, error))
    return CACHE_FAILED;
  if (g_str_has_prefix(from->name, "odd"))
    return CACHE_ABSENT;
  g_string_assign(draft->octets, from->content->str);
  mock_get(draft->cache, draft->row)->copies++;
  *ret_size = draft->octets->len;
  return CACHE_READY;
}

guint64 cache_draft_size(CacheDraft *draft) {
  LOCKED(draft->cache);
  return draft->octets->len;
}

gboolean cache_draft_flush(CacheDraft *draft, gboolean killed, GError **error) {
  LOCKED(draft->cache);
  Node *node = mock_get(draft->cache, draft->row);
  node->flushes++;
  node->killed = killed;
  if (!allowed(draft->cache, error))
    return FALSE;
  g_string_truncate(node->content, 0);
  g_string_append_len(node->content, draft->octets->str, (gssize)draft->octets->len);
  return !memchr(draft->octets->str, 0, draft->octets->len) || fail(error, CACHE_ERROR_INVALID);
}

static void end_lines(Cache *cache, Node *node) {
  if (!cache->crlf || node->kind != CACHE_MESSAGE || g_str_has_suffix(node->name, ".tmp"))
    return;
  gsize size = node->content->len;
  g_string_replace(node->content, "\r\n", "\n", 0);
  g_string_replace(node->content, "\n", "\r\n", 0);
  if (node->content->len != size)
    mock_push(cache, CACHE_EVENT_DATA, node, NULL, -1);
}

void cache_draft_close(CacheDraft *draft) {
  Cache *cache = draft->cache;
  LOCKED(cache);
  if (--draft->handles > 0)
    return;
  end_lines(cache, mock_get(cache, draft->row));
  mock_get(cache, draft->row)->draft = NULL;
  g_string_free(draft->octets, TRUE);
  g_free(draft);
}

/* ---- sending ---------------------------------------------------------------------------------------- */
CacheAnswer cache_await_sent(Cache *cache, gint64 row, GError **error) {
  LOCKED(cache);
  (void)row;
  if (!allowed(cache, error))
    return CACHE_FAILED;
  return cache->sending ? CACHE_WAIT : CACHE_READY;
}

CacheAnswer cache_await_drained(Cache *cache, CacheLeft *ret_left, GError **error) {
  LOCKED(cache);
  if (ret_left)
    *ret_left = (CacheLeft){cache->left.changes, cache->left.bytes, g_strdup(cache->left.trouble)};
  if (!allowed(cache, error))
    return CACHE_FAILED;
  return cache->left.changes ? CACHE_WAIT : CACHE_READY;
}

void cache_left_clear(CacheLeft *left) {
  g_clear_pointer(&left->trouble, g_free);
}

gboolean cache_sync_disk(Cache *cache, GError **error) {
  LOCKED(cache);
  return allowed(cache, error);
}

/* ---- names ------------------------------------------------------------------------------------------ */
CacheAnswer cache_remove(Cache *cache, gint64 folder, const char *name, GError **error) {
  LOCKED(cache);
  Node *node = mock_find(cache, folder, name);
  if (!allowed(cache, error))
    return CACHE_FAILED;
  if (!node)
    return CACHE_ABSENT;
  mock_detach(cache, node);
  node->gone = TRUE;
  return CACHE_READY;
}

void cache_release_brake(Cache *cache) {
  LOCKED(cache);
  cache->released++;
}

/* READY: it is done, do it. */
static CacheAnswer errand(Cache *cache, gint64 *ticket, GError **error) {
  if (!cache->errands)
    return CACHE_READY;
  if (!*ticket) {
    *ticket = ++cache->ticket;
    cache->outcome = 0;
  }
  if (cache->outcome == 0)
    return CACHE_WAIT;
  if (cache->outcome < 0)
    return CACHE_READY;
  fail(error, (CacheError)cache->outcome);
  return CACHE_FAILED;
}

static void place(Cache *cache, Node *node, gint64 folder, const char *name) {
  g_autofree char *copy = g_strdup(name);
  mock_detach(cache, node);
  mock_attach(cache, node, folder, copy);
}

static CacheAnswer replace(Cache *cache, Node *node, Node *there, gint64 folder, const char *name, guint flags,
                           GError **error) {
  gint64 old_folder = node->parent;
  g_autofree char *old_name = g_strdup(node->name);
  if (there && flags & CACHE_RENAME_NOREPLACE) {
    fail(error, CACHE_ERROR_EXISTS);
    return CACHE_FAILED;
  }
  if (!there && flags & CACHE_RENAME_EXCHANGE)
    return CACHE_ABSENT;
  if (there && there->kind == CACHE_FOLDER && there->children->len > 0 && !(flags & CACHE_RENAME_EXCHANGE)) {
    fail(error, CACHE_ERROR_NOT_EMPTY);
    return CACHE_FAILED;
  }
  if (there && there != node)
    mock_detach(cache, there);
  place(cache, node, folder, name);
  end_lines(cache, node);
  if (flags & CACHE_RENAME_EXCHANGE)
    mock_attach(cache, there, old_folder, old_name);
  else if (there && there != node)
    there->gone = TRUE;
  return CACHE_READY;
}

CacheAnswer cache_rename(Cache *cache, gint64 folder, const char *name, gint64 to_folder, const char *to_name,
                         guint flags, gint64 *ticket, GError **error) {
  LOCKED(cache);
  Node *node = mock_find(cache, folder, name), *there = mock_find(cache, to_folder, to_name);
  if (!allowed(cache, error))
    return CACHE_FAILED;
  if (!node)
    return CACHE_ABSENT;
  CacheAnswer answer = node->kind == CACHE_FOLDER ? errand(cache, ticket, error) : CACHE_READY;
  return answer == CACHE_READY ? replace(cache, node, there, to_folder, to_name, flags, error) : answer;
}

CacheAnswer cache_make_folder(Cache *cache, gint64 folder, const char *name, gint64 *ticket, CacheEntry *ret,
                              GError **error) {
  LOCKED(cache);
  if (!allowed(cache, error))
    return CACHE_FAILED;
  if (mock_find(cache, folder, name)) {
    fail(error, CACHE_ERROR_EXISTS);
    return CACHE_FAILED;
  }
  CacheAnswer answer = errand(cache, ticket, error);
  if (answer != CACHE_READY)
    return answer;
  mock_fill(mock_add(cache, CACHE_FOLDER, folder, name), ret);
  mock_get(cache, folder)->mtime = now();
  return CACHE_READY;
}

void cache_forget_errand(Cache *cache, gint64 ticket) {
  LOCKED(cache);
  cache->forgotten += ticket == cache->ticket;
}

CacheAnswer cache_remove_folder(Cache *cache, gint64 folder, const char *name, GError **error) {
  LOCKED(cache);
  Node *node = mock_find(cache, folder, name);
  if (!allowed(cache, error))
    return CACHE_FAILED;
  if (!node)
    return CACHE_ABSENT;
  if (node->children->len > 0) {
    fail(error, CACHE_ERROR_NOT_EMPTY);
    return CACHE_FAILED;
  }
  mock_detach(cache, node);
  node->gone = TRUE;
  return CACHE_READY;
}

/* ---- attributes ------------------------------------------------------------------------------------- */
gboolean cache_set_mtime(Cache *cache, CacheKind kind, gint64 row, gint64 mtime, GError **error) {
  LOCKED(cache);
  (void)kind;
  if (!allowed(cache, error))
    return FALSE;
  mock_get(cache, row)->mtime = mtime;
  return TRUE;
}

/* A message has flags, a uid, and once its body is here a subject. */
CacheAnswer cache_get_attribute(Cache *cache, CacheKind kind, gint64 row, const char *name, char **ret,
                                GError **error) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  if (kind == CACHE_MESSAGE && g_str_equal(name, "flags"))
    *ret = g_strdup(node->flags ? node->flags : "");
  else if (kind == CACHE_MESSAGE && g_str_equal(name, "uid"))
    *ret = g_strdup_printf("%d", (int)row);
  else if (kind == CACHE_MESSAGE && g_str_equal(name, "error"))
    return CACHE_ABSENT;
  else if (kind == CACHE_MESSAGE && g_str_equal(name, "subject")) {
    node->wanted += node->state != MOCK_HERE;
    if (node->state != MOCK_HERE)
      return CACHE_WAIT;
    *ret = g_strdup("Hello");
  } else {
    fail(error, CACHE_ERROR_UNSUPPORTED);
    return CACHE_FAILED;
  }
  return CACHE_READY;
}

CacheAnswer cache_set_attribute(Cache *cache, CacheKind kind, gint64 row, const char *name, const char *value,
                                gsize len, GError **error) {
  LOCKED(cache);
  Node *node = mock_get(cache, row);
  if (!allowed(cache, error))
    return CACHE_FAILED;
  if (kind != CACHE_MESSAGE || !g_str_equal(name, "flags")) {
    fail(error, g_str_equal(name, "uid") ? CACHE_ERROR_PERMISSION : CACHE_ERROR_UNSUPPORTED);
    return CACHE_FAILED;
  }
  g_free(node->flags);
  node->flags = g_strndup(value, len);
  return CACHE_READY;
}

void cache_space(Cache *cache, CacheSpace *ret) {
  LOCKED(cache);
  *ret = cache->space;
}

gboolean cache_is_wanted(Cache *cache) {
  (void)cache;
  return FALSE;
}
