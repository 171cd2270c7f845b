/* SPDX-License-Identifier: MIT */
#pragma once

#include "fs/call.h"

/* The errno a program sees: the one table where errors of the cache become errno values. */
int reply_errno(const GError *error);
int reply_answer(CacheAnswer answer, const GError *error); /* 0 for READY and STALE; never for WAIT */
int reply_outcome(ParkOutcome outcome);                    /* of a wait that ended without news */

#define REPLY_FOREVER 1e9 /* s: until we tell the kernel otherwise */

/* Each answers the request and frees the call. */
void reply_error(FsCall *call, int number);
void reply_done(FsCall *call); /* all is well, and there is nothing to say */
void reply_attr(FsCall *call, const CacheEntry *entry);
void reply_entry(FsCall *call, const CacheEntry *entry);
gboolean reply_open(FsCall *call);                            /* FALSE: the kernel no longer wants it: undo */
gboolean reply_create(FsCall *call, const CacheEntry *entry); /* likewise */
void reply_written(FsCall *call, gsize len);
void reply_xattr(FsCall *call, const char *value, gsize len); /* or only its length, or ERANGE, by call->size */
void reply_buffer(FsCall *call, const void *octets, gsize len);
void reply_data(FsCall *call, int fd, off_t offset, gsize len);
void reply_statfs(FsCall *call, const struct statvfs *st);

/* Attributes for the kernel, valid for ever. */
void reply_stat(Fs *fs, const CacheEntry *entry, struct fuse_entry_param *ret);
