/* SPDX-License-Identifier: MIT */
/*
 * Names are packed one after another. Many messages leave in several transactions: SQLite keeps in memory what one
 * changes, and while it runs nobody else can write. Whoever is interrupted between two of them finds the rest at the
 * next visit, as the numbers of the mailbox are stored at the end.
 */
#include "cache/sync/removals.h"

#include <string.h>

#define REMOVE_AT_ONCE 2000

typedef struct {
  gint64 folder;
  ImapSeqset *uids; /* NULL: those that were forgotten */
  gboolean more;
  GArray *rows;    /* gint64: who left, of those that were shown */
  GArray *folders; /* gint64: where, in the same order */
  GString *names;  /* NUL-terminated each */
} Part;

static void part_clear(Part *part) {
  g_clear_pointer(&part->uids, imap_seqset_free);
  g_clear_pointer(&part->rows, g_array_unref);
  g_clear_pointer(&part->folders, g_array_unref);
  if (part->names)
    g_string_free(part->names, TRUE);
  part->names = NULL;
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Part, part_clear)

static void note(const IndexLeft *left, gpointer data) {
  Part *part = data;
  if (left->folder == 0)
    return;
  g_array_append_val(part->rows, left->row);
  g_array_append_val(part->folders, left->folder);
  g_string_append_len(part->names, left->name, (gssize)strlen(left->name) + 1);
}

/* Each folder once, where they come in runs: nearly all were shown where they were. */
static gboolean touch(IndexTxn *txn, const Part *part, GError **error) {
  gint64 now = g_get_real_time() * 1000;
  for (guint i = 0; i < part->folders->len; i++) {
    gint64 folder = g_array_index(part->folders, gint64, i);
    if (i > 0 && folder == g_array_index(part->folders, gint64, i - 1))
      continue;
    if (!index_touch_mailbox(txn, folder, now, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean remove_part(IndexTxn *txn, gpointer data, GError **error) {
  Part *part = data;
  if (part->uids ? !index_remove_uids(txn, part->folder, part->uids, note, part, error)
                 : !index_end_forgotten(txn, part->folder, note, part, &part->more, error))
    return FALSE;
  return touch(txn, part, error);
}

static void tell(const Part *part, Account *account) {
  const char *name = part->names->str;
  for (guint i = 0; i < part->rows->len; i++) {
    gint64 row = g_array_index(part->rows, gint64, i);
    gint64 folder = g_array_index(part->folders, gint64, i);
    account_tell(account, CACHE_EVENT_REMOVED, CACHE_MESSAGE, row, folder, name, NULL);
    if (folder != part->folder)
      account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, folder, 0, NULL, NULL);
    name += strlen(name) + 1;
  }
}

/* Takes `uids`. *ret_more: there may be others that were forgotten. */
static gboolean run_part(Account *account, gint64 folder, ImapSeqset *uids, gboolean *ret_more, gboolean *ret_any,
                         GError **error) {
  g_auto(Part) part = {.folder = folder, .uids = uids};
  part.rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  part.folders = g_array_new(FALSE, FALSE, sizeof(gint64));
  part.names = g_string_new(NULL);
  if (!index_write(account->index, INDEX_SYNC, remove_part, &part, error))
    return FALSE;
  tell(&part, account);
  *ret_any |= part.rows->len > 0;
  *ret_more = part.more;
  return TRUE;
}

gboolean removals_run(Account *account, gint64 folder, const ImapSeqset *uids, gboolean *ret_any, GError **error) {
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(uids);
  gboolean more;
  while (!imap_seqset_empty(rest))
    if (!run_part(account, folder, imap_seqset_take(rest, REMOVE_AT_ONCE, G_MAXSIZE), &more, ret_any, error))
      return FALSE;
  return TRUE;
}

gboolean removals_forgotten(Account *account, gint64 folder, gboolean *ret_any, GError **error) {
  for (gboolean more = TRUE; more;)
    if (!run_part(account, folder, NULL, &more, ret_any, error))
      return FALSE;
  return TRUE;
}

gboolean removals_all(Account *account, gint64 folder, gboolean *ret_any, GError **error) {
  g_autoptr(ImapSeqset) all = index_uids(account->index, folder, error);
  return all && removals_run(account, folder, all, ret_any, error) &&
         removals_forgotten(account, folder, ret_any, error);
}
