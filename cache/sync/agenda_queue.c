/* SPDX-License-Identifier: MIT */
/*
 * Which folder stands in which queue, and leaves it when; which queue comes first for the syncing thread is said in
 * agenda_sweep.c. The states of a folder are
 *
 *   idle     in no queue, no thread works on it
 *   queued   as news (it is known to differ), for a refresh (listed), a first listing (not yet whole) or LIST (a
 *            directory without messages)
 *   running  taken out by the thread that works on it; a new request queues it again, but for a first listing, which
 *            serves all that come while it runs
 *   postponed  found to be claimed by somebody; queued again when it is free
 */
#include "cache/sync/agenda_private.h"

/* ---- queues -------------------------------------------------------------------------------------------- */

static void leave_line(Folder *folder) {
  if (folder->line)
    g_queue_unlink(folder->line, &folder->link);
  folder->line = NULL;
}

/* News overtake a mere refresh; nothing overtakes news. */
static void enqueue(Agenda *agenda, AgendaQueue queue, Folder *folder) {
  GQueue *line = &agenda->queues[queue];
  if (folder->line == line || folder->line == &agenda->queues[AGENDA_NEWS])
    return;
  leave_line(folder);
  folder->line = line;
  folder->postponed = FALSE;
  folder->queued = agenda_now(agenda);
  g_queue_push_tail_link(line, &folder->link);
  g_cond_broadcast(&agenda->cond);
}

/* Offline nobody holds it for long in vain: there it is tried anyway, and fails as it should. */
static gboolean must_wait(const Agenda *agenda, const Folder *folder) {
  return folder->postponed && agenda->online;
}

/* A first listing sees everything: while it is due or runs there is nothing else to do. */
void agenda_enqueue_first(Agenda *agenda, Folder *folder) {
  if (folder->first && (!folder->postponed || must_wait(agenda, folder)))
    return;
  folder->first = TRUE;
  leave_line(folder);
  enqueue(agenda, AGENDA_FIRST, folder);
}

void agenda_enqueue_refresh(Agenda *agenda, AgendaQueue queue, Folder *folder) {
  if (!folder->first && !must_wait(agenda, folder))
    enqueue(agenda, queue, folder);
}

/* Out of its queue, to be worked on. */
static void begin(Folder *folder) {
  leave_line(folder);
  folder->freed = FALSE;
}

Folder *agenda_take_head(Agenda *agenda, AgendaQueue queue) {
  Folder *folder = g_queue_peek_head(&agenda->queues[queue]);
  if (folder)
    begin(folder);
  return folder;
}

static gint64 news_at(const Folder *folder) {
  return folder->asked ? 0 : folder->rests;
}

Folder *agenda_take_news(Agenda *agenda, gint64 now) {
  for (GList *link = agenda->queues[AGENDA_NEWS].head; link; link = link->next) {
    if (news_at(link->data) > now)
      continue;
    Folder *folder = link->data;
    begin(folder);
    return folder;
  }
  return NULL;
}

gint64 agenda_news_at(const Agenda *agenda) {
  gint64 at = G_MAXINT64;
  for (const GList *link = agenda->queues[AGENDA_NEWS].head; link; link = link->next)
    at = MIN(at, news_at(link->data));
  return at;
}

guint agenda_length(const Agenda *agenda, AgendaQueue queue) {
  return agenda->queues[queue].length;
}

/* ---- what is claimed by others -------------------------------------------------------------------------- */

static void bring_back(Agenda *agenda, Folder *folder) {
  folder->postponed = FALSE;
  enqueue(agenda, folder->first ? AGENDA_FIRST : folder->doubted ? AGENDA_NEWS : AGENDA_REFRESH, folder);
}

void agenda_postpone(Agenda *agenda, const AgendaTask *task) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, task->row);
  folder->asked |= task->asked;
  if (task->said && !folder->said) {
    folder->said = TRUE;
    folder->status = task->status;
  }
  folder->postponed = folder->line == NULL;
  if (folder->postponed && folder->freed)
    bring_back(agenda, folder);
}

void agenda_freed(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, row);
  folder->freed = TRUE;
  if (folder->postponed)
    bring_back(agenda, folder);
}

static void bring_back_all(Agenda *agenda, gboolean first) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, agenda->folders);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Folder *folder = value;
    if (folder->postponed && folder->first == first)
      bring_back(agenda, folder);
  }
}

GArray *agenda_take(Agenda *agenda, AgendaQueue queue) {
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  if (queue == AGENDA_NEWS || queue == AGENDA_FIRST)
    bring_back_all(agenda, queue == AGENDA_FIRST);
  for (Folder *folder; (folder = agenda_take_head(agenda, queue));) {
    if (folder->asked || queue == AGENDA_FIRST)
      g_array_append_val(rows, folder->row);
    folder->asked = folder->first = folder->said = FALSE;
  }
  return rows;
}

/* ---- for the listing thread ------------------------------------------------------------------------------ */

gint64 agenda_next_first(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  while (!agenda->closed && agenda_length(agenda, AGENDA_FIRST) == 0)
    g_cond_wait(&agenda->cond, &agenda->mutex);
  return agenda->closed ? 0 : agenda_take_head(agenda, AGENDA_FIRST)->row;
}

void agenda_put_off(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  enqueue(agenda, AGENDA_FIRST, agenda_folder(agenda, row));
}

void agenda_end_first(Agenda *agenda, gint64 row, gboolean well) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, row);
  folder->first = FALSE;
  agenda->n_listed += well ? 1 : 0;
  if (well)
    agenda_note_use(agenda, row, agenda_now(agenda)); /* whoever opened it has had to wait for this */
  if (folder->doubted != 0)
    enqueue(agenda, AGENDA_NEWS, folder);
}

gboolean agenda_others_first(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  return agenda_length(agenda, AGENDA_FIRST) > 0;
}
