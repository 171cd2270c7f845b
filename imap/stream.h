/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

/*
 * A byte stream in layers: TCP or a tunnel at the bottom, TLS and DEFLATE upon it. No operation
 * blocks; waiting is one function, imap_stream_wait(), and goes to the bottom's descriptors. Not
 * thread-safe. Knows no IMAP.
 */
typedef struct _ImapStream ImapStream;

typedef enum {
  IMAP_IO_OK,
  IMAP_IO_WAIT,  /* nothing possible now: wait and repeat */
  IMAP_IO_EOF,   /* read only: the peer has ended properly */
  IMAP_IO_ERROR, /* GError; final */
} ImapIo;

typedef struct {
  ImapIo (*read)(ImapStream *stream, void *data, gsize len, gsize *ret_len, GError **error);
  ImapIo (*write)(ImapStream *stream, const void *data, gsize len, gsize *ret_len, GError **error);
  ImapIo (*flush)(ImapStream *stream, GError **error); /* octets that write() accepted and held back; or NULL */
  void (*side)(ImapStream *stream);                    /* side_fd is readable; or NULL */
  void (*free)(ImapStream *stream);                    /* its own part, not the layer below */
} ImapStreamClass;

/* Layers embed this as their first member. */
struct _ImapStream {
  const ImapStreamClass *class;
  ImapStream *lower;         /* owned; NULL at the bottom, and only there the descriptors count */
  int in_fd, out_fd;         /* the same for a socket */
  int side_fd;               /* also polled while waiting (a tunnel's stderr); -1: none */
  gboolean read_wants_write; /* this layer's read() waits for writability (TLS key update) */
  guint64 received;          /* octets from the line, at the bottom */
};

/* Opens TCP: the name is resolved, then its IPv6 and IPv4 addresses are tried in turn. Resolving and
 * connecting are each bounded by IMAP_TIMEOUT_CONNECT. An established line whose peer acknowledges
 * nothing for `silence` seconds is given up by the kernel. */
ImapStream *imap_stream_connect(const char *host, guint16 port, guint silence, GCancellable *c, GError **error);

/* A stream upon a connected, non-blocking socket, which it owns from now on. */
ImapStream *imap_stream_from_fd(int fd);
gboolean imap_stream_is_loopback(const ImapStream *stream); /* both ends are this machine */

ImapIo imap_stream_read(ImapStream *stream, void *data, gsize len, gsize *ret_len, GError **error);
ImapIo imap_stream_write(ImapStream *stream, const void *data, gsize len, gsize *ret_len, GError **error);
ImapIo imap_stream_flush(ImapStream *stream, GError **error);
guint64 imap_stream_received(const ImapStream *stream);

typedef enum { IMAP_WAIT_READY, IMAP_WAIT_WOKEN, IMAP_WAIT_TIMEOUT, IMAP_WAIT_ERROR } ImapWait;

/* Waits until reading, or writing too where `out`, may go on; WOKEN when wake_fd (-1: none) is
 * readable; TIMEOUT at `deadline` (monotonic µs); ERROR with CANCELLED or LOCAL. */
ImapWait imap_stream_wait(ImapStream *stream, gboolean out, int wake_fd, gint64 deadline, GCancellable *c,
                          GError **error);

void imap_stream_free(ImapStream *stream); /* with all layers below; does not wait for the peer */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapStream, imap_stream_free)
