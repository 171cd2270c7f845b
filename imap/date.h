/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* Seconds since 1970 of an INTERNALDATE such as "17-Jul-1996 02:44:25 -0700", negative before; or
 * IMAP_UNKNOWN_DATE for what is no date. */
gint64 imap_date_parse(const char *text, gsize len);

/* The other way round, in UTC; a new string. NULL outside of the years 1 to 9999. */
char *imap_date_format(gint64 seconds);
