/* SPDX-License-Identifier: MIT */
#pragma once

/* What became of one item: made by replay_settle.c, committed by replay_commit.c. Nobody else includes this. */
#include "cache/replay/replay_state.h"

typedef enum {
  SETTLE_PLACED,
  SETTLE_LEFT_BEHIND,
  SETTLE_DONE,
  SETTLE_MARKED,
  SETTLE_FINISHED,
  SETTLE_STATE, /* READY or UNKNOWN */
  SETTLE_RETRY,
  SETTLE_REFUSED,
} SettleKind;

struct _Settlement {
  SettleKind kind;
  gint64 seq, row;
  JournalOp op;
  gboolean sent; /* so it says in the journal */
  gint64 target; /* of the batch, else its source */
  guint64 size;
  gint64 mailbox;
  guint32 uidvalidity, uid;
  JournalState state;
  gint64 due;
  char *reason;
  GError *refusal; /* for who waits; or NULL */
  gint64 lost_found;
  gboolean found, altered, spooled; /* and the rest of a ReplayFound: */
  guint64 claim;
  guint8 fingerprint[16];
  char *emailid, *keywords;
  guint flags;
  IndexLeft other;      /* out */
  JournalUndone undone; /* out */
};

void replay_settlement_free(gpointer settlement);
