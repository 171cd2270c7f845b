/* SPDX-License-Identifier: MIT */
/* For small questions, one command after the other; listing.c and lane.c keep several in flight. */
#include "cache/ask.h"

#define SET_TEXT (IMAP_LIMIT_COMMAND - 400) /* octets of a set in a command */

typedef struct {
  Account *account;
  ImapConn *conn;
  ImapFetchItems items;
  const ImapSink *sink; /* or NULL */
  AskFunc each;
  gpointer data; /* of both */
} Ask;

/* Takes message. */
static gboolean pass_on(const Ask *ask, ImapMessage *message, GError **error) {
  gboolean ok = !(message->has & IMAP_HAS_UID) || ask->each(message, ask->data, error);
  imap_message_clear(message);
  if (!ok)
    imap_conn_fail(ask->conn);
  return ok;
}

static gboolean drain(const Ask *ask, GError **error) {
  for (;;) {
    ImapMessage message = {0};
    g_autoptr(GError) refusal = NULL;
    ImapFetchResult result =
        imap_fetch_next(ask->conn, ask->sink, ask->data, &message, ask->account->cancellable, &refusal);
    if (result == IMAP_FETCH_MESSAGE && !pass_on(ask, &message, error))
      return FALSE;
    if (result == IMAP_FETCH_MESSAGE || result == IMAP_FETCH_WOKEN)
      continue;
    if (!refusal)
      return TRUE;
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
  }
}

static gboolean run(const Ask *ask, const ImapSeqset *uids, GError **error) {
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(uids);
  while (!imap_seqset_empty(rest)) {
    g_autoptr(ImapSeqset) part = imap_seqset_take(rest, G_MAXUINT64, SET_TEXT);
    if (!imap_fetch_send(ask->conn, part, ask->items, ask->account->cancellable, error) || !drain(ask, error))
      return FALSE;
  }
  return TRUE;
}

gboolean ask_fetch(Account *account, ImapConn *conn, const ImapSeqset *uids, ImapFetchItems items, AskFunc each,
                   gpointer data, GError **error) {
  const Ask ask = {.account = account, .conn = conn, .items = items, .each = each, .data = data};
  return run(&ask, uids, error);
}

gboolean ask_bodies(Account *account, ImapConn *conn, const ImapSeqset *uids, const ImapSink *sink, AskFunc each,
                    gpointer data, GError **error) {
  const Ask ask = {
      .account = account, .conn = conn, .items = IMAP_FETCH_BODY, .sink = sink, .each = each, .data = data};
  return run(&ask, uids, error);
}
