/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/conn.h"

/*
 * Proves who we are, by LOGIN or by the best SASL mechanism that the server offers and the line is safe enough for.
 * Asks config->secret once, and wipes what it said. IMAP_ERROR_AUTH: the server refused; UNAVAILABLE: it says to come
 * back later; CONFIG: no mechanism in common.
 */
gboolean imap_auth(ImapConn *conn, GCancellable *c, GError **error);
