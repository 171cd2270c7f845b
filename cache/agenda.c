/* SPDX-License-Identifier: MIT */
/*
 * Each folder that was asked for has a Folder here: when it was last verified, and in which queue it stands (for what
 * the syncing thread makes of the queues see agenda_sweep.c). The states are
 *
 *   idle     in no queue, no thread works on it
 *   queued   as news (it is known to differ), for a refresh (listed), a first listing (not yet whole) or LIST (a
 *            directory without messages)
 *   running  taken out by the thread that works on it; a new request queues it again, but for a first listing, which
 *            serves all that come while it runs
 *   postponed  found to be claimed by somebody; queued again when it is free
 *
 * A folder is fresh while nothing speaks against it and it was verified within `refresh`, or since the server tells
 * what happens to it (agenda_line.c). Push is believed, and looked after: a reader that opens what was not verified for
 * TRUST is answered at once, and the folder is verified behind its back. Some deliver mail past their server. Under
 * IDLE it is verified so after `refresh`: of a mailbox that was deleted and made anew neither Dovecot nor Cyrus tells,
 * and of new subfolders nobody.
 */
#include "cache/agenda_private.h"

#define KICK_EVERY (3 * SECOND)
#define TRUST (60 * SECOND)

static gint64 real_now(gpointer data) {
  (void)data;
  return g_get_monotonic_time();
}

Agenda *agenda_new(const AgendaSetup *setup) {
  Agenda *agenda = g_new0(Agenda, 1);
  agenda->setup = *setup;
  if (!setup->now)
    agenda->setup.now = real_now;
  agenda->folders = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  agenda->watch_asks = G_MAXINT64;
  g_mutex_init(&agenda->mutex);
  g_cond_init(&agenda->cond);
  return agenda;
}

void agenda_free(Agenda *agenda) {
  if (!agenda)
    return;
  g_hash_table_unref(agenda->folders); /* and with them what is linked in the queues */
  g_free(agenda->why);
  g_cond_clear(&agenda->cond);
  g_mutex_clear(&agenda->mutex);
  g_free(agenda);
}

void agenda_close(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->closed = TRUE;
  g_cond_broadcast(&agenda->cond);
}

gint64 agenda_now(const Agenda *agenda) {
  return agenda->setup.now(agenda->setup.data);
}

void agenda_wait(Agenda *agenda, gint64 until) {
  gint64 now = g_get_monotonic_time();
  g_cond_wait_until(&agenda->cond, &agenda->mutex, CLAMP(until, now, now + 3600 * SECOND));
}

Folder *agenda_folder(Agenda *agenda, gint64 row) {
  Folder *folder = g_hash_table_lookup(agenda->folders, &row);
  if (!folder) {
    folder = g_new0(Folder, 1);
    folder->row = row;
    folder->link.data = folder;
    g_hash_table_insert(agenda->folders, &folder->row, folder);
  }
  return folder;
}

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
static void enqueue_first(Agenda *agenda, Folder *folder) {
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

/* ---- asked by readers --------------------------------------------------------------------------------- */

gboolean agenda_within_refresh(const Agenda *agenda, gint64 when, gint64 now) {
  return when != 0 && now - when < (gint64)agenda->setup.refresh * SECOND;
}

SyncAnswer agenda_want(Agenda *agenda, const IndexMailbox *mailbox) {
  gboolean directory = (mailbox->attrs & IMAP_ATTR_NOSELECT) != 0;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, mailbox->row);
  gint64 now = agenda_now(agenda);
  if (!directory && mailbox->listed != INDEX_LISTED) {
    enqueue_first(agenda, folder);
    return SYNC_LISTING;
  }
  if (!directory)
    agenda_note_use(agenda, folder->row, now);
  AgendaQueue queue = directory ? AGENDA_TREE : AGENDA_REFRESH;
  if (folder->doubted == 0 && agenda_within_refresh(agenda, folder->verified, now))
    return SYNC_FRESH;
  if (folder->doubted == 0 && agenda_is_pushed(agenda, folder, directory)) {
    if (!directory && (agenda->push != AGENDA_PUSH_ALL || now - folder->verified >= TRUST))
      agenda_enqueue_refresh(agenda, queue, folder);
    return SYNC_FRESH;
  }
  folder->asked = TRUE;
  agenda_enqueue_refresh(agenda, queue, folder);
  g_cond_broadcast(&agenda->cond); /* it may have stood in line, and rested */
  return SYNC_REFRESHING;
}

gboolean agenda_kick(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  gint64 now = agenda_now(agenda);
  gboolean due = !agenda->online && (agenda->kicked == 0 || now - agenda->kicked >= KICK_EVERY);
  if (due)
    agenda->kicked = now;
  return due;
}

/* ---- asked by whoever learns something ----------------------------------------------------------------- */

void agenda_note_doubt(Agenda *agenda, Folder *folder, const ImapStatus *status) {
  folder->doubted = agenda_now(agenda);
  folder->said = status != NULL;
  if (status)
    folder->status = *status;
  folder->status.name = NULL;
  agenda_enqueue_refresh(agenda, AGENDA_NEWS, folder);
}

void agenda_doubt(Agenda *agenda, gint64 row, const ImapStatus *status) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda_note_doubt(agenda, agenda_folder(agenda, row), status);
}

void agenda_doubt_listing(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, row);
  if (folder->first && !folder->line)
    folder->doubted = agenda_now(agenda);
}

void agenda_refresh(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda_enqueue_refresh(agenda, AGENDA_REFRESH, agenda_folder(agenda, row));
}

void agenda_relist(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->n_listed -= MIN(agenda->n_listed, 1); /* it was */
  enqueue_first(agenda, agenda_folder(agenda, row));
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

/* ---- what came of it ----------------------------------------------------------------------------------------- */

/* What was said against it meanwhile still stands. */
void agenda_verified(Agenda *agenda, gint64 row, gint64 started, gboolean flags) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, row);
  folder->verified = MAX(folder->verified, started);
  if (folder->doubted <= started)
    folder->doubted = 0;
  if (flags)
    agenda_note_flags(agenda, folder, started);
}

gboolean agenda_verified_since(Agenda *agenda, gint64 row, gint64 when) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  return agenda_folder(agenda, row)->verified >= when;
}
