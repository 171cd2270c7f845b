/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * What the octets of a file say about it, and what becomes of them before they are sent. Pure, in one pass, in pieces
 * of any size.
 */
typedef struct {
  guint64 size, bare_lf; /* octets; LF that no CR precedes: as many octets are added */
  gboolean nul, bare_cr, eight_bit_header, final_crlf, crcrlf; /* bare_cr: CR before anything but LF */
  gboolean begins;                                             /* begins with a complete RFC 5322 field line */
  /* private */
  guint state;        /* of the first line */
  gboolean in_header; /* no empty line was seen yet */
  gboolean blank;     /* the line is empty so far, but for a CR */
  guint8 last, before;
} Octets;

void octets_init(Octets *octets);
void octets_feed(Octets *octets, const void *data, gsize len);
/* Servers keep it as it is: lines with CR LF, the last one too, no NUL, no bare CR, a 7-bit header. */
gboolean octets_are_plain(const Octets *octets);
/* CR before each LF that has none. `last` is the octet before (0 at first), and updated. Appends to `out`. */
void octets_to_crlf(const void *data, gsize len, guint8 *last, GByteArray *out);
/* The header of a message up to the empty line, and the four fields of names_fingerprint() from it. */
void octets_fingerprint(const void *data, gsize len, guint8 ret[16]);
