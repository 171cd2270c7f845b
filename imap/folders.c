/* SPDX-License-Identifier: MIT */
/*
 * CREATE, DELETE, RENAME, SUBSCRIBE: mailboxes by the octets of their names. What stands where afterwards is told by
 * LIST alone: a RENAME may stop half way through a tree (Cyrus), and another client may have been faster.
 */
#include <string.h>

#include "imap/change.h"
#include "imap/limits.h"

#define LOOK_RTTS 4 /* round trips, measured at login, that a LIST may take on a line that is slow */

/* Servers do not agree on what becomes of a session in a mailbox that is taken away or renamed, and Courier, which has
 * no UNSELECT, refuses: there INBOX is the way out. */
static gboolean step_out(ImapConn *conn, GCancellable *c, GError **error) {
  return imap_unselect(conn, c, error) && (!conn->occupied || imap_examine(conn, "INBOX", TRUE, NULL, c, error));
}

static gboolean spare_inbox(const char *mailbox, GError **error) {
  if (g_ascii_strcasecmp(mailbox, "INBOX") != 0)
    return TRUE;
  g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_REFUSED, "INBOX stays where it is");
  return FALSE;
}

/* A command that gives a name to a mailbox. It may be the name that the server will not have. */
static gboolean refuse_naming(GError *refusal, const ImapEvent *final, GError **error) {
  gboolean said = final->code == IMAP_CODE_CANNOT ||
                  (final->code == IMAP_CODE_NONE && final->text && strcasestr(final->text, "invalid"));
  if (refusal->code == IMAP_ERROR_REFUSED && said)
    refusal->code = IMAP_ERROR_INVALID;
  g_propagate_error(error, refusal);
  return FALSE;
}

/* ---- CREATE ---------------------------------------------------------------------------------------------- */

static const char *use_name(guint use) {
  static const struct {
    ImapAttrs attr;
    const char *name;
  } uses[] = {
      {IMAP_ATTR_ALL, "\\All"},         {IMAP_ATTR_ARCHIVE, "\\Archive"}, {IMAP_ATTR_DRAFTS, "\\Drafts"},
      {IMAP_ATTR_FLAGGED, "\\Flagged"}, {IMAP_ATTR_JUNK, "\\Junk"},       {IMAP_ATTR_SENT, "\\Sent"},
      {IMAP_ATTR_TRASH, "\\Trash"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(uses); i++) {
    if (use == (guint)uses[i].attr)
      return uses[i].name;
  }
  return NULL;
}

typedef struct {
  const char *name;
  gboolean answered, shown; /* by LIST, in whatever state */
} Look;

static gboolean look_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  Look *look = data;
  look->shown = look->shown || (event->type == IMAP_EVENT_LIST && g_strcmp0(event->listing.name, look->name) == 0);
  return TRUE;
}

/* LIST of one name costs a server nothing: where that takes long there is no line. */
static guint look_silence(ImapConn *conn) {
  guint round_trips = (guint)MIN(LOOK_RTTS * imap_conn_rtt(conn) / G_USEC_PER_SEC, IMAP_TIMEOUT_LOGIN);
  return MIN(conn->silence, MAX(IMAP_TIMEOUT_LOOK, round_trips));
}

/* TRUE: the connection stands. */
static gboolean await_look(ImapConn *conn, guint tag, Look *look, GCancellable *c, GError **error) {
  g_autoptr(GError) refusal = NULL;
  guint usual = conn->silence;
  conn->silence = look_silence(conn);
  look->answered = imap_conn_await(conn, tag, look_event, look, NULL, c, &refusal);
  conn->silence = usual;
  if (conn->failed)
    g_propagate_error(error, g_steal_pointer(&refusal));
  return !conn->failed;
}

/* LIST and CREATE in one packet, so that as little as can be happens between them. A name that waits for the server's
 * "+" cannot stand behind a command that is not answered yet: then it is LIST alone, and *ret_tag is 0. */
static gboolean send_look(ImapConn *conn, Look *look, guint *ret_tag, GCancellable *c, GError **error) {
  ImapEncoder *encoder = imap_change_encode(conn, "LIST \"\"", look->name);
  g_autoptr(GError) refusal = NULL;
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  *ret_tag = 0;
  if (imap_encoder_parts(encoder) == 0) {
    *ret_tag = conn->tag;
    return imap_conn_send(conn, encoder, &early, &is_early, c, error);
  }
  look->answered = imap_conn_run(conn, encoder, look_event, look, NULL, c, &refusal);
  if (conn->failed)
    g_propagate_error(error, g_steal_pointer(&refusal));
  return !conn->failed;
}

static gboolean run_create(ImapConn *conn, Look *look, const char *parameter, ImapEvent *ret_final, GCancellable *c,
                           GError **error) {
  guint look_tag = 0;
  if (!send_look(conn, look, &look_tag, c, error))
    return FALSE;
  ImapEncoder *encoder = imap_change_encode(conn, "CREATE", look->name);
  imap_encoder_raw(encoder, parameter);
  if (look_tag == 0)
    return imap_change_run(conn, encoder, NULL, NULL, ret_final, c, error);
  guint tag = conn->tag;
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  return imap_conn_send(conn, encoder, &early, &is_early, c, error) && await_look(conn, look_tag, look, c, error) &&
         imap_change_await(conn, tag, ret_final, c, error);
}

/* Where somebody, be it another connection of ours, opens a mailbox in the very moment it is made, Dovecot says EXISTS
 * to who makes it. Of one that was there Courier says no more than that it cannot be made. TRUE: it is made. */
static gboolean understand(const Look *look, GError *refusal) {
  if (look->shown && refusal->code == IMAP_ERROR_REFUSED)
    refusal->code = IMAP_ERROR_EXISTS;
  return refusal->code == IMAP_ERROR_EXISTS && look->answered && !look->shown;
}

gboolean imap_create(ImapConn *conn, const char *mailbox, guint use, char **ret_mailboxid, GCancellable *c,
                     GError **error) {
  const char *name = imap_conn_has(conn, "CREATE-SPECIAL-USE") ? use_name(use) : NULL;
  g_autofree char *parameter = name != NULL ? g_strdup_printf(" (USE (%s))", name) : g_strdup("");
  Look look = {.name = mailbox};
  g_auto(ImapEvent) final = {0};
  GError *refusal = NULL;
  gboolean made = run_create(conn, &look, parameter, &final, c, &refusal);
  if (ret_mailboxid != NULL)
    *ret_mailboxid = made && final.code == IMAP_CODE_MAILBOXID ? g_strdup(final.text) : NULL;
  if (made)
    return TRUE;
  if (!conn->failed && understand(&look, refusal)) {
    g_error_free(refusal);
    return TRUE;
  }
  /* With a use it may be that which it will not have. */
  if (name == NULL)
    return refuse_naming(refusal, &final, error);
  g_propagate_error(error, refusal);
  return FALSE;
}

/* ---- the others ------------------------------------------------------------------------------------------ */

/* Cyrus keeps what is deleted under a name with the time in it: "already exists" is another that went by this name
 * within this second. */
gboolean imap_delete(ImapConn *conn, const char *mailbox, GCancellable *c, GError **error) {
  GError *refusal = NULL;
  if (!spare_inbox(mailbox, error) || !step_out(conn, c, error))
    return FALSE;
  if (imap_change_run(conn, imap_change_encode(conn, "DELETE", mailbox), NULL, NULL, NULL, c, &refusal))
    return TRUE;
  if (refusal->code == IMAP_ERROR_EXISTS)
    refusal->code = IMAP_ERROR_UNAVAILABLE;
  g_propagate_error(error, refusal);
  return FALSE;
}

gboolean imap_rename(ImapConn *conn, const char *from, const char *to, GCancellable *c, GError **error) {
  if (!spare_inbox(from, error) || !step_out(conn, c, error))
    return FALSE;
  ImapEncoder *encoder = imap_change_encode(conn, "RENAME", from);
  imap_encoder_raw(encoder, " ");
  imap_encoder_string(encoder, to, strlen(to));
  g_auto(ImapEvent) final = {0};
  GError *refusal = NULL;
  return imap_change_run(conn, encoder, NULL, NULL, &final, c, &refusal) || refuse_naming(refusal, &final, error);
}

gboolean imap_subscribe(ImapConn *conn, const char *mailbox, gboolean subscribed, GCancellable *c, GError **error) {
  ImapEncoder *encoder = imap_change_encode(conn, subscribed ? "SUBSCRIBE" : "UNSUBSCRIBE", mailbox);
  return imap_change_run(conn, encoder, NULL, NULL, NULL, c, error);
}
