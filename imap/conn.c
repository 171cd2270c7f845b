/* SPDX-License-Identifier: MIT */
/*
 * The upper half of a connection: commands and their answers, birth and end.
 *
 * A connection is either in step with the server or `failed`; there is no way back, because after a
 * broken wait nobody knows to what the next octet belongs. Hence a cancelled or silent wait loses the
 * connection, a plain NO does not.
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

/* ---- commands ------------------------------------------------------------------------------------ */

ImapLiterals imap_conn_literals(ImapConn *conn) {
  if (imap_conn_has(conn, "LITERAL+"))
    return IMAP_LITERAL_PLUS;
  return imap_conn_has(conn, "LITERAL-") ? IMAP_LITERAL_MINUS : IMAP_LITERAL_SYNC;
}

ImapEncoder *imap_conn_command(ImapConn *conn) {
  ImapEncoder *encoder = imap_encoder_new(imap_conn_literals(conn));
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
  /* Exchange takes a wrong password for a login and says so at the next command. */
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
  if (is_early && early.condition == IMAP_OK)
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server answered a command before it had all of it");
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

/* A proxy may have lost its server instead; then the other connections are found lost as well. */
static gboolean turned_away(const ImapConn *conn, const GError *failure) {
  return conn->reached && !conn->greeted && g_error_matches(failure, IMAP_ERROR, IMAP_ERROR_NETWORK);
}

ImapConn *imap_conn_open(const ImapConnSetup *setup, GCancellable *c, GError **error) {
  ImapConn *conn = g_new0(ImapConn, 1);
  conn->setup = *setup;
  conn->framer = imap_framer_new();
  conn->out_room = 4096;
  conn->out = g_byte_array_sized_new((guint)conn->out_room);
  conn->buffer = g_malloc(IMAP_CONN_READ);
  conn->capabilities = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  conn->quirks = imap_quirks_of_host(setup->config->host);
  conn->silence = setup->config->timeout;
  conn->fetches = g_queue_new();
  conn->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  make_prefix(conn);
  if (conn->wake_fd < 0)
    imap_conn_lose(conn, error, IMAP_ERROR_LOCAL, "too many open files");
  else if (imap_login(conn, c, error))
    return conn;
  if (setup->turned_away != NULL && error != NULL)
    *setup->turned_away = turned_away(conn, *error);
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
  g_free(conn->left);
  imap_mailbox_clear(&conn->opening);
  if (conn->wake_fd >= 0)
    close(conn->wake_fd);
  g_free(conn);
}

gint64 imap_conn_rtt(ImapConn *conn) {
  return MAX(conn->rtt, 1);
}

guint64 imap_conn_received(ImapConn *conn) {
  return imap_stream_received(conn->stream);
}

gboolean imap_conn_failed(ImapConn *conn) {
  return conn->failed || atomic_load(&conn->dropped);
}

void imap_conn_fail(ImapConn *conn) {
  conn->failed = TRUE;
}
