/* SPDX-License-Identifier: MIT */
/* How much is in folders that nobody has opened: for rmdir, which must not wait for the server. */
#include "cache/tree/tree.h"

typedef struct {
  Account *account;
  GHashTable *status;
} Count;

/* In the transaction, where no listing can begin meanwhile. */
static gboolean count(IndexTxn *txn, gpointer data, GError **error) {
  const Count *all = data;
  g_autoptr(GPtrArray) rows = index_mailboxes(all->account->index, error);
  for (guint i = 0; rows && i < rows->len; i++) {
    IndexMailbox *mailbox = rows->pdata[i];
    const ImapStatus *said = mailbox->raw ? g_hash_table_lookup(all->status, mailbox->raw) : NULL;
    if (mailbox->listed != INDEX_UNLISTED || !said || !said->has_messages || mailbox->exists == said->messages)
      continue;
    mailbox->exists = said->messages;
    if (!index_set_state(txn, mailbox, error))
      return FALSE;
  }
  return rows != NULL;
}

gboolean tree_count(Account *account, GHashTable *status, GError **error) {
  Count all = {.account = account, .status = status};
  return index_write(account->index, INDEX_SYNC, count, &all, error);
}
