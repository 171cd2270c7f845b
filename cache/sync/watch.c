/* SPDX-License-Identifier: MIT */
/*
 * NOTIFY where the server has it, for all folders at once and with none selected; else IDLE on the folder that readers
 * opened last, INBOX before anybody did. Each begins with the server saying how things stand: what differs from the
 * index is news like any other, so nothing is lost between two connections.
 *
 * A connection ends when it is lost, when the server stops telling (overflow), when it turns out to be deaf, or when
 * somebody else needs it. All but the last mean that things may have happened unheard: a sweep follows.
 */
#include "cache/sync/watch.h"

#include "cache/sync/bell.h"
#include "cache/sync/seat.h"

struct _Watch {
  Line *line;
  WatchNames names;
  gpointer data;
  GThread *thread;
  Bell *bell;
  gint64 sits_on; /* row of the folder that IDLE watches; 0: NOTIFY */
  Seat *seat;     /* the same, as it was opened */
  gint probe;     /* atomic */
  GMutex mutex;   /* guards conn against watch_call() */
  ImapConn *conn;
};

Watch *watch_new(Line *line, WatchNames names, gpointer data) {
  Watch *watch = g_new0(Watch, 1);
  watch->line = line;
  watch->names = names;
  watch->data = data;
  watch->bell = bell_new(line->account, line->agenda);
  watch->seat = seat_new();
  g_mutex_init(&watch->mutex);
  return watch;
}

void watch_free(Watch *watch) {
  if (!watch)
    return;
  bell_free(watch->bell);
  seat_free(watch->seat);
  g_mutex_clear(&watch->mutex);
  g_free(watch);
}

void watch_call(Watch *watch) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&watch->mutex);
  if (watch->conn)
    imap_conn_wake(watch->conn);
}

void watch_probe(Watch *watch) {
  g_atomic_int_set(&watch->probe, TRUE);
  watch_call(watch);
}

static void set_conn(Watch *watch, ImapConn *conn) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&watch->mutex);
  watch->conn = conn;
}

static Account *account_of(Watch *watch) {
  return watch->line->account;
}

static Agenda *agenda_of(Watch *watch) {
  return watch->line->agenda;
}

/* ---- news ---------------------------------------------------------------------------------------------------- */

static void on_names(Watch *watch, const ImapListing *listing) {
  watch->names(listing, watch->data);
  agenda_look_again(agenda_of(watch));
}

typedef enum { HEAR_ON, HEAR_ENOUGH, HEAR_LOST } Hear;

static Hear take_news(Watch *watch, ImapNewsType type, const ImapNews *news) {
  switch (type) {
  case IMAP_NEWS_STATUS:
    bell_status(watch->bell, &news->status);
    if (!bell_must_begin_again(watch->bell, &news->status))
      return HEAR_ON;
    g_info("watch: a folder was renumbered, from now on the server may tell less");
    return HEAR_LOST;
  case IMAP_NEWS_MAILBOX:
    bell_moved(watch->bell, watch->sits_on, news->flags);
    return HEAR_ON;
  case IMAP_NEWS_NAMES:
    on_names(watch, &news->listing);
    if (!bell_was_made_anew(watch->bell, &news->listing))
      return HEAR_ON;
    g_info("watch: a folder was made anew, from now on the server may tell less");
    return HEAR_LOST;
  case IMAP_NEWS_OVERFLOW:
    g_info("watch: too much happens for the server to tell");
    return HEAR_LOST;
  case IMAP_NEWS_DEAF:
    g_info("watch: the server has stopped telling");
    return HEAR_LOST;
  case IMAP_NEWS_FAILED:
    return HEAR_LOST;
  case IMAP_NEWS_NONE:
    break;
  }
  return HEAR_ENOUGH;
}

/* Until there is a reason to look up. */
static Hear hear(Watch *watch, ImapConn *conn, GError **error) {
  Account *account = account_of(watch);
  for (;;) {
    g_auto(ImapNews) news = {0};
    gboolean probe = g_atomic_int_compare_and_exchange(&watch->probe, TRUE, FALSE);
    gint64 until = agenda_watch_until(agenda_of(watch));
    if (watch->sits_on != 0 && !imap_watch_tells(conn))
      agenda_asked(agenda_of(watch), watch->sits_on);
    ImapNewsType type = imap_watch_next(conn, probe, until, &news, account->cancellable, error);
    Hear heard = take_news(watch, type, &news);
    if (heard != HEAR_ON)
      return heard;
  }
}

/* Is it still right to sit here? */
static AgendaWatchEnd end_of(Watch *watch, Hear heard, gboolean *ret_stay) {
  *ret_stay = heard == HEAR_ENOUGH && imap_pool_watches_alone(account_of(watch)->pool);
  return heard == HEAR_LOST ? AGENDA_WATCH_LOST : AGENDA_WATCH_NO_LINE;
}

/* ---- NOTIFY ----------------------------------------------------------------------------------------------------- */

static void status_free(gpointer data) {
  imap_status_clear(data);
  g_free(data);
}

/* Of more folders than there can be the rest is left to the sweep that follows, because one is lacking. */
static void keep_status(const ImapStatus *status, gpointer data) {
  if (((GPtrArray *)data)->len >= IMAP_LIMIT_MAILBOXES)
    return;
  ImapStatus *copy = g_memdup2(status, sizeof *status);
  copy->name = g_strdup(status->name);
  g_ptr_array_add(data, copy);
}

static AgendaWatchEnd watch_all(Watch *watch, ImapConn *conn, GPtrArray *first, GError **error) {
  AgendaWatchEnd end;
  gboolean stay;
  watch->sits_on = 0;
  /* What is compared from here on cannot change unheard. */
  agenda_pushed_all(agenda_of(watch));
  if (bell_lacks_one(watch->bell, first))
    agenda_look_again(agenda_of(watch));
  for (guint i = 0; i < first->len; i++)
    bell_status(watch->bell, first->pdata[i]);
  g_ptr_array_set_size(first, 0);
  do
    end = end_of(watch, hear(watch, conn, error), &stay);
  while (stay);
  return end;
}

/* ---- IDLE ---------------------------------------------------------------------------------------------- */

void watch_recheck(Watch *watch) {
  if (!seat_is_right(watch->seat, account_of(watch)->index))
    watch_call(watch);
}

static gboolean choose(Watch *watch, IndexMailbox *ret) {
  Index *index = account_of(watch)->index;
  gint64 row = agenda_watch_row(agenda_of(watch));
  gboolean found = row != 0 ? index_get_mailbox(index, row, ret, NULL) : bell_find(watch->bell, "INBOX", ret);
  return found && ret->raw && ret->listed == INDEX_LISTED && !(ret->attrs & IMAP_ATTR_NOSELECT);
}

static gboolean sit_down(Watch *watch, ImapConn *conn, const IndexMailbox *mailbox, GError **error) {
  Account *account = account_of(watch);
  g_auto(ImapMailbox) opened = {0};
  gboolean examine = !g_atomic_int_get(&account->select_only);
  if (!imap_watch_idle(conn, mailbox->raw, examine, &opened, account->cancellable, error))
    return FALSE;
  ImapStatus status = {.has_messages = TRUE,
                       .messages = opened.exists,
                       .has_uidnext = opened.uidnext != 0,
                       .uidnext = opened.uidnext,
                       .has_uidvalidity = opened.uidvalidity != 0,
                       .uidvalidity = opened.uidvalidity,
                       .has_modseq = opened.modseq != 0,
                       .modseq = opened.modseq};
  watch->sits_on = mailbox->row;
  agenda_pushed(agenda_of(watch), mailbox->row);
  seat_take(watch->seat, mailbox, &opened);
  bell_compare(watch->bell, mailbox, &status);
  return TRUE;
}

static gboolean is_right_folder(Watch *watch, gint64 row) {
  return agenda_watch_row(agenda_of(watch)) == row && seat_is_right(watch->seat, account_of(watch)->index);
}

static AgendaWatchEnd watch_one(Watch *watch, ImapConn *conn, GError **error) {
  for (;;) {
    g_auto(IndexMailbox) mailbox = {0};
    AgendaWatchEnd end;
    gboolean stay;
    if (!choose(watch, &mailbox))
      return AGENDA_WATCH_NO_FOLDER;
    if (!sit_down(watch, conn, &mailbox, error))
      return imap_conn_failed(conn) ? AGENDA_WATCH_LOST : AGENDA_WATCH_NO_FOLDER;
    do
      end = end_of(watch, hear(watch, conn, error), &stay);
    while (stay && is_right_folder(watch, mailbox.row));
    if (!stay)
      return end;
    if (!imap_watch_end(conn, account_of(watch)->cancellable, error))
      return AGENDA_WATCH_LOST;
  }
}

/* ---- the thread ---------------------------------------------------------------------------------------- */

static AgendaWatchEnd watch_on(Watch *watch, ImapConn *conn, GError **error) {
  g_autoptr(GPtrArray) first = g_ptr_array_new_with_free_func(status_free);
  gboolean accepted = FALSE;
  seat_leave(watch->seat);
  bell_begin(watch->bell);
  if (!imap_watch_notify(conn, keep_status, first, &accepted, account_of(watch)->cancellable, error))
    return AGENDA_WATCH_LOST;
  return accepted ? watch_all(watch, conn, first, error) : watch_one(watch, conn, error);
}

/* The connection goes back as it was: what still listens on it is of no use to others. */
static void let_go(Watch *watch, ImapConn *conn, AgendaWatchEnd end) {
  if (end == AGENDA_WATCH_LOST || !imap_watch_end(conn, account_of(watch)->cancellable, NULL))
    imap_conn_fail(conn);
  line_release(watch->line, conn);
}

static AgendaWatchEnd watch_once(Watch *watch, GError **error) {
  ImapPool *pool = account_of(watch)->pool;
  AgendaWatchEnd end = AGENDA_WATCH_NO_LINE;
  if (!imap_pool_watches_alone(pool))
    return end;
  ImapConn *conn = line_lease(watch->line, IMAP_ROLE_WATCH, error);
  if (!conn)
    return AGENDA_WATCH_LOST;
  set_conn(watch, conn);
  /* The lease may have ended on a connection of others: the server does not let us have one more. */
  if (imap_pool_watches_alone(pool)) {
    end = watch_on(watch, conn, error);
    set_conn(watch, NULL);
    let_go(watch, conn, end);
  } else {
    set_conn(watch, NULL);
    line_release(watch->line, conn);
  }
  return end;
}

static gpointer watch_main(gpointer data) {
  Watch *watch = data;
  while (agenda_await_watch(agenda_of(watch))) {
    g_autoptr(GError) error = NULL;
    AgendaWatchEnd end = watch_once(watch, &error);
    if (error)
      g_info("watch: %s", error->message);
    agenda_watch_ended(agenda_of(watch), end);
    if (end == AGENDA_WATCH_LOST)
      agenda_look_again(agenda_of(watch));
  }
  return NULL;
}

void watch_run(Watch *watch) {
  watch->thread = g_thread_new("watch", watch_main, watch);
}

void watch_join(Watch *watch) {
  g_clear_pointer(&watch->thread, g_thread_join);
}
