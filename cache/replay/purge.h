/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * Takes messages of the selected mailbox away for good, exactly these: \Deleted, then UID EXPUNGE where the server has
 * it. Believes what it sees afterwards and nothing else. Can be repeated without harm. Blocks.
 */
typedef struct {
  ImapSeqset *gone;   /* not there (any more) */
  ImapSeqset *marked; /* there, flagged \Deleted */
  ImapSeqset *kept;   /* there as before */
  GError *refusal;    /* why, if the server said so; or NULL */
} Purge;
void purge_clear(Purge *purge);

/* `opened`: what SELECT said. With `mark` they are only flagged. FALSE: nothing is known: the line is lost, or the
 * server would not tell. */
gboolean purge_run(Account *account, ImapConn *conn, const ImapMailbox *opened, const ImapSeqset *uids, gboolean mark,
                   Purge *ret, GError **error);
/* \Deleted can be set and lasts. */
gboolean purge_is_possible(const ImapMailbox *opened);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Purge, purge_clear)
