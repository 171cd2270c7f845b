/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/sync/line.h"

/* What the syncing thread does on a connection. Called by that thread alone. */
typedef struct {
  Line *line;
  GMutex mutex;        /* guards renames */
  GHashTable *renames; /* raw name -> raw name before, as NOTIFY told; not yet used by a sweep */
} SyncTask;

void sync_task_init(SyncTask *self, Line *line);
void sync_task_clear(SyncTask *self);
/* Any thread: a mailbox was renamed. */
void sync_task_renamed(SyncTask *self, const char *raw, const char *before);

/* A sweep, a folder, or both: whoever waits for one folder is answered before the others are looked at. *conn may be
 * another one afterwards, or NULL. Clears task->row when its readers have been answered. FALSE: the sweep failed, or
 * the line is lost. */
gboolean sync_task_run(SyncTask *self, ImapConn **conn, AgendaTask *task, GError **error);

void sync_task_tell(SyncTask *self, gint64 row, const GError *error);
void sync_task_tell_queue(SyncTask *self, AgendaQueue queue, const GError *error); /* the end for all that wait there */
