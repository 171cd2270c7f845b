/* SPDX-License-Identifier: MIT */
/*
 * Raw DEFLATE both ways (RFC 4978). Each write ends in a sync flush, so the server can act on it.
 *
 * Bombs: nothing here grows with what is inflated; a read yields at most what the caller asked for, and the
 * framer's limits hold for plain octets as they do without compression. What remains is to notice a
 * stream that expands beyond what DEFLATE can, which is a broken one. What does not yet fit below is
 * held in `pending`, and no further command is deflated meanwhile.
 */
#include "imap/deflate.h"

#include <zlib.h>

#include "imap/error.h"
#include "imap/limits.h"

#define INPUT (64 * 1024)
#define WINDOW (-15) /* raw: no zlib header */

typedef struct {
  ImapStream stream;
  z_stream in, out;
  guint8 *input;       /* compressed octets not yet inflated are in.next_in there */
  gboolean more;       /* inflate() stopped for want of room, not of input */
  GByteArray *pending; /* deflated, not yet below */
} Deflate;

static ImapIo broken(GError **error, const char *what) {
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL, "the compressed stream is broken: %s", what);
  return IMAP_IO_ERROR;
}

/* Inflates what is there: OK with *ret_len octets, or WAIT when more input is needed. */
static ImapIo inflate_some(Deflate *layer, void *data, gsize len, gsize *ret_len, GError **error) {
  z_stream *in = &layer->in;
  in->next_out = data;
  in->avail_out = (uInt)MIN(len, G_MAXINT);
  int rc = inflate(in, Z_SYNC_FLUSH);
  if (rc == Z_STREAM_END)
    return broken(error, "it has an end");
  if (rc != Z_OK && rc != Z_BUF_ERROR)
    return broken(error, in->msg != NULL ? in->msg : "unreadable");
  *ret_len = (gsize)(in->next_out - (guint8 *)data);
  layer->more = in->avail_out == 0;
  return *ret_len > 0 ? IMAP_IO_OK : IMAP_IO_WAIT;
}

static ImapIo deflate_read(ImapStream *stream, void *data, gsize len, gsize *ret_len, GError **error) {
  Deflate *layer = (Deflate *)stream;
  for (;;) {
    ImapIo io = IMAP_IO_WAIT;
    if (layer->more || layer->in.avail_in > 0)
      io = inflate_some(layer, data, len, ret_len, error);
    if (io != IMAP_IO_WAIT)
      return io;
    gsize n = 0;
    io = imap_stream_read(stream->lower, layer->input, INPUT, &n, error);
    if (io != IMAP_IO_OK)
      return io;
    layer->in.next_in = layer->input;
    layer->in.avail_in = (uInt)n;
  }
}

static ImapIo deflate_flush(ImapStream *stream, GError **error) {
  GByteArray *pending = ((Deflate *)stream)->pending;
  while (pending->len > 0) {
    gsize n = 0;
    ImapIo io = imap_stream_write(stream->lower, pending->data, pending->len, &n, error);
    if (io != IMAP_IO_OK)
      return io;
    g_byte_array_remove_range(pending, 0, (guint)n);
  }
  return IMAP_IO_OK;
}

static ImapIo deflate_write(ImapStream *stream, const void *data, gsize len, gsize *ret_len, GError **error) {
  Deflate *layer = (Deflate *)stream;
  ImapIo io = deflate_flush(stream, error);
  if (io != IMAP_IO_OK)
    return io;
  guint8 chunk[4096];
  *ret_len = MIN(len, INPUT);
  layer->out.next_in = (Bytef *)data;
  layer->out.avail_in = (uInt)*ret_len;
  do {
    layer->out.next_out = chunk;
    layer->out.avail_out = sizeof chunk;
    deflate(&layer->out, Z_SYNC_FLUSH);
    g_byte_array_append(layer->pending, chunk, (guint)(sizeof chunk - layer->out.avail_out));
  } while (layer->out.avail_out == 0);
  return IMAP_IO_OK;
}

static void deflate_free(ImapStream *stream) {
  Deflate *layer = (Deflate *)stream;
  inflateEnd(&layer->in);
  deflateEnd(&layer->out);
  g_free(layer->input);
  g_byte_array_unref(layer->pending);
}

static const ImapStreamClass deflate_class = {
    .read = deflate_read, .write = deflate_write, .flush = deflate_flush, .free = deflate_free};

ImapStream *imap_deflate_new(ImapStream *lower) {
  Deflate *layer = g_new0(Deflate, 1);
  layer->stream = (ImapStream){.class = &deflate_class, .lower = lower, .in_fd = -1, .out_fd = -1, .side_fd = -1};
  layer->input = g_malloc(INPUT);
  layer->pending = g_byte_array_new();
  if (inflateInit2(&layer->in, WINDOW) != Z_OK ||
      deflateInit2(&layer->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    g_error("zlib cannot be initialised");
  return &layer->stream;
}
