/* SPDX-License-Identifier: MIT */
/*
 * How a connection is made to tell: NOTIFY for all mailboxes, or IDLE on one. Both begin with the server saying how
 * things stand, so that nothing is lost between two watches.
 */
#include "imap/conn.h"

/* ---- NOTIFY ------------------------------------------------------------------------------------------------ */

typedef struct {
  void (*each)(const ImapStatus *status, gpointer data);
  gpointer data;
  gboolean over;
} Census;

static gboolean census_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  Census *census = data;
  if (event->type == IMAP_EVENT_MAILBOX_STATUS)
    census->each(&event->status, census->data);
  if (event->type == IMAP_EVENT_STATUS && event->code == IMAP_CODE_NOTIFICATIONOVERFLOW)
    census->over = TRUE;
  return TRUE;
}

/* A server that does not know one of the events refuses them all. BADEVENT names those it knows (RFC 5465 section 8),
 * or (Dovecot) those it does not; asking for less and less needs neither. New messages and expunged ones go together,
 * and flag changes only with both. */
static gboolean notify_some(ImapConn *conn, Census *census, gboolean *ret_accepted, GCancellable *c, GError **error) {
  static const char *const commands[] = {
      "NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))",
      "NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange MailboxName))",
      "NOTIFY SET STATUS (personal (MessageNew MessageExpunge MailboxName))",
      "NOTIFY SET STATUS (personal (MessageNew MessageExpunge))",
  };
  guint bads = conn->bads;
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
    g_autoptr(GError) refusal = NULL;
    *ret_accepted = imap_conn_simple(conn, commands[i], census_event, census, c, &refusal);
    if (!*ret_accepted && (conn->failed || refusal->code == IMAP_ERROR_UNAVAILABLE)) {
      g_propagate_error(error, g_steal_pointer(&refusal));
      return FALSE;
    }
    conn->bads = bads; /* to try was our idea */
    if (*ret_accepted)
      break;
  }
  return TRUE;
}

gboolean imap_watch_notify(ImapConn *conn, void (*each)(const ImapStatus *status, gpointer data), gpointer data,
                           gboolean *ret_accepted, GCancellable *c, GError **error) {
  Census census = {.each = each, .data = data};
  g_assert(conn->watch.mode == IMAP_WATCH_NONE);
  *ret_accepted = FALSE;
  if (!imap_conn_has(conn, "NOTIFY"))
    return TRUE;
  if (!imap_unselect(conn, c, error) || !notify_some(conn, &census, ret_accepted, c, error))
    return FALSE;
  if (!*ret_accepted)
    return TRUE;
  gboolean started = imap_watch_start(conn, IMAP_WATCH_NOTIFY, error);
  conn->watch.over = census.over;
  return started;
}

/* ---- IDLE -------------------------------------------------------------------------------------------------- */

gboolean imap_watch_idle(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret, GCancellable *c,
                         GError **error) {
  g_auto(ImapChanges) changes = {0};
  g_assert(conn->watch.mode == IMAP_WATCH_NONE);
  if (!imap_examine_since(conn, mailbox, examine, IMAP_DELTA_CONDSTORE, NULL, FALSE, NULL, NULL, &changes, c, error))
    return FALSE;
  if (ret != NULL) {
    *ret = changes.mailbox;
    changes.mailbox = (ImapMailbox){0};
  }
  return imap_watch_start(conn, imap_conn_has(conn, "IDLE") ? IMAP_WATCH_IDLE : IMAP_WATCH_POLL, error);
}
