/* SPDX-License-Identifier: MIT */
/*
 * Each folder that was asked for has a Folder here: when it was last verified, and in which queue it stands
 * (agenda_queue.c).
 *
 * A folder is fresh while nothing speaks against it and it was verified within `refresh`, or since the server tells
 * what happens to it (agenda_line.c). Push is believed, and looked after: a reader that opens what was not verified for
 * TRUST is answered at once, and the folder is verified behind its back. Some deliver mail past their server. Under
 * IDLE it is verified so after `refresh`: of a mailbox that was deleted and made anew neither Dovecot nor Cyrus tells,
 * and of new subfolders nobody.
 */
#include "cache/sync/agenda_private.h"

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
    agenda_enqueue_first(agenda, folder);
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
  agenda_enqueue_first(agenda, agenda_folder(agenda, row));
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
