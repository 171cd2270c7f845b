/* SPDX-License-Identifier: MIT */
/*
 * A body on its way in. Its hash is computed as it is written, while the octets are in the processor's cache. A full
 * disk is answered by evicting and trying again; only when there is nothing left to evict is it an error. Now and then
 * the free space of the disk is looked at, and `min_free` of it restored.
 */
#include <errno.h>
#include <unistd.h>

#include "cache/body/body_private.h"
#include "cache/error.h"

#define CHECK_BYTES (16u << 20) /* how much comes in between two looks at the free space of the disk */

struct _BodyTemp {
  BodyStore *store;
  int fd;
  char name[32];
  EVP_MD_CTX *hash;
  BodyDigest digest;
  gboolean digested;
};

static guint32 now_seconds(void) {
  return (guint32)(g_get_monotonic_time() / G_USEC_PER_SEC);
}

static void lost_everything(BodyStore *store) {
  g_warning("the cache directory was deleted; it is made again");
  g_mutex_lock(&store->mutex);
  BodyChange *change = body_change_new(store);
  body_change_evict(change, G_MAXUINT64);
  g_mutex_unlock(&store->mutex);
  body_change_post(change);
}

BodyTemp *body_begin(BodyStore *store, GError **error) {
  BodyTemp temp = {.store = store};
  gboolean lost = FALSE;
  temp.fd = body_dir_create(&store->dir, temp.name, &lost, error);
  if (lost)
    lost_everything(store);
  if (temp.fd < 0)
    return NULL;
  temp.hash = EVP_MD_CTX_new();
  EVP_DigestInit_ex2(temp.hash, store->sha256, NULL);
  return g_memdup2(&temp, sizeof temp);
}

/* After ENOSPC: makes room for so much. */
static gboolean make_room(BodyStore *store, guint64 bytes) {
  BodyChange *change = body_change_new(store);
  g_mutex_lock(&store->mutex);
  guint64 freed = body_change_evict(change, MAX(bytes, CHECK_BYTES));
  g_mutex_unlock(&store->mutex);
  body_change_post(change);
  return freed > 0;
}

gboolean body_write(BodyTemp *temp, const void *octets, gsize len, GError **error) {
  EVP_DigestUpdate(temp->hash, octets, len);
  temp->digest.size += len;
  for (const char *p = octets; len;) {
    ssize_t n = write(temp->fd, p, len);
    if (n < 0 && errno != EINTR && !(errno == ENOSPC && make_room(temp->store, len)))
      return cache_error_errno(error, "cannot write a body");
    p += MAX(n, 0);
    len -= (gsize)MAX(n, 0);
  }
  return TRUE;
}

static void free_temp(BodyTemp *temp) {
  EVP_MD_CTX_free(temp->hash);
  g_free(temp);
}

void body_discard(BodyTemp *temp) {
  if (!temp)
    return;
  body_dir_unlink_temp(&temp->store->dir, temp->name);
  close(temp->fd);
  free_temp(temp);
}

void body_digest(BodyTemp *temp, BodyDigest *ret) {
  if (!temp->digested)
    EVP_DigestFinal_ex(temp->hash, temp->digest.sha256, NULL);
  temp->digested = TRUE;
  *ret = temp->digest;
}

static gboolean wants_check(BodyStore *store, guint64 bytes) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  store->unchecked += bytes;
  if (store->unchecked < CHECK_BYTES && !store->crowded)
    return FALSE;
  store->unchecked = 0;
  return TRUE;
}

/* Looks at the disk now and then, and keeps min_free of it free. */
static void keep_free(BodyStore *store, BodyChange *change, guint64 came) {
  if (!wants_check(store, came))
    return;
  guint64 space = body_dir_free(&store->dir), missing = space < store->min_free ? store->min_free - space : 0;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  store->crowded = missing > 0 && body_change_evict(change, missing) < missing;
}

static gboolean acceptable(BodyStore *store, guint64 size) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  return !store->crowded && body_table_accepts(store->table, size);
}

/* Call with the mutex held. */
static void enter(BodyStore *store, BodyChange *change) {
  BodyEntry *entry = body_table_add(store->table, change->row, change->digest.size, now_seconds());
  entry->verified = 1;
  body_change_note(entry, change);
}

int body_commit(BodyTemp *temp, const IndexKey *key, gint64 ctime, G_GNUC_UNUSED GError **error) {
  BodyStore *store = temp->store;
  BodyChange *change = body_change_new(store);
  gint64 row = change->row = key->row;
  change->key = *key;
  change->ctime = ctime;
  body_digest(temp, &change->digest);
  keep_free(store, change, change->digest.size);
  gboolean kept = acceptable(store, change->digest.size) && body_dir_keep(&store->dir, temp->name, row);
  if (!kept)
    body_dir_unlink_temp(&store->dir, temp->name);
  g_mutex_lock(&store->mutex);
  if (kept)
    enter(store, change);
  else if (body_table_remove(store->table, row))
    g_array_append_val(change->drop, row);
  body_change_evict(change, 0);
  g_mutex_unlock(&store->mutex);
  body_change_post(change);
  int fd = temp->fd;
  free_temp(temp);
  return fd;
}
