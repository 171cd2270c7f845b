/* SPDX-License-Identifier: MIT */
/* The façade of who waits for the server to have what was accepted, or for the disk. */
#include "cache/cache_private.h"

#include "cache/error.h"
#include "cache/journal/journal.h"

typedef struct {
  gint64 row;
} Due;

/* It is sent already, or was never to be: then there is nothing to hurry. */
static gboolean write_due(IndexTxn *txn, gpointer data, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (journal_set_due(txn, ((Due *)data)->row, JOURNAL_NOW, &failed) ||
      g_error_matches(failed, CACHE_ERROR, CACHE_ERROR_BUSY) || g_error_matches(failed, CACHE_ERROR, CACHE_ERROR_GONE))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static CacheAnswer fail(GError *failed, GError **error) {
  g_propagate_error(error, cache_error_from_imap(failed));
  return CACHE_FAILED;
}

/* Of one that does not wait: sent, local, or refused. */
static CacheAnswer judge(Cache *cache, gint64 row, GError **error) {
  g_auto(JournalNew) entry = {0};
  GError *failed = NULL;
  if (journal_get_new(cache->account.index, row, &entry, &failed) && entry.state == JOURNAL_REFUSED)
    g_set_error(&failed, CACHE_ERROR, CACHE_ERROR_REFUSED, "the server refused it: %s",
                entry.reason ? entry.reason : "it did not say why");
  return failed ? fail(failed, error) : CACHE_READY;
}

/* A message that was rewritten is as it is shown when the one in its place is there. The wait is noted first: it may
 * end between two looks at the journal. */
CacheAnswer cache_await_sent(Cache *cache, gint64 row, GError **error) {
  gboolean waits = FALSE;
  if (!drafts_seal(cache->drafts, row, error))
    return CACHE_FAILED;
  gint64 shown = drafts_successor(cache->drafts, row);
  Due due = {shown};
  if (!journal_awaited(cache->account.index, shown, &waits, error))
    return CACHE_FAILED;
  if (!waits)
    return judge(cache, shown, error);
  sync_kick(cache->sync);
  if (!replay_await(cache->replay, shown, row, error) ||
      !index_write(cache->account.index, INDEX_JOURNAL, write_due, &due, error) ||
      !journal_awaited(cache->account.index, shown, &waits, error))
    return CACHE_FAILED;
  replay_wake(cache->replay);
  return waits ? CACHE_WAIT : judge(cache, shown, error);
}

static gboolean look(Cache *cache, CacheLeft *ret, GError **error) {
  *ret = (CacheLeft){0};
  if (!journal_left(cache->account.index, &ret->changes, &ret->bytes, error))
    return FALSE;
  if (ret->changes > 0)
    replay_trouble(cache->replay, &ret->trouble);
  return TRUE;
}

CacheAnswer cache_await_drained(Cache *cache, CacheLeft *ret_left, GError **error) {
  g_auto(CacheLeft) left = {0};
  drafts_finish_rest(cache->drafts);
  if (!look(cache, &left, error))
    return CACHE_FAILED;
  gboolean empty = left.changes == 0;
  if (ret_left) {
    *ret_left = left;
    left = (CacheLeft){0};
  }
  if (empty)
    return CACHE_READY;
  sync_kick(cache->sync);
  if (!replay_await(cache->replay, 0, CACHE_ALL, error))
    return CACHE_FAILED;
  replay_wake(cache->replay);
  return CACHE_WAIT;
}

void cache_left_clear(CacheLeft *left) {
  g_clear_pointer(&left->trouble, g_free);
}

gboolean cache_sync_disk(Cache *cache, GError **error) {
  return index_sync_disk(cache->account.index, error);
}
