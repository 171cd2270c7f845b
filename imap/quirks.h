/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * Capabilities that some server announces and gets wrong: as good as switched off by disable=. A set of the rows of one
 * table, known by the server's host name, by how it greets, or by what it answers to ID (RFC 2971).
 */
typedef guint32 ImapQuirks;

ImapQuirks imap_quirks_of_host(const char *host);
ImapQuirks imap_quirks_of_greeting(const char *text); /* without response code */
ImapQuirks imap_quirks_of_id(char *const *id);        /* field, value, field, value …; as in IMAP_EVENT_ID, or NULL */

gboolean imap_quirks_hide(ImapQuirks quirks, const char *capability); /* case-insensitive */

void imap_quirks_log(ImapQuirks quirks, const char *host); /* what is switched off and why */
