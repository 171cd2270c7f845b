/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/stat.h>

#include "cache/cache.h"

#define INODE_ROOT 1   /* the kernel's number of the mount point */
#define INODE_PARENT 2 /* the cookie of ".." in a listing; never an inode */

guint64 inode_number(gint64 root, CacheKind kind, gint64 row);
/* FALSE: no number of ours. */
gboolean inode_parse(gint64 root, guint64 number, CacheKind *ret_kind, gint64 *ret_row);

/* What stat(2) shows of an entry. */
void inode_stat(gint64 root, const CacheEntry *entry, guint32 uid, guint32 gid, struct stat *ret);
