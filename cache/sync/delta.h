/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/sync/listing.h"
#include "cache/sync/posting.h"

/*
 * What changed in a mailbox since we last looked, by the best means the server has, and as far as it can be verified.
 * One visit is: delta_open(), then, if it is still the same mailbox, delta_members(), then delta_fetch(). Each blocks.
 * Nothing is removed here.
 */
typedef struct {
  Account *account;
  ImapConn *conn;
  const IndexMailbox *mailbox; /* the row as it was; its modseq is where flags were last compared */
  guint32 uidnext;             /* that STATUS said, for servers whose opening does not (Courier); 0 */

  ImapChanges changes; /* the opening */
  ImapSeqset *server;  /* out: what is in the mailbox */
  ImapSeqset *gone;    /* out: rows that are not */
  ImapSeqset *fresh;   /* out: what has no row yet, */
  ImapSeqset *missed;  /* and what has none although an earlier visit asked for it */
  gboolean added;      /* out: rows came */
  gboolean compared;   /* out: flags are those of the opening, or later */

  ImapDelta strategy;
  gboolean wrong; /* QRESYNC was */
  Posting *flags; /* that the opening told */
} Delta;

void delta_clear(Delta *delta);
gboolean delta_open(Delta *delta, GError **error); /* afresh */
void delta_distrust(Delta *delta); /* opened, but nothing that the server says of changes is to be used */
/* Who is in it. `insist`: where the numbers do not agree, ask for each message there is. */
gboolean delta_members(Delta *delta, gboolean insist, GError **error);
/* Lists what is new and compares flags: those that moved, where the server tells, else, if `due`, all. */
gboolean delta_fetch(Delta *delta, gboolean due, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Delta, delta_clear)
