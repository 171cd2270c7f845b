/* SPDX-License-Identifier: MIT */
/*
 * A connection that waits for news. What is under way decides what may be sent and what an answer means:
 *
 *   QUIET      nothing; at `due` a NOOP is sent                                 (NOTIFY, POLL)
 *   ASKED      NOOP sent, its answer is awaited                                 (NOTIFY, POLL)
 *   LOOKING    LIST of INBOX sent, after that NOOP                              (NOTIFY)
 *   ENTERING   IDLE sent, "+" is awaited: until it has come, DONE may not go    (IDLE)
 *   IDLING     "+" has come; at `due` DONE is sent                              (IDLE)
 *   LEAVING    DONE sent, the answer to IDLE is awaited; then IDLE again        (IDLE)
 *
 * QUIET and IDLING may last for ever, the others until `deadline`. imap_watch_next() may return in any of them, and the
 * next call goes on from there, so nothing that the server says is lost between two calls.
 *
 * A server that answers IDLE without "+", or ends it by itself, does not really have it: it is polled from then on.
 *
 * Dovecot's NOTIFY can fall silent for good (its list index has been rotated), while NOOP still brings what was missed.
 * So news within the answer to a NOOP are taken for a proof of deafness. Each piece of news puts the NOOP off, since
 * who speaks is not mute: else a busy mailbox would often have news on their way while NOOP is answered. IDLE, too,
 * falls silent (Exchange, after hours), but some servers merely look once a minute (Courier): there it takes two DONEs
 * that bring news, with none in between that came by themselves.
 *
 * Dovecot over Maildir finds out that a folder was renamed only when some session lists folders; who renames does that
 * soon as a rule. LOOKING makes sure of it, and what it brings comes after its answer, as news like any other.
 */
#include "imap/conn.h"

#define NOTIFY_NOOP (15 * G_USEC_PER_SEC)    /* how long push that has died may go unnoticed; 130 octets */
#define IDLE_AGAIN (9 * 60 * G_USEC_PER_SEC) /* some servers drop an IDLE after 10 minutes, NATs after 15 */
#define POLL_NOOP (30 * G_USEC_PER_SEC)      /* without IDLE: servers dislike more than two a minute */
#define PROBE_PATIENCE (5 * G_USEC_PER_SEC)  /* a line that has survived a change of networks answers at once */

/* ---- what is sent ------------------------------------------------------------------------------------------ */

static gint64 usual_patience(const ImapConn *conn) {
  return (gint64)conn->setup.config->timeout * G_USEC_PER_SEC;
}

static void rest(ImapConn *conn, ImapWatchStage stage) {
  static const gint64 intervals[] = {
      [IMAP_WATCH_NOTIFY] = NOTIFY_NOOP, [IMAP_WATCH_IDLE] = IDLE_AGAIN, [IMAP_WATCH_POLL] = POLL_NOOP};
  ImapWatch *watch = &conn->watch;
  gint64 interval = watch->test_interval != 0 ? watch->test_interval : intervals[watch->mode];
  watch->stage = stage;
  watch->due = g_get_monotonic_time() + (watch->probe ? 0 : interval);
  watch->patience = MIN(usual_patience(conn), watch->probe ? PROBE_PATIENCE : G_MAXINT64);
  watch->probe = FALSE;
}

static void expect(ImapConn *conn, ImapWatchStage stage, gint64 patience) {
  conn->watch.stage = stage;
  conn->watch.patience = patience;
  conn->watch.deadline = g_get_monotonic_time() + patience;
}

static gboolean command(ImapConn *conn, const char *text, ImapWatchStage stage, gint64 patience, GError **error) {
  ImapEncoder *encoder = imap_conn_command(conn);
  g_auto(ImapEvent) early = {0};
  gboolean is_early;
  imap_encoder_raw(encoder, text);
  conn->watch.tag = conn->tag;
  conn->watch.told = FALSE;
  expect(conn, stage, patience);
  if (!imap_conn_send(conn, encoder, &early, &is_early, NULL, error))
    return FALSE;
  imap_conn_push(conn);
  return TRUE;
}

/* Asks for a sign of life, if nothing is under way already. */
static gboolean ask(ImapConn *conn, gint64 patience, GError **error) {
  if (conn->watch.stage == IMAP_WATCH_QUIET)
    return command(conn, "NOOP", IMAP_WATCH_ASKED, patience, error);
  if (conn->watch.stage == IMAP_WATCH_IDLING) {
    imap_conn_trace(conn, 'C', "DONE");
    imap_conn_write(conn, "DONE\r\n", 6);
    conn->watch.told = FALSE;
    expect(conn, IMAP_WATCH_LEAVING, patience);
  }
  return TRUE;
}

static gboolean may_last(const ImapWatch *watch) {
  return watch->stage == IMAP_WATCH_QUIET || watch->stage == IMAP_WATCH_IDLING;
}

/* What is under way may have been answered long ago: then that proves nothing, and the next question comes at once. */
static gboolean probe_now(ImapConn *conn, GError **error) {
  ImapWatch *watch = &conn->watch;
  gint64 patience = MIN(usual_patience(conn), PROBE_PATIENCE);
  watch->patience = patience;
  watch->deadline = MIN(watch->deadline, g_get_monotonic_time() + patience);
  watch->probe = !may_last(watch);
  return ask(conn, patience, error);
}

/* What time demands. Only when all has been heard that is there already: between two calls much can have passed. */
static gboolean keep_honest(ImapConn *conn, GError **error) {
  gint64 now = g_get_monotonic_time();
  if (!may_last(&conn->watch) && now >= conn->watch.deadline)
    return imap_conn_lose(conn, error, IMAP_ERROR_TIMEOUT, "the server was silent when it was asked for news");
  return !may_last(&conn->watch) || now < conn->watch.due || ask(conn, conn->watch.patience, error);
}

/* ---- what is heard ----------------------------------------------------------------------------------------- */

static void poll_from_now_on(ImapConn *conn) {
  conn->watch.mode = IMAP_WATCH_POLL;
  rest(conn, IMAP_WATCH_QUIET);
}

static gboolean answered_noop(ImapConn *conn, const ImapEvent *event, GError **error) {
  ImapWatch *watch = &conn->watch;
  g_autoptr(GError) refusal = imap_conn_refusal(conn, event);
  gboolean asked = watch->stage == IMAP_WATCH_ASKED;
  gboolean look = watch->mode == IMAP_WATCH_NOTIFY && asked && !watch->ending && !watch->may_not_look;
  if (refusal == NULL && look && !watch->told)
    return command(conn, "LIST \"\" INBOX", IMAP_WATCH_LOOKING, watch->patience, error);
  rest(conn, IMAP_WATCH_QUIET);
  watch->may_not_look |= !asked && refusal != NULL;
  if (refusal == NULL || (!asked && !conn->failed))
    return TRUE;
  conn->failed = TRUE;
  g_propagate_error(error, g_steal_pointer(&refusal));
  return FALSE;
}

static gboolean answered_idle(ImapConn *conn, const ImapEvent *event, GError **error) {
  g_autoptr(GError) refusal = imap_conn_refusal(conn, event);
  gboolean asked = conn->watch.stage == IMAP_WATCH_LEAVING;
  if (conn->failed) {
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
  }
  if (conn->watch.ending)
    conn->watch.stage = IMAP_WATCH_QUIET;
  else if (asked && refusal == NULL)
    return command(conn, "IDLE", IMAP_WATCH_ENTERING, usual_patience(conn), error);
  else
    poll_from_now_on(conn);
  return TRUE;
}

static ImapNewsType answered(ImapConn *conn, const ImapEvent *event, GError **error) {
  ImapWatch *watch = &conn->watch;
  gboolean deaf = watch->told && (watch->mode == IMAP_WATCH_NOTIFY || watch->late >= 2);
  if (watch->stage == IMAP_WATCH_QUIET || imap_conn_tag_number(conn, event->tag) != watch->tag) {
    imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server answered a command that was not given");
    return IMAP_NEWS_FAILED;
  }
  gboolean noop = watch->stage == IMAP_WATCH_ASKED || watch->stage == IMAP_WATCH_LOOKING;
  if (!(noop ? answered_noop(conn, event, error) : answered_idle(conn, event, error)))
    return IMAP_NEWS_FAILED;
  return deaf ? IMAP_NEWS_DEAF : IMAP_NEWS_NONE;
}

/* What we asked for ourselves. */
static gboolean is_expected(const ImapConn *conn, const ImapEvent *event) {
  return conn->watch.stage == IMAP_WATCH_LOOKING && event->type == IMAP_EVENT_LIST && event->listing.name != NULL &&
         event->listing.oldname == NULL && g_ascii_strcasecmp(event->listing.name, "INBOX") == 0;
}

static ImapNewsType notified(ImapConn *conn, ImapEvent *event, ImapNews *ret) {
  gboolean over = event->type == IMAP_EVENT_STATUS && event->code == IMAP_CODE_NOTIFICATIONOVERFLOW;
  gboolean names = event->type == IMAP_EVENT_LIST;
  if ((!over && !names && event->type != IMAP_EVENT_MAILBOX_STATUS) || is_expected(conn, event))
    return IMAP_NEWS_NONE;
  if (over)
    return IMAP_NEWS_OVERFLOW;
  if (conn->watch.stage == IMAP_WATCH_ASKED) {
    conn->watch.told = TRUE; /* kept back: who hears that push is dead looks at everything */
    return IMAP_NEWS_NONE;
  }
  if (conn->watch.stage == IMAP_WATCH_QUIET)
    rest(conn, IMAP_WATCH_QUIET);
  if (names) {
    ret->listing = event->listing;
    event->listing = (ImapListing){0};
    return IMAP_NEWS_NAMES;
  }
  ret->status = event->status;
  event->status = (ImapStatus){0};
  return IMAP_NEWS_STATUS;
}

/* RECENT comes with EXISTS, or tells that another client has looked; "OK Still here" tells nothing. */
static gboolean moves_mailbox(const ImapEvent *event) {
  return event->type == IMAP_EVENT_EXISTS || event->type == IMAP_EVENT_EXPUNGE || event->type == IMAP_EVENT_VANISHED ||
         event->type == IMAP_EVENT_FETCH;
}

static ImapNewsType moved(ImapWatch *watch) {
  gboolean late = watch->stage == IMAP_WATCH_LEAVING;
  watch->late = late ? watch->late + !watch->told : 0;
  watch->told = late;
  return IMAP_NEWS_MAILBOX;
}

static ImapNewsType hear(ImapConn *conn, ImapEvent *event, ImapNews *ret, GError **error) {
  ImapWatch *watch = &conn->watch;
  watch->deadline = g_get_monotonic_time() + watch->patience;
  if (event->type == IMAP_EVENT_STATUS && event->tag != NULL)
    return answered(conn, event, error);
  if (event->type == IMAP_EVENT_CONTINUE && watch->stage == IMAP_WATCH_ENTERING)
    rest(conn, IMAP_WATCH_IDLING);
  if (watch->mode == IMAP_WATCH_NOTIFY)
    return notified(conn, event, ret);
  ret->flags = event->type == IMAP_EVENT_FETCH;
  return moves_mailbox(event) ? moved(watch) : IMAP_NEWS_NONE;
}

static ImapNewsType wait_for_news(ImapConn *conn, gint64 until, ImapNews *ret, GCancellable *c, GError **error) {
  for (;;) {
    g_auto(ImapEvent) event = {0};
    gboolean told = imap_watch_tells(conn);
    gint64 ours = may_last(&conn->watch) ? conn->watch.due : conn->watch.deadline;
    ImapHeard heard = imap_conn_listen(conn, MIN(until, ours), &event, c, error);
    ImapNewsType news = heard == IMAP_HEARD_EVENT ? hear(conn, &event, ret, error) : IMAP_NEWS_NONE;
    if (heard == IMAP_HEARD_FAILURE || (heard == IMAP_HEARD_NOTHING && !keep_honest(conn, error)))
      return IMAP_NEWS_FAILED;
    if (heard == IMAP_HEARD_WAKE || news != IMAP_NEWS_NONE || told != imap_watch_tells(conn))
      return news;
    if (heard == IMAP_HEARD_NOTHING && g_get_monotonic_time() >= until)
      return IMAP_NEWS_NONE;
  }
}

ImapNewsType imap_watch_next(ImapConn *conn, gboolean probe, gint64 until, ImapNews *ret, GCancellable *c,
                             GError **error) {
  g_assert(conn->watch.mode != IMAP_WATCH_NONE);
  *ret = (ImapNews){0};
  if (conn->watch.over) {
    conn->watch.over = FALSE;
    return IMAP_NEWS_OVERFLOW;
  }
  if (probe && !probe_now(conn, error))
    return IMAP_NEWS_FAILED;
  return wait_for_news(conn, until, ret, c, error);
}

void imap_news_clear(ImapNews *news) {
  imap_status_clear(&news->status);
  g_free(news->listing.name);
  g_free(news->listing.oldname);
  *news = (ImapNews){0};
}

gboolean imap_watch_tells(ImapConn *conn) {
  return conn->watch.mode == IMAP_WATCH_NOTIFY || conn->watch.mode == IMAP_WATCH_IDLE;
}

/* ---- the beginning ------------------------------------------------------------------------------------------ */

gboolean imap_watch_start(ImapConn *conn, ImapWatchMode mode, GError **error) {
  conn->watch = (ImapWatch){.mode = mode, .test_interval = conn->watch.test_interval};
  if (mode == IMAP_WATCH_IDLE)
    return command(conn, "IDLE", IMAP_WATCH_ENTERING, usual_patience(conn), error);
  rest(conn, IMAP_WATCH_QUIET);
  return TRUE;
}

/* ---- the end ----------------------------------------------------------------------------------------------- */

/* Until nothing is under way. What is told meanwhile is for nobody: who ends a watch looks by himself. */
static gboolean settle(ImapConn *conn, GCancellable *c, GError **error) {
  conn->watch.ending = TRUE;
  while (conn->watch.stage != IMAP_WATCH_QUIET) {
    g_auto(ImapEvent) event = {0};
    g_auto(ImapNews) news = {0};
    if ((conn->watch.stage == IMAP_WATCH_IDLING && !ask(conn, usual_patience(conn), error)) ||
        !imap_conn_event(conn, &event, c, error) || hear(conn, &event, &news, error) == IMAP_NEWS_FAILED)
      return FALSE;
  }
  return TRUE;
}

gboolean imap_watch_end(ImapConn *conn, GCancellable *c, GError **error) {
  ImapWatchMode mode = conn->watch.mode;
  if (mode == IMAP_WATCH_NONE)
    return TRUE;
  if (!settle(conn, c, error))
    return FALSE;
  conn->watch.mode = IMAP_WATCH_NONE;
  g_autoptr(GError) refusal = NULL;
  if (mode == IMAP_WATCH_NOTIFY && !imap_conn_simple(conn, "NOTIFY NONE", NULL, NULL, c, &refusal) && conn->failed) {
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
  }
  return TRUE;
}
