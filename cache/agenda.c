/* SPDX-License-Identifier: MIT */
/*
 * Each folder that was asked for has a Folder here: when it was last verified, and whether it stands in a queue. The
 * states are
 *
 *   idle     in no queue, no thread works on it
 *   queued   for a refresh (listed), a first listing (not yet whole) or LIST (a directory without messages)
 *   running  taken out by the thread that works on it; a new request queues it again, but for a first listing, which
 *            serves all that come while it runs
 *
 * A sweep (LIST with STATUS of all) is due every SWEEP, after a suspend, when it is asked for, and when a folder is
 * refreshed and the last one is older than `refresh`: the folder may have got subfolders, or be gone. While offline it
 * is due when connecting makes sense again.
 */
#include "cache/agenda.h"

#include <time.h>

#define SECOND ((gint64)G_USEC_PER_SEC)
#define SWEEP (300 * SECOND)
#define SWEEP_RETRY (10 * SECOND)
#define FLAGS_EVERY (3600 * SECOND) /* where nothing tells that flags moved */
#define KICK_EVERY (3 * SECOND)
#define LOOK_EVERY (5 * SECOND) /* for the end of a suspend, which no wait notices */
#define SUSPENDED (2 * SECOND)

typedef struct {
  gint64 row;
  gint64 verified; /* monotonic; 0: never in this mount */
  gint64 flags;    /* monotonic; last comparison of flags */
  gboolean queued, doubted;
} Folder;

struct _Agenda {
  gint64 refresh;
  gint64 (*next_try)(gpointer data);
  gpointer data;
  GMutex mutex; /* guards all below */
  GCond cond;
  GHashTable *folders;          /* row -> Folder */
  GQueue queues[AGENDA_QUEUES]; /* Folder*, borrowed */
  gint64 swept;                 /* monotonic; 0: wanted now */
  gint64 kicked;
  gint64 slept; /* µs this machine has been suspended, so far */
  gboolean online, closed;
};

static gint64 suspended_so_far(void) {
  struct timespec boot, monotonic;
  clock_gettime(CLOCK_BOOTTIME, &boot);
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  return (gint64)(boot.tv_sec - monotonic.tv_sec) * SECOND + (boot.tv_nsec - monotonic.tv_nsec) / 1000;
}

Agenda *agenda_new(guint refresh, gint64 (*next_try)(gpointer data), gpointer data) {
  Agenda *agenda = g_new0(Agenda, 1);
  agenda->refresh = (gint64)refresh * SECOND;
  agenda->next_try = next_try;
  agenda->data = data;
  agenda->slept = suspended_so_far();
  agenda->folders = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  g_mutex_init(&agenda->mutex);
  g_cond_init(&agenda->cond);
  return agenda;
}

void agenda_free(Agenda *agenda) {
  if (!agenda)
    return;
  for (guint i = 0; i < AGENDA_QUEUES; i++)
    g_queue_clear(&agenda->queues[i]);
  g_hash_table_unref(agenda->folders);
  g_cond_clear(&agenda->cond);
  g_mutex_clear(&agenda->mutex);
  g_free(agenda);
}

void agenda_close(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->closed = TRUE;
  g_cond_broadcast(&agenda->cond);
}

static Folder *folder_of(Agenda *agenda, gint64 row) {
  Folder *folder = g_hash_table_lookup(agenda->folders, &row);
  if (!folder) {
    folder = g_new0(Folder, 1);
    folder->row = row;
    g_hash_table_insert(agenda->folders, &folder->row, folder);
  }
  return folder;
}

/* ---- asked by readers --------------------------------------------------------------------------------- */

static void enqueue(Agenda *agenda, AgendaQueue queue, Folder *folder) {
  if (folder->queued)
    return;
  folder->queued = TRUE;
  g_queue_push_tail(&agenda->queues[queue], folder);
  g_cond_broadcast(&agenda->cond);
}

static gboolean within_refresh(const Agenda *agenda, gint64 when) {
  return when != 0 && g_get_monotonic_time() - when < agenda->refresh;
}

SyncAnswer agenda_want(Agenda *agenda, const IndexMailbox *mailbox) {
  gboolean directory = (mailbox->attrs & IMAP_ATTR_NOSELECT) != 0;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = folder_of(agenda, mailbox->row);
  if (!directory && mailbox->listed != INDEX_LISTED) {
    enqueue(agenda, AGENDA_FIRST, folder);
    return SYNC_LISTING;
  }
  if (!folder->doubted && within_refresh(agenda, folder->verified))
    return SYNC_FRESH;
  enqueue(agenda, directory ? AGENDA_TREE : AGENDA_REFRESH, folder);
  return SYNC_REFRESHING;
}

void agenda_doubt(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = folder_of(agenda, row);
  folder->doubted = TRUE;
  enqueue(agenda, AGENDA_REFRESH, folder);
}

void agenda_refresh(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  enqueue(agenda, AGENDA_REFRESH, folder_of(agenda, row));
}

void agenda_relist(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  enqueue(agenda, AGENDA_FIRST, folder_of(agenda, row));
}

gboolean agenda_kick(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  gint64 now = g_get_monotonic_time();
  gboolean due = !agenda->online && now - agenda->kicked >= KICK_EVERY;
  if (due)
    agenda->kicked = now;
  return due;
}

void agenda_look_again(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->swept = 0;
  g_cond_broadcast(&agenda->cond);
}

/* ---- for the watching thread --------------------------------------------------------------------------- */

/* When there may be something to do although nobody asks. */
static gint64 next_wakeup(const Agenda *agenda, gint64 now) {
  if (!agenda->online)
    return MAX(agenda->next_try(agenda->data), now + SECOND);
  return agenda->swept + SWEEP;
}

/* CLOCK_MONOTONIC stands still while the machine sleeps. */
static gboolean was_suspended(Agenda *agenda) {
  gint64 slept = suspended_so_far();
  gboolean resumed = slept - agenda->slept > SUSPENDED;
  agenda->slept = slept;
  return resumed;
}

static gboolean sweep_is_due(const Agenda *agenda, gboolean refreshing, gint64 now) {
  gboolean asked = agenda->queues[AGENDA_TREE].length > 0;
  gboolean old = agenda->swept == 0 || now - agenda->swept >= SWEEP;
  if (!asked && !old && !(refreshing && !within_refresh(agenda, agenda->swept)))
    return FALSE;
  return agenda->online || asked || now >= next_wakeup(agenda, 0);
}

gboolean agenda_next_task(Agenda *agenda, AgendaTask *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  while (!agenda->closed) {
    gint64 now = g_get_monotonic_time();
    Folder *folder = g_queue_pop_head(&agenda->queues[AGENDA_REFRESH]);
    *ret = (AgendaTask){.resumed = was_suspended(agenda), .row = folder ? folder->row : 0};
    ret->sweep = ret->resumed || sweep_is_due(agenda, folder != NULL, now);
    if (folder)
      folder->queued = FALSE;
    if (ret->sweep || folder)
      return TRUE;
    g_cond_wait_until(&agenda->cond, &agenda->mutex, MIN(next_wakeup(agenda, now), now + LOOK_EVERY));
  }
  return FALSE;
}

/* ---- for the listing thread ------------------------------------------------------------------------------ */

gint64 agenda_next_first(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  while (!agenda->closed && agenda->queues[AGENDA_FIRST].length == 0)
    g_cond_wait(&agenda->cond, &agenda->mutex);
  if (agenda->closed)
    return 0;
  Folder *folder = g_queue_pop_head(&agenda->queues[AGENDA_FIRST]);
  return folder->row;
}

void agenda_put_off(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  g_queue_push_tail(&agenda->queues[AGENDA_FIRST], folder_of(agenda, row));
}

void agenda_end_first(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  folder_of(agenda, row)->queued = FALSE;
}

gboolean agenda_others_first(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  return agenda->queues[AGENDA_FIRST].length > 0;
}

/* ---- what came of it ----------------------------------------------------------------------------------------- */

void agenda_online(Agenda *agenda, gboolean online) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->online = online;
}

void agenda_swept(Agenda *agenda, gboolean well) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->swept = g_get_monotonic_time() - (well ? 0 : SWEEP - SWEEP_RETRY);
}

void agenda_verified(Agenda *agenda, gint64 row, gint64 started, gboolean flags) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = folder_of(agenda, row);
  folder->verified = started;
  folder->doubted = FALSE;
  if (flags)
    folder->flags = started;
}

gboolean agenda_verified_since(Agenda *agenda, gint64 row, gint64 when) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  return folder_of(agenda, row)->verified >= when;
}

gboolean agenda_flags_due(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  gint64 last = folder_of(agenda, row)->flags;
  return last == 0 || g_get_monotonic_time() - last > FLAGS_EVERY;
}

GArray *agenda_take(Agenda *agenda, AgendaQueue queue) {
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  for (Folder *folder; (folder = g_queue_pop_head(&agenda->queues[queue]));) {
    folder->queued = FALSE;
    g_array_append_val(rows, folder->row);
  }
  return rows;
}
