/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * Builds one command as bytes. A string goes quoted where it can, else as a literal; a synchronising
 * literal splits the command into parts, each sent after the server's "+". No I/O.
 */
typedef struct _ImapEncoder ImapEncoder;

typedef enum {
  IMAP_LITERAL_SYNC,  /* only {n} */
  IMAP_LITERAL_PLUS,  /* RFC 7888 LITERAL+: {n+} of any size */
  IMAP_LITERAL_MINUS, /* RFC 7888 LITERAL-: {n+} up to 4096 octets */
} ImapLiterals;

ImapEncoder *imap_encoder_new(ImapLiterals literals);
void imap_encoder_free(ImapEncoder *encoder);

void imap_encoder_raw(ImapEncoder *encoder, const char *text);               /* our own text: atoms, blanks, lists */
void imap_encoder_string(ImapEncoder *encoder, const char *data, gsize len); /* astring: never a bare atom */
void imap_encoder_secret(ImapEncoder *encoder, const char *data, gsize len); /* the same; *** in the trace */

/* Announces a literal whose octets follow by other ways: nothing can be added any more, and no CR LF ends it. With
 * `waits` the server is to ask for them. */
void imap_encoder_announce(ImapEncoder *encoder, guint64 size, gboolean waits);

/* Ends the command. FALSE with IMAP_ERROR_CONFIG if a string held NUL, or the line without its
 * literals exceeds IMAP_LIMIT_COMMAND. */
gboolean imap_encoder_finish(ImapEncoder *encoder, GError **error);

/* The parts in order; all but the last end in "{n}\r\n" and await a continuation. Before the end: those complete so
 * far. */
guint imap_encoder_parts(const ImapEncoder *encoder);
const char *imap_encoder_part(const ImapEncoder *encoder, guint i, gsize *ret_len);

/* The command as one log line: literals as {12 bytes}, secrets as ***. A new string. */
char *imap_encoder_trace(const ImapEncoder *encoder);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapEncoder, imap_encoder_free)
