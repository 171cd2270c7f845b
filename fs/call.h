/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

#include "cache/cache.h"
#include "fs/file.h"
#include "fs/notify.h"
#include "fs/park.h"
#include "fs/session.h"

/* The insides of Fs, for the handlers. */
struct _Fs {
  Cache *cache;
  gint64 root; /* row of the folder at the mount point */
  guint32 uid, gid;
  gint64 timeout; /* µs */
  gboolean trace;
  struct fuse_session *fuse;
  Park *park;
  Notify *notify;
  Files *files;
  Session *session;
  GThread *answerer;

  GMutex mutex; /* guards calls */
  GCond quiet;  /* there are none */
  guint calls;  /* not answered yet */
};
typedef struct _Fs Fs;

/*
 * One request of the kernel, from its arrival to its one reply. A handler makes it with call_new() and hands it to
 * call_ask() or to one of the replies in reply.h, which consume it.
 */
typedef struct _FsCall FsCall;

typedef struct {
  const char *name;
  /* Asks the cache and keeps what it said in the call. WAIT: call->key is the inode number whose event to await. */
  CacheAnswer (*ask)(FsCall *call, GError **error);
  void (*reply)(FsCall *call);              /* READY or STALE: replies from what the call holds, by one of reply.h */
  gboolean reader;                          /* it waits for a body: the cache is told when it gives up */
  void (*failed)(FsCall *call, int number); /* before it is answered with an errno; or NULL */
} FsOp;

struct _FsCall {
  Parked parked; /* first */
  Fs *fs;
  fuse_req_t req;
  const FsOp *op;
  fuse_ino_t ino;
  CacheKind kind;
  gint64 row;
  gint64 start; /* monotonic µs */
  gint64 waits_since;
  guint64 key;
  gboolean interruptible, enough; /* enough: could be answered already, news would only be better */
  CacheAnswer answer;
  int event_fd; /* lent by the event that is being handled, or -1 */

  char *name;         /* lookup */
  CacheEntry entry;   /* lookup */
  gsize size;         /* read, readdir */
  off_t offset;       /* read, readdir */
  gboolean plus;      /* readdir */
  GByteArray *buffer; /* readdir */
  struct fuse_file_info info;
  int fd;     /* open: the body, or -1 */
  File *file; /* read: borrowed */
};

#define CALL_REFRESH 1000000 /* µs that OPENDIR waits for fresher news than it has */

/* NULL: the number is none of ours, and has been refused. */
FsCall *call_new(fuse_req_t req, const FsOp *op, fuse_ino_t ino);
/* Asks, and replies, or parks the request until its news, its deadline or an interrupt. */
void call_ask(FsCall *call);

/* Until all have been answered; the park has been closed and no more come in. */
void call_await_quiet(Fs *fs);
/* For the replies: from now on no interrupt reaches it; and: it has been answered, with this errno. Frees it. */
void call_unhook(FsCall *call);
void call_finish(FsCall *call, int number, const char *detail);
