/* SPDX-License-Identifier: MIT */
/*
 * Every wanted body is one WantsEntry, in one of these states, always in the table:
 *
 *   waiting  waiters > 0, in the `waiting` line, asked for by nobody
 *   ahead    waiters = 0, in the `ahead` line, asked for by nobody
 *   asked    in no line; a lane has sent its UID; waiters may be anything
 *   parked   in the `parked` line, which nobody takes from: it is not where it was asked for, and will be elsewhere
 *
 * A reader that comes moves ahead -> waiting; a reader that leaves moves waiting -> (forgotten). What is asked for
 * stays until the lane finishes or returns it: giving up means draining into the cache. `outstanding` is the sum of the
 * sizes in state asked.
 */
#include "cache/body/wants_private.h"

Wants *wants_new(void) {
  Wants *wants = g_new0(Wants, 1);
  g_mutex_init(&wants->mutex);
  g_cond_init(&wants->cond);
  wants->entries = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  return wants;
}

void wants_free(Wants *wants) {
  if (!wants)
    return;
  g_hash_table_unref(wants->entries);
  g_cond_clear(&wants->cond);
  g_mutex_clear(&wants->mutex);
  g_free(wants);
}

void wants_leave_line(WantsEntry *entry) {
  if (entry->line)
    g_queue_unlink(entry->line, &entry->link);
  entry->line = NULL;
}

static GQueue *line_of(Wants *wants, const WantsEntry *entry) {
  return entry->waiters > 0 ? &wants->waiting : &wants->ahead;
}

static void join(Wants *wants, WantsEntry *entry) {
  entry->line = line_of(wants, entry);
  g_queue_push_tail_link(entry->line, &entry->link);
  g_cond_broadcast(&wants->cond);
}

/* At the head, where those that come back stand in order of their UIDs. */
static void join_again(Wants *wants, WantsEntry *entry) {
  GList *at = line_of(wants, entry)->head;
  for (; at; at = at->next) {
    const Want *other = &((WantsEntry *)at->data)->want;
    if (!other->doubtful || other->uid > entry->want.uid)
      break;
  }
  entry->line = line_of(wants, entry);
  g_queue_insert_before_link(entry->line, at, &entry->link);
  g_cond_broadcast(&wants->cond);
}

static WantsEntry *find(Wants *wants, gint64 row) {
  return g_hash_table_lookup(wants->entries, &row);
}

static WantsEntry *make(Wants *wants, const Want *want) {
  WantsEntry *entry = g_new0(WantsEntry, 1);
  entry->want = *want;
  entry->made = g_get_monotonic_time();
  entry->link.data = entry;
  g_hash_table_insert(wants->entries, &entry->want.row, entry);
  return entry;
}

static void forget(Wants *wants, WantsEntry *entry) {
  wants_leave_line(entry);
  if (entry->asked)
    wants->outstanding -= entry->want.size;
  g_hash_table_remove(wants->entries, &entry->want.row);
}

static void set_place(WantsEntry *entry, gint64 mailbox, guint32 uid) {
  entry->want.mailbox = mailbox;
  entry->want.uid = uid;
}

gboolean wants_wait(Wants *wants, const Want *want) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  WantsEntry *entry = find(wants, want->row);
  if (!entry)
    entry = make(wants, want);
  entry->waiters++;
  if (entry->asked || entry->line == &wants->waiting)
    return FALSE;
  set_place(entry, want->mailbox, want->uid);
  wants_leave_line(entry);
  join(wants, entry);
  return TRUE;
}

void wants_ahead(Wants *wants, const Want *want) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  if (find(wants, want->row) || wants->ahead.length >= WANTS_AHEAD_MAX)
    return;
  join(wants, make(wants, want));
}

void wants_leave(Wants *wants, gint64 row, gint64 since) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  WantsEntry *entry = find(wants, row);
  if (!entry || entry->waiters == 0 || entry->made > since)
    return;
  entry->waiters--;
  if (entry->waiters == 0 && !entry->asked)
    forget(wants, entry);
}

void wants_drop_ahead(Wants *wants, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  for (GList *link = wants->ahead.head, *next; link; link = next) {
    WantsEntry *entry = link->data;
    next = link->next;
    if (mailbox == 0 || entry->want.mailbox == mailbox)
      forget(wants, entry);
  }
}

guint wants_waiters(Wants *wants, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  WantsEntry *entry = find(wants, row);
  return entry ? entry->waiters : 0;
}

guint wants_readers(Wants *wants) {
  guint readers = 0;
  GHashTableIter iter;
  gpointer entry;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  g_hash_table_iter_init(&iter, wants->entries);
  while (g_hash_table_iter_next(&iter, NULL, &entry))
    readers += ((WantsEntry *)entry)->waiters;
  return readers;
}

guint wants_finish(Wants *wants, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  WantsEntry *entry = find(wants, row);
  if (!entry)
    return 0;
  guint waiters = entry->waiters;
  forget(wants, entry);
  return waiters;
}

void wants_return(Wants *wants, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  WantsEntry *entry = find(wants, row);
  if (!entry || !entry->asked)
    return;
  entry->asked = FALSE;
  entry->want.doubtful = TRUE;
  if (entry->alone || ++entry->vain > 1)
    entry->want.tries++;
  wants->outstanding -= entry->want.size;
  join_again(wants, entry);
}

void wants_park(Wants *wants, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  WantsEntry *entry = find(wants, row);
  if (!entry || !entry->asked)
    return;
  if (entry->waiters == 0) {
    forget(wants, entry);
    return;
  }
  entry->asked = FALSE;
  wants->outstanding -= entry->want.size;
  entry->line = &wants->parked;
  g_queue_push_tail_link(entry->line, &entry->link);
}

gboolean wants_is_parked(Wants *wants, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  WantsEntry *entry = find(wants, row);
  return entry && entry->line == &wants->parked;
}

gboolean wants_move(Wants *wants, gint64 row, gint64 mailbox, guint32 uid) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  WantsEntry *entry = find(wants, row);
  if (!entry || entry->asked)
    return FALSE;
  set_place(entry, mailbox, uid);
  wants_leave_line(entry);
  join(wants, entry);
  return TRUE;
}

gboolean wants_suits(const WantsEntry *entry, WantsKinds kinds) {
  if (entry->waiters > 0)
    return (kinds & (entry->want.large ? WANTS_READER_LARGE : WANTS_READER_SMALL)) != 0;
  return (kinds & (entry->want.large ? WANTS_AHEAD_LARGE : WANTS_AHEAD_SMALL)) != 0;
}

static void give_up(Wants *wants, GQueue *line, WantsKinds kinds, GArray *rows) {
  for (GList *link = line->head, *next; link; link = next) {
    WantsEntry *entry = link->data;
    next = link->next;
    if (!wants_suits(entry, kinds))
      continue;
    g_array_append_val(rows, entry->want.row);
    forget(wants, entry);
  }
}

GArray *wants_give_up(Wants *wants, WantsKinds kinds) {
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  give_up(wants, &wants->waiting, kinds, rows);
  give_up(wants, &wants->parked, kinds, rows);
  return rows;
}

guint64 wants_outstanding(Wants *wants) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  return wants->outstanding;
}

void wants_close(Wants *wants) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&wants->mutex);
  wants->closed = TRUE;
  g_cond_broadcast(&wants->cond);
}
