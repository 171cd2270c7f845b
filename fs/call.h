/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

#include "cache/cache.h"
#include "fs/handle.h"
#include "fs/notify.h"
#include "fs/park.h"
#include "fs/session.h"

/* The insides of Fs, for the handlers. */
struct _Fs {
  Cache *cache;
  gint64 root; /* row of the folder at the mount point */
  guint32 uid, gid;
  gint64 timeout; /* µs */
  gboolean trace, read_only;
  struct fuse_session *fuse;
  Park *park;
  Notify *notify;
  Stale *stale;
  Files *files;
  Session *session;
  GThread *answerer;

  GMutex mutex;     /* guards calls */
  GCond quiet;      /* there are none */
  gboolean awaited; /* somebody waits for that */
  guint calls;      /* not answered yet */
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
  /* µs that it may wait whatever the line does; 0: as long as the server is not silent for timeout= */
  gint64 most;
  gboolean (*goes_on)(FsCall *call); /* whether it waits on although the server is silent; NULL: it does not */
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
  gboolean keep_pages;            /* open: what the kernel has cached of it is still so */
  gboolean interruptible, enough; /* enough: could be answered already, news would only be better */
  CacheAnswer answer;
  int event_fd; /* lent by the event that is being handled, or -1 */

  char *name;         /* of an entry of the folder, or of an attribute */
  CacheEntry entry;   /* what the cache said */
  gsize size;         /* read, readdir, getxattr */
  off_t offset;       /* read, readdir */
  gboolean plus;      /* readdir */
  GByteArray *buffer; /* read, readdir */
  struct fuse_file_info info;
  int fd;            /* open: the body, or -1 */
  CacheDraft *draft; /* open, create: or NULL */
  File *file;        /* of an open file: borrowed */

  gint64 to;             /* rename: the other folder; copy: the other message */
  char *to_name;         /* rename */
  guint flags;           /* rename, setxattr */
  gint64 ticket;         /* of an errand under way, or 0 */
  char *text;            /* getxattr, setxattr: the value */
  const char *attribute; /* within name */
  struct stat attr;      /* setattr */
  int changes;           /* setattr: FUSE_SET_ATTR_ */
};

#define CALL_REFRESH 1000000 /* µs that OPENDIR waits for fresher news than it has */
#define CALL_NAME_MOST 255   /* octets of a name */

/* NULL: the number is none of ours, and has been refused. */
FsCall *call_new(fuse_req_t req, const FsOp *op, fuse_ino_t ino);
/* The same for a name in a folder; refused too: what is no folder, and a name that is too long. */
FsCall *call_new_at(fuse_req_t req, const FsOp *op, fuse_ino_t parent, const char *name);
/* Asks, and replies, or parks the request until its news, its deadline or an interrupt. */
void call_ask(FsCall *call);

/* For what needs the octets of a message in the cache: they came once and could not be kept, so waiting again would be
 * for ever. Turns WAIT into FAILED then. */
CacheAnswer call_wait_once(FsCall *call, CacheAnswer answer, GError **error);
/* The octets of this message have changed: so have those of files that were opened before it was written anew. */
void call_tell_readers(FsCall *call);
/* For waits on the journal: the silence of the server does not matter as long as there is no trouble, for it says
 * nothing while it is sent a long message. */
gboolean call_is_sending(FsCall *call);

/* Until all have been answered; the park has been closed and no more come in. */
void call_await_quiet(Fs *fs);
/* For the replies: from now on no interrupt reaches it; and: it has been answered, with this errno. Frees it. */
void call_unhook(FsCall *call);
void call_finish(FsCall *call, int number, const char *detail);
