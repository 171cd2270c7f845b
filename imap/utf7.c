/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "imap/imap.h"

/*
 * Modified UTF-7 (RFC 3501 section 5.1.3). Two folders must never be shown under one name, so only the
 * canonical spelling decodes. That is not a list of rules (no encoded ASCII, no two runs in a row, zero
 * padding, ...) but their reason: what decodes must encode to the very same octets.
 */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static gboolean is_direct(gunichar c) {
  return c >= 0x20 && c <= 0x7e;
}

/* Appends one UTF-16 unit to *high (0: none waiting) or to the text. FALSE: an unpaired surrogate or NUL. */
static gboolean append_unit(GString *utf8, guint unit, guint *high) {
  gboolean is_low = unit >= 0xdc00 && unit <= 0xdfff;
  if (unit == 0 || (*high != 0) != is_low)
    return FALSE;
  if (unit >= 0xd800 && unit <= 0xdbff) {
    *high = unit;
    return TRUE;
  }
  g_string_append_unichar(utf8, is_low ? 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00) : unit);
  *high = 0;
  return TRUE;
}

/* From behind the "&" to behind the "-"; NULL if it is no such run. */
static const char *decode_run(const char *p, GString *utf8) {
  guint32 bits = 0;
  guint n = 0, high = 0;
  for (; *p != '-'; p++) {
    const char *digit = *p ? strchr(alphabet, *p) : NULL;
    if (!digit)
      return NULL;
    bits = (bits << 6 | (guint32)(digit - alphabet)) & 0x3fffff;
    n += 6;
    if (n >= 16) {
      n -= 16;
      if (!append_unit(utf8, bits >> n & 0xffff, &high))
        return NULL;
    }
  }
  return high == 0 ? p + 1 : NULL;
}

char *imap_utf7_decode(const char *name) {
  g_autoptr(GString) utf8 = g_string_new(NULL);
  for (const char *p = name; *p;) {
    if (*p != '&') {
      g_string_append_c(utf8, *p++);
    } else if (p[1] == '-') {
      g_string_append_c(utf8, '&');
      p += 2;
    } else if (!(p = decode_run(p + 1, utf8))) {
      return NULL;
    }
  }
  g_autofree char *canonical = imap_utf7_encode(utf8->str);
  return canonical && strcmp(canonical, name) == 0 ? g_strdup(utf8->str) : NULL;
}

typedef struct {
  GString *text;
  guint32 bits;
  guint n; /* bits not yet written; of an open run */
} Run;

static void put_unit(Run *run, guint unit) {
  run->bits = run->bits << 16 | unit;
  for (run->n += 16; run->n >= 6; run->n -= 6)
    g_string_append_c(run->text, alphabet[run->bits >> (run->n - 6) & 0x3f]);
}

static void put_char(Run *run, gunichar c) {
  if (c < 0x10000) {
    put_unit(run, c);
    return;
  }
  put_unit(run, 0xd800 + ((c - 0x10000) >> 10));
  put_unit(run, 0xdc00 + ((c - 0x10000) & 0x3ff));
}

static void end_run(Run *run) {
  if (run->n > 0)
    g_string_append_c(run->text, alphabet[run->bits << (6 - run->n) & 0x3f]);
  g_string_append_c(run->text, '-');
  run->bits = run->n = 0;
}

char *imap_utf7_encode(const char *utf8) {
  if (!g_utf8_validate(utf8, -1, NULL))
    return NULL;
  Run run = {.text = g_string_new(NULL)};
  gboolean open = FALSE;
  for (const char *p = utf8; *p; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    if (open && is_direct(c))
      end_run(&run);
    else if (!open && !is_direct(c))
      g_string_append_c(run.text, '&');
    open = !is_direct(c);
    if (open)
      put_char(&run, c);
    else
      g_string_append(run.text, c == '&' ? "&-" : (char[]){(char)c, '\0'});
  }
  if (open)
    end_run(&run);
  return g_string_free(run.text, FALSE);
}
