/* SPDX-License-Identifier: MIT */
/*
 * A mount that one forgets about says only what changes: that it is offline, and why; that it is back; and, as a
 * warning, that it has stopped trying, because then somebody has to act.
 *
 * What one session refuses may be well in another, so a connection that refuses a known folder is given up; but a login
 * costs more than a refusal, hence DROP_EVERY.
 */
#include "cache/sync/line.h"

#include <unistd.h>

#define DROP_EVERY 5 /* seconds */

/* The pool waits for nothing but imap_pool_retry(). */
static gboolean has_given_up(Line *line) {
  return imap_pool_next_try(line->account->pool) == G_MAXINT64;
}

static void warn_once(Line *line, const GError *error) {
  if (!has_given_up(line) || !g_atomic_int_compare_and_exchange(&line->gave_up, FALSE, TRUE))
    return;
  g_warning("the login was refused too often to go on (%s): only what is cached is served from now on. "
            "Put the password right, then: kill -HUP %d",
            error->message, (int)getpid());
}

/* Nothing gets better by waiting: somebody should act. */
static gboolean needs_somebody(const GError *error) {
  return g_error_matches(error, IMAP_ERROR, IMAP_ERROR_AUTH) || g_error_matches(error, IMAP_ERROR, IMAP_ERROR_TLS) ||
         g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CONFIG);
}

static void tell(Line *line, const GError *error) {
  if (g_error_matches(error, IMAP_ERROR, IMAP_ERROR_CANCELLED))
    return;
  gboolean changed = agenda_online(line->agenda, error == NULL, error ? error->message : NULL);
  if (changed && !error && line->online)
    line->online(line->data);
  if (!g_atomic_int_get(&line->mounted))
    return;
  if (changed)
    g_log(G_LOG_DOMAIN, error && needs_somebody(error) ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE, "%s%s",
          error ? "offline: " : "online", error ? error->message : "");
  if (error)
    warn_once(line, error);
  else
    g_atomic_int_set(&line->gave_up, FALSE);
}

/* A server that will not have one more connection to watch on is no lost line: what was lost is found by who looks. */
static gboolean says_how_it_is(ImapRole role, const GError *error) {
  return role == IMAP_ROLE_SYNC || (role == IMAP_ROLE_WATCH && error == NULL);
}

ImapConn *line_lease(Line *line, ImapRole role, GError **error) {
  g_autoptr(GError) local = NULL;
  ImapConn *conn = imap_pool_lease(line->account->pool, role, line->account->cancellable, &local);
  if (says_how_it_is(role, local))
    tell(line, local);
  if (!conn)
    g_propagate_error(error, g_steal_pointer(&local));
  return conn;
}

void line_release(Line *line, ImapConn *conn) {
  if (conn)
    imap_pool_release(line->account->pool, conn);
}

/* One that is refused for good must not cost a login each time somebody looks. */
static gboolean may_drop(Line *line) {
  gint now = (gint)(g_get_monotonic_time() / G_USEC_PER_SEC), last = g_atomic_int_get(&line->dropped);
  return (last == 0 || now - last >= DROP_EVERY) && g_atomic_int_compare_and_exchange(&line->dropped, last, now);
}

void line_refused(Line *line, ImapConn *conn, gint64 row, const GError *error) {
  Account *account = line->account;
  g_auto(IndexMailbox) mailbox = {0};
  gboolean strange =
      g_error_matches(error, IMAP_ERROR, IMAP_ERROR_GONE) || g_error_matches(error, IMAP_ERROR, IMAP_ERROR_REFUSED) ||
      (g_error_matches(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE) && !imap_pool_is_paused(account->pool));
  if (strange && !imap_conn_failed(conn) && index_get_mailbox(account->index, row, &mailbox, NULL) &&
      mailbox.listed != INDEX_UNLISTED && agenda_refused(line->agenda, row) && may_drop(line))
    imap_conn_fail(conn);
}

void line_mounted(Line *line) {
  g_atomic_int_set(&line->mounted, TRUE);
}

void line_retry(Line *line) {
  g_atomic_int_set(&line->gave_up, FALSE);
  imap_pool_retry(line->account->pool);
}
