/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/conn.h"

/*
 * Proves who we are, by LOGIN or by the best SASL mechanism that the server offers and the line is
 * safe enough for. Asks config->secret once, and wipes what it said. IMAP_ERROR_AUTH: the server
 * refused; UNAVAILABLE: it says to come back later; CONFIG: no mechanism in common.
 */
gboolean imap_auth(ImapConn *conn, GCancellable *c, GError **error);

/* XOAUTH2 and OAUTHBEARER (RFC 7628) as their first message, before base64; to be wiped. For tests. */
char *imap_auth_xoauth2(const char *user, const char *token);
char *imap_auth_oauthbearer(const char *user, const char *host, guint port, const char *token);
