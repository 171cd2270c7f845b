/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * Names a user sees, made from what a stranger wrote. Pure functions. A message name needs no shell quoting, never
 * starts with '-' or '.', holds no control, bidi or separator character, and fits 255 octets. A folder component is
 * reversible and injective.
 */
#define NAMES_MAX 255

/* "YYYY-MM-DD_From_Subject.UID.eml" into ret; header is the octets of DATE FROM SUBJECT MESSAGE-ID, or NULL for
 * "UID.eml". internaldate in s since 1970, shown in UTC; IMAP_UNKNOWN_DATE: Date: of the header, else 0000-00-00. */
void names_message(gint64 internaldate, const char *header, gsize len, guint32 uid, char ret[NAMES_MAX + 1]);

/* 16 octets that tell messages apart across UIDVALIDITY: a hash of the unfolded fields, their order and case aside. */
void names_fingerprint(const char *header, gsize len, guint8 ret[16]);

/* Value of Date: in the header in seconds since 1970, or G_MININT64. */
gint64 names_date(const char *header, gsize len);

/* One part of a mailbox name as shown: decoded modified UTF-7, else its octets and a final "%"; '/', '%', controls,
 * bidi marks, invalid octets, "." and ".." as %XX; longer than 255 octets: cut, with a hash. A new string. */
char *names_folder(const char *raw, gsize len);
/* The octets that names_folder() shows as exactly this. A new string; NULL: it shows nothing so. */
char *names_unfold(const char *name);

/* "NAME~2.4711.eml" for "NAME.4711.eml" and 2: another name for what would else collide. ret may be name. */
void names_suffix(const char *name, guint n, char ret[NAMES_MAX + 1]);
