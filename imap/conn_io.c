/* SPDX-License-Identifier: MIT */
/*
 * The lower half of a connection: octets to events.
 *
 * What we send is queued in `out` and leaves whenever the connection waits for input, so writing never
 * blocks on its own: a server that stops reading because its own output is stuck cannot deadlock us.
 * What arrives goes through the framer and becomes events, one at a time. What is the same in every
 * state happens here: BYE, capabilities, alerts, the bound on responses, the trace.
 */
#include <string.h>
#include <unistd.h>

#include "imap/codes.h"
#include "imap/conn.h"
#include "imap/limits.h"

gboolean imap_conn_lose(ImapConn *conn, GError **error, ImapError code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *message = g_strdup_vprintf(format, args);
  va_end(args);
  conn->failed = TRUE;
  g_set_error_literal(error, IMAP_ERROR, (gint)code, message);
  return FALSE;
}

/* ---- trace ------------------------------------------------------------------------------------ */

void imap_conn_trace(ImapConn *conn, char direction, const char *line) {
  const ImapConfig *config = conn->setup.config;
  if (config->trace == NULL)
    return;
  g_autofree char *text = g_strdup_printf("%u %c: %s", conn->setup.number, direction, line);
  config->trace(text, config->trace_data);
}

/* A response as one line. Its kept literals stand in it as "{n}\r\n" and n octets, and a CR LF occurs
 * nowhere else. */
static void trace_response(ImapConn *conn, const char *data, gsize len) {
  if (conn->setup.config->trace == NULL)
    return;
  g_autoptr(GString) line = g_string_new(NULL);
  const char *end = data + len;
  while (data < end) {
    const char *crlf = memmem(data, (gsize)(end - data), "\r\n", 2);
    const char *stop = crlf != NULL ? crlf : end;
    g_string_append_len(line, data, stop - data);
    if (crlf == NULL)
      break;
    const char *brace = g_strrstr_len(data, stop - data, "{");
    guint64 octets = brace != NULL ? g_ascii_strtoull(brace + 1, NULL, 10) : 0;
    if (line->len > 0 && line->str[line->len - 1] == '}') {
      g_string_truncate(line, line->len - 1);
      g_string_append(line, " bytes}");
    }
    data = stop + 2 + MIN(octets, (guint64)(end - stop - 2));
  }
  /* What a SASL mechanism says may hold secrets. */
  if (conn->quiet && line->str[0] == '+')
    g_string_assign(line, "+ ***");
  g_autofree char *clean = imap_clean_text(line->str, -1);
  imap_conn_trace(conn, 'S', clean);
}

/* ---- capabilities ----------------------------------------------------------------------------- */

void imap_conn_forget_capabilities(ImapConn *conn) {
  g_hash_table_remove_all(conn->capabilities);
}

static void take_capabilities(ImapConn *conn, char **words) {
  imap_conn_forget_capabilities(conn);
  for (guint i = 0; words != NULL && words[i] != NULL; i++)
    g_hash_table_add(conn->capabilities, g_ascii_strup(words[i], -1));
}

/* By hand, or because this server gets it wrong. */
static gboolean is_switched_off(const ImapConn *conn, const char *capability) {
  char **disable = conn->setup.config->disable;
  for (guint i = 0; disable != NULL && disable[i] != NULL; i++)
    if (g_ascii_strcasecmp(disable[i], capability) == 0)
      return TRUE;
  return imap_quirks_hide(conn->quirks, capability);
}

static gboolean is_announced(const ImapConn *conn, const char *capability) {
  g_autofree char *upper = g_ascii_strup(capability, -1);
  return g_hash_table_contains(conn->capabilities, upper);
}

/* QRESYNC stands on CONDSTORE and announces it too (RFC 7162 section 3.2.2). */
gboolean imap_conn_has(ImapConn *conn, const char *capability) {
  gboolean qresync = g_ascii_strcasecmp(capability, "QRESYNC") == 0;
  gboolean condstore = g_ascii_strcasecmp(capability, "CONDSTORE") == 0;
  if (is_switched_off(conn, capability) || (qresync && is_switched_off(conn, "CONDSTORE")))
    return FALSE;
  return is_announced(conn, capability) || (condstore && is_announced(conn, "QRESYNC"));
}

/* ---- input and output --------------------------------------------------------------------------- */

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
  gboolean may_be_woken, may_be_late;
  gboolean woken, late;
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

/* TRUE: octets have come, or what `patience` allows has ended the wait. */
static gboolean fill(ImapConn *conn, Patience *patience, GCancellable *c, GError **error) {
  while (may_wait(conn, c, error)) {
    gboolean left = imap_conn_push(conn);
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

static gint64 silence_ends(const ImapConn *conn) {
  gint64 end = g_get_monotonic_time() + (gint64)conn->silence * G_USEC_PER_SEC;
  return conn->deadline != 0 ? MIN(end, conn->deadline) : end;
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
    if (patience->woken || patience->late)
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

/* ---- events ------------------------------------------------------------------------------------- */

gboolean imap_conn_means_later(const GError *refusal) {
  static const char *const phrases[] = {"too many",        "maximum number of", "simultaneous", "connection limit",
                                        "try again later", "temporar",          "throttled"};
  for (gsize i = 0; i < G_N_ELEMENTS(phrases); i++)
    if (strcasestr(refusal->message, phrases[i]) != NULL)
      return TRUE;
  return refusal->code == IMAP_ERROR_UNAVAILABLE;
}

/* A greeting that is a refusal is a BYE by another name. */
static gboolean ends_it(const ImapConn *conn, ImapCondition condition) {
  return condition == IMAP_BYE || (!conn->greeted && (condition == IMAP_NO || condition == IMAP_BAD));
}

/* BYE may come at any time, and with a reason that says when to come back. */
static gboolean hung_up(ImapConn *conn, const ImapEvent *event, GError **error) {
  if (conn->ended)
    return TRUE;
  g_autoptr(GError) reason = imap_response_error(IMAP_NO, event->code, event->text);
  ImapError code = reason->code == IMAP_ERROR_REFUSED ? IMAP_ERROR_NETWORK : (ImapError)reason->code;
  return imap_conn_lose(conn, error, imap_conn_means_later(reason) ? IMAP_ERROR_UNAVAILABLE : code,
                        "the server hung up; %s", reason->message);
}

static void alert(ImapConn *conn, const ImapEvent *event) {
  g_autofree char *text = imap_clean_text(event->text != NULL ? event->text : "", -1);
  g_log("imap", G_LOG_LEVEL_MESSAGE, "%s says: %s", conn->setup.config->host, text);
}

/* Here, because no answer passes by and no caller can forget it. */
static void heed(ImapConn *conn, const ImapEvent *status) {
  gint64 delay;
  if (conn->setup.throttled == NULL || !imap_codes_throttled(status, &delay))
    return;
  g_autofree char *text = imap_clean_text(status->text, -1);
  conn->setup.throttled(*text != '\0' ? text : "it is throttled", delay, conn->setup.throttled_data);
}

gboolean imap_conn_digest(ImapConn *conn, const ImapFrame *frame, ImapEvent *ret, GError **error) {
  *ret = (ImapEvent){0};
  trace_response(conn, frame->data, frame->len);
  if (!imap_response_read(frame->data, frame->len, frame->streamed, ret, error)) {
    conn->failed = TRUE;
    return FALSE;
  }
  gboolean status = ret->type == IMAP_EVENT_STATUS;
  gboolean fine = TRUE;
  if (status)
    heed(conn, ret);
  if (!(status && ret->tag != NULL) && ++conn->responses > IMAP_LIMIT_UNTAGGED)
    fine = imap_conn_lose(conn, error, IMAP_ERROR_LIMIT, "the server sends more responses than a mailbox can hold");
  else if (status && ret->tag == NULL && ends_it(conn, ret->condition))
    fine = hung_up(conn, ret, error);
  else if (ret->type == IMAP_EVENT_CAPABILITY || (status && ret->code == IMAP_CODE_CAPABILITY))
    take_capabilities(conn, ret->words);
  else if (status && ret->code == IMAP_CODE_ALERT)
    alert(conn, ret);
  if (!fine)
    imap_event_clear(ret);
  return fine;
}

gboolean imap_conn_event(ImapConn *conn, ImapEvent *ret, GCancellable *c, GError **error) {
  ImapFrame frame;
  *ret = (ImapEvent){0};
  do {
    if (!imap_conn_frame(conn, &frame, NULL, c, error))
      return FALSE;
  } while (frame.type != IMAP_FRAME_RESPONSE);
  return imap_conn_digest(conn, &frame, ret, error);
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

/* By hand: g_ascii_string_to_unsigned() fails once where GLib makes its C locale in another thread at that moment (the
 * wait for it leaves errno set). */
guint imap_conn_tag_number(const ImapConn *conn, const char *tag) {
  guint64 number = 0;
  if (!g_str_has_prefix(tag, conn->prefix))
    return 0;
  for (tag += strlen(conn->prefix); g_ascii_isdigit(*tag) && number <= G_MAXUINT; tag++)
    number = number * 10 + (guint64)(*tag - '0');
  return *tag == '\0' && number <= G_MAXUINT ? (guint)number : 0;
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
