/* SPDX-License-Identifier: MIT */
/*
 * A lane leases a connection while there is something to fetch, asks for it (lane_ask.c), takes the answers
 * (lane_answer.c), and gives the connection back when nothing is left to ask for. What arrives goes straight to a file
 * (incoming.c) and is served as soon as its own FETCH response is closed; the tagged answer only tells what is missing.
 *
 * A lost connection returns what was in flight for one more try; silence fails the readers, who have waited long
 * enough. Where the sync waits for its connection the lane lets what is in flight end, gives it back, and stands in
 * line again.
 */
#include "cache/body/lane_private.h"

#define RECONNECT_WAIT G_USEC_PER_SEC

Lane *lane_new(const LaneShared *shared, ImapRole role, WantsKinds kinds) {
  Lane *lane = g_new0(Lane, 1);
  lane->shared = shared;
  lane->role = role;
  lane->kinds = kinds;
  g_mutex_init(&lane->mutex);
  lane->asked = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  lane->suspects = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  return lane;
}

Account *lane_account(const Lane *lane) {
  return lane->shared->account;
}

static void set_conn(Lane *lane, ImapConn *conn) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&lane->mutex);
  lane->conn = conn;
}

void lane_wake(Lane *lane) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&lane->mutex);
  if (lane->conn)
    imap_conn_wake(lane->conn);
}

/* ---- the line's rate -------------------------------------------------------------------------------------- */

static void idle(Lane *lane) {
  pace_idle(lane->shared->pace);
  pace_idle(lane->shared->line);
}

static void count_line(Lane *lane) {
  guint64 received = imap_conn_received(lane->conn);
  pace_arrived(lane->shared->line, received - lane->received, g_get_monotonic_time());
  lane->received = received;
}

/* ---- answers --------------------------------------------------------------------------------------------- */

/* One answer. FALSE: the connection is lost. */
static gboolean receive(Lane *lane, GError **error) {
  g_auto(ImapMessage) message = {0};
  g_autoptr(GError) local = NULL;
  count_line(lane);
  switch (
      imap_fetch_next(lane->conn, &incoming_sink, lane->incoming, &message, lane_account(lane)->cancellable, &local)) {
  case IMAP_FETCH_MESSAGE:
    lane_arrived(lane, &message);
    return TRUE;
  case IMAP_FETCH_DONE:
    lane_command_done(lane, local);
    if (lane->commands.length == 0)
      idle(lane);
    return TRUE;
  case IMAP_FETCH_WOKEN:
    return TRUE;
  case IMAP_FETCH_FAILED:
    break;
  }
  g_propagate_error(error, g_steal_pointer(&local));
  return FALSE;
}

/* ---- the thread ----------------------------------------------------------------------------------------- */

static gboolean serve(Lane *lane, GError **error) {
  pace_rtt(lane->shared->pace, imap_conn_rtt(lane->conn));
  lane->received = imap_conn_received(lane->conn);
  lane->going = FALSE;
  for (;;) {
    if (!lane_ask(lane, error))
      return FALSE;
    if (lane->commands.length > 0) {
      if (!receive(lane, error))
        return FALSE;
    } else if (g_hash_table_size(lane->suspects) > 0) {
      if (!lane_look_at_suspects(lane, error))
        return FALSE;
    } else {
      return TRUE;
    }
  }
}

/* A line that has just dropped may be back in a moment; a reader should not find out how short it was. Once it is known
 * to be down the pool's next try is farther away, and nobody waits for it. */
static gboolean wait_for_next_try(Lane *lane, const GError *error) {
  Account *account = lane_account(lane);
  gint64 left = imap_pool_next_try(account->pool) - g_get_monotonic_time();
  return g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK) && left <= RECONNECT_WAIT &&
         account_pause(account, left);
}

static ImapConn *lease(Lane *lane, GError **error) {
  Account *account = lane_account(lane);
  ImapConn *conn = imap_pool_lease(account->pool, lane->role, account->cancellable, error);
  if (conn || !wait_for_next_try(lane, *error))
    return conn;
  g_clear_error(error);
  return imap_pool_lease(account->pool, lane->role, account->cancellable, error);
}

static void work(Lane *lane) {
  g_autoptr(GError) error = NULL;
  Account *account = lane_account(lane);
  ImapConn *conn = lease(lane, &error);
  if (!conn) {
    lane_fail_waiting(lane, error);
    return;
  }
  set_conn(lane, conn);
  lane->incoming = incoming_new(lane->shared, conn);
  if (!serve(lane, &error)) {
    g_info("fetch: %s", error->message);
    imap_conn_fail(conn);
    lane_lose(lane, error);
    idle(lane);
  }
  g_clear_pointer(&lane->incoming, incoming_free);
  set_conn(lane, NULL);
  lane->mailbox = 0;
  imap_pool_release(account->pool, conn);
}

/* The first reader should not pay for the handshake. */
static void warm_up(Lane *lane) {
  Account *account = lane_account(lane);
  ImapConn *conn = imap_pool_lease(account->pool, lane->role, account->cancellable, NULL);
  if (conn)
    imap_pool_release(account->pool, conn);
}

static gpointer lane_main(gpointer data) {
  Lane *lane = data;
  warm_up(lane);
  while (wants_await(lane->shared->wants, lane->kinds))
    work(lane);
  return NULL;
}

void lane_run(Lane *lane) {
  lane->thread = g_thread_new(lane->role == IMAP_ROLE_BULK ? "bulk" : "prompt", lane_main, lane);
}

void lane_join(Lane *lane) {
  g_clear_pointer(&lane->thread, g_thread_join);
}

void lane_free(Lane *lane) {
  if (!lane)
    return;
  g_hash_table_unref(lane->asked);
  g_hash_table_unref(lane->suspects);
  g_mutex_clear(&lane->mutex);
  g_free(lane);
}
