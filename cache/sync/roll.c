/* SPDX-License-Identifier: MIT */
/*
 * A SEARCH that names fewer messages than EXISTS counts may have left some out (servers index what they search), or may
 * not know of some that came or went at this moment. Nobody is removed from the set: one of the two that named a
 * message is reason enough to ask for it.
 */
#include "cache/sync/roll.h"

static gboolean note(ImapSeqset *there, guint32 uid, GError **error) {
  gsize ranges;
  imap_seqset_add(there, uid, uid);
  (void)imap_seqset_ranges(there, &ranges);
  if (ranges <= IMAP_LIMIT_RANGES)
    return TRUE;
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the server names more messages than a mailbox can hold");
  return FALSE;
}

gboolean roll_call(Account *account, ImapConn *conn, ImapSeqset *there, GError **error) {
  static const ImapSink sink = {0};
  GCancellable *c = account->cancellable;
  g_autoptr(ImapSeqset) all = imap_seqset_new();
  imap_seqset_add(all, 1, G_MAXUINT32);
  if (!imap_fetch_send(conn, all, IMAP_FETCH_FLAGS, c, error))
    return FALSE;
  for (ImapFetchResult result = IMAP_FETCH_MESSAGE; result != IMAP_FETCH_DONE;) {
    g_auto(ImapMessage) fetched = {0};
    g_autoptr(GError) local = NULL;
    result = imap_fetch_next(conn, &sink, NULL, &fetched, c, &local);
    if (result == IMAP_FETCH_MESSAGE && fetched.uid > 0 && !note(there, fetched.uid, &local))
      imap_conn_fail(conn); /* in the middle of an answer */
    if (local) {
      g_propagate_error(error, g_steal_pointer(&local));
      return FALSE;
    }
  }
  return TRUE;
}
