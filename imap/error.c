/* SPDX-License-Identifier: MIT */
#include "imap/error.h"

#include <string.h>

#include "imap/limits.h"

G_DEFINE_QUARK(imap_error_quark, imap_error)

/* What has no shape of its own on a terminal: controls and line ends could forge a log line, format
 * characters (bidi marks and isolates among them) could turn one around. */
static gboolean is_invisible(gunichar c) {
  switch (g_unichar_type(c)) {
  case G_UNICODE_CONTROL:
  case G_UNICODE_FORMAT:
  case G_UNICODE_LINE_SEPARATOR:
  case G_UNICODE_PARAGRAPH_SEPARATOR:
  case G_UNICODE_PRIVATE_USE:
  case G_UNICODE_SURROGATE:
  case G_UNICODE_UNASSIGNED:
    return TRUE;
  default:
    return FALSE;
  }
}

char *imap_clean_text(const char *text, gssize len) {
  if (!text)
    return g_strdup("");
  gsize octets = len < 0 ? strlen(text) : (gsize)len;
  /* Nothing beyond this can reach the result, so no work is done for it. */
  g_autofree char *valid = g_utf8_make_valid(text, (gssize)MIN(octets, 4u * IMAP_LIMIT_TEXT));

  GString *clean = g_string_sized_new(octets < IMAP_LIMIT_TEXT ? octets : IMAP_LIMIT_TEXT);
  guint n = 0;
  gboolean gap = FALSE;
  for (const char *p = valid; *p && n < IMAP_LIMIT_TEXT; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    if (c == ' ' || is_invisible(c)) {
      gap = clean->len > 0;
      continue;
    }
    if (gap && ++n == IMAP_LIMIT_TEXT)
      break;
    if (gap)
      g_string_append_c(clean, ' ');
    g_string_append_unichar(clean, c);
    n++;
    gap = FALSE;
  }
  return g_string_free(clean, FALSE);
}
