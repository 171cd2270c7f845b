/* SPDX-License-Identifier: MIT */
/*
 * What a lane asks for. Its connection is kept full: commands are sets of UIDs cut by bytes, and the next is sent
 * before the last one's answer is complete, as long as the octets in flight (of all lanes, the line is one) stay within
 * the pace's window. All commands in flight are for the selected mailbox; a want for another mailbox waits until they
 * are done.
 *
 * Nothing is asked for where there is a suspect (lane_answer.c), where the sync waits for this connection, and where
 * the server wants to be left alone (which it may say to anybody): what it refused is not asked for again, and nothing
 * else is.
 */
#include "cache/body/lane_private.h"

#define COMMAND_MIN (64u << 10)
#define COMMAND_MAX (2u << 20)
#define COMMAND_UIDS 400
#define REFUSED_EVERY (5 * G_USEC_PER_SEC)

static void busy(Lane *lane) {
  gint64 now = g_get_monotonic_time();
  pace_start(lane->shared->pace, now);
  pace_start(lane->shared->line, now);
}

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

gboolean lane_ask(Lane *lane, GError **error) {
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
