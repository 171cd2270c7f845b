/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* The other client: a session of alice with a well-behaved server on loopback. Each answer is awaited; whatever is not
 * OK ends the program. */
typedef struct Client Client;

Client *client_new(guint16 port);
void client_free(Client *client);

/* Sends one command and returns all that was said in answer, up to the next call. */
const char *client_run(Client *client, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Tries again: Dovecot says SERVERBUG of a mailbox that another session opens meanwhile. */
void client_delete(Client *client, const char *mailbox);
guint32 client_append(Client *client, const char *mailbox, const char *date, const GString *message); /* its UID */
