/* SPDX-License-Identifier: MIT */
#include "imap/encoder.h"

#include <string.h>

#include "imap/error.h"
#include "imap/limits.h"

/*
 * All parts stand one after another in one buffer, `ends` says where each ends. The buffer is our
 * own and not a GString, because secrets pass through it: what is outgrown or freed is wiped.
 *
 * Quoted is preferred, as some servers cannot take LOGIN with literals, but only for printable
 * ASCII: controls and 8-bit go as literals, which carry any octet but NUL to any server.
 */
#define QUOTED_MAX 1000        /* octets; servers are seldom tested with longer quoted strings */
#define LITERAL_MINUS_MAX 4096 /* RFC 7888 section 5 */

struct _ImapEncoder {
  ImapLiterals literals;
  char *data;
  gsize len, size;
  GArray *ends; /* gsize */
  gsize text;   /* octets of the line without literals */
  GString *trace;
  gboolean has_nul;
  gboolean announced; /* it ends in a literal that comes from elsewhere */
};

ImapEncoder *imap_encoder_new(ImapLiterals literals) {
  ImapEncoder *encoder = g_new0(ImapEncoder, 1);
  encoder->literals = literals;
  encoder->ends = g_array_new(FALSE, FALSE, sizeof(gsize));
  encoder->trace = g_string_new(NULL);
  return encoder;
}

static void wipe(char *data, gsize size) {
  if (data)
    explicit_bzero(data, size);
  g_free(data);
}

void imap_encoder_free(ImapEncoder *encoder) {
  if (!encoder)
    return;
  wipe(encoder->data, encoder->size);
  g_array_unref(encoder->ends);
  g_string_free(encoder->trace, TRUE);
  g_free(encoder);
}

static void append(ImapEncoder *encoder, const char *data, gsize len) {
  if (encoder->size - encoder->len < len) {
    gsize size = MAX(2 * encoder->size, encoder->len + len + 256);
    char *grown = g_malloc(size);
    if (encoder->len > 0)
      memcpy(grown, encoder->data, encoder->len);
    wipe(encoder->data, encoder->size);
    encoder->data = grown;
    encoder->size = size;
  }
  if (len > 0)
    memcpy(encoder->data + encoder->len, data, len);
  encoder->len += len;
}

static void append_text(ImapEncoder *encoder, const char *text, gsize len) {
  append(encoder, text, len);
  encoder->text += len;
}

static void end_part(ImapEncoder *encoder) {
  g_array_append_val(encoder->ends, encoder->len);
}

void imap_encoder_raw(ImapEncoder *encoder, const char *text) {
  g_assert(!encoder->announced && !strpbrk(text, "\r\n"));
  append_text(encoder, text, strlen(text));
  g_string_append(encoder->trace, text);
}

static gboolean can_be_quoted(const char *data, gsize len) {
  if (len > QUOTED_MAX)
    return FALSE;
  for (gsize i = 0; i < len; i++) {
    if (!g_ascii_isprint(data[i]))
      return FALSE;
  }
  return TRUE;
}

static void append_quoted(ImapEncoder *encoder, const char *data, gsize len) {
  append_text(encoder, "\"", 1);
  for (gsize i = 0; i < len; i++) {
    if (data[i] == '"' || data[i] == '\\')
      append_text(encoder, "\\", 1);
    append_text(encoder, data + i, 1);
  }
  append_text(encoder, "\"", 1);
}

static void append_literal(ImapEncoder *encoder, const char *data, gsize len) {
  gboolean waits =
      encoder->literals == IMAP_LITERAL_SYNC || (encoder->literals == IMAP_LITERAL_MINUS && len > LITERAL_MINUS_MAX);
  g_autofree char *header = g_strdup_printf("{%zu%s}\r\n", len, waits ? "" : "+");
  append_text(encoder, header, strlen(header));
  if (waits)
    end_part(encoder);
  append(encoder, data, len);
}

static void append_string(ImapEncoder *encoder, const char *data, gsize len, gboolean secret) {
  encoder->has_nul |= len > 0 && memchr(data, '\0', len) != NULL;
  gboolean quoted = can_be_quoted(data, len);
  gsize start = encoder->len;
  if (quoted)
    append_quoted(encoder, data, len);
  else
    append_literal(encoder, data, len);
  if (secret)
    g_string_append(encoder->trace, "***");
  else if (quoted)
    g_string_append_len(encoder->trace, encoder->data + start, (gssize)(encoder->len - start));
  else
    g_string_append_printf(encoder->trace, "{%zu bytes}", len);
}

void imap_encoder_string(ImapEncoder *encoder, const char *data, gsize len) {
  append_string(encoder, data, len, FALSE);
}

void imap_encoder_secret(ImapEncoder *encoder, const char *data, gsize len) {
  append_string(encoder, data, len, TRUE);
}

void imap_encoder_announce(ImapEncoder *encoder, guint64 size, gboolean waits) {
  g_autofree char *header = g_strdup_printf("{%" G_GUINT64_FORMAT "%s}\r\n", size, waits ? "" : "+");
  append_text(encoder, header, strlen(header));
  g_string_append_printf(encoder->trace, "{%" G_GUINT64_FORMAT " bytes}", size);
  encoder->announced = TRUE;
}

gboolean imap_encoder_finish(ImapEncoder *encoder, GError **error) {
  if (encoder->has_nul) {
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "a name or password holds a NUL");
    return FALSE;
  }
  if (encoder->text > IMAP_LIMIT_COMMAND) {
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_CONFIG, "a command is too long to be sent");
    return FALSE;
  }
  if (!encoder->announced)
    append(encoder, "\r\n", 2);
  end_part(encoder);
  return TRUE;
}

guint imap_encoder_parts(const ImapEncoder *encoder) {
  return encoder->ends->len;
}

const char *imap_encoder_part(const ImapEncoder *encoder, guint i, gsize *ret_len) {
  g_assert(i < encoder->ends->len);
  gsize start = i > 0 ? g_array_index(encoder->ends, gsize, i - 1) : 0;
  *ret_len = g_array_index(encoder->ends, gsize, i) - start;
  return encoder->data + start;
}

char *imap_encoder_trace(const ImapEncoder *encoder) {
  return g_strdup(encoder->trace->str);
}
