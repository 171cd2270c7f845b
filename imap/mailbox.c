/* SPDX-License-Identifier: MIT */
/*
 * The selected mailbox: opening it, leaving it. What is known of it is as of its opening; a fresh look is a fresh
 * EXAMINE, sent also for the same mailbox once it was left.
 *
 * All openings go one way, and what can be asked at once is sent at once:
 *
 *   [UNSELECT] ─▶ EXAMINE name [(QRESYNC (...)) or (CONDSTORE)] ─▶ [UID SEARCH RETURN (ALL) ALL]
 *
 * Until the old mailbox is left, untagged responses are about that one. It is left when UNSELECT is done, or where a
 * server has none, when it says [CLOSED] (RFC 7162 section 3.2.11). Only then does a FETCH tell of flags, and VANISHED
 * (EARLIER) of removals, in the new one. A session that sees its mailbox renamed away may report it emptied and go on
 * saying so (Cyrus): that is why imap_examine_since() leaves first, even if it comes back to the same name.
 */
#include <string.h>

#include "imap/conn.h"
#include "imap/flags.h"
#include "imap/limits.h"
#include "imap/search.h"

void imap_mailbox_clear(ImapMailbox *mailbox) {
  g_clear_pointer(&mailbox->keywords, g_strfreev);
  g_clear_pointer(&mailbox->mailboxid, g_free);
  *mailbox = (ImapMailbox){0};
}

void imap_changes_clear(ImapChanges *changes) {
  imap_mailbox_clear(&changes->mailbox);
  g_clear_pointer(&changes->uids, imap_seqset_free);
  g_clear_pointer(&changes->vanished, imap_seqset_free);
  changes->resumed = FALSE;
}

/* ---- what an opening says ---------------------------------------------------------------------- */

typedef struct {
  const char *name;
  gboolean examine;
  gboolean afresh;       /* leave what is selected first */
  gboolean uids;         /* ask for the set, by ESEARCH */
  const char *parameter; /* " (CONDSTORE)", or "" */
  ImapChangedFunc changed;
  gpointer data;
} Request;

typedef struct {
  const Request *request;
  ImapMailbox mailbox;
  gboolean ours; /* the old mailbox is left */
  ImapSeqset *vanished;
  ImapSearch search;
} Opening;

static Opening opening_new(const Request *request) {
  return (Opening){.request = request,
                   .mailbox = {.sticky = TRUE, .read_only = request->examine},
                   .vanished = imap_seqset_new(),
                   .search = {.uids = imap_seqset_new()}};
}

static void opening_clear(Opening *opening) {
  imap_mailbox_clear(&opening->mailbox);
  g_clear_pointer(&opening->vanished, imap_seqset_free);
  g_clear_pointer(&opening->search.uids, imap_seqset_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Opening, opening_clear)

/* All so far was about the mailbox that was left. */
static void begin_anew(Opening *opening) {
  const Request *request = opening->request;
  opening_clear(opening);
  *opening = opening_new(request);
  opening->ours = TRUE;
}

static void opening_code(Opening *opening, const ImapEvent *event) {
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

static void tell_changed(const Opening *opening, const ImapMessage *message) {
  const guint needed = IMAP_HAS_UID | IMAP_HAS_FLAGS;
  if (opening->ours && opening->request->changed != NULL && (message->has & needed) == needed)
    opening->request->changed(message, opening->request->data);
}

static gboolean opening_event(ImapEvent *event, gpointer data, GError **error) {
  Opening *opening = data;
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
  Opening *opening = data;
  if (event->type == IMAP_EVENT_FETCH)
    tell_changed(opening, &event->message);
  return imap_search_event(event, &opening->search, error);
}

/* ---- asking -------------------------------------------------------------------------------------- */

enum { LEAVE, OPEN, SEARCH, TAGS };

static void deselect(ImapConn *conn) {
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

/* A name that goes as a literal may have to wait for the server, and then nothing may be unanswered before it. */
static gboolean leave(ImapConn *conn, const Request *request, guint *ret_tag, GCancellable *c, GError **error) {
  if (!request->afresh || conn->selected == NULL || !imap_conn_has(conn, "UNSELECT"))
    return TRUE;
  if (!send_plain(conn, "UNSELECT", ret_tag, c, error))
    return FALSE;
  if (g_str_is_ascii(request->name) || imap_conn_has(conn, "LITERAL+"))
    return TRUE;
  guint tag = *ret_tag;
  *ret_tag = 0;
  return await_leaving(conn, tag, c, error);
}

/* All at once; tags of what is not sent stay 0. */
static gboolean send_request(ImapConn *conn, const Request *request, guint tags[TAGS], GCancellable *c,
                             GError **error) {
  if (!leave(conn, request, &tags[LEAVE], c, error))
    return FALSE;
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, request->examine ? "EXAMINE " : "SELECT ");
  imap_encoder_string(encoder, request->name, strlen(request->name));
  imap_encoder_raw(encoder, request->parameter);
  deselect(conn); /* RFC 3501 section 6.3.1: a failed SELECT leaves nothing selected */
  if (!send(conn, encoder, &tags[OPEN], c, error))
    return FALSE;
  return !request->uids || send_plain(conn, IMAP_SEARCH_ALL, &tags[SEARCH], c, error);
}

static void opened(ImapConn *conn, Opening *opening, const ImapEvent *final) {
  opening_code(opening, final);
  if (!imap_conn_has(conn, "CONDSTORE"))
    opening->mailbox.modseq = 0; /* Yahoo counts something of its own (whiteout-io/imap-client#40) */
  conn->selected = g_strdup(opening->request->name);
  conn->examined = opening->request->examine;
  conn->occupied = TRUE;
  conn->opening = opening->mailbox;
  opening->mailbox = (ImapMailbox){0};
}

/* `opening` then holds what was told; the mailbox itself is in conn->opening. */
static gboolean open_mailbox(ImapConn *conn, Opening *opening, GCancellable *c, GError **error) {
  g_auto(ImapEvent) final = {0};
  guint tags[TAGS] = {0};
  if (!send_request(conn, opening->request, tags, c, error))
    return FALSE;
  if (tags[LEAVE] != 0 && !await_leaving(conn, tags[LEAVE], c, error))
    return FALSE;
  opening->ours = !conn->occupied;
  gboolean ok = imap_conn_await(conn, tags[OPEN], opening_event, opening, &final, c, error);
  if (!ok && conn->failed)
    return FALSE;
  if (ok)
    opened(conn, opening, &final);
  else
    conn->occupied = conn->occupied && final.condition != IMAP_NO;
  g_autoptr(GError) refusal = NULL;
  guint bads = conn->bads;
  if (tags[SEARCH] != 0 && !imap_conn_await(conn, tags[SEARCH], searching_event, opening, NULL, c, &refusal)) {
    opening->search.answered = FALSE;
    if (ok && conn->failed) {
      g_propagate_error(error, g_steal_pointer(&refusal));
      return FALSE;
    }
    conn->bads = ok ? conn->bads : bads; /* a search without a mailbox is our doing */
  }
  return ok;
}

/* ---- EXAMINE, SELECT ------------------------------------------------------------------------------- */

static void copy_mailbox(const ImapConn *conn, ImapMailbox *ret) {
  if (ret == NULL)
    return;
  *ret = conn->opening;
  ret->keywords = g_strdupv(conn->opening.keywords);
  ret->mailboxid = g_strdup(conn->opening.mailboxid);
}

static gboolean is_open(const ImapConn *conn, const char *mailbox, gboolean examine) {
  return !conn->failed && g_strcmp0(conn->selected, mailbox) == 0 && conn->examined == examine;
}

gboolean imap_examine(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret, GCancellable *c,
                      GError **error) {
  Request request = {.name = mailbox, .examine = examine, .parameter = ""};
  g_auto(Opening) opening = opening_new(&request);
  if (!is_open(conn, mailbox, examine) && !open_mailbox(conn, &opening, c, error))
    return FALSE;
  copy_mailbox(conn, ret);
  return TRUE;
}

gboolean imap_examine_uids(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret,
                           ImapSeqset **ret_uids, GCancellable *c, GError **error) {
  if (is_open(conn, mailbox, examine) || !imap_conn_has(conn, "ESEARCH"))
    return imap_examine(conn, mailbox, examine, ret, c, error) && imap_uids(conn, ret_uids, c, error);
  Request request = {.name = mailbox, .examine = examine, .uids = TRUE, .parameter = ""};
  g_auto(Opening) opening = opening_new(&request);
  if (!open_mailbox(conn, &opening, c, error))
    return FALSE;
  gboolean answered = imap_search_is_answered(&opening.search, conn->opening.exists);
  if (!answered && !imap_uids(conn, ret_uids, c, error))
    return FALSE;
  if (answered)
    *ret_uids = g_steal_pointer(&opening.search.uids);
  copy_mailbox(conn, ret);
  return TRUE;
}

const char *imap_selected(ImapConn *conn) {
  return conn->selected;
}

gboolean imap_unselect(ImapConn *conn, GCancellable *c, GError **error) {
  if (conn->selected == NULL)
    return TRUE;
  gboolean leaves = imap_conn_has(conn, "UNSELECT");
  deselect(conn);
  /* Without UNSELECT only the next EXAMINE leaves it, and until then Courier answers STATUS from what the session
   * saw last: NOOP brings that up to date. */
  if (!imap_conn_simple(conn, leaves ? "UNSELECT" : "NOOP", NULL, NULL, c, error))
    return FALSE;
  conn->occupied = conn->occupied && !leaves;
  return TRUE;
}

/* ---- what changed since ------------------------------------------------------------------------------ */

ImapDelta imap_conn_delta(ImapConn *conn) {
  if (conn->enabled == IMAP_DELTA_QRESYNC && !conn->bare_opening && imap_conn_has(conn, "QRESYNC"))
    return IMAP_DELTA_QRESYNC;
  return imap_conn_has(conn, "CONDSTORE") ? IMAP_DELTA_CONDSTORE : IMAP_DELTA_PLAIN;
}

static gboolean can_resume(const ImapKnown *known) {
  return known != NULL && known->uidvalidity != 0 && known->modseq != 0;
}

/* What RFC 7162 adds to EXAMINE; a new string. The known UIDs may be said as one range: what is told of others in it is
 * not believed anyway. */
static char *make_parameter(ImapConn *conn, ImapDelta delta, const ImapKnown *known) {
  if (MIN(delta, imap_conn_delta(conn)) == IMAP_DELTA_QRESYNC && can_resume(known)) {
    g_autofree char *uids = known->uidnext > 1 ? g_strdup_printf(" 1:%u", known->uidnext - 1) : g_strdup("");
    return g_strdup_printf(" (QRESYNC (%u %" G_GUINT64_FORMAT "%s))", known->uidvalidity, known->modseq, uids);
  }
  gboolean condstore = delta >= IMAP_DELTA_CONDSTORE && imap_conn_delta(conn) == IMAP_DELTA_CONDSTORE;
  return g_strdup(condstore && conn->enabled == IMAP_DELTA_PLAIN && !conn->bare_opening ? " (CONDSTORE)" : "");
}

/* It may be the parameter that the server does not like, and not the mailbox. */
static gboolean may_be_the_parameter(const ImapConn *conn, const GError *refusal) {
  return !conn->failed && (refusal->code == IMAP_ERROR_PROTOCOL || refusal->code == IMAP_ERROR_REFUSED);
}

/* Once more without the parameter if need be, and then never with one again. */
static gboolean open_tolerantly(ImapConn *conn, Request *request, Opening *opening, GCancellable *c, GError **error) {
  g_autoptr(GError) refusal = NULL;
  gboolean ok = open_mailbox(conn, opening, c, &refusal);
  if (!ok && request->parameter[0] != '\0' && may_be_the_parameter(conn, refusal)) {
    g_clear_error(&refusal);
    request->parameter = "";
    opening_clear(opening);
    *opening = opening_new(request);
    ok = open_mailbox(conn, opening, c, &refusal);
    conn->bare_opening = conn->bare_opening || ok;
  }
  if (!ok)
    g_propagate_error(error, g_steal_pointer(&refusal));
  return ok;
}

gboolean imap_examine_since(ImapConn *conn, const char *mailbox, gboolean examine, ImapDelta delta,
                            const ImapKnown *known, gboolean uids, ImapChangedFunc changed, gpointer data,
                            ImapChanges *ret, GCancellable *c, GError **error) {
  g_autofree char *parameter = make_parameter(conn, delta, known);
  Request request = {.name = mailbox,
                     .examine = examine,
                     .afresh = TRUE,
                     .uids = uids && imap_conn_has(conn, "ESEARCH"),
                     .parameter = parameter,
                     .changed = changed,
                     .data = data};
  g_auto(Opening) opening = opening_new(&request);
  *ret = (ImapChanges){0};
  if (!open_tolerantly(conn, &request, &opening, c, error))
    return FALSE;
  copy_mailbox(conn, &ret->mailbox);
  /* A server whose count went back (a restored backup) cannot know what it told before. */
  ret->resumed = g_str_has_prefix(request.parameter, " (QRESYNC") && opening.ours &&
                 ret->mailbox.uidvalidity == known->uidvalidity && ret->mailbox.modseq >= known->modseq;
  ret->vanished = g_steal_pointer(&opening.vanished);
  if (request.uids && imap_search_is_answered(&opening.search, ret->mailbox.exists))
    ret->uids = g_steal_pointer(&opening.search.uids);
  return TRUE;
}
