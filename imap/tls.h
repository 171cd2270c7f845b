/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/stream.h"

/*
 * TLS as a layer: version 1.2 or newer, chain, host name (or IP address) and pin verified, or no
 * connection at all. There is no way to switch that off.
 */
typedef struct {
  const char *host; /* as the user wrote it: what the certificate must name */
  const char *ca;   /* file of PEM certificates in place of the system's, or NULL */
  const char *pin;  /* "sha256//BASE64" of the SubjectPublicKeyInfo, in addition; or NULL */
} ImapTlsPolicy;

/* Upon `lower`, which it takes, also on failure. The handshake ends within IMAP_TIMEOUT_CONNECT. Errors
 * are IMAP_ERROR_TLS with one sentence that says what is wrong, or those of the line. */
ImapStream *imap_tls_new(ImapStream *lower, const ImapTlsPolicy *policy, GCancellable *c, GError **error);

gboolean imap_tls_is(const ImapStream *stream); /* a TLS layer is somewhere in it */

/* Channel binding data in base64 for SCRAM -PLUS, a new string; NULL where this kind is not defined for
 * the connection (RFC 9266: exporter is for TLS 1.3, unique for 1.2). */
typedef enum { IMAP_TLS_EXPORTER, IMAP_TLS_UNIQUE } ImapTlsBinding;
char *imap_tls_binding(ImapStream *stream, ImapTlsBinding kind);
