/* SPDX-License-Identifier: MIT */
/*
 * DELETE takes away what is in a mailbox, and on some servers what is below it. So it is sent only after three proofs:
 * a fresh LIST shows no child (what LIST says of children by attributes is not always so), a fresh opening counts no
 * message, and nothing of ours waits to go there.
 */
#include <string.h>

#include "cache/replay/replay_private.h"

typedef enum { PROOF_EMPTY, PROOF_GONE, PROOF_FULL, PROOF_FAILED } Proof;

static Proof full(GError **error, const char *what) {
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_REFUSED, "the folder holds %s", what);
  return PROOF_FULL;
}

static gboolean is_below(const ImapListing *listing, const IndexMailbox *mailbox) {
  gsize len = strlen(mailbox->raw);
  return listing->delimiter && strncmp(listing->name, mailbox->raw, len) == 0 &&
         listing->name[len] == listing->delimiter && listing->name[len + 1] != '\0';
}

/* *ret_opens: it can be selected. */
static Proof prove_childless(Account *account, ImapConn *conn, const IndexMailbox *mailbox, gboolean *ret_opens,
                             GError **error) {
  g_autoptr(GPtrArray) listings = NULL;
  Proof proof = PROOF_GONE;
  if (!imap_list(conn, FALSE, &listings, NULL, account->cancellable, error))
    return PROOF_FAILED;
  for (guint i = 0; i < listings->len; i++) {
    const ImapListing *listing = listings->pdata[i];
    if (is_below(listing, mailbox))
      return full(error, "other folders");
    if (strcmp(listing->name, mailbox->raw) != 0)
      continue;
    proof = PROOF_EMPTY;
    *ret_opens = !(listing->attrs & IMAP_ATTR_NOSELECT);
  }
  return proof;
}

static Proof prove_empty(Account *account, ImapConn *conn, const IndexMailbox *mailbox, GError **error) {
  g_auto(ImapMailbox) opened = {0};
  IndexMailbox known = *mailbox;
  /* One that was renumbered is as empty under its new numbers. */
  if (mailbox->listed == INDEX_DOUBTED)
    known.uidvalidity = 0;
  /* A session that is in it may not have heard of what came. */
  if (!imap_unselect(conn, account->cancellable, error) ||
      !account_open_mailbox(account, conn, &known, &opened, NULL, error))
    return PROOF_FAILED;
  return opened.exists == 0 ? PROOF_EMPTY : full(error, "messages");
}

static Proof prove_idle(Account *account, const IndexMailbox *mailbox, GError **error) {
  gboolean concerned = FALSE;
  if (!journal_concerns(account->index, mailbox->row, &concerned, error))
    return PROOF_FAILED;
  return concerned ? full(error, "what waits to be sent") : PROOF_EMPTY;
}

static Proof prove(Account *account, ImapConn *conn, const IndexMailbox *mailbox, GError **error) {
  gboolean opens = TRUE;
  Proof proof = prove_childless(account, conn, mailbox, &opens, error);
  if (proof == PROOF_EMPTY && opens)
    proof = prove_empty(account, conn, mailbox, error);
  return proof == PROOF_EMPTY ? prove_idle(account, mailbox, error) : proof;
}

/* What is subscribed and is no more would be listed by others for ever. */
static gboolean delete (Account *account, ImapConn *conn, const IndexMailbox *mailbox, GError **error) {
  g_autoptr(GError) refusal = NULL;
  if (!imap_delete(conn, mailbox->raw, account->cancellable, &refusal) &&
      !g_error_matches(refusal, IMAP_ERROR, IMAP_ERROR_GONE)) {
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
  }
  if (!imap_conn_failed(conn))
    imap_subscribe(conn, mailbox->raw, FALSE, account->cancellable, NULL);
  return TRUE;
}

static gboolean remove_one(Replay *replay, ImapConn *conn, const IndexMailbox *mailbox, const JournalBatch *batch,
                           GError **error) {
  Account *account = replay_account(replay);
  const JournalItem *item = &g_array_index(batch->items, JournalItem, 0);
  g_autoptr(GError) refusal = NULL;
  Proof proof = prove(account, conn, mailbox, &refusal);
  if (proof == PROOF_FAILED)
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&refusal), error);
  if (proof == PROOF_FULL)
    return replay_refused(replay, item, refusal, error);
  if (proof == PROOF_GONE)
    return replay_done(replay, item, error);
  if (!replay_send(replay, batch, 0, 0, error))
    return FALSE;
  steps_one();
  if (!delete (account, conn, mailbox, &refusal))
    return replay_refused_all(replay, conn, batch, g_steal_pointer(&refusal), error);
  steps_one();
  return replay_done(replay, item, error);
}

gboolean replay_rmdir(Replay *replay, ImapConn *conn, JournalBatch *batch, GError **error) {
  g_auto(IndexMailbox) mailbox = {0};
  g_autoptr(GError) failure = NULL;
  if (index_get_mailbox(replay_account(replay)->index, batch->source, &mailbox, &failure) && mailbox.raw)
    return remove_one(replay, conn, &mailbox, batch, error);
  if (!failure)
    return replay_done(replay, &g_array_index(batch->items, JournalItem, 0), error);
  g_propagate_error(error, g_steal_pointer(&failure));
  return FALSE;
}
