/* SPDX-License-Identifier: MIT */
/*
 * How a request is answered. No handler waits: it asks the cache, and where the answer is not there yet the request is
 * parked and the worker takes the next one. (With workers that wait, ten blocked readers freeze the mount, and even
 * Ctrl-C no longer arrives.)
 *
 * call_ask() holds the request in the park *before* it asks, so that the event cannot slip through between. LOOKUP does
 * not know what it waits for until it has asked; it asks twice. When the event comes the cache is asked again, because
 * only the cache knows what is true now; so the event carries no content but an error and, for readers, an fd.
 *
 * The interrupt callback is called with a lock of libfuse held, at any time until it is unset; it flags the request and
 * wakes the park, which answers. Unsetting it before the reply waits for a callback that runs, so the call cannot be
 * freed under it.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/call.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fs/inode.h"
#include "fs/reply.h"

static void call_free(FsCall *call) {
  Fs *fs = call->fs;
  if (call->fd >= 0)
    close(call->fd);
  if (call->buffer)
    g_byte_array_unref(call->buffer);
  if (call->draft)
    cache_draft_close(call->draft);
  g_free(call->name);
  g_free(call->to_name);
  g_free(call->text);
  g_free(call);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&fs->mutex);
  if (--fs->calls == 0 && fs->awaited) /* a signal is a system call */
    g_cond_signal(&fs->quiet);
}

void call_finish(FsCall *call, int number, const char *detail) {
  if (call->fs->trace) {
    gint64 took = g_get_monotonic_time() - call->start;
    g_debug("%s %" G_GINT64_MODIFIER "x%s%s = %s%s%s (%d.%03d ms)", call->op->name, (guint64)call->ino,
            call->name ? " " : "", call->name ? call->name : "", number ? g_strerror(number) : "ok", detail ? " " : "",
            detail ? detail : "", (int)(took / 1000), (int)(took % 1000));
  }
  call_free(call);
}

FsCall *call_new(fuse_req_t req, const FsOp *op, fuse_ino_t ino) {
  FsCall *call = g_new0(FsCall, 1);
  call->fs = fuse_req_userdata(req);
  call->req = req;
  call->op = op;
  call->ino = ino;
  call->fd = call->event_fd = -1;
  if (call->fs->trace)
    call->start = g_get_monotonic_time();
  g_mutex_lock(&call->fs->mutex);
  call->fs->calls++;
  g_mutex_unlock(&call->fs->mutex);
  if (inode_parse(call->fs->root, ino, &call->kind, &call->row))
    return call;
  reply_error(call, ESTALE);
  return NULL;
}

FsCall *call_new_at(fuse_req_t req, const FsOp *op, fuse_ino_t parent, const char *name) {
  FsCall *call = call_new(req, op, parent);
  if (!call)
    return NULL;
  int number = call->kind != CACHE_FOLDER ? ENOTDIR : strlen(name) > CALL_NAME_MOST ? ENAMETOOLONG : 0;
  if (number) {
    reply_error(call, number);
    return NULL;
  }
  call->name = g_strdup(name);
  return call;
}

CacheAnswer call_wait_once(FsCall *call, CacheAnswer answer, GError **error) {
  if (answer != CACHE_WAIT || call->event_fd < 0)
    return answer;
  cache_unwant(call->fs->cache, call->row, g_get_monotonic_time());
  g_set_error_literal(error, CACHE_ERROR, CACHE_ERROR_SPACE, "there is no room for this message in the cache");
  return CACHE_FAILED;
}

void call_tell_readers(FsCall *call) {
  Cache *cache = call->fs->cache;
  gint64 row = cache_successor(cache, call->row);
  files_forget(call->fs->files, row);
  g_autoptr(GArray) readers = files_readers(call->fs->files);
  for (guint i = 0; i < readers->len; i++) {
    const FileId *id = &g_array_index(readers, FileId, i);
    if (id->ino != call->ino && id->row != row && cache_successor(cache, id->row) == row)
      notify_data(call->fs->notify, id->ino);
  }
}

gboolean call_is_sending(FsCall *call) {
  g_auto(CacheLeft) left = {0};
  return cache_await_drained(call->fs->cache, &left, NULL) == CACHE_WAIT && !left.trouble;
}

void call_await_quiet(Fs *fs) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&fs->mutex);
  fs->awaited = TRUE;
  while (fs->calls > 0)
    g_cond_wait(&fs->quiet, &fs->mutex);
}

static void on_interrupt(fuse_req_t req, void *data) {
  FsCall *call = data;
  (void)req;
  park_interrupt(call->fs->park, &call->parked);
}

void call_unhook(FsCall *call) {
  if (call->interruptible)
    fuse_req_interrupt_func(call->req, NULL, NULL);
  call->interruptible = FALSE;
}

static void fail(FsCall *call, int number) {
  if (call->op->failed)
    call->op->failed(call, number);
  reply_error(call, number);
}

static void conclude(FsCall *call, CacheAnswer answer, const GError *error) {
  int number = reply_answer(answer, error);
  call->answer = answer;
  if (number)
    fail(call, number);
  else
    call->op->reply(call);
}

static void give_up(FsCall *call, ParkOutcome outcome) {
  if (call->op->reader && call->kind == CACHE_MESSAGE)
    cache_unwant(call->fs->cache, call->row, call->waits_since);
  if (call->enough && outcome == PARK_LATE)
    conclude(call, CACHE_READY, NULL);
  else
    fail(call, reply_outcome(outcome));
}

static void on_news(Parked *parked, ParkOutcome outcome, const CacheEvent *event) {
  FsCall *call = (FsCall *)parked;
  if (outcome == PARK_LATE && call->op->goes_on && call->op->goes_on(call))
    call_ask(call);
  else if (outcome != PARK_EVENT)
    give_up(call, outcome);
  else if (call->enough)
    conclude(call, CACHE_READY, NULL);
  else if (event->error)
    conclude(call, CACHE_FAILED, event->error);
  else {
    call->event_fd = event->fd;
    call_ask(call);
  }
}

/* TRUE: the call is no longer ours. FALSE: ask again. */
static gboolean wait_for_news(FsCall *call) {
  if (!call->interruptible)
    fuse_req_interrupt_func(call->req, on_interrupt, call);
  call->interruptible = TRUE;
  call->event_fd = -1;
  call->waits_since = g_get_monotonic_time();
  gint64 most = call->enough ? CALL_REFRESH : call->op->most;
  ParkOutcome outcome = park_settle(call->fs->park, &call->parked, most ? most : call->fs->timeout, most != 0);
  if (outcome == PARK_EVENT)
    return FALSE;
  if (outcome != PARK_WAITING)
    give_up(call, outcome);
  return TRUE;
}

void call_ask(FsCall *call) {
  call->parked.answer = on_news;
  for (;;) {
    g_autoptr(GError) error = NULL;
    guint64 held = call->key;
    if (held)
      park_hold(call->fs->park, &call->parked, held);
    CacheAnswer answer = call->op->ask(call, &error);
    if (answer == CACHE_WAIT && held && call->key == held) {
      if (wait_for_news(call))
        return;
      continue;
    }
    if (held)
      park_release(call->fs->park, &call->parked);
    if (answer != CACHE_WAIT) {
      conclude(call, answer, error);
      return;
    }
  }
}
