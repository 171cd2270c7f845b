/* SPDX-License-Identifier: MIT */
/*
 * Octets of a file that replaces a message, compared with the message's. The hash is in the index; where the
 * last handle is just being closed it may be that of lines with bare LF, and the file is read.
 */
#include "cache/change_private.h"

#include <string.h>
#include <unistd.h>

#include "cache/draft/draft.h"
#include "cache/journal/octets.h"

#define PIECE (64 * 1024)

typedef gboolean (*Take)(gpointer data, const GByteArray *piece);

/* With CR LF, in pieces. FALSE: `take` or the disk said no. */
static gboolean each_piece(int fd, Take take, gpointer data) {
  g_autofree guint8 *buffer = g_malloc(PIECE);
  g_autoptr(GByteArray) out = g_byte_array_new();
  guint8 last = 0;
  gssize n;
  while ((n = read(fd, buffer, PIECE)) > 0) {
    g_byte_array_set_size(out, 0);
    octets_to_crlf(buffer, (gsize)n, &last, out);
    if (!take(data, out))
      return FALSE;
  }
  return n == 0;
}

typedef struct {
  GChecksum *sum;
  guint64 size;
} Digest;

static gboolean digest_piece(gpointer data, const GByteArray *piece) {
  Digest *digest = data;
  digest->size += piece->len;
  g_checksum_update(digest->sum, piece->data, piece->len);
  return TRUE;
}

static gboolean has_digest(int fd, const IndexMessage *message) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  Digest digest = {.sum = sum};
  guint8 sha256[32];
  gsize len = sizeof sha256;
  if (!each_piece(fd, digest_piece, &digest) || digest.size != message->size)
    return FALSE;
  g_checksum_get_digest(sum, sha256, &len);
  return memcmp(sha256, message->sha256, sizeof sha256) == 0;
}

gboolean change_same_octets(Cache *cache, const Standing *fresh, gboolean raw, const Standing *old, gboolean *ret,
                            GError **error) {
  const IndexMessage *a = &fresh->message, *b = &old->message;
  *ret = FALSE;
  if (b->size == IMAP_UNKNOWN_SIZE || a->size == IMAP_UNKNOWN_SIZE || a->size > b->size)
    return TRUE;
  if (a->size == b->size && memcmp(a->sha256, b->sha256, sizeof a->sha256) == 0)
    return *ret = TRUE;
  if (!raw)
    return TRUE;
  int fd = -1;
  gint64 lender;
  CacheAnswer answer = drafts_open_octets(&cache->account, a->row, &fd, &lender, error);
  if (answer != CACHE_READY)
    return answer != CACHE_FAILED;
  *ret = has_digest(fd, b);
  close(fd);
  return TRUE;
}

static gboolean body_piece(gpointer temp, const GByteArray *piece) {
  return body_write(temp, piece->data, piece->len, NULL);
}

void change_keep_body(Cache *cache, gint64 row, int fd) {
  IndexKey key;
  BodyStore *bodies = cache->account.bodies;
  if (!index_get_key(cache->account.index, row, &key, NULL))
    return;
  g_autoptr(BodyTemp) temp = body_begin(bodies, NULL);
  if (!temp || !each_piece(fd, body_piece, temp))
    return;
  int body = body_commit(g_steal_pointer(&temp), &key, 0, NULL);
  if (body >= 0)
    close(body);
}
