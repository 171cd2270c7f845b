/* SPDX-License-Identifier: MIT */
/*
 * Each folder that was asked for has a Folder here: when it was last verified, and whether it stands in a queue. The
 * states are
 *
 *   idle     queue NULL, no thread works on it
 *   queued   in `refresh` (listed) or `first` (not yet whole)
 *   running  taken out by the thread that works on it; a new request queues it again
 *
 * and every queued folder gets exactly one CACHE_EVENT_FOLDER when its work has ended, well or badly: whoever parked a
 * request on it is answered. A thread that cannot get a connection fails all that is queued for it, because nobody
 * should wait for the second attempt of something that just failed.
 *
 * Sweep: LIST with STATUS of all folders, every SWEEP seconds, after each reconnect, and when a folder is opened and
 * neither it nor the last LIST is fresh: it may have got subfolders, or be gone. A sweep finds new folders and verifies
 * all others in one round trip; whoever waits for one folder is answered before the others are refreshed.
 */
#include "cache/sync.h"

#include <time.h>

#include "cache/listing.h"
#include "cache/resync.h"
#include "cache/tree.h"

#define SECOND G_USEC_PER_SEC
#define SWEEP (300 * SECOND)
#define SWEEP_RETRY (10 * SECOND)
#define FLAGS_EVERY (300 * SECOND) /* where nothing tells that flags moved */
#define KICK_EVERY (3 * SECOND)
#define LOOK_EVERY (5 * SECOND) /* for the end of a suspend, which no wait notices */
#define SUSPENDED (2 * SECOND)
#define SLICE (SECOND / 2) /* a first listing may hold its connection so long although others wait for it */

typedef struct {
  gint64 row;
  gint64 verified; /* monotonic; 0: never in this mount */
  gint64 flags;    /* monotonic; last comparison of flags */
  gboolean queued, doubted;
} Folder;

struct _Sync {
  Account *account;
  GThread *watch, *lister;
  gint64 slept; /* µs this machine has been suspended, so far; of the watching thread */
  GMutex mutex; /* guards all below */
  GCond cond;
  GHashTable *folders; /* row -> Folder */
  GQueue refresh;      /* Folder*, borrowed */
  GQueue first;        /* Folder*, borrowed */
  GQueue tree;         /* Folder*, borrowed: directories that wait for LIST */
  gint64 swept;        /* monotonic; 0: LIST is wanted now */
  gint64 kicked;
  gboolean online, stop;
};

static Folder *folder_of(Sync *sync, gint64 row) {
  Folder *folder = g_hash_table_lookup(sync->folders, &row);
  if (!folder) {
    folder = g_new0(Folder, 1);
    folder->row = row;
    g_hash_table_insert(sync->folders, &folder->row, folder);
  }
  return folder;
}

static gint64 clock_now(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (gint64)now.tv_sec * SECOND + now.tv_nsec / 1000;
}

Sync *sync_new(Account *account) {
  Sync *sync = g_new0(Sync, 1);
  sync->account = account;
  g_mutex_init(&sync->mutex);
  g_cond_init(&sync->cond);
  sync->folders = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  sync->slept = clock_now(CLOCK_BOOTTIME) - clock_now(CLOCK_MONOTONIC);
  return sync;
}

/* ---- asked by the threads of fs/ --------------------------------------------------------------------- */

static void enqueue(Sync *sync, GQueue *queue, Folder *folder) {
  if (folder->queued)
    return;
  folder->queued = TRUE;
  g_queue_push_tail(queue, folder);
  g_cond_broadcast(&sync->cond);
}

static gboolean within_refresh(Sync *sync, gint64 when) {
  return when != 0 && g_get_monotonic_time() - when < (gint64)sync->account->config->refresh * SECOND;
}

static gboolean is_fresh(Sync *sync, const Folder *folder) {
  return !folder->doubted && within_refresh(sync, folder->verified);
}

SyncAnswer sync_want(Sync *sync, const IndexMailbox *mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  Folder *folder = folder_of(sync, mailbox->row);
  if (mailbox->attrs & IMAP_ATTR_NOSELECT) {
    if (is_fresh(sync, folder))
      return SYNC_FRESH;
    enqueue(sync, &sync->tree, folder);
    return SYNC_REFRESHING;
  }
  if (mailbox->listed != INDEX_LISTED) {
    enqueue(sync, &sync->first, folder);
    return SYNC_LISTING;
  }
  if (is_fresh(sync, folder))
    return SYNC_FRESH;
  enqueue(sync, &sync->refresh, folder);
  return SYNC_REFRESHING;
}

void sync_doubt(Sync *sync, gint64 mailbox) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  Folder *folder = folder_of(sync, mailbox);
  folder->doubted = TRUE;
  enqueue(sync, &sync->refresh, folder);
}

static gboolean kick_is_due(Sync *sync) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  gint64 now = g_get_monotonic_time();
  gboolean due = !sync->online && now - sync->kicked >= KICK_EVERY;
  if (due)
    sync->kicked = now;
  return due;
}

static void look_again(Sync *sync) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  sync->swept = 0;
  g_cond_broadcast(&sync->cond);
}

void sync_kick(Sync *sync) {
  if (!kick_is_due(sync))
    return;
  /* Refused logins are not repeated because somebody reads: that locks accounts. */
  imap_pool_hurry(sync->account->pool);
  look_again(sync);
}

void sync_retry(Sync *sync) {
  imap_pool_retry(sync->account->pool);
  look_again(sync);
}

/* ---- work on one folder --------------------------------------------------------------------------------- */

static void tell_folder(Sync *sync, gint64 row, const GError *error) {
  account_tell(sync->account, CACHE_EVENT_FOLDER, CACHE_FOLDER, row, 0, NULL, error);
}

static void verified(Sync *sync, gint64 row, gint64 started, gboolean flags) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  Folder *folder = folder_of(sync, row);
  folder->verified = started;
  folder->doubted = FALSE;
  if (flags)
    folder->flags = started;
}

static gboolean flags_are_due(Sync *sync, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  gint64 last = folder_of(sync, row)->flags;
  return last == 0 || g_get_monotonic_time() - last > FLAGS_EVERY;
}

static gboolean set_online(Sync *sync, gboolean online) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  gboolean was = sync->online;
  sync->online = online;
  return was;
}

static ImapConn *lease(Sync *sync, ImapRole role, GError **error) {
  Account *account = sync->account;
  ImapConn *conn = imap_pool_lease(account->pool, role, account->cancellable, error);
  if (role == IMAP_ROLE_WATCH)
    set_online(sync, conn != NULL);
  return conn;
}

/* A second opinion: a fresh connection, a fresh LIST. */
static ImapConn *lease_afresh(Sync *sync, ImapConn *conn, GError **error) {
  imap_conn_fail(conn);
  imap_pool_release(sync->account->pool, conn);
  return lease(sync, IMAP_ROLE_WATCH, error);
}

static gboolean update_tree(Sync *sync, ImapConn **conn, TreeNews *ret, GError **error) {
  if (!tree_update(sync->account, *conn, FALSE, ret, error))
    return FALSE;
  if (!ret->unconfirmed)
    return TRUE;
  tree_news_clear(ret);
  *conn = lease_afresh(sync, *conn, error);
  return *conn && tree_update(sync->account, *conn, TRUE, ret, error);
}

static gboolean refresh_one(Sync *sync, ImapConn **conn, gint64 row, const ImapStatus *status, GError **error) {
  gint64 started = g_get_monotonic_time();
  gboolean no_modseq = !imap_conn_has(*conn, "CONDSTORE");
  gboolean flags = no_modseq && flags_are_due(sync, row);
  ResyncResult result = resync_run(sync->account, *conn, row, status, flags, FALSE, error);
  if (result == RESYNC_UNSURE) {
    g_auto(TreeNews) news = {0};
    *conn = lease_afresh(sync, *conn, error);
    if (!*conn || !tree_update(sync->account, *conn, TRUE, &news, error))
      return FALSE;
    result = resync_run(sync->account, *conn, row, NULL, flags, TRUE, error);
  }
  if (result != RESYNC_DONE)
    return FALSE;
  verified(sync, row, started, flags);
  return TRUE;
}

/* One folder that the server refuses must not keep the others from being seen. FALSE: the connection is lost. */
static gboolean refresh_or_log(Sync *sync, ImapConn **conn, gint64 row, const ImapStatus *said, GError **error) {
  g_autoptr(GError) local = NULL;
  if (refresh_one(sync, conn, row, said, &local))
    return TRUE;
  if (!*conn || imap_conn_failed(*conn)) {
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
  }
  g_info("folder %" G_GINT64_FORMAT ": %s", row, local->message);
  return TRUE;
}

static gboolean verified_since(Sync *sync, gint64 row, gint64 when) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  return folder_of(sync, row)->verified >= when;
}

/* Every listed folder of which the sweep said something is verified by it, or refreshed now. */
static gboolean use_status(Sync *sync, ImapConn **conn, GHashTable *status, gint64 started, GError **error) {
  g_autoptr(GPtrArray) rows = index_mailboxes(sync->account->index, error);
  if (!rows)
    return FALSE;
  for (guint i = 0; i < rows->len; i++) {
    const IndexMailbox *mailbox = rows->pdata[i];
    if (mailbox->attrs & IMAP_ATTR_NOSELECT)
      verified(sync, mailbox->row, started, FALSE);
    ImapStatus *said = status && mailbox->raw ? g_hash_table_lookup(status, mailbox->raw) : NULL;
    if (!said || mailbox->listed != INDEX_LISTED || verified_since(sync, mailbox->row, started))
      continue;
    if (resync_same(mailbox, said))
      verified(sync, mailbox->row, started, FALSE);
    else if (!refresh_or_log(sync, conn, mailbox->row, said, error))
      return FALSE;
  }
  return TRUE;
}

static void tell_tree(Sync *sync, const GError *error) {
  for (;;) {
    gint64 row = 0;
    {
      G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
      Folder *folder = g_queue_pop_head(&sync->tree);
      if (!folder)
        return;
      folder->queued = FALSE;
      row = folder->row;
    }
    tell_folder(sync, row, error);
  }
}

/* The first half of a sweep. */
static gboolean list_folders(Sync *sync, ImapConn **conn, TreeNews *ret, GError **error) {
  g_mutex_lock(&sync->mutex);
  sync->swept = g_get_monotonic_time();
  g_mutex_unlock(&sync->mutex);
  return update_tree(sync, conn, ret, error);
}

/* The second. */
static gboolean verify_folders(Sync *sync, ImapConn **conn, const TreeNews *news, gint64 started, GError **error) {
  gboolean ok = use_status(sync, conn, news->status, started, error);
  tell_tree(sync, ok ? NULL : error ? *error : NULL);
  return ok;
}

/* What LIST-STATUS just said of this folder, or NULL. */
static const ImapStatus *said_of(Sync *sync, const TreeNews *news, gint64 row) {
  g_auto(IndexMailbox) mailbox = {0};
  if (!news->status || !index_get_mailbox(sync->account->index, row, &mailbox, NULL) || !mailbox.raw)
    return NULL;
  return g_hash_table_lookup(news->status, mailbox.raw);
}

/* ---- the watching thread ------------------------------------------------------------------------------- */

static gboolean sweep_is_due(Sync *sync, gint64 now) {
  return sync->swept == 0 || sync->tree.length > 0 || now - sync->swept >= SWEEP;
}

/* When there may be something to do although nobody asks. */
static gint64 next_wakeup(Sync *sync, gint64 now) {
  gint64 retry = imap_pool_next_try(sync->account->pool);
  if (!sync->online)
    return MAX(retry, now + SECOND);
  return sync->swept + SWEEP;
}

/* CLOCK_MONOTONIC stands still while the machine sleeps: connections made before are dead, and everything is to be
 * looked at. */
static gboolean was_suspended(Sync *sync) {
  gint64 slept = clock_now(CLOCK_BOOTTIME) - clock_now(CLOCK_MONOTONIC);
  gboolean resumed = slept - sync->slept > SUSPENDED;
  sync->slept = slept;
  return resumed;
}

typedef struct {
  gboolean resumed, sweep;
  gint64 row; /* 0: none */
} Task;

/* Blocks until there is work. FALSE: stop. */
static gboolean next_task(Sync *sync, Task *ret) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  for (;;) {
    gint64 now = g_get_monotonic_time();
    if (sync->stop)
      return FALSE;
    gboolean resumed = was_suspended(sync);
    Folder *folder = g_queue_pop_head(&sync->refresh);
    gboolean old = folder && !within_refresh(sync, sync->swept);
    gboolean due =
        (old || sweep_is_due(sync, now)) && (sync->online || sync->tree.length > 0 || now >= next_wakeup(sync, 0));
    *ret = (Task){.resumed = resumed, .sweep = due || resumed, .row = folder ? folder->row : 0};
    if (folder)
      folder->queued = FALSE;
    if (ret->sweep || folder)
      return TRUE;
    g_cond_wait_until(&sync->cond, &sync->mutex, MIN(next_wakeup(sync, now), now + LOOK_EVERY));
  }
}

static void fail_queue(Sync *sync, GQueue *queue, const GError *error) {
  g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  g_mutex_lock(&sync->mutex);
  for (Folder *folder; (folder = g_queue_pop_head(queue));) {
    folder->queued = FALSE;
    g_array_append_val(rows, folder->row);
  }
  g_mutex_unlock(&sync->mutex);
  for (guint i = 0; i < rows->len; i++)
    tell_folder(sync, g_array_index(rows, gint64, i), error);
}

/* Answers whoever waits for this folder, well or badly. FALSE: the connection is lost. */
static gboolean refresh_and_tell(Sync *sync, ImapConn **conn, Task *task, const TreeNews *news, GError **error) {
  g_autoptr(GError) local = NULL;
  gint64 row = task->row;
  refresh_one(sync, conn, row, said_of(sync, news, row), &local);
  task->row = 0;
  tell_folder(sync, row, local);
  if (!local || (*conn && !imap_conn_failed(*conn)))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&local));
  return FALSE;
}

/* Clears task->row when it has been answered. */
static gboolean do_task(Sync *sync, ImapConn **conn, Task *task, GError **error) {
  g_auto(TreeNews) news = {0};
  gint64 started = g_get_monotonic_time();
  if (task->sweep && !list_folders(sync, conn, &news, error))
    return FALSE;
  if (task->row != 0 && !refresh_and_tell(sync, conn, task, &news, error))
    return FALSE;
  return !task->sweep || verify_folders(sync, conn, &news, started, error);
}

static void sweep_again_soon(Sync *sync) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  sync->swept = g_get_monotonic_time() - SWEEP + SWEEP_RETRY;
}

static gpointer watch_main(gpointer data) {
  Sync *sync = data;
  Task task;
  while (next_task(sync, &task)) {
    g_autoptr(GError) error = NULL;
    if (task.resumed)
      imap_pool_retry(sync->account->pool);
    ImapConn *conn = lease(sync, IMAP_ROLE_WATCH, &error);
    gboolean reached = conn != NULL;
    gboolean ok = reached && do_task(sync, &conn, &task, &error);
    if (conn)
      imap_pool_release(sync->account->pool, conn);
    if (ok)
      continue;
    g_info("sync: %s", error->message);
    if (task.row != 0)
      tell_folder(sync, task.row, error);
    if (task.sweep)
      tell_tree(sync, error);
    if (!reached)
      fail_queue(sync, &sync->refresh, error);
    else if (task.sweep)
      sweep_again_soon(sync);
  }
  return NULL;
}

/* ---- the listing thread --------------------------------------------------------------------------------- */

static gint64 next_first(Sync *sync) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  while (!sync->stop && sync->first.length == 0)
    g_cond_wait(&sync->cond, &sync->mutex);
  if (sync->stop)
    return 0;
  Folder *folder = g_queue_pop_head(&sync->first);
  return folder->row;
}

/* Only now may it be queued again: requests during the listing are served by its event. */
static void end_first(Sync *sync, gint64 row, gint64 started, const GError *error) {
  if (!error)
    verified(sync, row, started, TRUE);
  g_mutex_lock(&sync->mutex);
  folder_of(sync, row)->queued = FALSE;
  g_mutex_unlock(&sync->mutex);
  tell_folder(sync, row, error);
}

/* Its turn comes again after the other folders. */
static void put_off(Sync *sync, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  g_queue_push_tail(&sync->first, folder_of(sync, row));
}

typedef struct {
  Sync *sync;
  ImapConn *conn;
  gint64 until; /* monotonic: to change folders costs something, too */
} Slice;

static gboolean others_wait(gpointer data) {
  Slice *slice = data;
  Sync *sync = slice->sync;
  if (g_get_monotonic_time() < slice->until)
    return FALSE;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync->mutex);
  return sync->first.length > 0 || imap_pool_contended(sync->account->pool, slice->conn);
}

static void list_slice(Sync *sync, gint64 row) {
  g_autoptr(GError) error = NULL;
  gint64 started = g_get_monotonic_time();
  gboolean paused = FALSE;
  ImapConn *conn = lease(sync, IMAP_ROLE_BULK, &error);
  gboolean reached = conn != NULL;
  if (conn) {
    Slice slice = {.sync = sync, .conn = conn, .until = started + SLICE};
    listing_first(sync->account, conn, row, others_wait, &slice, &paused, &error);
    imap_pool_release(sync->account->pool, conn);
  }
  if (paused && !error)
    put_off(sync, row);
  else
    end_first(sync, row, started, error);
  if (!reached)
    fail_queue(sync, &sync->first, error);
}

static gpointer lister_main(gpointer data) {
  Sync *sync = data;
  for (gint64 row; (row = next_first(sync)) != 0;)
    list_slice(sync, row);
  return NULL;
}

/* ---- start and end ---------------------------------------------------------------------------------------- */

gboolean sync_login(Sync *sync, GError **error) {
  ImapConn *conn = lease(sync, IMAP_ROLE_WATCH, error);
  if (conn)
    imap_pool_release(sync->account->pool, conn);
  return conn != NULL;
}

gboolean sync_first(Sync *sync, GError **error) {
  ImapConn *conn = lease(sync, IMAP_ROLE_WATCH, error);
  if (!conn)
    return FALSE;
  gboolean ok = do_task(sync, &conn, &(Task){.sweep = TRUE}, error);
  if (conn)
    imap_pool_release(sync->account->pool, conn);
  return ok;
}

void sync_run(Sync *sync) {
  sync->watch = g_thread_new("watch", watch_main, sync);
  sync->lister = g_thread_new("lister", lister_main, sync);
}

void sync_stop(Sync *sync) {
  g_mutex_lock(&sync->mutex);
  sync->stop = TRUE;
  g_cond_broadcast(&sync->cond);
  g_mutex_unlock(&sync->mutex);
  g_clear_pointer(&sync->watch, g_thread_join);
  g_clear_pointer(&sync->lister, g_thread_join);
}

void sync_free(Sync *sync) {
  if (!sync)
    return;
  g_queue_clear(&sync->refresh);
  g_queue_clear(&sync->first);
  g_queue_clear(&sync->tree);
  g_hash_table_unref(sync->folders);
  g_cond_clear(&sync->cond);
  g_mutex_clear(&sync->mutex);
  g_free(sync);
}
