/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache_private.h"
#include "cache/journal/journal.h"

/*
 * A Cache that never starts: no server, no threads but the index's own. It has a root, INBOX and Archive, listed and
 * empty; what the journal takes stays in it.
 */
typedef struct {
  char *dir;
  CacheConfig config; /* may be changed before offline_open() */
  Cache *cache;
  gint64 root, inbox, archive;
} Offline;

extern Offline offline; /* of a checked fixture: */
void offline_setup(void);
void offline_teardown(void);
/* One that has something to change before it is opened begins in two steps. */
void offline_init(Offline *offline);
void offline_open(Offline *offline);

gint64 offline_mailbox(Offline *offline, gint64 parent, const char *name, guint attrs);
/* A message that the server has, with this UID; its size and hash are those of `octets`, or not known with NULL. */
gint64 offline_message(Offline *offline, gint64 mailbox, guint32 uid, const char *name, const char *octets);
/* A new file that is closed, and was not sent: local where its name or folder says so. */
gint64 offline_fresh(Offline *offline, gint64 folder, const char *name, const char *octets);
/* ... and is to stay here for that reason. */
void offline_because(Offline *offline, gint64 row, const char *reason);
gint64 offline_refused(Offline *offline, const char *name, const char *octets); /* one that is in lost+found */
JournalNew offline_new(Offline *offline, gint64 row);                           /* seq 0: it has no NEW */
JournalState offline_state(Offline *offline, gint64 row);                       /* of its NEW, or the test fails */
guint64 offline_left(Offline *offline);                                         /* changes to be sent */
IndexMailbox offline_folder(Offline *offline, gint64 row);                      /* or the test fails */
/* cache_rename(). 0: done; OFFLINE_ABSENT; else the code of the error. */
int offline_rename(Offline *offline, gint64 folder, const char *name, gint64 to, const char *to_name, guint flags);
#define OFFLINE_ABSENT (-1)
gint64 offline_find(Offline *offline, gint64 folder, const char *name);        /* of a message; 0: there is none */
gint64 offline_find_folder(Offline *offline, gint64 parent, const char *name); /* likewise */
gboolean offline_set_state(Offline *offline, const IndexMailbox *state);
char *offline_events(Offline *offline); /* "CHANGED 3" of each event that is there, a line each; a new string */
