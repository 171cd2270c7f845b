/* SPDX-License-Identifier: MIT */
#pragma once

/* What replay.c (the thread), replay_settle.c and replay_commit.c (what became of items), replay_claims.c (what is
 * ours meanwhile) and replay_await.c (who waits) share. Nobody else includes this. */
#include "cache/replay/replay_private.h"

typedef struct _Settlement Settlement;

struct _Replay {
  Account *account;
  Sync *sync;
  GThread *thread;
  void (*call)(gint64 row, gpointer data); /* see replay_call_settled(); or NULL */
  gpointer data;

  /* of the thread */
  const JournalBatch *batch; /* in hand; or NULL */
  gboolean sent;             /* so it says in the journal */
  GPtrArray *pending;        /* Settlement, not yet committed */
  GHashTable *settled;       /* seqs of the batch that are */
  GHashTable *looks;         /* seq -> guint: times it was looked for in vain */
  GHashTable *kept;          /* mailboxes that stay claimed, for what is UNKNOWN */
  guint losses;              /* of the line, one after another */
  gint64 not_before;         /* monotonic: after one */

  GMutex mutex; /* guards all below */
  GCond cond;
  gboolean woken, stopped;
  gboolean hurried;    /* what was put off is due now */
  GHashTable *awaited; /* as whom it is told -> row that is waited for; 0: all */
  GError *refused;     /* the first since somebody waits for all; or NULL */
  GHashTable *stuck;   /* seq -> why it was put off */
  GError *offline;     /* why there is no line; or NULL */
};

/* The most of a batch; and octets from which on others should not wait behind them. */
#define REPLAY_MOST 1000
#define REPLAY_BYTES (G_GUINT64_CONSTANT(16) << 20)
#define REPLAY_BULK (G_GUINT64_CONSTANT(256) << 10)

/* One batch, with its mailboxes claimed, and what became of it. FALSE: the connection is lost (and given up), the disk
 * fails, or CACHE_ERROR_BUSY: one of its rows, or the number of its message, changed before it was sent. */
gboolean replay_do(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error);

void replay_settle_init(Replay *replay);
void replay_settle_clear(Replay *replay);
/* A batch begins, and ends: what was sent and not settled is UNKNOWN; all is committed, and told. What was sent and
 * cannot be written stays in `pending` for the next replay_settle(). */
void replay_settle_begin(Replay *replay, const JournalBatch *batch);
gboolean replay_settle_end(Replay *replay, GError **error);

/* replay_claims.c: the mailboxes of a batch, together; FALSE: cancelled. Then all but those of what is UNKNOWN are let
 * go; where that cannot be read, none. And at the start: those. */
gboolean replay_claim(Replay *replay, const JournalBatch *batch);
void replay_let_go(Replay *replay);
void replay_claim_unknown(Replay *replay);

void replay_await_init(Replay *replay);
void replay_await_clear(Replay *replay);
/* It left the journal, or cannot for now. 0, of a folder: nobody waits for that one alone. */
void replay_tell(Replay *replay, gint64 row, const GError *error);
void replay_note_refused(Replay *replay, const GError *refusal);    /* for who waits for all */
void replay_tell_all(Replay *replay, const GError *error);          /* nobody is to wait any longer */
void replay_tell_drained(Replay *replay);                           /* if it is */
void replay_set_line(Replay *replay, const GError *error);          /* NULL: there is one */
void replay_set_stuck(Replay *replay, gint64 seq, const char *why); /* NULL: no more */
#define REPLAY_DISK 0                                               /* in place of a seq: this disk, and so all */
void replay_forget_stuck(Replay *replay);                           /* nothing waits to be tried again */
