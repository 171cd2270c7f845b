/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/imap.h"

/*
 * A private Dovecot for one test program: tests/lib/dovecot.sh in a directory of its own. Users are whom
 * you like, their password is "secret".
 */
typedef struct _Dovecot Dovecot;

gboolean dovecot_installed(void);            /* FALSE, and says so: there is none */
Dovecot *dovecot_new(guint max_connections); /* waits until it greets; from an unchecked fixture */
void dovecot_free(Dovecot *dovecot);         /* stops it and removes its directory */

/* TLS on its own port, verified against its own certificate; change what a test needs changed. For
 * STARTTLS or plaintext also set port to dovecot_port(). Strings belong to `dovecot`. */
ImapConfig dovecot_config(Dovecot *dovecot, const char *user);
guint16 dovecot_port(Dovecot *dovecot);
const char *dovecot_tunnel(Dovecot *dovecot, const char *user); /* command line; valid until the next call */

/* Puts a message of `size` octets into the user's mailbox ("" is INBOX), before or while it runs. */
void dovecot_deliver(Dovecot *dovecot, const char *user, const char *folder, guint number, gsize size);
/* The same with these octets; UIDs ascend with `number`. */
void dovecot_deliver_text(Dovecot *dovecot, const char *user, const char *folder, guint number, const char *text,
                          gsize len);

/* Writes a file of Dovecot's own into the directory of that mailbox. */
void dovecot_write(Dovecot *dovecot, const char *user, const char *folder, const char *name, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Dovecot, dovecot_free)
