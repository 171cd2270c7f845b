/* SPDX-License-Identifier: MIT */
/*
 * Two threads that do what the agenda says. Every folder that was queued gets exactly one CACHE_EVENT_FOLDER when its
 * work has ended, well or badly: whoever parked a request on it is answered. A thread that cannot get a connection
 * fails all that is queued for it, because nobody should wait for the second attempt of something that just failed.
 *
 * A sweep finds new folders and verifies all others in one round trip; whoever waits for one folder is answered before
 * the others are refreshed. A first listing gives way to others that wait, for their folder or for its connection,
 * after each SLICE.
 */
#include "cache/sync.h"

#include "cache/listing.h"
#include "cache/resync.h"
#include "cache/tree.h"

#define SLICE (G_USEC_PER_SEC / 2) /* to change folders costs something, too */

struct _Sync {
  Account *account;
  Agenda *agenda;
  GThread *watch, *lister;
};

static gint64 next_try(gpointer data) {
  return imap_pool_next_try(((Sync *)data)->account->pool);
}

Sync *sync_new(Account *account) {
  Sync *sync = g_new0(Sync, 1);
  sync->account = account;
  sync->agenda = agenda_new(account->config->refresh, next_try, sync);
  return sync;
}

SyncAnswer sync_want(Sync *sync, const IndexMailbox *mailbox) {
  return agenda_want(sync->agenda, mailbox);
}

void sync_doubt(Sync *sync, gint64 mailbox) {
  agenda_doubt(sync->agenda, mailbox);
}

void sync_kick(Sync *sync) {
  if (!agenda_kick(sync->agenda))
    return;
  /* Refused logins are not repeated because somebody reads: that locks accounts. */
  imap_pool_hurry(sync->account->pool);
  agenda_look_again(sync->agenda);
}

void sync_retry(Sync *sync) {
  imap_pool_retry(sync->account->pool);
  agenda_look_again(sync->agenda);
}

/* ---- work on one folder --------------------------------------------------------------------------------- */

static void tell_folder(Sync *sync, gint64 row, const GError *error) {
  account_tell(sync->account, CACHE_EVENT_FOLDER, CACHE_FOLDER, row, 0, NULL, error);
}

static ImapConn *lease(Sync *sync, ImapRole role, GError **error) {
  Account *account = sync->account;
  ImapConn *conn = imap_pool_lease(account->pool, role, account->cancellable, error);
  if (role == IMAP_ROLE_WATCH)
    agenda_online(sync->agenda, conn != NULL);
  return conn;
}

/* A second opinion: a fresh connection, a fresh LIST. */
static ImapConn *lease_afresh(Sync *sync, ImapConn *conn, GError **error) {
  imap_conn_fail(conn);
  imap_pool_release(sync->account->pool, conn);
  return lease(sync, IMAP_ROLE_WATCH, error);
}

static gboolean update_tree(Sync *sync, ImapConn **conn, TreeNews *ret, GError **error) {
  if (!tree_update(sync->account, *conn, NULL, FALSE, ret, error))
    return FALSE;
  if (!ret->unconfirmed)
    return TRUE;
  tree_news_clear(ret);
  *conn = lease_afresh(sync, *conn, error);
  return *conn && tree_update(sync->account, *conn, NULL, TRUE, ret, error);
}

static ResyncResult refresh_one(Sync *sync, ImapConn **conn, gint64 row, const ImapStatus *status, GError **error) {
  gint64 started = g_get_monotonic_time();
  gboolean flags = !imap_conn_has(*conn, "CONDSTORE") && agenda_flags_due(sync->agenda, row);
  ResyncResult result = resync_run(sync->account, *conn, row, status, flags, FALSE, error);
  if (result == RESYNC_UNSURE) {
    g_auto(TreeNews) news = {0};
    *conn = lease_afresh(sync, *conn, error);
    if (!*conn || !tree_update(sync->account, *conn, NULL, TRUE, &news, error))
      return RESYNC_FAILED;
    result = resync_run(sync->account, *conn, row, NULL, flags, TRUE, error);
  }
  if (result == RESYNC_DONE)
    agenda_verified(sync->agenda, row, started, flags);
  return result;
}

/* What the sweep said of the listed folders: unchanged ones are verified by it. The others are queued, each as a task
 * of its own, so that neither a mount nor a reader waits for all of them, and one that the server refuses holds up no
 * other. */
static gboolean use_status(Sync *sync, GHashTable *status, gint64 started, GError **error) {
  g_autoptr(GPtrArray) rows = index_mailboxes(sync->account->index, error);
  for (guint i = 0; rows && i < rows->len; i++) {
    const IndexMailbox *mailbox = rows->pdata[i];
    ImapStatus *said = status && mailbox->raw ? g_hash_table_lookup(status, mailbox->raw) : NULL;
    if (mailbox->attrs & IMAP_ATTR_NOSELECT)
      agenda_verified(sync->agenda, mailbox->row, started, FALSE);
    if (mailbox->listed != INDEX_LISTED || agenda_verified_since(sync->agenda, mailbox->row, started))
      continue;
    if (said && resync_same(mailbox, said))
      agenda_verified(sync->agenda, mailbox->row, started, FALSE);
    else if (said)
      agenda_doubt(sync->agenda, mailbox->row);
    else
      agenda_refresh(sync->agenda, mailbox->row);
  }
  return rows != NULL;
}

/* The end for all that wait in this queue. */
static void tell_queue(Sync *sync, AgendaQueue queue, const GError *error) {
  g_autoptr(GArray) rows = agenda_take(sync->agenda, queue);
  for (guint i = 0; i < rows->len; i++)
    tell_folder(sync, g_array_index(rows, gint64, i), error);
}

/* The first half of a sweep. */
static gboolean list_folders(Sync *sync, ImapConn **conn, TreeNews *ret, GError **error) {
  agenda_swept(sync->agenda, TRUE);
  return update_tree(sync, conn, ret, error);
}

/* The second. */
static gboolean verify_folders(Sync *sync, const TreeNews *news, gint64 started, GError **error) {
  gboolean ok = use_status(sync, news->status, started, error);
  tell_queue(sync, AGENDA_TREE, ok ? NULL : error ? *error : NULL);
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

/* Answers who waits for this folder, well or badly, or leaves that to the other thread. FALSE: the line is lost. */
static gboolean refresh_and_tell(Sync *sync, ImapConn **conn, AgendaTask *task, const TreeNews *news, GError **error) {
  g_autoptr(GError) local = NULL;
  gint64 row = task->row;
  ResyncResult result = refresh_one(sync, conn, row, said_of(sync, news, row), &local);
  task->row = 0;
  if (result == RESYNC_RELIST)
    agenda_relist(sync->agenda, row);
  else
    tell_folder(sync, row, local);
  if (!local || (*conn && !imap_conn_failed(*conn)))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&local));
  return FALSE;
}

/* Clears task->row when it has been answered. */
static gboolean do_task(Sync *sync, ImapConn **conn, AgendaTask *task, GError **error) {
  g_auto(TreeNews) news = {0};
  gint64 started = g_get_monotonic_time();
  if (task->sweep && !list_folders(sync, conn, &news, error))
    return FALSE;
  if (task->row != 0 && !refresh_and_tell(sync, conn, task, &news, error))
    return FALSE;
  return !task->sweep || verify_folders(sync, &news, started, error);
}

static gpointer watch_main(gpointer data) {
  Sync *sync = data;
  AgendaTask task;
  while (agenda_next_task(sync->agenda, &task)) {
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
      tell_queue(sync, AGENDA_TREE, error);
    if (!reached)
      tell_queue(sync, AGENDA_REFRESH, error);
    else if (task.sweep)
      agenda_swept(sync->agenda, FALSE);
  }
  return NULL;
}

/* ---- the listing thread --------------------------------------------------------------------------------- */

typedef struct {
  Sync *sync;
  ImapConn *conn;
  gint64 until; /* monotonic */
} Slice;

static gboolean others_wait(gpointer data) {
  Slice *slice = data;
  if (g_get_monotonic_time() < slice->until)
    return FALSE;
  return agenda_others_first(slice->sync->agenda) || imap_pool_contended(slice->sync->account->pool, slice->conn);
}

/* Only now may it be queued again: requests during the listing are served by its event. */
static void end_first(Sync *sync, gint64 row, gint64 started, const GError *error) {
  if (!error)
    agenda_verified(sync->agenda, row, started, TRUE);
  agenda_end_first(sync->agenda, row);
  tell_folder(sync, row, error);
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
    agenda_put_off(sync->agenda, row);
  else
    end_first(sync, row, started, error);
  if (!reached)
    tell_queue(sync, AGENDA_FIRST, error);
}

static gpointer lister_main(gpointer data) {
  Sync *sync = data;
  for (gint64 row; (row = agenda_next_first(sync->agenda)) != 0;)
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
  gboolean ok = do_task(sync, &conn, &(AgendaTask){.sweep = TRUE}, error);
  if (conn)
    imap_pool_release(sync->account->pool, conn);
  return ok;
}

void sync_run(Sync *sync) {
  sync->watch = g_thread_new("watch", watch_main, sync);
  sync->lister = g_thread_new("lister", lister_main, sync);
}

void sync_stop(Sync *sync) {
  agenda_close(sync->agenda);
  g_clear_pointer(&sync->watch, g_thread_join);
  g_clear_pointer(&sync->lister, g_thread_join);
}

void sync_free(Sync *sync) {
  if (!sync)
    return;
  agenda_free(sync->agenda);
  g_free(sync);
}
