/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * Moves messages of the selected mailbox into another, with the best that the server has: UID MOVE; else UID COPY, a
 * look whether they are there, and only then purge.h. Says of each what became of it. Knows no journal. Blocks.
 */
typedef enum {
  TRANSFER_STILL,   /* where it was: not asked for, or surely not done */
  TRANSFER_PLACED,  /* in the target, as `placed`, and no longer where it was */
  TRANSFER_LEFT,    /* the same, but where it was it still is, too, flagged \Deleted: nothing removes just these */
  TRANSFER_KEPT,    /* the same, and it is not even flagged: the server will not */
  TRANSFER_GONE,    /* nowhere: somebody else was faster */
  TRANSFER_REFUSED, /* where it was: see Transfer.refusal */
  TRANSFER_UNKNOWN, /* perhaps done, or half done: to be looked for */
} TransferFate;

typedef struct {
  gint64 row; /* in the index */
  guint32 uid;
  TransferFate fate; /* out */
  guint32 placed;
} TransferMessage;

typedef struct {
  Account *account;
  ImapConn *conn;
  const IndexMailbox *source; /* selected, for changing: */
  const ImapMailbox *opened;  /* and this was said */
  const IndexMailbox *target;
  guint32 uidvalidity, uidnext; /* of the target, asked for before */
  TransferMessage *messages;
  guint n;
  GError *refusal; /* out: of REFUSED, or why something is KEPT */
} Transfer;

/* FALSE: the line is lost; the fates say what is known all the same. Another mailbox may be selected afterwards. */
gboolean transfer_run(Transfer *transfer, GError **error);
/* The second half alone, for those that were found in the target (`placed` is set), while `source` still has them. */
gboolean transfer_complete(Transfer *transfer, GError **error);
void transfer_clear(Transfer *transfer);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Transfer, transfer_clear)
