/* SPDX-License-Identifier: MIT */
/*
 * A set of messages goes from one mailbox to another in as few commands as the server allows (transfer.h). The row of
 * the journal knows the target's UIDNEXT before anything is sent, so what became of them is found if the answer is
 * lost.
 */
#include "cache/replay/replay_shift.h"

gboolean replay_move(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  g_auto(ReplayShift) shift = {0};
  g_autoptr(GError) failure = NULL, trouble = NULL;
  if (!replay_shift_open(&shift, replay, conn, batch, batch->target, FALSE, &failure))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&failure), error);
  if (!replay_send(replay, batch, shift.transfer.uidvalidity, shift.transfer.uidnext, error))
    return FALSE;
  steps_one();
  gboolean alive = transfer_run(&shift.transfer, &failure);
  steps_one();
  gboolean settled = replay_shift_settle(&shift, &trouble);
  if (alive && settled)
    return TRUE;
  g_propagate_error(error, settled ? g_steal_pointer(&failure) : g_steal_pointer(&trouble));
  return FALSE;
}
