/* SPDX-License-Identifier: MIT */
/*
 * Every folder that a reader queued gets exactly one CACHE_EVENT_FOLDER when its work has ended, well or badly: whoever
 * parked a request on it is answered. Who cannot get a connection fails all that is queued, because nobody should wait
 * for the second attempt of something that just failed.
 *
 * The first conversation of a mount (login, LIST) runs in the syncing thread, on the connection of PROMPT, which is
 * warm when the first reader comes. Who mounts waits for it as long as it likes. The watching thread begins when it is
 * over: the rows that it compares with are there by then.
 */
#include "cache/sync/sync.h"

#include "cache/access.h"
#include "cache/sync/lister.h"
#include "cache/sync/network.h"
#include "cache/sync/sync_task.h"
#include "cache/sync/watch.h"

struct _Sync {
  Account *account;
  Agenda *agenda;
  Line line;
  SyncTask task;
  Watch *watch;
  Lister *lister;
  Network *network;
  GThread *thread;
  GMutex mutex; /* guards all below */
  GCond cond;
  int step;      /* SyncStep, or 0 */
  GError *ended; /* why the first conversation failed */
};

static gint64 next_try(gpointer data) {
  return imap_pool_next_try(((Sync *)data)->account->pool);
}

static void on_names(const ImapListing *listing, gpointer data) {
  Sync *sync = data;
  if (listing->oldname)
    sync_task_renamed(&sync->task, listing->name, listing->oldname);
}

Sync *sync_new(Account *account) {
  Sync *sync = g_new0(Sync, 1);
  AgendaSetup setup = {.refresh = account->config->refresh, .next_try = next_try, .data = sync};
  sync->account = account;
  sync->agenda = agenda_new(&setup);
  sync->line = (Line){.account = account, .agenda = sync->agenda};
  sync_task_init(&sync->task, &sync->line);
  sync->watch = watch_new(&sync->line, on_names, sync);
  g_mutex_init(&sync->mutex);
  g_cond_init(&sync->cond);
  return sync;
}

/* ---- what others say ------------------------------------------------------------------------------------- */

SyncAnswer sync_want(Sync *sync, const IndexMailbox *mailbox) {
  SyncAnswer answer = agenda_want(sync->agenda, mailbox);
  if (agenda_watch_is_late(sync->agenda))
    watch_call(sync->watch);
  return answer;
}

void sync_want_flags(Sync *sync, const IndexMailbox *mailbox) {
  if (mailbox->listed != INDEX_LISTED)
    return;
  agenda_want_flags(sync->agenda, mailbox);
  sync_want(sync, mailbox);
}

void sync_doubt(Sync *sync, gint64 mailbox) {
  agenda_doubt(sync->agenda, mailbox, NULL);
}

void sync_look_again(Sync *sync) {
  agenda_look_again(sync->agenda);
}

void sync_call_online(Sync *sync, void (*call)(gpointer data), gpointer data) {
  sync->line.online = call;
  sync->line.data = data;
}

void sync_freed(Sync *sync, gint64 mailbox) {
  agenda_freed(sync->agenda, mailbox);
}

void sync_kick(Sync *sync) {
  if (!agenda_kick(sync->agenda))
    return;
  /* Refused logins are not repeated because somebody reads: that locks accounts. */
  imap_pool_hurry(sync->account->pool);
  agenda_begin_again(sync->agenda);
}

void sync_retry(Sync *sync) {
  line_retry(&sync->line);
  imap_pool_drop(sync->account->pool);
  agenda_begin_again(sync->agenda);
}

static void on_network(NetworkNews news, gpointer data) {
  Sync *sync = data;
  if (news == NETWORK_RESUMED) {
    g_info("the machine has slept: connecting anew");
    imap_pool_drop(sync->account->pool);
  } else {
    g_info("the network has changed");
    imap_pool_hurry(sync->account->pool);
    imap_pool_mistrust(sync->account->pool);
    watch_probe(sync->watch);
  }
  agenda_begin_again(sync->agenda);
}

void sync_look(Sync *sync, AgendaState *ret) {
  agenda_look(sync->agenda, ret);
}

/* ---- the first conversation --------------------------------------------------------------------------------- */

static void reach(Sync *sync, SyncStep step, const GError *failed) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  if (failed)
    sync->ended = g_error_copy(failed);
  else
    sync->step = step;
  g_cond_broadcast(&sync->cond);
}

SyncOutcome sync_await(Sync *sync, SyncStep step, gint64 deadline, GError **error) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  gboolean in_time = TRUE;
  while (in_time && sync->step < (int)step && !sync->ended)
    in_time = g_cond_wait_until(&sync->cond, &sync->mutex, deadline);
  if (sync->step >= (int)step)
    return SYNC_REACHED;
  if (!sync->ended)
    return SYNC_LATE;
  g_propagate_error(error, g_error_copy(sync->ended));
  return SYNC_FAILED;
}

void sync_mounted(Sync *sync) {
  line_mounted(&sync->line);
}

static void first_contact(Sync *sync) {
  g_autoptr(GError) error = NULL;
  AgendaTask sweep = {.sweep = TRUE};
  ImapConn *conn = line_lease(&sync->line, IMAP_ROLE_SYNC, &error);
  if (conn)
    reach(sync, SYNC_LOGGED_IN, NULL);
  gboolean reached = conn != NULL;
  gboolean learnt = reached && sync_task_run(&sync->task, &conn, &sweep, &error);
  if (reached && !learnt)
    agenda_swept(sync->agenda, FALSE);
  reach(sync, SYNC_LEARNT, learnt ? NULL : error);
  line_release(&sync->line, conn);
}

/* ---- the thread --------------------------------------------------------------------------------------------- */

static void fail_task(Sync *sync, const AgendaTask *task, gboolean reached, const GError *error) {
  SyncTask *self = &sync->task;
  g_info("sync: %s", error->message);
  if (task->row != 0 && task->asked)
    sync_task_tell(self, task->row, error);
  if (task->sweep)
    sync_task_tell_queue(self, AGENDA_TREE, error);
  if (!reached) {
    sync_task_tell_queue(self, AGENDA_NEWS, error);
    sync_task_tell_queue(self, AGENDA_REFRESH, error);
  } else if (task->sweep) {
    agenda_swept(sync->agenda, FALSE);
  } else {
    agenda_lost(sync->agenda);
  }
}

/* In a quiet moment, after what others waited for. Who loses the line over it has lost nothing else. */
static void learn(Sync *sync, ImapConn *conn, gint64 row, gboolean sweep) {
  g_autoptr(GError) error = NULL;
  if (row != 0)
    access_learn(sync->account, conn, row, &error);
  if (sweep && !error)
    access_learn_some(sync->account, conn, &error);
  if (error)
    g_info("learning what may be done: %s", error->message);
  agenda_learn(sync->agenda, learnt_put_off_until(sync->account->learnt));
}

/* One folder at a time: everything else goes first. */
static void catch_up(Sync *sync) {
  gint64 row = learnt_take(sync->account->learnt);
  ImapConn *conn = row != 0 ? line_lease(&sync->line, IMAP_ROLE_SYNC, NULL) : NULL;
  if (conn)
    learn(sync, conn, row, FALSE);
  else
    agenda_learn(sync->agenda, learnt_put_off_until(sync->account->learnt));
  line_release(&sync->line, conn);
}

static void work(Sync *sync, AgendaTask *task) {
  g_autoptr(GError) error = NULL;
  gint64 row = task->row;
  if (task->verified && !task->sweep) {
    if (task->asked)
      sync_task_tell(&sync->task, task->row, NULL);
    return;
  }
  ImapConn *conn = line_lease(&sync->line, IMAP_ROLE_SYNC, &error);
  gboolean reached = conn != NULL;
  if (row != 0 && !task->asked)
    learnt_stirred(sync->account->learnt, row);
  gboolean ok = reached && sync_task_run(&sync->task, &conn, task, &error);
  if (ok && conn && !imap_conn_failed(conn))
    learn(sync, conn, row, task->sweep);
  line_release(&sync->line, conn);
  watch_recheck(sync->watch);
  if (!ok)
    fail_task(sync, task, reached, error);
}

static gpointer sync_main(gpointer data) {
  Sync *sync = data;
  AgendaTask task;
  first_contact(sync);
  watch_run(sync->watch);
  while (agenda_next_task(sync->agenda, &task))
    if (task.learn)
      catch_up(sync);
    else
      work(sync, &task);
  return NULL;
}

/* ---- start and end ---------------------------------------------------------------------------------------- */

void sync_run(Sync *sync) {
  sync->thread = g_thread_new("sync", sync_main, sync);
  sync->lister = lister_run(&sync->line, sync->watch);
  sync->network = network_new(on_network, sync);
}

void sync_close(Sync *sync) {
  agenda_close(sync->agenda);
}

void sync_stop(Sync *sync) {
  sync_close(sync);
  g_clear_pointer(&sync->network, network_free);
  g_clear_pointer(&sync->thread, g_thread_join);
  watch_join(sync->watch);
  g_clear_pointer(&sync->lister, lister_join);
}

void sync_free(Sync *sync) {
  if (!sync)
    return;
  watch_free(sync->watch);
  sync_task_clear(&sync->task);
  agenda_free(sync->agenda);
  g_clear_error(&sync->ended);
  g_cond_clear(&sync->cond);
  g_mutex_clear(&sync->mutex);
  g_free(sync);
}
