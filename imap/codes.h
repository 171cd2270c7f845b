/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/parser.h"
#include "imap/response.h"

/* Private to imap/response*.c: the table of response codes. */

/* Reads resp-text: "[CODE ...] text". Sets code, number, words and text. Never fails: a code that cannot be
 * read is IMAP_CODE_UNKNOWN, and without a "]" it is text. */
void imap_codes_read(ImapParser *parser, ImapEvent *event);

/* Does the server ask us to leave the account alone, all of it? *ret_delay: for how many µs, 0: not said. */
gboolean imap_codes_throttled(const ImapEvent *status, gint64 *ret_delay);

/* The words of a capability list. */
char **imap_codes_capabilities(ImapIter *iter);
