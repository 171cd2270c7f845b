/* SPDX-License-Identifier: MIT */
/*
 * Pipelined UID FETCH.
 *
 * Commands are answered in the order sent; `fetches` holds those in flight. The octets of a BODY[]
 * literal never become part of a response: the framer hands them on as they come and the sink gets them
 * from the read buffer. The state of that one body outlives a call, since imap_conn_wake() may end a call
 * in the middle of it:
 *
 *   NONE     no body literal in the response that is being read
 *   WANTED   begin() was TRUE; write() follows, and exactly one end()
 *   BROKEN   write() was FALSE; the rest is drained, then end(FALSE)
 *   DRAINED  begin() was FALSE, or end(FALSE) has been said; nothing more is. Or no body but a header too large to keep
 *
 * end(TRUE) is said only after the closing parenthesis has been parsed and the response has a UID.
 */
#include <string.h>

#include "imap/conn.h"
#include "imap/limits.h"

#define LISTING "UID FLAGS INTERNALDATE RFC822.SIZE"

static const struct {
  const char *items;
  gboolean identity; /* and what the server calls these octets, wherever they are */
} item_lists[] = {
    [IMAP_FETCH_FLAGS] = {"UID FLAGS", FALSE},
    [IMAP_FETCH_LISTING] = {LISTING " BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)]", TRUE},
    [IMAP_FETCH_LISTING_BARE] = {LISTING, TRUE},
    [IMAP_FETCH_HEADER] = {"UID BODY.PEEK[HEADER]", FALSE},
    [IMAP_FETCH_BODY] = {"UID BODY.PEEK[]", FALSE},
};

static const char *identity(ImapConn *conn) {
  if (imap_conn_has(conn, "OBJECTID"))
    return " EMAILID";
  return imap_conn_has(conn, "X-GM-EXT-1") ? " X-GM-MSGID" : "";
}

/* `rest` is what follows the set. */
static gboolean send_fetch(ImapConn *conn, const ImapSeqset *uids, const char *rest, GCancellable *c, GError **error) {
  g_assert(!imap_seqset_empty(uids));
  guint before = conn->responses;
  g_autofree char *set = imap_seqset_format(uids);
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, "UID FETCH ");
  imap_encoder_raw(encoder, set);
  imap_encoder_raw(encoder, rest);
  conn->responses = before; /* they belong to the oldest command */
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  if (!imap_conn_send(conn, encoder, &early, &is_early, c, error))
    return FALSE;
  guint *tag = g_new(guint, 1);
  *tag = conn->tag;
  g_queue_push_tail(conn->fetches, tag);
  imap_conn_push(conn);
  return TRUE;
}

gboolean imap_fetch_send(ImapConn *conn, const ImapSeqset *uids, ImapFetchItems items, GCancellable *c,
                         GError **error) {
  const char *more = item_lists[items].identity ? identity(conn) : "";
  g_autofree char *rest = g_strdup_printf(" (%s%s)", item_lists[items].items, more);
  return send_fetch(conn, uids, rest, c, error);
}

gboolean imap_fetch_send_since(ImapConn *conn, const ImapSeqset *uids, guint64 modseq, GCancellable *c,
                               GError **error) {
  g_autofree char *rest = g_strdup_printf(" (UID FLAGS) (CHANGEDSINCE %" G_GUINT64_FORMAT ")", modseq);
  return send_fetch(conn, uids, rest, c, error);
}

guint imap_fetch_pending(ImapConn *conn) {
  return g_queue_get_length(conn->fetches);
}

/* ---- the body --------------------------------------------------------------------------------- */

typedef struct {
  const ImapSink *sink;
  gpointer data;
} Target;

static void body_begin(ImapConn *conn, const Target *target, guint64 size) {
  gboolean wanted = target->sink != NULL && target->sink->begin != NULL && target->sink->begin(target->data, size);
  conn->body = wanted ? IMAP_BODY_WANTED : IMAP_BODY_DRAINED;
}

static void body_write(ImapConn *conn, const Target *target, const void *octets, gsize len) {
  if (conn->body == IMAP_BODY_WANTED && len > 0 && !target->sink->write(target->data, octets, len))
    conn->body = IMAP_BODY_BROKEN;
}

/* TRUE if the sink now has a whole body. */
static gboolean body_end(ImapConn *conn, const Target *target, gboolean whole) {
  ImapBodyState was = conn->body;
  conn->body = IMAP_BODY_NONE;
  if (was != IMAP_BODY_WANTED && was != IMAP_BODY_BROKEN)
    return FALSE;
  whole = whole && was == IMAP_BODY_WANTED;
  target->sink->end(target->data, whole);
  return whole;
}

/* "* 12 FETCH (UID 7 BODY[] {1234}": does the literal that begins here belong to BODY[]? */
static gboolean is_body_literal(const char *data, gsize len) {
  static const char item[] = "BODY[]";
  while (len > 0 && data[len - 1] != '{')
    len--;
  len -= len > 0;
  if (len > 0 && data[len - 1] == '~')
    len--;
  while (len > 0 && data[len - 1] == ' ')
    len--;
  gsize n = sizeof item - 1;
  return len > n && g_ascii_strncasecmp(data + len - n, item, n) == 0 &&
         (data[len - n - 1] == ' ' || data[len - n - 1] == '(');
}

static gboolean literal(ImapConn *conn, const Target *target, const ImapFrame *frame, GError **error) {
  gboolean body = is_body_literal(frame->data, frame->len);
  if (!body && frame->size <= IMAP_LIMIT_LITERAL)
    return TRUE;
  if (conn->body != IMAP_BODY_NONE)
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server sent two bodies in one response");
  imap_framer_stream(conn->framer);
  if (body)
    body_begin(conn, target, frame->size);
  else
    conn->body = IMAP_BODY_DRAINED; /* a header beyond the limit: the message goes without it */
  return TRUE;
}

/* Some servers send a short body as a quoted string: then it came with the response. */
static void quoted_body(ImapConn *conn, const Target *target, ImapMessage *message) {
  gsize len;
  const void *octets = g_bytes_get_data(message->body, &len);
  message->has |= IMAP_HAS_BODY;
  body_begin(conn, target, len);
  body_write(conn, target, octets, len);
}

/* ---- responses ---------------------------------------------------------------------------------- */

/* TRUE if it is one that the caller should see: unasked flag updates need not hold a UID. */
static gboolean take_message(ImapConn *conn, const Target *target, ImapEvent *event, ImapMessage *ret) {
  ImapMessage *message = &event->message;
  gboolean has_uid = (message->has & IMAP_HAS_UID) != 0;
  if (message->body != NULL && conn->body == IMAP_BODY_NONE)
    quoted_body(conn, target, message);
  gboolean has_body = (message->has & IMAP_HAS_BODY) != 0;
  if (!body_end(conn, target, has_uid && has_body)) {
    message->has &= ~(guint)IMAP_HAS_BODY;
    message->has |= has_body ? IMAP_HAS_LOST_BODY : 0;
  }
  if (!has_uid)
    return FALSE;
  *ret = *message;
  *message = (ImapMessage){0};
  return TRUE;
}

static ImapFetchResult answered(ImapConn *conn, const ImapEvent *event, GError **error) {
  guint *oldest = g_queue_peek_head(conn->fetches);
  if (oldest == NULL || imap_conn_tag_number(conn, event->tag) != *oldest) {
    imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server answered a command out of turn");
    return IMAP_FETCH_FAILED;
  }
  g_free(g_queue_pop_head(conn->fetches));
  conn->responses = 0;
  GError *refusal = imap_conn_refusal(conn, event);
  if (refusal != NULL)
    g_propagate_error(error, refusal);
  return conn->failed ? IMAP_FETCH_FAILED : IMAP_FETCH_DONE;
}

/* One whole response. MESSAGE, DONE, FAILED, or WOKEN for "nothing to tell". */
static ImapFetchResult response(ImapConn *conn, const Target *target, const ImapFrame *frame, ImapMessage *ret,
                                GError **error) {
  g_auto(ImapEvent) event = {0};
  if (!imap_conn_digest(conn, frame, &event, error))
    return IMAP_FETCH_FAILED;
  if (event.type == IMAP_EVENT_FETCH)
    return take_message(conn, target, &event, ret) ? IMAP_FETCH_MESSAGE : IMAP_FETCH_WOKEN;
  if (conn->body != IMAP_BODY_NONE) {
    imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server sent a body outside a FETCH response");
    return IMAP_FETCH_FAILED;
  }
  gboolean tagged = event.type == IMAP_EVENT_STATUS && event.tag != NULL;
  return tagged ? answered(conn, &event, error) : IMAP_FETCH_WOKEN;
}

static ImapFetchResult fetch_next(ImapConn *conn, const Target *target, ImapMessage *ret, GCancellable *c,
                                  GError **error) {
  for (;;) {
    ImapFrame frame;
    gboolean woken = FALSE;
    if (!imap_conn_frame(conn, &frame, &woken, c, error))
      return IMAP_FETCH_FAILED;
    if (woken)
      return IMAP_FETCH_WOKEN;
    if (frame.type == IMAP_FRAME_LITERAL && !literal(conn, target, &frame, error))
      return IMAP_FETCH_FAILED;
    if (frame.type == IMAP_FRAME_DATA)
      body_write(conn, target, frame.data, frame.len);
    if (frame.type != IMAP_FRAME_RESPONSE)
      continue;
    ImapFetchResult result = response(conn, target, &frame, ret, error);
    if (result != IMAP_FETCH_WOKEN)
      return result;
  }
}

ImapFetchResult imap_fetch_next(ImapConn *conn, const ImapSink *sink, gpointer sink_data, ImapMessage *ret,
                                GCancellable *c, GError **error) {
  Target target = {.sink = sink, .data = sink_data};
  *ret = (ImapMessage){0};
  ImapFetchResult result = fetch_next(conn, &target, ret, c, error);
  if (result == IMAP_FETCH_FAILED) {
    body_end(conn, &target, FALSE);
    g_queue_clear_full(conn->fetches, g_free);
    conn->failed = TRUE;
  }
  return result;
}
