/* SPDX-License-Identifier: MIT */
/*
 * Messages. What a stranger wrote passes through one filter: letters, digits and marks stay, "@ + _ ." stay between
 * two of those, and any run of anything else becomes one '-', also none at either end. So nothing of it can be an
 * option, a hidden file, a path, an escape sequence or a change of direction, and no shell needs quotes. Letters that
 * look like nothing at all (fillers, variation selectors) count as "anything else". The sender gets at most
 * SENDER_MAX octets, the subject what is left; both are cut between characters, and the tail ".UID.eml" always stays.
 *
 * Folders. Their names have to be told apart exactly, so they are escaped, not filtered:
 *
 *   valid modified UTF-7    decoded, with what must not be shown as %XX of its octets
 *   anything else           its octets (raw UTF-8 stays readable) escaped likewise, then a final "%"
 *   longer than 255 octets  cut, then "%~" and 16 hex digits of the SHA-256 of the server's octets
 *
 * In the first form each '%' is followed by two hex digits, so no two forms meet, and each undoes exactly.
 */
#include "cache/tree/names.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cache/tree/names_header.h"
#include "imap/imap.h"

#define SENDER_MAX 80
#define HASH_TAIL 18 /* "%~" and 16 digits */

/* ---- the filter ----------------------------------------------------------------------------------------- */
/* Letters and marks by their category that show nothing (Unicode: Default_Ignorable_Code_Point). */
static const struct {
  gunichar first, last;
} blank_letters[] = {
    {0x034f, 0x034f}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180f},   {0x2800, 0x2800},
    {0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xffa0, 0xffa0}, {0xe0100, 0xe01ef},
};

static gboolean shows(gunichar c) {
  for (guint i = 0; i < G_N_ELEMENTS(blank_letters); i++)
    if (c >= blank_letters[i].first && c <= blank_letters[i].last)
      return FALSE;
  return TRUE;
}

static gboolean is_word(gunichar c) {
  return c < 0x80 ? g_ascii_isalnum((char)c) : g_unichar_isalnum(c) && shows(c);
}

static gboolean is_mark(gunichar c) {
  return c >= 0x300 && g_unichar_ismark(c) && shows(c);
}

static gboolean is_inside(gunichar c) {
  return c == '@' || c == '+' || c == '_' || c == '.';
}

/* Appends what passes of a text in valid UTF-8, at most max octets, after `lead` if anything does. */
static void append_filtered(GString *to, const char *text, gsize max, const char *lead) {
  gunichar before = 0; /* what stands at the end of `to`: 0 nothing yet, 'a' a word, '-' a word and then something */
  gsize end = to->len + strlen(lead) + max;
  for (const char *p = text; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p), held = 0;
    if (is_inside(c) && before == 'a' && is_word(g_utf8_get_char(g_utf8_next_char(p)))) {
      held = c;
      p = g_utf8_next_char(p);
      c = g_utf8_get_char(p);
    } else if (!is_word(c) && !(before == 'a' && is_mark(c))) {
      before = before ? '-' : 0;
      continue;
    } else if (before == '-') {
      held = '-';
    }
    char octets[6];
    int n = g_unichar_to_utf8(c, octets);
    if ((before ? to->len : to->len + strlen(lead)) + (gsize)n + (held ? 1 : 0) > end)
      return;
    if (!before)
      g_string_append(to, lead);
    if (held)
      g_string_append_c(to, (char)held);
    g_string_append_len(to, octets, n);
    before = 'a';
  }
}

static void append_part(GString *to, char *taken, gsize max) {
  g_autofree char *text = taken, *normal = NULL;
  if (text && !g_str_is_ascii(text))
    normal = g_utf8_normalize(text, -1, G_NORMALIZE_NFC);
  if (text && max > 1)
    append_filtered(to, normal ? normal : text, max - 1, "_");
}

/* ---- messages --------------------------------------------------------------------------------------------- */
static void append_date(GString *to, gint64 seconds) {
  time_t when = (time_t)seconds;
  struct tm day;
  if (seconds != IMAP_UNKNOWN_DATE && gmtime_r(&when, &day) && day.tm_year >= -1900 && day.tm_year <= 8099)
    g_string_append_printf(to, "%04d-%02d-%02d", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday);
  else
    g_string_append(to, "0000-00-00");
}

void names_message(gint64 internaldate, const char *header, gsize len, guint32 uid, char ret[NAMES_MAX + 1]) {
  char tail[32];
  g_snprintf(tail, sizeof tail, "%u.eml", uid);
  if (!header) {
    g_strlcpy(ret, tail, NAMES_MAX + 1);
    return;
  }
  g_autoptr(GString) name = g_string_sized_new(NAMES_MAX + 1);
  append_date(name, internaldate != IMAP_UNKNOWN_DATE ? internaldate : names_date(header, len));
  append_part(name, names_sender(header, len), SENDER_MAX);
  append_part(name, names_subject(header, len), NAMES_MAX - 1 - strlen(tail) - name->len);
  g_string_append_printf(name, ".%s", tail);
  g_strlcpy(ret, name->str, NAMES_MAX + 1);
}

/* Where ".UID.eml" begins in a computed name, ".eml" or the end in another. */
static const char *stem_end(const char *name) {
  const char *end = name + strlen(name), *eml = g_str_has_suffix(name, ".eml") ? end - 4 : end, *digits = eml;
  while (digits > name && g_ascii_isdigit(digits[-1]))
    digits--;
  gboolean uid = eml < end && digits < eml && eml - digits <= 10 && digits > name + 1 && digits[-1] == '.';
  return uid ? digits - 1 : eml;
}

void names_suffix(const char *name, guint n, char ret[NAMES_MAX + 1]) {
  char tail[64];
  const char *end = stem_end(name);
  g_snprintf(tail, sizeof tail, "~%u%s", n, end);
  gsize stem = (gsize)(end - name), len = MIN(stem, NAMES_MAX - strlen(tail));
  while (len > 0 && len < stem && ((guchar)name[len] & 0xc0) == 0x80)
    len--;
  memmove(ret, name, len);
  strcpy(ret + len, tail);
}

/* ---- folders ------------------------------------------------------------------------------------------------ */
static gboolean must_hide(gunichar c) {
  switch (g_unichar_type(c)) {
  case G_UNICODE_CONTROL:
  case G_UNICODE_FORMAT: /* bidi marks, joiners, tags */
  case G_UNICODE_LINE_SEPARATOR:
  case G_UNICODE_PARAGRAPH_SEPARATOR:
  case G_UNICODE_SURROGATE:
  case G_UNICODE_UNASSIGNED:
    return TRUE;
  default:
    return c == '/' || c == '%';
  }
}

/* Appends the next character, or octet that is none, as it is or as %XX. Returns how many octets it took. */
static gsize append_escaped(GString *to, const char *p, gsize len, gboolean force) {
  gunichar c = g_utf8_get_char_validated(p, (gssize)len);
  gboolean invalid = c == (gunichar)-1 || c == (gunichar)-2 || !c;
  gsize n = invalid ? 1 : (gsize)g_unichar_to_utf8(c, NULL);
  if (!invalid && !force && !must_hide(c)) {
    g_string_append_len(to, p, (gssize)n);
    return n;
  }
  for (gsize i = 0; i < n; i++)
    g_string_append_printf(to, "%%%02X", (guchar)p[i]);
  return n;
}

static void cut_with_hash(GString *name, gsize keep, const char *raw, gsize len) {
  g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)raw, len);
  g_string_truncate(name, keep);
  g_string_append_printf(name, "%%~%.16s", sum);
}

char *names_folder(const char *raw, gsize len) {
  g_autofree char *octets = g_strndup(raw, len);
  gboolean terminated = strlen(octets) == len; /* a NUL in it: no server can send that, and UTF-7 has none */
  g_autofree char *decoded = terminated && len ? imap_utf7_decode(octets) : NULL;
  const char *text = decoded ? decoded : raw;
  gsize text_len = decoded ? strlen(decoded) : len, keep = 0;
  gboolean dots = (text_len == 1 && text[0] == '.') || (text_len == 2 && text[0] == '.' && text[1] == '.');
  GString *name = g_string_sized_new(text_len + 1);
  for (gsize i = 0; i < text_len && name->len <= NAMES_MAX;) {
    i += append_escaped(name, text + i, text_len - i, dots);
    if (name->len <= NAMES_MAX - HASH_TAIL)
      keep = name->len;
  }
  if (!decoded)
    g_string_append_c(name, '%');
  if (name->len > NAMES_MAX)
    cut_with_hash(name, keep, raw, len);
  return g_string_free(name, FALSE);
}

/* Undoes each %XX. NULL: a '%' that is none. */
static char *unescape(const char *name, gsize len) {
  g_autoptr(GString) text = g_string_sized_new(len);
  for (gsize i = 0; i < len; i++) {
    int high = name[i] == '%' && len - i > 2 ? g_ascii_xdigit_value(name[i + 1]) : -1;
    int low = high >= 0 ? g_ascii_xdigit_value(name[i + 2]) : -1;
    if (name[i] == '%' && (low < 0 || high + low == 0))
      return NULL;
    g_string_append_c(text, low < 0 ? name[i] : (char)(high * 16 + low));
    i += low < 0 ? 0 : 2;
  }
  return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Whatever the forms above do not tell apart is settled by showing it again. */
char *names_unfold(const char *name) {
  gboolean octets = g_str_has_suffix(name, "%");
  g_autofree char *text = unescape(name, strlen(name) - (octets ? 1 : 0));
  g_autofree char *raw = !text ? NULL : octets ? g_strdup(text) : imap_utf7_encode(text);
  g_autofree char *shown = raw && *raw ? names_folder(raw, strlen(raw)) : NULL;
  return g_strcmp0(shown, name) == 0 ? g_steal_pointer(&raw) : NULL;
}
