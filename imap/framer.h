/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * First of three stages: bytes in, one whole response out. Knows lines, quoted strings only as far
 * as a literal marker must stand outside them, literals ({n}, {n+}, ~{n}) and limits; knows no
 * grammar and does no I/O. Any error is final: the connection must be dropped.
 */
typedef struct _ImapFramer ImapFramer;

typedef enum {
  IMAP_FRAME_MORE,     /* feed more bytes */
  IMAP_FRAME_LITERAL,  /* a literal of `size` octets begins; data is the response so far, up to and
                          with its "}" . Call imap_framer_stream() now to have its octets as DATA,
                          else they are kept in the response. */
  IMAP_FRAME_DATA,     /* octets of the streamed literal; `size` is how many still follow these */
  IMAP_FRAME_RESPONSE, /* a whole response without its final CRLF; kept literals stand in it as
                          "{n}\r\n" and n octets, streamed ones as "{n}\r\n" and nothing */
  IMAP_FRAME_ERROR,    /* see the GError */
} ImapFrameType;

typedef struct {
  ImapFrameType type;
  const char *data; /* valid until the next call */
  gsize len;
  guint64 size;
  int streamed; /* RESPONSE: index of the literal that was streamed, -1 for none; a second one is an error */
} ImapFrame;

ImapFramer *imap_framer_new(void);
void imap_framer_free(ImapFramer *framer);

void imap_framer_feed(ImapFramer *framer, const void *data, gsize len); /* copies */
ImapFrameType imap_framer_next(ImapFramer *framer, ImapFrame *ret, GError **error);
void imap_framer_stream(ImapFramer *framer);

/* Octets fed and not yet handed out. STARTTLS demands 0 (RFC 8314, and CVE-2011-0411). */
gsize imap_framer_buffered(const ImapFramer *framer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapFramer, imap_framer_free)
