/* SPDX-License-Identifier: MIT */
/*
 * mkdir, rmdir and the rename of a folder. What can be known here is refused here; the rest is an errand, because the
 * kernel must not believe in a folder that the server will not have. rmdir is journalled instead: it hides the folder,
 * and the server is asked for proofs of its emptiness when its turn comes. What is known to be in it is refused at
 * once, in the transaction that hides it.
 */
#include "cache/tree/folders.h"

#include "cache/access.h"
#include "cache/error.h"
#include "cache/journal/debris.h"
#include "cache/journal/journal.h"
#include "cache/journal/lostfound.h"
#include "cache/local.h"
#include "cache/tree/names.h"

#define SPECIAL_USE                                                                                                    \
  (IMAP_ATTR_ALL | IMAP_ATTR_ARCHIVE | IMAP_ATTR_DRAFTS | IMAP_ATTR_FLAGGED | IMAP_ATTR_JUNK | IMAP_ATTR_SENT |        \
   IMAP_ATTR_TRASH)

/* It can be neither renamed nor removed. */
static gboolean check_movable(Cache *cache, const IndexMailbox *folder, GError **error) {
  if (!folder->raw || folder->row == cache->account.root || g_ascii_strcasecmp(folder->raw, "INBOX") == 0)
    return cache_fail(error, CACHE_ERROR_BUSY, "this folder stays where it is");
  if (folder->attrs & SPECIAL_USE)
    return cache_fail(error, CACHE_ERROR_PROTECTED, "the server uses this folder for a purpose of its own");
  return access_check(&cache->account, folder->row, ACCESS_REMOVE_FOLDER, error);
}

static CacheAnswer take(Cache *cache, gint64 ticket, gint64 *ret_row, GError **error) {
  return errands_take(cache->errands, ticket, ret_row, error);
}

void cache_forget_errand(Cache *cache, gint64 ticket) {
  errands_forget(cache->errands, ticket);
}

/* ---- mkdir ------------------------------------------------------------------------------------------------ */

static gboolean check_free(Cache *cache, gint64 folder, const char *name, GError **error) {
  Index *index = cache->account.index;
  g_auto(IndexMailbox) there = {0};
  g_auto(IndexMessage) message = {0};
  g_autoptr(GError) failed = NULL;
  gboolean taken = index_find_mailbox(index, folder, name, &there, &failed) ||
                   (!failed && index_find_message(index, folder, name, &message, &failed));
  if (taken)
    return cache_fail(error, CACHE_ERROR_EXISTS, "the name is taken");
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean check_name(const char *name, GError **error) {
  g_autofree char *raw = names_unfold(name);
  return raw || cache_fail(error, CACHE_ERROR_INVALID, "no folder can have this name");
}

/* Sets *ret_row where it is made, *ticket where it has to be. */
static gboolean begin_make(Cache *cache, gint64 folder, const char *name, gint64 *ticket, gint64 *ret_row,
                           GError **error) {
  g_auto(IndexMailbox) parent = {0};
  if (!index_need_mailbox(cache->account.index, folder, &parent, error) || !check_free(cache, folder, name, error) ||
      !access_check(&cache->account, folder, ACCESS_MAKE_FOLDER, error))
    return FALSE;
  if (local_keeps(&parent, name) || debris_is_desktop_trash(name))
    return local_make(&cache->account, folder, name, ret_row, error);
  if (!check_name(name, error))
    return FALSE;
  *ticket = errands_make(cache->errands, folder, name);
  return TRUE;
}

CacheAnswer cache_make_folder(Cache *cache, gint64 folder, const char *name, gint64 *ticket, CacheEntry *ret,
                              GError **error) {
  gint64 row = 0;
  CacheAnswer answer = CACHE_READY;
  if (*ticket != 0)
    answer = take(cache, *ticket, &row, error);
  else if (!begin_make(cache, folder, name, ticket, &row, error))
    return CACHE_FAILED;
  if (answer != CACHE_READY)
    return answer;
  return row != 0 ? cache_get(cache, CACHE_FOLDER, row, ret, error) : CACHE_WAIT;
}

/* ---- is it empty? ------------------------------------------------------------------------------------------ */

/* As far as it is known here. Of one that was never listed the last sweep may have said how much is in it. */
static gboolean check_empty(Index *index, const IndexMailbox *folder, GError **error) {
  guint children = 0;
  g_auto(IndexMessage) message = {0};
  gssize shown = index_messages(index, folder->row, 0, &message, 1, error);
  if (shown < 0 || !index_count_children(index, folder->row, &children, error))
    return FALSE;
  gboolean unlisted = folder->listed == INDEX_UNLISTED && folder->exists > 0;
  if (shown > 0 || children > 0 || unlisted)
    return cache_fail(error, CACHE_ERROR_NOT_EMPTY, "the folder is not empty");
  return TRUE;
}

/* ---- rename ------------------------------------------------------------------------------------------------ */

static gboolean check_target(Cache *cache, gint64 folder, const char *name, guint flags, GError **error) {
  Index *index = cache->account.index;
  g_auto(IndexMailbox) there = {0};
  g_auto(IndexMessage) message = {0};
  g_autoptr(GError) failed = NULL;
  gboolean taken = index_find_mailbox(index, folder, name, &there, &failed);
  if (!taken && !failed && index_find_message(index, folder, name, &message, &failed))
    return cache_fail(error, flags & CACHE_RENAME_NOREPLACE ? CACHE_ERROR_EXISTS : CACHE_ERROR_NO_FOLDER,
                      "a message stands there");
  /* RENAME replaces nothing, and to remove the other first would be two steps. */
  if (taken)
    return ((flags & CACHE_RENAME_NOREPLACE) || check_empty(index, &there, error)) &&
           cache_fail(error, CACHE_ERROR_EXISTS, "there is a folder of this name");
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean check_above(Cache *cache, const IndexMailbox *source, gint64 folder, GError **error) {
  for (gint64 row = folder; row != 0;) {
    g_auto(IndexMailbox) above = {0};
    if (row == source->row)
      return cache_fail(error, CACHE_ERROR_INVALID, "a folder cannot be put into itself");
    if (!index_need_mailbox(cache->account.index, row, &above, error))
      return FALSE;
    row = above.parent;
  }
  return TRUE;
}

static gboolean check_rename(Cache *cache, const IndexMailbox *source, gint64 folder, const char *name, guint flags,
                             GError **error) {
  g_auto(IndexMailbox) parent = {0};
  if (!check_movable(cache, source, error) || !check_above(cache, source, folder, error) ||
      !check_target(cache, folder, name, flags, error) ||
      !index_need_mailbox(cache->account.index, folder, &parent, error) ||
      !access_check(&cache->account, folder, ACCESS_MAKE_FOLDER, error))
    return FALSE;
  if (flags & CACHE_RENAME_EXCHANGE)
    return cache_fail(error, CACHE_ERROR_INVALID, "folders are not exchanged");
  if (debris_is_desktop_trash(name))
    return cache_fail(error, CACHE_ERROR_PROTECTED, "there is no desktop trash here");
  return local_is(&parent) ? cache_fail(error, CACHE_ERROR_CROSS, "a mail folder is no local one")
                           : check_name(name, error);
}

CacheAnswer folders_rename(Cache *cache, const IndexMailbox *source, gint64 to_folder, const char *to_name, guint flags,
                           gint64 *ticket, GError **error) {
  gint64 row;
  if (*ticket != 0)
    return take(cache, *ticket, &row, error);
  if (source->parent == to_folder && g_str_equal(source->name, to_name) && !(flags & CACHE_RENAME_NOREPLACE))
    return CACHE_READY;
  if (!check_rename(cache, source, to_folder, to_name, flags, error))
    return CACHE_FAILED;
  *ticket = errands_rename(cache->errands, source->row, to_folder, to_name);
  return CACHE_WAIT;
}

/* ---- rmdir ------------------------------------------------------------------------------------------------- */

typedef struct {
  Index *index;
  gint64 row;
} Removal;

static gboolean write_removal(IndexTxn *txn, gpointer data, GError **error) {
  const Removal *removal = data;
  g_auto(IndexMailbox) folder = {0};
  return index_need_mailbox(removal->index, removal->row, &folder, error) &&
         check_empty(removal->index, &folder, error) && journal_rmdir(txn, removal->row, error);
}

static gboolean remove_folder(Cache *cache, const IndexMailbox *folder, GError **error) {
  Removal removal = {.index = cache->account.index, .row = folder->row};
  if (local_is(folder))
    return local_remove(&cache->account, folder, error);
  if (!check_movable(cache, folder, error) ||
      !index_write(cache->account.index, INDEX_CHANGE, write_removal, &removal, error))
    return FALSE;
  replay_wake(cache->replay);
  return TRUE;
}

CacheAnswer cache_remove_folder(Cache *cache, gint64 folder, const char *name, GError **error) {
  Index *index = cache->account.index;
  g_auto(IndexMailbox) there = {0};
  g_auto(IndexMessage) message = {0};
  g_autoptr(GError) failed = NULL;
  if (index_find_mailbox(index, folder, name, &there, &failed))
    return remove_folder(cache, &there, error) ? CACHE_READY : CACHE_FAILED;
  if (!failed && index_find_message(index, folder, name, &message, &failed)) {
    cache_fail(error, CACHE_ERROR_NO_FOLDER, "that is a message");
    return CACHE_FAILED;
  }
  /* `rm -r lost+found`: with its last file it went by itself. */
  if (!failed)
    return lostfound_is_empty(&cache->account, folder, name) ? CACHE_READY : CACHE_ABSENT;
  g_propagate_error(error, g_steal_pointer(&failed));
  return CACHE_FAILED;
}
