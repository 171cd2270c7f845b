/* SPDX-License-Identifier: MIT */
/*
 * What may be renamed, and what it will be then. The cheap looks come first; octets are read, and perhaps written anew,
 * when nothing else stands in the way.
 */
#include "cache/change_private.h"

#include <string.h>

#include "cache/access.h"
#include "cache/error.h"
#include "cache/local.h"
#include "cache/tree/names.h"

void rename_clear(Rename *rename) {
  index_mailbox_clear(&rename->from);
  index_mailbox_clear(&rename->to);
  standing_clear(&rename->what);
  standing_clear(&rename->there);
}

/* ---- what may be done ----------------------------------------------------------------------------------------- */

/* What somebody has just read is in the index a moment later; its octets may be those of what replaces it. */
static gboolean look_there(Rename *job, GError **error) {
  Account *account = &job->cache->account;
  if (!change_look(account->index, job->to_folder, job->to_name, &job->there, error))
    return FALSE;
  const IndexMessage *there = &job->there.message;
  if (!job->there.there || !job->what.unsent || there->size != IMAP_UNKNOWN_SIZE ||
      !body_present(account->bodies, there->row))
    return TRUE;
  standing_clear(&job->there);
  return index_flush(account->index, error) &&
         change_look(account->index, job->to_folder, job->to_name, &job->there, error);
}

/* FALSE without an error: there is no such message. */
static gboolean look(Rename *job, GError **error) {
  Index *index = job->cache->account.index;
  g_auto(IndexMailbox) folder = {0};
  g_autoptr(GError) failed = NULL;
  standing_clear(&job->what);
  standing_clear(&job->there);
  index_mailbox_clear(&job->from);
  index_mailbox_clear(&job->to);
  if (!index_need_mailbox(index, job->folder, &job->from, error) ||
      !index_need_mailbox(index, job->to_folder, &job->to, error) ||
      !change_look(index, job->folder, job->name, &job->what, error) || !job->what.there)
    return FALSE;
  if (index_find_mailbox(index, job->to_folder, job->to_name, &folder, &failed))
    return job->flags & CACHE_RENAME_NOREPLACE ? cache_fail(error, CACHE_ERROR_EXISTS, "the name is taken")
                                               : cache_fail(error, CACHE_ERROR_FOLDER, "a folder stands there");
  if (!failed)
    return look_there(job, error);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* With names=uid a name of ours is that of one message, which a copy of `4711.eml` from elsewhere must not replace. */
static gboolean is_computed(const Rename *job, const Standing *standing) {
  char name[NAMES_MAX + 1];
  if (!job->cache->account.config->names_uid || standing->message.uid == 0)
    return FALSE;
  names_message(0, NULL, 0, standing->message.uid, name);
  return strcmp(name, standing->message.name) == 0;
}

static gboolean check_exchange(const Rename *job, GError **error) {
  if (!rename_within(job))
    return cache_fail(error, CACHE_ERROR_INVALID, "only names within one folder can be exchanged");
  if (!job->there.there)
    return cache_fail(error, CACHE_ERROR_GONE, "there is nothing to exchange it with");
  return !local_is_closed(&job->to) || cache_fail(error, CACHE_ERROR_PERMISSION, "nothing can be put there");
}

static gboolean check_names(const Rename *job, GError **error) {
  if (job->there.there && (job->flags & CACHE_RENAME_NOREPLACE))
    return cache_fail(error, CACHE_ERROR_EXISTS, "the name is taken");
  if (rename_exchanges(job) && !check_exchange(job, error))
    return FALSE;
  if (is_computed(job, &job->there) || (rename_exchanges(job) && is_computed(job, &job->what)))
    return cache_fail(error, CACHE_ERROR_EXISTS, "another message has this name by its number");
  if (local_is_closed(&job->to) && (!rename_within(job) || job->there.there))
    return cache_fail(error, CACHE_ERROR_PERMISSION, "nothing can be put there");
  if (local_is(&job->to) && !rename_within(job) && (!job->what.unsent || job->what.entry.copy != 0))
    return cache_fail(error, CACHE_ERROR_CROSS, "a mail does not leave its account by a rename");
  return TRUE;
}

/* What the server would refuse. A name alone is none of its business. */
static gboolean check_access(const Rename *job, GError **error) {
  Account *account = &job->cache->account;
  const Standing *what = &job->what;
  gboolean becomes = what->unsent && !local_keeps(&job->to, job->to_name);
  if (!what->unsent && !rename_within(job) && !access_check(account, job->folder, ACCESS_REMOVE, error))
    return FALSE;
  if ((becomes || !rename_within(job)) && !access_check(account, job->to_folder, ACCESS_ADD, error))
    return FALSE;
  return !becomes || what->message.size == IMAP_UNKNOWN_SIZE ||
         access_check_size(account, job->to_folder, what->message.size, error);
}

static gboolean check_replaced(const Rename *job, GError **error) {
  Account *account = &job->cache->account;
  if (rename_exchanges(job) || !job->there.there || job->there.unsent || job->same)
    return TRUE;
  if (account->config->remove == CACHE_DELETE_NEVER)
    return cache_fail(error, CACHE_ERROR_PROTECTED, "mounted with delete=never");
  return access_check(account, job->to_folder, ACCESS_REMOVE, error);
}

/* ---- what it will be ------------------------------------------------------------------------------------------- */

/* Its octets may be written anew, and what was known of it with them. A copy that the server is to make has none here,
 * and is mail from the first moment on, whatever it is called. */
static gboolean prepare(const Rename *job, Standing *what, gint64 folder, const char *name, JournalState *ret,
                        GError **error) {
  Index *index = job->cache->account.index;
  char was[sizeof what->message.name];
  if (!what->unsent)
    return TRUE;
  if (local_is_closed(&job->to)) {
    *ret = what->entry.state;
    return TRUE;
  }
  if (what->entry.copy != 0 && local_keeps(&job->to, name)) {
    *ret = JOURNAL_READY;
    return TRUE;
  }
  gint64 at = what->message.folder;
  g_strlcpy(was, what->message.name, sizeof was);
  if (!drafts_prepare(job->cache->drafts, what->message.row, folder, name, ret, error))
    return FALSE;
  standing_clear(what);
  return change_look(index, at, was, what, error);
}

gboolean change_decide(Rename *job, GError **error) {
  job->nothing = job->same = FALSE;
  if (!look(job, error))
    return FALSE;
  if (job->what.message.row == job->there.message.row) {
    job->nothing = TRUE;
    return !(job->flags & CACHE_RENAME_NOREPLACE) || cache_fail(error, CACHE_ERROR_EXISTS, "the name is taken");
  }
  if (!check_names(job, error) || !check_access(job, error) ||
      !prepare(job, &job->what, job->to_folder, job->to_name, &job->state, error))
    return FALSE;
  if (rename_exchanges(job))
    return prepare(job, &job->there, job->folder, job->name, &job->there_state, error);
  gboolean placed = job->there.there && !job->there.unsent && job->there.message.uid != 0;
  if (placed && job->what.unsent && !local_keeps(&job->to, job->to_name) &&
      !change_same_octets(job->cache, &job->what, job->state == JOURNAL_LOCAL, &job->there, &job->same, error))
    return FALSE;
  return check_replaced(job, error);
}
