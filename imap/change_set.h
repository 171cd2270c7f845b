/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/conn.h"

/* Private to imap/store.c: a command about a set of UIDs, in as many lines as it takes. */
typedef struct {
  const char *verb;       /* "UID STORE " */
  const ImapSeqset *uids; /* follow it */
  const char *suffix;     /* follows these as it is: a STORE; or NULL */
  const char *mailbox;    /* or this one does, a name: then COPYUID tells what was done; or NULL */
} ImapSetCommand;

/* Into `effect`, which is new: see imap_store() in imap.h, also for what is returned. */
gboolean imap_change_set(ImapConn *conn, const ImapSetCommand *command, ImapEffect *effect, GCancellable *c,
                         GError **error);
