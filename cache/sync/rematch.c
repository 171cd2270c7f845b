/* SPDX-License-Identifier: MIT */
/*
 * Rows are matched by four header fields and a size; that is good enough for a name, not for the octets of a letter.
 * So what each row goes through is
 *
 *   known ── forgotten ──▶ no UID, its body served: it is still the file that it was
 *   no UID ── matched by EMAILID ──▶ known
 *   no UID ── matched by looks ──▶ known, its body held, in one transaction
 *   held ── the header on the server is that of the body ──▶ released; else ──▶ dropped
 *
 * Nothing posted before the UIDs were forgotten may reach the index after rows are matched: a body that came under an
 * old UID would not be held. Hence the flush.
 */
#include "cache/sync/rematch.h"

#define FORGET_AT_ONCE 5000 /* what one transaction changes stays in memory */
#define PROVE_AT_ONCE 100   /* headers: some 300 kB */

typedef struct {
  IndexMailbox *mailbox;
  gboolean more;
} Forget;

/* Still under the old UIDVALIDITY: whoever is interrupted here begins again. */
static gboolean write_forget(IndexTxn *txn, gpointer data, GError **error) {
  Forget *forget = data;
  forget->mailbox->listed = INDEX_DOUBTED;
  return index_set_state(txn, forget->mailbox, error) &&
         index_forget_uids(txn, forget->mailbox->row, FORGET_AT_ONCE, &forget->more, error);
}

static gboolean drop_bodies(Account *account, gint64 mailbox, GError **error) {
  IndexMessage messages[64];
  guint32 after = 0;
  gssize n;
  while ((n = index_placed(account->index, mailbox, after, messages, G_N_ELEMENTS(messages), error)) > 0) {
    after = messages[n - 1].uid;
    for (gssize i = 0; i < n; i++) {
      body_drop(account->bodies, messages[i].row);
      index_message_clear(&messages[i]);
    }
  }
  return n == 0;
}

gboolean rematch_begin(Account *account, IndexMailbox *mailbox, gboolean bodies, GError **error) {
  g_info("folder %" G_GINT64_FORMAT ": the server renumbered its messages; matching them again", mailbox->row);
  if (!bodies && !drop_bodies(account, mailbox->row, error))
    return FALSE;
  Forget forget = {.mailbox = mailbox, .more = TRUE};
  while (forget.more)
    if (!index_write(account->index, INDEX_SYNC, write_forget, &forget, error))
      return FALSE;
  return index_flush(account->index, error);
}

/* ---- proof --------------------------------------------------------------------------------------------- */

static void prove_one(Account *account, IndexNext *held, gssize n, const ImapMessage *fetched) {
  if (!(fetched->has & IMAP_HAS_HEADER))
    return;
  for (gssize i = 0; i < n; i++) {
    if (held[i].uid != fetched->uid)
      continue;
    gsize len = 0;
    const void *header = g_bytes_get_data(fetched->header, &len);
    body_prove(account->bodies, held[i].row, header, len);
    held[i].uid = 0; /* answered */
    return;
  }
}

static gboolean fetch_headers(Account *account, ImapConn *conn, IndexNext *held, gssize n, GError **error) {
  static const ImapSink sink = {0};
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  for (gssize i = 0; i < n; i++)
    imap_seqset_add(uids, held[i].uid, held[i].uid);
  if (!imap_fetch_send(conn, uids, IMAP_FETCH_HEADER, account->cancellable, error))
    return FALSE;
  for (;;) {
    g_auto(ImapMessage) fetched = {0};
    g_autoptr(GError) refused = NULL; /* what is missing then is dropped */
    ImapFetchResult result = imap_fetch_next(conn, &sink, NULL, &fetched, account->cancellable, &refused);
    if (result == IMAP_FETCH_MESSAGE)
      prove_one(account, held, n, &fetched);
    if (result == IMAP_FETCH_FAILED)
      g_propagate_error(error, g_steal_pointer(&refused));
    if (result == IMAP_FETCH_FAILED || result == IMAP_FETCH_DONE)
      return result == IMAP_FETCH_DONE;
  }
}

gboolean rematch_prove(Account *account, ImapConn *conn, gint64 mailbox, GError **error) {
  IndexNext held[PROVE_AT_ONCE];
  gint64 after = 0;
  gssize n;
  while ((n = index_held_bodies(account->index, mailbox, after, held, G_N_ELEMENTS(held), error)) > 0) {
    after = held[n - 1].row;
    if (!fetch_headers(account, conn, held, n, error))
      return FALSE;
    for (gssize i = 0; i < n; i++)
      if (held[i].uid != 0)
        body_prove(account->bodies, held[i].row, NULL, 0);
  }
  return n == 0;
}
