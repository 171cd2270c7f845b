/* SPDX-License-Identifier: MIT */
/*
 * The lower half of a connection: frames to events, one at a time. What is the same in every state happens here: BYE,
 * capabilities, alerts, pleas to be left alone, the bound on responses, the trace.
 */
#include <string.h>

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
