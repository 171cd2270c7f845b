/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/value.h"

/*
 * Second stage: one framed response becomes values. Knows the lexical rules of RFC 9051 section 9
 * and none of its commands; never waits. Embedded by the caller, nothing to clear.
 */
typedef struct {
  const char *at, *end; /* what is still unread; at any time the rest of the response */
  int streamed;         /* index of the literal that is missing, or -1 */
  int literals;
} ImapParser;

void imap_parser_init(ImapParser *parser, const char *data, gsize len, int streamed);

/* The next word, up to a blank or the end. FALSE at the end. */
gboolean imap_parser_word(ImapParser *parser, const char **ret, gsize *ret_len) G_GNUC_WARN_UNUSED_RESULT;

/* All values up to the end as one list, or with `stop` ']' up to the first ']' that is no part of a list or
 * string; parser->at then stands behind it. NULL with IMAP_ERROR_PROTOCOL or _LIMIT. */
ImapValue *imap_parser_values(ImapParser *parser, char stop, GError **error) G_GNUC_WARN_UNUSED_RESULT;
