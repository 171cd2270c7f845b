/* SPDX-License-Identifier: MIT */
/*
 * Which octets are cached of a message that was sent: ours, where no server would have altered them (octets.h), and
 * else what the server has. Who copies files of such a kind over and over (rsync, of lines that end in LF) is told by
 * their hash that they are the same; so they are fetched at once and not when somebody reads them. That may fail: then
 * it is done by who reads.
 */
#include "cache/replay/replay_keep.h"

#include <string.h>
#include <unistd.h>

#include "cache/ask.h"
#include "cache/journal/octets.h"
#include "cache/replay/replay_octets.h"

#define CHUNK (64 * 1024)
#define SMALL (1u << 20)    /* octets of one */
#define TOGETHER (1u << 18) /* and of those that are asked for at once: a reader may come */

/* ---- ours --------------------------------------------------------------------------------------------------- */

/* Into a body, where there is room for one. TRUE: no server would alter them. */
static gboolean copy_octets(ReplayOctets *octets, guint64 size, BodyTemp **temp) {
  g_autofree guint8 *buffer = g_malloc(CHUNK);
  Octets look;
  octets_init(&look);
  for (guint64 left = size; left > 0;) {
    gsize n = 0;
    if (!replay_octets_read(octets, buffer, (gsize)MIN(left, CHUNK), &n, NULL) || n == 0) {
      g_clear_pointer(temp, body_discard); /* half a message is none */
      return FALSE;
    }
    if (*temp && !body_write(*temp, buffer, n, NULL))
      g_clear_pointer(temp, body_discard);
    octets_feed(&look, buffer, n);
    left -= n;
  }
  return octets_are_plain(&look);
}

static void commit(BodyTemp *temp, const IndexKey *key) {
  int fd = temp ? body_commit(temp, key, 0, NULL) : -1;
  if (fd >= 0)
    close(fd);
}

/* What was copied has been altered once, and is not altered again. */
gboolean replay_keep_ours(Account *account, const ReplayKeep *keep) {
  const JournalItem *item = keep->item;
  g_autoptr(ReplayOctets) octets = replay_octets_new(account, item);
  if (item->size != keep->claim)
    return FALSE;
  if (!replay_octets_open(octets, NULL))
    return item->copy != 0; /* the server copied them, and they never were here */
  g_autoptr(BodyTemp) temp = body_begin(account->bodies, NULL);
  if (!copy_octets(octets, item->size, &temp) && item->copy == 0)
    return FALSE;
  commit(g_steal_pointer(&temp), &keep->key);
  return TRUE;
}

/* ---- theirs ------------------------------------------------------------------------------------------------- */

typedef struct {
  Account *account;
  const GArray *altered;
  GByteArray *octets; /* of the one that comes in */
  gboolean whole;
} Theirs;

static gboolean begin_body(gpointer data, guint64 size) {
  Theirs *theirs = data;
  theirs->whole = FALSE;
  g_byte_array_set_size(theirs->octets, 0);
  return size <= SMALL;
}

static gboolean write_body(gpointer data, const void *octets, gsize len) {
  g_byte_array_append(((Theirs *)data)->octets, octets, (guint)len);
  return TRUE;
}

static void end_body(gpointer data, gboolean whole) {
  ((Theirs *)data)->whole = whole;
}

static const ReplayKeep *find(const GArray *altered, guint32 uid) {
  for (guint i = 0; i < altered->len; i++)
    if (g_array_index(altered, ReplayKeep, i).key.uid == uid)
      return &g_array_index(altered, ReplayKeep, i);
  return NULL;
}

/* Some servers answer with another message, and some claim a size that is not so: whoever reads it sees to that. */
static gboolean take_body(const ImapMessage *message, gpointer data, G_GNUC_UNUSED GError **error) {
  Theirs *theirs = data;
  const GByteArray *octets = theirs->octets;
  const ReplayKeep *keep = find(theirs->altered, message->uid);
  guint8 fingerprint[16];
  if (!keep || !(message->has & IMAP_HAS_BODY) || !theirs->whole || octets->len != keep->claim)
    return TRUE;
  theirs->whole = FALSE;
  octets_fingerprint(octets->data, octets->len, fingerprint);
  if (memcmp(fingerprint, keep->fingerprint, sizeof fingerprint) != 0)
    return TRUE;
  g_autoptr(BodyTemp) temp = body_begin(theirs->account->bodies, NULL);
  if (temp && body_write(temp, octets->data, octets->len, NULL))
    commit(g_steal_pointer(&temp), &keep->key);
  return TRUE;
}

/* From `*i` on. */
static ImapSeqset *take_some(const GArray *altered, guint *i) {
  ImapSeqset *uids = imap_seqset_new();
  for (guint64 sum = 0; *i < altered->len; (*i)++) {
    const ReplayKeep *keep = &g_array_index(altered, ReplayKeep, *i);
    if (keep->claim > SMALL)
      continue;
    sum += keep->claim;
    if (sum > TOGETHER && !imap_seqset_empty(uids))
      break;
    imap_seqset_add(uids, keep->key.uid, keep->key.uid);
  }
  return uids;
}

gboolean replay_keep_theirs(Account *account, ImapConn *conn, const GArray *altered, GError **error) {
  static const ImapSink sink = {.begin = begin_body, .write = write_body, .end = end_body};
  g_autoptr(GByteArray) octets = g_byte_array_new();
  Theirs theirs = {.account = account, .altered = altered, .octets = octets};
  for (guint i = 0; i < altered->len && !imap_pool_contended(account->pool, conn);) {
    g_autoptr(ImapSeqset) uids = take_some(altered, &i);
    g_autoptr(GError) failed = NULL;
    if (ask_bodies(account, conn, uids, &sink, take_body, &theirs, &failed))
      continue;
    if (!imap_conn_failed(conn))
      return TRUE; /* it will not */
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  return TRUE;
}
