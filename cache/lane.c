/* SPDX-License-Identifier: MIT */
/*
 * A lane leases a connection while there is something to fetch and keeps it full: commands are sets of UIDs cut by
 * bytes, and the next is sent before the last one's answer is complete, as long as the octets in flight (of all lanes,
 * the line is one) stay within the pace's window. What arrives goes straight to a file (incoming.c) and is served as
 * soon as its own FETCH response is closed; the tagged answer only tells what is missing.
 *
 * All commands in flight are for the selected mailbox; a want for another mailbox waits until they are done. A UID that
 * was left out once is a suspect: when nothing is in flight, NOOP (a session may not have heard of new mail yet) and
 * the UID set decide whether it is gone, or is asked for once more; left out again, it is an error of the server. A set
 * that is suddenly empty proves nothing before the mailbox was opened afresh. A lost connection returns what was in
 * flight for one more try; silence fails the readers, who have waited long enough.
 *
 * Where the server wants to be left alone (which it may say to anybody), what it refused is not asked for again, and
 * nothing else is. Where the sync waits for its connection the lane lets what is in flight end, gives it back, and
 * stands in line again.
 */
#include "cache/lane_private.h"

#define COMMAND_MIN (64u << 10)
#define COMMAND_MAX (2u << 20)
#define COMMAND_UIDS 400
#define REFUSED_EVERY (5 * G_USEC_PER_SEC)
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

static void busy(Lane *lane) {
  gint64 now = g_get_monotonic_time();
  pace_start(lane->shared->pace, now);
  pace_start(lane->shared->line, now);
}

static void idle(Lane *lane) {
  pace_idle(lane->shared->pace);
  pace_idle(lane->shared->line);
}

static void count_line(Lane *lane) {
  guint64 received = imap_conn_received(lane->conn);
  pace_arrived(lane->shared->line, received - lane->received, g_get_monotonic_time());
  lane->received = received;
}

/* ---- asking --------------------------------------------------------------------------------------------- */

static gboolean send_wants(Lane *lane, GArray *wants, GError **error) {
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  GArray *command = g_array_sized_new(FALSE, FALSE, sizeof(guint32), wants->len);
  for (guint i = 0; i < wants->len; i++) {
    Want *want = &g_array_index(wants, Want, i);
    imap_seqset_add(uids, want->uid, want->uid);
    g_array_append_val(command, want->uid);
    g_hash_table_replace(lane->asked, GUINT_TO_POINTER(want->uid), g_memdup2(want, sizeof *want));
  }
  g_queue_push_tail(&lane->commands, command);
  incoming_sole(lane->incoming, g_hash_table_size(lane->asked) == 1 ? g_array_index(wants, Want, 0).row : 0);
  busy(lane);
  lane->going = TRUE;
  return imap_fetch_send(lane->conn, uids, IMAP_FETCH_BODY, lane_account(lane)->cancellable, error);
}

/* They are lost with the connection, as if they had been asked for, and may be tried once more. */
static void drop_with(Lane *lane, const GArray *wants) {
  for (guint i = 0; i < wants->len; i++) {
    const Want *want = &g_array_index(wants, Want, i);
    g_hash_table_replace(lane->asked, GUINT_TO_POINTER(want->uid), g_memdup2(want, sizeof *want));
  }
}

/* A mailbox that has been listed could be opened then, so a refusal may be this session's own trouble (line.h). Whoever
 * reads a thousand messages of one that is refused for good shall not log in a thousand times. */
static gboolean try_elsewhere(Lane *lane, const GError *refusal) {
  gint64 now = g_get_monotonic_time();
  gboolean busy = g_error_matches(refusal, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE) && !imap_selected(lane->conn) &&
                  !imap_pool_is_paused(lane_account(lane)->pool);
  if (!(busy || g_error_matches(refusal, IMAP_ERROR, IMAP_ERROR_REFUSED)) ||
      (lane->refused != 0 && now - lane->refused < REFUSED_EVERY))
    return FALSE;
  lane->refused = now;
  return TRUE;
}

/* Selects the mailbox of these wants. FALSE: they have been failed, or the connection is to be dropped (then *error is
 * set). */
static gboolean enter(Lane *lane, GArray *wants, GError **error) {
  g_auto(IndexMailbox) mailbox = {0};
  g_autoptr(GError) local = NULL;
  gint64 row = g_array_index(wants, Want, 0).mailbox;
  if (index_get_mailbox(lane_account(lane)->index, row, &mailbox, &local) &&
      account_open_mailbox(lane_account(lane), lane->conn, &mailbox, NULL, NULL, &local)) {
    lane->mailbox = row;
    lane->uidvalidity = mailbox.uidvalidity;
    return TRUE;
  }
  if (!local)
    g_set_error(&local, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
  /* Renumbered or gone: the folder is looked at; a message that is still there has another UID by then. */
  if (g_error_matches(local, IMAP_ERROR, IMAP_ERROR_GONE) || g_error_matches(local, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE))
    sync_doubt(lane->shared->sync, row);
  if (imap_conn_failed(lane->conn) || try_elsewhere(lane, local)) {
    drop_with(lane, wants);
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
  }
  for (guint i = 0; i < wants->len; i++)
    lane_fail_row(lane, g_array_index(wants, Want, i).row, local);
  return FALSE;
}

static guint64 room(Lane *lane) {
  guint64 window = pace_window(lane->shared->pace);
  guint64 flying = wants_outstanding(lane->shared->wants);
  if (flying >= window)
    /* A waiting reader's lane is never kept dry by what the other reads ahead. */
    return lane->commands.length == 0 ? COMMAND_MIN : 0;
  return MIN(MAX(window / 4, COMMAND_MIN), COMMAND_MAX);
}

/* Somebody else waits for this very connection: what is only read ahead can wait. */
static WantsKinds kinds_now(Lane *lane) {
  gboolean contended = imap_pool_contended(lane_account(lane)->pool, lane->conn);
  return contended ? lane->kinds & ~(guint)WANTS_AHEAD : lane->kinds;
}

/* A short look at a folder: it waits for what is in flight, and for nothing more. But two that take turns must both get
 * on. */
static gboolean gives_way(Lane *lane) {
  return lane->going && imap_pool_contended_by(lane_account(lane)->pool, lane->conn, IMAP_ROLE_SYNC);
}

static gboolean may_ask(Lane *lane) {
  if (imap_pool_is_paused(lane_account(lane)->pool))
    return FALSE;
  lane->doubtful = lane->doubtful && lane->commands.length > 0;
  return !lane->doubtful && g_hash_table_size(lane->suspects) == 0 && !gives_way(lane);
}

static gboolean ask(Lane *lane, GError **error) {
  for (guint64 bytes; may_ask(lane) && (bytes = room(lane)) > 0;) {
    g_autoptr(GArray) wants = g_array_new(FALSE, FALSE, sizeof(Want));
    gint64 mailbox = lane->commands.length > 0 ? lane->mailbox : 0;
    if (!wants_take(lane->shared->wants, kinds_now(lane), mailbox, bytes, COMMAND_UIDS, wants))
      return TRUE;
    if (lane->commands.length == 0 && !enter(lane, wants, error)) {
      if (*error)
        return FALSE;
      continue;
    }
    lane->doubtful = g_array_index(wants, Want, 0).doubtful;
    if (!send_wants(lane, wants, error))
      return FALSE;
  }
  return TRUE;
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
    if (!ask(lane, error))
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
  GPollFD stop = {.fd = -1};
  if (!g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK) || left > RECONNECT_WAIT)
    return FALSE;
  if (!g_cancellable_make_pollfd(account->cancellable, &stop))
    return FALSE;
  gboolean stopped = g_poll(&stop, 1, (gint)(MAX(left, 0) / 1000) + 1) > 0;
  g_cancellable_release_fd(account->cancellable);
  return !stopped;
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
