/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

#include "cache/cache.h"
#include "fs/stale.h"

/*
 * Tells the kernel what changed. May block for long on locks that the kernel holds, so it has threads of its own, and
 * nothing waits for it. Thread-safe.
 */
typedef struct _Notify Notify;

Notify *notify_new(struct fuse_session *fuse, gint64 root, Stale *stale);
void notify_push(Notify *notify, const CacheEvent *event); /* but what park_event() is for; copied. Never blocks */
/* The octets of a file are changed by the request that is being served: its attributes are invalid at once, and its
 * pages soon. The same as by the event DATA, but in time for the next OPEN. */
void notify_data(Notify *notify, guint64 ino);
/* Drops what is queued and joins the threads. Requests must still be served: a thread may be waiting for one. */
void notify_stop(Notify *notify);
void notify_free(Notify *notify); /* after notify_stop() */
