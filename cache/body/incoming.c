/* SPDX-License-Identifier: MIT */
/*
 * A body enters the cache only whole (the connection says so: literal complete, FETCH response closed), for a UID that
 * was asked for and not yet received (the lane says so), and if its Date, From, Subject and Message-ID are those the
 * index holds: servers have answered with another message for years. The header is caught on its way
 * to the file.
 *
 * Sizes. Three numbers may disagree: the claim, the exact size of an earlier copy, and this body's. This body wins.
 * Where that changes a size that may have been shown, it is written to the index first, because the kernel will ask
 * again the moment it hears of it.
 */
#include "cache/body/incoming.h"

#include <string.h>

#include "cache/tree/names.h"

#define HEADER_MAX (64u << 10) /* a longer header block is not compared */
#define ABANDON (4u << 20)     /* octets that are cheaper to drop a connection for than to drain */

struct _Incoming {
  const LaneShared *shared;
  ImapConn *conn;
  BodyTemp *temp;
  GError *failed; /* why the body that came could not be written */
  GByteArray *header;
  guint64 left;
  gboolean whole;
  gint64 sole;
  gboolean awaited; /* somebody waited for `sole` when it began */
};

Incoming *incoming_new(const LaneShared *shared, ImapConn *conn) {
  Incoming *incoming = g_new0(Incoming, 1);
  incoming->shared = shared;
  incoming->conn = conn;
  incoming->header = g_byte_array_sized_new(HEADER_MAX);
  return incoming;
}

static void reset(Incoming *incoming) {
  g_clear_pointer(&incoming->temp, body_discard);
  g_clear_error(&incoming->failed);
  g_byte_array_set_size(incoming->header, 0);
  incoming->whole = FALSE;
}

void incoming_free(Incoming *incoming) {
  if (!incoming)
    return;
  reset(incoming);
  g_byte_array_unref(incoming->header);
  g_free(incoming);
}

void incoming_sole(Incoming *incoming, gint64 row) {
  incoming->sole = row;
  incoming->awaited = row != 0 && wants_waiters(incoming->shared->wants, row) > 0;
}

static gboolean sink_begin(gpointer data, guint64 size) {
  Incoming *incoming = data;
  reset(incoming);
  incoming->left = size;
  incoming->temp = body_begin(incoming->shared->account->bodies, &incoming->failed);
  return incoming->temp != NULL;
}

static gboolean is_abandoned(Incoming *incoming) {
  return incoming->awaited && incoming->left > ABANDON && wants_waiters(incoming->shared->wants, incoming->sole) == 0;
}

static gboolean sink_write(gpointer data, const void *octets, gsize len) {
  Incoming *incoming = data;
  pace_arrived(incoming->shared->pace, len, g_get_monotonic_time());
  incoming->left -= MIN(incoming->left, len);
  if (is_abandoned(incoming)) {
    imap_conn_fail(incoming->conn);
    return FALSE;
  }
  gsize room = HEADER_MAX - incoming->header->len;
  if (room > 0)
    g_byte_array_append(incoming->header, octets, (guint)MIN(room, len));
  if (body_write(incoming->temp, octets, len, &incoming->failed))
    return TRUE;
  g_clear_pointer(&incoming->temp, body_discard);
  return FALSE;
}

static void sink_end(gpointer data, gboolean whole) {
  Incoming *incoming = data;
  incoming->whole = whole;
  if (!whole && !incoming->failed)
    reset(incoming);
}

const ImapSink incoming_sink = {.begin = sink_begin, .write = sink_write, .end = sink_end};

/* ---- acceptance ---------------------------------------------------------------------------------------- */

/* Length of the header block, or 0 where its end was not caught. */
static gsize header_length(const GByteArray *header) {
  const char *text = (const char *)header->data;
  const char *crlf = memmem(text, header->len, "\r\n\r\n", 4);
  const char *lf = memmem(text, crlf ? (gsize)(crlf - text) : header->len, "\n\n", 2);
  const char *end = lf ? lf + 1 : crlf ? crlf + 2 : NULL;
  if (!end)
    return header->len < HEADER_MAX ? header->len : 0;
  return (gsize)(end - text);
}

static gboolean header_agrees(const Incoming *incoming, const IndexMessage *message) {
  static const guint8 none[sizeof message->fingerprint];
  guint8 found[sizeof none];
  gsize len = header_length(incoming->header);
  if (len == 0 || memcmp(message->fingerprint, none, sizeof none) == 0)
    return TRUE;
  names_fingerprint((const char *)incoming->header->data, len, found);
  return memcmp(message->fingerprint, found, sizeof found) == 0;
}

typedef struct {
  gint64 row, ctime;
  const BodyDigest *digest;
} Resize;

static gboolean write_size(IndexTxn *txn, gpointer data, GError **error) {
  const Resize *resize = data;
  return index_set_size(txn, resize->row, resize->digest->size, resize->digest->sha256, resize->ctime, error);
}

static gboolean write_digest(Incoming *incoming, gint64 row, gint64 ctime, const BodyDigest *digest, GError **error) {
  Resize resize = {.row = row, .ctime = ctime, .digest = digest};
  return index_write(incoming->shared->account->index, INDEX_SYNC, write_size, &resize, error);
}

/* What fs/ may have shown, against what is true now. */
static gboolean settle_size(Incoming *incoming, const IndexMessage *message, const BodyDigest *digest, gint64 ctime,
                            GError **error) {
  Account *account = incoming->shared->account;
  gboolean exact = message->size != IMAP_UNKNOWN_SIZE;
  guint64 before = exact ? message->size : message->claim;
  /* Who waits for a size that could not be shown asks the index for it when told. */
  gboolean shown = exact || (message->claim != 0 && message->claim != IMAP_UNKNOWN_SIZE);
  gboolean same = before == digest->size;
  if (same && shown && ctime == 0)
    return TRUE;
  /* Before the index says it: whoever reads the true size there also finds that the kernel may know another. */
  if (!same && shown)
    incoming->shared->resized(message->row, incoming->shared->data);
  if (!write_digest(incoming, message->row, ctime, digest, error))
    return FALSE;
  if (!same && !exact && message->claim != IMAP_UNKNOWN_SIZE)
    account_wrong_size(account);
  if (!shown)
    return TRUE;
  account_tell(account, CACHE_EVENT_ATTR, CACHE_MESSAGE, message->row, message->folder, NULL, NULL);
  return TRUE;
}

/* A copy fetched again that differs from the evicted one (Exchange alters messages) is taken, and ctime says so. */
static gint64 changed_time(const IndexMessage *message, const BodyDigest *digest) {
  if (message->size == IMAP_UNKNOWN_SIZE)
    return 0;
  if (message->size == digest->size && memcmp(message->sha256, digest->sha256, sizeof digest->sha256) == 0)
    return 0;
  g_warning("message %" G_GINT64_FORMAT " changed on the server under the same UID; the new copy is taken",
            message->row);
  return g_get_real_time() * 1000;
}

GError *incoming_trouble(Incoming *incoming) {
  return g_steal_pointer(&incoming->failed);
}

gboolean incoming_filled(Incoming *incoming) {
  return incoming->header->len > 0;
}

static gboolean check_whole(Incoming *incoming, GError **error) {
  if (incoming->temp && incoming->whole)
    return TRUE;
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL, "the body was not complete");
  return FALSE;
}

/* A message that has left meanwhile keeps its UID: whoever has it open may still read it. */
static gboolean check_same(Incoming *incoming, const IndexKey *key, IndexMessage *ret, GError **error) {
  Index *index = incoming->shared->account->index;
  g_auto(IndexMailbox) mailbox = {0};
  if (!index_get_message(index, key->row, ret, error) || !index_get_mailbox(index, key->mailbox, &mailbox, error)) {
    if (!*error)
      g_set_error(error, IMAP_ERROR, IMAP_ERROR_GONE, "the message is no more");
    return FALSE;
  }
  gboolean same = ret->mailbox == key->mailbox && ret->uid == key->uid && mailbox.uidvalidity == key->uidvalidity;
  if (!same)
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, "the server renumbered; the message is being looked for");
  return same;
}

int incoming_accept(Incoming *incoming, const IndexKey *key, gboolean *ret_misplaced, GError **error) {
  g_auto(IndexMessage) message = {0};
  BodyDigest digest;
  gint64 row = key->row;
  if (!check_whole(incoming, error) || !check_same(incoming, key, &message, error))
    return -1;
  if (!header_agrees(incoming, &message)) {
    *ret_misplaced = TRUE;
    g_warning("the server answered with another message for row %" G_GINT64_FORMAT "; not accepted", row);
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL, "the server answered with another message");
    return -1;
  }
  body_digest(incoming->temp, &digest);
  gint64 ctime = changed_time(&message, &digest);
  if (!settle_size(incoming, &message, &digest, ctime, error))
    return -1;
  int fd = body_commit(g_steal_pointer(&incoming->temp), key, ctime, error);
  /* One that could not be kept is known only by its size in the index: there before anybody asks. */
  if (fd >= 0 && !body_present(incoming->shared->account->bodies, row))
    write_digest(incoming, row, ctime, &digest, NULL);
  return fd;
}
