/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/conn.h"

/* Private to what changes mail, and to what asks whether it may: imap/append.c, store.c, folders.c, rights.c. */

/* Makes the error of a NO or BAD to a command that changes something say more: where no response code tells what it
 * means, the words may. BAD becomes REFUSED: the server will not like it better next time. */
void imap_change_refine(GError *refusal, const ImapEvent *final);

/* A command and the mailbox it is about; more can follow. */
ImapEncoder *imap_change_encode(ImapConn *conn, const char *verb, const char *mailbox);

/* imap_conn_run(), with patience and with errors that say more. Takes `encoder`. */
gboolean imap_change_run(ImapConn *conn, ImapEncoder *encoder, ImapEventFunc func, gpointer data, ImapEvent *ret_final,
                         GCancellable *c, GError **error);

/* The same of a command that was sent. */
gboolean imap_change_await(ImapConn *conn, guint tag, ImapEvent *ret_final, GCancellable *c, GError **error);

/* Storing a large message or moving thousands takes a server its time. Returns the usual silence, to be put back. */
guint imap_change_be_patient(ImapConn *conn);
