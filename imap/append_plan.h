/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/encoder.h"
#include "imap/imap.h"

/* Private to imap/append.c: what goes into a command, and how it is said. No I/O. */
#define IMAP_APPEND_SMALL (64 * 1024)   /* octets of a message that may go unasked, and with others */
#define IMAP_APPEND_BATCH (1024 * 1024) /* octets of one MULTIAPPEND */
#define IMAP_APPEND_MESSAGES 100        /* of one MULTIAPPEND: what may have to be halved */

/* Why it cannot be sent at all; NULL: it can. */
GError *imap_append_objection(const ImapAppend *message);

/* How many of the first of n messages go together, at least one, where the server takes `many`. */
guint imap_append_batch(const ImapAppend *messages, guint n, gboolean many, guint64 *ret_octets);

/* What stands before the octets of a message. */
void imap_append_encode(ImapEncoder *encoder, const ImapAppend *message, gboolean waits);
