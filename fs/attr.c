/* SPDX-License-Identifier: MIT */
/*
 * GETATTR, SETATTR and STATFS, all answered from the index.
 *
 * A message that is gone shows a link count of 0 while somebody has it open. Owner, mode and the time of reading are
 * ours: whoever sets them is told that all is well, and sees that nothing changed. (`cp -p`, `rsync -a` and `install
 * -m` would complain otherwise.) The size can be set of what is open for writing and of nothing else: truncate(2) by
 * path would leave half a letter.
 *
 * `statfs` shows the quota, if there is one. Without it there is room for everything: programs that look first must not
 * refuse to copy. A read-only mount is a full disk, like other read-only filesystems.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/attr.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <time.h>

#include "fs/reply.h"

#define ATTR_BLOCK 4096
#define ATTR_ROOM (G_GUINT64_CONSTANT(1) << 40) /* octets free where no quota is known */
#define ATTR_ROOM_FILES (G_GUINT64_CONSTANT(1) << 31)
#define SECOND G_GINT64_CONSTANT(1000000000)
#define ATTR_SECONDS_MOST (G_MAXINT64 / SECOND - 1) /* 292 years before and after 1970 fit into ns */

/* ---- GETATTR ---------------------------------------------------------------------------------------- */
static CacheAnswer getattr_ask(FsCall *call, GError **error) {
  return cache_get(call->fs->cache, call->kind, call->row, &call->entry, error);
}

static void getattr_reply(FsCall *call) {
  reply_attr(call, &call->entry);
}

static const FsOp op_getattr = {.name = "GETATTR", .ask = getattr_ask, .reply = getattr_reply};

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)fi;
  FsCall *call = call_new(req, &op_getattr, ino);
  if (call)
    call_ask(call);
}

/* ---- SETATTR ---------------------------------------------------------------------------------------- */
static gboolean set_size(FsCall *call, GError **error) {
  g_autoptr(CacheDraft) draft = cache_draft_of(call->fs->cache, call->row);
  if (draft)
    return cache_draft_truncate(draft, (guint64)call->attr.st_size, error);
  g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_PROTECTED, "a message that is not open for writing");
  return FALSE;
}

static gboolean set_mtime(FsCall *call, GError **error) {
  struct timespec time = call->attr.st_mtim;
  if (call->changes & FUSE_SET_ATTR_MTIME_NOW)
    clock_gettime(CLOCK_REALTIME, &time);
  gint64 seconds = CLAMP(time.tv_sec, -ATTR_SECONDS_MOST, ATTR_SECONDS_MOST);
  return cache_set_mtime(call->fs->cache, call->kind, call->row, seconds * SECOND + time.tv_nsec, error);
}

static CacheAnswer setattr_ask(FsCall *call, GError **error) {
  if (call->changes & FUSE_SET_ATTR_SIZE && !set_size(call, error))
    return CACHE_FAILED;
  if (call->changes & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW) && !set_mtime(call, error))
    return CACHE_FAILED;
  return getattr_ask(call, error);
}

static const FsOp op_setattr = {.name = "SETATTR", .ask = setattr_ask, .reply = getattr_reply};

static void do_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int changes, struct fuse_file_info *fi) {
  FsCall *call = call_new(req, &op_setattr, ino);
  if (!call)
    return;
  if (fi && changes & FUSE_SET_ATTR_SIZE)
    file_touch((File *)(uintptr_t)fi->fh);
  call->attr = *attr;
  call->changes = changes;
  call_ask(call);
}

/* ---- STATFS ----------------------------------------------------------------------------------------- */
static const FsOp op_statfs = {.name = "STATFS"};

static guint64 blocks(guint64 octets) {
  return octets / ATTR_BLOCK + (octets % ATTR_BLOCK != 0);
}

static void do_statfs(fuse_req_t req, fuse_ino_t ino) {
  FsCall *call = call_new(req, &op_statfs, ino);
  g_autoptr(GError) error = NULL;
  CacheTotals used = {0};
  CacheSpace space = {0};
  if (!call)
    return;
  if (!cache_totals(call->fs->cache, &used, &error))
    g_info("no totals: %s", error->message);
  cache_space(call->fs->cache, &space);
  guint64 files = used.messages + used.folders;
  guint64 room = call->fs->read_only ? 0 : space.total ? space.left : ATTR_ROOM;
  guint64 room_files = call->fs->read_only ? 0 : space.messages_total ? space.messages_left : ATTR_ROOM_FILES;
  struct statvfs st = {
      .f_bsize = ATTR_BLOCK,
      .f_frsize = ATTR_BLOCK,
      .f_blocks = space.total ? blocks(space.total) : blocks(used.bytes) + room / ATTR_BLOCK,
      .f_bfree = room / ATTR_BLOCK,
      .f_bavail = room / ATTR_BLOCK,
      .f_files = space.messages_total ? MAX(space.messages_total, room_files) : files + room_files,
      .f_ffree = room_files,
      .f_favail = room_files,
      .f_namemax = CALL_NAME_MOST,
  };
  reply_statfs(call, &st);
}

void attr_handlers(struct fuse_lowlevel_ops *ops) {
  ops->getattr = do_getattr;
  ops->setattr = do_setattr;
  ops->statfs = do_statfs;
}
