/* SPDX-License-Identifier: MIT */
/*
 * A NEW is held while somebody writes it, so that no half of it is sent. Whether it still can be held shows only inside
 * the job: until then the replay may have taken it.
 */
#include <string.h>

#include "cache/draft/draft_private.h"

gboolean draft_unsent(Index *index, gint64 row, JournalNew *ret, gboolean *ret_unsent, GError **error) {
  g_autoptr(GError) failed = NULL;
  *ret_unsent = journal_get_new(index, row, ret, &failed) && journal_is_unsent(ret->state);
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

typedef struct {
  Index *index;
  gint64 row, due;
  DraftHeld *held; /* out */
} Due;

/* Nothing to do where there is no NEW that waits, and where it is due then already: what was created a moment ago is
 * held. */
static gboolean look(const Due *job, gboolean *ret_changes, GError **error) {
  g_auto(JournalNew) entry = {0};
  DraftHeld *held = job->held;
  *held = (DraftHeld){0};
  if (!draft_unsent(job->index, job->row, &entry, &held->unsent, error))
    return FALSE;
  *ret_changes = held->unsent && entry.due != job->due;
  if (!held->unsent)
    return TRUE;
  held->state = entry.state;
  held->spooled = entry.spooled;
  held->copy = entry.copy;
  held->incomplete = g_strcmp0(entry.reason, DRAFT_INCOMPLETE) == 0;
  return TRUE;
}

static gboolean set_due(IndexTxn *txn, gpointer data, GError **error) {
  const Due *job = data;
  gboolean changes = FALSE;
  return look(job, &changes, error) && (!changes || journal_set_due(txn, job->row, job->due, error));
}

gboolean draft_set_due(Index *index, gint64 row, gint64 due, DraftHeld *ret, GError **error) {
  Due job = {index, row, due, ret};
  gboolean changes = FALSE;
  return look(&job, &changes, error) && (!changes || index_write(index, INDEX_CHANGE, set_due, &job, error));
}

/* ---- the octets of another ----------------------------------------------------------------------------------- */

void draft_lend(Draft *draft, gint64 row, const IndexMessage *source) {
  draft->copy = row;
  draft->copied = source->size;
  draft->digest = (DraftDigest){.octets = {.size = source->size, .begins = TRUE}};
  memcpy(draft->digest.sha256, source->sha256, sizeof source->sha256);
  memcpy(draft->digest.crlf_sha256, source->sha256, sizeof source->sha256);
  memcpy(draft->digest.fingerprint, source->fingerprint, sizeof source->fingerprint);
  draft->checked = TRUE;
}
