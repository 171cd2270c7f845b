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
 * Where the sync waits for its connection the lane lets what is in flight end, gives it back, and stands in line again.
 */
#include "cache/lane.h"

#include <unistd.h>

#include "cache/incoming.h"

#define COMMAND_MIN (64u << 10)
#define COMMAND_MAX (2u << 20)
#define COMMAND_UIDS 400
#define TRIES 2
#define RECONNECT_WAIT G_USEC_PER_SEC

struct _Lane {
  const LaneShared *shared;
  ImapRole role;
  WantsKinds kinds;
  GThread *thread;
  GMutex mutex;         /* guards conn against lane_wake() */
  ImapConn *conn;       /* leased, or NULL */
  guint64 received;     /* of conn's octets, counted */
  gint64 mailbox;       /* row of what is selected for the wants in flight; 0: none */
  GHashTable *asked;    /* UID -> Want: in flight */
  GQueue commands;      /* GArray of guint32, oldest first */
  GHashTable *suspects; /* UID -> Want: left out by the server, to be looked at when nothing is in flight */
  Incoming *incoming;
  gboolean going; /* something has been asked for on this lease */
};

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

static Account *account_of(Lane *lane) {
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

/* ---- ends of wants ------------------------------------------------------------------------------------ */

static void fail_row(Lane *lane, gint64 row, const GError *error) {
  if (wants_finish(lane->shared->wants, row) > 0)
    account_tell_body(account_of(lane), row, -1, error);
}

static void fail_code(Lane *lane, gint64 row, ImapError code, const char *text) {
  g_autoptr(GError) error = g_error_new_literal(IMAP_ERROR, code, text);
  fail_row(lane, row, error);
}

/* Nobody who waits now shall wait for another attempt at what just failed. */
static void fail_waiting(Lane *lane, const GError *error) {
  g_autoptr(GArray) rows = wants_give_up(lane->shared->wants, lane->kinds);
  for (guint i = 0; i < rows->len; i++)
    account_tell_body(account_of(lane), g_array_index(rows, gint64, i), -1, error);
  if (lane->kinds & WANTS_AHEAD)
    wants_drop_ahead(lane->shared->wants, 0);
}

static gboolean worth_another_try(const Want *want, const GError *error) {
  return want->tries + 1 < TRIES && !g_error_matches(error, IMAP_ERROR, IMAP_ERROR_TIMEOUT) &&
         !g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED);
}

/* Its readers left, and perhaps the connection was dropped because of that: it must not be brought after all. */
static gboolean was_given_up(Lane *lane, const Want *want) {
  return want->large && wants_waiters(lane->shared->wants, want->row) == 0;
}

static void lose_all(Lane *lane, GHashTable *wants, const GError *error) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, wants);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    const Want *want = value;
    if (was_given_up(lane, want))
      wants_finish(lane->shared->wants, want->row);
    else if (worth_another_try(want, error))
      wants_return(lane->shared->wants, want->row);
    else
      fail_row(lane, want->row, error);
  }
}

/* The connection is lost, and with it all that was in flight. */
static void lose(Lane *lane, const GError *error) {
  lose_all(lane, lane->asked, error);
  lose_all(lane, lane->suspects, error);
  g_hash_table_remove_all(lane->asked);
  g_hash_table_remove_all(lane->suspects);
  g_queue_clear_full(&lane->commands, (GDestroyNotify)g_array_unref);
  if (g_error_matches(error, IMAP_ERROR, IMAP_ERROR_TIMEOUT))
    fail_waiting(lane, error);
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
  return imap_fetch_send(lane->conn, uids, IMAP_FETCH_BODY, account_of(lane)->cancellable, error);
}

/* Selects the mailbox of these wants. FALSE: they have been failed, or the connection is lost (then *error is set). */
static gboolean enter(Lane *lane, GArray *wants, GError **error) {
  g_auto(IndexMailbox) mailbox = {0};
  g_autoptr(GError) local = NULL;
  gint64 row = g_array_index(wants, Want, 0).mailbox;
  if (index_get_mailbox(account_of(lane)->index, row, &mailbox, &local) &&
      account_open_mailbox(account_of(lane), lane->conn, &mailbox, NULL, NULL, &local)) {
    lane->mailbox = row;
    return TRUE;
  }
  if (!local)
    g_set_error(&local, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
  if (g_error_matches(local, IMAP_ERROR, IMAP_ERROR_GONE)) {
    /* Renumbered or gone: the folder is looked at; a message that is still there has another UID by then. */
    sync_doubt(lane->shared->sync, row);
    local->code = IMAP_ERROR_UNAVAILABLE;
  }
  for (guint i = 0; i < wants->len; i++)
    fail_row(lane, g_array_index(wants, Want, i).row, local);
  if (imap_conn_failed(lane->conn))
    g_propagate_error(error, g_steal_pointer(&local));
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
  gboolean contended = imap_pool_contended(account_of(lane)->pool, lane->conn);
  return contended ? lane->kinds & ~(guint)WANTS_AHEAD : lane->kinds;
}

/* A short look at a folder: it waits for what is in flight, and for nothing more. But two that take turns must both get
 * on. */
static gboolean gives_way(Lane *lane) {
  return lane->going && imap_pool_contended_by(account_of(lane)->pool, lane->conn, IMAP_ROLE_SYNC);
}

static gboolean ask(Lane *lane, GError **error) {
  for (guint64 bytes; g_hash_table_size(lane->suspects) == 0 && !gives_way(lane) && (bytes = room(lane)) > 0;) {
    g_autoptr(GArray) wants = g_array_new(FALSE, FALSE, sizeof(Want));
    gint64 mailbox = lane->commands.length > 0 ? lane->mailbox : 0;
    if (!wants_take(lane->shared->wants, kinds_now(lane), mailbox, bytes, COMMAND_UIDS, wants))
      return TRUE;
    if (lane->commands.length == 0 && !enter(lane, wants, error)) {
      if (*error)
        return FALSE;
      continue;
    }
    if (!send_wants(lane, wants, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- answers --------------------------------------------------------------------------------------------- */

/* A full disk is an answer, too: asking again would only bring it all once more. */
static void not_written(Lane *lane, guint32 uid, const GError *error) {
  Want *want = g_hash_table_lookup(lane->asked, GUINT_TO_POINTER(uid));
  if (!want)
    return;
  gint64 row = want->row;
  g_hash_table_remove(lane->asked, GUINT_TO_POINTER(uid));
  fail_row(lane, row, error);
}

static void arrived(Lane *lane, const ImapMessage *message) {
  /* Trouble with the body of a response without UID, which nobody saw, is not this one's. */
  gboolean lost = (message->has & IMAP_HAS_LOST_BODY) != 0;
  g_autoptr(GError) trouble = lost ? incoming_trouble(lane->incoming) : NULL;
  if (trouble) {
    not_written(lane, message->uid, trouble);
    return;
  }
  Want *want = g_hash_table_lookup(lane->asked, GUINT_TO_POINTER(message->uid));
  if (!(message->has & IMAP_HAS_UID) || !(message->has & IMAP_HAS_BODY) || !want)
    return; /* a flag update, or NIL: the tagged answer will find it missing */
  if (!incoming_filled(lane->incoming))
    return;
  gint64 row = want->row;
  g_autoptr(GError) error = NULL;
  gboolean misplaced = FALSE;
  int fd = incoming_accept(lane->incoming, row, message->uid, &misplaced, &error);
  if (fd < 0 && misplaced && want->tries + 1 < TRIES) {
    /* Another message under this UID (Yahoo, Exchange): nothing this session says can be trusted. */
    imap_conn_fail(lane->conn);
    return;
  }
  g_hash_table_remove(lane->asked, GUINT_TO_POINTER(message->uid));
  if (wants_finish(lane->shared->wants, row) > 0)
    account_tell_body(account_of(lane), row, fd, error);
  else if (fd >= 0)
    close(fd);
}

static void left_out(Lane *lane, guint32 uid, const GError *refused) {
  gpointer want;
  if (!g_hash_table_steal_extended(lane->asked, GUINT_TO_POINTER(uid), NULL, &want))
    return;
  if (refused && ((Want *)want)->tries + 1 >= TRIES) {
    fail_row(lane, ((Want *)want)->row, refused);
    g_free(want);
  } else {
    g_hash_table_insert(lane->suspects, GUINT_TO_POINTER(uid), want);
  }
}

static void command_done(Lane *lane, const GError *refused) {
  g_autoptr(GArray) command = g_queue_pop_head(&lane->commands);
  for (guint i = 0; command && i < command->len; i++)
    left_out(lane, g_array_index(command, guint32, i), refused);
  if (lane->commands.length == 0)
    idle(lane);
}

/* `blind`: a session whose mailbox was renamed sees it empty, and its SEARCH confirms that. */
static void judge(Lane *lane, const Want *want, gboolean there, gboolean blind) {
  if ((there || blind) && want->tries + 1 < TRIES) {
    wants_return(lane->shared->wants, want->row);
    return;
  }
  if (there) {
    fail_code(lane, want->row, IMAP_ERROR_PROTOCOL, "the server has the message but does not send it");
    return;
  }
  sync_doubt(lane->shared->sync, lane->mailbox);
  fail_code(lane, want->row, IMAP_ERROR_GONE, "the message was deleted on the server");
}

static gboolean look_at_suspects(Lane *lane, GError **error) {
  g_autoptr(ImapSeqset) there = NULL;
  GCancellable *cancellable = account_of(lane)->cancellable;
  if (!imap_noop(lane->conn, cancellable, error) || !imap_uids(lane->conn, &there, cancellable, error))
    return FALSE;
  gboolean blind = imap_seqset_empty(there);
  if (blind)
    sync_doubt(lane->shared->sync, lane->mailbox);
  GHashTableIter iter;
  gpointer uid, want;
  g_hash_table_iter_init(&iter, lane->suspects);
  while (g_hash_table_iter_next(&iter, &uid, &want))
    judge(lane, want, imap_seqset_contains(there, GPOINTER_TO_UINT(uid)), blind);
  g_hash_table_remove_all(lane->suspects);
  return !blind || imap_unselect(lane->conn, cancellable, error);
}

/* One answer. FALSE: the connection is lost. */
static gboolean receive(Lane *lane, GError **error) {
  g_auto(ImapMessage) message = {0};
  g_autoptr(GError) local = NULL;
  count_line(lane);
  switch (
      imap_fetch_next(lane->conn, &incoming_sink, lane->incoming, &message, account_of(lane)->cancellable, &local)) {
  case IMAP_FETCH_MESSAGE:
    arrived(lane, &message);
    return TRUE;
  case IMAP_FETCH_DONE:
    command_done(lane, local);
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
      if (!look_at_suspects(lane, error))
        return FALSE;
    } else {
      return TRUE;
    }
  }
}

/* A line that has just dropped may be back in a moment; a reader should not find out how short it was. Once it is known
 * to be down the pool's next try is farther away, and nobody waits for it. */
static gboolean wait_for_next_try(Lane *lane, const GError *error) {
  Account *account = account_of(lane);
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
  Account *account = account_of(lane);
  ImapConn *conn = imap_pool_lease(account->pool, lane->role, account->cancellable, error);
  if (conn || !wait_for_next_try(lane, *error))
    return conn;
  g_clear_error(error);
  return imap_pool_lease(account->pool, lane->role, account->cancellable, error);
}

static void work(Lane *lane) {
  g_autoptr(GError) error = NULL;
  Account *account = account_of(lane);
  ImapConn *conn = lease(lane, &error);
  if (!conn) {
    fail_waiting(lane, error);
    return;
  }
  set_conn(lane, conn);
  lane->incoming = incoming_new(lane->shared, conn);
  if (!serve(lane, &error)) {
    g_info("fetch: %s", error->message);
    imap_conn_fail(conn);
    lose(lane, error);
    idle(lane);
  }
  g_clear_pointer(&lane->incoming, incoming_free);
  set_conn(lane, NULL);
  lane->mailbox = 0;
  imap_pool_release(account->pool, conn);
}

/* The first reader should not pay for the handshake. */
static void warm_up(Lane *lane) {
  Account *account = account_of(lane);
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
