/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

#include "cache/cache.h"

/*
 * Open files. One is read from a body, which is whole and never changes and may not be here yet, or it is a handle of a
 * draft. What the kernel holds of it is its address. Who reads a message that is written anew goes on with what was
 * written, which is another row and another body. Thread-safe.
 */
typedef struct _Files Files; /* all that are open */
typedef struct _File File;

Files *files_new(void);
/* When no request is served any more: closes what the kernel did not release. What was written and not flushed is kept
 * as what a killed writer leaves. */
void files_close(Files *files);
void files_free(Files *files);

typedef struct {
  guint64 ino;
  gint64 row;
} FileId;                                         /* as what it was opened */
File *file_open(Files *files, FileId id, int fd); /* takes fd, the body of id.row, or -1: not here yet. NULL: errno */
File *file_open_draft(Files *files, FileId id, CacheDraft *draft); /* takes it */
void file_close(Files *files, File *file);
GArray *files_readers(Files *files); /* FileId of those that are read from bodies */
/* What the server does not have yet is another body after each time that it was written: who reads it asks again. */
void files_forget(Files *files, gint64 row);

/* Takes the fd, the body of this row, unless another reader was faster. FALSE: errno */
gboolean file_adopt(File *file, gint64 row, int fd);
/* The body of this row, which stays open as long as the file; with `row` 0 the last that was adopted. */
gboolean file_get(File *file, gint64 row, int *ret_fd, off_t *ret_size);
CacheDraft *file_draft(File *file); /* borrowed, or NULL */

void file_touch(File *file); /* its draft will be changed */
gboolean file_flush(File *file, gboolean killed, GError **error);
gboolean file_flush_rest(File *file, gboolean killed, GError **error); /* if it was touched since file_flush() */

/* The errno of the last READ that waited in vain, if it was a moment ago: 0, none. */
void file_set_failure(File *file, int number);
int file_recent_failure(File *file);
