/* SPDX-License-Identifier: MIT */
#pragma once

#include <fuse_lowlevel.h>

#include "cache/cache.h"

/*
 * Tells the kernel what changed. May block for long on locks that the kernel holds, so it has threads of its own, and
 * nothing waits for it. Thread-safe.
 */
typedef struct _Notify Notify;

Notify *notify_new(struct fuse_session *fuse, gint64 root);
void notify_push(Notify *notify, const CacheEvent *event); /* but what park_event() is for; copied. Never blocks */
/* Drops what is queued and joins the threads. Requests must still be served: a thread may be waiting for one. */
void notify_stop(Notify *notify);
void notify_free(Notify *notify); /* after notify_stop() */
