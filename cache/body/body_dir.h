/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * The files of the body store: bodies/tmp/N while they come in, then bodies/XX/ROW. Names are numbers. The directory is
 * held by an fd and made again when somebody has deleted it. Thread-safe.
 */
typedef struct {
  int fd;       /* of bodies/; the same number for ever */
  char *path;   /* of bodies/ */
  guint64 next; /* atomic: number of the next temporary file */
} BodyDir;

/* *ret_made: there was none. Temporary files of an earlier run are removed. */
gboolean body_dir_open(BodyDir *ret, const char *path, gboolean *ret_made, GError **error);
void body_dir_close(BodyDir *dir);

/* A new file for writing; its name into ret. *ret_lost: the whole directory had been deleted, and is new. -1: error. */
int body_dir_create(BodyDir *dir, char ret[32], gboolean *ret_lost, GError **error);
gboolean body_dir_keep(BodyDir *dir, const char *temp, gint64 row); /* FALSE: errno */
int body_dir_read(BodyDir *dir, gint64 row);                        /* an fd, or -1: errno */
void body_dir_unlink(BodyDir *dir, gint64 row);
void body_dir_unlink_temp(BodyDir *dir, const char *temp);
guint64 body_dir_free(BodyDir *dir); /* octets free on that disk; G_MAXUINT64: unknown */

/* Unlinks every body whose row is not known. */
void body_dir_sweep(BodyDir *dir, gboolean (*known)(gint64 row, gpointer data), gpointer data);
