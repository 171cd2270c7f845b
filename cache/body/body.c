/* SPDX-License-Identifier: MIT */
/*
 * A body is begun (a temporary file), written, and committed: renamed to its row, entered in the table in memory, and
 * posted to the index. States, and what serves a reader:
 *
 *   in the table, verified      its file, if that has the size the table says
 *   in the table, not verified  its file, once its octets have the size and SHA-256 of the index; else it is dropped
 *   held                        nothing, until body_prove() has compared it with the server's header
 *   not in the table            nothing, even if a file lies there
 *
 * The table is ahead of the index by the jobs that are queued; if such a job fails the body is dropped. A body is
 * verified when we wrote it ourselves in this epoch; a new epoch begins when the files cannot be trusted to be what the
 * index means (`distrust`). Files that no entry names are swept when the last run did not end by body_store_close().
 *
 * Eviction unlinks; whoever has an fd reads on. An entry whose file is missing (somebody emptied the cache, or a commit
 * and an eviction of one row crossed) is dropped when that shows, so the worst of any race is one more fetch. What
 * cannot be kept (too large, disk nearly full) is served from an unlinked file, and still tells its size and hash.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/body/body_private.h"

#define FLUSH_USES 1024 /* uses noted in memory before they are written to the index */
#define CHUNK 65536

static guint32 now_seconds(void) {
  return (guint32)(g_get_monotonic_time() / G_USEC_PER_SEC);
}

/* ---- opening and closing ----------------------------------------------------------------------------- */
typedef struct {
  BodyStore *store;
  BodyChange *change;
} Load;

static void load_body(const IndexBody *body, gpointer data) {
  Load *load = data;
  if (body->orphan) {
    g_array_append_val(load->change->drop, body->row);
    return;
  }
  BodyEntry *entry =
      body_table_restore(load->store->table, body->row, body->bytes,
                         body->queue == BODY_PROBATION ? BODY_PROBATION : BODY_MAIN, (guint64)body->used);
  entry->verified = body->epoch == load->store->epoch;
  entry->held = body->held;
}

static gboolean known(gint64 row, gpointer data) {
  return body_table_find(((BodyStore *)data)->table, row) != NULL;
}

typedef struct {
  BodyStore *store;
  gboolean drop_all;
} Start;

static gboolean start_run(IndexTxn *txn, gpointer data, GError **error) {
  Start *start = data;
  g_autofree char *epoch = g_strdup_printf("%" G_GUINT64_FORMAT, start->store->epoch);
  return index_set_meta(txn, "bodies-epoch", epoch, error) && index_set_meta(txn, "bodies-open", "1", error) &&
         (!start->drop_all || index_drop_bodies(txn, error));
}

static gboolean load(BodyStore *store, gboolean distrust, gboolean made, GError **error) {
  g_autofree char *epoch = index_get_meta(store->index, "bodies-epoch", NULL);
  g_autofree char *open = index_get_meta(store->index, "bodies-open", NULL);
  gboolean sweep = distrust || g_strcmp0(open, "0") != 0;
  store->epoch = (epoch ? g_ascii_strtoull(epoch, NULL, 10) : 1) + (distrust ? 1 : 0);
  Start start = {store, made};
  if (!index_write(store->index, INDEX_BODY, start_run, &start, error))
    return FALSE;
  Load loading = {store, body_change_new(store)};
  gboolean loaded = index_each_body(store->index, load_body, &loading, error);
  body_change_evict(loading.change, 0);
  body_change_post(loading.change);
  if (loaded && sweep && !made)
    body_dir_sweep(&store->dir, known, store);
  return loaded;
}

static void free_store(BodyStore *store) {
  body_dir_close(&store->dir);
  body_table_free(store->table);
  EVP_MD_free(store->sha256);
  g_mutex_clear(&store->mutex);
  g_free(store);
}

BodyStore *body_store_open(const char *path, Index *index, guint64 cache_size, guint64 min_free, gboolean distrust,
                           GError **error) {
  g_autofree char *bodies = g_build_filename(path, "bodies", NULL);
  BodyDir dir;
  gboolean made = FALSE;
  if (!body_dir_open(&dir, bodies, &made, error))
    return NULL;
  BodyStore *store = g_new0(BodyStore, 1);
  *store = (BodyStore){.index = index, .dir = dir, .min_free = min_free, .table = body_table_new(cache_size)};
  store->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
  g_mutex_init(&store->mutex);
  if (load(store, distrust, made, error))
    return store;
  index_flush(index, NULL);
  free_store(store);
  return NULL;
}

static void flush_uses(BodyStore *store) {
  BodyChange *change = body_change_new(store);
  g_mutex_lock(&store->mutex);
  body_table_flush(store->table, body_change_note, change);
  g_mutex_unlock(&store->mutex);
  body_change_post(change);
}

static gboolean end_run(IndexTxn *txn, G_GNUC_UNUSED gpointer data, GError **error) {
  return index_set_meta(txn, "bodies-open", "0", error);
}

void body_store_close(BodyStore *store) {
  g_autoptr(GError) error = NULL;
  flush_uses(store);
  /* Jobs posted before hold the store, and their outcome may post more: the second round waits for those. */
  for (int round = 0; round < 2; round++) {
    g_clear_error(&error);
    index_write(store->index, INDEX_BODY, end_run, NULL, &error);
  }
  if (error)
    g_warning("closing the cache: %s", error->message);
  free_store(store);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */
static gboolean hash_file(BodyStore *store, int fd, BodyDigest *ret) {
  g_autofree char *chunk = g_malloc(CHUNK);
  EVP_MD_CTX *hash = EVP_MD_CTX_new();
  EVP_DigestInit_ex2(hash, store->sha256, NULL);
  ssize_t n;
  ret->size = 0;
  while ((n = pread(fd, chunk, CHUNK, (off_t)ret->size)) > 0) {
    EVP_DigestUpdate(hash, chunk, (gsize)n);
    ret->size += (guint64)n;
  }
  EVP_DigestFinal_ex(hash, ret->sha256, NULL);
  EVP_MD_CTX_free(hash);
  return n == 0;
}

static gboolean proves_right(BodyStore *store, gint64 row, int fd) {
  g_auto(IndexMessage) message = {0};
  BodyDigest digest;
  return index_get_message(store->index, row, &message, NULL) && hash_file(store, fd, &digest) &&
         digest.size == message.size && memcmp(digest.sha256, message.sha256, sizeof digest.sha256) == 0;
}

static void set_verified(BodyStore *store, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  BodyEntry *entry = body_table_find(store->table, row);
  if (entry)
    body_table_verified(store->table, entry);
}

/* A copy of the entry, after counting the use. FALSE: none that may be served. */
static gboolean use(BodyStore *store, gint64 row, BodyEntry *ret, gboolean *ret_flush) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  BodyEntry *entry = body_table_find(store->table, row);
  if (!entry || entry->held)
    return FALSE;
  body_table_use(store->table, entry, now_seconds());
  *ret = *entry;
  *ret_flush = body_table_dirty(store->table) >= FLUSH_USES;
  return TRUE;
}

int body_open_entry(BodyStore *store, const BodyEntry *entry) {
  gint64 row = entry->row;
  int fd = body_dir_read(&store->dir, row);
  if (fd < 0 && errno != ENOENT && errno != ELOOP) /* no more descriptors: not the body's fault */
    return -1;
  struct stat st;
  gboolean good = fd >= 0 && fstat(fd, &st) == 0 && (guint64)st.st_size == entry->bytes;
  if (good && !entry->verified && (good = proves_right(store, row, fd)))
    set_verified(store, row);
  if (good)
    return fd;
  if (fd >= 0)
    close(fd);
  body_drop(store, row);
  return -1;
}

int body_open(BodyStore *store, gint64 row) {
  BodyEntry entry;
  gboolean flush = FALSE;
  if (!use(store, row, &entry, &flush))
    return -1;
  if (flush)
    flush_uses(store);
  return body_open_entry(store, &entry);
}

gboolean body_present(BodyStore *store, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  const BodyEntry *entry = body_table_find(store->table, row);
  return entry && !entry->held;
}

guint64 body_store_bytes(BodyStore *store) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&store->mutex);
  return body_table_bytes(store->table);
}

void body_drop(BodyStore *store, gint64 row) {
  g_mutex_lock(&store->mutex);
  gboolean had = body_table_remove(store->table, row);
  g_mutex_unlock(&store->mutex);
  if (!had)
    return;
  BodyChange *change = body_change_new(store);
  g_array_append_val(change->drop, row);
  body_change_post(change);
}
