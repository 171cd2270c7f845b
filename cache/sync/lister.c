/* SPDX-License-Identifier: MIT */
/*
 * Folder after folder, as the agenda says. Every one gets exactly one CACHE_EVENT_FOLDER when its listing has ended,
 * well or badly. It gives way to others that wait, for their folder or for its connection, after each SLICE, and goes
 * on from there when its turn comes again. Who cannot get a connection fails all that wait: nobody should wait for the
 * second attempt of something that just failed.
 */
#include "cache/sync/lister.h"

#include "cache/access.h"
#include "cache/sync/listing.h"

#define SLICE (G_USEC_PER_SEC / 2) /* to change folders costs something, too */

struct _Lister {
  Line *line;
  Watch *watch;
  GThread *thread;
};

typedef struct {
  Line *line;
  ImapConn *conn;
  gint64 row;
  gint64 until; /* monotonic */
} Slice;

static gboolean others_wait(gpointer data) {
  Slice *slice = data;
  if (g_get_monotonic_time() < slice->until)
    return FALSE;
  Account *account = slice->line->account;
  return agenda_others_first(slice->line->agenda) || imap_pool_contended(account->pool, slice->conn) ||
         claims_contended(account->claims, slice->row);
}

static void tell(Line *line, gint64 row, const GError *error) {
  account_tell(line->account, CACHE_EVENT_FOLDER, CACHE_FOLDER, row, 0, NULL, error);
}

/* Only now may it be queued again: requests during the listing are served by its event. */
static void end_first(Line *line, gint64 row, gint64 started, const GError *error) {
  if (!error)
    agenda_verified(line->agenda, row, started, TRUE);
  agenda_end_first(line->agenda, row, error == NULL);
  tell(line, row, error);
  if (!error && line->online) /* changes of messages that were matched again wait for that */
    line->online(line->data);
}

static void fail_rest(Line *line, const GError *error) {
  g_autoptr(GArray) rows = agenda_take(line->agenda, AGENDA_FIRST);
  for (guint i = 0; i < rows->len; i++)
    tell(line, g_array_index(rows, gint64, i), error);
}

/* With the folder claimed. */
static void list(Line *line, ImapConn *conn, gint64 row, gint64 started, gboolean *ret_paused, GError **error) {
  Slice slice = {.line = line, .conn = conn, .row = row, .until = started + SLICE};
  GError *local = NULL;
  learnt_stirred(line->account->learnt, row);
  listing_first(line->account, conn, row, others_wait, &slice, ret_paused, &local);
  if (!local)
    return;
  line_refused(line, conn, row, local);
  g_propagate_error(error, local);
}

/* To a session that is in a mailbox when it is deleted Dovecot says no, or BYE, which may be in the middle of an
 * answer, and neither that it is gone. */
static gboolean may_be_going(ImapConn *conn, const GError *error) {
  gboolean broke =
      g_error_matches(error, IMAP_ERROR, IMAP_ERROR_NETWORK) || g_error_matches(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL);
  return g_error_matches(error, IMAP_ERROR, IMAP_ERROR_REFUSED) || (broke && imap_conn_failed(conn));
}

/* To open it once more tells. */
static gboolean lists_again(Line *line, ImapConn **conn, GError **error) {
  if (!*error || !may_be_going(*conn, *error))
    return FALSE;
  g_clear_error(error);
  line_release(line, *conn);
  *conn = line_lease(line, IMAP_ROLE_BULK, error);
  return *conn != NULL;
}

/* FALSE: it is claimed. */
static gboolean list_claimed(Line *line, ImapConn **conn, gint64 row, gint64 started, gboolean *ret_paused,
                             GError **error) {
  Claims *claims = line->account->claims;
  if (!claims_try(claims, row))
    return FALSE;
  list(line, *conn, row, started, ret_paused, error);
  if (lists_again(line, conn, error))
    list(line, *conn, row, started, ret_paused, error);
  claims_release(claims, row, 0);
  return TRUE;
}

/* Who waited for the folder has it. */
static void learn(Line *line, ImapConn *conn, gint64 row) {
  Learnt *learnt = line->account->learnt;
  g_autoptr(GError) error = NULL;
  if (agenda_others_first(line->agenda))
    learnt_put_off(learnt, row);
  else if (!access_learn(line->account, conn, row, &error))
    g_info("learning what may be done: %s", error->message);
  agenda_learn(line->agenda, learnt_put_off_until(learnt));
}

static void list_slice(Line *line, gint64 row) {
  g_autoptr(GError) error = NULL;
  gint64 started = g_get_monotonic_time();
  gboolean paused = FALSE, listed = FALSE;
  ImapConn *conn = line_lease(line, IMAP_ROLE_BULK, &error);
  if (conn)
    listed = list_claimed(line, &conn, row, started, &paused, &error);
  if (conn && !listed) {
    line_release(line, conn);
    agenda_postpone(line->agenda, &(AgendaTask){.row = row});
    return;
  }
  if (g_error_matches(error, IMAP_ERROR, IMAP_ERROR_GONE))
    agenda_look_again(line->agenda);
  if (paused && !error)
    agenda_put_off(line->agenda, row);
  else
    end_first(line, row, started, error);
  if (!conn)
    fail_rest(line, error);
  if (!paused && !error)
    learn(line, conn, row);
  line_release(line, conn);
}

static gpointer lister_main(gpointer data) {
  Lister *lister = data;
  for (gint64 row; (row = agenda_next_first(lister->line->agenda)) != 0;) {
    list_slice(lister->line, row);
    watch_recheck(lister->watch);
  }
  return NULL;
}

Lister *lister_run(Line *line, Watch *watch) {
  Lister *lister = g_new0(Lister, 1);
  lister->line = line;
  lister->watch = watch;
  lister->thread = g_thread_new("lister", lister_main, lister);
  return lister;
}

void lister_join(Lister *lister) {
  if (!lister)
    return;
  g_thread_join(lister->thread);
  g_free(lister);
}
