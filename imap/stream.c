/* SPDX-License-Identifier: MIT */
/*
 * The bottom of a connection, and the one place that waits.
 *
 * read() and write() are always tried first and poll() is called only when they cannot go on. Layers
 * therefore need not tell how much they hold decoded: what TLS or DEFLATE has buffered comes out of
 * the next read(), and only an exhausted layer leads to a wait.
 */
#include "imap/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imap/error.h"

#define SHORT 1024 /* octets: an answer, and no bulk */

/* A server that leaves Nagle's algorithm on (Courier) sends the rest of its answer when the first part is acknowledged,
 * and the kernel puts that off for 40 ms where we have nothing to say. It forgets this soon: hence after each read. */
static void acknowledge(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

/* What errno says of a call that was not just interrupted. */
static ImapIo not_now(GError **error) {
  if (errno == EAGAIN || errno == EWOULDBLOCK)
    return IMAP_IO_WAIT;
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_NETWORK, "the connection broke: %s", g_strerror(errno));
  return IMAP_IO_ERROR;
}

static ImapIo socket_read(ImapStream *stream, void *data, gsize len, gsize *ret_len, GError **error) {
  for (;;) {
    gssize n = recv(stream->in_fd, data, len, 0);
    if (n > 0) {
      stream->received += (gsize)n;
      if (n < SHORT)
        acknowledge(stream->in_fd);
      *ret_len = (gsize)n;
      return IMAP_IO_OK;
    }
    if (n == 0)
      return IMAP_IO_EOF;
    if (errno != EINTR)
      return not_now(error);
  }
}

static ImapIo socket_write(ImapStream *stream, const void *data, gsize len, gsize *ret_len, GError **error) {
  for (;;) {
    gssize n = send(stream->out_fd, data, len, MSG_NOSIGNAL);
    if (n >= 0) {
      *ret_len = (gsize)n;
      return IMAP_IO_OK;
    }
    if (errno != EINTR)
      return not_now(error);
  }
}

static void socket_free(ImapStream *stream) {
  close(stream->in_fd);
}

static const ImapStreamClass socket_class = {.read = socket_read, .write = socket_write, .free = socket_free};

ImapStream *imap_stream_from_fd(int fd) {
  ImapStream *stream = g_new0(ImapStream, 1);
  stream->class = &socket_class;
  stream->in_fd = stream->out_fd = fd;
  stream->side_fd = -1;
  return stream;
}

static const ImapStream *bottom(const ImapStream *stream) {
  while (stream->lower != NULL)
    stream = stream->lower;
  return stream;
}

static gboolean address_is_loopback(const struct sockaddr_storage *address) {
  if (address->ss_family == AF_UNIX)
    return TRUE;
  if (address->ss_family == AF_INET)
    return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
  const struct in6_addr *in6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
  return address->ss_family == AF_INET6 &&
         (IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127));
}

gboolean imap_stream_is_loopback(const ImapStream *stream) {
  struct sockaddr_storage peer = {0};
  socklen_t len = sizeof peer;
  return getpeername(bottom(stream)->in_fd, (struct sockaddr *)&peer, &len) == 0 && address_is_loopback(&peer);
}

ImapIo imap_stream_read(ImapStream *stream, void *data, gsize len, gsize *ret_len, GError **error) {
  return stream->class->read(stream, data, len, ret_len, error);
}

ImapIo imap_stream_write(ImapStream *stream, const void *data, gsize len, gsize *ret_len, GError **error) {
  return stream->class->write(stream, data, len, ret_len, error);
}

ImapIo imap_stream_flush(ImapStream *stream, GError **error) {
  ImapIo io = stream->class->flush != NULL ? stream->class->flush(stream, error) : IMAP_IO_OK;
  return io == IMAP_IO_OK && stream->lower != NULL ? imap_stream_flush(stream->lower, error) : io;
}

guint64 imap_stream_received(const ImapStream *stream) {
  return bottom(stream)->received;
}

void imap_stream_free(ImapStream *stream) {
  while (stream != NULL) {
    ImapStream *lower = stream->lower;
    stream->class->free(stream);
    g_free(stream);
    stream = lower;
  }
}

/* ---- waiting --------------------------------------------------------------------------------- */

enum { SLOT_IN, SLOT_OUT, SLOT_SIDE, SLOT_WAKE, SLOT_CANCEL, SLOT_COUNT };

static gboolean read_wants_write(const ImapStream *stream) {
  for (; stream != NULL; stream = stream->lower)
    if (stream->read_wants_write)
      return TRUE;
  return FALSE;
}

/* poll() that goes on after signals; negative descriptors are ignored by the kernel. */
static int poll_until(struct pollfd *fds, nfds_t n, gint64 deadline) {
  for (;;) {
    gint64 left = MAX(deadline - g_get_monotonic_time(), 0);
    int ready = poll(fds, n, (int)MIN((left + 999) / 1000, G_MAXINT));
    if (ready >= 0 || errno != EINTR)
      return ready;
  }
}

static ImapWait wait_result(ImapStream *base, const struct pollfd *fds, int ready, GCancellable *c, GError **error) {
  if (g_cancellable_is_cancelled(c)) {
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_CANCELLED, "cancelled");
    return IMAP_WAIT_ERROR;
  }
  if (ready < 0) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LOCAL, "poll: %s", g_strerror(errno));
    return IMAP_WAIT_ERROR;
  }
  if (fds[SLOT_SIDE].revents != 0)
    base->class->side(base);
  if (fds[SLOT_WAKE].revents != 0)
    return IMAP_WAIT_WOKEN;
  return ready == 0 ? IMAP_WAIT_TIMEOUT : IMAP_WAIT_READY;
}

ImapWait imap_stream_wait(ImapStream *stream, gboolean out, int wake_fd, gint64 deadline, GCancellable *c,
                          GError **error) {
  ImapStream *base = (ImapStream *)bottom(stream);
  gboolean writing = out || read_wants_write(stream);
  GPollFD cancel = {.fd = -1};
  gboolean has_cancel = c != NULL && g_cancellable_make_pollfd(c, &cancel);
  struct pollfd fds[SLOT_COUNT] = {
      [SLOT_IN] = {.fd = base->in_fd, .events = POLLIN},
      [SLOT_OUT] = {.fd = writing ? base->out_fd : -1, .events = POLLOUT},
      [SLOT_SIDE] = {.fd = base->side_fd, .events = POLLIN},
      [SLOT_WAKE] = {.fd = wake_fd, .events = POLLIN},
      [SLOT_CANCEL] = {.fd = has_cancel ? cancel.fd : -1, .events = POLLIN},
  };
  int ready = poll_until(fds, SLOT_COUNT, deadline);
  ImapWait result = wait_result(base, fds, ready, c, error);
  if (has_cancel)
    g_cancellable_release_fd(c);
  return result;
}
