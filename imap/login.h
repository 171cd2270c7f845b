/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/conn.h"

/*
 * From nothing to a logged-in connection: tunnel or TCP, TLS, greeting, STARTTLS, authentication,
 * CAPABILITY, ID, ENABLE, COMPRESS. FALSE: with an error that is one sentence for the user.
 */
gboolean imap_login(ImapConn *conn, GCancellable *c, GError **error);

/* Whether the octets are to be compressed on a line with that round trip (µs): where the line, and not the server, is
 * what takes the time. */
gboolean imap_login_compresses(const ImapConnSetup *setup, gint64 rtt);
guint16 imap_login_port(const ImapConfig *config); /* the one given, or that of the protocol */
