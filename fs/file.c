/* SPDX-License-Identifier: MIT */
/*
 * OPEN, READ and RELEASE. What is opened for reading is an fd of the body, which is whole and never changes, or no fd
 * yet: then the size is known exactly but the body was evicted, and the first READ asks and waits for it. What is
 * opened for writing, and what is opened for reading meanwhile, is a draft.
 *
 * An OPEN where only the server's claim of the size is known waits for the body. If the claim was wrong that OPEN is
 * answered with ESTALE, once: the kernel repeats LOOKUP and OPEN by itself, and every reader (mmap, sendfile and
 * appenders too) sees the right size.
 *
 * A file that was written is given its last form when the last writer closes it; stale.h sees to it that whoever opens
 * it right then gets all of it.
 *
 * Written over, a message is another row with another number, and who has the old one open reads on there, until that
 * stands in the trash, under its number. The kernel tells such readers nothing of what is written under the new one;
 * call_tell_readers() does.
 *
 * When a READ fails the kernel at once sends it again: the first was read-ahead, though somebody waits for it. The
 * second one must not wait all over again, so it gets the same answer.
 *
 * Pages stay in the kernel's cache across opens; what is closed read-only needs no FLUSH. The reply is spliced from the
 * body file.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs/inode.h"
#include "fs/reply.h"

/* ---- OPEN ------------------------------------------------------------------------------------------- */
/* A draft may be known by two numbers, and is perhaps just being closed under the other one. */
static void enter_turn(FsCall *call) {
  Stale *stale = call->fs->stale;
  stale_enter(stale, call->ino);
  CacheDraft *draft = cache_draft_of(call->fs->cache, call->row);
  if (!draft)
    return;
  cache_draft_close(draft);
  stale_leave(stale, call->ino);
  stale_await_closing(stale);
  stale_enter(stale, call->ino);
}

/* Between its turns. STALE: the kernel's size is old, so let it ask. */
static CacheAnswer open_in_turn(FsCall *call, CacheAnswer (*ask)(FsCall *call, GError **error), GError **error) {
  Stale *stale = call->fs->stale;
  enter_turn(call);
  StaleState state = stale_look(stale, call->ino);
  call->keep_pages = state == STALE_NOT;
  CacheAnswer answer = state == STALE_SIZE ? CACHE_STALE : ask(call, error);
  stale_leave(stale, call->ino);
  return answer;
}

static CacheAnswer read_in_turn(FsCall *call, GError **error) {
  Cache *cache = call->fs->cache;
  call->draft = cache_draft_of(cache, call->row);
  if (call->draft)
    return CACHE_READY;
  CacheAnswer answer = cache_open_body(cache, call->row, CACHE_BODY_OPEN, &call->fd, error);
  if (answer == CACHE_READY && call->fd < 0 && call->event_fd >= 0)
    call->fd = fcntl(call->event_fd, F_DUPFD_CLOEXEC, 0); /* it came but could not be kept */
  return answer;
}

static CacheAnswer edit_in_turn(FsCall *call, GError **error) {
  gboolean truncate = (call->info.flags & O_TRUNC) != 0;
  return call_wait_once(call, cache_edit(call->fs->cache, call->row, truncate, &call->draft, error), error);
}

static CacheAnswer open_ask(FsCall *call, GError **error) {
  return open_in_turn(call, read_in_turn, error);
}

static CacheAnswer edit_ask(FsCall *call, GError **error) {
  return open_in_turn(call, edit_in_turn, error);
}

static gboolean is_for_writing(const struct fuse_file_info *info) {
  return (info->flags & O_ACCMODE) != O_RDONLY || info->flags & O_TRUNC;
}

static void open_reply(FsCall *call) {
  Files *files = call->fs->files;
  if (call->answer == CACHE_STALE) {
    reply_error(call, ESTALE);
    return;
  }
  FileId id = {call->ino, call->row};
  File *file = call->draft ? file_open_draft(files, id, g_steal_pointer(&call->draft))
                           : file_open(files, id, g_steal_fd(&call->fd));
  if (!file) {
    reply_error(call, EIO);
    return;
  }
  call->info.fh = (uintptr_t)file;
  call->info.keep_cache = call->keep_pages;
  call->info.noflush = !is_for_writing(&call->info);
  if (!reply_open(call))
    file_close(files, file);
}

static const FsOp op_open = {.name = "OPEN", .ask = open_ask, .reply = open_reply, .reader = TRUE};
static const FsOp op_edit = {.name = "OPEN", .ask = edit_ask, .reply = open_reply, .reader = TRUE};

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  FsCall *call = call_new(req, is_for_writing(fi) ? &op_edit : &op_open, ino);
  if (!call)
    return;
  if (call->kind == CACHE_FOLDER) {
    reply_error(call, EISDIR);
    return;
  }
  call->info = *fi;
  call->key = ino;
  call_ask(call);
}

/* ---- READ ------------------------------------------------------------------------------------------- */
static CacheAnswer read_ask(FsCall *call, GError **error) {
  int fd = call->event_fd >= 0 ? fcntl(call->event_fd, F_DUPFD_CLOEXEC, 0) : -1;
  CacheAnswer answer = fd >= 0 ? CACHE_READY : cache_open_body(call->fs->cache, call->row, CACHE_BODY_READ, &fd, error);

  if (answer == CACHE_ABSENT && file_get(call->file, 0, &fd, &(off_t){0}))
    return CACHE_READY; /* written anew and removed: it goes on with what it had */
  if (answer == CACHE_READY && !file_adopt(call->file, call->row, fd)) {
    g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCAL, "a body cannot be read: %s", g_strerror(errno));
    return CACHE_FAILED;
  }
  return answer;
}

static void read_reply(FsCall *call) {
  int fd;
  off_t size;
  if (!file_get(call->file, call->row, &fd, &size) && !file_get(call->file, 0, &fd, &size))
    reply_error(call, call->answer == CACHE_STALE ? ESTALE : EIO);
  else if (call->offset >= size)
    reply_buffer(call, NULL, 0);
  else
    reply_data(call, fd, call->offset, MIN(call->size, (gsize)(size - call->offset)));
}

static void read_failed(FsCall *call, int number) {
  file_set_failure(call->file, number);
}

static const FsOp op_read = {
    .name = "READ", .ask = read_ask, .reply = read_reply, .reader = TRUE, .failed = read_failed};

static void read_draft(FsCall *call, CacheDraft *draft) {
  g_autoptr(GError) error = NULL;
  gssize got = 1;

  call->buffer = g_byte_array_sized_new(call->size);
  while (got > 0 && call->buffer->len < call->size) {
    gsize len = call->buffer->len;
    got = cache_draft_read(draft, call->buffer->data + len, call->size - len, (guint64)call->offset + len, &error);
    if (got > 0)
      g_byte_array_set_size(call->buffer, len + got);
  }
  if (got < 0)
    reply_error(call, reply_errno(error));
  else
    reply_buffer(call, call->buffer->data, call->buffer->len);
}

static void read_body(FsCall *call) {
  int fd;
  off_t whole;
  if (file_get(call->file, call->row, &fd, &whole)) {
    read_reply(call);
    return;
  }
  int failure = file_recent_failure(call->file);
  if (failure) {
    reply_error(call, failure);
    return;
  }
  call->key = inode_number(call->fs->root, CACHE_MESSAGE, call->row);
  call_ask(call);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  FsCall *call = call_new(req, &op_read, ino);
  if (!call)
    return;
  call->file = (File *)(uintptr_t)fi->fh;
  call->size = size;
  call->offset = offset;
  call->row = cache_successor(call->fs->cache, call->row);
  CacheDraft *draft = file_draft(call->file);
  if (!draft) /* somebody writes: the pages are his */
    draft = call->draft = cache_draft_of(call->fs->cache, call->row);
  if (draft)
    read_draft(call, draft);
  else
    read_body(call);
}

/* ---- RELEASE ---------------------------------------------------------------------------------------- */
static const FsOp op_release = {.name = "RELEASE"};

/* The last one that wrote gives lines their CR LF. */
static void close_draft(FsCall *call, File *file) {
  Fs *fs = call->fs;
  g_autoptr(GError) error = NULL;
  if (!file_flush_rest(file, FALSE, &error))
    g_warning("what was written to a mapping is not kept: %s", error->message);
  guint64 size = cache_draft_size(file_draft(file));
  file_close(fs->files, file);
  call_tell_readers(call);
  if (cache_get(fs->cache, call->kind, call->row, &call->entry, NULL) == CACHE_READY && call->entry.size != size)
    notify_data(fs->notify, call->ino);
}

static void do_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  Stale *stale = ((Fs *)fuse_req_userdata(req))->stale;
  File *file = (File *)(uintptr_t)fi->fh;
  stale_enter_expected(stale, ino);
  FsCall *call = call_new(req, &op_release, ino);
  if (call && file_draft(file))
    close_draft(call, file);
  else if (call)
    file_close(call->fs->files, file);
  stale_leave(stale, ino);
  if (call)
    reply_error(call, 0);
}

void file_handlers(struct fuse_lowlevel_ops *ops) {
  ops->open = do_open;
  ops->read = do_read;
  ops->release = do_release;
}
