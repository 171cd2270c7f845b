/* SPDX-License-Identifier: MIT */
/*
 * A batch is filled by the thread that reads the connection and belongs to the index writer from then on. At most
 * POSTED of them wait there. Where one fails the first error is kept, and nothing more is posted.
 *
 * A message that takes a row over without being proven has the body of that row held before the transaction ends.
 */
#include "cache/sync/posting.h"

#include "cache/message.h"

#define BATCH 400
#define POSTED 8

typedef struct {
  Posting *posting;
  guint n;
  IndexMessage messages[BATCH];
} Batch;

struct _Posting {
  Account *account;
  gint64 mailbox, entered, now;
  PostingKind kind;
  Batch *batch;
  GMutex mutex; /* guards the rest, shared with the index writer's callbacks */
  GCond cond;
  guint posted;
  gboolean changed;
  GError *failed;
};

Posting *posting_new(Account *account, gint64 mailbox, PostingKind kind, gint64 entered) {
  Posting *posting = g_new0(Posting, 1);
  posting->account = account;
  posting->mailbox = mailbox;
  posting->kind = kind;
  posting->entered = entered;
  posting->now = g_get_real_time() / G_USEC_PER_SEC;
  g_mutex_init(&posting->mutex);
  g_cond_init(&posting->cond);
  return posting;
}

/* ---- in the writer's thread ---------------------------------------------------------------------------- */

static gboolean write_one(IndexTxn *txn, Posting *posting, IndexMessage *message, gboolean *ret_changed,
                          GError **error) {
  if (posting->kind == POSTING_FLAGS)
    return index_set_flags(txn, message->mailbox, message->uid, message->flags, message->keywords, ret_changed, error);
  if (!index_add_message(txn, message, ret_changed, error))
    return FALSE;
  if (message->unproven)
    body_hold(posting->account->bodies, message->row);
  return TRUE;
}

static gboolean write_batch(IndexTxn *txn, gpointer data, GError **error) {
  Batch *batch = data;
  gboolean changed = FALSE;
  for (guint i = 0; i < batch->n; i++) {
    gboolean one = FALSE;
    if (!write_one(txn, batch->posting, &batch->messages[i], &one, error))
      return FALSE;
    changed |= one;
  }
  if (changed) {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&batch->posting->mutex);
    batch->posting->changed = TRUE;
  }
  return TRUE;
}

static void batch_free(Batch *batch) {
  for (guint i = 0; i < batch->n; i++)
    index_message_clear(&batch->messages[i]);
  g_free(batch);
}

static void batch_done(gpointer data, const GError *error) {
  Batch *batch = data;
  Posting *posting = batch->posting;
  batch_free(batch);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&posting->mutex);
  if (error && !posting->failed)
    posting->failed = g_error_copy(error);
  posting->posted--;
  g_cond_signal(&posting->cond);
}

/* ---- in the reader's ----------------------------------------------------------------------------------- */

/* Waits until at most `most` batches are under way. FALSE: one of them failed. */
static gboolean settle(Posting *posting, guint most, GError **error) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&posting->mutex);
  while (posting->posted > most)
    g_cond_wait(&posting->cond, &posting->mutex);
  if (posting->failed && error && !*error)
    *error = g_error_copy(posting->failed);
  return posting->failed == NULL;
}

static gboolean post_batch(Posting *posting, GError **error) {
  Batch *batch = g_steal_pointer(&posting->batch);
  if (!batch)
    return TRUE;
  if (!settle(posting, POSTED - 1, error)) {
    batch_free(batch);
    return FALSE;
  }
  g_mutex_lock(&posting->mutex);
  posting->posted++;
  g_mutex_unlock(&posting->mutex);
  index_post(posting->account->index, INDEX_SYNC, write_batch, batch, batch_done);
  return TRUE;
}

gboolean posting_add(Posting *posting, const ImapMessage *fetched, GError **error) {
  if (!posting->batch) {
    posting->batch = g_new(Batch, 1);
    posting->batch->posting = posting;
    posting->batch->n = 0;
  }
  Batch *batch = posting->batch;
  message_from_fetch(fetched, posting->mailbox, posting->account->config->names_uid, posting->entered, posting->now,
                     &batch->messages[batch->n++]);
  return batch->n < BATCH || post_batch(posting, error);
}

void posting_take(const ImapMessage *fetched, gpointer data) {
  if ((fetched->has & IMAP_HAS_UID) && (fetched->has & IMAP_HAS_FLAGS))
    posting_add(data, fetched, NULL);
}

gboolean posting_end(Posting *posting, gboolean *ret_changed, GError **error) {
  gboolean ok = post_batch(posting, error);
  ok = settle(posting, 0, error) && ok;
  if (ret_changed)
    *ret_changed |= posting->changed; /* nobody else holds it any more */
  return ok;
}

void posting_free(Posting *posting) {
  settle(posting, 0, NULL);
  g_clear_pointer(&posting->batch, batch_free);
  g_clear_error(&posting->failed);
  g_cond_clear(&posting->cond);
  g_mutex_clear(&posting->mutex);
  g_free(posting);
}
