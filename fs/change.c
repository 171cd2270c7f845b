/* SPDX-License-Identifier: MIT */
/*
 * UNLINK, RMDIR, RENAME, MKDIR and FSYNCDIR. The kernel holds the directory's lock meanwhile, which others cannot be
 * killed out of. So all are answered after the local commit; but MKDIR and the renaming of a folder are errands that
 * the server does while the request is parked, for five seconds at most, however lively the line is.
 *
 * The kernel forgets by itself what it asked to be changed: names, link counts, and the attributes of the directories.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/change.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/inode.h"
#include "fs/reply.h"

#define CHANGE_ERRAND_MOST (5 * G_USEC_PER_SEC)

/* ---- errands ---------------------------------------------------------------------------------------- */
static CacheAnswer errand(FsCall *call, CacheAnswer answer) {
  if (answer == CACHE_WAIT)
    call->key = inode_number(call->fs->root, CACHE_ERRAND, call->ticket);
  else
    call->ticket = 0;
  return answer;
}

static void forget_errand(FsCall *call, int number) {
  (void)number;
  if (call->ticket)
    cache_forget_errand(call->fs->cache, call->ticket);
}

/* ---- MKDIR, RMDIR ----------------------------------------------------------------------------------- */
static CacheAnswer mkdir_ask(FsCall *call, GError **error) {
  return errand(call, cache_make_folder(call->fs->cache, call->row, call->name, &call->ticket, &call->entry, error));
}

static void mkdir_reply(FsCall *call) {
  reply_entry(call, &call->entry);
}

static const FsOp op_mkdir = {
    .name = "MKDIR", .ask = mkdir_ask, .reply = mkdir_reply, .failed = forget_errand, .most = CHANGE_ERRAND_MOST};

static void do_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
  (void)mode;
  FsCall *call = call_new_at(req, &op_mkdir, parent, name);
  if (call)
    call_ask(call);
}

static CacheAnswer rmdir_ask(FsCall *call, GError **error) {
  return cache_remove_folder(call->fs->cache, call->row, call->name, error);
}

static const FsOp op_rmdir = {.name = "RMDIR", .ask = rmdir_ask, .reply = reply_done};

static void do_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name) {
  FsCall *call = call_new_at(req, &op_rmdir, parent, name);
  if (call)
    call_ask(call);
}

/* ---- UNLINK ----------------------------------------------------------------------------------------- */
static CacheAnswer unlink_ask(FsCall *call, GError **error) {
  return cache_remove(call->fs->cache, call->row, call->name, error);
}

static const FsOp op_unlink = {.name = "UNLINK", .ask = unlink_ask, .reply = reply_done};

static void do_unlink(fuse_req_t req, fuse_ino_t parent, const char *name) {
  FsCall *call = call_new_at(req, &op_unlink, parent, name);
  if (call)
    call_ask(call);
}

/* ---- RENAME ----------------------------------------------------------------------------------------- */
static const struct {
  guint kernel, cache;
} rename_flags[] = {{RENAME_NOREPLACE, CACHE_RENAME_NOREPLACE}, {RENAME_EXCHANGE, CACHE_RENAME_EXCHANGE}};

/* What has the name, where that is known without waiting. */
static void look_at(FsCall *call) {
  Cache *cache = call->fs->cache;
  CacheAnswer answer = cache_lookup(cache, call->row, call->name, &call->entry, NULL);
  if (answer == CACHE_WAIT && call->entry.kind == CACHE_MESSAGE)
    cache_unwant(cache, call->entry.row, g_get_monotonic_time());
  if (answer != CACHE_READY)
    call->entry = (CacheEntry){0};
}

static CacheAnswer rename_now(FsCall *call, GError **error) {
  return errand(call, cache_rename(call->fs->cache, call->row, call->name, call->to, call->to_name, call->flags,
                                   &call->ticket, error));
}

/* A file that was scratch and becomes mail by its new name may get other octets by that. */
static CacheAnswer rename_ask(FsCall *call, GError **error) {
  Fs *fs = call->fs;
  CacheEntry now;
  look_at(call);
  if (call->entry.kind != CACHE_MESSAGE)
    return rename_now(call, error);
  guint64 ino = inode_number(fs->root, CACHE_MESSAGE, call->entry.row);
  stale_enter(fs->stale, ino);
  CacheAnswer answer = rename_now(call, error);
  if (answer == CACHE_READY && cache_get(fs->cache, CACHE_MESSAGE, call->entry.row, &now, NULL) == CACHE_READY &&
      now.size != call->entry.size) {
    files_forget(fs->files, call->entry.row);
    notify_data(fs->notify, ino);
  }
  stale_leave(fs->stale, ino);
  return answer;
}

static const FsOp op_rename = {
    .name = "RENAME", .ask = rename_ask, .reply = reply_done, .failed = forget_errand, .most = CHANGE_ERRAND_MOST};

/* 0, or the errno of what cannot be meant. */
static int set_target(FsCall *call, fuse_ino_t parent, const char *name, guint flags) {
  CacheKind kind;
  for (gsize i = 0; i < G_N_ELEMENTS(rename_flags); i++)
    if (flags & rename_flags[i].kernel) {
      call->flags |= rename_flags[i].cache;
      flags &= ~rename_flags[i].kernel;
    }
  if (flags)
    return EINVAL;
  if (!inode_parse(call->fs->root, parent, &kind, &call->to) || kind != CACHE_FOLDER)
    return ENOTDIR;
  if (strlen(name) > CALL_NAME_MOST)
    return ENAMETOOLONG;
  call->to_name = g_strdup(name);
  return 0;
}

static void do_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *to_name,
                      unsigned flags) {
  FsCall *call = call_new_at(req, &op_rename, parent, name);
  if (!call)
    return;
  int number = set_target(call, to, to_name, flags);
  if (number)
    reply_error(call, number);
  else
    call_ask(call);
}

/* ---- FSYNCDIR --------------------------------------------------------------------------------------- */
static CacheAnswer fsyncdir_ask(FsCall *call, GError **error) {
  return cache_sync_disk(call->fs->cache, error) ? CACHE_READY : CACHE_FAILED;
}

static const FsOp op_fsyncdir = {.name = "FSYNCDIR", .ask = fsyncdir_ask, .reply = reply_done};

static void do_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi) {
  (void)datasync;
  (void)fi;
  FsCall *call = call_new(req, &op_fsyncdir, ino);
  if (call)
    call_ask(call);
}

/* ---- what a mailbox does not have ------------------------------------------------------------------- */
/* A copy of a message is not the same file: it has a flag list and a date of its own. */
static void do_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name) {
  static const FsOp op_link = {.name = "LINK"};
  (void)ino;
  FsCall *call = call_new_at(req, &op_link, parent, name);
  if (call)
    reply_error(call, EPERM);
}

static void do_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name) {
  static const FsOp op_symlink = {.name = "SYMLINK"};
  (void)target;
  FsCall *call = call_new_at(req, &op_symlink, parent, name);
  if (call)
    reply_error(call, EPERM);
}

void change_handlers(struct fuse_lowlevel_ops *ops) {
  ops->mkdir = do_mkdir;
  ops->rmdir = do_rmdir;
  ops->unlink = do_unlink;
  ops->rename = do_rename;
  ops->fsyncdir = do_fsyncdir;
  ops->link = do_link;
  ops->symlink = do_symlink;
}
