/* SPDX-License-Identifier: MIT */
/*
 * UNKNOWN: it was sent, and nobody knows whether it was done. What can be done twice is simply done again. A message is
 * looked for where it was to be; one that is not there may still come, so it is looked for again (replay_absent()).
 */
#include "cache/replay_look.h"
#include "cache/replay_private.h"

/* It may be there all the same, altered beyond recognition. Sent again it would be there twice. */
static gboolean disbelieve(Replay *replay, const JournalItem *item, GError **error) {
  g_autoptr(GError) why =
      g_error_new_literal(IMAP_ERROR, IMAP_ERROR_REFUSED, "the server said that it has it, and shows no such message");
  return replay_refused(replay, item, why, error);
}

static gboolean settle(Replay *replay, const JournalBatch *batch, const ReplaySought *sought, guint32 uidvalidity,
                       GError **error) {
  for (guint i = 0; i < batch->items->len; i++) {
    const JournalItem *item = sought[i].item;
    gboolean sure = FALSE;
    if (sought[i].uid != 0 ? !replay_placed(replay, item, batch->target, uidvalidity, sought[i].uid, error)
                           : !replay_absent(replay, item, &sure, error))
      return FALSE;
    if (sure && !(item->uidnext == 0 ? disbelieve(replay, item, error) : replay_again(replay, item, error)))
      return FALSE;
  }
  return TRUE;
}

static gboolean seek_new(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  guint n = batch->items->len;
  g_autofree ReplaySought *sought = g_new0(ReplaySought, n);
  g_autoptr(GError) failed = NULL;
  guint32 uidvalidity = 0, uidnext = G_MAXUINT32, found = 0;
  for (guint i = 0; i < n; i++) {
    const JournalItem *item = &g_array_index(batch->items, JournalItem, i);
    sought[i].item = item;
    uidnext = MIN(uidnext, item->uidnext);
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
      [JOURNAL_NEW] = seek_new,   [JOURNAL_MOVE] = replay_seek_move, [JOURNAL_REMOVE] = replay_seek_move,
      [JOURNAL_FLAGS] = do_again, [JOURNAL_RMDIR] = do_again,
  };
  return funcs[batch->op](replay, conn, batch, error);
}
