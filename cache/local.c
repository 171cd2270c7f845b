/* SPDX-License-Identifier: MIT */
/*
 * Each change is one job that looks and writes in the same transaction, so that a name is given once and an empty
 * folder is still empty when it ends. Nothing of it concerns the server: NOSELECT keeps the sync away, and where no raw
 * name is, LIST cannot speak of it.
 */
#include "cache/local.h"

#include "cache/error.h"
#include "cache/journal/debris.h"

gboolean local_is(const IndexMailbox *folder) {
  return (folder->attrs & INDEX_LOCAL) != 0;
}

gboolean local_is_closed(const IndexMailbox *folder) {
  return local_is(folder) && (folder->attrs & IMAP_ATTR_NOINFERIORS);
}

gboolean local_keeps(const IndexMailbox *parent, const char *name) {
  return local_is(parent) || debris_name(name);
}

typedef struct {
  Index *index;
  gint64 row, parent; /* parent: where it is to be */
  const char *name;
  gboolean replace;
} Job;

static gboolean is_empty(const Job *job, gint64 row, gboolean *ret, GError **error) {
  guint children = 0;
  g_auto(IndexMessage) message = {0};
  gssize messages = index_messages(job->index, row, 0, &message, 1, error);
  if (messages < 0 || !index_count_children(job->index, row, &children, error))
    return FALSE;
  *ret = messages == 0 && children == 0;
  return TRUE;
}

static gboolean end_empty(const Job *job, IndexTxn *txn, const IndexMailbox *folder, GError **error) {
  gboolean empty = FALSE;
  if (local_is_closed(folder))
    return cache_fail(error, CACHE_ERROR_PERMISSION, "it goes by itself once it is empty");
  if (!is_empty(job, folder->row, &empty, error))
    return FALSE;
  return empty ? index_end_mailbox(txn, folder->row, error)
               : cache_fail(error, CACHE_ERROR_NOT_EMPTY, "the folder is not empty");
}

static gboolean touch(IndexTxn *txn, gint64 row, GError **error) {
  return index_touch_mailbox(txn, row, g_get_real_time() * 1000, error);
}

/* It may take something under this name. */
static gboolean check_place(const Job *job, GError **error) {
  g_auto(IndexMailbox) parent = {0};
  if (!index_need_mailbox(job->index, job->parent, &parent, error))
    return FALSE;
  if (local_is_closed(&parent))
    return cache_fail(error, CACHE_ERROR_PERMISSION, "nothing can be put there");
  if (debris_is_desktop_trash(job->name))
    return cache_fail(error, CACHE_ERROR_PROTECTED,
                      "there is no desktop trash here: what is removed goes to the mail's own");
  return local_keeps(&parent, job->name) ? TRUE
                                         : cache_fail(error, CACHE_ERROR_CROSS, "a local folder is no mail folder");
}

/* Nothing has this name, or what has it gave way. */
static gboolean free_place(const Job *job, IndexTxn *txn, GError **error) {
  g_autoptr(GError) failed = NULL;
  g_auto(IndexMailbox) there = {0};
  g_auto(IndexMessage) message = {0};
  if (index_find_mailbox(job->index, job->parent, job->name, &there, &failed)) {
    if (!job->replace)
      return cache_fail(error, CACHE_ERROR_EXISTS, "the name is taken");
    return local_is(&there) ? end_empty(job, txn, &there, error)
                            : cache_fail(error, CACHE_ERROR_CROSS, "a local folder is no mail folder");
  }
  if (!failed && index_find_message(job->index, job->parent, job->name, &message, &failed))
    return job->replace ? cache_fail(error, CACHE_ERROR_NO_FOLDER, "a message stands there")
                        : cache_fail(error, CACHE_ERROR_EXISTS, "the name is taken");
  gboolean hidden = FALSE;
  if (!failed && index_has_mailbox(job->index, job->parent, job->name, &hidden, &failed))
    return !hidden || cache_fail(error, CACHE_ERROR_EXISTS, "a folder that is not shown has this name");
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* ---- making ------------------------------------------------------------------------------------------------- */

static gboolean write_make(IndexTxn *txn, gpointer data, GError **error) {
  Job *job = data;
  IndexMailbox folder = {.parent = job->parent,
                         .name = (char *)job->name,
                         .attrs = INDEX_LOCAL | IMAP_ATTR_NOSELECT,
                         .mtime = g_get_real_time() * 1000};
  if (!check_place(job, error) || !free_place(job, txn, error) || !index_put_mailbox(txn, &folder, error))
    return FALSE;
  job->row = folder.row;
  return touch(txn, job->parent, error);
}

gboolean local_make(Account *account, gint64 parent, const char *name, gint64 *ret_row, GError **error) {
  Job job = {.index = account->index, .parent = parent, .name = name};
  if (!index_write(account->index, INDEX_CHANGE, write_make, &job, error))
    return FALSE;
  *ret_row = job.row;
  return TRUE;
}

/* ---- removing ------------------------------------------------------------------------------------------------ */

static gboolean write_remove(IndexTxn *txn, gpointer data, GError **error) {
  const Job *job = data;
  g_auto(IndexMailbox) folder = {0};
  return index_need_mailbox(job->index, job->row, &folder, error) && end_empty(job, txn, &folder, error) &&
         touch(txn, folder.parent, error);
}

gboolean local_remove(Account *account, const IndexMailbox *folder, GError **error) {
  Job job = {.index = account->index, .row = folder->row};
  return index_write(account->index, INDEX_CHANGE, write_remove, &job, error);
}

/* ---- renaming ------------------------------------------------------------------------------------------------- */

/* The new parent is not the folder itself, or in it. */
static gboolean check_above(const Job *job, GError **error) {
  for (gint64 row = job->parent; row != 0;) {
    g_auto(IndexMailbox) above = {0};
    if (row == job->row)
      return cache_fail(error, CACHE_ERROR_INVALID, "a folder cannot be put into itself");
    if (!index_need_mailbox(job->index, row, &above, error))
      return FALSE;
    row = above.parent;
  }
  return TRUE;
}

static gboolean put_at(const Job *job, IndexTxn *txn, IndexMailbox *folder, GError **error) {
  gint64 was = folder->parent;
  folder->parent = job->parent;
  g_free(folder->name);
  folder->name = g_strdup(job->name);
  return index_put_mailbox(txn, folder, error) && touch(txn, was, error) && touch(txn, job->parent, error);
}

static gboolean write_rename(IndexTxn *txn, gpointer data, GError **error) {
  const Job *job = data;
  g_auto(IndexMailbox) folder = {0};
  if (!index_need_mailbox(job->index, job->row, &folder, error))
    return FALSE;
  if (folder.parent == job->parent && g_str_equal(folder.name, job->name))
    return job->replace ? TRUE : cache_fail(error, CACHE_ERROR_EXISTS, "the name is taken");
  if (local_is_closed(&folder))
    return cache_fail(error, CACHE_ERROR_PERMISSION, "it stays where it is");
  return check_place(job, error) && check_above(job, error) && free_place(job, txn, error) &&
         put_at(job, txn, &folder, error);
}

gboolean local_rename(Account *account, const IndexMailbox *folder, gint64 to_parent, const char *to_name,
                      gboolean replace, GError **error) {
  Job job = {.index = account->index, .row = folder->row, .parent = to_parent, .name = to_name, .replace = replace};
  return index_write(account->index, INDEX_CHANGE, write_rename, &job, error);
}
