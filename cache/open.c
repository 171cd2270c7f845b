/* SPDX-License-Identifier: MIT */
/*
 * The life of a Cache: opens the places, owns the parts, and ends them in the reverse order.
 *
 * A mount waits for its first conversation with the server only as long as it has to. An account that was never seen
 * has nothing to show before that; one that was is mounted after PATIENCE with what is cached, and the conversation
 * goes on behind it. What can be found wrong in that time (the password, the certificate) is an error of the mount;
 * later it is a line in the log.
 */
#include "cache/cache_private.h"

#include "cache/error.h"
#include "cache/index/index_salvage.h"
#include "cache/journal/journal.h"
#include "cache/journal/lostfound.h"
#include "cache/tree/tree.h"

#define PATIENCE (3 * G_USEC_PER_SEC)
#define BACKUP_MOST (G_USEC_PER_SEC / 2) /* of the time to end */

static char *secret(gpointer data, GCancellable *cancellable, GError **error) {
  const CacheConfig *config = data;
  (void)cancellable;
  return config->secret(config->secret_data, error);
}

static ImapPool *make_pool(Account *account) {
  const CacheConfig *config = account->config;
  ImapConfig imap = {
      .host = config->host,
      .port = config->port,
      .user = config->user,
      .tls = (ImapTls)config->tls,
      .tls_ca = config->tls_ca,
      .tls_pin = config->tls_pin,
      .tunnel = config->tunnel,
      .auth = config->auth,
      .disable = config->disable,
      .compress = (ImapCompress)config->compress,
      .timeout = config->timeout,
      .connections = config->connections,
      .secret = secret,
      .secret_data = (gpointer)config,
      .trace = config->trace,
      .trace_data = config->trace_data,
      .paused = account_paused,
      .paused_data = account,
  };
  return imap_pool_new(&imap);
}

G_STATIC_ASSERT((int)CACHE_TLS_OFF == (int)IMAP_TLS_OFF && (int)CACHE_COMPRESS_OFF == (int)IMAP_COMPRESS_OFF);

static void on_freed(gint64 mailbox, gpointer data) {
  sync_freed(((Cache *)data)->sync, mailbox);
}

/* Neither is there while what a crash left is finished. */
static void on_written(gpointer data) {
  Cache *cache = data;
  if (cache->replay)
    replay_wake(cache->replay);
}

static void on_resized(gint64 row, gpointer data) {
  Cache *cache = data;
  if (cache->fetch)
    fetch_resized(cache->fetch, row);
}

static gboolean doubt_uploads(IndexTxn *txn, gpointer data, GError **error) {
  (void)data;
  return index_doubt_uploads(txn, error);
}

static void on_settled(gint64 row, gpointer data) {
  Cache *cache = data;
  fetch_settled(cache->fetch, row);
  drafts_settled(cache->drafts, row);
}

static gboolean open_stores(Cache *cache, GError **error) {
  Account *account = &cache->account;
  const CacheConfig *config = account->config;
  g_autofree char *name = place_account(config->user, config->host, config->port);
  gboolean unclean = FALSE;
  cache->placed = place_open(&cache->place, config->state_dir, config->cache_dir, name, config->mountpoint, error);
  if (!cache->placed)
    return FALSE;
  account->index = index_open(cache->place.state_fd, &unclean, error);
  if (!account->index || !place_match(&cache->place, account->index, error))
    return FALSE;
  account->bodies = body_store_open(cache->place.cache_path, account->index, config->cache_size, config->min_free,
                                    cache->place.distrust, error);
  account->spool = account->bodies ? spool_open(cache->place.state_fd, error) : NULL;
  if (!account->spool)
    return FALSE;
  /* Also where it was not damaged: somebody restored it. */
  if (cache->place.older && !index_write(account->index, INDEX_JOURNAL, doubt_uploads, NULL, error))
    return FALSE;
  DraftsHooks hooks = {on_written, on_resized, cache};
  cache->drafts = drafts_new(account, &hooks);
  /* In this order: the second forgets what the first looks for. */
  return drafts_recover(cache->drafts, error) && journal_open(account->index, error);
}

Cache *cache_open(const CacheConfig *config, GError **error) {
  Cache *cache = g_new0(Cache, 1);
  cache->account.config = config;
  cache->account.cancellable = g_cancellable_new();
  cache->account.stumbles = stumbles_new();
  cache->account.learnt = learnt_new(NULL);
  cache->account.events = cache_events_new();
  cache->account.claims = claims_new(on_freed, cache);
  cache->brake = brake_new(config->brake);
  if (!open_stores(cache, error)) {
    cache_free(cache);
    return NULL;
  }
  cache->account.pool = make_pool(&cache->account);
  account_load_facts(&cache->account);
  cache->sync = sync_new(&cache->account);
  cache->fetch = fetch_new(&cache->account, cache->sync);
  cache->errands = errands_new(&cache->account, cache->sync);
  cache->replay = replay_new(&cache->account, cache->sync);
  replay_call_settled(cache->replay, on_settled, cache);
  return cache;
}

/* A network that is down is no reason not to mount what we have; a refused password or certificate is. */
static gboolean can_go_on_offline(const GError *error) {
  return error->domain == IMAP_ERROR && (error->code == IMAP_ERROR_NETWORK || error->code == IMAP_ERROR_HOST ||
                                         error->code == IMAP_ERROR_TIMEOUT || error->code == IMAP_ERROR_UNAVAILABLE);
}

static SyncOutcome first_contact(Cache *cache, gint64 deadline, GError **error) {
  SyncOutcome outcome = sync_await(cache->sync, SYNC_LOGGED_IN, deadline, error);
  if (outcome != SYNC_REACHED)
    return outcome;
  /* One login has been accepted, so the others may be tried, while this one asks for the folders. */
  fetch_run(cache->fetch);
  return sync_await(cache->sync, SYNC_LEARNT, deadline, error);
}

static gboolean contact_or_go_on(Cache *cache, gboolean known, GError **error) {
  g_autoptr(GError) local = NULL;
  gint64 deadline = known ? g_get_monotonic_time() + PATIENCE : G_MAXINT64;
  SyncOutcome outcome = first_contact(cache, deadline, &local);
  if (outcome == SYNC_FAILED && !(known && can_go_on_offline(local))) {
    g_propagate_error(error, cache_error_from_imap(g_steal_pointer(&local)));
    return FALSE;
  }
  if (outcome != SYNC_REACHED)
    g_warning("mounting without a connection: %s", local ? local->message : "the server has not answered yet");
  return TRUE;
}

gboolean cache_start(Cache *cache, GError **error) {
  Account *account = &cache->account;
  gboolean known = tree_known(account);
  /* Before anybody else changes the tree. */
  if (known && !tree_apply_hide(account, error))
    return FALSE;
  sync_run(cache->sync);
  if (!contact_or_go_on(cache, known, error))
    return FALSE;
  account->root = tree_resolve(account, account->config->root, error);
  if (account->root == 0 || !lostfound_open(account, account->root, error) ||
      !drafts_adopt(cache->drafts, account->root, error))
    return FALSE;
  sync_mounted(cache->sync);
  fetch_run(cache->fetch);
  errands_run(cache->errands);
  replay_run(cache->replay);
  cache->backup = index_backup_run(account->index);
  return TRUE;
}

void cache_stop(Cache *cache) {
  if (cache->stopped)
    return;
  cache->stopped = TRUE;
  if (cache->sync)
    sync_close(cache->sync);
  g_cancellable_cancel(cache->account.cancellable);
  if (cache->replay)
    replay_stop(cache->replay);
  if (cache->errands)
    errands_stop(cache->errands);
  if (cache->fetch)
    fetch_stop(cache->fetch);
  if (cache->sync)
    sync_stop(cache->sync);
  cache_events_close(cache->account.events);
}

void cache_free(Cache *cache) {
  if (!cache)
    return;
  cache_stop(cache);
  g_clear_pointer(&cache->replay, replay_free);
  g_clear_pointer(&cache->errands, errands_free);
  g_clear_pointer(&cache->fetch, fetch_free);
  g_clear_pointer(&cache->sync, sync_free);
  g_clear_pointer(&cache->account.pool, imap_pool_free);
  g_clear_pointer(&cache->account.bodies, body_store_close);
  if (cache->backup)
    index_backup_stop(cache->backup, BACKUP_MOST);
  g_clear_pointer(&cache->account.index, index_close);
  g_clear_pointer(&cache->drafts, drafts_free);
  g_clear_pointer(&cache->account.spool, spool_close);
  if (cache->placed)
    place_close(&cache->place);
  cache_events_free(cache->account.events);
  g_object_unref(cache->account.cancellable);
  claims_free(cache->account.claims);
  stumbles_free(cache->account.stumbles);
  brake_free(cache->brake);
  learnt_free(cache->account.learnt);
  g_free(cache);
}
