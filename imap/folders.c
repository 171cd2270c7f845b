/* SPDX-License-Identifier: MIT */
/*
 * CREATE, DELETE, RENAME, SUBSCRIBE: mailboxes by the octets of their names. What stands where afterwards is told by
 * LIST alone: a RENAME may stop half way through a tree (Cyrus), and another client may have been faster.
 */
#include <string.h>

#include "imap/change.h"

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
static gboolean run_naming(ImapConn *conn, ImapEncoder *encoder, ImapEvent *ret_final, GCancellable *c,
                           GError **error) {
  GError *refusal = NULL;
  if (imap_change_run(conn, encoder, NULL, NULL, ret_final, c, &refusal))
    return TRUE;
  gboolean said = ret_final->code == IMAP_CODE_CANNOT ||
                  (ret_final->code == IMAP_CODE_NONE && ret_final->text && strcasestr(ret_final->text, "invalid"));
  if (refusal->code == IMAP_ERROR_REFUSED && said)
    refusal->code = IMAP_ERROR_INVALID;
  g_propagate_error(error, refusal);
  return FALSE;
}

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

gboolean imap_create(ImapConn *conn, const char *mailbox, guint use, char **ret_mailboxid, GCancellable *c,
                     GError **error) {
  const char *name = imap_conn_has(conn, "CREATE-SPECIAL-USE") ? use_name(use) : NULL;
  g_autofree char *parameter = name != NULL ? g_strdup_printf(" (USE (%s))", name) : NULL;
  ImapEncoder *encoder = imap_change_encode(conn, "CREATE", mailbox);
  g_auto(ImapEvent) final = {0};
  if (parameter != NULL)
    imap_encoder_raw(encoder, parameter);
  /* With a use it may be that which it will not have. */
  if (parameter != NULL ? !imap_change_run(conn, encoder, NULL, NULL, &final, c, error)
                        : !run_naming(conn, encoder, &final, c, error))
    return FALSE;
  if (ret_mailboxid != NULL)
    *ret_mailboxid = final.code == IMAP_CODE_MAILBOXID ? g_strdup(final.text) : NULL;
  return TRUE;
}

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
  return run_naming(conn, encoder, &final, c, error);
}

gboolean imap_subscribe(ImapConn *conn, const char *mailbox, gboolean subscribed, GCancellable *c, GError **error) {
  ImapEncoder *encoder = imap_change_encode(conn, subscribed ? "SUBSCRIBE" : "UNSUBSCRIBE", mailbox);
  return imap_change_run(conn, encoder, NULL, NULL, NULL, c, error);
}
