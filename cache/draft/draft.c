/* SPDX-License-Identifier: MIT */
/*
 * One draft, by whoever has its turn: what it is, and its octets.
 *
 *   own row     a NEW that was not sent: held while it is open, and its octets are exchanged at each flush
 *   rewrite     row 0: what the server has, or is being sent. The first flush that makes a difference gives it a fresh
 *               row, which is its own from then on. Nothing but emptiness makes no difference until the last close: it
 *               is how a program begins that writes the file anew, perhaps with the octets that it had
 *   sealed      the octets were sent while it is open, as mail has them: a rewrite of itself. Its own lines stay as
 *               they were written, for the writer goes on at his offset
 */
#include <string.h>

#include "cache/access.h"
#include "cache/draft/draft_private.h"
#include "cache/error.h"
#include "cache/local.h"

#define STEP (1u << 20) /* how many octets are allowed at a time */

Account *draft_account(const Draft *draft) {
  return draft->drafts->account;
}

gboolean draft_message(const Draft *draft, IndexMessage *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (index_get_message(draft_account(draft)->index, draft->row ? draft->row : draft->base, ret, &failed))
    return TRUE;
  if (!failed)
    return cache_fail(error, CACHE_ERROR_GONE, "the message is no more");
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* ---- a writer comes ------------------------------------------------------------------------------------------ */

gboolean draft_begin(Draft *draft, GError **error) {
  DraftHeld held;
  g_auto(IndexMessage) message = {0};
  if (draft->begun)
    return TRUE;
  gint64 row = draft->row ? draft->row : draft->base ? draft->base : draft->opened;
  if (!draft_set_due(draft_account(draft)->index, row, JOURNAL_HELD, &held, error))
    return FALSE;
  draft->base = held.unsent ? 0 : row;
  draft_is_row(draft, held.unsent ? row : 0);
  if (!draft_message(draft, &message, error))
    return FALSE;
  draft->stamp = message.mtime;
  draft->spooled = held.spooled;
  draft->put = held.state;
  draft->kept = 0;
  draft->dirty = draft->written = draft->checked = draft->dated = draft->other_lines = FALSE;
  draft->killed = held.incomplete;
  if (held.copy)
    draft_lend(draft, held.copy, &message);
  draft->begun = TRUE;
  draft_show(draft, 0);
  return TRUE;
}

/* ---- octets -------------------------------------------------------------------------------------------------- */

/* They are those of another message: here from now on. */
static gboolean fetch_lent(Draft *draft, GError **error) {
  if (!draft->copy || draft->bytes.size > 0)
    return TRUE;
  int fd = body_open(draft_account(draft)->bodies, draft->copy);
  if (fd < 0)
    return cache_fail(error, CACHE_ERROR_BUSY, "the octets of the copy are not here");
  return draft_bytes_fix(&draft->bytes, fd, error);
}

void draft_own(Draft *draft) {
  if (!draft->copy || !fetch_lent(draft, NULL))
    return;
  draft->copy = 0;
  draft_show(draft, draft_wrote(draft));
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
  return local + size <= DRAFT_LOCAL || cache_fail(error, CACHE_ERROR_SPACE, "too much here that is no mail");
}

/* What stays local has a limit of its own, what will be sent the server's. An unlinked file has none. */
static gboolean allow(Draft *draft, guint64 size, GError **error) {
  g_auto(IndexMessage) message = {0};
  g_auto(IndexMailbox) folder = {0};
  Account *account = draft_account(draft);
  if (size > DRAFT_MAX)
    return cache_fail(error, CACHE_ERROR_TOOBIG, "no message is so large");
  if (size <= draft->allowed)
    return TRUE;
  if (!draft_message(draft, &message, error))
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
  if (!draft_message(draft, &message, error))
    return FALSE;
  g_snprintf(computed, sizeof computed, "%u.eml", message.uid);
  if (message.uid && draft_account(draft)->config->names_uid && strcmp(computed, message.name) == 0)
    return cache_fail(error, CACHE_ERROR_EXISTS, "this name is that of the server's message, and of no other");
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

/* What stays local may do so for ever, and its source could not be removed as long. */
static gboolean stays_local(const Draft *draft) {
  g_auto(IndexMessage) message = {0};
  g_auto(IndexMailbox) folder = {0};
  return !draft_message(draft, &message, NULL) ||
         !index_get_mailbox(draft_account(draft)->index, message.folder, &folder, NULL) ||
         local_keeps(&folder, message.name);
}

CacheAnswer draft_copy(Draft *draft, gint64 row, guint64 *ret_size, GError **error) {
  g_auto(IndexMessage) message = {0};
  if (draft->bytes.size > 0 || draft->copy || !draft->row ||
      !index_get_message(draft_account(draft)->index, row, &message, error))
    return error && *error ? CACHE_FAILED : CACHE_ABSENT;
  if (message.gone || message.uid == 0 || message.size == IMAP_UNKNOWN_SIZE || message.size == 0 || stays_local(draft))
    return CACHE_ABSENT;
  if (!allow(draft, message.size, error))
    return CACHE_FAILED;
  int fd = body_open(draft_account(draft)->bodies, row);
  if (fd >= 0 && !draft_bytes_fix(&draft->bytes, fd, error))
    return CACHE_FAILED;
  changed(draft);
  draft_lend(draft, row, &message);
  *ret_size = message.size;
  draft_show(draft, g_get_real_time() * 1000);
  return CACHE_READY;
}
