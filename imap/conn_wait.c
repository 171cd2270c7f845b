/* SPDX-License-Identifier: MIT */
/*
 * The bottom of a connection: where it waits.
 *
 * What we send is queued in `out` and leaves whenever the connection waits for input, so writing never blocks on its
 * own: a server that stops reading because its own output is stuck cannot deadlock us.
 *
 * Every wait is for octets. Besides them silence ends it, and what other threads have to say: imap_conn_wake(), which
 * only some waits take for an answer and which is kept for the next one that does, and imap_conn_drop(), which ends
 * all.
 */
#include <unistd.h>

#include "imap/conn.h"

/* ---- output --------------------------------------------------------------------------- */

/* Secrets pass through `out`: what is outgrown is wiped, which no GByteArray would do. */
static void make_room(ImapConn *conn, gsize len) {
  if (conn->out_room - conn->out->len >= len)
    return;
  GByteArray *outgrown = conn->out;
  conn->out_room = MAX(2 * conn->out_room, outgrown->len + len);
  conn->out = g_byte_array_sized_new((guint)conn->out_room);
  g_byte_array_append(conn->out, outgrown->data, outgrown->len);
  explicit_bzero(outgrown->data, outgrown->len);
  g_byte_array_unref(outgrown);
}

void imap_conn_write(ImapConn *conn, const void *data, gsize len) {
  make_room(conn, len);
  g_byte_array_append(conn->out, data, (guint)len);
}

/* Sends what can be sent now. TRUE: something is left. A broken pipe is not reported here: the server's
 * last words may still be there to read, and reading will find the end. */
gboolean imap_conn_push(ImapConn *conn) {
  GByteArray *out = conn->out;
  ImapIo io = IMAP_IO_OK;
  while (out->len > 0 && io == IMAP_IO_OK) {
    gsize n = 0;
    io = imap_stream_write(conn->stream, out->data, out->len, &n, NULL);
    conn->sent += io == IMAP_IO_OK ? n : 0;
    if (io == IMAP_IO_OK && n < out->len) {
      g_byte_array_remove_range(out, 0, (guint)n);
      explicit_bzero(out->data + out->len, n); /* the end as it stood before, perhaps of a secret */
    } else if (io != IMAP_IO_WAIT) {
      explicit_bzero(out->data, out->len);
      g_byte_array_set_size(out, 0);
    }
  }
  return io == IMAP_IO_WAIT || (io == IMAP_IO_OK && imap_stream_flush(conn->stream, NULL) == IMAP_IO_WAIT);
}

/* ---- other threads ------------------------------------------------------------------------------- */

void imap_conn_wake(ImapConn *conn) {
  guint64 one = 1;
  atomic_store(&conn->woken, TRUE);
  G_GNUC_UNUSED gssize n = write(conn->wake_fd, &one, sizeof one);
}

void imap_conn_drop(ImapConn *conn) {
  guint64 one = 1;
  atomic_store(&conn->dropped, TRUE);
  G_GNUC_UNUSED gssize n = write(conn->wake_fd, &one, sizeof one);
}

static gboolean consume_wake(ImapConn *conn) {
  return atomic_exchange(&conn->woken, FALSE);
}

/* The descriptor only ends a wait; `woken` and `dropped` say what was meant. One that rang for the last lessee, or for
 * a wait that cannot be woken, must fall silent all the same, or no wait would ever wait again. */
static void silence_wake(ImapConn *conn) {
  guint64 count;
  G_GNUC_UNUSED gssize n = read(conn->wake_fd, &count, sizeof count);
}

/* ---- input --------------------------------------------------------------------------------------- */

static gboolean at_end(ImapConn *conn, GError **error) {
  if (!conn->greeted)
    return imap_conn_lose(conn, error, IMAP_ERROR_NETWORK, "%s closed the connection without a greeting",
                          conn->setup.config->host);
  return imap_conn_lose(conn, error, IMAP_ERROR_NETWORK, "the server closed the connection");
}

static void arrived(ImapConn *conn, gsize n) {
  atomic_store(conn->setup.heard, g_get_monotonic_time());
  imap_framer_feed(conn->framer, conn->buffer, n);
}

/* What a wait may end with besides octets. */
typedef struct {
  gint64 until; /* monotonic µs */
  gboolean may_be_woken, may_be_late, may_be_sent;
  gboolean woken, late, sent;
} Patience;

static gboolean too_late(ImapConn *conn, Patience *patience, GError **error) {
  if (!patience->may_be_late)
    return imap_conn_lose(conn, error, IMAP_ERROR_TIMEOUT, "the server was silent for %u seconds", conn->silence);
  return patience->late = TRUE;
}

static gboolean too_slow(const ImapConn *conn) {
  return conn->deadline != 0 && g_get_monotonic_time() >= conn->deadline;
}

static gboolean may_wait(ImapConn *conn, GCancellable *c, GError **error) {
  if (g_cancellable_is_cancelled(c))
    return imap_conn_lose(conn, error, IMAP_ERROR_CANCELLED, "cancelled");
  if (atomic_load(&conn->dropped))
    return imap_conn_lose(conn, error, IMAP_ERROR_NETWORK, "the connection did not outlive the sleep");
  return !too_slow(conn) || imap_conn_lose(conn, error, IMAP_ERROR_TIMEOUT, "the server takes too long");
}

static gint64 silence_ends(const ImapConn *conn) {
  gint64 end = g_get_monotonic_time() + (gint64)conn->silence * G_USEC_PER_SEC;
  return conn->deadline != 0 ? MIN(end, conn->deadline) : end;
}

/* TRUE: octets have come, or what `patience` allows has ended the wait. */
static gboolean fill(ImapConn *conn, Patience *patience, GCancellable *c, GError **error) {
  while (may_wait(conn, c, error)) {
    guint64 sent = conn->sent;
    gboolean left = imap_conn_push(conn);
    if (conn->sent != sent && !patience->may_be_late)
      patience->until = silence_ends(conn); /* nobody is silent while octets move */
    gsize n = 0;
    ImapIo io = imap_stream_read(conn->stream, conn->buffer, IMAP_CONN_READ, &n, error);
    if (io == IMAP_IO_OK)
      arrived(conn, n);
    if (io == IMAP_IO_EOF)
      return at_end(conn, error);
    if (io != IMAP_IO_WAIT) {
      conn->failed = conn->failed || io == IMAP_IO_ERROR;
      return io == IMAP_IO_OK;
    }
    if (!left && patience->may_be_sent)
      return patience->sent = TRUE;
    ImapWait wait = imap_stream_wait(conn->stream, left, conn->wake_fd, patience->until, c, error);
    if (wait == IMAP_WAIT_TIMEOUT && !too_slow(conn))
      return too_late(conn, patience, error);
    conn->failed = conn->failed || wait == IMAP_WAIT_ERROR;
    if (wait == IMAP_WAIT_ERROR)
      return FALSE;
    if (wait == IMAP_WAIT_WOKEN)
      silence_wake(conn);
    if (wait == IMAP_WAIT_WOKEN && patience->may_be_woken && (patience->woken = consume_wake(conn)))
      return TRUE;
  }
  return FALSE;
}

/* TRUE without a frame where `patience` says why. With a deadline of its own, or else one for each read. */
static gboolean next_frame(ImapConn *conn, ImapFrame *ret, Patience *patience, GCancellable *c, GError **error) {
  if (conn->failed)
    return imap_conn_lose(conn, error, IMAP_ERROR_NETWORK, "the connection was lost");
  if (patience->may_be_woken && (patience->woken = consume_wake(conn)))
    return TRUE;
  for (;;) {
    ImapFrameType type = imap_framer_next(conn->framer, ret, error);
    if (type == IMAP_FRAME_ERROR)
      conn->failed = TRUE;
    if (type != IMAP_FRAME_MORE)
      return type != IMAP_FRAME_ERROR;
    if (!patience->may_be_late)
      patience->until = silence_ends(conn);
    if (!fill(conn, patience, c, error))
      return FALSE;
    if (patience->woken || patience->late || patience->sent)
      return TRUE;
  }
}

gboolean imap_conn_frame(ImapConn *conn, ImapFrame *ret, gboolean *ret_woken, GCancellable *c, GError **error) {
  Patience patience = {.may_be_woken = ret_woken != NULL};
  gboolean ok = next_frame(conn, ret, &patience, c, error);
  if (ret_woken != NULL)
    *ret_woken = patience.woken;
  return ok;
}

ImapHeard imap_conn_listen(ImapConn *conn, gint64 until, ImapEvent *ret, GCancellable *c, GError **error) {
  Patience patience = {.until = until, .may_be_woken = TRUE, .may_be_late = TRUE};
  ImapFrame frame;
  *ret = (ImapEvent){0};
  do {
    if (!next_frame(conn, &frame, &patience, c, error))
      return IMAP_HEARD_FAILURE;
    if (patience.woken || patience.late)
      return patience.woken ? IMAP_HEARD_WAKE : IMAP_HEARD_NOTHING;
  } while (frame.type != IMAP_FRAME_RESPONSE);
  return imap_conn_digest(conn, &frame, ret, error) ? IMAP_HEARD_EVENT : IMAP_HEARD_FAILURE;
}

gboolean imap_conn_pump(ImapConn *conn, ImapEvent *ret, gboolean *ret_heard, GCancellable *c, GError **error) {
  Patience patience = {.may_be_sent = TRUE};
  ImapFrame frame;
  *ret = (ImapEvent){0};
  *ret_heard = FALSE;
  do {
    if (!next_frame(conn, &frame, &patience, c, error))
      return FALSE;
    if (patience.sent)
      return TRUE;
  } while (frame.type != IMAP_FRAME_RESPONSE);
  *ret_heard = TRUE;
  return imap_conn_digest(conn, &frame, ret, error);
}

/* ---- while nobody listens ------------------------------------------------------------ */

static gboolean digest_buffered(ImapConn *conn) {
  ImapFrame frame;
  for (;;) {
    ImapFrameType type = imap_framer_next(conn->framer, &frame, NULL);
    if (type == IMAP_FRAME_MORE)
      return TRUE;
    g_auto(ImapEvent) event = {0};
    if (type == IMAP_FRAME_ERROR || (type == IMAP_FRAME_RESPONSE && !imap_conn_digest(conn, &frame, &event, NULL)))
      return FALSE;
  }
}

gboolean imap_conn_alive(ImapConn *conn) {
  gsize n = 0;
  ImapIo io = IMAP_IO_OK;
  while (!conn->failed && (io = imap_stream_read(conn->stream, conn->buffer, IMAP_CONN_READ, &n, NULL)) == IMAP_IO_OK) {
    arrived(conn, n);
    conn->failed = !digest_buffered(conn);
  }
  conn->failed = conn->failed || io != IMAP_IO_WAIT;
  return !conn->failed;
}
