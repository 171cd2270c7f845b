/* SPDX-License-Identifier: MIT */
/*
 * What the syncing thread does next: a folder, a sweep over all of them (LIST with STATUS of each), or both.
 *
 * News go first, for somebody may be waiting for that letter, but not for ever before a sweep. A sweep is due every
 * SWEEP, or every POLL where nothing is pushed; when it is asked for; and when a folder is refreshed that nobody tells
 * us of and the last one is older than `refresh`: the folder may have got subfolders, or be gone. A server that has to
 * be asked for each folder by itself is asked less often, the more folders there are. While offline a sweep is due when
 * connecting makes sense again: it is how we come back.
 *
 * Where news of a folder do not end, each comparison may be a list of all its UIDs: after one that news alone had
 * caused the next rests for REST times as long as it took, if that was long. A reader does not wait for that, nor do
 * the first news after a while.
 *
 * One that failed is repeated soon. One folder can cost a connection each time it is opened (a server that crashes over
 * it), or refuse to be opened, and the sweep finds each time that it has to be: then it comes less and less often.
 */
#include "cache/sync/agenda_private.h"

#define SWEEP (300 * SECOND)
#define POLL (60 * SECOND)
#define POLL_FOLDER SECOND /* for each folder that has to be asked for by itself */
#define SWEEP_RETRY (10 * SECOND)
#define CALM (60 * SECOND)      /* without a loss: what was lost before was another matter */
#define REST_BELOW (SECOND / 4) /* may be repeated at once: mail that follows mail shows as soon */
#define REST_MOST (30 * SECOND)
#define OVERTAKES 32 /* news that go before a sweep */

/* ---- when a sweep is due -------------------------------------------------------------------------------- */

static gint64 sweep_every(const Agenda *agenda) {
  if (agenda->push == AGENDA_PUSH_FOLDER || agenda->push == AGENDA_PUSH_ALL)
    return SWEEP + agenda->asks * POLL_FOLDER;
  return MAX((gint64)agenda->setup.refresh * SECOND, POLL) + agenda->asks * POLL_FOLDER;
}

/* When there may be something to do although nobody asks. */
static gint64 next_wakeup(const Agenda *agenda, gint64 now) {
  gint64 sweep = agenda->online ? agenda->swept + sweep_every(agenda)
                                : MAX(agenda->setup.next_try(agenda->setup.data), now + SECOND);
  gint64 learn = agenda->online && agenda->learn != 0 ? agenda->learn : G_MAXINT64;
  return MIN(MIN(sweep, learn), agenda_news_at(agenda));
}

static gboolean sweep_is_due(const Agenda *agenda, gint64 now) {
  gboolean asked = agenda_length(agenda, AGENDA_TREE) > 0;
  gboolean old = agenda->swept == 0 || now - agenda->swept >= sweep_every(agenda);
  gboolean blind = agenda_length(agenda, AGENDA_REFRESH) > 0 && agenda->push != AGENDA_PUSH_ALL &&
                   !agenda_within_refresh(agenda, agenda->swept, now);
  if (!asked && !old && !blind)
    return FALSE;
  return agenda->online || asked || now >= agenda->setup.next_try(agenda->setup.data);
}

void agenda_look_again(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->swept = 0;
  g_cond_broadcast(&agenda->cond);
}

void agenda_learn(Agenda *agenda, gint64 at) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  if (at == 0 || (agenda->learn != 0 && agenda->learn <= at))
    return;
  agenda->learn = at;
  g_cond_broadcast(&agenda->cond);
}

/* With the mutex held. At once, but later where that does not help; never later than it is due anyway. */
static void look_after_trouble(Agenda *agenda) {
  gint64 now = agenda_now(agenda);
  gboolean calm = agenda->lost == 0 || now - agenda->lost >= agenda->lost_delay + CALM;
  agenda->lost = now;
  agenda->lost_delay = calm ? 0 : CLAMP(agenda->lost_delay * 2, SWEEP_RETRY, SWEEP);
  agenda->swept = calm ? 0 : MIN(agenda->swept, now - sweep_every(agenda) + agenda->lost_delay);
  g_cond_broadcast(&agenda->cond);
}

/* One that is refused for good is refused each time somebody opens it, and after each sweep that finds it changed. */
gboolean agenda_refused(Agenda *agenda, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  if (agenda_within_refresh(agenda, agenda->began, agenda_now(agenda)) &&
      agenda->began > agenda_folder(agenda, row)->doubted)
    return FALSE;
  look_after_trouble(agenda);
  return TRUE;
}

void agenda_lost(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  look_after_trouble(agenda);
}

void agenda_begin_again(Agenda *agenda) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->swept = agenda->watch_next = agenda->watch_delay = agenda->lost = 0;
  g_cond_broadcast(&agenda->cond);
}

/* ---- what is next ----------------------------------------------------------------------------------------- */

static Folder *next_folder(Agenda *agenda, gboolean sweep, gint64 now) {
  Folder *folder = !sweep || agenda->overtaken < OVERTAKES ? agenda_take_news(agenda, now) : NULL;
  agenda->news = folder && !folder->asked ? folder : NULL;
  agenda->news_since = now;
  return folder ? folder : agenda_take_head(agenda, AGENDA_REFRESH);
}

/* The task before has ended. One that failed is tried again as soon as the line is there. */
static void end_news(Agenda *agenda, gint64 now) {
  Folder *folder = agenda->news;
  agenda->news = NULL;
  gint64 took = folder ? now - folder->verified : 0;
  if (folder && folder->verified >= agenda->news_since)
    folder->rests = took > REST_BELOW ? now + MIN(took * AGENDA_REST, REST_MOST) : 0;
}

static void describe_folder(Folder *folder, AgendaTask *ret) {
  ret->row = folder->row;
  ret->asked = folder->asked;
  ret->said = folder->said;
  ret->status = folder->status;
  ret->verified = folder->doubted == 0 && folder->wanted == 0 && folder->verified > folder->queued;
  folder->asked = folder->said = FALSE;
}

static gboolean may_learn(Agenda *agenda, gint64 now) {
  if (!agenda->online || agenda->learn == 0 || now < agenda->learn)
    return FALSE;
  agenda->learn = 0;
  return TRUE;
}

gboolean agenda_next_task(Agenda *agenda, AgendaTask *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  end_news(agenda, agenda_now(agenda));
  while (!agenda->closed) {
    gint64 now = agenda_now(agenda);
    gboolean due = sweep_is_due(agenda, now);
    *ret = (AgendaTask){0};
    Folder *folder = next_folder(agenda, due, now);
    if (folder)
      describe_folder(folder, ret);
    gboolean news = folder && folder->doubted != 0;
    ret->sweep = due && !(news && agenda->overtaken < OVERTAKES);
    agenda->overtaken = due && !ret->sweep ? agenda->overtaken + 1 : 0;
    ret->learn = !ret->sweep && !folder && may_learn(agenda, now);
    if (ret->sweep || folder || ret->learn)
      return TRUE;
    agenda_wait(agenda, next_wakeup(agenda, now));
  }
  return FALSE;
}

/* ---- what came of it -------------------------------------------------------------------------------------- */

void agenda_swept(Agenda *agenda, gboolean well) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->swept = agenda_now(agenda);
  if (well)
    agenda->began = agenda->swept;
  else
    agenda->swept -= sweep_every(agenda) - SWEEP_RETRY;
}

void agenda_counted(Agenda *agenda, guint folders, guint listed, guint asks) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agenda->mutex);
  agenda->n_folders = folders;
  agenda->n_listed = listed;
  agenda->asks = asks;
}
