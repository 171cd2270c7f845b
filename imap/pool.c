/* SPDX-License-Identifier: MIT */
/*
 * The account's connections and who may use them.
 *
 * A slot holds at most one connection and is `busy` while somebody owns it or connects it. Each role has a home slot,
 * given by `connections`; where the server refuses that many, the role shares a slot that lives, for SHARE_TIME. A slot
 * goes to the waiter that its turn favours: PROMPT and SYNC before WATCH before BULK, in order of arrival within these.
 *
 * Connecting happens with the slot busy and the lock free, so roles warm up side by side. What the account
 * has suffered is shared by all: the back-off (its last error is repeated until `next_try`) and the count
 * of refused logins. Attempts under way count as refusals, lest three roles make it five.
 */
#include <string.h>

#include "imap/conn.h"

#define BACKOFF_FIRST G_USEC_PER_SEC
#define BACKOFF_LAST (300 * G_USEC_PER_SEC)
#define BACKOFF_TLS (60 * G_USEC_PER_SEC) /* a captive portal passes; a wrong certificate stays */
#define REFUSALS 3
#define SLOTS 3 /* the most connections we make */
#define SHARE_TIME (300 * G_USEC_PER_SEC)

typedef struct {
  ImapConn *conn; /* NULL: to be connected */
  gboolean busy;
  gboolean stale; /* conn may be dead without knowing it: whoever leases next closes it first */
} Slot;

typedef struct {
  ImapRole role;
} Waiter;

struct _ImapPool {
  ImapConfig config;
  atomic_llong heard;
  GMutex mutex; /* guards all below */
  GCond changed;
  Slot slots[SLOTS];
  guint home[IMAP_ROLES];         /* the slot a role has by `connections` */
  guint slot_of[IMAP_ROLES];      /* and the one it uses */
  gint64 share_until[IMAP_ROLES]; /* monotonic: then home is tried again */
  GQueue *waiters;                /* Waiter *, oldest first */
  GError *trouble;                /* the last failure to connect, or NULL */
  gint64 next_try;                /* monotonic; 0: now */
  gint64 backoff;                 /* the last delay */
  guint refusals;                 /* logins refused in a row */
  guint connecting;
  guint connections_made; /* numbers for the trace */
  guint64 rate;
};

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
  GThread *leaving[SLOTS] = {NULL};
  for (guint i = 0; i < SLOTS; i++) {
    g_assert(!pool->slots[i].busy);
    if (pool->slots[i].conn != NULL)
      leaving[i] = g_thread_new("logout", say_goodbye, pool->slots[i].conn);
  }
  for (guint i = 0; i < SLOTS; i++)
    g_clear_pointer(&leaving[i], g_thread_join);
}

void imap_pool_free(ImapPool *pool) {
  if (pool == NULL)
    return;
  log_out(pool);
  g_queue_free(pool->waiters);
  g_clear_error(&pool->trouble);
  g_cond_clear(&pool->changed);
  g_mutex_clear(&pool->mutex);
  config_clear(&pool->config);
  g_free(pool);
}

/* ---- failures: with the lock held ------------------------------------------------------------------ */

/* Between three quarters and all of the delay, so that many clients do not return as one. */
static gint64 jitter(gint64 delay) {
  return delay - g_random_int_range(0, (gint32)(delay / 4 / 1000) + 1) * (gint64)1000;
}

/* "Request is throttled. Suggested Backoff Time: 299961 milliseconds", in µs; 0: not said. */
static gint64 suggested_delay(const char *message) {
  static const char words[] = "Backoff Time: ";
  const char *found = strcasestr(message, words);
  guint64 ms = found != NULL ? g_ascii_strtoull(found + sizeof words - 1, NULL, 10) : 0;
  return (gint64)MIN(ms, 3600 * 1000) * 1000;
}

static void record_success(ImapPool *pool) {
  g_clear_error(&pool->trouble);
  pool->next_try = pool->backoff = 0;
  pool->refusals = 0;
}

static void record_failure(ImapPool *pool, const GError *error) {
  if (error->code == IMAP_ERROR_CANCELLED)
    return;
  if (error->code == IMAP_ERROR_AUTH)
    pool->refusals++;
  gint64 now = g_get_monotonic_time();
  gint64 first = error->code == IMAP_ERROR_TLS ? BACKOFF_TLS : BACKOFF_FIRST;
  /* Roles that fail together are one failure. */
  if (now >= pool->next_try)
    pool->backoff = CLAMP(pool->backoff * 2, first, BACKOFF_LAST);
  pool->next_try = now + MAX(jitter(pool->backoff), suggested_delay(error->message));
  g_clear_error(&pool->trouble);
  pool->trouble = g_error_copy(error);
}

static gboolean in_trouble(const ImapPool *pool) {
  return pool->trouble != NULL && (pool->refusals >= REFUSALS || g_get_monotonic_time() < pool->next_try);
}

/* ---- sharing: with the lock held -------------------------------------------------------------------- */

/* Another slot that has a connection, the nearest in kind first; -1: none. */
static int living_slot(const ImapPool *pool, guint not_this) {
  for (guint slot = 0; slot < SLOTS; slot++)
    if (slot != not_this && pool->slots[slot].conn != NULL)
      return (int)slot;
  return -1;
}

/* The server will not have one more connection: those who used this slot move in with others. */
static gboolean share(ImapPool *pool, guint slot, const GError *error) {
  int other = error->code == IMAP_ERROR_UNAVAILABLE ? living_slot(pool, slot) : -1;
  if (other < 0)
    return FALSE;
  for (guint role = 0; role < IMAP_ROLES; role++)
    if (pool->slot_of[role] == slot) {
      pool->slot_of[role] = (guint)other;
      pool->share_until[role] = g_get_monotonic_time() + SHARE_TIME;
    }
  return TRUE;
}

static guint slot_for(ImapPool *pool, ImapRole role) {
  if (pool->slot_of[role] != pool->home[role] && g_get_monotonic_time() >= pool->share_until[role])
    pool->slot_of[role] = pool->home[role];
  return pool->slot_of[role];
}

/* Nobody with a better claim waits for the same slot. */
static gboolean is_turn(const ImapPool *pool, const Waiter *waiter) {
  static const int rank[] = {0, [IMAP_ROLE_WATCH] = 1, [IMAP_ROLE_BULK] = 2};
  gboolean earlier = TRUE;
  for (GList *l = pool->waiters->head; l != NULL; l = l->next) {
    const Waiter *other = l->data;
    int ahead = rank[waiter->role] - rank[other->role];
    if (other == waiter)
      earlier = FALSE;
    else if (pool->slot_of[other->role] == pool->slot_of[waiter->role] && (ahead > 0 || (ahead == 0 && earlier)))
      return FALSE;
  }
  return TRUE;
}

/* ---- leasing ------------------------------------------------------------------------------------------ */

/* The lock is held on entry and on return, and free while the line is used. */
static ImapConn *connect_slot(ImapPool *pool, guint slot, GCancellable *c, GError **error) {
  gboolean only_watches = slot == pool->home[IMAP_ROLE_WATCH] && slot != pool->home[IMAP_ROLE_PROMPT];
  ImapConnSetup setup = {.config = &pool->config,
                         .number = ++pool->connections_made,
                         .may_compress = !only_watches,
                         .rate = pool->rate,
                         .patience = MAX(IMAP_TIMEOUT_SESSION, 2 * pool->config.timeout),
                         .heard = &pool->heard};
  pool->connecting++;
  g_mutex_unlock(&pool->mutex);
  ImapConn *conn = imap_conn_open(&setup, c, error);
  g_mutex_lock(&pool->mutex);
  pool->connecting--;
  pool->slots[slot].conn = conn;
  return conn;
}

/* A connection that lay idle may have been closed by the server: then it is forgotten. */
static gboolean still_alive(ImapPool *pool, Slot *slot) {
  gboolean stale = slot->stale;
  slot->stale = FALSE;
  g_mutex_unlock(&pool->mutex);
  gboolean alive = !stale && imap_conn_alive(slot->conn);
  if (!alive)
    imap_conn_close(slot->conn, FALSE);
  g_mutex_lock(&pool->mutex);
  if (!alive)
    slot->conn = NULL;
  return alive;
}

typedef enum { LEASE_OK, LEASE_FAILED, LEASE_AGAIN } Lease;

/* The slot is free and it is our turn. */
static Lease take_slot(ImapPool *pool, guint slot, ImapConn **ret, GCancellable *c, GError **error) {
  Slot *taken = &pool->slots[slot];
  taken->busy = TRUE;
  if (taken->conn != NULL) {
    gboolean alive = still_alive(pool, taken);
    taken->busy = alive;
    *ret = taken->conn;
    return alive ? LEASE_OK : LEASE_AGAIN;
  }
  g_autoptr(GError) failure = NULL;
  *ret = connect_slot(pool, slot, c, &failure);
  if (*ret != NULL) {
    record_success(pool);
    g_cond_broadcast(&pool->changed);
    return LEASE_OK;
  }
  taken->busy = FALSE;
  gboolean again = share(pool, slot, failure);
  if (!again)
    record_failure(pool, failure);
  g_cond_broadcast(&pool->changed);
  if (!again)
    g_propagate_error(error, g_steal_pointer(&failure));
  return again ? LEASE_AGAIN : LEASE_FAILED;
}

/* One look at the state. AGAIN: something has to change first, or has just changed. */
static Lease try_lease(ImapPool *pool, Waiter *waiter, ImapConn **ret, gboolean *ret_wait, GCancellable *c,
                       GError **error) {
  *ret_wait = FALSE;
  if (g_cancellable_is_cancelled(c)) {
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_CANCELLED, "cancelled");
    return LEASE_FAILED;
  }
  guint slot = slot_for(pool, waiter->role);
  gboolean connected = pool->slots[slot].conn != NULL; /* stale ones too: retry and hurry have cleared the way */
  if (!connected && in_trouble(pool)) {
    g_propagate_error(error, g_error_copy(pool->trouble));
    return LEASE_FAILED;
  }
  gboolean may_connect = connected || pool->refusals + pool->connecting < REFUSALS;
  *ret_wait = pool->slots[slot].busy || !is_turn(pool, waiter) || !may_connect;
  return *ret_wait ? LEASE_AGAIN : take_slot(pool, slot, ret, c, error);
}

static void wake_waiters(G_GNUC_UNUSED GCancellable *c, gpointer data) {
  ImapPool *pool = data;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  g_cond_broadcast(&pool->changed);
}

static ImapConn *lease(ImapPool *pool, ImapRole role, GCancellable *c, GError **error) {
  Waiter waiter = {.role = role};
  ImapConn *conn = NULL;
  gboolean wait;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  g_queue_push_tail(pool->waiters, &waiter);
  while (try_lease(pool, &waiter, &conn, &wait, c, error) == LEASE_AGAIN)
    if (wait)
      g_cond_wait(&pool->changed, &pool->mutex);
  g_queue_remove(pool->waiters, &waiter);
  g_cond_broadcast(&pool->changed);
  return conn;
}

ImapConn *imap_pool_lease(ImapPool *pool, ImapRole role, GCancellable *c, GError **error) {
  /* Outside the lock: the callback takes it, and may run at once. */
  gulong id = c != NULL ? g_cancellable_connect(c, G_CALLBACK(wake_waiters), pool, NULL) : 0;
  ImapConn *conn = lease(pool, role, c, error);
  if (c != NULL)
    g_cancellable_disconnect(c, id);
  return conn;
}

void imap_pool_release(ImapPool *pool, ImapConn *conn) {
  gboolean broken = imap_conn_failed(conn) || imap_fetch_pending(conn) > 0;
  atomic_store(&conn->woken, FALSE); /* meant for who had it */
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
    for (guint i = 0; i < SLOTS; i++)
      if (pool->slots[i].conn == conn) {
        pool->slots[i].busy = FALSE;
        if (broken)
          pool->slots[i].conn = NULL;
      }
    g_cond_broadcast(&pool->changed);
  }
  if (broken)
    imap_conn_close(conn, FALSE);
}

/* Somebody in one of these roles, a set of bits, waits for it. */
static gboolean waited_for(ImapPool *pool, ImapConn *conn, guint roles) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  for (GList *l = pool->waiters->head; l != NULL; l = l->next) {
    const Waiter *waiter = l->data;
    if ((roles >> waiter->role & 1) && pool->slots[pool->slot_of[waiter->role]].conn == conn)
      return TRUE;
  }
  return FALSE;
}

gboolean imap_pool_contended(ImapPool *pool, ImapConn *conn) {
  return waited_for(pool, conn, ~0u);
}

gboolean imap_pool_contended_by(ImapPool *pool, ImapConn *conn, ImapRole role) {
  return waited_for(pool, conn, 1u << role);
}

/* ---- state -------------------------------------------------------------------------------------------- */

/* They may be dead without knowing it. Closing can take a moment, which the callers do not have. */
static void mistrust_idle(ImapPool *pool) {
  for (guint i = 0; i < SLOTS; i++)
    pool->slots[i].stale = !pool->slots[i].busy && pool->slots[i].conn != NULL;
  g_cond_broadcast(&pool->changed);
}

void imap_pool_retry(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  record_success(pool);
  go_home(pool);
  mistrust_idle(pool);
}

static gboolean line_is_down(const ImapPool *pool) {
  static const int codes[] = {IMAP_ERROR_NETWORK, IMAP_ERROR_HOST, IMAP_ERROR_TIMEOUT};
  for (guint i = 0; pool->trouble != NULL && i < G_N_ELEMENTS(codes); i++)
    if (pool->trouble->code == codes[i])
      return TRUE;
  return FALSE;
}

void imap_pool_hurry(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  if (!line_is_down(pool))
    return;
  pool->next_try = 0;
  mistrust_idle(pool);
}

gint64 imap_pool_heard(ImapPool *pool) {
  return atomic_load(&pool->heard);
}

gint64 imap_pool_next_try(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  if (!in_trouble(pool))
    return 0;
  return pool->refusals >= REFUSALS ? G_MAXINT64 : pool->next_try;
}

void imap_pool_set_rate(ImapPool *pool, guint64 bytes_per_second) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  pool->rate = bytes_per_second;
}
