/* SPDX-License-Identifier: MIT */
/*
 * The selected mailbox: opening it, what it holds, leaving it. What is known of it is as of its opening; a fresh look
 * is a fresh EXAMINE, sent also for the same mailbox once it was left.
 */
#include <string.h>

#include "imap/conn.h"
#include "imap/limits.h"

void imap_mailbox_clear(ImapMailbox *mailbox) {
  g_clear_pointer(&mailbox->mailboxid, g_free);
  *mailbox = (ImapMailbox){0};
}

static gboolean opening_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  ImapMailbox *mailbox = data;
  guint32 number = (guint32)MIN(event->number, G_MAXUINT32);
  /* Zimbra sends several EXISTS while it opens a mailbox; the last one counts. */
  if (event->type == IMAP_EVENT_EXISTS)
    mailbox->exists = number;
  if (event->type != IMAP_EVENT_STATUS)
    return TRUE;
  if (event->code == IMAP_CODE_UIDNEXT)
    mailbox->uidnext = number;
  else if (event->code == IMAP_CODE_UIDVALIDITY)
    mailbox->uidvalidity = number;
  else if (event->code == IMAP_CODE_HIGHESTMODSEQ)
    mailbox->modseq = event->number;
  else if (event->code == IMAP_CODE_UIDNOTSTICKY)
    mailbox->sticky = FALSE;
  else if (event->code == IMAP_CODE_READ_ONLY)
    mailbox->read_only = TRUE;
  else if (event->code == IMAP_CODE_MAILBOXID && mailbox->mailboxid == NULL)
    mailbox->mailboxid = g_strdup(event->text);
  return TRUE;
}

static void deselect(ImapConn *conn) {
  g_clear_pointer(&conn->selected, g_free);
  imap_mailbox_clear(&conn->opening);
}

static ImapEncoder *open_command(ImapConn *conn, const char *mailbox, gboolean examine) {
  ImapEncoder *encoder = imap_conn_command(conn);
  imap_encoder_raw(encoder, examine ? "EXAMINE " : "SELECT ");
  imap_encoder_string(encoder, mailbox, strlen(mailbox));
  /* RFC 3501 section 6.3.1: a failed SELECT leaves nothing selected. */
  deselect(conn);
  return encoder;
}

/* Takes what `opening` holds. */
static void opened(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *opening, ImapEvent *final) {
  opening_event(final, opening, NULL);
  conn->selected = g_strdup(mailbox);
  conn->examined = examine;
  conn->opening = *opening;
  opening->mailboxid = NULL;
}

static gboolean open_mailbox(ImapConn *conn, const char *mailbox, gboolean examine, GCancellable *c, GError **error) {
  g_auto(ImapMailbox) opening = {.sticky = TRUE, .read_only = examine};
  g_auto(ImapEvent) final = {0};
  if (!imap_conn_run(conn, open_command(conn, mailbox, examine), opening_event, &opening, &final, c, error))
    return FALSE;
  opened(conn, mailbox, examine, &opening, &final);
  return TRUE;
}

static gboolean is_open(const ImapConn *conn, const char *mailbox, gboolean examine) {
  return !conn->failed && g_strcmp0(conn->selected, mailbox) == 0 && conn->examined == examine;
}

gboolean imap_examine(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret, GCancellable *c,
                      GError **error) {
  if (!is_open(conn, mailbox, examine) && !open_mailbox(conn, mailbox, examine, c, error))
    return FALSE;
  if (ret != NULL) {
    *ret = conn->opening;
    ret->mailboxid = g_strdup(conn->opening.mailboxid);
  }
  return TRUE;
}

const char *imap_selected(ImapConn *conn) {
  return conn->selected;
}

gboolean imap_unselect(ImapConn *conn, GCancellable *c, GError **error) {
  if (conn->selected == NULL)
    return TRUE;
  deselect(conn);
  /* Without UNSELECT only the next EXAMINE leaves it, and until then Courier answers STATUS from what the session
   * saw last: NOOP brings that up to date. */
  return imap_conn_simple(conn, imap_conn_has(conn, "UNSELECT") ? "UNSELECT" : "NOOP", NULL, NULL, c, error);
}

/* ---- UIDs --------------------------------------------------------------------------------------- */

#define SEARCH_SPAN 100000u /* UIDs: 1.1 MB of answer at most */
#define SEARCH_SPANS 256

typedef struct {
  ImapSeqset *uids;
  gboolean answered;
} Search;

static gboolean search_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  Search *search = data;
  if (event->type != IMAP_EVENT_SEARCH)
    return TRUE;
  search->answered = TRUE;
  gsize n = 0;
  const ImapRange *ranges = event->uids != NULL ? imap_seqset_ranges(event->uids, &n) : NULL;
  for (gsize i = 0; i < n; i++)
    imap_seqset_add(search->uids, ranges[i].first, ranges[i].last);
  return TRUE;
}

/* FALSE also where the server said OK and named no set. */
static gboolean search(ImapConn *conn, const char *command, Search *into, GCancellable *c, GError **error) {
  into->answered = FALSE;
  if (!imap_conn_simple(conn, command, search_event, into, c, error))
    return FALSE;
  if (!into->answered && conn->opening.exists > 0)
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server finished a search without an answer");
  return TRUE;
}

static gboolean uid_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  Search *found = data;
  if (event->type == IMAP_EVENT_FETCH && (event->message.has & IMAP_HAS_UID) && event->message.uid > 0)
    imap_seqset_add(found->uids, event->message.uid, event->message.uid);
  return TRUE;
}

/* A SEARCH response names each UID in one line. What could outgrow IMAP_LIMIT_VALUES is asked for in spans of UIDs,
 * and where those would be many or unknown (Courier says no UIDNEXT) as one small response for each message. */
static gboolean search_parts(ImapConn *conn, Search *into, GCancellable *c, GError **error) {
  guint64 end = conn->opening.uidnext;
  if (end == 0 || end / SEARCH_SPAN > SEARCH_SPANS)
    return imap_conn_simple(conn, "UID FETCH 1:* (UID)", uid_event, into, c, error);
  for (guint64 first = 1; first < end; first += SEARCH_SPAN) {
    guint64 last = first + SEARCH_SPAN - 1;
    /* The last span also takes what came since the opening. */
    g_autofree char *command = last + 1 < end ? g_strdup_printf("UID SEARCH UID %u:%u", (guint)first, (guint)last)
                                              : g_strdup_printf("UID SEARCH UID %u:*", (guint)first);
    if (!search(conn, command, into, c, error))
      return FALSE;
  }
  return TRUE;
}

gboolean imap_uids(ImapConn *conn, ImapSeqset **ret, GCancellable *c, GError **error) {
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  Search into = {.uids = uids};
  /* Some announce ESEARCH and do not understand RETURN, or answer nothing to it. */
  if (imap_conn_has(conn, "ESEARCH")) {
    g_autoptr(GError) refusal = NULL;
    if (!imap_conn_simple(conn, "UID SEARCH RETURN (ALL) ALL", search_event, &into, c, &refusal) && conn->failed) {
      g_propagate_error(error, g_steal_pointer(&refusal));
      return FALSE;
    }
  }
  if (!into.answered && !(conn->opening.exists > SEARCH_SPAN ? search_parts(conn, &into, c, error)
                                                             : search(conn, "UID SEARCH ALL", &into, c, error)))
    return FALSE;
  *ret = g_steal_pointer(&uids);
  return TRUE;
}

static gboolean send_both(ImapConn *conn, const char *mailbox, gboolean examine, guint tags[2], GCancellable *c,
                          GError **error) {
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  ImapEncoder *open = open_command(conn, mailbox, examine);
  tags[0] = conn->tag;
  if (!imap_conn_send(conn, open, &early, &is_early, c, error))
    return FALSE;
  if (is_early && (imap_conn_tag_number(conn, early.tag) != tags[0] || early.condition == IMAP_OK))
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server answered a command before it had all of it");
  if (is_early) {
    g_propagate_error(error, imap_conn_refusal(conn, &early));
    return FALSE;
  }
  ImapEncoder *search = imap_conn_command(conn);
  imap_encoder_raw(search, "UID SEARCH RETURN (ALL) ALL");
  tags[1] = conn->tag;
  return imap_conn_send(conn, search, &early, &is_early, c, error);
}

gboolean imap_examine_uids(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret,
                           ImapSeqset **ret_uids, GCancellable *c, GError **error) {
  if (is_open(conn, mailbox, examine) || !imap_conn_has(conn, "ESEARCH"))
    return imap_examine(conn, mailbox, examine, ret, c, error) && imap_uids(conn, ret_uids, c, error);
  g_auto(ImapMailbox) opening = {.sticky = TRUE, .read_only = examine};
  g_auto(ImapEvent) final = {0};
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  Search search = {.uids = uids};
  guint tags[2] = {0}, bads = conn->bads;
  if (!send_both(conn, mailbox, examine, tags, c, error))
    return FALSE;
  gboolean ok = imap_conn_await(conn, tags[0], opening_event, &opening, &final, c, error);
  if (!ok && conn->failed)
    return FALSE;
  gboolean found = imap_conn_await(conn, tags[1], search_event, &search, NULL, c, NULL) && search.answered;
  if (!ok) {
    conn->bads = bads; /* a search without a mailbox is our doing */
    return FALSE;
  }
  opened(conn, mailbox, examine, &opening, &final);
  if (!imap_examine(conn, mailbox, examine, ret, c, error))
    return FALSE;
  if (!found)
    return imap_uids(conn, ret_uids, c, error);
  *ret_uids = g_steal_pointer(&uids);
  return TRUE;
}
