/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/imap.h"
#include "imap/stream.h"

/*
 * Our side of one SASL exchange (RFC 4422): a function from challenge to response. No I/O. Not thread-safe.
 */
typedef struct _ImapSasl ImapSasl;

/* All of it must outlive the exchange. `stream` is what a -PLUS mechanism binds to, and NULL for the others. NULL with
 * IMAP_ERROR_CONFIG where libgsasl does not have the mechanism. */
ImapSasl *imap_sasl_new(const char *mechanism, const ImapConfig *config, ImapStream *stream, const char *secret,
                        GError **error);
void imap_sasl_free(ImapSasl *sasl); /* wipes what it was told */

/* Both in base64; the first challenge is "" where the client begins. A new string, to be wiped, or NULL with
 * IMAP_ERROR_AUTH when the mechanism gives up. */
char *imap_sasl_respond(ImapSasl *sasl, const char *challenge, GError **error);
gboolean imap_sasl_is_proven(const ImapSasl *sasl); /* it has nothing more to say, and believes the server */
const char *imap_sasl_detail(const ImapSasl *sasl); /* what an OAuth server says is wrong, clean; or NULL */

/* XOAUTH2 and OAUTHBEARER (RFC 7628) as their first message, before base64; to be wiped. For tests. */
char *imap_sasl_xoauth2(const char *user, const char *token);
char *imap_sasl_oauthbearer(const char *user, const char *host, guint port, const char *token);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSasl, imap_sasl_free)
