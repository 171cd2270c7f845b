/* SPDX-License-Identifier: MIT */
/*
 * The façade: answers the questions of fs/ from the index. An answer is one of
 *
 *   it is here            READY, from the index and the body store
 *   it will be here       WAIT (or STALE), after the part that brings it has been told; its event follows
 *   it is not             ABSENT, only where the index is known to be whole
 *
 * Between a question and its event nothing is remembered here: fs/ parks the request and asks again.
 */
#include "cache/cache_private.h"

#include <unistd.h>

#include "cache/local.h"

/* ---- entries ------------------------------------------------------------------------------------------------ */

/* Somebody has it open for writing: what he wrote counts, but not against a date that the user has set. */
static void show_open(Cache *cache, const IndexMessage *message, CacheEntry *ret) {
  DraftLook open;
  if (!drafts_look(cache->drafts, message->row, &open))
    return;
  ret->size = open.size;
  ret->shown = TRUE;
  if (open.mtime && message->mtime == open.stamp)
    ret->mtime = ret->ctime = open.mtime;
}

static void entry_of_message(Cache *cache, const IndexMessage *message, CacheEntry *ret) {
  gboolean exact = message->size != IMAP_UNKNOWN_SIZE;
  *ret = (CacheEntry){
      .kind = CACHE_MESSAGE,
      .row = message->row,
      .parent = message->folder,
      .size = exact                                 ? message->size
              : message->claim != IMAP_UNKNOWN_SIZE ? message->claim
                                                    : 0,
      /* A body that is here while its size is still on the way to the index has the size that was claimed. */
      .shown = exact || account_shows_claim(&cache->account, message->claim) ||
               body_present(cache->account.bodies, message->row),
      .mtime = message->mtime,
      .ctime = message->ctime,
      .nlink = message->gone || message->folder == 0 ? 0 : 1,
  };
  g_strlcpy(ret->name, message->name, sizeof ret->name);
  show_open(cache, message, ret);
}

static gboolean entry_of_mailbox(Cache *cache, const IndexMailbox *mailbox, CacheEntry *ret, GError **error) {
  guint children = 0;
  if (!index_count_children(cache->account.index, mailbox->row, &children, error))
    return FALSE;
  *ret = (CacheEntry){
      .kind = CACHE_FOLDER,
      .row = mailbox->row,
      .parent = mailbox->parent,
      .shown = TRUE,
      .mtime = mailbox->mtime,
      .ctime = mailbox->mtime,
      .nlink = 2 + children,
  };
  g_strlcpy(ret->name, mailbox->name, sizeof ret->name);
  return TRUE;
}

gboolean cache_is_listed(const IndexMailbox *mailbox) {
  return (mailbox->attrs & (IMAP_ATTR_NOSELECT | INDEX_LOCAL)) || mailbox->listed == INDEX_LISTED ||
         mailbox->listed_at != 0;
}

/* A claim that is shown may be found wrong just now: only an exact size puts the kernel right. */
static void note_shown(Cache *cache, const IndexMessage *message) {
  if (message->size != IMAP_UNKNOWN_SIZE)
    fetch_shown(cache->fetch, message->row);
}

/* ---- questions ------------------------------------------------------------------------------------------------ */

gint64 cache_root(Cache *cache) {
  return cache->account.root;
}

CacheAnswer cache_get(Cache *cache, CacheKind kind, gint64 row, CacheEntry *ret, GError **error) {
  if (kind == CACHE_FOLDER) {
    g_auto(IndexMailbox) mailbox = {0};
    if (!index_get_mailbox(cache->account.index, row, &mailbox, error))
      return cache_none_or_failed(error);
    return entry_of_mailbox(cache, &mailbox, ret, error) ? CACHE_READY : CACHE_FAILED;
  }
  g_auto(IndexMessage) message = {0};
  if (!index_get_message(cache->account.index, drafts_successor(cache->drafts, row), &message, error))
    return cache_none_or_failed(error);
  entry_of_message(cache, &message, ret);
  note_shown(cache, &message);
  if (message.row != row)
    fetch_shown(cache->fetch, row);
  ret->row = row;
  return CACHE_READY;
}

static CacheAnswer await_listing(Cache *cache, const IndexMailbox *folder, CacheEntry *ret) {
  if (ret)
    *ret = (CacheEntry){.kind = CACHE_FOLDER, .row = folder->row};
  sync_kick(cache->sync);
  sync_want(cache->sync, folder);
  return CACHE_WAIT;
}

/* A size that may not be shown is learnt from the body. */
static CacheAnswer show(Cache *cache, const IndexMessage *message, CacheEntry *ret) {
  entry_of_message(cache, message, ret);
  if (ret->shown) {
    note_shown(cache, message);
    return CACHE_READY;
  }
  sync_kick(cache->sync);
  fetch_wait(cache->fetch, message);
  return CACHE_WAIT;
}

CacheAnswer cache_lookup(Cache *cache, gint64 folder, const char *name, CacheEntry *ret, GError **error) {
  Index *index = cache->account.index;
  g_auto(IndexMailbox) parent = {0}, child = {0};
  g_auto(IndexMessage) message = {0};
  if (!index_get_mailbox(index, folder, &parent, error))
    return cache_none_or_failed(error);
  if (index_find_mailbox(index, folder, name, &child, error))
    return entry_of_mailbox(cache, &child, ret, error) ? CACHE_READY : CACHE_FAILED;
  if (error && *error)
    return CACHE_FAILED;
  if (!cache_is_listed(&parent))
    return await_listing(cache, &parent, ret);
  if (!index_find_message(index, folder, name, &message, error))
    return cache_none_or_failed(error);
  return show(cache, &message, ret);
}

static gboolean list_folders(Cache *cache, gint64 folder, gint64 after, CacheEntry *ret, gsize n, gsize *ret_n,
                             GError **error) {
  g_autofree IndexMailbox *children = g_new0(IndexMailbox, n);
  gssize found = index_children(cache->account.index, folder, after, children, n, error);
  gboolean ok = found >= 0;
  for (gssize i = 0; i < found; i++) {
    ok = ok && entry_of_mailbox(cache, &children[i], &ret[i], error);
    index_mailbox_clear(&children[i]);
  }
  *ret_n = ok ? (gsize)found : 0;
  return ok;
}

static gboolean list_messages(Cache *cache, gint64 folder, gint64 after, CacheEntry *ret, gsize n, gsize *ret_n,
                              GError **error) {
  g_autofree IndexMessage *messages = g_new0(IndexMessage, n);
  gssize found = index_messages(cache->account.index, folder, after, messages, n, error);
  for (gssize i = 0; i < found; i++) {
    entry_of_message(cache, &messages[i], &ret[i]);
    index_message_clear(&messages[i]);
  }
  *ret_n = found < 0 ? 0 : (gsize)found;
  return found >= 0;
}

CacheAnswer cache_list(Cache *cache, gint64 folder, CacheKind kind, gint64 row, CacheEntry *ret, gsize n, gsize *ret_n,
                       GError **error) {
  g_auto(IndexMailbox) mailbox = {0};
  gsize folders = 0, messages = 0;
  if (!index_get_mailbox(cache->account.index, folder, &mailbox, error))
    return cache_none_or_failed(error);
  if (!cache_is_listed(&mailbox))
    return await_listing(cache, &mailbox, NULL);
  if (kind != CACHE_MESSAGE && !list_folders(cache, folder, row, ret, n, &folders, error))
    return CACHE_FAILED;
  gint64 after = kind == CACHE_MESSAGE ? row : 0;
  if (folders < n && !list_messages(cache, folder, after, ret + folders, n - folders, &messages, error))
    return CACHE_FAILED;
  *ret_n = folders + messages;
  return CACHE_READY;
}

CacheAnswer cache_open_folder(Cache *cache, gint64 folder, GError **error) {
  g_auto(IndexMailbox) mailbox = {0};
  if (!index_get_mailbox(cache->account.index, folder, &mailbox, error))
    return cache_none_or_failed(error);
  if (!cache_is_listed(&mailbox))
    return await_listing(cache, &mailbox, NULL);
  if (local_is(&mailbox) || sync_want(cache->sync, &mailbox) == SYNC_FRESH)
    return CACHE_READY;
  sync_kick(cache->sync);
  return CACHE_STALE;
}

/* ---- bodies ------------------------------------------------------------------------------------------------ */

static CacheAnswer await_body(Cache *cache, const IndexMessage *message, int *ret_fd) {
  sync_kick(cache->sync);
  fetch_wait(cache->fetch, message);
  /* It may have come between the look and the wait; then no event will follow. */
  *ret_fd = body_open(cache->account.bodies, message->row);
  if (*ret_fd < 0)
    return CACHE_WAIT;
  fetch_leave(cache->fetch, message->row, g_get_monotonic_time());
  return CACHE_READY;
}

/* A body is here. It is marked as resized before it is, so a look at the mark after it was opened misses nothing. */
static CacheAnswer have_body(Cache *cache, gint64 row, CacheBodyUse use, int *fd) {
  if (use != CACHE_BODY_OPEN)
    return CACHE_READY;
  if (fetch_is_resized(cache->fetch, row)) {
    close(*fd);
    *fd = -1;
    return CACHE_STALE;
  }
  fetch_opened(cache->fetch, row);
  return CACHE_READY;
}

/* The server does not have it yet. ABSENT: it has, under a number that we do not know. */
static CacheAnswer open_unsent(Cache *cache, gint64 row, CacheBodyUse use, int *ret_fd, GError **error) {
  gint64 lender = 0;
  CacheAnswer answer = drafts_open_octets(&cache->account, row, ret_fd, &lender, error);
  if (lender == 0)
    return answer;
  answer = cache_open_body(cache, lender, use, ret_fd, error);
  if (answer == CACHE_WAIT)
    drafts_lend(cache->drafts, lender, row);
  return answer;
}

CacheAnswer cache_open_body(Cache *cache, gint64 row, CacheBodyUse use, int *ret_fd, GError **error) {
  g_auto(IndexMessage) message = {0};
  gboolean opens = use == CACHE_BODY_OPEN;
  if (opens && drafts_successor(cache->drafts, row) != row)
    return CACHE_STALE; /* rewritten: another has its name */
  /* First, and without a look into the index: this is what happens for each file of a warm cache. */
  *ret_fd = body_open(cache->account.bodies, row);
  if (*ret_fd >= 0)
    return have_body(cache, row, use, ret_fd);
  if (!index_get_message(cache->account.index, row, &message, error))
    return cache_none_or_failed(error);
  if (message.gone)
    return CACHE_ABSENT;
  if (message.uid == 0 && opens && fetch_is_resized(cache->fetch, row))
    return CACHE_STALE;
  if (message.uid == 0) {
    CacheAnswer answer = open_unsent(cache, row, use, ret_fd, error);
    if (answer != CACHE_ABSENT)
      return answer;
  }
  if (opens && message.size != IMAP_UNKNOWN_SIZE && fetch_is_resized(cache->fetch, row))
    return CACHE_STALE;
  /* borg opens each file and reads only what has changed. */
  if (opens && message.size != IMAP_UNKNOWN_SIZE)
    return CACHE_READY;
  fetch_missed(cache->fetch, &message);
  CacheAnswer answer = await_body(cache, &message, ret_fd);
  return answer == CACHE_READY ? have_body(cache, row, use, ret_fd) : answer;
}

void cache_unwant(Cache *cache, gint64 row, gint64 since) {
  fetch_leave(cache->fetch, drafts_lender(cache->drafts, row), since);
}

void cache_retry(Cache *cache) {
  cache_release_brake(cache);
  replay_hurry(cache->replay);
  sync_retry(cache->sync);
}

gboolean cache_is_wanted(Cache *cache) {
  return place_is_wanted(&cache->place);
}

/* ---- news and numbers ------------------------------------------------------------------------------------------ */

gboolean cache_next_event(Cache *cache, CacheEvent *ret) {
  if (!cache_events_pop(cache->account.events, ret))
    return FALSE;
  drafts_relay(cache->drafts, ret);
  return TRUE;
}

gint64 cache_heard(Cache *cache) {
  return imap_pool_heard(cache->account.pool);
}

gboolean cache_totals(Cache *cache, CacheTotals *ret, GError **error) {
  return index_totals(cache->account.index, &ret->messages, &ret->folders, &ret->bytes, error);
}
