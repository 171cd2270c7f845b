/* SPDX-License-Identifier: MIT */
/*
 * The first line decides whether this is a message at all, octet by octet:
 *
 *   NAME  of a field ──":"──▶ VALUE ──LF──▶ FIELD: it begins like a message
 *     └──blank──▶ GAP ──":"──▶ VALUE         anything else ──▶ NONE
 *
 * (blanks before the colon are obsolete, but mail has them: RFC 5322, 4.5.) So "From ann Sat Nov 21 ...", which mbox
 * files begin with, an empty line, a byte order mark and a picture are none.
 */
#include "cache/journal/octets.h"

#include <string.h>

#include "cache/tree/names.h"

enum { NAME, GAP, VALUE, FIELD, NONE };

void octets_init(Octets *octets) {
  memset(octets, 0, sizeof *octets);
  octets->in_header = octets->blank = TRUE;
}

static guint after_first_line(const Octets *octets, guint8 c) {
  switch (octets->state) {
  case NAME:
    if (c == ':')
      return octets->size > 0 ? VALUE : NONE;
    if (c == ' ' || c == '\t')
      return octets->size > 0 ? GAP : NONE;
    return c > 32 && c < 127 ? NAME : NONE;
  case GAP:
    return c == ':' ? VALUE : c == ' ' || c == '\t' ? GAP : NONE;
  case VALUE:
    return c == '\n' ? FIELD : VALUE;
  default:
    return octets->state;
  }
}

static void end_line(Octets *octets) {
  if (octets->last != '\r')
    octets->bare_lf++;
  else if (octets->before == '\r')
    octets->crcrlf = TRUE;
  if (octets->blank)
    octets->in_header = FALSE;
  octets->blank = TRUE;
}

static void feed_one(Octets *octets, guint8 c) {
  if (octets->state < FIELD) {
    octets->state = after_first_line(octets, c);
    octets->begins = octets->state == FIELD;
  }
  if (octets->last == '\r' && c != '\n')
    octets->bare_cr = TRUE;
  if (c == '\n')
    end_line(octets);
  else if (c == '\0')
    octets->nul = TRUE;
  else if (c >= 128 && octets->in_header)
    octets->eight_bit_header = TRUE;
  /* A CR is part of an empty line's end only where it stands alone. */
  if (c != '\n' && !(c == '\r' && octets->last == '\n') && !(c == '\r' && octets->size == 0))
    octets->blank = FALSE;
  octets->before = octets->last;
  octets->last = c;
  octets->size++;
}

void octets_feed(Octets *octets, const void *data, gsize len) {
  const guint8 *p = data;
  for (gsize i = 0; i < len; i++)
    feed_one(octets, p[i]);
  octets->final_crlf = octets->last == '\n' && octets->before == '\r';
}

gboolean octets_are_plain(const Octets *octets) {
  return octets->bare_lf == 0 && octets->final_crlf && !octets->nul && !octets->bare_cr && !octets->crcrlf &&
         !octets->eight_bit_header;
}

void octets_to_crlf(const void *data, gsize len, guint8 *last, GByteArray *out) {
  const guint8 *p = data, *end = p + len;
  while (p < end) {
    const guint8 *feed = memchr(p, '\n', (gsize)(end - p)), *stop = feed ? feed : end;
    g_byte_array_append(out, p, (guint)(stop - p));
    if (stop > p)
      *last = stop[-1];
    if (feed) {
      g_byte_array_append(out, (const guint8 *)"\r\n" + (*last == '\r'), 2 - (*last == '\r'));
      *last = '\n';
    }
    p = stop + (feed != NULL);
  }
}

/* Up to and with the line before the empty one. */
static gsize header_length(const char *data, gsize len) {
  for (const char *p = data, *end = data + len; p < end;) {
    const char *feed = memchr(p, '\n', (gsize)(end - p));
    if (!feed)
      return len;
    if (feed == p || (feed == p + 1 && *p == '\r'))
      return (gsize)(p - data);
    p = feed + 1;
  }
  return len;
}

void octets_fingerprint(const void *data, gsize len, guint8 ret[16]) {
  names_fingerprint(data, header_length(data, len), ret);
}
