/* SPDX-License-Identifier: MIT */
/* For small questions, one command after the other; listing.c and lane.c keep several in flight. */
#include "cache/ask.h"

#define SET_TEXT (IMAP_LIMIT_COMMAND - 400) /* octets of a set in a command */

/* Takes message. */
static gboolean pass_on(ImapConn *conn, ImapMessage *message, AskFunc each, gpointer data, GError **error) {
  gboolean ok = !(message->has & IMAP_HAS_UID) || each(message, data, error);
  imap_message_clear(message);
  if (!ok)
    imap_conn_fail(conn);
  return ok;
}

static gboolean drain(Account *account, ImapConn *conn, AskFunc each, gpointer data, GError **error) {
  for (;;) {
    ImapMessage message = {0};
    g_autoptr(GError) refusal = NULL;
    ImapFetchResult result = imap_fetch_next(conn, NULL, NULL, &message, account->cancellable, &refusal);
    if (result == IMAP_FETCH_MESSAGE && !pass_on(conn, &message, each, data, error))
      return FALSE;
    if (result == IMAP_FETCH_MESSAGE || result == IMAP_FETCH_WOKEN)
      continue;
    if (!refusal)
      return TRUE;
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
  }
}

gboolean ask_fetch(Account *account, ImapConn *conn, const ImapSeqset *uids, ImapFetchItems items, AskFunc each,
                   gpointer data, GError **error) {
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(uids);
  while (!imap_seqset_empty(rest)) {
    g_autoptr(ImapSeqset) part = imap_seqset_take(rest, G_MAXUINT64, SET_TEXT);
    if (!imap_fetch_send(conn, part, items, account->cancellable, error) || !drain(account, conn, each, data, error))
      return FALSE;
  }
  return TRUE;
}
