/* SPDX-License-Identifier: MIT */
/*
 * New files and rewrites, as fs/ asks for them: a CacheDraft is one handle of a draft. What is said of a draft that is
 * not the caller's alone (its size, its octets, whether it was flushed) is the draft's, see cache/draft/draft.c.
 */
#include <string.h>
#include <unistd.h>

#include "cache/access.h"
#include "cache/cache_private.h"
#include "cache/draft/draft_private.h"
#include "cache/error.h"
#include "cache/journal/debris.h"
#include "cache/local.h"
#include "cache/tree/names.h"

#define NS G_GINT64_CONSTANT(1000000000)

struct _CacheDraft {
  Draft *draft; /* of a reader: there may be a newer one of the message by now */
  gboolean writer;
};

static CacheDraft *handle_new(Draft *draft, gboolean writer) {
  CacheDraft handle = {draft, writer};
  return g_memdup2(&handle, sizeof handle);
}

/* ---- a handle to write with ---------------------------------------------------------------------------------- */

/* What lies there already, the caller's; READY with -1 where the draft has it. */
static CacheAnswer open_base(Cache *cache, gint64 row, int *ret_fd, GError **error) {
  DraftLook open;
  *ret_fd = -1;
  if (drafts_look(cache->drafts, row, &open))
    return CACHE_READY;
  CacheAnswer answer = cache_open_body(cache, row, CACHE_BODY_OPEN, ret_fd, error);
  return answer == CACHE_READY && *ret_fd < 0 ? cache_open_body(cache, row, CACHE_BODY_READ, ret_fd, error) : answer;
}

/* The draft, with the turn; takes fd (-1: nothing). NULL and no error: something ended meanwhile, so look again. */
static Draft *attach(Cache *cache, gint64 row, guint64 ended, int fd, GError **error) {
  gboolean made = FALSE;
  Draft *draft = drafts_attach(cache->drafts, row, ended, &made);
  gboolean good = TRUE;
  if (draft && made && fd >= 0)
    good = draft_bytes_fix(&draft->bytes, fd, error);
  else if (fd >= 0)
    close(fd);
  if (!draft || (good && draft_begin(draft, error)))
    return draft;
  drafts_detach(draft, TRUE);
  return NULL;
}

/* READY: *ret has the turn. STALE: the lines were ended in CR LF while this one came, and the kernel, which does not
 * know, would append in the middle. */
static CacheAnswer open_draft(Cache *cache, gint64 row, gboolean empty, Draft **ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  do {
    int fd = -1;
    guint64 ended = drafts_ended(cache->drafts);
    CacheAnswer answer = empty ? CACHE_READY : open_base(cache, row, &fd, error);
    if (answer != CACHE_READY)
      return answer;
    *ret = attach(cache, row, ended, fd, &failed);
  } while (!*ret && !failed);
  if (failed) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return CACHE_FAILED;
  }
  if (empty || !fetch_is_resized(cache->fetch, row))
    return CACHE_READY;
  drafts_detach(*ret, TRUE);
  *ret = NULL;
  return CACHE_STALE;
}

/* ---- a new file ---------------------------------------------------------------------------------------------- */

static gboolean create(IndexTxn *txn, gpointer message, GError **error) {
  return journal_create(txn, message, error);
}

static gboolean may_create(Cache *cache, const IndexMailbox *folder, const char *name, GError **error) {
  if (strlen(name) > NAMES_MAX)
    return cache_fail(error, CACHE_ERROR_INVALID, "the name is too long");
  if (local_is_closed(folder))
    return cache_fail(error, CACHE_ERROR_PERMISSION, "nothing can be put there");
  return access_check(&cache->account, folder->row, ACCESS_ADD, error);
}

/* What the name and the folder say of it. */
static void describe(const IndexMailbox *folder, const char *name, IndexMessage *ret) {
  gint64 now = g_get_real_time() * 1000;
  *ret = (IndexMessage){.mailbox = folder->row,
                        .flags = debris_maildir_flags(name),
                        .keywords = debris_maildir_passed(name) ? g_strdup("$Forwarded") : NULL,
                        .mtime = now,
                        .ctime = now,
                        .internaldate = now / NS};
  if (folder->attrs & IMAP_ATTR_DRAFTS)
    ret->flags |= IMAP_FLAG_DRAFT;
  if (folder->attrs & IMAP_ATTR_SENT)
    ret->flags |= IMAP_FLAG_SEEN;
  g_strlcpy(ret->name, name, sizeof ret->name);
}

CacheAnswer cache_create(Cache *cache, gint64 folder, const char *name, CacheEntry *ret, CacheDraft **ret_draft,
                         GError **error) {
  g_auto(IndexMailbox) parent = {0};
  g_auto(IndexMessage) message = {0};
  g_autoptr(GError) failed = NULL;
  Draft *draft = NULL;
  if (!index_get_mailbox(cache->account.index, folder, &parent, error))
    return cache_none_or_failed(error);
  if (!may_create(cache, &parent, name, error))
    return CACHE_FAILED;
  describe(&parent, name, &message);
  drafts_finish_rest(cache->drafts);
  guint64 ended = drafts_ended(cache->drafts);
  if (!index_write(cache->account.index, INDEX_CHANGE, create, &message, error))
    return CACHE_FAILED;
  draft = attach(cache, message.row, ended, -1, &failed);
  CacheAnswer answer = draft || failed ? CACHE_READY : open_draft(cache, message.row, FALSE, &draft, &failed);
  if (failed)
    g_propagate_error(error, g_steal_pointer(&failed));
  if (!draft)
    return answer == CACHE_READY ? CACHE_FAILED : answer;
  draft_leave(draft);
  *ret_draft = handle_new(draft, TRUE);
  return cache_get(cache, CACHE_MESSAGE, message.row, ret, error);
}

/* ---- a message that is there --------------------------------------------------------------------------------- */

/* A rewrite removes the old one from the server. */
static gboolean may_edit(Cache *cache, const IndexMessage *message, GError **error) {
  if (!access_check(&cache->account, message->folder, ACCESS_ADD, error))
    return FALSE;
  if (message->uid == 0)
    return TRUE;
  if (cache->account.config->remove == CACHE_DELETE_NEVER)
    return cache_fail(error, CACHE_ERROR_PROTECTED, "mounted with delete=never");
  return access_check(&cache->account, message->folder, ACCESS_REMOVE, error);
}

CacheAnswer cache_edit(Cache *cache, gint64 row, gboolean truncate, CacheDraft **ret_draft, GError **error) {
  g_auto(IndexMessage) message = {0};
  Draft *draft = NULL;
  row = drafts_successor(cache->drafts, row);
  if (!index_get_message(cache->account.index, row, &message, error))
    return cache_none_or_failed(error);
  if (message.gone || message.folder == 0)
    return CACHE_ABSENT;
  if (!may_edit(cache, &message, error))
    return CACHE_FAILED;
  CacheAnswer answer = open_draft(cache, row, truncate, &draft, error);
  if (answer != CACHE_READY)
    return answer;
  if (truncate && !draft_clear(draft, error)) {
    drafts_detach(draft, TRUE);
    return CACHE_FAILED;
  }
  draft_leave(draft);
  *ret_draft = handle_new(draft, TRUE);
  return CACHE_READY;
}

gint64 cache_successor(Cache *cache, gint64 row) {
  return drafts_successor(cache->drafts, row);
}

CacheDraft *cache_draft_of(Cache *cache, gint64 row) {
  /* Who is told of another size opens the message anew, and must not get what is about to change. */
  Draft *draft = fetch_is_resized(cache->fetch, row) ? NULL : drafts_join(cache->drafts, row);
  return draft ? handle_new(draft, FALSE) : NULL;
}

/* ---- handles ------------------------------------------------------------------------------------------------- */

gssize cache_draft_read(CacheDraft *handle, void *buffer, gsize len, guint64 offset, GError **error) {
  Draft *draft = drafts_newest(handle->draft);
  draft_enter(draft);
  gssize n = draft_read(draft, buffer, len, offset, error);
  draft_leave(draft);
  drafts_unref(draft);
  return n;
}

guint64 cache_draft_size(CacheDraft *handle) {
  return draft_size(handle->draft);
}

gboolean cache_draft_write(CacheDraft *handle, const void *octets, gsize len, guint64 offset, GError **error) {
  draft_enter(handle->draft);
  gboolean written = draft_write(handle->draft, octets, len, offset, error);
  draft_leave(handle->draft);
  return written;
}

gboolean cache_draft_truncate(CacheDraft *handle, guint64 size, GError **error) {
  draft_enter(handle->draft);
  gboolean done = draft_truncate(handle->draft, size, error);
  draft_leave(handle->draft);
  return done;
}

CacheAnswer cache_draft_copy(CacheDraft *handle, gint64 row, guint64 *ret_size, GError **error) {
  draft_enter(handle->draft);
  CacheAnswer answer = draft_copy(handle->draft, row, ret_size, error);
  draft_leave(handle->draft);
  return answer;
}

gboolean cache_draft_flush(CacheDraft *handle, gboolean killed, GError **error) {
  if (!handle->writer)
    return TRUE;
  draft_enter(handle->draft);
  gboolean flushed = draft_flush(handle->draft, killed, error);
  draft_leave(handle->draft);
  return flushed;
}

void cache_draft_close(CacheDraft *handle) {
  if (handle->writer) {
    draft_enter(handle->draft);
    drafts_detach(handle->draft, TRUE);
  } else {
    drafts_unref(handle->draft);
  }
  g_free(handle);
}
