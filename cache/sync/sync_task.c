/* SPDX-License-Identifier: MIT */
/*
 * A sweep finds new folders and verifies all others in one round trip, where the server has LIST-STATUS. What it finds
 * changed, and what has to be asked for one by one, is queued as a task of its own: so neither a mount nor a reader
 * waits for all of them, and one that the server refuses holds up no other.
 *
 * What would make much disappear is looked at twice, the second time over a new connection and after a new LIST.
 */
#include "cache/sync/sync_task.h"

#include "cache/sync/resync.h"
#include "cache/tree/tree.h"

#define RENAMES_MOST 1000 /* between two sweeps; the rest is found without a hint */

void sync_task_init(SyncTask *self, Line *line) {
  self->line = line;
  g_mutex_init(&self->mutex);
  self->renames = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
}

void sync_task_clear(SyncTask *self) {
  g_hash_table_unref(self->renames);
  g_mutex_clear(&self->mutex);
}

/* a became b, b became c: a became c. */
void sync_task_renamed(SyncTask *self, const char *raw, const char *before) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&self->mutex);
  g_autofree char *first = g_strdup(g_hash_table_lookup(self->renames, before));
  g_hash_table_remove(self->renames, before);
  if (g_hash_table_size(self->renames) >= RENAMES_MOST)
    return;
  g_hash_table_replace(self->renames, g_strdup(raw), first ? g_steal_pointer(&first) : g_strdup(before));
}

static GHashTable *take_renames(SyncTask *self) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&self->mutex);
  GHashTable *taken = self->renames;
  self->renames = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return taken;
}

static void return_renames(SyncTask *self, GHashTable *renames) {
  GHashTableIter iter;
  gpointer raw, before;
  g_hash_table_iter_init(&iter, renames);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&self->mutex);
  while (g_hash_table_iter_next(&iter, &raw, &before))
    if (!g_hash_table_contains(self->renames, raw))
      g_hash_table_insert(self->renames, g_strdup(raw), g_strdup(before));
}

void sync_task_tell(SyncTask *self, gint64 row, const GError *error) {
  account_tell(self->line->account, CACHE_EVENT_FOLDER, CACHE_FOLDER, row, 0, NULL, error);
}

void sync_task_tell_queue(SyncTask *self, AgendaQueue queue, const GError *error) {
  g_autoptr(GArray) rows = agenda_take(self->line->agenda, queue);
  for (guint i = 0; i < rows->len; i++)
    sync_task_tell(self, g_array_index(rows, gint64, i), error);
}

/* A second opinion: a fresh connection, a fresh LIST. */
static ImapConn *lease_afresh(SyncTask *self, ImapConn *conn, GError **error) {
  imap_conn_fail(conn);
  line_release(self->line, conn);
  return line_lease(self->line, IMAP_ROLE_SYNC, error);
}

/* ---- the sweep ------------------------------------------------------------------------------------------- */

static gboolean update_tree(SyncTask *self, ImapConn **conn, GHashTable *renames, TreeNews *ret, GError **error) {
  Account *account = self->line->account;
  if (!tree_update(account, *conn, renames, FALSE, ret, error))
    return FALSE;
  if (!ret->unconfirmed)
    return TRUE;
  tree_news_clear(ret);
  *conn = lease_afresh(self, *conn, error);
  return *conn && tree_update(account, *conn, renames, TRUE, ret, error);
}

/* The first half: which folders there are. */
static gboolean list_folders(SyncTask *self, ImapConn **conn, TreeNews *ret, GError **error) {
  g_autoptr(GHashTable) renames = take_renames(self);
  agenda_swept(self->line->agenda, TRUE);
  gboolean ok = update_tree(self, conn, renames, ret, error);
  if (!ok)
    return_renames(self, renames);
  return ok;
}

/* What the sweep said of a listed folder. TRUE: nothing; it has to be asked for. */
static gboolean use_status(Agenda *agenda, const IndexMailbox *mailbox, const ImapStatus *said, gint64 started) {
  if (agenda_verified_since(agenda, mailbox->row, started))
    return FALSE;
  if (said && resync_same(mailbox, said))
    agenda_verified(agenda, mailbox->row, started, FALSE);
  else if (said)
    agenda_doubt(agenda, mailbox->row, NULL);
  else
    agenda_refresh(agenda, mailbox->row);
  return said == NULL;
}

/* What was known and is being listed anew, and that was cut off: who reads its files need not open it. */
static void list_the_rest(Agenda *agenda, const IndexMailbox *mailbox) {
  if (mailbox->listed_at != 0)
    agenda_relist(agenda, mailbox->row);
}

static gboolean use_statuses(SyncTask *self, GHashTable *status, gint64 started, GError **error) {
  Agenda *agenda = self->line->agenda;
  g_autoptr(GPtrArray) rows = index_mailboxes(self->line->account->index, error);
  guint listed = 0, asks = 0;
  for (guint i = 0; rows && i < rows->len; i++) {
    const IndexMailbox *mailbox = rows->pdata[i];
    if (mailbox->attrs & (IMAP_ATTR_NOSELECT | INDEX_LOCAL)) {
      agenda_verified(agenda, mailbox->row, started, FALSE);
    } else if (mailbox->listed != INDEX_LISTED) {
      list_the_rest(agenda, mailbox);
    } else {
      const ImapStatus *said = status ? g_hash_table_lookup(status, mailbox->raw) : NULL;
      listed++;
      asks += use_status(agenda, mailbox, said, started) ? 1 : 0;
    }
  }
  if (rows)
    agenda_counted(agenda, rows->len, listed, asks);
  return rows != NULL;
}

/* The second half: what is in them. */
static gboolean verify_folders(SyncTask *self, const TreeNews *news, gint64 started, GError **error) {
  gboolean ok = use_statuses(self, news->status, started, error) &&
                (!news->status || tree_count(self->line->account, news->status, error));
  sync_task_tell_queue(self, AGENDA_TREE, ok ? NULL : error ? *error : NULL);
  return ok;
}

/* ---- one folder ---------------------------------------------------------------------------------------------- */

/* With the folder claimed. */
static ResyncResult refresh(SyncTask *self, ImapConn **conn, gint64 row, const ImapStatus *status, GError **error) {
  Account *account = self->line->account;
  Agenda *agenda = self->line->agenda;
  gint64 started = g_get_monotonic_time();
  static const ResyncFlags due[] = {[AGENDA_FLAGS_KNOWN] = RESYNC_FLAGS_AS_TOLD,
                                    [AGENDA_FLAGS_WANTED] = RESYNC_FLAGS_WANTED,
                                    [AGENDA_FLAGS_OLD] = RESYNC_FLAGS_OLD};
  ResyncFlags flags = due[agenda_flags_due(agenda, row)];
  agenda_flags_told(agenda, account_delta(account, *conn) != IMAP_DELTA_PLAIN);
  ResyncResult result = resync_run(account, *conn, row, status, flags, FALSE, error);
  if (result == RESYNC_UNSURE) {
    g_auto(TreeNews) news = {0};
    *conn = lease_afresh(self, *conn, error);
    if (!*conn || !update_tree(self, conn, NULL, &news, error))
      return RESYNC_FAILED;
    result = resync_run(account, *conn, row, NULL, flags, TRUE, error);
  }
  if (result == RESYNC_DONE)
    agenda_verified(agenda, row, started, flags != RESYNC_FLAGS_AS_TOLD);
  return result;
}

/* What LIST-STATUS just said of this folder, or NULL. */
static const ImapStatus *said_by(SyncTask *self, const TreeNews *news, gint64 row) {
  g_auto(IndexMailbox) mailbox = {0};
  if (!news->status || !index_get_mailbox(self->line->account->index, row, &mailbox, NULL) || !mailbox.raw)
    return NULL;
  return g_hash_table_lookup(news->status, mailbox.raw);
}

/* Answers who waits for this folder, well or badly, or leaves that to the listing thread, or to when it is free. FALSE:
 * the line is lost. */
static gboolean refresh_and_tell(SyncTask *self, ImapConn **conn, AgendaTask *task, const TreeNews *news,
                                 GError **error) {
  g_autoptr(GError) local = NULL;
  gint64 row = task->row;
  const ImapStatus *status = task->sweep ? said_by(self, news, row) : task->said ? &task->status : NULL;
  Claims *claims = self->line->account->claims;
  if (!claims_try(claims, row)) {
    agenda_postpone(self->line->agenda, task);
    task->row = 0;
    return TRUE;
  }
  ResyncResult result = refresh(self, conn, row, status, &local);
  claims_release(claims, row, 0);
  task->row = 0;
  if (result == RESYNC_RELIST)
    agenda_relist(self->line->agenda, row);
  else if (task->asked)
    sync_task_tell(self, row, local);
  if (!local)
    return TRUE;
  if (*conn && !imap_conn_failed(*conn)) {
    g_info("folder %" G_GINT64_FORMAT ": %s", row, local->message);
    line_refused(self->line, *conn, row, local);
    return TRUE;
  }
  g_propagate_error(error, g_steal_pointer(&local));
  return FALSE;
}

gboolean sync_task_run(SyncTask *self, ImapConn **conn, AgendaTask *task, GError **error) {
  g_auto(TreeNews) news = {0};
  gint64 started = g_get_monotonic_time();
  if (task->sweep && !list_folders(self, conn, &news, error))
    return FALSE;
  if (task->row != 0 && !refresh_and_tell(self, conn, task, &news, error))
    return FALSE;
  return !task->sweep || verify_folders(self, &news, started, error);
}
