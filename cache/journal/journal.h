/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/index/index.h"

/*
 * The journal: each change that a user makes is first a row here, and only then told to the server. What the server has
 * said of a message (mailbox, uid, flags, ...) stays as it is in its row; where a message is shown (folder, name) is
 * decided here, by one function, in the transaction of each change:
 *
 *   folder = nowhere      while a REMOVE waits
 *          = the target   of the last NEW or MOVE that waits
 *          = mailbox      else
 *
 * so readers need no join, and a refusal is undone by deleting the row here. A name is local and simply given.
 *
 *   NEW      a message that is to be appended. Its message row exists from the first moment, with uid 0 and
 *            mailbox = folder = target; so inode, name and dates do not change when the server gets it.
 *   MOVE     to `target`, from wherever the server has it when its turn comes
 *   REMOVE   as delete= says. Not before `after` (a NEW), or the uploads into its folder that waited when it was made
 *            (of files that are still open only one whose backup it seems to be)
 *   FLAGS    what to add and to take away
 *   RMDIR    of a folder; after all that concerns the folder
 *
 *   LOCAL ──▶ READY ──▶ SENT ──▶ (CONFIRMED) ──▶ no row
 *     ▲         ▲         └────▶ UNKNOWN ──▶ CONFIRMED or READY
 *     └─────────┴── edits        refused: no row and the old state; a NEW: REFUSED, shown in lost+found
 *
 * Rows of one message are replayed in the order of seq. SENT is written before the command goes out; what is SENT when
 * the journal is opened is UNKNOWN. A NEW that is CONFIRMED has its UID, or is looked for where no listing found it;
 * our octets stay until they were compared. A REMOVE that is CONFIRMED is as done as it will be: the
 * server has the message flagged \Deleted, and nothing there takes just this one away (no UIDPLUS), or it is to be so
 * (delete=mark). Such a row waits for nothing and concerns nobody (journal_next, _waits, _left and _concerns pass over
 * it); it only goes on hiding the message, and goes with it.
 */
typedef enum { JOURNAL_NEW = 1, JOURNAL_MOVE, JOURNAL_REMOVE, JOURNAL_FLAGS, JOURNAL_RMDIR } JournalOp;

typedef enum {
  JOURNAL_LOCAL, /* NEW: not to be sent: its name is debris, it is empty, no message or half of one, or in a local
                    folder */
  JOURNAL_READY, /* to be sent when it is due */
  JOURNAL_SENT,
  JOURNAL_UNKNOWN,
  JOURNAL_CONFIRMED,
  JOURNAL_REFUSED, /* NEW */
} JournalState;

/* Of a NEW: the server was not told of it, and will not be without a further step. */
gboolean journal_is_unsent(JournalState state);

#define JOURNAL_NOW 0
#define JOURNAL_HELD G_MAXINT64                  /* somebody has it open; a restart ends that */
#define JOURNAL_AHEAD (10 * 60 * G_USEC_PER_SEC) /* what is due later than that is due now: the clock was set back */

/* Call once after index_open(): what was SENT is UNKNOWN, what was held is due. */
gboolean journal_open(Index *index, GError **error);

/* ---- what users do; inside a job of priority JOURNAL (durable) or CHANGE ---------------------------------------- */

/* A new empty file: message->mailbox, name, flags, keywords, mtime, ctime, internaldate are given; row and folder are
 * set. LOCAL and held. The name is taken as it is: CACHE_ERROR_EXISTS where a message or folder has it. */
gboolean journal_create(IndexTxn *txn, IndexMessage *message, GError **error);

/* The octets of a NEW: up to JOURNAL_BYTES in the row, else in the file spool/ROW, which is on the disk already. */
#define JOURNAL_BYTES (256 * 1024)
typedef struct {
  gint64 row;
  JournalState state; /* LOCAL or READY */
  const void *bytes;  /* or NULL: in the spool */
  guint64 size;
  guint8 sha256[32], fingerprint[16];
  gint64 copy;        /* row of the message whose octets these are, all of them, if the server can copy it; or 0 */
  gint64 due;         /* µs since 1970, JOURNAL_NOW or JOURNAL_HELD */
  const char *reason; /* LOCAL: why it is no message, for people; or NULL */
} JournalContent;
/* Both: FALSE, BUSY where the server has been told of it, GONE where it is no NEW (any more). */
gboolean journal_put(IndexTxn *txn, const JournalContent *content, GError **error);
gboolean journal_set_due(IndexTxn *txn, gint64 row, gint64 due, GError **error);

/* A rewrite: `fresh` (as in journal_create()) takes the name, flags and keywords of `old`, which is shown no more and
 * is removed after fresh is on the server; or at once where it never got there. */
gboolean journal_replace(IndexTxn *txn, gint64 old, IndexMessage *fresh, GError **error);

/* From now on the message is shown in `folder` as `name`; what stands there is not looked at but for EXISTS. `state`:
 * of a NEW not sent yet, LOCAL or READY, and then due at once. With `replaces` (or 0) that message leaves its place
 * first, as by journal_remove(), but after `row` where that is a NEW; its flags go over to a NEW. A MOVE back to where
 * the server has it cancels the one that waits. */
gboolean journal_rename(IndexTxn *txn, gint64 row, gint64 folder, const char *name, JournalState state, gint64 replaces,
                        GError **error);
gboolean journal_exchange(IndexTxn *txn, gint64 row, gint64 other, GError **error); /* names, within one folder */
/* The replaced message has the same octets: `row`, a NEW not sent, becomes what it is on the server (mailbox, uid,
 * flags, emailid), keeps its own name and inode, and nothing is sent but a move where they stand in different
 * mailboxes; `old` ends. */
gboolean journal_adopt(IndexTxn *txn, gint64 row, gint64 old, GError **error);

/* A NEW not sent yet ends, row and all. *ret_spooled (or NULL): spool/ROW can go. Else REMOVE, after the uploads into
 * this folder that wait (an editor removes its backup after it wrote anew). */
gboolean journal_remove(IndexTxn *txn, gint64 row, gboolean *ret_spooled, GError **error);

typedef struct {
  guint add, remove;                          /* ImapFlags */
  const char *add_keywords, *remove_keywords; /* blank-separated, or NULL */
} JournalFlags;
gboolean journal_flag(IndexTxn *txn, gint64 row, const JournalFlags *flags, GError **error);
gboolean journal_rmdir(IndexTxn *txn, gint64 mailbox, GError **error); /* hidden from now on */

/* ---- questions --------------------------------------------------------------------------------------------------- */

/* The NEW of a message. FALSE with no error: there is none. */
typedef struct {
  gint64 seq, row, target, copy, due;
  JournalState state;
  gboolean spooled;
  char *reason;
} JournalNew;
gboolean journal_get_new(Index *index, gint64 row, JournalNew *ret, GError **error);
void journal_new_clear(JournalNew *entry);
GBytes *journal_bytes(Index *index, gint64 row, GError **error); /* NULL and no error: in the spool, or none */
gboolean journal_flags(Index *index, gint64 row, guint *ret, char **ret_keywords, GError **error); /* as shown */
/* It has rows that are to be sent, or were and nobody knows: all but LOCAL, REFUSED and CONFIRMED. */
gboolean journal_waits(Index *index, gint64 row, gboolean *ret, GError **error);
/* The same of one that is shown: with what is removed its changes are nobody's concern. */
gboolean journal_awaited(Index *index, gint64 row, gboolean *ret, GError **error);
/* How many such there are in all, and the octets of the NEWs among them; not what is open, nor what waits for that or
 * for a LOCAL one: nobody but the user can bring it on. */
gboolean journal_left(Index *index, guint64 *ret_changes, guint64 *ret_bytes, GError **error);
gboolean journal_refused(Index *index, guint64 *ret, GError **error); /* how many NEWs are */
/* Any row from or to it; not its own RMDIR. */
gboolean journal_concerns(Index *index, gint64 mailbox, gboolean *ret, GError **error);
gboolean journal_local_bytes(Index *index, guint64 *ret, GError **error);   /* of all that is LOCAL */
gboolean journal_waiting_bytes(Index *index, guint64 *ret, GError **error); /* of all that is to be sent, open or not */
GArray *journal_held(Index *index, GError **error); /* gint64: NEWs that are held; before journal_open(): by a crash */
GArray *journal_spooled(Index *index, GError **error); /* gint64: rows whose octets are in the spool */
/* UIDs there that listings brought after this row was made, and that nobody has touched: one of them may be it. */
ImapSeqset *journal_echoes(Index *index, gint64 mailbox, gint64 row, GError **error);
/* Rows of `state` with target or source there; for claims at the start. New array of gint64 mailboxes. */
GArray *journal_mailboxes(Index *index, JournalState state, GError **error);

/* ---- what the replay does ---------------------------------------------------------------------------------------- */
typedef struct {
  gint64 seq, row;
  guint32 uid;  /* in batch->source; NEW: 0, CONFIRMED: in batch->target, or 0 of all: known under no number (yet) */
  guint64 size; /* exact, or the claim, or IMAP_UNKNOWN_SIZE */
  guint8 sha256[32], fingerprint[16];
  guint flags;                  /* NEW: to append with */
  char *keywords;               /* or NULL */
  gint64 internaldate;          /* NEW */
  gint64 copy;                  /* NEW: row */
  gint64 replaces;              /* NEW, READY: row of the message that it replaces, of which nothing else waits, and
                                   which may have the same octets, for all we know; or 0 */
  gboolean spooled;             /* NEW */
  guint32 uidvalidity, uidnext; /* of the target, as written by journal_send() */
  guint tries;
  guint edition; /* of the row, for journal_send() */
} JournalItem;

/* Equal changes that are due: same op, state, mailboxes and flags. */
typedef struct {
  JournalOp op;
  JournalState state; /* READY, UNKNOWN or CONFIRMED */
  gint64 source;      /* mailbox of the messages; RMDIR: the folder; NEW: 0 */
  gint64 target;      /* NEW, MOVE */
  JournalFlags flags;
  char *keywords[2]; /* of flags */
  GArray *items;     /* JournalItem, in the order of seq */
} JournalBatch;
void journal_batch_clear(JournalBatch *batch);

/* The oldest work that is due now and does not wait for other rows, UNKNOWN first, up to `most` items and `bytes`.
 * FALSE with no error: none; *ret_next is when to ask again (µs since 1970; G_MAXINT64: when something is written).
 * What cannot be done any more is not here: rows go with their message, RMDIR with its folder. */
gboolean journal_next(Index *index, gint64 now, guint most, guint64 bytes, JournalBatch *ret, gint64 *ret_next,
                      GError **error);

/* Everything in it is as it was then, also by which number the server knows each message. */
gboolean journal_is_current(Index *index, const JournalBatch *batch, gboolean *ret, GError **error);

/* The rest inside a job of priority SYNC, but send, which is JOURNAL. `seqs`: GArray of gint64. */
/* The message that it replaces has the same octets: as journal_adopt(), but that its flags are those of `row`. BUSY
 * where a user changed it since journal_next(). */
gboolean journal_unchanged(IndexTxn *txn, const JournalItem *item, GError **error);
/* All are SENT, or none: FALSE, BUSY where a user changed one of them since journal_next(); ask again. */
gboolean journal_send(IndexTxn *txn, const JournalBatch *batch, guint32 uidvalidity, guint32 uidnext, GError **error);
gboolean journal_set_state(IndexTxn *txn, const GArray *seqs, JournalState state, GError **error);
/* Not done, and to be tried again then, at most JOURNAL_AHEAD from now. SENT becomes READY; UNKNOWN and CONFIRMED stay
 * what they are. It counts as a try. */
gboolean journal_retry(IndexTxn *txn, const GArray *seqs, gint64 due, const char *reason, GError **error);
gboolean journal_hurry(IndexTxn *txn, GError **error); /* all of these are due now; but UNKNOWN, which takes time */

/* The server has the message of this NEW, MOVE or REMOVE (into the trash) in `mailbox` now. A NEW becomes CONFIRMED,
 * another row leaves. Another living row with this UID (a delta was faster) ends, and is returned for its event. uid 0:
 * it is there, and nobody knows as what: the row waits to be matched by the next listing. */
gboolean journal_placed(IndexTxn *txn, gint64 seq, gint64 mailbox, guint32 uidvalidity, guint32 uid,
                        IndexLeft *ret_other, GError **error);
/* CONFIRMED, and compared: the row leaves. */
gboolean journal_finish(IndexTxn *txn, gint64 seq, GError **error);
/* FLAGS are set, a REMOVE is done (the message ends), an RMDIR too. A MOVE: somebody else removed the message, which
 * ends. */
gboolean journal_done(IndexTxn *txn, gint64 seq, GError **error);
/* A REMOVE: the server has flagged it \Deleted, and keeps it. CONFIRMED. */
gboolean journal_mark(IndexTxn *txn, gint64 seq, GError **error);
/* After journal_placed(), where the server goes on having the message at (mailbox, uid), too, flagged \Deleted: that
 * gets a row of its own, hidden in the same way. */
gboolean journal_leave_behind(IndexTxn *txn, gint64 row, gint64 mailbox, guint32 uid, GError **error);

/* The server will not. The change is undone: what was removed or moved is shown again (under another name where its own
 * is taken), and a NEW goes to `lost_found` with the reason. What is behind it (a REMOVE `after` it) goes too. */
typedef struct {
  gint64 row, from, to; /* shown in `from` before, in `to` now; 0: nowhere */
  char name[256];       /* as it was called there */
  gint64 back, back_in; /* a NEW: the message that it had replaced, shown again, and where; or 0 */
} JournalUndone;        /* RMDIR: row is the folder, from 0, to its parent */
gboolean journal_refuse(IndexTxn *txn, gint64 seq, const char *reason, gint64 lost_found, JournalUndone *ret,
                        GError **error);
/* A NEW, CONFIRMED: it was said to be there and is not. The row leaves; what it had replaced is shown again, under
 * another name as long as this one has its own. */
gboolean journal_finish_missing(IndexTxn *txn, gint64 seq, JournalUndone *ret, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JournalNew, journal_new_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JournalBatch, journal_batch_clear)
