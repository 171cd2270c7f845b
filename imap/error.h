/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * What went wrong, said as what the caller can do about it. Expected outcomes (no such message,
 * need more bytes) are return values and never a GError. Messages are one clean line: server text
 * in them has been through imap_clean_text().
 */
#define IMAP_ERROR (imap_error_quark())
GQuark imap_error_quark(void);

typedef enum {
  IMAP_ERROR_NETWORK,     /* no connection, or it was lost: try again with back-off */
  IMAP_ERROR_HOST,        /* the name does not resolve: as NETWORK, but say so at mount */
  IMAP_ERROR_TIMEOUT,     /* the line was silent for too long; the connection is dropped */
  IMAP_ERROR_TLS,         /* certificate, name, pin or version: do not repeat without the user */
  IMAP_ERROR_AUTH,        /* login refused: at most three tries */
  IMAP_ERROR_CONFIG,      /* what the user asked for is impossible here (mechanism, STARTTLS, passfile) */
  IMAP_ERROR_UNAVAILABLE, /* temporary NO (UNAVAILABLE, INUSE, LIMIT, SERVERBUG, throttling): later */
  IMAP_ERROR_REFUSED,     /* permanent NO without a better code */
  IMAP_ERROR_PERMISSION,  /* NO [NOPERM] */
  IMAP_ERROR_READONLY,    /* NO [READ-ONLY], or the mailbox is */
  IMAP_ERROR_QUOTA,       /* NO [OVERQUOTA] */
  IMAP_ERROR_TOOBIG,      /* NO [TOOBIG] */
  IMAP_ERROR_EXISTS,      /* NO [ALREADYEXISTS] */
  IMAP_ERROR_GONE,        /* NO [NONEXISTENT], expunged, or another UIDVALIDITY */
  IMAP_ERROR_INVALID,     /* NO [CANNOT] to the name of a mailbox */
  IMAP_ERROR_PROTOCOL,    /* garbage, or BAD: the connection is dropped */
  IMAP_ERROR_LIMIT,       /* beyond imap/limits.h: the connection is dropped */
  IMAP_ERROR_LOCAL,       /* our own disk or process failed */
  IMAP_ERROR_CANCELLED,   /* the GCancellable, or shutdown */
} ImapError;

/* Server text made fit for a terminal and a log: valid UTF-8, no controls or bidi marks, cut at
 * IMAP_LIMIT_TEXT. Returns a new string. */
char *imap_clean_text(const char *text, gssize len);
