/* SPDX-License-Identifier: MIT */
#include "tests/frames.h"

#include <string.h>

#include "imap/error.h"

/* FALSE after an error. */
static gboolean drain(ImapFramer *framer, guint64 stream, FramesFunc func, gpointer data) {
  for (;;) {
    ImapFrame frame;
    g_autoptr(GError) error = NULL;
    ImapFrameType type = imap_framer_next(framer, &frame, &error);
    if (type == IMAP_FRAME_MORE)
      return TRUE;
    func(&frame, error, data);
    if (type == IMAP_FRAME_ERROR)
      return FALSE;
    if (type == IMAP_FRAME_LITERAL && frame.size >= stream)
      imap_framer_stream(framer);
  }
}

void frames_each(const char *bytes, gsize len, gsize cut, guint64 stream, FramesFunc func, gpointer data) {
  g_autoptr(ImapFramer) framer = imap_framer_new();
  gsize piece = cut == FRAMES_BYTEWISE ? 1 : cut;
  for (gsize at = 0; at < len;) {
    gsize n = MIN(piece, len - at);
    imap_framer_feed(framer, bytes + at, n);
    if (!drain(framer, stream, func, data))
      return;
    at += n;
    piece = cut == FRAMES_BYTEWISE ? 1 : len;
  }
}

typedef struct {
  GString *text;
  gboolean in_data;
} Rendering;

static void append_escaped(GString *text, const char *data, gsize len) {
  for (gsize i = 0; i < len; i++) {
    if (g_ascii_isprint(data[i]) && data[i] != '\\')
      g_string_append_c(text, data[i]);
    else if (data[i] == '\r' || data[i] == '\n')
      g_string_append(text, data[i] == '\r' ? "\\r" : "\\n");
    else
      g_string_append_printf(text, "\\x%02x", (guchar)data[i]);
  }
}

static void render(const ImapFrame *frame, const GError *error, gpointer data) {
  Rendering *into = data;
  if (into->in_data && frame->type != IMAP_FRAME_DATA)
    g_string_append_c(into->text, '\n');
  switch (frame->type) {
  case IMAP_FRAME_LITERAL:
    g_string_append_printf(into->text, "literal %" G_GUINT64_FORMAT ": ", frame->size);
    break;
  case IMAP_FRAME_DATA:
    g_string_append(into->text, into->in_data ? "" : "data: ");
    break;
  case IMAP_FRAME_RESPONSE:
    g_string_append_printf(into->text, "response %d: ", frame->streamed);
    break;
  default:
    g_string_append(into->text, error->code == IMAP_ERROR_LIMIT ? "limit" : "protocol");
  }
  append_escaped(into->text, frame->data, frame->len);
  into->in_data = frame->type == IMAP_FRAME_DATA;
  if (!into->in_data)
    g_string_append_c(into->text, '\n');
}

char *frames_render(const char *bytes, gsize len, gsize cut, guint64 stream) {
  Rendering into = {g_string_new(NULL), FALSE};
  frames_each(bytes, len, cut, stream, render, &into);
  if (into.in_data)
    g_string_append_c(into.text, '\n');
  return g_string_free(into.text, FALSE);
}

void frames_assert(const char *bytes, gsize len, guint64 stream, const char *expected, int row) {
  for (gsize i = 1; i <= len + 1; i++) {
    gsize cut = i > len ? FRAMES_BYTEWISE : i;
    g_autofree char *got = frames_render(bytes, len, cut, stream);
    if (strcmp(got, expected) != 0)
      g_error("row %d, cut at %zd:\n%snot\n%s", row, (gssize)cut, got, expected);
  }
}
