/* SPDX-License-Identifier: MIT */
/*
 * Neither CLOSE nor EXPUNGE: they take away what others flagged. Servers say OK to a STORE they ignore and to an
 * EXPUNGE of nothing, and refuse one that is half done, so the last word has a FETCH of the flags.
 */
#include "cache/replay/purge.h"

#include "cache/replay/whereabouts.h"

void purge_clear(Purge *purge) {
  g_clear_pointer(&purge->gone, imap_seqset_free);
  g_clear_pointer(&purge->marked, imap_seqset_free);
  g_clear_pointer(&purge->kept, imap_seqset_free);
  g_clear_error(&purge->refusal);
}

gboolean purge_is_possible(const ImapMailbox *opened) {
  return !opened->limited || (opened->permanent & IMAP_FLAG_DELETED);
}

static gboolean flag(Account *account, ImapConn *conn, const ImapSeqset *uids, GError **error) {
  static const ImapFlagging deleted = {.add = TRUE, .flags = IMAP_FLAG_DELETED};
  g_auto(ImapEffect) effect = {0};
  return imap_store(conn, uids, &deleted, &effect, account->cancellable, error);
}

static gboolean expunge(Account *account, ImapConn *conn, const ImapSeqset *uids, GError **error) {
  g_auto(ImapEffect) effect = {0};
  return !imap_conn_has(conn, "UIDPLUS") || imap_expunge(conn, uids, &effect, account->cancellable, error);
}

gboolean purge_run(Account *account, ImapConn *conn, const ImapMailbox *opened, const ImapSeqset *uids, gboolean mark,
                   Purge *ret, GError **error) {
  g_auto(Whereabouts) left = {0};
  *ret = (Purge){0};
  if (!purge_is_possible(opened))
    g_set_error_literal(&ret->refusal, IMAP_ERROR, IMAP_ERROR_PERMISSION, "nothing can be deleted in this folder");
  else if (flag(account, conn, uids, &ret->refusal) && !mark)
    expunge(account, conn, uids, &ret->refusal);
  if (ret->refusal && imap_conn_failed(conn)) {
    g_propagate_error(error, g_steal_pointer(&ret->refusal));
    return FALSE;
  }
  if (!whereabouts_here(account, conn, uids, &left, error))
    return FALSE;
  ret->gone = imap_seqset_subtract(uids, left.here);
  ret->kept = imap_seqset_subtract(left.here, left.deleted);
  ret->marked = g_steal_pointer(&left.deleted);
  return TRUE;
}
