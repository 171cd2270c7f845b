/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * Where messages are that a server was asked to move: what it said of it may be lost, or untrue. Everything here only
 * looks, and blocks.
 */

/* Which of these UIDs the selected mailbox has, and which of them are flagged \Deleted. */
typedef struct {
  ImapSeqset *here, *deleted;
  GHashTable *prints; /* UID -> fingerprint of its header; or NULL */
} Whereabouts;
void whereabouts_clear(Whereabouts *whereabouts);
gboolean whereabouts_here(Account *account, ImapConn *conn, const ImapSeqset *uids, Whereabouts *ret, GError **error);
/* The same of messages that are to be found elsewhere: under names=uid the index knows too little of them. */
gboolean whereabouts_describe(Account *account, ImapConn *conn, const ImapSeqset *uids, Whereabouts *ret,
                              GError **error);
const guint8 *whereabouts_print(const Whereabouts *whereabouts, guint32 uid); /* or NULL */

typedef struct {
  gint64 row;          /* in: a message of the index */
  const guint8 *print; /* in: whereabouts_print(), or NULL */
  guint32 found;       /* out: its UID in the mailbox that was looked at, or 0. Where it was set already: left alone */
  gboolean sure;       /* out: by EMAILID, or by header and size; else only by size and date */
} WhereaboutsSought;

/* Opens `mailbox` (and leaves what is selected) and looks through the UIDs from `uidnext` on that no row has, and that
 * none of the sought has. Equal messages are told apart by nothing, so they are given out in order, each once. */
gboolean whereabouts_there(Account *account, ImapConn *conn, const IndexMailbox *mailbox, guint32 uidnext,
                           WhereaboutsSought *sought, guint n, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Whereabouts, whereabouts_clear)
