/* SPDX-License-Identifier: MIT */
/*
 * The line and what the server tells over it by itself.
 *
 *   NONE    nobody tells: folders are fresh for `refresh`, sweeps come often
 *   ASKED   the same; one folder is asked about over the connection that would tell
 *   FOLDER  one folder is told of
 *   ALL     all are that it has told of, which leaves out the folders of others
 *
 * What was verified since the server tells of it is covered until it tells news; what was verified before is not, for
 * something may have happened in between.
 *
 * Where only one folder can be watched it is the one that readers opened last, once it has been that for SETTLE: `find`
 * over 400 folders does not make it hop. To watch again after a loss waits longer and longer while no connection holds
 * for HOLDS: there are servers that hang up on NOTIFY.
 */
#include "cache/sync/agenda_private.h"

#define SETTLE (5 * SECOND)
#define HOLDS (60 * SECOND)
#define WATCH_FIRST (SECOND / 4)
#define WATCH_LAST (300 * SECOND)
#define SPARE_AGAIN (60 * SECOND) /* to look whether there is a connection to spare by now */

static gint64 real_seconds(void) {
  return g_get_real_time() / G_USEC_PER_SEC;
}

/* ---- the line --------------------------------------------------------------------------------------------- */

/* Whatever happened in between is found by a sweep, and to look for it is also how an offline mount comes back. */
gboolean agenda_online(Agenda *agenda, gboolean online, const char *why) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  gboolean first = agenda->online_since == 0;
  gboolean changed = first || agenda->online != online;
  g_free(agenda->why);
  agenda->why = g_strdup(why);
  if (!changed)
    return FALSE;
  agenda->online = online;
  agenda->online_since = real_seconds();
  if (!first)
    agenda->swept = 0;
  agenda->watch_next = agenda->watch_delay = 0;
  g_cond_broadcast(&agenda->cond);
  return TRUE;
}

/* ---- push --------------------------------------------------------------------------------------------------- */

static gboolean is_told_of(const Agenda *agenda, const Folder *folder, gboolean directory) {
  if (agenda->push == AGENDA_PUSH_ALL)
    return directory || folder->told >= agenda->push_since;
  return agenda->push == AGENDA_PUSH_FOLDER && agenda->push_row == folder->row;
}

gboolean agenda_is_pushed(const Agenda *agenda, const Folder *folder, gboolean directory) {
  return is_told_of(agenda, folder, directory) && folder->verified != 0 && folder->verified >= agenda->push_since;
}

void agenda_told(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda_folder(agenda, row)->told = agenda_now(agenda);
}

static void set_push(Agenda *agenda, AgendaPush push, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  if (agenda->push == push && agenda->push_row == row)
    return;
  agenda->push = push;
  agenda->push_row = row;
  agenda->push_since = agenda_now(agenda);
  agenda->push_began = real_seconds();
  if (agenda->watch_began == 0)
    agenda->watch_began = agenda->push_since;
}

void agenda_pushed_all(Agenda *agenda) {
  set_push(agenda, AGENDA_PUSH_ALL, 0);
}

void agenda_pushed(Agenda *agenda, gint64 row) {
  set_push(agenda, AGENDA_PUSH_FOLDER, row);
}

void agenda_asked(Agenda *agenda, gint64 row) {
  set_push(agenda, AGENDA_PUSH_ASKED, row);
}

/* ---- the watching thread --------------------------------------------------------------------------------------- */

/* Called where a reader opens a listed folder. */
void agenda_note_use(Agenda *agenda, gint64 row, gint64 now) {
  if (agenda->used == row)
    return;
  agenda->used = row;
  agenda->used_since = now;
  if (agenda->watch_idle)
    g_cond_broadcast(&agenda->cond);
}

gboolean agenda_await_watch(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  while (!agenda->closed) {
    gint64 now = agenda_now(agenda);
    gboolean possible = agenda->online && !(agenda->watch_idle && agenda->used == 0);
    if (possible && now >= agenda->watch_next)
      break;
    agenda_wait(agenda, possible ? agenda->watch_next : G_MAXINT64);
  }
  agenda->watch_idle = FALSE;
  agenda->watch_began = 0;
  agenda->tried = agenda->used;
  return !agenda->closed;
}

/* With the mutex held: when the folder that was used last has been that for long enough; G_MAXINT64: it is watched. */
static gint64 change_over_at(const Agenda *agenda) {
  if (agenda->push == AGENDA_PUSH_ALL || agenda->used == 0 || agenda->used == agenda->push_row)
    return G_MAXINT64;
  return agenda->push == AGENDA_PUSH_NONE ? 0 : agenda->used_since + SETTLE;
}

gint64 agenda_watch_row(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->tried = agenda->used;
  return agenda_now(agenda) >= change_over_at(agenda) ? agenda->used : agenda->push_row;
}

gint64 agenda_watch_until(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  return agenda->watch_asks = change_over_at(agenda);
}

gboolean agenda_watch_is_late(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  gint64 at = change_over_at(agenda);
  gboolean sits = agenda->push == AGENDA_PUSH_FOLDER || agenda->push == AGENDA_PUSH_ASKED;
  gboolean late = sits && at < agenda->watch_asks;
  if (late)
    agenda->watch_asks = at; /* said once */
  return late;
}

static void wait_before_next(Agenda *agenda, gint64 now) {
  gboolean held = agenda->watch_began != 0 && now - agenda->watch_began >= HOLDS;
  agenda->watch_delay = held ? WATCH_FIRST : CLAMP(agenda->watch_delay * 2, WATCH_FIRST, WATCH_LAST);
  agenda->watch_next = now + agenda->watch_delay;
}

void agenda_watch_ended(Agenda *agenda, AgendaWatchEnd end) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  gint64 now = agenda_now(agenda);
  agenda->push = AGENDA_PUSH_NONE;
  agenda->push_row = 0;
  agenda->watch_asks = G_MAXINT64;
  agenda->watch_idle = end == AGENDA_WATCH_NO_FOLDER;
  if (agenda->watch_idle && agenda->used == agenda->tried)
    agenda->used = 0; /* if there was one it is none that can be watched */
  if (end == AGENDA_WATCH_LOST)
    wait_before_next(agenda, now);
  else if (end == AGENDA_WATCH_NO_LINE)
    agenda->watch_next = now + SPARE_AGAIN;
  g_cond_broadcast(&agenda->cond); /* sweeps come more often now */
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

void agenda_look(Agenda *agenda, AgendaState *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  *ret = (AgendaState){
      .online = agenda->online,
      .since = agenda->online_since,
      .why = g_strdup(agenda->why),
      .push = agenda->push,
      .push_row = agenda->push_row,
      .push_since = agenda->push_began,
      .folders = agenda->n_folders,
      .listed = agenda->n_listed,
      .swept = agenda->began == 0 ? -1 : (agenda_now(agenda) - agenda->began) / SECOND,
  };
  for (guint i = 0; i < AGENDA_QUEUES; i++)
    ret->queued[i] = agenda->queues[i].length;
}

void agenda_state_clear(AgendaState *state) {
  g_free(state->why);
}
