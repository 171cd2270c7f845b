/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/imap.h"

/* The names of flags (RFC 3501 section 2.3.2), for reading and for writing. */

/* The ImapFlags of this name, in any case; 0: a keyword, or no name at all. */
guint imap_flag_find(const char *name, gsize len);

/* "(\Seen $Label1)", or "()". \Recent is the server's own and what imap_keyword_valid() refuses is nobody's: both are
 * left out. A new string. */
char *imap_flags_format(guint flags, const char *const *keywords);

/* Takes what PERMANENTFLAGS said. Keywords beyond IMAP_LIMIT_KEYWORDS cannot be set; that is all. */
void imap_mailbox_permit(ImapMailbox *mailbox, char **words);
