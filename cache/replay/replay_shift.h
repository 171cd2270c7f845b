/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/replay/replay_private.h"
#include "cache/replay/transfer.h"

/* What MOVE and the way into the trash share: from a batch to a transfer, and back to what became of each item. Only
 * for the ops of the replay. */
typedef struct {
  Replay *replay;
  JournalBatch *batch;
  IndexMailbox source, target;
  ImapMailbox opened; /* source */
  Transfer transfer;  /* messages[i] is items[i] */
  GArray *ended;      /* IndexLeft: messages that were shown and are no more; or NULL */
  gboolean arrived;   /* in the trash: nobody has seen them there */
} ReplayShift;

/* Loads both mailboxes, asks for the numbers of the target (unless it was `sent` already: then they are those of the
 * items) and selects the source. FALSE: nothing was begun, and why. */
gboolean replay_shift_open(ReplayShift *shift, Replay *replay, ImapConn *conn, JournalBatch *batch, gint64 target,
                           gboolean sent, GError **error);
const JournalItem *replay_shift_item(const ReplayShift *shift, guint i);
gboolean replay_shift_settle_one(ReplayShift *shift, guint i, GError **error); /* by its fate */
gboolean replay_shift_commit(ReplayShift *shift, GError **error);              /* what was settled, and its events */
gboolean replay_shift_settle(ReplayShift *shift, GError **error);              /* all of them */
void replay_shift_clear(ReplayShift *shift);

/* replay_remove.c, of Gmail's delete=expunge: those that came into the trash really go. FALSE: the line is lost, or the
 * server would not tell. */
gboolean replay_empty_trash(ReplayShift *shift, GError **error);

ImapSeqset *replay_uids(const JournalBatch *batch); /* of its items */

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplayShift, replay_shift_clear)
