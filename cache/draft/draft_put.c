/* SPDX-License-Identifier: MIT */
/*
 * From a draft into the journal, in one job, so that each of these is whole or did not happen:
 *
 *   its own row, not sent yet      the octets are exchanged
 *   a rewrite                      a fresh row takes the name of the message, which waits hidden to be removed
 *   somebody else removed the one  there is nothing to replace: a new message, under the next free name
 *   that is rewritten
 *   the user removed it            nothing: what is written into an unlinked file ends with it
 *
 * Which of them it is shows only inside the job: until then the replay may have sent the row. A file is kept in the
 * spool from inside it, too, because it is called by the number of the row; its octets are on the disk before.
 */
#include <string.h>
#include <unistd.h>

#include "cache/access.h"
#include "cache/draft/draft_private.h"
#include "cache/error.h"
#include "cache/local.h"
#include "cache/tree/names.h"

#define NS G_GINT64_CONSTANT(1000000000)
#define NAME_TRIES 999

/* ---- what becomes of them ------------------------------------------------------------------------------------ */

void draft_verdict_clear(DraftVerdict *verdict) {
  g_clear_error(&verdict->refusal);
}

static gboolean stays(DraftVerdict *ret, const char *reason, gboolean tell) {
  ret->state = JOURNAL_LOCAL;
  ret->reason = reason;
  if (tell)
    g_set_error_literal(&ret->refusal, CACHE_ERROR, CACHE_ERROR_INVALID, reason);
  return TRUE;
}

gboolean draft_judge(Account *account, gint64 folder, const char *name, const Octets *octets, gboolean killed,
                     DraftVerdict *ret, GError **error) {
  g_auto(IndexMailbox) mailbox = {0};
  *ret = (DraftVerdict){.state = JOURNAL_READY};
  if (!index_need_mailbox(account->index, folder, &mailbox, error))
    return FALSE;
  if (local_keeps(&mailbox, name) || octets->size == 0)
    return stays(ret, NULL, FALSE);
  if (killed)
    return stays(ret, DRAFT_INCOMPLETE, FALSE);
  if (octets->nul)
    return stays(ret, "no message: it holds NUL", TRUE);
  if (!octets->begins)
    return stays(ret, "no message: it does not begin with a header", TRUE);
  if (!access_check_size(account, folder, octets->size + octets->bare_lf, &ret->refusal))
    return stays(ret, ret->refusal->message, FALSE);
  return TRUE;
}

/* ---- the job ------------------------------------------------------------------------------------------------- */

typedef struct {
  Draft *draft;
  Account *account;
  gint64 wrote;
  JournalContent content;
  /* out */
  DraftOutcome outcome;
  IndexMessage message; /* as it is then */
  IndexMessage old;     /* what was replaced: row 0: nothing */
  gboolean dated;       /* its mtime is the user's will */
  gint64 orphan;        /* its file in the spool ended with it; or 0 */
} Put;

/* ret_spooled: it has a file in the spool. */
static gboolean is_unsent(Account *account, gint64 row, gboolean *ret, gboolean *ret_spooled, GError **error) {
  g_auto(JournalNew) entry = {0};
  if (!draft_unsent(account->index, row, &entry, ret, error))
    return FALSE;
  *ret_spooled = *ret && entry.spooled;
  return TRUE;
}

/* The user set it since we last looked, and the last write does not count; else it does. */
static gint64 mtime_of(Put *put, const IndexMessage *message) {
  put->dated = message->mtime != put->draft->stamp;
  return put->dated || put->wrote == 0 ? message->mtime : put->wrote;
}

static gboolean set_dates(Put *put, IndexTxn *txn, GError **error) {
  IndexMessage *message = &put->message;
  gint64 mtime = mtime_of(put, message), now = g_get_real_time() * 1000;
  if (mtime != message->mtime && (!index_set_mtime(txn, message->row, mtime, error) ||
                                  !index_set_internaldate(txn, message->row, mtime / NS, error)))
    return FALSE;
  message->mtime = mtime;
  return index_set_ctime(txn, message->row, now, error);
}

/* Under the next name that is free. */
static gboolean create_anew(IndexTxn *txn, IndexMessage *fresh, GError **error) {
  char wanted[NAMES_MAX + 1];
  g_strlcpy(wanted, fresh->name, sizeof wanted);
  for (guint n = 2; n <= NAME_TRIES; n++) {
    g_autoptr(GError) local = NULL;
    if (journal_create(txn, fresh, &local))
      return TRUE;
    if (!g_error_matches(local, CACHE_ERROR, CACHE_ERROR_EXISTS)) {
      g_propagate_error(error, g_steal_pointer(&local));
      return FALSE;
    }
    names_suffix(wanted, n, fresh->name);
  }
  g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_EXISTS, "no name is free");
  return FALSE;
}

static gboolean make_fresh(Put *put, IndexTxn *txn, GError **error) {
  IndexMessage *old = &put->old, *fresh = &put->message;
  gint64 mtime = mtime_of(put, old);
  gboolean unsent = FALSE, spooled = FALSE;
  if (!is_unsent(put->account, old->row, &unsent, &spooled, error))
    return FALSE;
  put->orphan = spooled ? old->row : 0;
  *fresh = (IndexMessage){.mailbox = old->folder ? old->folder : old->mailbox,
                          .flags = old->flags,
                          .keywords = g_strdup(old->keywords),
                          .mtime = mtime,
                          .ctime = g_get_real_time() * 1000,
                          .internaldate = mtime / NS};
  g_strlcpy(fresh->name, old->name, sizeof fresh->name);
  return old->gone ? create_anew(txn, fresh, error) : journal_replace(txn, old->row, fresh, error);
}

/* The row that is to have the octets, in put->message. TRUE and outcome REMOVED: there is none to be. */
static gboolean find_row(Put *put, IndexTxn *txn, GError **error) {
  Draft *draft = put->draft;
  Index *index = put->account->index;
  gboolean own = FALSE, spooled = FALSE;
  g_autoptr(GError) failed = NULL;
  gint64 row = draft->row ? draft->row : draft->base;
  if (draft->row && !is_unsent(put->account, row, &own, &spooled, error))
    return FALSE;
  IndexMessage *found = own ? &put->message : &put->old;
  put->outcome = DRAFT_REMOVED;
  if (!index_get_message(index, row, found, &failed) || (draft->row && found->gone) ||
      (!found->gone && found->folder == 0)) {
    index_message_clear(found);
    *found = (IndexMessage){0};
    if (failed)
      g_propagate_error(error, g_steal_pointer(&failed));
    return failed == NULL;
  }
  put->outcome = DRAFT_PUT;
  return own ? set_dates(put, txn, error) : make_fresh(put, txn, error);
}

static gboolean keep_file(Put *put, GError **error) {
  Draft *draft = put->draft;
  if (draft->copy || draft->bytes.fd < 0 || draft->kept == put->message.row)
    return TRUE;
  g_autofree char *about = draft_about(put->account, &put->message);
  return spool_keep(put->account->spool, draft->bytes.fd, put->message.row, about, error);
}

static gboolean put_job(IndexTxn *txn, gpointer data, GError **error) {
  Put *put = data;
  if (!find_row(put, txn, error))
    return FALSE;
  if (put->outcome == DRAFT_REMOVED)
    return TRUE;
  put->content.row = put->message.row;
  return keep_file(put, error) && journal_put(txn, &put->content, error);
}

/* ---- around it ----------------------------------------------------------------------------------------------- */

static void describe(const Draft *draft, const DraftVerdict *verdict, gint64 due, JournalContent *ret) {
  *ret = (JournalContent){.state = verdict->state, .due = due, .reason = verdict->reason, .copy = draft->copy};
  ret->size = draft->copy ? draft->copied : draft->bytes.size;
  if (!draft->copy && draft->bytes.fd < 0)
    ret->bytes = draft->bytes.memory->data;
  memcpy(ret->sha256, draft->digest.sha256, sizeof ret->sha256);
  memcpy(ret->fingerprint, draft->digest.fingerprint, sizeof ret->fingerprint);
}

/* Another row than before: whoever holds the old one finds the new one, and the kernel asks for the name again. */
static void tell_replaced(Put *put) {
  Account *account = put->account;
  drafts_rewritten(put->draft->drafts, put->old.row, put->message.row);
  account_tell(account, CACHE_EVENT_MOVED, CACHE_MESSAGE, put->old.row, put->message.mailbox, put->old.name, NULL);
  account_tell(account, CACHE_EVENT_CHANGED, CACHE_FOLDER, put->message.mailbox, 0, NULL, NULL);
}

static void settle(Put *put) {
  Draft *draft = put->draft;
  gint64 row = put->message.row;
  gboolean filed = !draft->copy && draft->bytes.fd >= 0;
  if (put->orphan)
    spool_drop(put->account->spool, put->orphan);
  if (!put->old.row && draft->spooled && !filed)
    spool_drop(put->account->spool, row);
  draft->spooled = filed;
  draft->kept = filed ? row : 0;
  draft_bytes_freeze(&draft->bytes);
  draft->stamp = put->message.mtime;
  draft->dated |= put->dated;
  draft->put = put->content.state;
  if (!put->old.row)
    return;
  draft->base = put->old.gone ? 0 : put->old.row;
  draft_is_row(draft, row);
  tell_replaced(put);
}

/* A large one; and before that the row, whose number will be its name. */
static gboolean sync_file(Draft *draft, GError **error) {
  if (draft->copy || draft->bytes.fd < 0 || draft->kept)
    return TRUE;
  return (fdatasync(draft->bytes.fd) == 0 || cache_error_errno(error, "cannot write a draft")) &&
         index_sync_disk(draft->drafts->account->index, error);
}

DraftOutcome draft_put(Draft *draft, const DraftVerdict *verdict, IndexPriority priority, gint64 due, GError **error) {
  Account *account = draft->drafts->account;
  Put put = {.draft = draft, .account = account, .wrote = draft_wrote(draft)};
  describe(draft, verdict, due, &put.content);
  if (!sync_file(draft, error))
    return DRAFT_FAILED;
  if (!index_write(account->index, priority, put_job, &put, error))
    put.outcome = DRAFT_FAILED;
  if (put.outcome == DRAFT_PUT)
    settle(&put);
  index_message_clear(&put.message);
  index_message_clear(&put.old);
  return put.outcome;
}
