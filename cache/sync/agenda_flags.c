/* SPDX-License-Identifier: MIT */
/*
 * When the flags of a folder are compared. With CONDSTORE that is part of each look at it, and costs what moved.
 * Without it, to see whether one flag moved is to ask for all of them, so it is done
 *
 *   - when IDLE tells that some moved
 *   - when a reader asks for flags, and they are older than `refresh`, or than a few times the last comparison
 *   - now and then
 *
 * The first is news like any other, and paced as these are (agenda_sweep.c).
 */
#include "cache/sync/agenda_private.h"

#define FLAGS_EVERY (3600 * SECOND)

/* NOTIFY does not tell of flags without CONDSTORE, and IDLE of those in one folder. */
static gboolean are_told(const Agenda *agenda, const Folder *folder, const IndexMailbox *mailbox) {
  if (agenda->flags_told && mailbox->modseq > 0)
    return TRUE;
  return agenda->push == AGENDA_PUSH_FOLDER && agenda->push_row == folder->row && folder->flags >= agenda->push_since;
}

void agenda_want_flags(Agenda *agenda, const IndexMailbox *mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, mailbox->row);
  gint64 now = agenda_now(agenda), rest = MAX((gint64)agenda->setup.refresh * SECOND, folder->compared * AGENDA_REST);
  gboolean recent = folder->flags != 0 && now - folder->flags < rest;
  if (mailbox->exists > AGENDA_FLAGS_MOST || recent || are_told(agenda, folder, mailbox))
    return;
  folder->wanted = now;
  agenda_enqueue_refresh(agenda, AGENDA_REFRESH, folder);
}

void agenda_doubt_flags(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  Folder *folder = agenda_folder(agenda, row);
  folder->wanted = agenda_now(agenda);
  agenda_note_doubt(agenda, folder, NULL);
}

void agenda_flags_told(Agenda *agenda, gboolean told) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->flags_told = told;
}

AgendaFlags agenda_flags_due(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  const Folder *folder = agenda_folder(agenda, row);
  if (folder->flags == 0 || agenda_now(agenda) - folder->flags > FLAGS_EVERY)
    return AGENDA_FLAGS_OLD;
  return folder->wanted != 0 ? AGENDA_FLAGS_WANTED : AGENDA_FLAGS_KNOWN;
}

void agenda_note_flags(Agenda *agenda, Folder *folder, gint64 started) {
  folder->flags = started;
  folder->compared = agenda_now(agenda) - started;
  if (folder->wanted <= started)
    folder->wanted = 0;
}
