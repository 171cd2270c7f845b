/* SPDX-License-Identifier: MIT */
/*
 * UNKNOWN: it was sent, and nobody knows whether it was done. What can be done twice is simply done again. A message is
 * looked for where it was to be; one that is not there may still come, so it is looked for again (replay_absent()).
 *
 * CONFIRMED without a UID: it was done, and no listing has found it: two that look alike were renumbered, or the server
 * told no UID. It is looked for in the same way, among all.
 */
#include "cache/replay/replay_look.h"
#include "cache/replay/replay_private.h"

/* It may be there all the same, altered beyond recognition. Sent again it would be there twice. */
static gboolean disbelieve(Replay *replay, const JournalItem *item, GError **error) {
  g_autoptr(GError) why =
      g_error_new_literal(IMAP_ERROR, IMAP_ERROR_REFUSED, "the server said that it has it, and shows no such message");
  return replay_refused(replay, item, why, error);
}

/* Under numbers that the index does not know yet: the listing goes first. */
static gboolean wait_for_listing(Replay *replay, const JournalBatch *batch, GError **error) {
  g_autoptr(GError) why =
      g_error_new_literal(IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, "the server has renumbered the folder");
  sync_doubt(replay_sync(replay), batch->target);
  for (guint i = 0; i < batch->items->len; i++)
    if (!replay_put_off(replay, &g_array_index(batch->items, JournalItem, i), why, error))
      return FALSE;
  return TRUE;
}

static gboolean is_renumbered(Replay *replay, gint64 mailbox, guint32 uidvalidity) {
  g_auto(IndexMailbox) known = {0};
  return index_get_mailbox(replay_account(replay)->index, mailbox, &known, NULL) && known.uidvalidity != 0 &&
         known.uidvalidity != uidvalidity;
}

/* Of what was altered nobody knows whether it was by the server, or is another version that somebody else put there. */
static gboolean found(Replay *replay, const JournalBatch *batch, const ReplaySought *sought, guint32 uidvalidity,
                      GError **error) {
  g_autoptr(GError) failed = NULL;
  if (sought->altered && batch->state == JOURNAL_UNKNOWN && !replay_keep_aside(replay, sought->item, &failed))
    return replay_put_off(replay, sought->item, failed, error);
  return replay_placed(replay, sought->item, batch->target, uidvalidity, sought->uid, error);
}

static gboolean settle(Replay *replay, const JournalBatch *batch, const ReplaySought *sought, guint32 uidvalidity,
                       GError **error) {
  gboolean said = batch->state == JOURNAL_CONFIRMED;
  if (said && is_renumbered(replay, batch->target, uidvalidity))
    return wait_for_listing(replay, batch, error);
  for (guint i = 0; i < batch->items->len; i++) {
    const JournalItem *item = sought[i].item;
    gboolean sure = FALSE;
    if (sought[i].uid != 0 ? !found(replay, batch, &sought[i], uidvalidity, error)
                           : !replay_absent(replay, item, &sure, error))
      return FALSE;
    if (sure && !(said ? disbelieve(replay, item, error) : replay_again(replay, item, error)))
      return FALSE;
  }
  return TRUE;
}

gboolean replay_seek_new(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  guint n = batch->items->len;
  g_autofree ReplaySought *sought = g_new0(ReplaySought, n);
  g_autoptr(GError) failed = NULL;
  guint32 uidvalidity = 0, uidnext = G_MAXUINT32, found = 0;
  for (guint i = 0; i < n; i++) {
    const JournalItem *item = &g_array_index(batch->items, JournalItem, i);
    sought[i].item = item;
    uidnext = batch->state == JOURNAL_CONFIRMED ? 0 : MIN(uidnext, item->uidnext);
    uidvalidity = i == 0 || uidvalidity == item->uidvalidity ? item->uidvalidity : 0;
  }
  if (!replay_look_for(replay_account(replay), conn, batch->target, uidvalidity, uidnext, sought, n, &found, &failed))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failed), error);
  return settle(replay, batch, sought, found, error);
}

static gboolean do_again(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  (void)conn;
  (void)batch;
  return replay_again_rest(replay, error);
}

gboolean replay_seek(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  static const ReplayFunc funcs[] = {
      [JOURNAL_NEW] = replay_seek_new, [JOURNAL_MOVE] = replay_seek_move, [JOURNAL_REMOVE] = replay_seek_move,
      [JOURNAL_FLAGS] = do_again,      [JOURNAL_RMDIR] = do_again,
  };
  return funcs[batch->op](replay, conn, batch, error);
}
