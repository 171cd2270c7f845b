/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/*
 * One mounted filesystem over one Cache. fs_mount() returns when it answers; then fs_wait(), fs_unmount(),
 * cache_stop() and fs_free(), in this order.
 */
typedef struct _Fs Fs;

typedef struct {
  const char *mountpoint; /* absolute */
  const char *source;     /* as the mount table shows it */
  const char *options;    /* further mount options, comma-separated; or NULL */
  guint32 uid, gid;       /* owner of all files */
  guint timeout;          /* seconds of silence after which a request fails */
  gboolean read_only;     /* and the kernel refuses every change */
  gboolean trace;         /* one g_debug() line per request */
} FsConfig;

#define FS_ERROR (fs_error_quark())
GQuark fs_error_quark(void);
typedef enum { FS_ERROR_USAGE, FS_ERROR_MOUNT, FS_ERROR_SECRET, FS_ERROR_GIVEN_UP } FsError;

/* The cache must have been started. Starts threads; signals are blocked in them as in the caller. */
Fs *fs_mount(const FsConfig *config, Cache *cache, GError **error);
void fs_wait(Fs *fs);     /* until somebody unmounts it, or fs_quit() */
void fs_quit(Fs *fs);     /* from any thread */
void fs_retry(Fs *fs);    /* from any thread; cache_retry() */
void fs_describe(Fs *fs); /* from any thread: logs what goes on */
/* Fails all that wait, ends the loop, unmounts. Call from where no request is served. */
void fs_unmount(Fs *fs);
void fs_free(Fs *fs);     /* after fs_unmount() and cache_stop() */
guint fs_waiting(Fs *fs); /* requests parked now */
