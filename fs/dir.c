/* SPDX-License-Identifier: MIT */
/*
 * LOOKUP, OPENDIR, READDIR and READDIRPLUS.
 *
 * Freshness is awaited in OPENDIR, because the kernel holds no lock there: for at most a second, then what we have is
 * good enough. LOOKUP and READDIR hold the directory's lock, which others cannot be killed out of; they wait only where
 * there is nothing to show yet.
 *
 * A listing has no state: the cookie of an entry is its inode number, and each READDIR asks the index for what follows
 * it. So mail that comes or goes shifts nothing, a folder of a million messages costs one buffer, seekdir and rewinddir
 * need no care, and no reply re-creates a name in the kernel that had vanished before the reply was made.
 *
 * An entry whose size may not be shown is sent without attributes, so that stat() makes the kernel send LOOKUP, which
 * learns the size. An unknown name is ENOENT and never remembered as such: there is no end to tell the kernel.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/dir.h"

#include <errno.h>

#include "fs/inode.h"
#include "fs/reply.h"

#define DIR_BATCH 128            /* entries asked for at once */
#define DIR_ENTRY_LEAST 24       /* octets of the shortest entry of a reply, for how many to ask */
#define DIR_ENTRY_LEAST_PLUS 152 /* with attributes */
#define DIR_REPLY_MOST (1 << 20) /* octets in one reply */

/* ---- LOOKUP ----------------------------------------------------------------------------------------- */
static CacheAnswer lookup_dots(FsCall *call, gboolean up, GError **error) {
  Fs *fs = call->fs;
  CacheAnswer answer = cache_get(fs->cache, call->kind, call->row, &call->entry, error);
  if (answer != CACHE_READY || !up || call->ino == INODE_ROOT)
    return answer;
  return cache_get(fs->cache, CACHE_FOLDER, call->entry.parent, &call->entry, error);
}

static CacheAnswer lookup_ask(FsCall *call, GError **error) {
  Fs *fs = call->fs;
  if (g_str_equal(call->name, ".") || g_str_equal(call->name, ".."))
    return lookup_dots(call, call->name[1] != '\0', error);
  CacheAnswer answer = cache_lookup(fs->cache, call->row, call->name, &call->entry, error);
  if (answer == CACHE_WAIT)
    call->key = inode_number(fs->root, call->entry.kind, call->entry.row);
  return answer;
}

static void lookup_reply(FsCall *call) {
  Fs *fs = call->fs;
  stale_looked_up(fs->stale, inode_number(fs->root, call->entry.kind, call->entry.row));
  reply_entry(call, &call->entry);
}

static const FsOp op_lookup = {.name = "LOOKUP", .ask = lookup_ask, .reply = lookup_reply};

/* By "." a file is found by its number alone: who exports the mount has handles of files, too. */
static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
  gboolean itself = g_str_equal(name, ".");
  FsCall *call = itself ? call_new(req, &op_lookup, parent) : call_new_at(req, &op_lookup, parent, name);
  if (call && itself)
    call->name = g_strdup(name);
  if (call)
    call_ask(call);
}

/* ---- OPENDIR ---------------------------------------------------------------------------------------- */
static CacheAnswer opendir_ask(FsCall *call, GError **error) {
  gboolean again = call->enough || call->interruptible; /* it has waited once: what there is will do */
  CacheAnswer answer = cache_open_folder(call->fs->cache, call->row, error);
  if (answer != CACHE_STALE || again)
    return answer;
  call->enough = TRUE;
  return CACHE_WAIT;
}

static void opendir_reply(FsCall *call) {
  reply_open(call);
}

static const FsOp op_opendir = {.name = "OPENDIR", .ask = opendir_ask, .reply = opendir_reply};

static void do_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  FsCall *call = call_new(req, &op_opendir, ino);
  if (!call)
    return;
  if (call->kind != CACHE_FOLDER) {
    reply_error(call, ENOTDIR);
    return;
  }
  call->info = *fi;
  call->key = ino;
  call_ask(call);
}

/* ---- READDIR ---------------------------------------------------------------------------------------- */
static gboolean add(FsCall *call, const char *name, const struct fuse_entry_param *param, guint64 cookie) {
  char *end = (char *)call->buffer->data + call->buffer->len;
  gsize room = call->size - call->buffer->len;
  gsize need = call->plus ? fuse_add_direntry_plus(call->req, end, room, name, param, (off_t)cookie)
                          : fuse_add_direntry(call->req, end, room, name, &param->attr, (off_t)cookie);
  if (need > room)
    return FALSE;
  g_byte_array_set_size(call->buffer, call->buffer->len + need);
  return TRUE;
}

/* "." and ".." carry no attributes; their cookies are 1 and 2. */
static CacheAnswer add_dots(FsCall *call, GError **error) {
  gint64 root = call->fs->root;
  CacheEntry self;
  CacheAnswer answer = cache_get(call->fs->cache, CACHE_FOLDER, call->row, &self, error);
  if (answer != CACHE_READY)
    return answer;
  guint64 up = call->ino == INODE_ROOT ? INODE_ROOT : inode_number(root, CACHE_FOLDER, self.parent);
  struct fuse_entry_param dot = {.attr = {.st_ino = call->ino, .st_mode = S_IFDIR}};
  struct fuse_entry_param dots = {.attr = {.st_ino = up, .st_mode = S_IFDIR}};
  if (call->offset < INODE_ROOT && add(call, ".", &dot, INODE_ROOT))
    call->offset = INODE_ROOT;
  if (call->offset == INODE_ROOT && add(call, "..", &dots, INODE_PARENT))
    call->offset = INODE_PARENT;
  return CACHE_READY;
}

static gboolean add_entry(FsCall *call, const CacheEntry *entry) {
  struct fuse_entry_param param;
  reply_stat(call->fs, entry, &param);
  if (entry->kind == CACHE_MESSAGE && !entry->shown)
    param.ino = 0; /* st_ino and the type stay: they make d_ino and d_type */
  if (!add(call, entry->name, &param, param.attr.st_ino))
    return FALSE;
  call->offset = (off_t)param.attr.st_ino;
  return TRUE;
}

/* Adds the entries after call->offset. *ret_more: there was room for all of them, and there may be others. */
static CacheAnswer add_batch(FsCall *call, CacheEntry *entries, gboolean *ret_more, GError **error) {
  CacheKind kind = 0;
  gint64 row = 0;
  gsize n = 0, got = 0;

  *ret_more = FALSE;
  if (call->offset > INODE_PARENT && !inode_parse(call->fs->root, call->offset, &kind, &row))
    return CACHE_READY; /* a cookie that we never gave: nothing comes after it */
  n = (call->size - call->buffer->len) / (call->plus ? DIR_ENTRY_LEAST_PLUS : DIR_ENTRY_LEAST);
  n = CLAMP(n, 1, DIR_BATCH);
  CacheAnswer answer = cache_list(call->fs->cache, call->row, kind, row, entries, n, &got, error);
  if (answer != CACHE_READY)
    return answer;
  for (gsize i = 0; i < got; i++)
    if (!add_entry(call, &entries[i]))
      return CACHE_READY;
  *ret_more = got == n;
  return CACHE_READY;
}

static CacheAnswer readdir_ask(FsCall *call, GError **error) {
  g_autofree CacheEntry *entries = g_new(CacheEntry, DIR_BATCH);
  gboolean more = TRUE;
  CacheAnswer answer = CACHE_READY;

  if (call->offset < INODE_PARENT)
    answer = add_dots(call, error);
  if (answer == CACHE_READY && call->offset < INODE_PARENT)
    return CACHE_READY; /* no room for the dots */
  while (answer == CACHE_READY && more)
    answer = add_batch(call, entries, &more, error);
  if (answer == CACHE_STALE || (answer != CACHE_READY && call->buffer->len > 0)) {
    g_clear_error(error); /* what we have goes out; the next call says what is wrong */
    return CACHE_READY;
  }
  return answer;
}

static void readdir_reply(FsCall *call) {
  reply_buffer(call, call->buffer->data, call->buffer->len);
}

static const FsOp op_readdir = {.name = "READDIR", .ask = readdir_ask, .reply = readdir_reply};
static const FsOp op_readdirplus = {.name = "READDIRPLUS", .ask = readdir_ask, .reply = readdir_reply};

static void readdir_start(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, gboolean plus) {
  FsCall *call = call_new(req, plus ? &op_readdirplus : &op_readdir, ino);
  if (!call)
    return;
  if (call->kind != CACHE_FOLDER || offset < 0) {
    reply_error(call, offset < 0 ? EINVAL : ENOTDIR);
    return;
  }
  call->size = MIN(size, DIR_REPLY_MOST);
  call->offset = offset;
  call->plus = plus;
  call->key = ino;
  call->buffer = g_byte_array_sized_new(call->size);
  call_ask(call);
}

static void do_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  (void)fi;
  readdir_start(req, ino, size, offset, FALSE);
}

static void do_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  (void)fi;
  readdir_start(req, ino, size, offset, TRUE);
}

void dir_handlers(struct fuse_lowlevel_ops *ops) {
  ops->lookup = do_lookup;
  ops->opendir = do_opendir;
  ops->readdir = do_readdir;
  ops->readdirplus = do_readdirplus;
}
