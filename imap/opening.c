/* SPDX-License-Identifier: MIT */
/*
 * All openings go one way, and what can be asked at once is sent at once:
 *
 *   [UNSELECT] ─▶ EXAMINE name [(QRESYNC (...)) or (CONDSTORE)] ─▶ [UID SEARCH RETURN (ALL) ALL]
 *
 * Until the old mailbox is left, untagged responses are about that one. It is left when UNSELECT is done, or where a
 * server has none, when it says [CLOSED] (RFC 7162 section 3.2.11). Only then does a FETCH tell of flags, and VANISHED
 * (EARLIER) of removals, in the new one. A session that sees its mailbox renamed away may report it emptied and go on
 * saying so (Cyrus): that is why a fresh opening leaves first, even if it comes back to the same name.
 */
#include "imap/opening.h"

#include <string.h>

#include "imap/flags.h"

ImapOpening imap_opening_new(const ImapRequest *request) {
  return (ImapOpening){.request = request,
                       .mailbox = {.sticky = TRUE, .read_only = request->examine},
                       .vanished = imap_seqset_new(),
                       .search = {.uids = imap_seqset_new()}};
}

void imap_opening_clear(ImapOpening *opening) {
  imap_mailbox_clear(&opening->mailbox);
  g_clear_pointer(&opening->vanished, imap_seqset_free);
  g_clear_pointer(&opening->search.uids, imap_seqset_free);
}

/* ---- what is said ---------------------------------------------------------------------------------- */

/* All so far was about the mailbox that was left. */
static void begin_anew(ImapOpening *opening) {
  const ImapRequest *request = opening->request;
  imap_opening_clear(opening);
  *opening = imap_opening_new(request);
  opening->ours = TRUE;
}

static void opening_code(ImapOpening *opening, const ImapEvent *event) {
  ImapMailbox *mailbox = &opening->mailbox;
  guint32 number = (guint32)MIN(event->number, G_MAXUINT32);
  if (event->code == IMAP_CODE_CLOSED && !opening->ours)
    begin_anew(opening);
  else if (event->code == IMAP_CODE_UIDNEXT)
    mailbox->uidnext = number;
  else if (event->code == IMAP_CODE_UIDVALIDITY)
    mailbox->uidvalidity = number;
  else if (event->code == IMAP_CODE_HIGHESTMODSEQ && mailbox->modseq == 0)
    mailbox->modseq = event->number; /* a later one may include what was not told */
  else if (event->code == IMAP_CODE_NOMODSEQ)
    mailbox->modseq = 0;
  else if (event->code == IMAP_CODE_UIDNOTSTICKY)
    mailbox->sticky = FALSE;
  else if (event->code == IMAP_CODE_READ_ONLY)
    mailbox->read_only = TRUE;
  else if (event->code == IMAP_CODE_READ_WRITE)
    mailbox->read_write = TRUE;
  else if (event->code == IMAP_CODE_PERMANENTFLAGS)
    imap_mailbox_permit(mailbox, event->words);
  else if (event->code == IMAP_CODE_MAILBOXID && mailbox->mailboxid == NULL)
    mailbox->mailboxid = g_strdup(event->text);
}

static void tell_changed(const ImapOpening *opening, const ImapMessage *message) {
  const guint needed = IMAP_HAS_UID | IMAP_HAS_FLAGS;
  if (opening->ours && opening->request->changed != NULL && (message->has & needed) == needed)
    opening->request->changed(message, opening->request->data);
}

static gboolean opening_event(ImapEvent *event, gpointer data, GError **error) {
  ImapOpening *opening = data;
  if (event->type == IMAP_EVENT_EXISTS)
    opening->mailbox.exists = (guint32)MIN(event->number, G_MAXUINT32); /* Zimbra sends several: the last one counts */
  else if (event->type == IMAP_EVENT_STATUS)
    opening_code(opening, event);
  else if (event->type == IMAP_EVENT_FETCH)
    tell_changed(opening, &event->message);
  else if (event->type == IMAP_EVENT_VANISHED && event->number == 1 && opening->ours)
    return imap_search_add(opening->vanished, event->uids, error);
  return TRUE;
}

/* The numbers stay those of the opening. Flags that move later are news all the same. */
static gboolean searching_event(ImapEvent *event, gpointer data, GError **error) {
  ImapOpening *opening = data;
  if (event->type == IMAP_EVENT_FETCH)
    tell_changed(opening, &event->message);
  return imap_search_event(event, &opening->search, error);
}

/* ---- asking -------------------------------------------------------------------------------------- */

enum { LEAVE, OPEN, SEARCH, TAGS };

void imap_opening_forget(ImapConn *conn) {
  g_clear_pointer(&conn->selected, g_free);
  imap_mailbox_clear(&conn->opening);
}

/* TRUE: `tag` is on its way. An answer that comes too early is dealt with. */
static gboolean send(ImapConn *conn, ImapEncoder *encoder, guint *ret_tag, GCancellable *c, GError **error) {
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  *ret_tag = conn->tag;
  if (!imap_conn_send(conn, encoder, &early, &is_early, c, error))
    return FALSE;
  if (is_early && (imap_conn_tag_number(conn, early.tag) != *ret_tag || early.condition == IMAP_OK))
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server answered a command before it had all of it");
  if (is_early)
    g_propagate_error(error, imap_conn_refusal(conn, &early));
  return !is_early;
}

static gboolean send_plain(ImapConn *conn, const char *text, guint *ret_tag, GCancellable *c, GError **error) {
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, text);
  return send(conn, encoder, ret_tag, c, error);
}

static gboolean await_leaving(ImapConn *conn, guint tag, GCancellable *c, GError **error) {
  g_autoptr(GError) refusal = NULL;
  gboolean left = imap_conn_await(conn, tag, NULL, NULL, NULL, c, &refusal);
  conn->occupied = conn->occupied && !left;
  if (conn->failed)
    g_propagate_error(error, g_steal_pointer(&refusal));
  return !conn->failed;
}

static gboolean leave(ImapConn *conn, const ImapRequest *request, guint *ret_tag, GCancellable *c, GError **error) {
  gboolean needed = request->afresh && conn->selected != NULL && imap_conn_has(conn, "UNSELECT");
  return !needed || send_plain(conn, "UNSELECT", ret_tag, c, error);
}

/* A name that waits for the server's "+" cannot stand behind a command that is not answered yet. */
static gboolean leave_before(ImapConn *conn, const ImapEncoder *encoder, guint *tag, GCancellable *c, GError **error) {
  if (*tag == 0 || imap_encoder_parts(encoder) == 0)
    return TRUE;
  guint leaving = *tag;
  *tag = 0;
  return await_leaving(conn, leaving, c, error);
}

/* All at once; tags of what is not sent, or is answered already, stay 0. */
static gboolean send_request(ImapConn *conn, const ImapRequest *request, guint tags[TAGS], GCancellable *c,
                             GError **error) {
  if (!leave(conn, request, &tags[LEAVE], c, error))
    return FALSE;
  g_autoptr(ImapEncoder) encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, request->examine ? "EXAMINE " : "SELECT ");
  imap_encoder_string(encoder, request->name, strlen(request->name));
  if (!leave_before(conn, encoder, &tags[LEAVE], c, error))
    return FALSE;
  imap_encoder_raw(encoder, request->parameter);
  imap_opening_forget(conn); /* RFC 3501 section 6.3.1: a failed SELECT leaves nothing selected */
  if (!send(conn, g_steal_pointer(&encoder), &tags[OPEN], c, error))
    return FALSE;
  return !request->uids || send_plain(conn, IMAP_SEARCH_ALL, &tags[SEARCH], c, error);
}

static void opened(ImapConn *conn, ImapOpening *opening, const ImapEvent *final) {
  opening_code(opening, final);
  if (!imap_conn_has(conn, "CONDSTORE"))
    opening->mailbox.modseq = 0; /* Yahoo counts something of its own (whiteout-io/imap-client#40) */
  conn->selected = g_strdup(opening->request->name);
  g_clear_pointer(&conn->left, g_free);
  conn->examined = opening->request->examine;
  conn->occupied = TRUE;
  conn->opening = opening->mailbox;
  opening->mailbox = (ImapMailbox){0};
}

/* FALSE: the connection is lost. A search that is refused has found nothing out; without a mailbox its BAD is our
 * doing. */
static gboolean await_search(ImapConn *conn, guint tag, ImapOpening *opening, GCancellable *c, GError **error) {
  g_autoptr(GError) refusal = NULL;
  guint bads = conn->bads;
  if (conn->selected == NULL)
    conn->bads = 0;
  gboolean found = imap_conn_await(conn, tag, searching_event, opening, NULL, c, &refusal);
  if (conn->selected == NULL)
    conn->bads = bads;
  opening->search.answered = opening->search.answered && found;
  if (conn->failed)
    g_propagate_error(error, g_steal_pointer(&refusal));
  return !conn->failed;
}

gboolean imap_opening_run(ImapConn *conn, ImapOpening *opening, GCancellable *c, GError **error) {
  g_auto(ImapEvent) final = {0};
  g_autoptr(GError) refusal = NULL;
  guint tags[TAGS] = {0};
  if (!send_request(conn, opening->request, tags, c, error))
    return FALSE;
  if (tags[LEAVE] != 0 && !await_leaving(conn, tags[LEAVE], c, error))
    return FALSE;
  opening->ours = !conn->occupied;
  gboolean ok = imap_conn_await(conn, tags[OPEN], opening_event, opening, &final, c, &refusal);
  if (ok)
    opened(conn, opening, &final);
  else
    conn->occupied = conn->occupied && final.condition != IMAP_NO;
  if (!conn->failed && tags[SEARCH] != 0 && !await_search(conn, tags[SEARCH], opening, c, error))
    return FALSE;
  if (!ok)
    g_propagate_error(error, g_steal_pointer(&refusal));
  return ok;
}
