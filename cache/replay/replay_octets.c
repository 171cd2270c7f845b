/* SPDX-License-Identifier: MIT */
/*
 * Small ones are in the journal, large ones in the spool. A copy has none of its own: it has those of the message that
 * it is a copy of, which may be cached, or be new itself, or have to be fetched. Half a message must never be sent for
 * a whole one: the size is compared before the first octet.
 */
#include "cache/replay/replay_octets.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/ask.h"

#define GONE_REASON                                                                                                    \
  "somebody removed the message before the server had copied it, and its octets were not here: so this file is empty"

struct _ReplayOctets {
  Account *account;
  gint64 row, copy;
  gboolean spooled;
  guint64 size;
  GBytes *bytes; /* or NULL: */
  int fd;        /* or -1: not opened */
  guint64 at;
  GError *failed;
};

ReplayOctets *replay_octets_new(Account *account, const JournalItem *item) {
  ReplayOctets *octets = g_new0(ReplayOctets, 1);
  *octets = (ReplayOctets){
      .account = account, .row = item->row, .copy = item->copy, .spooled = item->spooled, .size = item->size, .fd = -1};
  return octets;
}

static void close_octets(ReplayOctets *octets) {
  g_clear_pointer(&octets->bytes, g_bytes_unref);
  if (octets->fd >= 0)
    close(octets->fd);
  octets->fd = -1;
}

void replay_octets_free(ReplayOctets *octets) {
  close_octets(octets);
  g_clear_error(&octets->failed);
  g_free(octets);
}

/* ---- where they are ----------------------------------------------------------------------------------------- */

static gboolean take_new(ReplayOctets *octets, gint64 row, gboolean spooled, GError **error) {
  if (spooled)
    octets->fd = spool_get(octets->account->spool, row, error);
  else
    octets->bytes = journal_bytes(octets->account->index, row, error);
  return octets->fd >= 0 || octets->bytes;
}

/* Of the message that it is a copy of. FALSE and no error: not here. */
static gboolean take_copied(ReplayOctets *octets, GError **error) {
  g_auto(JournalNew) entry = {0};
  g_autoptr(GError) failed = NULL;
  if (octets->copy == 0)
    return FALSE;
  octets->fd = body_open(octets->account->bodies, octets->copy);
  if (octets->fd >= 0)
    return TRUE;
  if (journal_get_new(octets->account->index, octets->copy, &entry, &failed))
    return take_new(octets, octets->copy, entry.spooled, error);
  if (failed)
    g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean take(ReplayOctets *octets, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (take_new(octets, octets->row, octets->spooled, &failed) || (!failed && take_copied(octets, &failed)))
    return TRUE;
  if (!failed)
    g_set_error_literal(&failed, IMAP_ERROR, IMAP_ERROR_GONE, "its octets are no longer here");
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean is_whole(ReplayOctets *octets) {
  struct stat st;
  if (octets->bytes)
    return g_bytes_get_size(octets->bytes) == octets->size;
  return fstat(octets->fd, &st) == 0 && (guint64)st.st_size == octets->size && lseek(octets->fd, 0, SEEK_SET) == 0;
}

gboolean replay_octets_open(ReplayOctets *octets, GError **error) {
  if (octets->bytes || octets->fd >= 0)
    return TRUE;
  if (!take(octets, error))
    return FALSE;
  octets->at = 0;
  if (is_whole(octets))
    return TRUE;
  close_octets(octets);
  g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_GONE, "its octets here are not those that were accepted");
  return FALSE;
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static gboolean read_file(ReplayOctets *octets, void *buffer, gsize len, gsize *ret_len, GError **error) {
  ssize_t n;
  do {
    n = read(octets->fd, buffer, len);
  } while (n < 0 && errno == EINTR);
  if (n < 0)
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LOCAL, "cannot read a message to be sent: %s", g_strerror(errno));
  *ret_len = n < 0 ? 0 : (gsize)n;
  return n >= 0;
}

static gboolean read_some(ReplayOctets *octets, void *buffer, gsize len, gsize *ret_len, GError **error) {
  if (!replay_octets_open(octets, error))
    return FALSE;
  if (!octets->bytes)
    return read_file(octets, buffer, len, ret_len, error);
  gsize size;
  const char *data = g_bytes_get_data(octets->bytes, &size);
  *ret_len = MIN(len, size - octets->at);
  memcpy(buffer, data + octets->at, *ret_len);
  octets->at += *ret_len;
  return TRUE;
}

gboolean replay_octets_read(gpointer data, void *buffer, gsize len, gsize *ret_len, GError **error) {
  ReplayOctets *octets = data;
  g_clear_error(&octets->failed);
  if (!read_some(octets, buffer, len, ret_len, &octets->failed)) {
    g_propagate_error(error, g_error_copy(octets->failed));
    return FALSE;
  }
  /* A thousand are open one after another, not at once. */
  if (octets->bytes && octets->at == octets->size)
    close_octets(octets);
  return TRUE;
}

const GError *replay_octets_failed(const ReplayOctets *octets) {
  return octets->failed;
}

/* ---- fetching ----------------------------------------------------------------------------------------------- */

typedef struct {
  int fd;
  guint32 uid;
  gboolean whole, has;
} Fetched;

static gboolean begin_body(gpointer data, guint64 size) {
  (void)size;
  Fetched *fetched = data;
  fetched->whole = FALSE;
  return lseek(fetched->fd, 0, SEEK_SET) == 0 && ftruncate(fetched->fd, 0) == 0;
}

static gboolean write_body(gpointer data, const void *octets, gsize len) {
  const char *at = octets;
  while (len > 0) {
    ssize_t n = write(((Fetched *)data)->fd, at, len);
    if (n < 0 && errno != EINTR)
      return FALSE;
    at += MAX(n, 0);
    len -= (gsize)MAX(n, 0);
  }
  return TRUE;
}

static void end_body(gpointer data, gboolean whole) {
  ((Fetched *)data)->whole = whole;
}

static gboolean take_body(const ImapMessage *message, gpointer data, G_GNUC_UNUSED GError **error) {
  Fetched *fetched = data;
  if (message->uid == fetched->uid && (message->has & IMAP_HAS_BODY) && fetched->whole)
    fetched->has = TRUE;
  return TRUE;
}

static gboolean fetch_body(ReplayOctets *octets, ImapConn *conn, guint32 uid, GError **error) {
  static const ImapSink sink = {.begin = begin_body, .write = write_body, .end = end_body};
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  Fetched fetched = {.fd = octets->fd, .uid = uid};
  imap_seqset_add(uids, uid, uid);
  if (!ask_bodies(octets->account, conn, uids, &sink, take_body, &fetched, error))
    return FALSE;
  if (!fetched.has)
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_REFUSED, GONE_REASON);
  else if (!is_whole(octets))
    g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_REFUSED, "the message that was copied is another now");
  else
    return TRUE;
  return FALSE;
}

/* What is being matched again has no number for a while. */
static gboolean find_source(ReplayOctets *octets, IndexKey *ret, IndexMailbox *ret_mailbox, GError **error) {
  Index *index = octets->account->index;
  g_auto(IndexMessage) message = {0};
  g_autoptr(GError) failed = NULL;
  if (index_get_key(index, octets->copy, ret, &failed) && index_get_mailbox(index, ret->mailbox, ret_mailbox, &failed))
    return TRUE;
  if (!failed && index_get_message(index, octets->copy, &message, &failed) && !message.gone)
    g_set_error_literal(&failed, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, "the message that was copied is being looked for");
  else if (!failed)
    g_set_error_literal(&failed, IMAP_ERROR, IMAP_ERROR_REFUSED, GONE_REASON);
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

gboolean replay_octets_fetch(ReplayOctets *octets, ImapConn *conn, GError **error) {
  IndexKey key = {0};
  g_auto(IndexMailbox) mailbox = {0};
  if (!find_source(octets, &key, &mailbox, error))
    return FALSE;
  /* Nobody has claimed it: it may be matched again just now. */
  mailbox.uidvalidity = key.uidvalidity;
  if (!account_open_mailbox(octets->account, conn, &mailbox, NULL, NULL, error))
    return FALSE;
  octets->fd = spool_temp(octets->account->spool, error);
  if (octets->fd < 0)
    return FALSE;
  if (fetch_body(octets, conn, key.uid, error))
    return TRUE;
  close_octets(octets);
  return FALSE;
}
