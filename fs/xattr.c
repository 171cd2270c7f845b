/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: "user.imap.*" of messages and folders are for the cache, "user.imapfs.*" of the mount point tell
 * of the journal. What else begins with "user." is ENODATA, as on a filesystem that could have it and has not; other
 * namespaces are EOPNOTSUPP, which makes `ls -l` ask once and not for every file. (ENOSYS would switch them all off.)
 *
 * Programs that copy attributes take those that are listed: user.imap.flags, of a message that has any. Without one it
 * lists nothing, and removing the attribute takes all flags away; so `rsync -X` of files from elsewhere converges.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/xattr.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/inode.h"
#include "fs/reply.h"
#include "fs/stale.h"

#define USER "user."
#define IMAP USER "imap."
#define IMAPFS USER "imapfs."
#define FLAGS "flags"
#define DRAINED_VALUE "1"

typedef enum { FOREIGN, UNKNOWN, OF_OBJECT, OF_MOUNT } Space;

/* Whose an attribute is. OF_OBJECT: *ret_rest is what the cache calls it. */
static Space space_of(const char *name, const char **ret_rest) {
  *ret_rest = name + strlen(IMAP);
  return g_str_has_prefix(name, IMAP)     ? OF_OBJECT
         : g_str_has_prefix(name, IMAPFS) ? OF_MOUNT
         : g_str_has_prefix(name, USER)   ? UNKNOWN
                                          : FOREIGN;
}

/* ---- of the mount point ----------------------------------------------------------------------------- */
static CacheAnswer drained_ask(FsCall *call, GError **error) {
  return cache_await_drained(call->fs->cache, NULL, error);
}

static void drained_reply(FsCall *call) {
  reply_xattr(call, DRAINED_VALUE, strlen(DRAINED_VALUE));
}

static CacheAnswer left_ask(FsCall *call, GError **error) {
  g_auto(CacheLeft) left = {0};
  if (cache_await_drained(call->fs->cache, &left, error) == CACHE_FAILED)
    g_clear_error(error); /* it is said in `trouble` */
  call->text = g_strdup_printf("%" G_GUINT64_FORMAT " change%s, %" G_GUINT64_FORMAT " bytes%s%s", left.changes,
                               left.changes == 1 ? "" : "s", left.bytes, left.trouble ? ": " : "",
                               left.trouble ? left.trouble : "");
  return CACHE_READY;
}

static void text_reply(FsCall *call) {
  if (call->text)
    reply_xattr(call, call->text, strlen(call->text));
  else
    reply_error(call, ENODATA);
}

static CacheAnswer brake_ask(FsCall *call, GError **error) {
  (void)error;
  cache_release_brake(call->fs->cache);
  return CACHE_READY;
}

static const FsOp op_drained = {
    .name = "GETXATTR", .ask = drained_ask, .reply = drained_reply, .goes_on = call_is_sending};
static const FsOp op_left = {.name = "GETXATTR", .ask = left_ask, .reply = text_reply};
static const FsOp op_brake = {.name = "SETXATTR", .ask = brake_ask, .reply = reply_done};

static const struct {
  const char *name;
  const FsOp *get, *set; /* or NULL */
} of_mount[] = {
    {IMAPFS "drained", &op_drained, NULL}, {IMAPFS "left", &op_left, NULL}, {IMAPFS "brake", NULL, &op_brake}};

/* What is done with an attribute of the mount point; NULL: nothing. */
static const FsOp *find_of_mount(const char *name, gboolean set) {
  for (gsize i = 0; i < G_N_ELEMENTS(of_mount); i++)
    if (g_str_equal(of_mount[i].name, name))
      return set ? of_mount[i].set : of_mount[i].get;
  return NULL;
}

/* ---- GETXATTR --------------------------------------------------------------------------------------- */
static CacheAnswer getxattr_ask(FsCall *call, GError **error) {
  CacheAnswer answer = cache_get_attribute(call->fs->cache, call->kind, call->row, call->attribute, &call->text, error);
  return answer == CACHE_ABSENT ? CACHE_READY : call_wait_once(call, answer, error);
}

/* Fields of the header wait for the body, where it is not here. */
static const FsOp op_getxattr = {.name = "GETXATTR", .ask = getxattr_ask, .reply = text_reply, .reader = TRUE};

static void get_of_mount(FsCall *call) {
  const FsOp *op = call->ino == INODE_ROOT ? find_of_mount(call->name, FALSE) : NULL;
  if (!op) {
    reply_error(call, ENODATA);
    return;
  }
  call->op = op;
  if (op != &op_drained)
    call_ask(call);
  else if (call->size == 0) /* how long the value would be: no need to wait for it */
    drained_reply(call);
  else { /* close(2) returns before the journal holds what was written till then */
    stale_await_closing(call->fs->stale);
    call->key = inode_number(call->fs->root, CACHE_JOURNAL, CACHE_ALL);
    call_ask(call);
  }
}

static void do_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size) {
  FsCall *call = call_new(req, &op_getxattr, ino);
  if (!call)
    return;
  call->name = g_strdup(name);
  call->size = size;
  switch (space_of(call->name, &call->attribute)) {
  case OF_OBJECT:
    call->key = ino;
    call_ask(call);
    return;
  case OF_MOUNT:
    get_of_mount(call);
    return;
  case UNKNOWN:
    reply_error(call, ENODATA);
    return;
  case FOREIGN:
    break;
  }
  reply_error(call, EOPNOTSUPP);
}

/* ---- LISTXATTR -------------------------------------------------------------------------------------- */
static CacheAnswer listxattr_ask(FsCall *call, GError **error) {
  if (call->kind == CACHE_MESSAGE &&
      cache_get_attribute(call->fs->cache, call->kind, call->row, FLAGS, &call->text, error) == CACHE_FAILED)
    return CACHE_FAILED;
  return CACHE_READY;
}

static void listxattr_reply(FsCall *call) {
  gboolean any = call->text && *call->text;
  reply_xattr(call, IMAP FLAGS, any ? sizeof IMAP FLAGS : 0); /* each name with its zero */
}

static const FsOp op_listxattr = {.name = "LISTXATTR", .ask = listxattr_ask, .reply = listxattr_reply};

static void do_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size) {
  FsCall *call = call_new(req, &op_listxattr, ino);
  if (!call)
    return;
  call->size = size;
  call_ask(call);
}

/* ---- SETXATTR, REMOVEXATTR -------------------------------------------------------------------------- */
/* XATTR_CREATE and XATTR_REPLACE: FALSE, with the errno, where it is there, or is not. */
static gboolean may_set(FsCall *call, int *ret_number) {
  g_autoptr(GError) error = NULL;
  g_autofree char *old = NULL;
  *ret_number = 0;
  if (call->flags & (XATTR_CREATE | XATTR_REPLACE)) {
    CacheAnswer answer = cache_get_attribute(call->fs->cache, call->kind, call->row, call->attribute, &old, &error);
    *ret_number = answer == CACHE_FAILED                                  ? reply_errno(error)
                  : answer == CACHE_READY && call->flags & XATTR_CREATE   ? EEXIST
                  : answer == CACHE_ABSENT && call->flags & XATTR_REPLACE ? ENODATA
                                                                          : 0;
  }
  return *ret_number == 0;
}

static CacheAnswer setxattr_ask(FsCall *call, GError **error) {
  return cache_set_attribute(call->fs->cache, call->kind, call->row, call->attribute, call->text, call->size, error);
}

static const FsOp op_setxattr = {.name = "SETXATTR", .ask = setxattr_ask, .reply = reply_done};
static const FsOp op_removexattr = {.name = "REMOVEXATTR", .ask = setxattr_ask, .reply = reply_done};

static void do_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags) {
  FsCall *call = call_new(req, &op_setxattr, ino);
  int number;
  if (!call)
    return;
  call->name = g_strdup(name);
  call->text = g_strndup(value, size); /* up to a zero, if there is one: then it is refused */
  call->size = size;
  call->flags = (guint)flags;
  Space space = space_of(call->name, &call->attribute);
  const FsOp *op = space == OF_MOUNT && ino == INODE_ROOT ? find_of_mount(name, TRUE) : &op_setxattr;
  if (!op || (space != OF_OBJECT && op == &op_setxattr))
    reply_error(call, space == OF_MOUNT ? EPERM : EOPNOTSUPP);
  else if (space == OF_OBJECT && !may_set(call, &number))
    reply_error(call, number);
  else {
    call->op = op;
    call_ask(call);
  }
}

static void do_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name) {
  FsCall *call = call_new(req, &op_removexattr, ino);
  if (!call)
    return;
  call->name = g_strdup(name);
  Space space = space_of(call->name, &call->attribute);
  if (space == OF_OBJECT && call->kind == CACHE_MESSAGE && g_str_equal(call->attribute, FLAGS)) {
    call->text = g_strdup("");
    call_ask(call);
  } else
    reply_error(call, space == FOREIGN ? EOPNOTSUPP : space == UNKNOWN ? ENODATA : EPERM);
}

void xattr_handlers(struct fuse_lowlevel_ops *ops) {
  ops->getxattr = do_getxattr;
  ops->listxattr = do_listxattr;
  ops->setxattr = do_setxattr;
  ops->removexattr = do_removexattr;
}
