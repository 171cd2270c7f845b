/* SPDX-License-Identifier: MIT */
/*
 * What may be ours is what came since, and has no row, or one that a listing made of it later and that nobody touched
 * (journal_echoes()). It is described by the server as in a listing. Who is who is decided in passes, each for those
 * that are left:
 *
 *   same fields, same size   in the order of sending, which is that of the UIDs; where the octets of two that we sent
 *                            differ nevertheless, by their hash
 *   same fields              the server altered it; but that says too little of what is listed already
 *   same octets              the server altered the fields, or there are none
 */
#include "cache/replay/replay_look.h"

#include <string.h>

#include "cache/ask.h"
#include "cache/tree/names.h"

typedef struct {
  guint32 uid;
  guint64 size;
  guint8 fingerprint[16];
  guint8 sha256[32];
  gboolean hashed, taken, listed;
} Candidate;

typedef struct {
  Account *account;
  ImapConn *conn;
  GArray *candidates; /* Candidate, by UID */
  ImapSeqset *echoes; /* have a row */
  ReplaySought *sought;
  guint n;
  GChecksum *sum; /* of the body that is coming in */
  gboolean whole;
} Look;

static void look_clear(Look *look) {
  g_clear_pointer(&look->candidates, g_array_unref);
  g_clear_pointer(&look->echoes, imap_seqset_free);
  g_clear_pointer(&look->sum, g_checksum_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Look, look_clear)

/* ---- what is there ------------------------------------------------------------------------------------------ */

/* That are known as others, and surely so. */
static ImapSeqset *find_others(Look *look, gint64 mailbox, GError **error) {
  gint64 oldest = G_MAXINT64;
  for (guint i = 0; i < look->n; i++)
    oldest = MIN(oldest, look->sought[i].item->row);
  g_autoptr(ImapSeqset) have = index_uids(look->account->index, mailbox, error);
  look->echoes = have ? journal_echoes(look->account->index, mailbox, oldest, error) : NULL;
  return look->echoes ? imap_seqset_subtract(have, look->echoes) : NULL;
}

static ImapSeqset *find_strangers(Look *look, gint64 row, guint32 uidvalidity, guint32 uidnext,
                                  guint32 *ret_uidvalidity, GError **error) {
  g_auto(IndexMailbox) known = {0};
  g_auto(ImapMailbox) opened = {0};
  g_autoptr(ImapSeqset) there = NULL;
  if (!index_get_mailbox(look->account->index, row, &known, error)) {
    if (error && !*error)
      g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_GONE, "the folder is no more");
    return NULL;
  }
  IndexMailbox any = {.row = row, .raw = known.raw};
  if (g_strcmp0(imap_selected(look->conn), known.raw) == 0 &&
      !imap_unselect(look->conn, look->account->cancellable, error))
    return NULL;
  if (!account_open_mailbox(look->account, look->conn, &any, &opened, &there, error))
    return NULL;
  *ret_uidvalidity = opened.uidvalidity;
  /* Numbers from before a renumbering say nothing. */
  if (uidvalidity != 0 && opened.uidvalidity == uidvalidity && uidnext > 1)
    imap_seqset_remove(there, 1, uidnext - 1);
  if (known.uidvalidity != opened.uidvalidity)
    return g_steal_pointer(&there);
  g_autoptr(ImapSeqset) others = find_others(look, row, error);
  return others ? imap_seqset_subtract(there, others) : NULL;
}

static gboolean is_blank(const guint8 fingerprint[16]) {
  static const guint8 zero[16];
  return memcmp(fingerprint, zero, sizeof zero) == 0;
}

static gboolean same_fields(const JournalItem *item, const Candidate *candidate) {
  return !is_blank(item->fingerprint) &&
         memcmp(item->fingerprint, candidate->fingerprint, sizeof item->fingerprint) == 0;
}

static gboolean same_size(const JournalItem *item, const Candidate *candidate) {
  return item->size == candidate->size;
}

/* ---- fetching ----------------------------------------------------------------------------------------------- */

static Candidate *find_candidate(Look *look, guint32 uid) {
  for (guint i = 0; i < look->candidates->len; i++) {
    Candidate *candidate = &g_array_index(look->candidates, Candidate, i);
    if (candidate->uid == uid)
      return candidate;
  }
  return NULL;
}

/* Of a whole mailbox few are. */
static gboolean may_be_ours(Look *look, const Candidate *candidate) {
  for (guint i = 0; i < look->n; i++)
    if (same_size(look->sought[i].item, candidate) || same_fields(look->sought[i].item, candidate))
      return TRUE;
  return FALSE;
}

static gboolean take_listing(const ImapMessage *message, gpointer data, G_GNUC_UNUSED GError **error) {
  Look *look = data;
  const guint needed = IMAP_HAS_UID | IMAP_HAS_SIZE | IMAP_HAS_HEADER;
  if ((message->has & needed) != needed)
    return TRUE;
  Candidate candidate = {.uid = message->uid, .size = message->size};
  candidate.listed = look->echoes && imap_seqset_contains(look->echoes, message->uid);
  gsize len;
  const char *header = g_bytes_get_data(message->header, &len);
  names_fingerprint(header, len, candidate.fingerprint);
  if (may_be_ours(look, &candidate) && !find_candidate(look, candidate.uid))
    g_array_append_val(look->candidates, candidate);
  return TRUE;
}

static gboolean take_body(const ImapMessage *message, gpointer data, G_GNUC_UNUSED GError **error) {
  Look *look = data;
  Candidate *candidate = find_candidate(look, message->uid);
  gsize len = sizeof candidate->sha256;
  if (!candidate || !(message->has & IMAP_HAS_BODY) || !look->whole)
    return TRUE;
  g_checksum_get_digest(look->sum, candidate->sha256, &len);
  candidate->hashed = TRUE;
  return TRUE;
}

static gboolean begin_body(gpointer data, guint64 size) {
  (void)size;
  Look *look = data;
  look->whole = FALSE;
  g_clear_pointer(&look->sum, g_checksum_free);
  look->sum = g_checksum_new(G_CHECKSUM_SHA256);
  return TRUE;
}

static gboolean write_body(gpointer data, const void *octets, gsize len) {
  g_checksum_update(((Look *)data)->sum, octets, (gssize)len);
  return TRUE;
}

static void end_body(gpointer data, gboolean whole) {
  ((Look *)data)->whole = whole;
}

/* ---- who is who --------------------------------------------------------------------------------------------- */

static gboolean same_octets(const JournalItem *item, const Candidate *candidate) {
  return candidate->hashed && memcmp(item->sha256, candidate->sha256, sizeof item->sha256) == 0;
}

typedef enum { BY_FIELDS = 1 << 0, BY_SIZE = 1 << 1, BY_OCTETS = 1 << 2 } Match;

static gboolean matches(const JournalItem *item, const Candidate *candidate, guint match) {
  if (match == BY_FIELDS && candidate->listed)
    return FALSE;
  return (!(match & BY_FIELDS) || same_fields(item, candidate)) && (!(match & BY_SIZE) || same_size(item, candidate)) &&
         (!(match & BY_OCTETS) || same_octets(item, candidate));
}

static void assign(Look *look, guint match) {
  for (guint i = 0; i < look->n; i++) {
    ReplaySought *sought = &look->sought[i];
    for (guint k = 0; sought->uid == 0 && k < look->candidates->len; k++) {
      Candidate *candidate = &g_array_index(look->candidates, Candidate, k);
      if (candidate->taken || !matches(sought->item, candidate, match))
        continue;
      candidate->taken = TRUE;
      sought->uid = candidate->uid;
      sought->altered = match == BY_FIELDS;
    }
  }
}

/* Fields and size do not tell which of two that we sent it is. */
static gboolean is_ambiguous(Look *look, const Candidate *candidate) {
  const JournalItem *first = NULL;
  for (guint i = 0; i < look->n; i++) {
    const JournalItem *item = look->sought[i].item;
    if (!matches(item, candidate, BY_FIELDS | BY_SIZE))
      continue;
    if (first && memcmp(first->sha256, item->sha256, sizeof item->sha256) != 0)
      return TRUE;
    first = item;
  }
  return FALSE;
}

/* Nothing but its size speaks for it. */
static gboolean is_disguised(Look *look, const Candidate *candidate) {
  for (guint i = 0; i < look->n; i++)
    if (look->sought[i].uid == 0 && same_size(look->sought[i].item, candidate))
      return TRUE;
  return FALSE;
}

static gboolean hash(Look *look, gboolean (*needs)(Look *look, const Candidate *candidate), GError **error) {
  static const ImapSink sink = {.begin = begin_body, .write = write_body, .end = end_body};
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  for (guint i = 0; i < look->candidates->len; i++) {
    const Candidate *candidate = &g_array_index(look->candidates, Candidate, i);
    if (!candidate->taken && !candidate->hashed && needs(look, candidate))
      imap_seqset_add(uids, candidate->uid, candidate->uid);
  }
  return ask_bodies(look->account, look->conn, uids, &sink, take_body, look, error);
}

static gint by_uid(gconstpointer a, gconstpointer b) {
  const Candidate *left = a, *right = b;
  return left->uid < right->uid ? -1 : left->uid > right->uid;
}

static gboolean match_all(Look *look, GError **error) {
  g_array_sort(look->candidates, by_uid);
  if (!hash(look, is_ambiguous, error))
    return FALSE;
  assign(look, BY_FIELDS | BY_SIZE | BY_OCTETS);
  assign(look, BY_FIELDS | BY_SIZE);
  assign(look, BY_FIELDS);
  if (!hash(look, is_disguised, error))
    return FALSE;
  assign(look, BY_SIZE | BY_OCTETS);
  return TRUE;
}

gboolean replay_look_for(Account *account, ImapConn *conn, gint64 mailbox, guint32 uidvalidity, guint32 uidnext,
                         ReplaySought *sought, guint n, guint32 *ret_uidvalidity, GError **error) {
  g_auto(Look) look = {.account = account,
                       .conn = conn,
                       .candidates = g_array_new(FALSE, FALSE, sizeof(Candidate)),
                       .sought = sought,
                       .n = n};
  g_autoptr(ImapSeqset) strangers = find_strangers(&look, mailbox, uidvalidity, uidnext, ret_uidvalidity, error);
  for (guint i = 0; i < n; i++)
    sought[i].uid = 0;
  if (!strangers)
    return FALSE;
  return ask_fetch(account, conn, strangers, IMAP_FETCH_LISTING, take_listing, &look, error) && match_all(&look, error);
}
