/* SPDX-License-Identifier: MIT */
/*
 * Name and UIDVALIDITY do not identify a mailbox (DELETE and CREATE within a second give the same
 * UIDVALIDITY, siblings share one, RENAME may renumber). So a few messages of the new folder, the lowest and the
 * highest UIDs, are compared with the index by header fingerprint (or INTERNALDATE) and size: all of those the old one
 * should have must be there, and at least one; of a renumbered one, if nothing fits better, half of them with the
 * lowest (to be wrong costs little: each message is matched by itself afterwards). An empty folder proves nothing and
 * counts as new.
 */
#include "cache/tree/rename.h"

#include <string.h>

#include "cache/message.h"
#include "cache/sync/listing.h"

#define CANDIDATES 64 /* new folders looked into per LIST: each costs two round trips */
#define SAMPLE 8
#define KNOWN 20000 /* messages of the old folder that are compared where UIDs do not help */

typedef enum { UNLIKE, ALIKE, SAME } Likeness;

typedef struct {
  Account *account;
  ImapConn *conn;
  const char *raw;
  ImapMailbox opened;
  GArray *sample; /* IndexMessage */
} Look;

static void look_clear(Look *look) {
  imap_mailbox_clear(&look->opened);
  for (guint i = 0; look->sample && i < look->sample->len; i++)
    index_message_clear(&g_array_index(look->sample, IndexMessage, i));
  g_clear_pointer(&look->sample, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Look, look_clear)

static Look *look_new(Account *account, ImapConn *conn, const char *raw) {
  Look *look = g_new0(Look, 1);
  *look = (Look){.account = account, .conn = conn, .raw = raw};
  return look;
}

static void look_free(Look *look) {
  look_clear(look);
  g_free(look);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Look, look_free)

static ImapSeqset *choose(ImapSeqset *all) {
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(all);
  ImapSeqset *chosen = imap_seqset_take(rest, SAMPLE / 2, IMAP_LIMIT_COMMAND / 2);
  guint64 left = imap_seqset_count(rest);
  if (left > SAMPLE / 2)
    imap_seqset_free(imap_seqset_take(rest, left - SAMPLE / 2, G_MAXSIZE));
  imap_seqset_join(chosen, rest);
  return chosen;
}

static gboolean fetch_sample(Look *look, const ImapSeqset *uids, GError **error) {
  static const ImapSink sink = {0};
  GCancellable *cancellable = look->account->cancellable;
  if (!imap_fetch_send(look->conn, uids, listing_items(look->account), cancellable, error))
    return FALSE;
  for (;;) {
    g_auto(ImapMessage) fetched = {0};
    g_autoptr(GError) local = NULL;
    ImapFetchResult result = imap_fetch_next(look->conn, &sink, NULL, &fetched, cancellable, &local);
    if (result == IMAP_FETCH_FAILED)
      g_propagate_error(error, g_steal_pointer(&local));
    if (result == IMAP_FETCH_FAILED || result == IMAP_FETCH_DONE)
      return result == IMAP_FETCH_DONE;
    if (result != IMAP_FETCH_MESSAGE || !(fetched.has & IMAP_HAS_SIZE) || !imap_seqset_contains(uids, fetched.uid))
      continue;
    IndexMessage message;
    message_from_fetch(&fetched, 0, look->account->config->names_uid, 0, g_get_real_time() / G_USEC_PER_SEC, &message);
    g_array_append_val(look->sample, message);
  }
}

static gboolean look_into(Look *look, const char *raw, GError **error) {
  g_auto(IndexMailbox) any = {.raw = g_strdup(raw)};
  g_autoptr(ImapSeqset) all = NULL;
  look->sample = g_array_new(FALSE, FALSE, sizeof(IndexMessage));
  if (!account_open_mailbox(look->account, look->conn, &any, &look->opened, &all, error))
    return FALSE;
  if (imap_seqset_empty(all))
    return TRUE;
  g_autoptr(ImapSeqset) chosen = choose(all);
  return fetch_sample(look, chosen, error);
}

/* Under names=uid nobody knows the header fields; a size alone is soon another's. */
static gboolean alike(const IndexMessage *a, const IndexMessage *b) {
  static const guint8 none[sizeof a->fingerprint];
  if (a->emailid && g_strcmp0(a->emailid, b->emailid) == 0)
    return TRUE;
  if (a->claim != b->claim || memcmp(a->fingerprint, b->fingerprint, sizeof none) != 0)
    return FALSE;
  return memcmp(a->fingerprint, none, sizeof none) != 0 || a->internaldate == b->internaldate;
}

/* UIDs kept their meaning, if the two are one: what the old folder has under a sampled UID must be that message. */
static gboolean same_by_uid(const Look *look, const IndexMailbox *old) {
  guint found = 0;
  for (guint i = 0; i < look->sample->len; i++) {
    const IndexMessage *one = &g_array_index(look->sample, IndexMessage, i);
    g_auto(IndexMessage) known = {0};
    if (!index_find_uid(look->account->index, old->row, one->uid, &known, NULL)) {
      if (one->uid < old->uidnext)
        return FALSE;
      continue; /* came after we last looked */
    }
    if (!alike(one, &known))
      return FALSE;
    found++;
  }
  return found > 0;
}

/* Among what the server had there, wherever it is shown by now: what was removed or moved here waits to be sent. */
static gboolean has_alike(const Look *look, gint64 mailbox, const IndexMessage *one) {
  IndexMessage known[64];
  guint32 after = 0;
  gssize n = 0;
  gboolean found = FALSE;
  for (guint seen = 0; !found && seen < KNOWN; seen += (guint)n) {
    n = index_placed(look->account->index, mailbox, after, known, G_N_ELEMENTS(known), NULL);
    if (n <= 0)
      return FALSE;
    after = known[n - 1].uid;
    for (gssize i = 0; i < n; i++) {
      found |= alike(one, &known[i]);
      index_message_clear(&known[i]);
    }
  }
  return found;
}

/* UIDs lost their meaning, so what came after we last looked (it stands behind the others) cannot be told from what was
 * never there. */
static Likeness by_content(const Look *look, const IndexMailbox *old) {
  guint found = 0, n = look->sample->len;
  for (guint i = 0; i < n; i++) {
    found += has_alike(look, old->row, &g_array_index(look->sample, IndexMessage, i));
    if (found == 0)
      return UNLIKE;
  }
  return found == 0 || found * 2 < n ? UNLIKE : found < n ? ALIKE : SAME;
}

static Likeness likeness(const Look *look, const IndexMailbox *old) {
  if (look->opened.mailboxid && old->mailboxid)
    return g_str_equal(look->opened.mailboxid, old->mailboxid) ? SAME : UNLIKE;
  if (look->opened.uidvalidity == old->uidvalidity)
    return same_by_uid(look, old) ? SAME : UNLIKE;
  return by_content(look, old);
}

gboolean rename_is_same(Account *account, ImapConn *conn, const IndexMailbox *known, gboolean *ret_same,
                        GError **error) {
  g_auto(Look) look = {.account = account, .conn = conn};
  if (!look_into(&look, known->raw, error))
    return FALSE;
  *ret_same = likeness(&look, known) != UNLIKE;
  return TRUE;
}

/* ---- which of the missing is it --------------------------------------------------------------------------- */

static gboolean match(const Look *look, GPtrArray *missing, Likeness least, GHashTable *ret) {
  for (guint i = 0; i < missing->len; i++) {
    const IndexMailbox *old = missing->pdata[i];
    if (old->listed != INDEX_LISTED || likeness(look, old) < least)
      continue;
    if (strcmp(old->raw, look->raw) != 0)
      g_hash_table_insert(ret, g_strdup(look->raw), g_memdup2(&old->row, sizeof old->row));
    g_ptr_array_remove_index(missing, i);
    return TRUE;
  }
  return FALSE;
}

/* A folder that cannot be opened is not recognised; only a lost connection is an error. Keeps in `unsure` what it saw
 * of one that is none of the missing for certain. */
static gboolean match_one(Account *account, ImapConn *conn, GPtrArray *missing, const char *raw, GPtrArray *unsure,
                          GHashTable *ret, GError **error) {
  g_autoptr(Look) look = look_new(account, conn, raw);
  g_autoptr(GError) local = NULL;
  if (look_into(look, raw, &local)) {
    if (!match(look, missing, SAME, ret))
      g_ptr_array_add(unsure, g_steal_pointer(&look));
    return TRUE;
  }
  if (!imap_conn_failed(conn))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&local));
  return FALSE;
}

/* Who is certain goes first: folders of much the same mail would else be taken for each other. */
GHashTable *rename_find(Account *account, ImapConn *conn, GPtrArray *missing, GPtrArray *fresh, GError **error) {
  g_autoptr(GHashTable) found = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr(GPtrArray) unsure = g_ptr_array_new_with_free_func((GDestroyNotify)look_free);
  for (guint i = 0; i < MIN(fresh->len, CANDIDATES) && missing->len > 0; i++) {
    const ImapListing *listing = fresh->pdata[i];
    if (!(listing->attrs & IMAP_ATTR_NOSELECT) &&
        !match_one(account, conn, missing, listing->name, unsure, found, error))
      return NULL;
  }
  for (guint i = 0; i < unsure->len && missing->len > 0; i++)
    match(unsure->pdata[i], missing, ALIKE, found);
  return g_steal_pointer(&found);
}
