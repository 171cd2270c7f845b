/* SPDX-License-Identifier: MIT */
/*
 * The selected mailbox: opening it, leaving it. What is known of it is as of its opening; a fresh look is a fresh
 * EXAMINE, sent also for the same mailbox once it was left.
 */
#include "imap/opening.h"

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
  ImapRequest request = {.name = mailbox, .examine = examine, .parameter = ""};
  g_auto(ImapOpening) opening = imap_opening_new(&request);
  if (!is_open(conn, mailbox, examine) && !imap_opening_run(conn, &opening, c, error))
    return FALSE;
  copy_mailbox(conn, ret);
  return TRUE;
}

gboolean imap_examine_uids(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret,
                           ImapSeqset **ret_uids, GCancellable *c, GError **error) {
  if (is_open(conn, mailbox, examine) || !imap_conn_has(conn, "ESEARCH"))
    return imap_examine(conn, mailbox, examine, ret, c, error) && imap_uids(conn, ret_uids, c, error);
  ImapRequest request = {.name = mailbox, .examine = examine, .uids = TRUE, .parameter = ""};
  g_auto(ImapOpening) opening = imap_opening_new(&request);
  if (!imap_opening_run(conn, &opening, c, error))
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
  g_autofree char *left = leaves ? NULL : g_strdup(conn->selected);
  imap_opening_forget(conn);
  /* Without UNSELECT only the next EXAMINE leaves it, and until then Courier answers STATUS from what the session
   * saw last: NOOP brings that up to date. */
  if (!imap_conn_simple(conn, leaves ? "UNSELECT" : "NOOP", NULL, NULL, c, error))
    return FALSE;
  conn->occupied = conn->occupied && !leaves;
  g_free(conn->left);
  conn->left = g_steal_pointer(&left);
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
static gboolean open_tolerantly(ImapConn *conn, ImapRequest *request, ImapOpening *opening, GCancellable *c,
                                GError **error) {
  g_autoptr(GError) refusal = NULL;
  gboolean ok = imap_opening_run(conn, opening, c, &refusal);
  if (!ok && request->parameter[0] != '\0' && may_be_the_parameter(conn, refusal)) {
    g_clear_error(&refusal);
    request->parameter = "";
    imap_opening_clear(opening);
    *opening = imap_opening_new(request);
    ok = imap_opening_run(conn, opening, c, &refusal);
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
  ImapRequest request = {.name = mailbox,
                         .examine = examine,
                         .afresh = TRUE,
                         .uids = uids && imap_conn_has(conn, "ESEARCH"),
                         .parameter = parameter,
                         .changed = changed,
                         .data = data};
  g_auto(ImapOpening) opening = imap_opening_new(&request);
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
