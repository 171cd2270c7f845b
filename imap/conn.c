/* SPDX-License-Identifier: MIT */
/*
 * The command loop of one connection.
 *
 * What we send is queued in `out` and leaves whenever the connection waits for input, so writing never
 * blocks on its own: a server that stops reading because its own output is stuck cannot deadlock us.
 * What arrives goes through the framer and becomes events, one at a time. A connection is either in step
 * with the server or `failed`; there is no way back, because after a broken wait nobody knows to what the
 * next octet belongs. Hence a cancelled or silent wait loses the connection, a plain NO does not.
 *
 * Tags are ten random letters and a number: nothing in a mail can have been written to look like one.
 */
#include "imap/conn.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "imap/limits.h"
#include "imap/login.h"

#define READ_SIZE (128 * 1024) /* fits a second-level cache together with its copy in the framer */

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
  for (guint i = 0; words != NULL && words[i] != NULL; i++) {
    /* MailKit issue 1654: "LITERAL +" */
    gboolean split = g_ascii_strcasecmp(words[i], "LITERAL") == 0 && g_strcmp0(words[i + 1], "+") == 0;
    g_hash_table_add(conn->capabilities, g_ascii_strup(split ? "LITERAL+" : words[i], -1));
  }
}

gboolean imap_conn_has(ImapConn *conn, const char *capability) {
  char **disable = conn->setup.config->disable;
  for (guint i = 0; disable != NULL && disable[i] != NULL; i++)
    if (g_ascii_strcasecmp(disable[i], capability) == 0)
      return FALSE;
  g_autofree char *upper = g_ascii_strup(capability, -1);
  return g_hash_table_contains(conn->capabilities, upper);
}

/* ---- input and output --------------------------------------------------------------------------- */

void imap_conn_write(ImapConn *conn, const void *data, gsize len) {
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

static gboolean consume_wake(ImapConn *conn) {
  if (!atomic_exchange(&conn->woken, FALSE))
    return FALSE;
  guint64 count;
  G_GNUC_UNUSED gssize n = read(conn->wake_fd, &count, sizeof count);
  return TRUE;
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

static gboolean fill(ImapConn *conn, gboolean *ret_woken, GCancellable *c, GError **error) {
  gint64 deadline = g_get_monotonic_time() + (gint64)conn->silence * G_USEC_PER_SEC;
  for (;;) {
    if (g_cancellable_is_cancelled(c))
      return imap_conn_lose(conn, error, IMAP_ERROR_CANCELLED, "cancelled");
    gboolean left = imap_conn_push(conn);
    gsize n = 0;
    ImapIo io = imap_stream_read(conn->stream, conn->buffer, READ_SIZE, &n, error);
    if (io == IMAP_IO_OK)
      arrived(conn, n);
    if (io == IMAP_IO_EOF)
      return at_end(conn, error);
    if (io != IMAP_IO_WAIT) {
      conn->failed = conn->failed || io == IMAP_IO_ERROR;
      return io == IMAP_IO_OK;
    }
    ImapWait wait = imap_stream_wait(conn->stream, left, ret_woken != NULL ? conn->wake_fd : -1, deadline, c, error);
    if (wait == IMAP_WAIT_TIMEOUT)
      return imap_conn_lose(conn, error, IMAP_ERROR_TIMEOUT, "the server was silent for %u seconds", conn->silence);
    conn->failed = conn->failed || wait == IMAP_WAIT_ERROR;
    if (wait == IMAP_WAIT_ERROR)
      return FALSE;
    if (wait == IMAP_WAIT_WOKEN && consume_wake(conn)) {
      *ret_woken = TRUE;
      return TRUE;
    }
  }
}

gboolean imap_conn_frame(ImapConn *conn, ImapFrame *ret, gboolean *ret_woken, GCancellable *c, GError **error) {
  if (conn->failed)
    return imap_conn_lose(conn, error, IMAP_ERROR_NETWORK, "the connection was lost");
  if (ret_woken != NULL && (*ret_woken = consume_wake(conn)))
    return TRUE;
  for (;;) {
    ImapFrameType type = imap_framer_next(conn->framer, ret, error);
    if (type == IMAP_FRAME_ERROR)
      conn->failed = TRUE;
    if (type != IMAP_FRAME_MORE)
      return type != IMAP_FRAME_ERROR;
    if (!fill(conn, ret_woken, c, error))
      return FALSE;
    if (ret_woken != NULL && *ret_woken)
      return TRUE;
  }
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

/* BYE may come at any time, and with a reason that says when to come back (Q53). */
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

gboolean imap_conn_digest(ImapConn *conn, const ImapFrame *frame, ImapEvent *ret, GError **error) {
  *ret = (ImapEvent){0};
  trace_response(conn, frame->data, frame->len);
  if (!imap_response_read(frame->data, frame->len, frame->streamed, ret, error)) {
    conn->failed = TRUE;
    return FALSE;
  }
  gboolean status = ret->type == IMAP_EVENT_STATUS;
  gboolean fine = TRUE;
  if (!(status && ret->tag != NULL) && ++conn->responses > IMAP_LIMIT_UNTAGGED)
    fine = imap_conn_lose(conn, error, IMAP_ERROR_LIMIT, "the server sends more responses than a mailbox can hold");
  else if (status && ret->tag == NULL && ret->condition == IMAP_BYE)
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

guint imap_conn_tag_number(const ImapConn *conn, const char *tag) {
  guint64 number = 0;
  if (!g_str_has_prefix(tag, conn->prefix) ||
      !g_ascii_string_to_unsigned(tag + strlen(conn->prefix), 10, 1, G_MAXUINT, &number, NULL))
    return 0;
  return (guint)number;
}

/* ---- commands ------------------------------------------------------------------------------------ */

static ImapLiterals literals(ImapConn *conn) {
  if (imap_conn_has(conn, "LITERAL+"))
    return IMAP_LITERAL_PLUS;
  return imap_conn_has(conn, "LITERAL-") ? IMAP_LITERAL_MINUS : IMAP_LITERAL_SYNC;
}

ImapEncoder *imap_conn_command(ImapConn *conn) {
  ImapEncoder *encoder = imap_encoder_new(literals(conn));
  g_autofree char *tag = g_strdup_printf("%s%u ", conn->prefix, ++conn->tag);
  imap_encoder_raw(encoder, tag);
  conn->responses = 0;
  return encoder;
}

static gboolean is_answer(const ImapEvent *event) {
  return event->type == IMAP_EVENT_STATUS && event->tag != NULL;
}

/* Waits for "+", or for the answer that comes instead of it. */
static gboolean await_continuation(ImapConn *conn, ImapEvent *ret_early, gboolean *ret_is_early, GCancellable *c,
                                   GError **error) {
  for (;;) {
    g_auto(ImapEvent) event = {0};
    if (!imap_conn_event(conn, &event, c, error))
      return FALSE;
    if (event.type == IMAP_EVENT_CONTINUE)
      return TRUE;
    if (is_answer(&event)) {
      *ret_early = event;
      event = (ImapEvent){0};
      *ret_is_early = TRUE;
      return TRUE;
    }
  }
}

gboolean imap_conn_send(ImapConn *conn, ImapEncoder *encoder, ImapEvent *ret_early, gboolean *ret_is_early,
                        GCancellable *c, GError **error) {
  g_autoptr(ImapEncoder) command = encoder;
  *ret_is_early = FALSE;
  if (conn->failed)
    return imap_conn_lose(conn, error, IMAP_ERROR_NETWORK, "the connection was lost");
  if (!imap_encoder_finish(command, error))
    return FALSE;
  g_autofree char *trace = conn->setup.config->trace != NULL ? imap_encoder_trace(command) : NULL;
  if (trace != NULL)
    imap_conn_trace(conn, 'C', trace);
  guint parts = imap_encoder_parts(command);
  for (guint i = 0; i < parts && !*ret_is_early; i++) {
    gsize len;
    const char *part = imap_encoder_part(command, i, &len);
    imap_conn_write(conn, part, len);
    if (i + 1 < parts && !await_continuation(conn, ret_early, ret_is_early, c, error))
      return FALSE;
  }
  return TRUE;
}

GError *imap_conn_refusal(ImapConn *conn, const ImapEvent *final) {
  if (final->condition == IMAP_OK)
    return NULL;
  GError *error = imap_response_error(final->condition, final->code, final->text);
  if (final->condition == IMAP_BAD && ++conn->bads >= IMAP_LIMIT_BAD)
    conn->failed = TRUE;
  /* Exchange takes a wrong password for a login and says so at the next command (Q46). */
  if (final->text != NULL && strcasestr(final->text, "authenticated but not connected") != NULL) {
    error->code = IMAP_ERROR_AUTH;
    conn->failed = TRUE;
  }
  return error;
}

static gboolean conclude(ImapConn *conn, guint tag, ImapEvent *event, ImapEvent *ret_final, GError **error) {
  if (imap_conn_tag_number(conn, event->tag) != tag)
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server answered a command that was not given");
  GError *refusal = imap_conn_refusal(conn, event);
  if (ret_final != NULL) {
    *ret_final = *event;
    *event = (ImapEvent){0};
  }
  if (refusal != NULL)
    g_propagate_error(error, refusal);
  return refusal == NULL;
}

gboolean imap_conn_await(ImapConn *conn, guint tag, ImapEventFunc func, gpointer data, ImapEvent *ret_final,
                         GCancellable *c, GError **error) {
  for (;;) {
    g_auto(ImapEvent) event = {0};
    if (!imap_conn_event(conn, &event, c, error))
      return FALSE;
    if (is_answer(&event))
      return conclude(conn, tag, &event, ret_final, error);
    if (func != NULL && !func(&event, data, error)) {
      conn->failed = TRUE;
      return FALSE;
    }
  }
}

gboolean imap_conn_run(ImapConn *conn, ImapEncoder *encoder, ImapEventFunc func, gpointer data, ImapEvent *ret_final,
                       GCancellable *c, GError **error) {
  g_assert(g_queue_is_empty(conn->fetches));
  guint tag = conn->tag;
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  if (!imap_conn_send(conn, encoder, &early, &is_early, c, error))
    return FALSE;
  if (is_early)
    return conclude(conn, tag, &early, ret_final, error);
  return imap_conn_await(conn, tag, func, data, ret_final, c, error);
}

gboolean imap_conn_simple(ImapConn *conn, const char *text, ImapEventFunc func, gpointer data, GCancellable *c,
                          GError **error) {
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, text);
  return imap_conn_run(conn, encoder, func, data, NULL, c, error);
}

/* ---- life ------------------------------------------------------------------------------------------ */

static void make_prefix(ImapConn *conn) {
  guint8 random[sizeof conn->prefix - 2];
  if (getentropy(random, sizeof random) != 0)
    g_error("the kernel gives no random numbers");
  for (gsize i = 0; i < sizeof random; i++)
    conn->prefix[i] = (char)('A' + random[i] % 26);
}

ImapConn *imap_conn_open(const ImapConnSetup *setup, GCancellable *c, GError **error) {
  ImapConn *conn = g_new0(ImapConn, 1);
  conn->setup = *setup;
  conn->framer = imap_framer_new();
  conn->out = g_byte_array_sized_new(4096);
  conn->buffer = g_malloc(READ_SIZE);
  conn->capabilities = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  conn->silence = setup->config->timeout;
  conn->fetches = g_queue_new();
  conn->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  make_prefix(conn);
  if (conn->wake_fd < 0)
    imap_conn_lose(conn, error, IMAP_ERROR_LOCAL, "too many open files");
  else if (imap_login(conn, c, error))
    return conn;
  imap_conn_close(conn, FALSE);
  return NULL;
}

static void say_goodbye(ImapConn *conn) {
  conn->ended = TRUE;
  conn->silence = IMAP_TIMEOUT_LOGOUT;
  imap_conn_simple(conn, "LOGOUT", NULL, NULL, NULL, NULL);
}

void imap_conn_close(ImapConn *conn, gboolean logout) {
  if (logout && !conn->failed && g_queue_is_empty(conn->fetches))
    say_goodbye(conn);
  imap_stream_free(conn->stream);
  imap_framer_free(conn->framer);
  explicit_bzero(conn->out->data, conn->out->len);
  g_byte_array_unref(conn->out);
  g_free(conn->buffer);
  g_hash_table_unref(conn->capabilities);
  g_queue_free_full(conn->fetches, g_free);
  g_free(conn->selected);
  imap_mailbox_clear(&conn->opening);
  if (conn->wake_fd >= 0)
    close(conn->wake_fd);
  g_free(conn);
}

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
  while (!conn->failed && (io = imap_stream_read(conn->stream, conn->buffer, READ_SIZE, &n, NULL)) == IMAP_IO_OK) {
    arrived(conn, n);
    conn->failed = !digest_buffered(conn);
  }
  conn->failed = conn->failed || io != IMAP_IO_WAIT;
  return !conn->failed;
}

gint64 imap_conn_rtt(ImapConn *conn) {
  return MAX(conn->rtt, 1);
}

guint64 imap_conn_received(ImapConn *conn) {
  return imap_stream_received(conn->stream);
}

gboolean imap_conn_failed(ImapConn *conn) {
  return conn->failed;
}

void imap_conn_fail(ImapConn *conn) {
  conn->failed = TRUE;
}
