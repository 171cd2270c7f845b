/* SPDX-License-Identifier: MIT */
/*
 * Names are packed one after another. Many messages leave in several transactions: SQLite keeps in memory what one
 * changes, and while it runs nobody else can write. Whoever is interrupted between two of them finds the rest at the
 * next visit, as the numbers of the mailbox are stored at the end.
 */
#include "cache/removals.h"

#include <string.h>

#define REMOVE_AT_ONCE 2000

struct _Removals {
  GArray *rows;   /* gint64 */
  GString *names; /* NUL-terminated each, in the same order */
};

Removals *removals_new(void) {
  Removals *removals = g_new0(Removals, 1);
  removals->rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  removals->names = g_string_new(NULL);
  return removals;
}

void removals_free(Removals *removals) {
  g_array_unref(removals->rows);
  g_string_free(removals->names, TRUE);
  g_free(removals);
}

void removals_add(gint64 row, const char *name, gpointer data) {
  Removals *removals = data;
  g_array_append_val(removals->rows, row);
  g_string_append_len(removals->names, name, (gssize)strlen(name) + 1);
}

void removals_forget(Removals *removals) {
  g_array_set_size(removals->rows, 0);
  g_string_truncate(removals->names, 0);
}

gboolean removals_any(const Removals *removals) {
  return removals->rows->len > 0;
}

void removals_tell(const Removals *removals, Account *account, gint64 folder) {
  const char *name = removals->names->str;
  for (guint i = 0; i < removals->rows->len; i++) {
    gint64 row = g_array_index(removals->rows, gint64, i);
    account_tell(account, CACHE_EVENT_REMOVED, CACHE_MESSAGE, row, folder, name, NULL);
    name += strlen(name) + 1;
  }
}

typedef struct {
  gint64 folder;
  ImapSeqset *uids;
  Removals *removals;
} Part;

static gboolean remove_part(IndexTxn *txn, gpointer data, GError **error) {
  Part *part = data;
  removals_forget(part->removals);
  return index_remove_uids(txn, part->folder, part->uids, removals_add, part->removals, error) &&
         (!removals_any(part->removals) || index_touch_mailbox(txn, part->folder, g_get_real_time() * 1000, error));
}

gboolean removals_run(Account *account, gint64 folder, const ImapSeqset *uids, gboolean *ret_any, GError **error) {
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(uids);
  g_autoptr(Removals) removals = removals_new();
  while (!imap_seqset_empty(rest)) {
    g_autoptr(ImapSeqset) some = imap_seqset_take(rest, REMOVE_AT_ONCE, G_MAXSIZE);
    Part part = {.folder = folder, .uids = some, .removals = removals};
    if (!index_write(account->index, INDEX_SYNC, remove_part, &part, error))
      return FALSE;
    removals_tell(removals, account, folder);
    *ret_any |= removals_any(removals);
  }
  return TRUE;
}
