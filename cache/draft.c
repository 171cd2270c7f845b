/* SPDX-License-Identifier: MIT */
/*
 * One draft, by whoever has its turn.
 *
 *   own row     a NEW that was not sent: held while it is open, and its octets are exchanged at each flush
 *   rewrite     row 0: what the server has, or is being sent. The first flush that makes a difference gives it a fresh
 *               row, which is its own from then on. Nothing but emptiness makes no difference until the last close: it
 *               is how a program begins that writes the file anew, perhaps with the octets that it had
 *   sealed      the octets were sent while it is open: a rewrite of itself
 *
 * What was flushed is judged again when it is closed, by the name that it has by then.
 */
#include <string.h>

#include "cache/access.h"
#include "cache/draft_private.h"
#include "cache/local.h"

#define STEP (1u << 20) /* how many octets are allowed at a time */

static Account *account_of(const Draft *draft) {
  return draft->drafts->account;
}

static gboolean refuse(GError **error, CacheError code, const char *why) {
  g_set_error_literal(error, CACHE_ERROR, code, why);
  return FALSE;
}

/* The message as it is shown now: in which folder, under which name. GONE: it is not. */
static gboolean look(const Draft *draft, IndexMessage *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (index_get_message(account_of(draft)->index, draft->row ? draft->row : draft->base, ret, &failed))
    return TRUE;
  if (!failed)
    return refuse(error, CACHE_ERROR_GONE, "the message is no more");
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* ---- a writer comes -------------------------------------------------------------------------------------------- */

typedef struct {
  Index *index;
  gint64 row, due;
  /* out: of a NEW that was not sent */
  gboolean unsent, spooled, incomplete;
  JournalState state;
  gint64 copy;
} Due;

/* Nothing to do where there is no NEW that waits. */
static gboolean set_due(IndexTxn *txn, gpointer data, GError **error) {
  Due *due = data;
  g_auto(JournalNew) entry = {0};
  g_autoptr(GError) failed = NULL;
  due->unsent = journal_get_new(due->index, due->row, &entry, &failed) &&
                (entry.state == JOURNAL_LOCAL || entry.state == JOURNAL_READY || entry.state == JOURNAL_REFUSED);
  due->spooled = entry.spooled;
  due->incomplete = g_strcmp0(entry.reason, DRAFT_INCOMPLETE) == 0;
  due->state = entry.state;
  due->copy = entry.copy;
  if (due->unsent)
    return journal_set_due(txn, due->row, due->due, error);
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean hold(Draft *draft, gint64 row, Due *ret, GError **error) {
  g_auto(JournalNew) entry = {0};
  g_autoptr(GError) failed = NULL;
  *ret = (Due){.index = account_of(draft)->index, .row = row, .due = JOURNAL_HELD};
  if (journal_get_new(ret->index, row, &entry, &failed))
    return index_write(ret->index, INDEX_CHANGE, set_due, ret, error);
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* The octets are those of `source`, known without a look at them. */
static void lend(Draft *draft, gint64 row, const IndexMessage *source) {
  draft->copy = row;
  draft->copied = source->size;
  draft->digest = (DraftDigest){.octets = {.size = source->size, .begins = TRUE}};
  memcpy(draft->digest.sha256, source->sha256, sizeof source->sha256);
  memcpy(draft->digest.crlf_sha256, source->sha256, sizeof source->sha256);
  memcpy(draft->digest.fingerprint, source->fingerprint, sizeof source->fingerprint);
  draft->checked = TRUE;
}

gboolean draft_begin(Draft *draft, GError **error) {
  Due held;
  g_auto(IndexMessage) message = {0};
  if (draft->begun)
    return TRUE;
  gint64 row = draft->row ? draft->row : draft->base ? draft->base : draft->opened;
  if (!hold(draft, row, &held, error))
    return FALSE;
  draft->base = held.unsent ? 0 : row;
  draft_is_row(draft, held.unsent ? row : 0);
  if (!look(draft, &message, error))
    return FALSE;
  draft->stamp = message.mtime;
  draft->spooled = held.spooled && held.unsent;
  draft->put = held.state;
  draft->kept = 0;
  draft->dirty = draft->written = draft->checked = draft->dated = FALSE;
  draft->killed = held.unsent && held.incomplete;
  if (held.unsent && held.copy)
    lend(draft, held.copy, &message);
  draft->begun = TRUE;
  draft_show(draft, 0);
  return TRUE;
}

/* ---- octets ---------------------------------------------------------------------------------------------------------
 */

/* They are those of another message: here from now on. */
static gboolean fetch_lent(Draft *draft, GError **error) {
  if (!draft->copy || draft->bytes.size > 0)
    return TRUE;
  int fd = body_open(account_of(draft)->bodies, draft->copy);
  if (fd < 0)
    return refuse(error, CACHE_ERROR_BUSY, "the octets of the copy are not here");
  return draft_bytes_fix(&draft->bytes, fd, error);
}

static void changed(Draft *draft) {
  if (!draft->written) /* whoever was killed before, somebody goes on */
    draft->killed = FALSE;
  draft->dirty = draft->written = TRUE;
  draft->checked = FALSE;
  draft->copy = 0;
  draft->kept = 0;
  draft_show(draft, g_get_real_time() * 1000);
}

static gboolean allow_local(Account *account, guint64 size, GError **error) {
  guint64 local = 0;
  if (!journal_local_bytes(account->index, &local, error))
    return FALSE;
  return local + size <= DRAFT_LOCAL || refuse(error, CACHE_ERROR_SPACE, "too much here that is no mail");
}

/* What stays local has a limit of its own, what will be sent the server's. An unlinked file has none. */
static gboolean allow(Draft *draft, guint64 size, GError **error) {
  g_auto(IndexMessage) message = {0};
  g_auto(IndexMailbox) folder = {0};
  Account *account = account_of(draft);
  if (size > DRAFT_MAX)
    return refuse(error, CACHE_ERROR_TOOBIG, "no message is so large");
  if (size <= draft->allowed)
    return TRUE;
  if (!look(draft, &message, error))
    return FALSE;
  if (message.gone || !index_get_mailbox(account->index, message.folder, &folder, NULL))
    return TRUE;
  if (!(local_keeps(&folder, message.name) ? allow_local(account, size, error)
                                           : access_check_size(account, message.folder, size, error)))
    return FALSE;
  draft->allowed = size + STEP;
  return TRUE;
}

gboolean draft_write(Draft *draft, const void *octets, gsize len, guint64 offset, GError **error) {
  if (len == 0)
    return TRUE;
  if (!allow(draft, MIN(offset, DRAFT_MAX) + len, error) || !fetch_lent(draft, error) ||
      !draft_bytes_write(&draft->bytes, octets, len, offset, error))
    return FALSE;
  changed(draft);
  return TRUE;
}

gboolean draft_truncate(Draft *draft, guint64 size, GError **error) {
  if (size == (draft->copy ? draft->copied : draft->bytes.size))
    return TRUE;
  if (size == 0)
    return draft_clear(draft, error);
  if (!allow(draft, size, error) || !fetch_lent(draft, error) || !draft_bytes_truncate(&draft->bytes, size, error))
    return FALSE;
  changed(draft);
  return TRUE;
}

gboolean draft_clear(Draft *draft, GError **error) {
  g_auto(IndexMessage) message = {0};
  char computed[16];
  if (!look(draft, &message, error))
    return FALSE;
  g_snprintf(computed, sizeof computed, "%u.eml", message.uid);
  if (message.uid && account_of(draft)->config->names_uid && strcmp(computed, message.name) == 0)
    return refuse(error, CACHE_ERROR_EXISTS, "this name is that of the server's message, and of no other");
  if (!draft_bytes_truncate(&draft->bytes, 0, error))
    return FALSE;
  draft->killed = FALSE;
  changed(draft);
  return TRUE;
}

gssize draft_read(Draft *draft, void *buffer, gsize len, guint64 offset, GError **error) {
  if (!fetch_lent(draft, error))
    return -1;
  return draft_bytes_read(&draft->bytes, buffer, len, offset, error);
}

CacheAnswer draft_copy(Draft *draft, gint64 row, guint64 *ret_size, GError **error) {
  g_auto(IndexMessage) message = {0};
  if (draft->bytes.size > 0 || draft->copy || !draft->row ||
      !index_get_message(account_of(draft)->index, row, &message, error))
    return error && *error ? CACHE_FAILED : CACHE_ABSENT;
  if (message.gone || message.uid == 0 || message.size == IMAP_UNKNOWN_SIZE || message.size == 0)
    return CACHE_ABSENT;
  if (!allow(draft, message.size, error))
    return CACHE_FAILED;
  int fd = body_open(account_of(draft)->bodies, row);
  if (fd >= 0 && !draft_bytes_fix(&draft->bytes, fd, error))
    return CACHE_FAILED;
  changed(draft);
  lend(draft, row, &message);
  *ret_size = message.size;
  draft_show(draft, g_get_real_time() * 1000);
  return CACHE_READY;
}

/* ---- into the journal
 * ------------------------------------------------------------------------------------------------ */

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

static gboolean is_removed(const IndexMessage *message, const Draft *draft) {
  return (message->gone && draft->row) || (!message->gone && message->folder == 0);
}

/* ret_verdict: cleared by the caller. FALSE: it could not be kept; what it is told apart is in the verdict. */
static gboolean put(Draft *draft, IndexPriority priority, gint64 due, DraftVerdict *ret_verdict, GError **error) {
  g_auto(IndexMessage) message = {0};
  if (!look(draft, &message, error) || !digest(draft, error))
    return FALSE;
  if (is_removed(&message, draft) || is_unchanged(draft, &message)) {
    draft->dirty = FALSE;
    draft_show(draft, 0);
    return TRUE;
  }
  gint64 folder = message.folder ? message.folder : message.mailbox;
  if (!draft_judge(account_of(draft), folder, message.name, &draft->digest.octets, draft->killed, ret_verdict, error) ||
      draft_put(draft, ret_verdict, priority, due, error) == DRAFT_FAILED)
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

/* ---- the last writer goes
 * -------------------------------------------------------------------------------------------- */

/* The kernel has other octets than we have now. */
static void tell_data(Draft *draft) {
  const DraftsHooks *hooks = &draft->drafts->hooks;
  gint64 rows[] = {draft->row, draft->base, draft->opened};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (!rows[i] || (i > 0 && (rows[i] == rows[i - 1] || rows[i] == rows[0])))
      continue;
    hooks->resized(rows[i], hooks->data);
    account_tell(account_of(draft), CACHE_EVENT_DATA, CACHE_MESSAGE, rows[i], 0, NULL, NULL);
  }
}

static gboolean to_crlf(Draft *draft, GError **error) {
  if (draft->copy || draft->digest.octets.bare_lf == 0)
    return TRUE;
  if (!draft_bytes_to_crlf(&draft->bytes, error))
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
  Due job = {.index = account_of(draft)->index, .row = draft->row, .due = due};
  if (!index_write(job.index, INDEX_CHANGE, set_due, &job, error))
    return FALSE;
  *ret_ready = job.unsent && job.state == JOURNAL_READY;
  return TRUE;
}

/* As it is to be sent. *ret_ready: it is. */
static gboolean finish_judged(Draft *draft, const IndexMessage *message, gint64 due, gboolean *ret_ready,
                              GError **error) {
  g_auto(DraftVerdict) verdict = {0};
  g_auto(DraftVerdict) last = {0};
  if (!digest(draft, error) || !draft_judge(account_of(draft), message->folder, message->name, &draft->digest.octets,
                                            draft->killed, &verdict, error))
    return FALSE;
  *ret_ready = verdict.state == JOURNAL_READY;
  if (verdict.state != JOURNAL_READY && draft->put == JOURNAL_LOCAL)
    return let_go(draft, due, ret_ready, error);
  gboolean converts = *ret_ready && draft->digest.octets.bare_lf > 0;
  if ((converts && !to_crlf(draft, error)) || !put(draft, INDEX_CHANGE, due, &last, error))
    return FALSE;
  if (converts)
    tell_data(draft);
  return TRUE;
}

/* As what the journal has it by now: a rename may have changed that. FALSE, *ret_unsent too: it is on its way. */
static gboolean look_up(Draft *draft, gboolean *ret_unsent, GError **error) {
  g_auto(JournalNew) entry = {0};
  g_autoptr(GError) failed = NULL;
  *ret_unsent = journal_get_new(account_of(draft)->index, draft->row, &entry, &failed) &&
                (entry.state == JOURNAL_LOCAL || entry.state == JOURNAL_READY || entry.state == JOURNAL_REFUSED);
  draft->put = entry.state;
  if (!failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* The journal has all of it; it is to be sent at `due`. */
static gboolean finish(Draft *draft, gint64 due, gboolean *ret_ready, GError **error) {
  g_auto(IndexMessage) message = {0};
  gboolean unsent = FALSE;
  *ret_ready = FALSE;
  if (!look(draft, &message, error) || !look_up(draft, &unsent, error))
    return FALSE;
  if (!unsent && draft->written && draft->digest.octets.bare_lf > 0) /* it took over a message that has them in CR LF */
    tell_data(draft);
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
  if (!digest(draft, error) ||
      !draft_judge(account_of(draft), folder, name, &draft->digest.octets, draft->killed, &verdict, error))
    return FALSE;
  if (verdict.refusal) {
    g_propagate_error(error, g_steal_pointer(&verdict.refusal));
    return FALSE;
  }
  if (verdict.reason)
    return refuse(error, CACHE_ERROR_INVALID, verdict.reason);
  *ret = verdict.state;
  if (verdict.state != JOURNAL_READY || draft->digest.octets.bare_lf == 0)
    return TRUE;
  if (!to_crlf(draft, error) || draft_put(draft, &as_it_was, INDEX_CHANGE, JOURNAL_HELD, error) == DRAFT_FAILED)
    return FALSE;
  tell_data(draft);
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
  if (kept && draft->row && look(draft, &message, NULL))
    kept = finish(draft, due_of(draft, &message), &ready, &error);
  else if (kept && !draft->row && written)
    tell_data(draft);
  if (!kept)
    g_warning("a file that was closed cannot be sent yet: %s", error->message);
  if (ready)
    wake(draft);
}

/* ---- fsync --------------------------------------------------------------------------------------------------------
 */

gboolean draft_seal(Draft *draft, GError **error) {
  gboolean ready = FALSE;
  g_auto(IndexMessage) message = {0};
  if (!draft->begun)
    return TRUE;
  if (!draft_flush(draft, FALSE, error))
    return FALSE;
  if (!draft->row)
    return TRUE;
  if (!finish(draft, JOURNAL_NOW, &ready, error))
    return FALSE;
  if (!ready)
    return TRUE;
  wake(draft);
  if (!look(draft, &message, error))
    return FALSE;
  draft_bytes_freeze(&draft->bytes);
  draft->base = draft->row;
  draft_is_row(draft, 0);
  draft->stamp = message.mtime;
  draft->spooled = draft->written = FALSE;
  draft->kept = 0;
  return TRUE;
}
