/* SPDX-License-Identifier: MIT */
/*
 * The account's connections: what they are made from, what has befallen them, how they end. Who uses them is the matter
 * of pool_lease.c, when not to try of pool_trouble.c; one lock guards all.
 *
 * After a sleep no connection is worth waiting for. Idle ones are only marked, since closing can take a moment; leased
 * ones are told to fail where they wait; an attempt to connect is cancelled.
 */
#include "imap/pool_private.h"

#include <string.h>

/* ---- configuration ------------------------------------------------------------------------------ */

static void config_copy(ImapConfig *to, const ImapConfig *from) {
  *to = *from;
  to->host = g_strdup(from->host);
  to->user = g_strdup(from->user);
  to->tls_ca = g_strdup(from->tls_ca);
  to->tls_pin = g_strdup(from->tls_pin);
  to->tunnel = g_strdup(from->tunnel);
  to->auth = g_strdup(from->auth);
  to->disable = g_strdupv(from->disable);
}

static void config_clear(ImapConfig *config) {
  g_free(config->host);
  g_free(config->user);
  g_free(config->tls_ca);
  g_free(config->tls_pin);
  g_free(config->tunnel);
  g_free(config->auth);
  g_strfreev(config->disable);
}

static void go_home(ImapPool *pool) {
  memcpy(pool->slot_of, pool->home, sizeof pool->home);
}

ImapPool *imap_pool_new(const ImapConfig *config) {
  static const guint homes[][IMAP_ROLES] = {
      {[IMAP_ROLE_PROMPT] = 0, [IMAP_ROLE_SYNC] = 0, [IMAP_ROLE_BULK] = 0, [IMAP_ROLE_WATCH] = 0},
      {[IMAP_ROLE_PROMPT] = 0, [IMAP_ROLE_SYNC] = 0, [IMAP_ROLE_BULK] = 0, [IMAP_ROLE_WATCH] = 1},
      {[IMAP_ROLE_PROMPT] = 0, [IMAP_ROLE_SYNC] = 0, [IMAP_ROLE_BULK] = 1, [IMAP_ROLE_WATCH] = 2},
  };
  ImapPool *pool = g_new0(ImapPool, 1);
  config_copy(&pool->config, config);
  g_mutex_init(&pool->mutex);
  g_cond_init(&pool->changed);
  pool->waiters = g_queue_new();
  memcpy(pool->home, homes[CLAMP(config->connections, 1, G_N_ELEMENTS(homes)) - 1], sizeof pool->home);
  go_home(pool);
  return pool;
}

static gpointer say_goodbye(gpointer conn) {
  imap_conn_close(conn, TRUE);
  return NULL;
}

/* All at once: a dead line costs IMAP_TIMEOUT_LOGOUT, and not that much for each connection. */
static void log_out(ImapPool *pool) {
  GThread *leaving[IMAP_POOL_SLOTS] = {NULL};
  for (guint i = 0; i < IMAP_POOL_SLOTS; i++) {
    g_assert(!pool->slots[i].busy);
    if (pool->slots[i].conn != NULL && pool->slots[i].stale)
      imap_conn_close(pool->slots[i].conn, FALSE);
    else if (pool->slots[i].conn != NULL)
      leaving[i] = g_thread_new("logout", say_goodbye, pool->slots[i].conn);
  }
  for (guint i = 0; i < IMAP_POOL_SLOTS; i++)
    g_clear_pointer(&leaving[i], g_thread_join);
}

void imap_pool_free(ImapPool *pool) {
  if (pool == NULL)
    return;
  log_out(pool);
  g_queue_free(pool->waiters);
  imap_trouble_clear(&pool->trouble);
  g_cond_clear(&pool->changed);
  g_mutex_clear(&pool->mutex);
  config_clear(&pool->config);
  g_free(pool);
}

/* ---- the pause ------------------------------------------------------------------------------------- */

static void tell_pause(ImapPool *pool, gint64 until) {
  if (pool->config.paused != NULL)
    pool->config.paused(until, pool->config.paused_data);
}

void imap_pool_throttled(const char *text, gint64 delay, gpointer data) {
  ImapPool *pool = data;
  g_autofree char *plea = NULL;
  gint64 until;
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
    if (!imap_trouble_pause(&pool->trouble, text, delay, &until))
      return;
    plea = g_strdup(pool->trouble.plea);
    g_cond_broadcast(&pool->changed); /* who stands in line need not wait any longer */
  }
  g_message("%s is %s", pool->config.host, plea);
  tell_pause(pool, until);
}

void imap_pool_end_pause(ImapPool *pool) {
  gboolean over;
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
    over = imap_trouble_pause_over(&pool->trouble);
  }
  if (over)
    tell_pause(pool, 0);
}

/* ---- state -------------------------------------------------------------------------------------------- */

/* They may be dead without knowing it. Closing can take a moment, which the callers do not have. */
static void mistrust_idle(ImapPool *pool) {
  for (guint i = 0; i < IMAP_POOL_SLOTS; i++)
    pool->slots[i].stale = !pool->slots[i].busy && pool->slots[i].conn != NULL;
  g_cond_broadcast(&pool->changed);
}

void imap_pool_retry(ImapPool *pool) {
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
    imap_trouble_forget(&pool->trouble);
    go_home(pool);
    mistrust_idle(pool);
  }
  imap_pool_end_pause(pool);
}

void imap_pool_drop(ImapPool *pool) {
  GCancellable *attempts[IMAP_POOL_SLOTS] = {NULL};
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
    imap_trouble_reset(&pool->trouble);
    mistrust_idle(pool);
    for (guint i = 0; i < IMAP_POOL_SLOTS; i++) {
      ImapSlot *slot = &pool->slots[i];
      if (slot->busy && slot->conn != NULL)
        imap_conn_drop(slot->conn);
      if (slot->attempt != NULL)
        attempts[i] = g_object_ref(slot->attempt);
    }
  }
  for (guint i = 0; i < IMAP_POOL_SLOTS; i++) {
    g_cancellable_cancel(attempts[i]);
    g_clear_object(&attempts[i]);
  }
}

void imap_pool_hurry(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  if (imap_trouble_hurry(&pool->trouble))
    mistrust_idle(pool);
}

void imap_pool_mistrust(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  mistrust_idle(pool);
}

gint64 imap_pool_heard(ImapPool *pool) {
  return atomic_load(&pool->heard);
}

gint64 imap_pool_next_try(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  return imap_trouble_next_try(&pool->trouble);
}

void imap_pool_set_pause(ImapPool *pool, gint64 until) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  imap_trouble_restore_pause(&pool->trouble, until);
}

gboolean imap_pool_is_paused(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  return imap_trouble_paused(&pool->trouble);
}

char *imap_pool_describe(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  guint alive = 0, wanted = 0;
  gboolean sharing = FALSE;
  for (guint i = 0; i < IMAP_POOL_SLOTS; i++)
    alive += pool->slots[i].conn != NULL && !pool->slots[i].stale && !atomic_load(&pool->slots[i].conn->dropped);
  for (guint role = 0; role < IMAP_ROLES; role++) {
    wanted = MAX(wanted, pool->home[role] + 1);
    sharing = sharing || imap_pool_slot_for(pool, (ImapRole)role) != pool->home[role];
  }
  g_autofree char *trouble = imap_trouble_describe(&pool->trouble);
  return g_strdup_printf("%u of %u connections%s%s%s", alive, wanted, sharing ? ", the server allows no more" : "",
                         trouble != NULL ? ", " : "", trouble != NULL ? trouble : "");
}

void imap_pool_set_rate(ImapPool *pool, guint64 bytes_per_second) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  pool->rate = bytes_per_second;
}
