/* SPDX-License-Identifier: MIT */
/*
 * What users do to names: this file removes, change_rename.c renames. An answer is found in two steps. What may be done
 * is decided from the index, without a transaction, since that can mean to read a large file or to ask what the server
 * allows. Then one job looks again: what it finds is what was decided on, and is changed; else all begins anew. So two
 * who want the same name do not both get it, however long they thought about it.
 */
#include "cache/change_private.h"

#include <string.h>
#include <unistd.h>

#include "cache/access.h"
#include "cache/draft/draft.h"
#include "cache/error.h"
#include "cache/journal/lostfound.h"
#include "cache/local.h"

#define NSEC_PER_SEC ((gint64)1000000000)

void standing_clear(Standing *standing) {
  index_message_clear(&standing->message);
  journal_new_clear(&standing->entry);
  standing->there = standing->unsent = FALSE;
}

gboolean change_look(Index *index, gint64 folder, const char *name, Standing *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  *ret = (Standing){0};
  ret->there = index_find_message(index, folder, name, &ret->message, &failed);
  if (ret->there && journal_get_new(index, ret->message.row, &ret->entry, &failed))
    ret->unsent = journal_is_unsent(ret->entry.state);
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean is_held(const Standing *standing) {
  return standing->entry.due == JOURNAL_HELD;
}

gboolean change_is_same(const Standing *before, const Standing *now) {
  const IndexMessage *a = &before->message, *b = &now->message;
  return before->there == now->there && a->row == b->row && before->entry.seq == now->entry.seq &&
         before->entry.state == now->entry.state && is_held(before) == is_held(now) && a->size == b->size &&
         memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0;
}

/* ---- removing --------------------------------------------------------------------------------------------------- */

typedef struct {
  Cache *cache;
  gint64 folder;
  const char *name;
  Standing what;
  gboolean closed;  /* out of lost+found */
  gboolean counted; /* the brake knows of it */
  gboolean stale, spooled, shown;
} Remove;

static void remove_clear(Remove *job) {
  standing_clear(&job->what);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Remove, remove_clear)

static gboolean write_remove(IndexTxn *txn, gpointer data, GError **error) {
  Remove *job = data;
  Account *account = &job->cache->account;
  g_auto(Standing) now = {0};
  if (!change_look(account->index, job->folder, job->name, &now, error))
    return FALSE;
  job->stale = !change_is_same(&job->what, &now);
  if (job->stale || !journal_remove(txn, now.message.row, &job->spooled, error))
    return FALSE;
  return !job->closed || lostfound_show(account, txn, job->folder, &job->shown, error);
}

/* The server will be asked to remove it. */
static gboolean may_remove(Cache *cache, gint64 folder, GError **error) {
  if (!access_check(&cache->account, folder, ACCESS_REMOVE, error))
    return FALSE;
  if (cache->account.config->remove == CACHE_DELETE_NEVER)
    return cache_fail(error, CACHE_ERROR_PROTECTED, "mounted with delete=never");
  return brake_pass(cache->brake, g_get_monotonic_time()) ||
         cache_fail(error, CACHE_ERROR_PROTECTED, "too many were removed within a minute");
}

/* What stands there. FALSE without an error: nothing. */
static gboolean decide(Remove *job, GError **error) {
  Index *index = job->cache->account.index;
  g_auto(IndexMailbox) folder = {0}, other = {0};
  g_autoptr(GError) failed = NULL;
  standing_clear(&job->what);
  if (!index_get_mailbox(index, job->folder, &folder, error))
    return FALSE;
  if (index_find_mailbox(index, job->folder, job->name, &other, &failed))
    return cache_fail(error, CACHE_ERROR_FOLDER, "it is a folder");
  if (failed) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  job->closed = local_is_closed(&folder);
  return change_look(index, job->folder, job->name, &job->what, error) && job->what.there;
}

static gboolean may_go(Remove *job, GError **error) {
  if (!job->what.unsent && !job->counted && !(job->counted = may_remove(job->cache, job->folder, error)))
    return FALSE;
  return !job->closed || drafts_discard(&job->cache->account, job->what.message.row, error);
}

static CacheAnswer remove_once(Remove *job, GError **error) {
  Account *account = &job->cache->account;
  g_autoptr(GError) failed = NULL;
  job->stale = FALSE;
  if (decide(job, &failed) && may_go(job, &failed) &&
      index_write(account->index, INDEX_CHANGE, write_remove, job, &failed)) {
    if (job->spooled)
      spool_drop(account->spool, job->what.message.row);
    if (job->shown)
      lostfound_tell(account, job->folder);
    replay_taken_back(job->cache->replay, job->what.message.row);
    replay_wake(job->cache->replay);
    return CACHE_READY;
  }
  if (!failed)
    return CACHE_ABSENT;
  g_propagate_error(error, g_steal_pointer(&failed));
  return CACHE_FAILED;
}

CacheAnswer cache_remove(Cache *cache, gint64 folder, const char *name, GError **error) {
  g_auto(Remove) job = {.cache = cache, .folder = folder, .name = name};
  if (cache->account.config->read_only) {
    cache_fail(error, CACHE_ERROR_READONLY, "mounted read-only");
    return CACHE_FAILED;
  }
  for (guint i = 0; i < CHANGE_TRIES; i++) {
    CacheAnswer answer = remove_once(&job, error);
    if (!job.stale)
      return answer;
  }
  cache_fail(error, CACHE_ERROR_BUSY, "it changes all the time");
  return CACHE_FAILED;
}

void cache_release_brake(Cache *cache) {
  brake_release(cache->brake);
}

/* ---- times ------------------------------------------------------------------------------------------------------- */

typedef struct {
  Index *index;
  CacheKind kind;
  gint64 row, mtime;
  gboolean unsent;
} Time;

/* What is not on the server yet gets it as its INTERNALDATE. */
static gboolean write_message_time(IndexTxn *txn, Time *job, GError **error) {
  g_auto(JournalNew) entry = {0};
  g_autoptr(GError) failed = NULL;
  job->unsent = journal_get_new(job->index, job->row, &entry, &failed) && journal_is_unsent(entry.state);
  if (failed) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  gint64 seconds = job->mtime / NSEC_PER_SEC - (job->mtime % NSEC_PER_SEC < 0);
  return index_set_mtime(txn, job->row, job->mtime, error) &&
         (!job->unsent || index_set_internaldate(txn, job->row, seconds, error));
}

static gboolean write_time(IndexTxn *txn, gpointer data, GError **error) {
  Time *job = data;
  return job->kind == CACHE_FOLDER ? index_touch_mailbox(txn, job->row, job->mtime, error)
                                   : write_message_time(txn, job, error);
}

gboolean cache_set_mtime(Cache *cache, CacheKind kind, gint64 row, gint64 mtime, GError **error) {
  Time job = {.index = cache->account.index, .kind = kind, .row = row, .mtime = mtime};
  if (cache->account.config->read_only)
    return cache_fail(error, CACHE_ERROR_READONLY, "mounted read-only");
  if (kind == CACHE_MESSAGE)
    job.row = drafts_successor(cache->drafts, row);
  return index_write(cache->account.index, INDEX_CHANGE, write_time, &job, error) &&
         (!job.unsent || drafts_hurry(cache->drafts, job.row, error));
}
