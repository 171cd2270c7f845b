/* SPDX-License-Identifier: MIT */
/*
 * What is asked of drafts by whoever does not have them open: the replay, renames, readers.
 *
 * A copy that the server refused stands in lost+found, and its octets are those of another message, which may go any
 * day. So they become its own where they are here. Where the other one is gone and left none here, nobody has them any
 * more, and an empty file says so.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cache/draft/draft_private.h"
#include "cache/error.h"

/* ---- reading what was not sent ------------------------------------------------------------------------------- */

static int file_of(GBytes *bytes, GError **error) {
  gsize len = 0;
  const char *octets = g_bytes_get_data(bytes, &len);
  int fd = memfd_create("imapfs-draft", MFD_CLOEXEC);
  for (gsize at = 0; fd >= 0 && at < len;) {
    ssize_t n = pwrite(fd, octets + at, len - at, (off_t)at);
    if (n <= 0) {
      close(fd);
      fd = -1;
      break;
    }
    at += (gsize)n;
  }
  if (fd < 0)
    cache_error_errno(error, "cannot show a draft");
  return fd;
}

CacheAnswer drafts_open_octets(Account *account, gint64 row, int *ret_fd, gint64 *ret_lender, GError **error) {
  g_auto(JournalNew) entry = {0};
  g_autoptr(GError) failed = NULL;
  *ret_fd = -1;
  *ret_lender = 0;
  if (!journal_get_new(account->index, row, &entry, error))
    return error && *error ? CACHE_FAILED : CACHE_ABSENT;
  if (entry.copy) {
    *ret_fd = body_open(account->bodies, entry.copy);
    *ret_lender = *ret_fd < 0 ? entry.copy : 0;
    return *ret_fd < 0 ? CACHE_ABSENT : CACHE_READY;
  }
  if (entry.spooled) {
    *ret_fd = spool_get(account->spool, row, error);
    return *ret_fd < 0 ? CACHE_FAILED : CACHE_READY;
  }
  g_autoptr(GBytes) bytes = journal_bytes(account->index, row, &failed);
  if (failed) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return CACHE_FAILED;
  }
  if (!bytes)
    bytes = g_bytes_new(NULL, 0);
  *ret_fd = file_of(bytes, error);
  return *ret_fd < 0 ? CACHE_FAILED : CACHE_READY;
}

gboolean drafts_discard(Account *account, gint64 row, GError **error) {
  int fd = -1;
  gint64 lender;
  CacheAnswer answer = drafts_open_octets(account, row, &fd, &lender, error);
  if (answer != CACHE_READY)
    return answer == CACHE_ABSENT;
  gboolean ok = spool_discard(account->spool, fd, error);
  close(fd);
  return ok;
}

/* ---- one that is not open ------------------------------------------------------------------------------------ */

Draft *drafts_open_again(Drafts *drafts, gint64 row, GError **error) {
  Draft *draft;
  gboolean made = FALSE;
  int fd;
  gint64 lender;
  do {
    guint64 ended = drafts_ended(drafts);
    CacheAnswer answer = drafts_open_octets(drafts->account, row, &fd, &lender, error);
    if (answer == CACHE_FAILED || (answer == CACHE_ABSENT && !lender))
      return NULL;
    draft = drafts_attach(drafts, row, ended, &made);
    if (fd >= 0 && !(draft && made))
      close(fd);
  } while (!draft);
  if ((!made || fd < 0 || draft_bytes_fix(&draft->bytes, fd, error)) && draft_begin(draft, error))
    return draft;
  drafts_detach(draft, TRUE);
  return NULL;
}

gboolean drafts_seal(Drafts *drafts, gint64 row, GError **error) {
  Draft *draft = drafts_find(drafts, row);
  if (!draft)
    return TRUE;
  draft_enter(draft);
  gboolean sealed = draft_seal(draft, error);
  drafts_detach(draft, FALSE);
  return sealed;
}

typedef struct {
  Index *index;
  gint64 row;
  gboolean due; /* out */
} Hurry;

static gboolean hurry(IndexTxn *txn, gpointer data, GError **error) {
  Hurry *job = data;
  g_auto(JournalNew) entry = {0};
  g_autoptr(GError) failed = NULL;
  job->due = journal_get_new(job->index, job->row, &entry, &failed) && entry.state == JOURNAL_READY &&
             entry.due != JOURNAL_HELD;
  if (failed) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  return !job->due || journal_set_due(txn, job->row, JOURNAL_NOW, error);
}

gboolean drafts_hurry(Drafts *drafts, gint64 row, GError **error) {
  Hurry job = {.index = drafts->account->index, .row = row};
  if (drafts_urge(drafts, row))
    return TRUE;
  if (!index_write(job.index, INDEX_CHANGE, hurry, &job, error))
    return FALSE;
  if (job.due)
    drafts->hooks.wake(drafts->hooks.data);
  return TRUE;
}

gboolean drafts_prepare(Drafts *drafts, gint64 row, gint64 folder, const char *name, JournalState *ret,
                        GError **error) {
  DraftLook open;
  *ret = JOURNAL_LOCAL;
  if (drafts_look(drafts, row, &open))
    return TRUE;
  Draft *draft = drafts_open_again(drafts, row, error);
  if (!draft)
    return !error || !*error;
  gboolean prepared = draft_prepare(draft, folder, name, ret, error);
  drafts_detach(draft, TRUE);
  return prepared;
}

gboolean drafts_still_open(Drafts *drafts, gint64 row) {
  Draft *draft = drafts_find(drafts, row);
  if (!draft)
    return FALSE;
  draft_enter(draft);
  gboolean open = draft->begun;
  drafts_detach(draft, FALSE);
  return open;
}

/* ---- a copy that was refused --------------------------------------------------------------------------------- */

static gboolean is_gone(Account *account, gint64 row) {
  g_auto(IndexMessage) message = {0};
  g_autoptr(GError) error = NULL;
  return !index_get_message(account->index, row, &message, &error) ? !error : message.gone;
}

void drafts_settled(Drafts *drafts, gint64 row) {
  g_auto(JournalNew) entry = {0};
  drafts_successor(drafts, row); /* it may be itself again */
  if (!journal_get_new(drafts->account->index, row, &entry, NULL) || entry.state != JOURNAL_REFUSED || !entry.copy)
    return;
  Draft *draft = drafts_open_again(drafts, row, NULL);
  if (!draft)
    return;
  draft_own(draft);
  if (draft->copy && is_gone(drafts->account, draft->copy) && draft_clear(draft, NULL))
    draft_tell_data(draft);
  draft->dirty |= !draft->copy;
  drafts_detach(draft, TRUE);
}
