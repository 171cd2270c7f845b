/* SPDX-License-Identifier: MIT */
/*
 * CREATE, and what is done with a file that is open for writing: a handle of a draft. All of it waits for the disk at
 * most, but FSYNC, which is parked until the server has the message.
 *
 * Errors that matter are told by WRITE and FLUSH, because nobody sees those of RELEASE. FLUSH comes for every close(2)
 * of a descriptor, more than once and with half a file, so it makes things durable and no more. It is the last we hear
 * of a writer that was killed, and so he is looked at here.
 *
 * The kernel writes through (no WRITEBACK_CACHE): it moves the size by itself, and asks for the other attributes. What
 * is written through a shared mapping comes as WRITE, too, at the latest before the FLUSH of the descriptor or the
 * RELEASE of the mapping.
 *
 * COPY_FILE_RANGE of a whole message into an empty file moves no octets. Anything else is EOPNOTSUPP, upon which the
 * kernel itself reads and writes, and programs need not know.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/write.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/inode.h"
#include "fs/killed.h"
#include "fs/reply.h"

/* ---- CREATE, MKNOD ---------------------------------------------------------------------------------- */
static CacheAnswer create_ask(FsCall *call, GError **error) {
  return cache_create(call->fs->cache, call->row, call->name, &call->entry, &call->draft, error);
}

static void create_reply(FsCall *call) {
  Files *files = call->fs->files;
  FileId id = {inode_number(call->fs->root, CACHE_MESSAGE, call->entry.row), call->entry.row};
  File *file = file_open_draft(files, id, g_steal_pointer(&call->draft));
  call->info.fh = (uintptr_t)file;
  call->info.keep_cache = 1;
  if (!reply_create(call, &call->entry))
    file_close(files, file);
}

static void mknod_reply(FsCall *call) {
  g_clear_pointer(&call->draft, cache_draft_close);
  reply_entry(call, &call->entry);
}

/* A name that was free a moment ago and is not now. ESTALE: the kernel looks it up again and opens what is there. */
static CacheAnswer create_or_open_ask(FsCall *call, GError **error) {
  g_autoptr(GError) failure = NULL;
  CacheAnswer answer = create_ask(call, &failure);
  if (g_error_matches(failure, CACHE_ERROR, CACHE_ERROR_EXISTS))
    return CACHE_STALE;
  if (failure)
    g_propagate_error(error, g_steal_pointer(&failure));
  return answer;
}

static void create_or_open_reply(FsCall *call) {
  if (call->answer == CACHE_STALE)
    reply_error(call, ESTALE);
  else
    create_reply(call);
}

static const FsOp op_create = {.name = "CREATE", .ask = create_or_open_ask, .reply = create_or_open_reply};
static const FsOp op_create_new = {.name = "CREATE", .ask = create_ask, .reply = create_reply};
static const FsOp op_mknod = {.name = "MKNOD", .ask = create_ask, .reply = mknod_reply};

static void do_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi) {
  (void)mode;
  FsCall *call = call_new_at(req, fi->flags & O_EXCL ? &op_create_new : &op_create, parent, name);
  if (!call)
    return;
  call->info = *fi;
  call_ask(call);
}

static void do_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t device) {
  (void)device;
  FsCall *call = call_new_at(req, &op_mknod, parent, name);
  if (!call)
    return;
  if (S_ISREG(mode))
    call_ask(call);
  else
    reply_error(call, EPERM);
}

/* ---- WRITE, FALLOCATE ------------------------------------------------------------------------------- */
/* The call on an open draft; NULL: it has been refused. */
static FsCall *call_draft(fuse_req_t req, const FsOp *op, fuse_ino_t ino, const struct fuse_file_info *fi) {
  FsCall *call = call_new(req, op, ino);
  if (!call)
    return NULL;
  call->file = (File *)(uintptr_t)fi->fh;
  if (file_draft(call->file))
    return call;
  reply_error(call, EBADF);
  return NULL;
}

/* The kernel appends at the size that it knows, and nothing may be lost where that is not so for a moment (stale.h). */
static guint64 offset_of_end(FsCall *call, guint64 offset) {
  guint64 size = cache_draft_size(file_draft(call->file));
  if (offset != size)
    notify_data(call->fs->notify, call->ino);
  return size;
}

static const FsOp op_write = {.name = "WRITE"};

static void do_write(fuse_req_t req, fuse_ino_t ino, const char *octets, size_t size, off_t offset,
                     struct fuse_file_info *fi) {
  g_autoptr(GError) error = NULL;
  FsCall *call = call_draft(req, &op_write, ino, fi);
  if (!call)
    return;
  file_touch(call->file);
  guint64 at = fi->flags & O_APPEND && !fi->writepage ? offset_of_end(call, (guint64)offset) : (guint64)offset;
  if (cache_draft_write(file_draft(call->file), octets, size, at, &error))
    reply_written(call, size);
  else
    reply_error(call, reply_errno(error));
}

static const FsOp op_fallocate = {.name = "FALLOCATE"};

static void do_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi) {
  g_autoptr(GError) error = NULL;
  FsCall *call = call_draft(req, &op_fallocate, ino, fi);
  if (!call)
    return;
  guint64 size = (guint64)offset + (guint64)length;
  CacheDraft *draft = file_draft(call->file);
  if (mode == 0)
    file_touch(call->file);
  if (mode != 0)
    reply_error(call, EOPNOTSUPP);
  else if (size <= cache_draft_size(draft) || cache_draft_truncate(draft, size, &error))
    reply_error(call, 0);
  else
    reply_error(call, reply_errno(error));
}

/* ---- FLUSH, FSYNC ----------------------------------------------------------------------------------- */
static const FsOp op_flush = {.name = "FLUSH"};

static void do_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  g_autoptr(GError) error = NULL;
  FsCall *call = call_new(req, &op_flush, ino);
  if (!call)
    return;
  File *file = (File *)(uintptr_t)fi->fh;
  const struct fuse_ctx *who = fuse_req_ctx(req);
  gboolean killed = file_draft(file) && killed_is(who->pid, geteuid() == 0 || who->uid == geteuid());
  gboolean flushed = file_flush(file, killed, &error);
  if (flushed && file_draft(file))
    call_tell_readers(call);
  reply_error(call, flushed ? 0 : reply_errno(error));
}

static CacheAnswer fsync_ask(FsCall *call, GError **error) {
  return cache_await_sent(call->fs->cache, call->row, error);
}

static const FsOp op_fsync = {.name = "FSYNC", .ask = fsync_ask, .reply = reply_done, .goes_on = call_is_sending};

static void do_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi) {
  (void)datasync;
  g_autoptr(GError) error = NULL;
  FsCall *call = call_new(req, &op_fsync, ino);
  if (!call)
    return;
  if (!file_flush((File *)(uintptr_t)fi->fh, FALSE, &error)) {
    reply_error(call, reply_errno(error));
    return;
  }
  call->key = inode_number(call->fs->root, CACHE_JOURNAL, call->row);
  call_ask(call);
}

/* ---- COPY_FILE_RANGE -------------------------------------------------------------------------------- */
static CacheAnswer copy_ask(FsCall *call, GError **error) {
  guint64 copied = 0;
  CacheAnswer answer = cache_draft_copy(file_draft(call->file), call->to, &copied, error);
  call->size = copied;
  if (answer == CACHE_READY || answer == CACHE_FAILED)
    return answer;
  g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_UNSUPPORTED, "not to be copied as a whole");
  return CACHE_FAILED;
}

static void copy_reply(FsCall *call) {
  reply_written(call, call->size);
}

static const FsOp op_copy = {.name = "COPY_FILE_RANGE", .ask = copy_ask, .reply = copy_reply};

/* A message as it is, all of it. */
static gboolean is_whole(FsCall *call, File *from, gint64 row, size_t len) {
  g_autoptr(CacheDraft) changing = cache_draft_of(call->fs->cache, row);
  return !file_draft(from) && !changing &&
         cache_get(call->fs->cache, CACHE_MESSAGE, row, &call->entry, NULL) == CACHE_READY && call->entry.size <= len;
}

static void do_copy_file_range(fuse_req_t req, fuse_ino_t ino_from, off_t offset_from, struct fuse_file_info *fi_from,
                               fuse_ino_t ino, off_t offset, struct fuse_file_info *fi, size_t len, int flags) {
  (void)flags;
  CacheKind kind;
  FsCall *call = call_draft(req, &op_copy, ino, fi);
  if (!call)
    return;
  gboolean whole = inode_parse(call->fs->root, ino_from, &kind, &call->to) && offset_from == 0 && offset == 0;
  if (whole) /* what a READ of it would get */
    call->to = cache_successor(call->fs->cache, call->to);
  if (!whole || cache_draft_size(file_draft(call->file)) != 0 ||
      !is_whole(call, (File *)(uintptr_t)fi_from->fh, call->to, len)) {
    reply_error(call, EOPNOTSUPP);
    return;
  }
  file_touch(call->file);
  call_ask(call);
}

void write_handlers(struct fuse_lowlevel_ops *ops) {
  ops->create = do_create;
  ops->mknod = do_mknod;
  ops->write = do_write;
  ops->fallocate = do_fallocate;
  ops->flush = do_flush;
  ops->fsync = do_fsync;
  ops->copy_file_range = do_copy_file_range;
}
