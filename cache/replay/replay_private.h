/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the replay share: replay.c chooses the work, each op has a file of its own. Nobody else includes
 * this. */
#include "cache/journal/journal.h"
#include "cache/replay/claims.h"
#include "cache/replay/replay.h"
#include "cache/replay/steps.h"

/* One op on one connection. The mailboxes are claimed and the batch is not empty. Settles each item through the
 * functions below, and leaves what it could not as it was. FALSE: the line is lost, or the disk fails. */
typedef gboolean (*ReplayFunc)(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);

gboolean replay_append(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);
gboolean replay_confirm(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error); /* NEW, CONFIRMED */
gboolean replay_move(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);
gboolean replay_remove(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);
gboolean replay_flags(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);
gboolean replay_rmdir(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);
/* UNKNOWN: looks for what became of it: of a NEW among what came since (replay_look.h), also where it is CONFIRMED and
 * has no UID (the second function); of a MOVE and REMOVE in both mailboxes (the third). The rest is done once more. */
gboolean replay_seek(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);
gboolean replay_seek_new(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);
gboolean replay_seek_move(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);

/* NEW, READY: takes out of the batch, and settles, what has the octets of the message that it was to replace. FALSE:
 * the line is lost, or the disk fails. */
gboolean replay_same(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);

/* The mailbox that a batch changes besides its source: where it goes; 0: nowhere. To be claimed, too. */
gint64 replay_other(Replay *replay, const JournalBatch *batch);

/* ---- what they need ---- */
Account *replay_account(Replay *replay);
Sync *replay_sync(Replay *replay);

/* SELECT, for changing: READ-WRITE and of the UIDVALIDITY that the index has; what it says of flags is kept. FALSE:
 * READONLY, GONE, UNAVAILABLE (renumbered), or the line. */
gboolean replay_select(Replay *replay, ImapConn *conn, gint64 mailbox, ImapMailbox *ret, GError **error);

/* journal_send(): what may have been done from now on if we end. Before the first command that changes something. */
gboolean replay_send(Replay *replay, const JournalBatch *batch, guint32 uidvalidity, guint32 uidnext, GError **error);

/* replay_more.c: for a batch of NEW that is under way. Before pointers to its items are taken; and: how many of what is
 * to be sent next go along with it. They stand at its end, and are SENT. */
void replay_make_room(JournalBatch *batch);
guint replay_more(Replay *replay, JournalBatch *batch, guint32 uidvalidity, guint32 uidnext);

/* What became of one item. They are committed together, when the op returns or by replay_settle(), and events follow.
 * An item that was sent and is not settled is UNKNOWN. `refusal` of refused: a temporary one is tried again later, with
 * back-off; a permanent one undoes the change, says so in the log and in lost+found. */
gboolean replay_placed(Replay *replay, const JournalItem *item, gint64 mailbox, guint32 uidvalidity, guint32 uid,
                       GError **error);
/* After placed, as journal_leave_behind(); and instead of done, as journal_mark(). */
gboolean replay_left_behind(Replay *replay, const JournalItem *item, gint64 mailbox, guint32 uid, GError **error);
gboolean replay_marked(Replay *replay, const JournalItem *item, GError **error);
/* NEW, CONFIRMED: what the server has was compared with ours; NULL: it is not there any more. */
typedef struct {
  gboolean altered; /* its octets are not ours, or may not be; claim says how many, */
  guint64 claim;
  const guint8 *fingerprint; /* and this what its header is like; zero: nobody knows */
  const char *emailid;       /* or NULL */
  guint flags;               /* ImapFlags */
  const char *keywords;      /* blank-separated, or NULL */
} ReplayFound;
/* Our octets of a NEW, into discarded/: the server may not have them. */
gboolean replay_keep_aside(Replay *replay, const JournalItem *item, GError **error);
gboolean replay_finished(Replay *replay, const JournalItem *item, const ReplayFound *found, GError **error);
gboolean replay_done(Replay *replay, const JournalItem *item, GError **error);
gboolean replay_refused(Replay *replay, const JournalItem *item, const GError *refusal, GError **error);
/* Not its own fault, or not surely: to be tried again, with back-off. */
gboolean replay_put_off(Replay *replay, const JournalItem *item, const GError *why, GError **error);
gboolean replay_again(Replay *replay, const JournalItem *item, GError **error); /* surely not done: READY */
gboolean replay_again_rest(Replay *replay, GError **error); /* each of the batch that is not settled */
gboolean replay_unknown(Replay *replay, const JournalItem *item, GError **error);
/* It is UNKNOWN and was looked for in vain. TRUE in *ret_sure: often enough to say that it was not done (then
 * replay_again()); else it is looked for again in a while. */
gboolean replay_absent(Replay *replay, const JournalItem *item, gboolean *ret_sure, GError **error);
gboolean replay_settle(Replay *replay, GError **error); /* now */
/* Nothing of the batch could be begun, for that reason (taken; NULL: a folder of it went meanwhile). FALSE, with it:
 * the connection is lost. */
gboolean replay_refused_all(Replay *replay, ImapConn *conn, const JournalBatch *batch, GError *refusal, GError **error);
