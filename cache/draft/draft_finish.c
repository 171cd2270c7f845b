/* SPDX-License-Identifier: MIT */
/*
 * The way of a draft into the journal: at each flush as it is, and at the last close, or when it is asked for, as it is
 * to be sent: with its lines ended in CR LF. What was flushed is judged again then, by the name that it has by then.
 */
#include <string.h>

#include "cache/draft/draft_private.h"
#include "cache/error.h"

/* ---- into the journal ---------------------------------------------------------------------------------------- */

static gboolean digest(Draft *draft, GError **error) {
  if (!draft->checked && !draft_bytes_digest(&draft->bytes, &draft->digest, error))
    return FALSE;
  draft->checked = TRUE;
  return TRUE;
}

/* A rewrite with what the server has. */
static gboolean is_unchanged(const Draft *draft, const IndexMessage *message) {
  const Octets *octets = &draft->digest.octets;
  return !draft->row && !message->gone && message->size != IMAP_UNKNOWN_SIZE &&
         message->size == octets->size + octets->bare_lf &&
         memcmp(message->sha256, draft->digest.crlf_sha256, sizeof message->sha256) == 0;
}

/* What somebody has just read is in the index a moment later. */
static gboolean look_at_base(Draft *draft, IndexMessage *message, GError **error) {
  Account *account = draft_account(draft);
  if (draft->row || message->size != IMAP_UNKNOWN_SIZE || !body_present(account->bodies, draft->base))
    return TRUE;
  index_message_clear(message);
  return index_flush(account->index, error) && draft_message(draft, message, error);
}

static gboolean is_removed(const IndexMessage *message, const Draft *draft) {
  return (message->gone && draft->row) || (!message->gone && message->folder == 0);
}

/* A whole message was copied at once: whoever did it, it is no half of one. */
static gboolean judge(const Draft *draft, gint64 folder, const char *name, DraftVerdict *ret, GError **error) {
  return draft_judge(draft_account(draft), folder, name, &draft->digest.octets, draft->killed && !draft->copy, ret,
                     error);
}

/* ret_verdict: cleared by the caller. FALSE: it could not be kept; what it is told apart is in the verdict. */
static gboolean put(Draft *draft, IndexPriority priority, gint64 due, DraftVerdict *ret_verdict, GError **error) {
  g_auto(IndexMessage) message = {0};
  if (!draft_message(draft, &message, error) || !look_at_base(draft, &message, error) || !digest(draft, error))
    return FALSE;
  if (is_removed(&message, draft) || is_unchanged(draft, &message)) {
    draft->dirty = FALSE;
    draft_show(draft, 0);
    return TRUE;
  }
  gint64 folder = message.folder ? message.folder : message.mailbox;
  if (!judge(draft, folder, message.name, ret_verdict, error))
    return FALSE;
  if (ret_verdict->state == JOURNAL_LOCAL)
    draft_own(draft);
  if (draft_put(draft, ret_verdict, priority, due, error) == DRAFT_FAILED)
    return FALSE;
  draft->dirty = FALSE;
  draft_show(draft, 0);
  return TRUE;
}

gboolean draft_flush(Draft *draft, gboolean killed, GError **error) {
  g_auto(DraftVerdict) verdict = {0};
  if (killed && draft->written && !draft->killed)
    draft->killed = draft->dirty = TRUE;
  if (!draft->dirty || (!draft->row && draft->bytes.size == 0 && !draft->copy))
    return TRUE;
  if (!put(draft, INDEX_JOURNAL, JOURNAL_HELD, &verdict, error))
    return FALSE;
  if (!verdict.refusal)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&verdict.refusal));
  return FALSE;
}

/* ---- the last writer goes ------------------------------------------------------------------------------------ */

void draft_tell_data(Draft *draft) {
  const DraftsHooks *hooks = &draft->drafts->hooks;
  gint64 rows[] = {draft->row, draft->base, draft->opened};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (!rows[i] || (i > 0 && (rows[i] == rows[i - 1] || rows[i] == rows[0])))
      continue;
    hooks->resized(rows[i], hooks->data);
    account_tell(draft_account(draft), CACHE_EVENT_DATA, CACHE_MESSAGE, rows[i], 0, NULL, NULL);
  }
}

static gboolean to_crlf(Draft *draft, GError **error) {
  if (draft->copy || draft->digest.octets.bare_lf == 0)
    return TRUE;
  if (!draft_bytes_to_crlf(&draft->bytes, NULL, error))
    return FALSE;
  draft->checked = FALSE;
  draft->kept = 0;
  return digest(draft, error);
}

static gint64 due_of(Draft *draft, const IndexMessage *message) {
  gboolean dated = draft->dated || message->mtime != draft->stamp;
  return draft_hurries(draft) || dated ? JOURNAL_NOW : g_get_real_time() + DRAFT_GRACE;
}

/* It is held no longer. */
static gboolean let_go(const Draft *draft, gint64 due, gboolean *ret_ready, GError **error) {
  DraftHeld held;
  if (!draft_set_due(draft_account(draft)->index, draft->row, due, &held, error))
    return FALSE;
  *ret_ready = held.state == JOURNAL_READY;
  return TRUE;
}

/* As it is to be sent. *ret_ready: it is. */
static gboolean finish_judged(Draft *draft, const IndexMessage *message, gint64 due, gboolean *ret_ready,
                              GError **error) {
  g_auto(DraftVerdict) verdict = {0};
  g_auto(DraftVerdict) last = {0};
  if (!digest(draft, error) || !judge(draft, message->folder, message->name, &verdict, error))
    return FALSE;
  *ret_ready = verdict.state == JOURNAL_READY;
  if (verdict.state != JOURNAL_READY && draft->put == JOURNAL_LOCAL)
    return let_go(draft, due, ret_ready, error);
  gboolean converts = *ret_ready && draft->digest.octets.bare_lf > 0;
  if ((converts && !to_crlf(draft, error)) || !put(draft, INDEX_CHANGE, due, &last, error))
    return FALSE;
  if (converts)
    draft_tell_data(draft);
  return TRUE;
}

/* The journal has all of it; it is to be sent at `due`. */
static gboolean finish(Draft *draft, gint64 due, gboolean *ret_ready, GError **error) {
  g_auto(IndexMessage) message = {0};
  g_auto(JournalNew) entry = {0};
  gboolean unsent = FALSE;
  *ret_ready = FALSE;
  if (!draft_message(draft, &message, error) ||
      !draft_unsent(draft_account(draft)->index, draft->row, &entry, &unsent, error))
    return FALSE;
  draft->put = entry.state;                                          /* a rename may have changed that */
  if (!unsent && draft->written && draft->digest.octets.bare_lf > 0) /* it took over a message that has them in CR LF */
    draft_tell_data(draft);
  if (is_removed(&message, draft) || !unsent)
    return TRUE;
  gboolean settled = draft->put == JOURNAL_READY && draft->checked && draft->digest.octets.bare_lf == 0;
  if (!settled && (draft->written || draft->put == JOURNAL_LOCAL))
    return finish_judged(draft, &message, due, ret_ready, error);
  return let_go(draft, due, ret_ready, error);
}

gboolean draft_prepare(Draft *draft, gint64 folder, const char *name, JournalState *ret, GError **error) {
  g_auto(DraftVerdict) verdict = {0}, as_it_was = {.state = draft->put};
  *ret = JOURNAL_READY;
  if (!draft->row)
    return TRUE;
  if (!digest(draft, error) || !judge(draft, folder, name, &verdict, error))
    return FALSE;
  if (verdict.refusal) {
    g_propagate_error(error, g_steal_pointer(&verdict.refusal));
    return FALSE;
  }
  if (verdict.reason)
    return cache_fail(error, CACHE_ERROR_INVALID, verdict.reason);
  *ret = verdict.state;
  if (verdict.state != JOURNAL_READY || draft->digest.octets.bare_lf == 0)
    return TRUE;
  if (!to_crlf(draft, error) || draft_put(draft, &as_it_was, INDEX_CHANGE, JOURNAL_HELD, error) == DRAFT_FAILED)
    return FALSE;
  draft_tell_data(draft);
  return TRUE;
}

static void wake(Draft *draft) {
  draft->drafts->hooks.wake(draft->drafts->hooks.data);
}

/* What nobody flushed: written through a mapping, or an emptiness that stayed. */
static gboolean put_rest(Draft *draft, GError **error) {
  g_auto(DraftVerdict) verdict = {0};
  if (!draft->dirty || put(draft, INDEX_JOURNAL, JOURNAL_HELD, &verdict, error)) {
    if (verdict.refusal)
      g_message("a file stays local: %s", verdict.refusal->message);
    return TRUE;
  }
  return FALSE;
}

void draft_finish(Draft *draft) {
  g_autoptr(GError) error = NULL;
  g_auto(IndexMessage) message = {0};
  gboolean ready = FALSE, written = draft->written;
  if (!draft->begun)
    return;
  draft->begun = FALSE;
  gboolean kept = put_rest(draft, &error);
  if (kept && draft->row && draft_message(draft, &message, NULL))
    kept = finish(draft, due_of(draft, &message), &ready, &error);
  else if (kept && !draft->row && (written || draft->other_lines))
    draft_tell_data(draft);
  if (!kept)
    g_warning("a file that was closed cannot be sent yet: %s", error->message);
  if (!kept && draft->row)
    drafts_note_unfinished(draft->drafts, draft->row);
  if (ready)
    wake(draft);
}

/* ---- fsync --------------------------------------------------------------------------------------------------- */

/* As it is to be sent; what the programs have, who go on at their offsets, is put aside meanwhile. */
static gboolean finish_as_mail(Draft *draft, gboolean *ret_ready, GError **error) {
  g_auto(DraftBytes) written = {.fd = -1};
  if (!digest(draft, error))
    return FALSE;
  gboolean converts = draft->put == JOURNAL_READY && draft->digest.octets.bare_lf > 0 && !draft->copy;
  if (converts && !draft_bytes_to_crlf(&draft->bytes, &written, error))
    return FALSE;
  if (converts)
    draft->checked = FALSE;
  gboolean finished = finish(draft, JOURNAL_NOW, ret_ready, error);
  if (!converts)
    return finished;
  draft_bytes_clear(&draft->bytes);
  draft->bytes = written;
  written = (DraftBytes){.fd = -1};
  draft->checked = FALSE;
  draft->kept = 0;
  draft->dirty = !*ret_ready;
  draft->other_lines = *ret_ready;
  draft_show(draft, 0);
  return finished;
}

gboolean draft_seal(Draft *draft, GError **error) {
  gboolean ready = FALSE;
  g_auto(IndexMessage) message = {0};
  if (!draft->begun)
    return TRUE;
  if (!draft_flush(draft, FALSE, error))
    return FALSE;
  if (!draft->row)
    return TRUE;
  if (!finish_as_mail(draft, &ready, error))
    return FALSE;
  if (!ready)
    return TRUE;
  wake(draft);
  if (!draft_message(draft, &message, error))
    return FALSE;
  if (!draft->other_lines)
    draft_bytes_freeze(&draft->bytes);
  draft->base = draft->row;
  draft_is_row(draft, 0);
  draft->stamp = message.mtime;
  draft->spooled = draft->written = FALSE;
  draft->kept = 0;
  return TRUE;
}
