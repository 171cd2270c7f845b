/* SPDX-License-Identifier: MIT */
/*
 * How a want ends: it arrives, is refused, is left out, or is lost with its connection.
 *
 * A UID that was left out once is a suspect: when nothing is in flight, NOOP (a session may not have heard of new mail
 * yet) and the UID set decide whether it is gone, or is asked for once more; left out again, it is an error of the
 * server. A set that is suddenly empty proves nothing before the mailbox was opened afresh.
 */
#include "cache/body/lane_private.h"

#include "cache/journal/journal.h"

#include <unistd.h>

#define TRIES 2

/* ---- ends of wants ------------------------------------------------------------------------------------ */

void lane_fail_row(Lane *lane, gint64 row, const GError *error) {
  if (wants_finish(lane->shared->wants, row) > 0)
    account_tell_body(lane_account(lane), row, -1, error);
}

static void fail_code(Lane *lane, gint64 row, ImapError code, const char *text) {
  g_autoptr(GError) error = g_error_new_literal(IMAP_ERROR, code, text);
  lane_fail_row(lane, row, error);
}

void lane_fail_waiting(Lane *lane, const GError *error) {
  g_autoptr(GArray) rows = wants_give_up(lane->shared->wants, lane->kinds);
  for (guint i = 0; i < rows->len; i++)
    account_tell_body(lane_account(lane), g_array_index(rows, gint64, i), -1, error);
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
      lane_fail_row(lane, want->row, error);
  }
}

void lane_lose(Lane *lane, const GError *error) {
  lose_all(lane, lane->asked, error);
  lose_all(lane, lane->suspects, error);
  g_hash_table_remove_all(lane->asked);
  g_hash_table_remove_all(lane->suspects);
  g_queue_clear_full(&lane->commands, (GDestroyNotify)g_array_unref);
  if (g_error_matches(error, IMAP_ERROR, IMAP_ERROR_TIMEOUT))
    lane_fail_waiting(lane, error);
}

/* ---- answers --------------------------------------------------------------------------------------------- */

/* A full disk is an answer, too: asking again would only bring it all once more. */
static void not_written(Lane *lane, guint32 uid, const GError *error) {
  Want *want = g_hash_table_lookup(lane->asked, GUINT_TO_POINTER(uid));
  if (!want)
    return;
  gint64 row = want->row;
  g_hash_table_remove(lane->asked, GUINT_TO_POINTER(uid));
  lane_fail_row(lane, row, error);
}

void lane_arrived(Lane *lane, const ImapMessage *message) {
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
  IndexKey key = {.row = row, .mailbox = lane->mailbox, .uidvalidity = lane->uidvalidity, .uid = message->uid};
  int fd = incoming_accept(lane->incoming, &key, &misplaced, &error);
  if (fd < 0 && misplaced && want->tries + 1 < TRIES) {
    /* Another message under this UID (Yahoo, Exchange): nothing this session says can be trusted. */
    imap_conn_fail(lane->conn);
    return;
  }
  g_hash_table_remove(lane->asked, GUINT_TO_POINTER(message->uid));
  if (wants_finish(lane->shared->wants, row) > 0)
    account_tell_body(lane_account(lane), row, fd, error);
  else if (fd >= 0)
    close(fd);
}

static void left_out(Lane *lane, guint32 uid, const GError *refused) {
  gpointer want;
  if (!g_hash_table_steal_extended(lane->asked, GUINT_TO_POINTER(uid), NULL, &want))
    return;
  gboolean paused = imap_pool_is_paused(lane_account(lane)->pool);
  if (refused && (paused || ((Want *)want)->tries + 1 >= TRIES)) {
    lane_fail_row(lane, ((Want *)want)->row, refused);
    g_free(want);
  } else {
    g_hash_table_insert(lane->suspects, GUINT_TO_POINTER(uid), want);
  }
}

void lane_command_done(Lane *lane, const GError *refused) {
  g_autoptr(GArray) command = g_queue_pop_head(&lane->commands);
  for (guint i = 0; command && i < command->len; i++)
    left_out(lane, g_array_index(command, guint32, i), refused);
  if (refused && imap_pool_is_paused(lane_account(lane)->pool))
    lane_fail_waiting(lane, refused);
}

typedef enum { STANDS_THERE, STANDS_ELSEWHERE, STANDS_TO_BE_MOVED } Stand;

/* Where the index has what was wanted. */
static Stand find_stand(Lane *lane, const Want *want, IndexMessage *ret) {
  Index *index = lane_account(lane)->index;
  gboolean waits = FALSE;
  if (!index_get_message(index, want->row, ret, NULL) || ret->gone)
    return STANDS_THERE;
  if (ret->uid != 0 && (ret->uid != want->uid || ret->mailbox != want->mailbox))
    return STANDS_ELSEWHERE;
  return journal_waits(index, want->row, &waits, NULL) && waits ? STANDS_TO_BE_MOVED : STANDS_THERE;
}

/* Our own MOVE was faster than the reader. Whoever settles that calls fetch_settled(), so it is parked before the index
 * is asked for the last time. */
static gboolean was_moved(Lane *lane, const Want *want) {
  Wants *wants = lane->shared->wants;
  g_auto(IndexMessage) before = {0}, message = {0};
  if (find_stand(lane, want, &before) == STANDS_THERE)
    return FALSE;
  wants_park(wants, want->row);
  Stand stand = find_stand(lane, want, &message);
  if (stand == STANDS_ELSEWHERE)
    wants_move(wants, want->row, message.mailbox, message.uid);
  else if (stand == STANDS_THERE)
    wants_move(wants, want->row, want->mailbox, want->uid);
  return TRUE;
}

/* The server has renumbered since it was wanted: what is not there under the old number may well be under another. */
static gboolean was_renumbered(Lane *lane, const Want *want) {
  g_auto(IndexMessage) message = {0};
  return index_get_message(lane_account(lane)->index, want->row, &message, NULL) && !message.gone &&
         message.uid != want->uid;
}

/* `blind`: a session whose mailbox was renamed sees it empty, and its SEARCH confirms that. */
static void judge(Lane *lane, const Want *want, gboolean there, gboolean blind) {
  if (!there && was_moved(lane, want))
    return;
  if ((there || blind) && want->tries + 1 < TRIES) {
    wants_return(lane->shared->wants, want->row);
    return;
  }
  if (there) {
    fail_code(lane, want->row, IMAP_ERROR_PROTOCOL, "the server has the message but does not send it");
    return;
  }
  if (was_renumbered(lane, want)) {
    fail_code(lane, want->row, IMAP_ERROR_UNAVAILABLE, "the server renumbered; the message is being looked for");
    return;
  }
  sync_doubt(lane->shared->sync, lane->mailbox);
  fail_code(lane, want->row, IMAP_ERROR_GONE, "the message was deleted on the server");
}

gboolean lane_look_at_suspects(Lane *lane, GError **error) {
  g_autoptr(ImapSeqset) there = NULL;
  GCancellable *cancellable = lane_account(lane)->cancellable;
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
