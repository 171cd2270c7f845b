/* SPDX-License-Identifier: MIT */
/*
 * Who may use which connection, and when.
 *
 * A slot holds at most one connection and is `busy` while somebody owns it or connects it. Each role has a home slot,
 * given by `connections`; where the server refuses that many, the role shares a slot that lives, for SHARE_TIME. A slot
 * goes to the waiter that its turn favours: PROMPT and SYNC before WATCH before BULK, in order of arrival within these.
 * WATCH holds its lease for ever, so whoever has to wait for it wakes it.
 *
 * Connecting happens with the slot busy and the lock free, so roles warm up side by side. Attempts under way count as
 * refused logins, lest three roles make it five. One that imap_pool_drop() cancels is repeated by its own lease.
 */
#include "imap/pool_private.h"

#define SHARE_TIME (300 * G_USEC_PER_SEC)

typedef struct {
  ImapRole role;
} Waiter;

/* ---- sharing: with the lock held -------------------------------------------------------------------- */

/* Another slot that has a connection, the nearest in kind first; -1: none. */
static int living_slot(const ImapPool *pool, guint not_this) {
  for (guint slot = 0; slot < IMAP_POOL_SLOTS; slot++)
    if (slot != not_this && pool->slots[slot].conn != NULL)
      return (int)slot;
  return -1;
}

/* The server will not have one more connection: those who used this slot move in with others. One that will have
 * nothing at all is in trouble, not short of connections. Courier just hangs up. */
static gboolean share(ImapPool *pool, guint slot, gboolean turned_away, const GError *error) {
  g_autoptr(GError) pause = imap_trouble_error(&pool->trouble, TRUE);
  gboolean refused = turned_away || error->code == IMAP_ERROR_UNAVAILABLE;
  int other = refused && pause == NULL ? living_slot(pool, slot) : -1;
  if (other < 0)
    return FALSE;
  for (guint role = 0; role < IMAP_ROLES; role++)
    if (pool->slot_of[role] == slot) {
      pool->slot_of[role] = (guint)other;
      pool->share_until[role] = g_get_monotonic_time() + SHARE_TIME;
    }
  return TRUE;
}

guint imap_pool_slot_for(ImapPool *pool, ImapRole role) {
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
static ImapConn *connect_slot(ImapPool *pool, guint slot, gboolean *ret_dropped, gboolean *ret_turned_away,
                              GCancellable *c, GError **error) {
  gboolean only_watches = slot == pool->home[IMAP_ROLE_WATCH] && slot != pool->home[IMAP_ROLE_PROMPT];
  g_autoptr(GCancellable) attempt = g_cancellable_new();
  ImapConnSetup setup = {.config = &pool->config,
                         .number = ++pool->connections_made,
                         .may_compress = !only_watches,
                         .rate = pool->rate,
                         .patience = MAX(IMAP_TIMEOUT_SESSION, 2 * pool->config.timeout),
                         .heard = &pool->heard,
                         .throttled = imap_pool_throttled,
                         .throttled_data = pool,
                         .turned_away = ret_turned_away};
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

/* A connection that lay idle may have been closed by the server, or dropped: then it is forgotten. It stays in its
 * slot, where imap_pool_drop() finds it, until it is known to be dead. */
static gboolean still_alive(ImapPool *pool, ImapSlot *slot) {
  ImapConn *conn = slot->conn;
  gboolean stale = slot->stale;
  slot->stale = FALSE;
  g_mutex_unlock(&pool->mutex);
  gboolean alive = !stale && imap_conn_alive(conn);
  g_mutex_lock(&pool->mutex);
  if (alive && !atomic_load(&conn->dropped))
    return TRUE;
  slot->conn = NULL;
  g_mutex_unlock(&pool->mutex);
  imap_conn_close(conn, FALSE);
  g_mutex_lock(&pool->mutex);
  return FALSE;
}

typedef enum { LEASE_OK, LEASE_FAILED, LEASE_AGAIN } Lease;

static Lease connect_anew(ImapPool *pool, guint slot, ImapConn **ret, GCancellable *c, GError **error) {
  ImapSlot *taken = &pool->slots[slot];
  g_autoptr(GError) failure = NULL;
  gboolean dropped, turned_away = FALSE;
  ImapConn *conn = connect_slot(pool, slot, &dropped, &turned_away, c, &failure);
  g_cond_broadcast(&pool->changed);
  if (conn != NULL && !dropped) {
    imap_trouble_connected(&pool->trouble);
    *ret = conn;
    return LEASE_OK;
  }
  taken->busy = FALSE;
  taken->stale = conn != NULL;
  if (dropped || share(pool, slot, turned_away, failure))
    return LEASE_AGAIN;
  imap_trouble_failed(&pool->trouble, failure);
  g_propagate_error(error, g_steal_pointer(&failure));
  return LEASE_FAILED;
}

/* The slot is free and it is our turn. */
static Lease take_slot(ImapPool *pool, guint slot, ImapRole role, ImapConn **ret, GCancellable *c, GError **error) {
  ImapSlot *taken = &pool->slots[slot];
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
  guint slot = imap_pool_slot_for(pool, waiter->role);
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
  ImapSlot *slot = &pool->slots[pool->slot_of[waiter->role]];
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
    if (!wait) {
      g_cond_broadcast(&pool->changed); /* who looked while the slot was taken may have the better claim */
      continue;
    }
    wake_watcher(pool, &waiter);
    g_cond_wait(&pool->changed, &pool->mutex);
  }
  g_queue_remove(pool->waiters, &waiter);
  g_cond_broadcast(&pool->changed);
  return conn;
}

ImapConn *imap_pool_lease(ImapPool *pool, ImapRole role, GCancellable *c, GError **error) {
  imap_pool_end_pause(pool);
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
    for (guint i = 0; i < IMAP_POOL_SLOTS; i++)
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
  guint own = imap_pool_slot_for(pool, IMAP_ROLE_WATCH);
  for (guint role = 0; role < IMAP_ROLES; role++)
    if (role != IMAP_ROLE_WATCH && imap_pool_slot_for(pool, (ImapRole)role) == own)
      return FALSE;
  return TRUE;
}
