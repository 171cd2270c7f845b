/* SPDX-License-Identifier: MIT */
/*
 * The way to a logged-in connection:
 *
 *   tunnel ──────────────▶ greeting ─────────────┬─▶ (capability, login)* ─▶ capability, ID, ENABLE ─▶ compress
 *   TCP ─▶ TLS ──────────▶ greeting ─────────────┤        * not after PREAUTH
 *   TCP ─▶ greeting ─▶ STARTTLS ─▶ TLS ──────────┤
 *   TCP to loopback, tls=off ─▶ greeting ────────┘
 *
 * STARTTLS is demanded whatever the server says it offers, PREAUTH before it is refused, nothing that came
 * in clear survives it (RFC 8314, CVE-2011-0411). CAPABILITY is asked right after the login even if the
 * server has told: iCloud's proxy rewrites that word the first few times it passes, wherever it stands,
 * and it shall not find it in somebody's mail. ID and ENABLE go with it, as far as the server has named them by then;
 * what the ID makes us distrust is not used, also where ENABLE has switched it on.
 */
#include "imap/login.h"

#include <string.h>

#include "imap/auth.h"
#include "imap/deflate.h"
#include "imap/tls.h"
#include "imap/tunnel.h"

#define COMPRESS_BELOW (20 * 1000 * 1000) /* octets per second; above, deflating costs servers more than it saves */
#define COMPRESS_FAR 3000                 /* µs of round trip that make a line "far" while its rate is unknown */
#define COMPRESS_NEAR 1000                /* µs; a low rate on a shorter line is not the line's fault */

/* ---- line ---------------------------------------------------------------------------------------- */

static gboolean start_tls(ImapConn *conn, GCancellable *c, GError **error) {
  const ImapConfig *config = conn->setup.config;
  ImapTlsPolicy policy = {.host = config->host, .ca = config->tls_ca, .pin = config->tls_pin};
  conn->stream = imap_tls_new(g_steal_pointer(&conn->stream), &policy, c, error);
  return conn->stream != NULL;
}

guint16 imap_login_port(const ImapConfig *config) {
  if (config->port != 0)
    return config->port;
  return config->tls == IMAP_TLS_IMPLICIT ? 993 : 143;
}

static gboolean open_line(ImapConn *conn, GCancellable *c, GError **error) {
  const ImapConfig *config = conn->setup.config;
  if (config->tunnel != NULL) {
    conn->stream = imap_tunnel_new(config->tunnel, error);
    return conn->stream != NULL;
  }
  conn->stream = imap_stream_connect(config->host, imap_login_port(config), config->timeout, c, error);
  conn->reached = conn->stream != NULL;
  if (!conn->reached)
    return FALSE;
  if (config->tls == IMAP_TLS_IMPLICIT)
    return start_tls(conn, c, error);
  if (config->tls == IMAP_TLS_OFF && !imap_stream_is_loopback(conn->stream))
    return imap_conn_lose(conn, error, IMAP_ERROR_CONFIG,
                          "tls=off is for this machine only, and %s is another: nothing was sent", config->host);
  return TRUE;
}

static gboolean is_clear(const ImapConn *conn) {
  return conn->setup.config->tunnel == NULL && conn->setup.config->tls == IMAP_TLS_STARTTLS;
}

/* ---- greeting and STARTTLS -------------------------------------------------------------------------- */

static gboolean greeting(ImapConn *conn, gboolean *ret_preauth, GCancellable *c, GError **error) {
  const char *host = conn->setup.config->host;
  g_auto(ImapEvent) event = {0};
  if (!imap_conn_event(conn, &event, c, error))
    return FALSE;
  conn->greeted = TRUE;
  gboolean status = event.type == IMAP_EVENT_STATUS && event.tag == NULL;
  *ret_preauth = status && event.condition == IMAP_PREAUTH;
  if (*ret_preauth && is_clear(conn))
    return imap_conn_lose(conn, error, IMAP_ERROR_TLS,
                          "%s says we are logged in before the line is encrypted: somebody may be in between", host);
  if (!*ret_preauth && !(status && event.condition == IMAP_OK))
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "%s does not greet like an IMAP server", host);
  conn->quirks |= imap_quirks_of_greeting(event.text);
  return TRUE;
}

static gboolean upgrade(ImapConn *conn, GCancellable *c, GError **error) {
  const char *host = conn->setup.config->host;
  g_autoptr(GError) refusal = NULL;
  if (!imap_conn_simple(conn, "STARTTLS", NULL, NULL, c, &refusal)) {
    if (conn->failed) {
      g_propagate_error(error, g_steal_pointer(&refusal));
      return FALSE;
    }
    return imap_conn_lose(conn, error, IMAP_ERROR_TLS, "%s refuses to encrypt the line: %s", host, refusal->message);
  }
  if (imap_framer_buffered(conn->framer) > 0)
    return imap_conn_lose(conn, error, IMAP_ERROR_TLS,
                          "%s sent more in clear after agreeing to encrypt: somebody may be in between", host);
  imap_conn_forget_capabilities(conn);
  return start_tls(conn, c, error);
}

/* ---- after the login ------------------------------------------------------------------------------------ */

static void measure(ImapConn *conn, gint64 started) {
  gint64 took = MAX(g_get_monotonic_time() - started, 1);
  conn->rtt = conn->rtt == 0 ? took : MIN(conn->rtt, took);
}

static gboolean ask_capability(ImapConn *conn, GCancellable *c, GError **error) {
  gint64 started = g_get_monotonic_time();
  if (!imap_conn_simple(conn, "CAPABILITY", NULL, NULL, c, error))
    return FALSE;
  measure(conn, started);
  return TRUE;
}

/* NetEase lets nobody in without ID; Yahoo wants its strings quoted, Exchange wants some. The name is
 * all we tell. */
#define IDENTIFY "ID (\"name\" \"imapfs\")"

static gboolean send_plain(ImapConn *conn, const char *text, guint *ret_tag, GCancellable *c, GError **error) {
  ImapEncoder *encoder = imap_conn_command(conn);
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  *ret_tag = conn->tag;
  imap_encoder_raw(encoder, text);
  return imap_conn_send(conn, encoder, &early, &is_early, c, error);
}

static void take_id(ImapConn *conn, char **words) {
  ImapQuirks quirks = imap_quirks_of_id(words);
  imap_quirks_log(quirks & ~conn->quirks, conn->setup.config->host);
  conn->quirks |= quirks;
}

/* A server that sends no ENABLED (iCloud) has switched nothing on. */
static void take_enabled(ImapConn *conn, char **words) {
  for (; words != NULL && *words != NULL; words++) {
    if (g_ascii_strcasecmp(*words, "QRESYNC") == 0)
      conn->enabled = IMAP_DELTA_QRESYNC;
    else if (g_ascii_strcasecmp(*words, "CONDSTORE") == 0)
      conn->enabled = MAX(conn->enabled, IMAP_DELTA_CONDSTORE);
  }
}

static gboolean introduced(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  if (event->type == IMAP_EVENT_ID)
    take_id(data, event->words);
  else if (event->type == IMAP_EVENT_ENABLED)
    take_enabled(data, event->words);
  return TRUE;
}

static gboolean await_any(ImapConn *conn, guint tag, GCancellable *c, GError **error) {
  g_autoptr(GError) refusal = NULL;
  if (imap_conn_await(conn, tag, introduced, conn, NULL, c, &refusal) || !conn->failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&refusal));
  return FALSE;
}

static const char *enable_command(ImapConn *conn) {
  if (!imap_conn_has(conn, "ENABLE"))
    return NULL;
  if (imap_conn_has(conn, "QRESYNC"))
    return "ENABLE QRESYNC";
  return imap_conn_has(conn, "CONDSTORE") ? "ENABLE CONDSTORE" : NULL;
}

typedef struct {
  guint id, enable; /* tags; 0: not sent */
} Introduction;

/* What is not sent yet, and offered as far as we know. */
static gboolean send_introduction(ImapConn *conn, Introduction *sent, GCancellable *c, GError **error) {
  const char *enable = enable_command(conn);
  if (sent->id == 0 && imap_conn_has(conn, "ID") && !send_plain(conn, IDENTIFY, &sent->id, c, error))
    return FALSE;
  return sent->enable != 0 || enable == NULL || send_plain(conn, enable, &sent->enable, c, error);
}

/* CAPABILITY, ID and ENABLE in one round trip, where the greeting or the login has named these already. */
static gboolean introduce(ImapConn *conn, GCancellable *c, GError **error) {
  guint capability;
  Introduction sent = {0};
  gint64 started = g_get_monotonic_time();
  if (!send_plain(conn, "CAPABILITY", &capability, c, error) || !send_introduction(conn, &sent, c, error))
    return FALSE;
  if (!imap_conn_await(conn, capability, introduced, conn, NULL, c, error))
    return FALSE;
  measure(conn, started);
  if (!send_introduction(conn, &sent, c, error))
    return FALSE;
  guint first = MIN(sent.id, sent.enable), second = MAX(sent.id, sent.enable);
  return (first == 0 || await_any(conn, first, c, error)) && (second == 0 || await_any(conn, second, c, error));
}

gboolean imap_login_compresses(const ImapConnSetup *setup, gint64 rtt) {
  ImapCompress wish = setup->config->compress;
  if (wish != IMAP_COMPRESS_AUTO)
    return wish == IMAP_COMPRESS_ON;
  if (!setup->may_compress)
    return FALSE;
  return setup->rate != 0 ? setup->rate < COMPRESS_BELOW && rtt >= COMPRESS_NEAR : rtt >= COMPRESS_FAR;
}

static gboolean compress(ImapConn *conn, GCancellable *c, GError **error) {
  g_autoptr(GError) refusal = NULL;
  if (!imap_conn_has(conn, "COMPRESS=DEFLATE") || !imap_login_compresses(&conn->setup, conn->rtt))
    return TRUE;
  if (!imap_conn_simple(conn, "COMPRESS DEFLATE", NULL, NULL, c, &refusal)) {
    if (conn->failed)
      g_propagate_error(error, g_steal_pointer(&refusal));
    return !conn->failed;
  }
  if (imap_framer_buffered(conn->framer) > 0)
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server spoke before compression was in place");
  conn->stream = imap_deflate_new(g_steal_pointer(&conn->stream));
  return TRUE;
}

static gboolean log_in(ImapConn *conn, GCancellable *c, GError **error) {
  gboolean preauth;
  if (!open_line(conn, c, error) || !greeting(conn, &preauth, c, error))
    return FALSE;
  if (is_clear(conn) && !upgrade(conn, c, error))
    return FALSE;
  if (!preauth) {
    if (g_hash_table_size(conn->capabilities) == 0 && !ask_capability(conn, c, error))
      return FALSE;
    if (!imap_auth(conn, c, error))
      return FALSE;
  }
  return introduce(conn, c, error) && compress(conn, c, error);
}

gboolean imap_login(ImapConn *conn, GCancellable *c, GError **error) {
  conn->deadline = g_get_monotonic_time() + (gint64)conn->setup.patience * G_USEC_PER_SEC;
  imap_quirks_log(conn->quirks, conn->setup.config->host);
  gboolean done = log_in(conn, c, error);
  conn->deadline = 0;
  return done;
}
