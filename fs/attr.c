/* SPDX-License-Identifier: MIT */
/*
 * GETATTR, STATFS, extended attributes, and every operation that would change something: EROFS, here as well as by the
 * read-only mount, because a mount can be remounted.
 *
 * GETATTR is always answered from the index; a message that is gone shows a link count of 0 while somebody has it open.
 * Extended attributes are EOPNOTSUPP: ENODATA makes `ls -l` ask three times per file, and ENOSYS would switch them off
 * for the whole connection. `statfs` shows the mail as a full disk, like other read-only filesystems: nothing fits in.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/attr.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "fs/reply.h"

#define ATTR_BLOCK 4096

static CacheAnswer getattr_ask(FsCall *call, GError **error) {
  return cache_get(call->fs->cache, call->kind, call->row, &call->entry, error);
}

static void getattr_reply(FsCall *call) {
  reply_attr(call, &call->entry);
}

static const FsOp op_getattr = {"GETATTR", getattr_ask, getattr_reply, FALSE, NULL};

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)fi;
  FsCall *call = call_new(req, &op_getattr, ino);
  if (call)
    call_ask(call);
}

static const FsOp op_statfs = {.name = "STATFS"};

static void do_statfs(fuse_req_t req, fuse_ino_t ino) {
  FsCall *call = call_new(req, &op_statfs, ino);
  g_autoptr(GError) error = NULL;
  CacheTotals totals = {0};
  if (!call)
    return;
  if (!cache_totals(call->fs->cache, &totals, &error))
    g_info("no totals: %s", error->message);
  struct statvfs st = {
      .f_bsize = ATTR_BLOCK,
      .f_frsize = ATTR_BLOCK,
      .f_blocks = totals.bytes / ATTR_BLOCK + (totals.bytes % ATTR_BLOCK != 0),
      .f_files = totals.messages + totals.folders,
      .f_namemax = 255,
  };
  reply_statfs(call, &st);
}

/* ---- what is not offered ---------------------------------------------------------------------------- */
static const FsOp op_getxattr = {.name = "GETXATTR"};
static const FsOp op_listxattr = {.name = "LISTXATTR"};

static void refuse(fuse_req_t req, fuse_ino_t ino, const FsOp *op, int number) {
  FsCall *call = call_new(req, op, ino);
  if (call)
    reply_error(call, number);
}

static void do_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) {
  (void)name;
  (void)size;
  refuse(req, ino, &op_getxattr, EOPNOTSUPP);
}

static void do_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  (void)size;
  refuse(req, ino, &op_listxattr, EOPNOTSUPP);
}

/* One operation that is refused: its name, and its parameters after the inode. */
#define READ_ONLY(op, ...)                                                                                             \
  static void do_##op(fuse_req_t req, fuse_ino_t ino, __VA_ARGS__) {                                                   \
    static const FsOp refused = {.name = #op};                                                                         \
    refuse(req, ino, &refused, EROFS);                                                                                 \
  }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
READ_ONLY(setattr, struct stat *attr, int what, struct fuse_file_info *fi)
READ_ONLY(mknod, const char *name, mode_t mode, dev_t device)
READ_ONLY(mkdir, const char *name, mode_t mode)
READ_ONLY(unlink, const char *name)
READ_ONLY(rmdir, const char *name)
READ_ONLY(link, fuse_ino_t parent, const char *name)
READ_ONLY(rename, const char *name, fuse_ino_t parent, const char *target, unsigned flags)
READ_ONLY(create, const char *name, mode_t mode, struct fuse_file_info *fi)
READ_ONLY(write, const char *octets, size_t size, off_t offset, struct fuse_file_info *fi)
READ_ONLY(fallocate, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
READ_ONLY(setxattr, const char *name, const char *value, size_t size, int flags)
READ_ONLY(removexattr, const char *name)
#pragma GCC diagnostic pop

static void do_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name) {
  static const FsOp refused = {.name = "symlink"};
  (void)target;
  (void)name;
  refuse(req, parent, &refused, EROFS);
}

void attr_handlers(struct fuse_lowlevel_ops *ops) {
  ops->getattr = do_getattr;
  ops->statfs = do_statfs;
  ops->getxattr = do_getxattr;
  ops->listxattr = do_listxattr;
  ops->setattr = do_setattr;
  ops->mknod = do_mknod;
  ops->mkdir = do_mkdir;
  ops->unlink = do_unlink;
  ops->rmdir = do_rmdir;
  ops->symlink = do_symlink;
  ops->link = do_link;
  ops->rename = do_rename;
  ops->create = do_create;
  ops->write = do_write;
  ops->fallocate = do_fallocate;
  ops->setxattr = do_setxattr;
  ops->removexattr = do_removexattr;
}
