/* SPDX-License-Identifier: MIT */
/*
 * Renames. What a name means depends on where it stands:
 *
 *   folder of the server, proper name    mail: what is new there is sent, what comes from elsewhere is moved
 *   folder of the server, debris         a new file stays local; a message that the server has, or is to copy, is
 *                                        merely called so
 *   local folder                         new files only; a mail cannot leave the account by a rename: CROSS
 *   lost+found                           nothing comes in; what goes out is new once more
 *
 * and what stood at the target is replaced: removed after its successor is on the server, or, where both have the same
 * octets, taken over by it, so that nothing is sent. The row that is renamed stays the same throughout.
 */
#include "cache/change_private.h"

#include <unistd.h>

#include "cache/draft/draft.h"
#include "cache/error.h"
#include "cache/journal/debris.h"
#include "cache/journal/lostfound.h"
#include "cache/local.h"
#include "cache/tree/folders.h"

/* ---- doing it -------------------------------------------------------------------------------------------------- */

static gboolean give_state(const Rename *job, IndexTxn *txn, const Standing *what, const char *name, JournalState state,
                           GError **error) {
  return !what->unsent || what->entry.state == state ||
         journal_rename(txn, what->message.row, job->folder, name, state, 0, error);
}

static gboolean exchange(const Rename *job, IndexTxn *txn, GError **error) {
  return journal_exchange(txn, job->what.message.row, job->there.message.row, error) &&
         give_state(job, txn, &job->what, job->to_name, job->state, error) &&
         give_state(job, txn, &job->there, job->name, job->there_state, error);
}

static gboolean place(const Rename *job, IndexTxn *txn, GError **error) {
  gint64 row = job->what.message.row, there = job->there.there ? job->there.message.row : 0;
  if (job->same && !journal_adopt(txn, row, there, error))
    return FALSE;
  return journal_rename(txn, row, job->to_folder, job->to_name, job->state, job->same ? 0 : there, error);
}

static void describe(Account *account, const Standing *what) {
  if (what->unsent && what->entry.spooled)
    drafts_describe(account, what->message.row);
}

static gboolean write_rename(IndexTxn *txn, gpointer data, GError **error) {
  Rename *job = data;
  Account *account = &job->cache->account;
  g_auto(Standing) what = {0}, there = {0};
  g_auto(IndexMailbox) to = {0};
  if (!index_need_mailbox(account->index, job->to_folder, &to, error) ||
      !change_look(account->index, job->folder, job->name, &what, error) ||
      !change_look(account->index, job->to_folder, job->to_name, &there, error))
    return FALSE;
  job->stale = !change_is_same(&job->what, &what) || !change_is_same(&job->there, &there);
  if (job->stale || !(rename_exchanges(job) ? exchange(job, txn, error) : place(job, txn, error)) ||
      !index_touch_mailbox(txn, job->folder, g_get_real_time() * 1000, error))
    return FALSE;
  if (!job->same)
    describe(account, &what);
  if (rename_exchanges(job))
    describe(account, &there);
  return !local_is_closed(&job->from) || lostfound_show(account, txn, job->folder, &job->shown, error);
}

/* Its octets are those of the message that it took over: they are the body, and need no upload. */
static void keep_body(const Rename *job, int fd) {
  Account *account = &job->cache->account;
  gint64 row = job->what.message.row;
  change_keep_body(job->cache, row, fd);
  if (job->state == JOURNAL_LOCAL) /* perhaps with bare LF */
    account_tell(account, CACHE_EVENT_DATA, CACHE_MESSAGE, row, 0, NULL, NULL);
  if (job->what.entry.spooled)
    spool_drop(account->spool, row);
}

static gboolean commit(Rename *job, GError **error) {
  Account *account = &job->cache->account;
  int fd = -1;
  gint64 lender;
  if (job->same && drafts_open_octets(account, job->what.message.row, &fd, &lender, NULL) != CACHE_READY)
    fd = -1;
  gboolean ok = index_write(account->index, INDEX_CHANGE, write_rename, job, error);
  if (ok && job->same)
    keep_body(job, fd);
  if (fd >= 0)
    close(fd);
  if (ok && !rename_exchanges(job) && job->there.unsent && job->there.entry.spooled)
    spool_drop(account->spool, job->there.message.row);
  if (ok && job->shown)
    lostfound_tell(account, job->folder);
  return ok;
}

typedef struct {
  Index *index;
  gint64 row, folder;
  const char *name;
} Judged;

static gboolean write_judged(IndexTxn *txn, gpointer data, GError **error) {
  const Judged *judged = data;
  g_auto(Standing) now = {0};
  if (!change_look(judged->index, judged->folder, judged->name, &now, error))
    return FALSE;
  gboolean waits = now.message.row == judged->row && now.unsent && now.entry.state == JOURNAL_LOCAL;
  return !waits || journal_rename(txn, judged->row, judged->folder, judged->name, JOURNAL_READY, 0, error);
}

/* Who had it open may have closed it before it had this name, and left it local for the old one. */
static void judge_again(const Rename *job, const Standing *what, JournalState state, const char *name) {
  g_autoptr(GError) error = NULL;
  Cache *cache = job->cache;
  Judged judged = {cache->account.index, what->message.row, job->to_folder, name};
  if (!what->unsent || state != JOURNAL_LOCAL || local_keeps(&job->to, name) ||
      drafts_still_open(cache->drafts, judged.row))
    return;
  if (drafts_prepare(cache->drafts, judged.row, job->to_folder, name, &state, &error) &&
      (state != JOURNAL_READY || index_write(cache->account.index, INDEX_CHANGE, write_judged, &judged, &error)))
    return;
  g_message("a file stays local: %s", error ? error->message : "it is gone");
}

static CacheAnswer rename_once(Rename *job, GError **error) {
  g_autoptr(GError) failed = NULL;
  job->stale = FALSE;
  if (change_decide(job, &failed) && job->nothing)
    return CACHE_READY;
  if (!failed && job->what.there && commit(job, &failed)) {
    if (!job->same)
      judge_again(job, &job->what, job->state, job->to_name);
    if (rename_exchanges(job))
      judge_again(job, &job->there, job->there_state, job->name);
    replay_taken_back(job->cache->replay, job->what.message.row);
    replay_taken_back(job->cache->replay, job->there.message.row);
    replay_wake(job->cache->replay);
    return CACHE_READY;
  }
  if (!failed)
    return CACHE_ABSENT;
  g_propagate_error(error, g_steal_pointer(&failed));
  return CACHE_FAILED;
}

static CacheAnswer rename_message(Rename *job, GError **error) {
  for (guint i = 0; i < CHANGE_TRIES; i++) {
    CacheAnswer answer = rename_once(job, error);
    if (!job->stale)
      return answer;
  }
  cache_fail(error, CACHE_ERROR_BUSY, "it changes all the time");
  return CACHE_FAILED;
}

/* ---- folders ---------------------------------------------------------------------------------------------------- */

/* What would be wrong for any folder. */
static gboolean check_folder(Rename *job, GError **error) {
  if (rename_exchanges(job))
    return cache_fail(error, CACHE_ERROR_INVALID, "folders cannot be exchanged");
  if (!index_need_mailbox(job->cache->account.index, job->to_folder, &job->to, error) ||
      !change_look(job->cache->account.index, job->to_folder, job->to_name, &job->there, error))
    return FALSE;
  if (!job->there.there)
    return TRUE;
  return job->flags & CACHE_RENAME_NOREPLACE ? cache_fail(error, CACHE_ERROR_EXISTS, "the name is taken")
                                             : cache_fail(error, CACHE_ERROR_NO_FOLDER, "a message stands there");
}

static CacheAnswer rename_folder(Rename *job, const IndexMailbox *folder, gint64 *ticket, GError **error) {
  if (!check_folder(job, error))
    return CACHE_FAILED;
  if (local_is(folder)) {
    gboolean replace = !(job->flags & CACHE_RENAME_NOREPLACE);
    return local_rename(&job->cache->account, folder, job->to_folder, job->to_name, replace, error) ? CACHE_READY
                                                                                                    : CACHE_FAILED;
  }
  if (local_is(&job->to) || debris_is_desktop_trash(job->to_name)) {
    gboolean inside = local_is(&job->to);
    cache_fail(error, inside ? CACHE_ERROR_CROSS : CACHE_ERROR_PROTECTED,
               inside ? "a folder does not leave its account by a rename" : "there is no desktop trash here");
    return CACHE_FAILED;
  }
  return folders_rename(job->cache, folder, job->to_folder, job->to_name, job->flags, ticket, error);
}

CacheAnswer cache_rename(Cache *cache, gint64 folder, const char *name, gint64 to_folder, const char *to_name,
                         guint flags, gint64 *ticket, GError **error) {
  g_auto(Rename) job = {
      .cache = cache, .folder = folder, .to_folder = to_folder, .name = name, .to_name = to_name, .flags = flags};
  g_auto(IndexMailbox) source = {0};
  g_autoptr(GError) failed = NULL;
  if (ticket && *ticket != 0)
    return folders_rename(cache, NULL, to_folder, to_name, flags, ticket, error);
  if (cache->account.config->read_only) {
    cache_fail(error, CACHE_ERROR_READONLY, "mounted read-only");
    return CACHE_FAILED;
  }
  if (index_find_mailbox(cache->account.index, folder, name, &source, &failed))
    return rename_folder(&job, &source, ticket, error);
  if (!failed)
    return rename_message(&job, error);
  g_propagate_error(error, g_steal_pointer(&failed));
  return CACHE_FAILED;
}
