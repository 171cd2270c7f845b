/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/*
 * What fs/ does with a cache, for a program that reads: questions, and the events that answer them, each with a
 * deadline. Messages are known by the letters of boxes.h: "3" is the one whose name says so, and where a name says
 * nothing, the one under UID 3. Whatever takes an `until` (monotonic µs) waits no longer.
 */
typedef struct _Reader Reader;

Reader *reader_new(guint16 port);
void reader_free(Reader *reader);

CacheConfig *reader_config(Reader *reader); /* to be changed while it is not mounted */
gboolean reader_mount(Reader *reader, GError **error);
void reader_unmount(Reader *reader);
Cache *reader_cache(Reader *reader); /* NULL: not mounted */

/* The letters in a folder, subfolders as "Name/", in one line and in order; NULL and an error, or NULL alone for "no
 * such folder" or "not known yet". "/" is the root. A new string. */
char *reader_shown(Reader *reader, const char *folder, GError **error);
/* opendir: waits for the event that opening the folder promises. FALSE: its error, or none came. */
gboolean reader_open(Reader *reader, const char *folder, gint64 until, GError **error);
/* The octets of a letter as they can be read; NULL and an error. A new string. */
char *reader_read(Reader *reader, const char *folder, const char *letter, gint64 until, GError **error);
gboolean reader_has(Reader *reader, const char *folder, const char *letter); /* its body is here already */
gboolean reader_entry(Reader *reader, const char *folder, const char *letter, CacheEntry *ret);
char *reader_origin(const CacheEntry *entry); /* folder named in a letter's name; or NULL */

gboolean reader_await_any(Reader *reader, gint64 until); /* some event; FALSE: none */
guint reader_removed(Reader *reader);                    /* REMOVED events of messages and folders so far */
