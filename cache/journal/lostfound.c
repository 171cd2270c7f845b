/* SPDX-License-Identifier: MIT */
/*
 * One row, whose number stands in the meta table and that never ends: whoever refuses a message asks for the row first
 * and puts the message there in another transaction, and it must not have gone by then. While it is empty it is hidden
 * under a name that nothing else can have, so that it stands in nobody's way; it takes its name when it appears,
 * another one where the server has a folder of that name.
 */
#include "cache/journal/lostfound.h"

#include <string.h>

#include "cache/local.h"

#define META_ROW "lost_found"
#define HIDING "%~" /* before its name; in no name that names_folder() makes */

typedef struct {
  Account *account;
  gint64 row, root;
  gboolean make;
} Job;

/* 0: there is none. */
static gboolean find_row(Account *account, gint64 *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  g_autofree char *value = index_get_meta(account->index, META_ROW, &failed);
  g_auto(IndexMailbox) folder = {0};
  gint64 row = value ? g_ascii_strtoll(value, NULL, 10) : 0;
  *ret = !failed && index_get_mailbox(account->index, row, &folder, &failed) && local_is(&folder) ? row : 0;
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean is_taken(Account *account, gint64 parent, const char *name) {
  g_auto(IndexMailbox) folder = {0};
  g_auto(IndexMessage) message = {0};
  return index_find_mailbox(account->index, parent, name, &folder, NULL) ||
         index_find_message(account->index, parent, name, &message, NULL);
}

static char *free_name(Account *account, gint64 parent) {
  char *name = g_strdup(LOSTFOUND_NAME);
  for (guint n = 2; is_taken(account, parent, name); n++) {
    g_free(name);
    name = g_strdup_printf(LOSTFOUND_NAME "%%~%u", n);
  }
  return name;
}

static gboolean holds_any(Account *account, gint64 row, gboolean *ret, GError **error) {
  g_auto(IndexMessage) message = {0};
  gssize n = index_messages(account->index, row, 0, &message, 1, error);
  *ret = n > 0;
  return n >= 0;
}

/* Where it is to be, and shown or not. *ret_changed: something is to be told. */
static gboolean place(Account *account, IndexTxn *txn, IndexMailbox *folder, gint64 parent, gboolean *ret_changed,
                      GError **error) {
  gboolean any = FALSE, hidden = (folder->attrs & INDEX_HIDDEN) != 0;
  if (!holds_any(account, folder->row, &any, error))
    return FALSE;
  *ret_changed = hidden == any;
  if (hidden != any && folder->parent == parent)
    return TRUE;
  folder->parent = parent;
  folder->attrs = any ? folder->attrs & ~INDEX_HIDDEN : folder->attrs | INDEX_HIDDEN;
  char *was = folder->name;
  folder->name = any ? free_name(account, parent) : hidden ? g_strdup(was) : g_strconcat(HIDING, was, NULL);
  g_free(was);
  return index_put_mailbox(txn, folder, error) &&
         (!*ret_changed || index_touch_mailbox(txn, parent, g_get_real_time() * 1000, error));
}

gboolean lostfound_show(Account *account, IndexTxn *txn, gint64 row, gboolean *ret_changed, GError **error) {
  g_auto(IndexMailbox) folder = {0};
  *ret_changed = FALSE;
  if (!index_get_mailbox(account->index, row, &folder, error))
    return FALSE;
  return place(account, txn, &folder, folder.parent, ret_changed, error);
}

void lostfound_tell(Account *account, gint64 row) {
  g_auto(IndexMailbox) folder = {0};
  if (!index_get_mailbox(account->index, row, &folder, NULL))
    return;
  if (folder.attrs & INDEX_HIDDEN)
    account_tell(account, CACHE_EVENT_MOVED, CACHE_FOLDER, row, folder.parent, folder.name + strlen(HIDING), NULL);
  account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, folder.parent, 0, NULL, NULL);
}

gboolean lostfound_is_empty(Account *account, gint64 parent, const char *name) {
  g_autofree char *hidden = g_strconcat(HIDING, name, NULL);
  gboolean is = FALSE;
  return g_str_has_prefix(name, LOSTFOUND_NAME) && index_has_mailbox(account->index, parent, hidden, &is, NULL) && is;
}

gboolean lostfound_make(IndexTxn *txn, gint64 root, gint64 *ret, GError **error) {
  IndexMailbox folder = {.parent = root,
                         .name = (char *)HIDING LOSTFOUND_NAME,
                         .attrs = INDEX_LOCAL | INDEX_HIDDEN | IMAP_ATTR_NOSELECT | IMAP_ATTR_NOINFERIORS,
                         .mtime = g_get_real_time() * 1000};
  if (!index_put_mailbox(txn, &folder, error))
    return FALSE;
  g_autofree char *value = g_strdup_printf("%" G_GINT64_FORMAT, folder.row);
  *ret = folder.row;
  return index_set_meta(txn, META_ROW, value, error);
}

static gboolean write_row(IndexTxn *txn, gpointer data, GError **error) {
  Job *job = data;
  g_auto(IndexMailbox) folder = {0};
  gboolean changed;
  if (!find_row(job->account, &job->row, error))
    return FALSE;
  if (job->row == 0)
    return job->make ? lostfound_make(txn, job->root, &job->row, error) : TRUE;
  return index_get_mailbox(job->account->index, job->row, &folder, error) &&
         place(job->account, txn, &folder, job->root, &changed, error);
}

gboolean lostfound_open(Account *account, gint64 root, GError **error) {
  Job job = {.account = account, .root = root};
  return index_write(account->index, INDEX_CHANGE, write_row, &job, error);
}

gboolean lostfound_row(Account *account, gint64 root, gint64 *ret, GError **error) {
  Job job = {.account = account, .root = root, .make = TRUE};
  if (!find_row(account, ret, error))
    return FALSE;
  if (*ret != 0)
    return TRUE;
  if (!index_write(account->index, INDEX_CHANGE, write_row, &job, error))
    return FALSE;
  *ret = job.row;
  return TRUE;
}
