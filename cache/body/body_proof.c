/* SPDX-License-Identifier: MIT */
/*
 * Held bodies. A server that renumbers says which messages it has by a few header fields and a size; that is good
 * enough for a name, not for the octets of a letter. The proof is the whole header block, octet for octet, up to and
 * with the empty line.
 *
 * A body that comes from the server meanwhile takes the place of the held one, and is not held.
 */
#include <string.h>
#include <unistd.h>

#include "cache/body/body_private.h"

void body_hold(BodyStore *store, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  BodyEntry *entry = body_table_find(store->table, row);
  if (entry)
    entry->held = 1;
}

/* A copy of the entry. FALSE: nothing is held under this row. */
static gboolean find_held(BodyStore *store, gint64 row, BodyEntry *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  const BodyEntry *entry = body_table_find(store->table, row);
  if (!entry || !entry->held)
    return FALSE;
  *ret = *entry;
  return TRUE;
}

/* The block ends with an empty line, or the message with the block. */
static gboolean is_whole(const char *header, gsize len, guint64 size) {
  return len > 0 && (len == size || (len >= 4 && memcmp(header + len - 4, "\r\n\r\n", 4) == 0));
}

static gboolean begins_with(int fd, const char *header, gsize len) {
  char chunk[8192];
  for (gsize done = 0; done < len;) {
    ssize_t n = pread(fd, chunk, MIN(sizeof chunk, len - done), (off_t)done);
    if (n <= 0 || memcmp(chunk, header + done, (gsize)n) != 0)
      return FALSE;
    done += (gsize)n;
  }
  return TRUE;
}

static gboolean agrees(BodyStore *store, const BodyEntry *entry, const char *header, gsize len) {
  int fd = is_whole(header, len, entry->bytes) ? body_open_entry(store, entry) : -1;
  gboolean same = fd >= 0 && begins_with(fd, header, len);
  if (fd >= 0)
    close(fd);
  return same;
}

static gboolean write_release(IndexTxn *txn, gpointer data, GError **error) {
  return index_release_body(txn, *(gint64 *)data, error);
}

static void release(BodyStore *store, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  BodyEntry *entry = body_table_find(store->table, row);
  if (entry)
    entry->held = 0;
}

gboolean body_prove(BodyStore *store, gint64 row, const void *header, gsize len) {
  BodyEntry entry;
  if (!find_held(store, row, &entry))
    return FALSE;
  /* The index first: what it holds, a crash brings back as held. */
  if (agrees(store, &entry, header, len) && index_write(store->index, INDEX_SYNC, write_release, &row, NULL)) {
    release(store, row);
    return TRUE;
  }
  if (find_held(store, row, &entry))
    body_drop(store, row);
  return FALSE;
}
