/* SPDX-License-Identifier: MIT */
/*
 * Facts about a server are kept in the index's meta table as small numbers, because they were expensive to learn: that
 * it answers EXAMINE without UIDNEXT, that its RFC822.SIZE lies, that it wants to be left alone for some time. A lost
 * update costs one lesson.
 */
#include "cache/account.h"

#include "cache/error.h"

#define META_SELECT "select_only"
#define META_WRONG "wrong_sizes"
#define META_PAUSED "paused_until"
#define GOING (G_USEC_PER_SEC / 4) /* a mailbox that is being deleted is gone by then */
#define STAYS 5                    /* seconds: what was there then is not doubted so soon again */
#define WRONG_DELTAS 3             /* one may be a misunderstanding */

static const char *const meta_deltas[] = {
    [IMAP_DELTA_CONDSTORE] = "wrong_condstore",
    [IMAP_DELTA_QRESYNC] = "wrong_qresync",
};

static gint64 load_number(Account *account, const char *key) {
  g_autofree char *value = index_get_meta(account->index, key, NULL);
  return value ? g_ascii_strtoll(value, NULL, 10) : 0;
}

void account_load_facts(Account *account) {
  gint64 until = load_number(account, META_PAUSED);
  g_atomic_int_set(&account->select_only, (gint)load_number(account, META_SELECT));
  g_atomic_int_set(&account->wrong_sizes, (gint)load_number(account, META_WRONG));
  for (guint i = IMAP_DELTA_CONDSTORE; i < G_N_ELEMENTS(meta_deltas); i++)
    g_atomic_int_set(&account->wrong_deltas[i], (gint)load_number(account, meta_deltas[i]));
  if (until <= g_get_real_time() / G_USEC_PER_SEC)
    return;
  g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(until);
  g_autofree char *text = when ? g_date_time_format(when, "%F %T") : g_strdup("later");
  g_message("left alone until %s, as the server asked last time", text);
  imap_pool_set_pause(account->pool, until);
}

typedef struct {
  const char *key;
  gint64 value;
} Fact;

static gboolean write_fact(IndexTxn *txn, gpointer data, GError **error) {
  const Fact *fact = data;
  g_autofree char *value = g_strdup_printf("%" G_GINT64_FORMAT, fact->value);
  return index_set_meta(txn, fact->key, value, error);
}

static void fact_written(gpointer data, const GError *error) {
  if (error)
    g_info("cannot remember %s: %s", ((Fact *)data)->key, error->message);
  g_free(data);
}

static void remember(Account *account, const char *key, gint64 value) {
  Fact *fact = g_new(Fact, 1);
  *fact = (Fact){.key = key, .value = value};
  index_post(account->index, INDEX_SYNC, write_fact, fact, fact_written);
}

void account_wrong_size(Account *account) {
  gint count = g_atomic_int_add(&account->wrong_sizes, 1) + 1;
  if (count > ACCOUNT_WRONG_SIZES)
    return;
  remember(account, META_WRONG, count);
  if (count == ACCOUNT_WRONG_SIZES)
    g_warning("the server's message sizes are wrong: from now on a message is fetched before its size is shown");
}

void account_paused(gint64 until, gpointer data) {
  remember(data, META_PAUSED, until);
}

gboolean account_shows_claim(Account *account, guint64 claim) {
  return claim != 0 && claim != IMAP_UNKNOWN_SIZE && g_atomic_int_get(&account->wrong_sizes) < ACCOUNT_WRONG_SIZES;
}

void account_lied(Account *account, ImapDelta strategy) {
  static const char *const names[] = {[IMAP_DELTA_CONDSTORE] = "CONDSTORE", [IMAP_DELTA_QRESYNC] = "QRESYNC"};
  gint count = g_atomic_int_add(&account->wrong_deltas[strategy], 1) + 1;
  if (count > WRONG_DELTAS)
    return;
  remember(account, meta_deltas[strategy], count);
  if (count == WRONG_DELTAS)
    g_info("the server's %s cannot be relied on: it is not used any more for this account", names[strategy]);
}

ImapDelta account_delta(Account *account, ImapConn *conn) {
  ImapDelta best = IMAP_DELTA_PLAIN, most = imap_conn_delta(conn);
  while (best < most && g_atomic_int_get(&account->wrong_deltas[best + 1]) < WRONG_DELTAS)
    best++;
  return best;
}

typedef struct {
  ImapMailbox mailbox;
  ImapSeqset *uids;
} Opened;

static void opened_clear(Opened *opened) {
  imap_mailbox_clear(&opened->mailbox);
  g_clear_pointer(&opened->uids, imap_seqset_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Opened, opened_clear)

static gboolean open_once(Account *account, ImapConn *conn, const char *raw, gboolean uids, Opened *ret,
                          GError **error) {
  gboolean examine = !g_atomic_int_get(&account->select_only);
  GCancellable *c = account->cancellable;
  if (uids ? !imap_examine_uids(conn, raw, examine, &ret->mailbox, &ret->uids, c, error)
           : !imap_examine(conn, raw, examine, &ret->mailbox, c, error))
    return FALSE;
  if (!ret->mailbox.sticky)
    ret->mailbox.uidvalidity = 0;
  return TRUE;
}

/* Courier: under EXAMINE it forgets the UIDs it hands out, so that opening must not be used. */
static gboolean forgets_uids(Account *account, const ImapMailbox *opened) {
  if (opened->uidnext != 0 || opened->exists == 0 || g_atomic_int_get(&account->select_only))
    return FALSE;
  g_atomic_int_set(&account->select_only, 1);
  remember(account, META_SELECT, 1);
  return TRUE;
}

gboolean account_open_since(Account *account, ImapConn *conn, const char *raw, ImapDelta delta, const ImapKnown *known,
                            gboolean uids, ImapChangedFunc changed, gpointer data, ImapChanges *ret, GError **error) {
  GCancellable *c = account->cancellable;
  gboolean examine = !g_atomic_int_get(&account->select_only);
  if (!imap_examine_since(conn, raw, examine, delta, known, uids, changed, data, ret, c, error))
    return FALSE;
  if (forgets_uids(account, &ret->mailbox)) {
    imap_changes_clear(ret);
    if (!imap_examine_since(conn, raw, FALSE, delta, known, uids, changed, data, ret, c, error))
      return FALSE;
  }
  if (!ret->mailbox.sticky)
    ret->mailbox.uidvalidity = 0;
  return TRUE;
}

static gboolean is_renumbered(const IndexMailbox *mailbox, const ImapMailbox *opened) {
  return mailbox->uidvalidity != 0 && opened->uidvalidity != mailbox->uidvalidity;
}

gboolean account_pause(Account *account, gint64 time) {
  GPollFD stop = {.fd = -1};
  if (!g_cancellable_make_pollfd(account->cancellable, &stop))
    return !g_cancellable_is_cancelled(account->cancellable);
  gboolean stopped = g_poll(&stop, 1, (gint)(MAX(time, 0) / 1000) + 1) > 0;
  g_cancellable_release_fd(account->cancellable);
  return !stopped;
}

static gboolean is_shown(Account *account, ImapConn *conn, const char *raw) {
  gboolean exists = TRUE;
  return !imap_exists(conn, raw, &exists, account->cancellable, NULL) || exists;
}

/* It takes a moment to see, so not for each message of a mailbox that is refused for good. */
static gboolean stayed_lately(Account *account) {
  gint now = (gint)(g_get_monotonic_time() / G_USEC_PER_SEC), stayed = g_atomic_int_get(&account->stayed);
  return stayed != 0 && now - stayed < STAYS;
}

static gboolean is_going(Account *account, ImapConn *conn, const char *raw) {
  if (imap_conn_failed(conn) || !account_pause(account, GOING))
    return FALSE;
  gboolean shown = is_shown(account, conn, raw);
  if (shown)
    g_atomic_int_set(&account->stayed, (gint)(g_get_monotonic_time() / G_USEC_PER_SEC));
  return !shown;
}

static gboolean refused(Account *account, ImapConn *conn, const char *raw, gboolean patient, GError *refusal,
                        GError **error) {
  gboolean unclear = g_error_matches(refusal, IMAP_ERROR, IMAP_ERROR_REFUSED) && !imap_conn_failed(conn) &&
                     g_ascii_strcasecmp(raw, "INBOX") != 0;
  if (unclear && (!is_shown(account, conn, raw) || (patient && is_going(account, conn, raw))))
    refusal->code = IMAP_ERROR_GONE;
  g_propagate_error(error, refusal);
  return FALSE;
}

/* Dovecot refuses what does not exist with plain words, which may as well mean that we must not open it; and while
 * somebody deletes it, LIST goes on to show it for a moment. */
gboolean account_refused(Account *account, ImapConn *conn, const char *raw, GError *refusal, GError **error) {
  return refused(account, conn, raw, TRUE, refusal, error);
}

gboolean account_open_mailbox(Account *account, ImapConn *conn, const IndexMailbox *mailbox, ImapMailbox *ret,
                              ImapSeqset **ret_uids, GError **error) {
  g_auto(Opened) opened = {0};
  gboolean together = ret_uids != NULL && imap_conn_has(conn, "ESEARCH");
  gboolean was_open = g_strcmp0(imap_selected(conn), mailbox->raw) == 0;
  GError *refusal = NULL;
  if (!open_once(account, conn, mailbox->raw, together, &opened, &refusal))
    return refused(account, conn, mailbox->raw, mailbox->listed != INDEX_LISTED || !stayed_lately(account), refusal,
                   error);
  /* This connection may still be in the mailbox that was called so before. */
  if (forgets_uids(account, &opened.mailbox) || (was_open && is_renumbered(mailbox, &opened.mailbox))) {
    opened_clear(&opened);
    if (!imap_unselect(conn, account->cancellable, error) ||
        !open_once(account, conn, mailbox->raw, together, &opened, error))
      return FALSE;
  }
  if (is_renumbered(mailbox, &opened.mailbox)) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, "UIDVALIDITY changed from %u to %u", mailbox->uidvalidity,
                opened.mailbox.uidvalidity);
    return FALSE;
  }
  if (ret_uids && !opened.uids && !imap_uids(conn, &opened.uids, account->cancellable, error))
    return FALSE;
  if (ret) {
    *ret = opened.mailbox;
    opened.mailbox = (ImapMailbox){0};
  }
  if (ret_uids)
    *ret_uids = g_steal_pointer(&opened.uids);
  return TRUE;
}

static gboolean select_once(Account *account, ImapConn *conn, const char *raw, ImapMailbox *ret, GError **error) {
  GError *refusal = NULL;
  imap_mailbox_clear(ret);
  return imap_examine(conn, raw, FALSE, ret, account->cancellable, &refusal) ||
         account_refused(account, conn, raw, refusal, error);
}

gboolean account_select_mailbox(Account *account, ImapConn *conn, const IndexMailbox *mailbox, ImapMailbox *ret,
                                GError **error) {
  gboolean was_open = g_strcmp0(imap_selected(conn), mailbox->raw) == 0;
  if (!select_once(account, conn, mailbox->raw, ret, error))
    return FALSE;
  if (was_open && is_renumbered(mailbox, ret) &&
      (!imap_unselect(conn, account->cancellable, error) || !select_once(account, conn, mailbox->raw, ret, error)))
    return FALSE;
  /* What came since, be it from this very connection, Courier knows by its UID only after a NOOP. */
  if (was_open && ret->uidnext == 0 && !imap_noop(conn, account->cancellable, error))
    return FALSE;
  if (is_renumbered(mailbox, ret))
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_UNAVAILABLE, "UIDVALIDITY changed from %u to %u", mailbox->uidvalidity,
                ret->uidvalidity);
  else if (!ret->sticky || ret->uidvalidity == 0)
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_READONLY, "the folder has no lasting UIDs");
  else if (!ret->read_write)
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_READONLY, "the folder can only be read");
  else
    return TRUE;
  return FALSE;
}

static void push(Account *account, CacheEvent *event, const GError *error) {
  event->error = error ? g_error_copy(error) : NULL;
  if (event->error && event->error->domain != CACHE_ERROR)
    event->error = cache_error_from_imap(event->error);
  cache_events_push(account->events, event);
}

void account_tell(Account *account, CacheEventType type, CacheKind kind, gint64 row, gint64 parent, const char *name,
                  const GError *error) {
  CacheEvent event = {.type = type, .kind = kind, .row = row, .parent = parent, .name = g_strdup(name), .fd = -1};
  push(account, &event, error);
}

void account_tell_body(Account *account, gint64 row, int fd, const GError *error) {
  CacheEvent event = {.type = CACHE_EVENT_BODY, .kind = CACHE_MESSAGE, .row = row, .fd = fd};
  push(account, &event, error);
}
