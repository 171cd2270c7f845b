/* SPDX-License-Identifier: MIT */
/*
 * Every answer to the kernel goes out here, and here errors of the cache become errno values, one row per code. No code
 * is ENOENT but the one that means it: a network that is down must not look like mail that is gone, because `rsync
 * --delete` believes what it sees.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/reply.h"

#include <errno.h>

#include "fs/inode.h"

static const int numbers[] = {
    [CACHE_ERROR_OFFLINE] = EHOSTUNREACH,
    [CACHE_ERROR_TIMEOUT] = ETIMEDOUT,
    [CACHE_ERROR_LOGIN] = EACCES,
    [CACHE_ERROR_TLS] = EACCES,
    [CACHE_ERROR_CONFIG] = EINVAL,
    [CACHE_ERROR_BUSY] = EBUSY,
    [CACHE_ERROR_REFUSED] = EPERM,
    [CACHE_ERROR_PERMISSION] = EACCES,
    [CACHE_ERROR_READONLY] = EROFS,
    [CACHE_ERROR_QUOTA] = EDQUOT,
    [CACHE_ERROR_TOOBIG] = EFBIG,
    [CACHE_ERROR_EXISTS] = EEXIST,
    [CACHE_ERROR_GONE] = ENOENT,
    [CACHE_ERROR_GARBAGE] = EIO,
    [CACHE_ERROR_SPACE] = ENOSPC,
    [CACHE_ERROR_LOCAL] = EIO,
    [CACHE_ERROR_LOCKED] = EBUSY,
    [CACHE_ERROR_CANCELLED] = ENOTCONN,
    [CACHE_ERROR_INVALID] = EINVAL,
    [CACHE_ERROR_NOT_EMPTY] = ENOTEMPTY,
    [CACHE_ERROR_FOLDER] = EISDIR,
    [CACHE_ERROR_NO_FOLDER] = ENOTDIR,
    [CACHE_ERROR_CROSS] = EXDEV,
    [CACHE_ERROR_PROTECTED] = EPERM,
    [CACHE_ERROR_UNSUPPORTED] = EOPNOTSUPP,
};

int reply_errno(const GError *error) {
  if (error->domain != CACHE_ERROR || error->code < 0 || error->code >= (int)G_N_ELEMENTS(numbers))
    return EIO;
  return numbers[error->code];
}

int reply_answer(CacheAnswer answer, const GError *error) {
  switch (answer) {
  case CACHE_READY:
  case CACHE_STALE:
    return 0;
  case CACHE_ABSENT:
    return ENOENT;
  case CACHE_FAILED:
    return error ? reply_errno(error) : EIO;
  case CACHE_WAIT:
    break;
  }
  g_assert_not_reached();
}

int reply_outcome(ParkOutcome outcome) {
  switch (outcome) {
  case PARK_LATE:
    return ETIMEDOUT;
  case PARK_INTERRUPTED:
    return EINTR;
  case PARK_CLOSED:
    return ENOTCONN;
  case PARK_WAITING:
  case PARK_EVENT:
    break;
  }
  g_assert_not_reached();
}

/* ---- replies: libfuse frees the request, we free the call ------------------------------------------- */
void reply_error(FsCall *call, int number) {
  call_unhook(call);
  fuse_reply_err(call->req, number);
  call_finish(call, number, NULL);
}

void reply_done(FsCall *call) {
  reply_error(call, 0);
}

void reply_stat(Fs *fs, const CacheEntry *entry, struct fuse_entry_param *ret) {
  *ret = (struct fuse_entry_param){.attr_timeout = REPLY_FOREVER, .entry_timeout = REPLY_FOREVER};
  inode_stat(fs->root, entry, fs->uid, fs->gid, &ret->attr);
  ret->ino = ret->attr.st_ino;
}

void reply_attr(FsCall *call, const CacheEntry *entry) {
  struct fuse_entry_param param;
  reply_stat(call->fs, entry, &param);
  call_unhook(call);
  fuse_reply_attr(call->req, &param.attr, REPLY_FOREVER);
  call_finish(call, 0, NULL);
}

void reply_entry(FsCall *call, const CacheEntry *entry) {
  struct fuse_entry_param param;
  char detail[32];
  reply_stat(call->fs, entry, &param);
  call_unhook(call);
  fuse_reply_entry(call->req, &param);
  g_snprintf(detail, sizeof detail, "%" G_GINT64_MODIFIER "x", (guint64)param.ino);
  call_finish(call, 0, detail);
}

gboolean reply_open(FsCall *call) {
  call_unhook(call);
  gboolean taken = fuse_reply_open(call->req, &call->info) != -ENOENT;
  call_finish(call, 0, NULL);
  return taken;
}

static void trace_size(FsCall *call, gsize len) {
  char detail[32];
  g_snprintf(detail, sizeof detail, "%zu bytes", len);
  call_finish(call, 0, detail);
}

gboolean reply_create(FsCall *call, const CacheEntry *entry) {
  struct fuse_entry_param param;
  reply_stat(call->fs, entry, &param);
  call_unhook(call);
  gboolean taken = fuse_reply_create(call->req, &param, &call->info) != -ENOENT;
  call_finish(call, 0, NULL);
  return taken;
}

void reply_written(FsCall *call, gsize len) {
  call_unhook(call);
  fuse_reply_write(call->req, len);
  trace_size(call, len);
}

void reply_xattr(FsCall *call, const char *value, gsize len) {
  if (call->size > 0 && call->size < len) {
    reply_error(call, ERANGE);
    return;
  }
  call_unhook(call);
  if (call->size > 0)
    fuse_reply_buf(call->req, value, len);
  else
    fuse_reply_xattr(call->req, len);
  trace_size(call, len);
}

void reply_buffer(FsCall *call, const void *octets, gsize len) {
  call_unhook(call);
  fuse_reply_buf(call->req, octets, len);
  trace_size(call, len);
}

void reply_data(FsCall *call, int fd, off_t offset, gsize len) {
  struct fuse_bufvec data = FUSE_BUFVEC_INIT(len);
  data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
  data.buf[0].fd = fd;
  data.buf[0].pos = offset;
  call_unhook(call);
  int result = fuse_reply_data(call->req, &data, 0);
  if (result < 0 && result != -ENOENT)
    g_warning("cannot hand over a body: %s", g_strerror(-result));
  trace_size(call, len);
}

void reply_statfs(FsCall *call, const struct statvfs *st) {
  call_unhook(call);
  fuse_reply_statfs(call->req, st);
  call_finish(call, 0, NULL);
}
