/* SPDX-License-Identifier: MIT */
/*
 * Each folder that was asked for has a Folder here: when it was last verified, and in which queue it stands. The states
 * are
 *
 *   idle     in no queue, no thread works on it
 *   queued   as news (it is known to differ), for a refresh (listed), a first listing (not yet whole) or LIST (a
 *            directory without messages)
 *   running  taken out by the thread that works on it; a new request queues it again, but for a first listing, which
 *            serves all that come while it runs
 *
 * A folder is fresh while nothing speaks against it and it was verified within `refresh`, or since the server tells
 * what happens to it (agenda_line.c). Push is believed, and looked after: a reader that opens what was not verified for
 * TRUST is answered at once, and the folder is verified behind its back. Some deliver mail past their server. Under
 * IDLE it is verified so after `refresh`: of a mailbox that was deleted and made anew neither Dovecot nor Cyrus tells,
 * and of new subfolders nobody.
 *
 * News go first, for somebody may be waiting for that letter, but not for ever before a sweep. A sweep (LIST with
 * STATUS of all) is due every SWEEP, or every POLL where nothing is pushed; when it is asked for; and when a folder is
 * refreshed that nobody tells us of and the last one is older than `refresh`: the folder may have got subfolders, or be
 * gone. A server that has to be asked for each folder by itself is asked less often, the more folders there are.
 * While offline a sweep is due when connecting makes sense again: it is how we come back.
 */
#include "cache/agenda_private.h"

#define SWEEP (300 * SECOND)
#define POLL (60 * SECOND)
#define POLL_FOLDER SECOND
#define SWEEP_RETRY (10 * SECOND)
#define CALM (60 * SECOND)          /* without a loss: what was lost before was another matter */
#define FLAGS_EVERY (3600 * SECOND) /* where nothing tells that flags moved */
#define KICK_EVERY (3 * SECOND)
#define TRUST (60 * SECOND)
#define OVERTAKES 32

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
  folder->queued = agenda_now(agenda);
  g_queue_push_tail_link(line, &folder->link);
  g_cond_broadcast(&agenda->cond);
}

/* A first listing sees everything: while it is due or runs there is nothing else to do. */
static void enqueue_first(Agenda *agenda, Folder *folder) {
  if (folder->first)
    return;
  folder->first = TRUE;
  leave_line(folder);
  enqueue(agenda, AGENDA_FIRST, folder);
}

static void enqueue_refresh(Agenda *agenda, AgendaQueue queue, Folder *folder) {
  if (!folder->first)
    enqueue(agenda, queue, folder);
}

static Folder *take_head(Agenda *agenda, AgendaQueue queue) {
  Folder *folder = g_queue_peek_head(&agenda->queues[queue]);
  if (folder)
    leave_line(folder);
  return folder;
}

static guint length(const Agenda *agenda, AgendaQueue queue) {
  return agenda->queues[queue].length;
}

GArray *agenda_take(Agenda *agenda, AgendaQueue queue) {
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  for (Folder *folder; (folder = take_head(agenda, queue));) {
    if (folder->asked || queue == AGENDA_FIRST)
      g_array_append_val(rows, folder->row);
    folder->asked = folder->first = folder->said = FALSE;
  }
  return rows;
}

/* ---- asked by readers --------------------------------------------------------------------------------- */

static gboolean within_refresh(const Agenda *agenda, gint64 when, gint64 now) {
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
  if (folder->doubted == 0 && within_refresh(agenda, folder->verified, now))
    return SYNC_FRESH;
  if (folder->doubted == 0 && agenda_is_pushed(agenda, folder, directory)) {
    if (!directory && (agenda->push != AGENDA_PUSH_ALL || now - folder->verified >= TRUST))
      enqueue_refresh(agenda, queue, folder);
    return SYNC_FRESH;
  }
  folder->asked = TRUE;
  enqueue_refresh(agenda, queue, folder);
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

void agenda_doubt(Agenda *agenda, gint64 row, const ImapStatus *status) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, row);
  folder->doubted = agenda_now(agenda);
  folder->said = status != NULL;
  if (status)
    folder->status = *status;
  folder->status.name = NULL;
  enqueue_refresh(agenda, AGENDA_NEWS, folder);
}

void agenda_doubt_listing(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, row);
  if (folder->first && !folder->line)
    folder->doubted = agenda_now(agenda);
}

void agenda_refresh(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  enqueue_refresh(agenda, AGENDA_REFRESH, agenda_folder(agenda, row));
}

void agenda_relist(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->n_listed -= MIN(agenda->n_listed, 1); /* it was */
  enqueue_first(agenda, agenda_folder(agenda, row));
}

void agenda_look_again(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->swept = 0;
  g_cond_broadcast(&agenda->cond);
}

/* One that is refused for good is refused each time somebody opens it. */
gboolean agenda_refused(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  if (within_refresh(agenda, agenda->began, agenda_now(agenda)) && agenda->began > agenda_folder(agenda, row)->doubted)
    return FALSE;
  agenda->swept = 0;
  g_cond_broadcast(&agenda->cond);
  return TRUE;
}

void agenda_begin_again(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->swept = agenda->watch_next = agenda->watch_delay = agenda->lost = 0;
  g_cond_broadcast(&agenda->cond);
}

/* ---- for the syncing thread --------------------------------------------------------------------------- */

static gint64 sweep_every(const Agenda *agenda) {
  if (agenda->push == AGENDA_PUSH_FOLDER || agenda->push == AGENDA_PUSH_ALL)
    return SWEEP + agenda->asks * POLL_FOLDER;
  return MAX((gint64)agenda->setup.refresh * SECOND, POLL) + agenda->asks * POLL_FOLDER;
}

/* When there may be something to do although nobody asks. */
static gint64 next_wakeup(const Agenda *agenda, gint64 now) {
  if (!agenda->online)
    return MAX(agenda->setup.next_try(agenda->setup.data), now + SECOND);
  return agenda->swept + sweep_every(agenda);
}

static gboolean sweep_is_due(const Agenda *agenda, gint64 now) {
  gboolean asked = length(agenda, AGENDA_TREE) > 0;
  gboolean old = agenda->swept == 0 || now - agenda->swept >= sweep_every(agenda);
  gboolean blind = length(agenda, AGENDA_REFRESH) > 0 && agenda->push != AGENDA_PUSH_ALL &&
                   !within_refresh(agenda, agenda->swept, now);
  if (!asked && !old && !blind)
    return FALSE;
  return agenda->online || asked || now >= agenda->setup.next_try(agenda->setup.data);
}

static Folder *next_folder(Agenda *agenda, gboolean sweep) {
  Folder *folder = !sweep || agenda->overtaken < OVERTAKES ? take_head(agenda, AGENDA_NEWS) : NULL;
  return folder ? folder : take_head(agenda, AGENDA_REFRESH);
}

static void describe_folder(Folder *folder, AgendaTask *ret) {
  ret->row = folder->row;
  ret->asked = folder->asked;
  ret->said = folder->said;
  ret->status = folder->status;
  ret->verified = folder->doubted == 0 && folder->verified > folder->queued;
  folder->asked = folder->said = FALSE;
}

gboolean agenda_next_task(Agenda *agenda, AgendaTask *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  while (!agenda->closed) {
    gint64 now = agenda_now(agenda);
    gboolean due = sweep_is_due(agenda, now);
    *ret = (AgendaTask){0};
    Folder *folder = next_folder(agenda, due);
    if (folder)
      describe_folder(folder, ret);
    gboolean news = folder && folder->doubted != 0;
    ret->sweep = due && !(news && agenda->overtaken < OVERTAKES);
    agenda->overtaken = due && !ret->sweep ? agenda->overtaken + 1 : 0;
    if (ret->sweep || folder)
      return TRUE;
    agenda_wait(agenda, next_wakeup(agenda, now));
  }
  return FALSE;
}

/* ---- for the listing thread ------------------------------------------------------------------------------ */

gint64 agenda_next_first(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  while (!agenda->closed && length(agenda, AGENDA_FIRST) == 0)
    g_cond_wait(&agenda->cond, &agenda->mutex);
  return agenda->closed ? 0 : take_head(agenda, AGENDA_FIRST)->row;
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
  return length(agenda, AGENDA_FIRST) > 0;
}

/* ---- what came of it ----------------------------------------------------------------------------------------- */

void agenda_swept(Agenda *agenda, gboolean well) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->swept = agenda_now(agenda);
  if (well)
    agenda->began = agenda->swept;
  else
    agenda->swept -= sweep_every(agenda) - SWEEP_RETRY;
}

/* One folder can cost a connection each time it is opened (a server that crashes over it), and the sweep finds each
 * time that it has to be opened. */
void agenda_lost(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  gint64 now = agenda_now(agenda);
  gboolean calm = agenda->lost == 0 || now - agenda->lost >= agenda->lost_delay + CALM;
  agenda->lost = now;
  agenda->lost_delay = calm ? 0 : CLAMP(agenda->lost_delay * 2, SWEEP_RETRY, SWEEP);
  agenda->swept = calm ? 0 : now - sweep_every(agenda) + agenda->lost_delay;
  g_cond_broadcast(&agenda->cond);
}

void agenda_counted(Agenda *agenda, guint folders, guint listed, guint asks) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->n_folders = folders;
  agenda->n_listed = listed;
  agenda->asks = asks;
}

/* What was said against it meanwhile still stands. */
void agenda_verified(Agenda *agenda, gint64 row, gint64 started, gboolean flags) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, row);
  folder->verified = MAX(folder->verified, started);
  if (folder->doubted <= started)
    folder->doubted = 0;
  if (flags)
    folder->flags = started;
}

gboolean agenda_verified_since(Agenda *agenda, gint64 row, gint64 when) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  return agenda_folder(agenda, row)->verified >= when;
}

gboolean agenda_flags_due(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  gint64 last = agenda_folder(agenda, row)->flags;
  return last == 0 || agenda_now(agenda) - last > FLAGS_EVERY;
}
