/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/search.h"

/*
 * Private to imap/mailbox.c: one opening of a mailbox, whatever is asked along with it.
 */
typedef struct {
  const char *name;
  gboolean examine;
  gboolean afresh;         /* leave what is selected first */
  gboolean uids;           /* ask for the set, by ESEARCH */
  const char *parameter;   /* " (CONDSTORE)", or "" */
  ImapChangedFunc changed; /* or NULL */
  gpointer data;
} ImapRequest;

typedef struct {
  const ImapRequest *request;
  ImapMailbox mailbox;
  gboolean ours;        /* the old mailbox is left: what is said is about this one */
  ImapSeqset *vanished; /* (EARLIER) */
  ImapSearch search;
} ImapOpening;

ImapOpening imap_opening_new(const ImapRequest *request);
void imap_opening_clear(ImapOpening *opening);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapOpening, imap_opening_clear)

/* On TRUE the mailbox is selected, conn->opening describes it, and `opening` holds what else was told. */
gboolean imap_opening_run(ImapConn *conn, ImapOpening *opening, GCancellable *c, GError **error);

void imap_opening_forget(ImapConn *conn); /* nothing is selected any more */
