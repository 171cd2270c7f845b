/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>

#include "cache/cache_private.h"
#include "cache/journal/journal.h"

/* A mounted account that was never online: a Cache that was opened and not started, with three folders. */
typedef struct {
  char *dir;
  CacheConfig config;
  Cache *cache, *killed;
  gint64 root, inbox, drafts, sent;
} DraftTest;

extern DraftTest draft_test;

void drafts_setup(void);             /* a checked fixture */
gboolean drafts_on_small_disk(void); /* before drafts_setup(): the state directory will be on a disk of 2 MB. FALSE:
                                        nobody lets us mount one */
void drafts_teardown(void);
void drafts_reopen(void); /* a clean end and a new start */
/* The process is killed and started again: what is on the disk now is what is there then. Drafts that are open go on
 * in a cache that nobody looks at. */
void drafts_crash(void);

CacheDraft *create_file(gint64 folder, const char *name, gint64 *ret_row);
CacheDraft *edit_file(gint64 row, gboolean truncate);
void write_at(CacheDraft *draft, const char *text, guint64 offset);
void flush_file(CacheDraft *draft);
gint64 make_file(gint64 folder, const char *name, const char *text); /* written, flushed and closed */

/* A message that the server has, listed; its body is in the cache, and its size known, unless `text` is that of
 * `remote`. */
gint64 server_message(gint64 folder, guint32 uid, const char *name, const char *text, gboolean here);

gint64 find(gint64 folder, const char *name); /* row; 0: none */
CacheEntry entry_of(gint64 row);
char *octets_of(gint64 row);                        /* as a reader gets them; a new string */
char *draft_octets(CacheDraft *draft);              /* likewise */
gboolean new_of(gint64 row, JournalNew *ret);       /* FALSE: there is none */
JournalState state_of(gint64 row);                  /* of its NEW, or the test fails */
gint64 due_of(gint64 row);                          /* likewise; JOURNAL_HELD: it is open */
guint changes(void);                                /* rows in the journal */
void set_new_state(gint64 row, JournalState state); /* as the replay does */
void set_mtime(gint64 row, gint64 mtime);           /* as cache_set_mtime() does */
void remove_file(gint64 row);                       /* as cache_remove() does */
char *events(void);                                 /* "DATA 3\n" of all that were pushed since */

#define LF_TEXT "Subject: a\nFrom: ann\n\nhello\n"
#define CRLF_TEXT "Subject: a\r\nFrom: ann\r\n\r\nhello\r\n"
