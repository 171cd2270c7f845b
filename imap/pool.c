/* SPDX-License-Identifier: MIT */
/*
 * The account's connections and who may use them.
 *
 * A slot holds at most one connection and is `busy` while somebody owns it or connects it. Each role has a home slot,
 * given by `connections`; where the server refuses that many, the role shares a slot that lives, for SHARE_TIME. A slot
 * goes to the waiter that its turn favours: PROMPT and SYNC before WATCH before BULK, in order of arrival within these.
 * WATCH holds its lease for ever, so whoever has to wait for it wakes it.
 *
 * Connecting happens with the slot busy and the lock free, so roles warm up side by side. What the account has suffered
 * is shared by all (pool_trouble.c). Attempts under way count as refused logins, lest three roles make it five.
 *
 * After a sleep no connection is worth waiting for. Idle ones are only marked, since closing can take a moment; leased
 * ones are told to fail where they wait; an attempt to connect is cancelled, and its lease tries again.
 */
#include <string.h>

#include "imap/conn.h"
#include "imap/pool_trouble.h"

#define SLOTS 3 /* the most connections we make */
#define SHARE_TIME (300 * G_USEC_PER_SEC)

typedef struct {
  ImapConn *conn; /* NULL: to be connected */
  gboolean busy;
  ImapRole lessee;       /* where busy */
  gboolean stale;        /* conn may be dead without knowing it: whoever leases next closes it first */
  GCancellable *attempt; /* to connect, while it is under way; its owner's */
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
  ImapTrouble trouble;
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
    if (pool->slots[i].conn != NULL && pool->slots[i].stale)
      imap_conn_close(pool->slots[i].conn, FALSE);
    else if (pool->slots[i].conn != NULL)
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

/* From whichever connection heard it, in whichever thread. */
static void throttled(const char *text, gint64 delay, gpointer data) {
  ImapPool *pool = data;
  g_autofree char *plea = NULL;
  gint64 until;
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
    if (!imap_trouble_pause(&pool->trouble, text, delay, &until))
      return;
    plea = imap_trouble_describe(&pool->trouble);
    g_cond_broadcast(&pool->changed); /* who stands in line need not wait any longer */
  }
  g_message("%s is %s", pool->config.host, plea);
  tell_pause(pool, until);
}

static void end_pause(ImapPool *pool) {
  gboolean over;
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
    over = imap_trouble_pause_over(&pool->trouble);
  }
  if (over)
    tell_pause(pool, 0);
}

/* ---- sharing: with the lock held -------------------------------------------------------------------- */

/* Another slot that has a connection, the nearest in kind first; -1: none. */
static int living_slot(const ImapPool *pool, guint not_this) {
  for (guint slot = 0; slot < SLOTS; slot++)
    if (slot != not_this && pool->slots[slot].conn != NULL)
      return (int)slot;
  return -1;
}

/* The server will not have one more connection: those who used this slot move in with others. One that will have
 * nothing at all is in trouble, not short of connections. */
static gboolean share(ImapPool *pool, guint slot, const GError *error) {
  g_autoptr(GError) pause = imap_trouble_error(&pool->trouble, TRUE);
  int other = error->code == IMAP_ERROR_UNAVAILABLE && pause == NULL ? living_slot(pool, slot) : -1;
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

static void pass_on(G_GNUC_UNUSED GCancellable *c, gpointer attempt) {
  g_cancellable_cancel(attempt);
}

/* Without the lock. */
static ImapConn *attempt_to_connect(const ImapConnSetup *setup, GCancellable *attempt, GCancellable *c,
                                    GError **error) {
  gulong id = c != NULL ? g_cancellable_connect(c, G_CALLBACK(pass_on), attempt, NULL) : 0;
  ImapConn *conn = imap_conn_open(setup, attempt, error);
  if (c != NULL)
    g_cancellable_disconnect(c, id);
  return conn;
}

/* The lock is held on entry and on return, and free while the line is used. *ret_dropped: imap_pool_drop() came
 * meanwhile. */
static ImapConn *connect_slot(ImapPool *pool, guint slot, gboolean *ret_dropped, GCancellable *c, GError **error) {
  gboolean only_watches = slot == pool->home[IMAP_ROLE_WATCH] && slot != pool->home[IMAP_ROLE_PROMPT];
  g_autoptr(GCancellable) attempt = g_cancellable_new();
  ImapConnSetup setup = {.config = &pool->config,
                         .number = ++pool->connections_made,
                         .may_compress = !only_watches,
                         .rate = pool->rate,
                         .patience = MAX(IMAP_TIMEOUT_SESSION, 2 * pool->config.timeout),
                         .heard = &pool->heard,
                         .throttled = throttled,
                         .throttled_data = pool};
  pool->slots[slot].attempt = attempt;
  pool->connecting++;
  g_mutex_unlock(&pool->mutex);
  ImapConn *conn = attempt_to_connect(&setup, attempt, c, error);
  g_mutex_lock(&pool->mutex);
  pool->connecting--;
  pool->slots[slot].attempt = NULL;
  pool->slots[slot].conn = conn;
  *ret_dropped = g_cancellable_is_cancelled(attempt);
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
  slot->stale = alive && atomic_load(&slot->conn->dropped);
  return alive && !slot->stale;
}

typedef enum { LEASE_OK, LEASE_FAILED, LEASE_AGAIN } Lease;

static Lease connect_anew(ImapPool *pool, guint slot, ImapConn **ret, GCancellable *c, GError **error) {
  Slot *taken = &pool->slots[slot];
  g_autoptr(GError) failure = NULL;
  gboolean dropped;
  ImapConn *conn = connect_slot(pool, slot, &dropped, c, &failure);
  g_cond_broadcast(&pool->changed);
  if (conn != NULL && !dropped) {
    imap_trouble_connected(&pool->trouble);
    *ret = conn;
    return LEASE_OK;
  }
  taken->busy = FALSE;
  taken->stale = conn != NULL;
  if (dropped || share(pool, slot, failure))
    return LEASE_AGAIN;
  imap_trouble_failed(&pool->trouble, failure);
  g_propagate_error(error, g_steal_pointer(&failure));
  return LEASE_FAILED;
}

/* The slot is free and it is our turn. */
static Lease take_slot(ImapPool *pool, guint slot, ImapRole role, ImapConn **ret, GCancellable *c, GError **error) {
  Slot *taken = &pool->slots[slot];
  taken->busy = TRUE;
  taken->lessee = role;
  if (taken->conn == NULL)
    return connect_anew(pool, slot, ret, c, error);
  taken->busy = still_alive(pool, taken);
  *ret = taken->busy ? taken->conn : NULL;
  return taken->busy ? LEASE_OK : LEASE_AGAIN;
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
  GError *trouble = imap_trouble_error(&pool->trouble, connected);
  if (trouble != NULL) {
    g_propagate_error(error, trouble);
    return LEASE_FAILED;
  }
  gboolean may_connect = connected || pool->trouble.refusals + pool->connecting < IMAP_TROUBLE_REFUSALS;
  *ret_wait = pool->slots[slot].busy || !is_turn(pool, waiter) || !may_connect;
  return *ret_wait ? LEASE_AGAIN : take_slot(pool, slot, waiter->role, ret, c, error);
}

/* It would sit there for ever. */
static void wake_watcher(ImapPool *pool, const Waiter *waiter) {
  Slot *slot = &pool->slots[pool->slot_of[waiter->role]];
  if (slot->busy && slot->conn != NULL && slot->lessee == IMAP_ROLE_WATCH && waiter->role != IMAP_ROLE_WATCH)
    imap_conn_wake(slot->conn);
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
  while (try_lease(pool, &waiter, &conn, &wait, c, error) == LEASE_AGAIN) {
    if (!wait)
      continue;
    wake_watcher(pool, &waiter);
    g_cond_wait(&pool->changed, &pool->mutex);
  }
  g_queue_remove(pool->waiters, &waiter);
  g_cond_broadcast(&pool->changed);
  return conn;
}

ImapConn *imap_pool_lease(ImapPool *pool, ImapRole role, GCancellable *c, GError **error) {
  end_pause(pool);
  /* Outside the lock: the callback takes it, and may run at once. */
  gulong id = c != NULL ? g_cancellable_connect(c, G_CALLBACK(wake_waiters), pool, NULL) : 0;
  ImapConn *conn = lease(pool, role, c, error);
  if (c != NULL)
    g_cancellable_disconnect(c, id);
  return conn;
}

void imap_pool_release(ImapPool *pool, ImapConn *conn) {
  gboolean broken = imap_conn_failed(conn) || imap_fetch_pending(conn) > 0 || conn->watch.mode != IMAP_WATCH_NONE;
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

gboolean imap_pool_watches_alone(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  guint own = slot_for(pool, IMAP_ROLE_WATCH);
  for (guint role = 0; role < IMAP_ROLES; role++)
    if (role != IMAP_ROLE_WATCH && slot_for(pool, (ImapRole)role) == own)
      return FALSE;
  return TRUE;
}

/* ---- state -------------------------------------------------------------------------------------------- */

/* They may be dead without knowing it. Closing can take a moment, which the callers do not have. */
static void mistrust_idle(ImapPool *pool) {
  for (guint i = 0; i < SLOTS; i++)
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
  end_pause(pool);
}

void imap_pool_drop(ImapPool *pool) {
  GCancellable *attempts[SLOTS] = {NULL};
  {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
    imap_trouble_reset(&pool->trouble);
    mistrust_idle(pool);
    for (guint i = 0; i < SLOTS; i++) {
      Slot *slot = &pool->slots[i];
      if (slot->busy && slot->conn != NULL)
        imap_conn_drop(slot->conn);
      if (slot->attempt != NULL)
        attempts[i] = g_object_ref(slot->attempt);
    }
  }
  for (guint i = 0; i < SLOTS; i++) {
    g_cancellable_cancel(attempts[i]);
    g_clear_object(&attempts[i]);
  }
}

void imap_pool_hurry(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  if (imap_trouble_hurry(&pool->trouble))
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

char *imap_pool_describe(ImapPool *pool) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  guint alive = 0, wanted = 0;
  gboolean sharing = FALSE;
  for (guint i = 0; i < SLOTS; i++)
    alive += pool->slots[i].conn != NULL && !pool->slots[i].stale && !atomic_load(&pool->slots[i].conn->dropped);
  for (guint role = 0; role < IMAP_ROLES; role++) {
    wanted = MAX(wanted, pool->home[role] + 1);
    sharing = sharing || slot_for(pool, (ImapRole)role) != pool->home[role];
  }
  g_autofree char *trouble = imap_trouble_describe(&pool->trouble);
  return g_strdup_printf("%u of %u connections%s%s%s", alive, wanted, sharing ? ", the server allows no more" : "",
                         trouble != NULL ? ", " : "", trouble != NULL ? trouble : "");
}

void imap_pool_set_rate(ImapPool *pool, guint64 bytes_per_second) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
  pool->rate = bytes_per_second;
}
