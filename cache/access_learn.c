/* SPDX-License-Identifier: MIT */
/*
 * What is asked in a quiet moment: MYRIGHTS where the server has ACL, each hour; else one SELECT, and again only while
 * the mailbox is read-only. (SELECT takes \Recent from the other clients' sight. Nobody can rely on that flag, which is
 * anyone's who looks first, and nothing else changes.) After each command who waits for the connection goes first; the
 * rest is asked a little later.
 *
 * A mailbox that is new or has just got mail is not opened for this. Dovecot locks such a Maildir while it looks, by a
 * file in it: another client's RENAME takes that along, and for minutes nobody can open the folder under its new name.
 */
#include "cache/access.h"
#include "cache/journal/words.h"
#include "cache/learnt.h"

#define SOME 8 /* folders after a sweep */

typedef struct {
  Account *account;
  ImapConn *conn;
  const IndexMailbox *mailbox;
  IndexAccess access;
} Lesson;

/* ---- into the index ------------------------------------------------------------------------------------------- */

typedef struct {
  gint64 mailbox;
  const IndexAccess *access;
} Heard;

static gboolean write_heard(IndexTxn *txn, gpointer data, GError **error) {
  const Heard *heard = data;
  return index_set_access(txn, heard->mailbox, heard->access, error);
}

static gboolean is_same(const IndexAccess *a, const IndexAccess *b) {
  return a->heard != 0 && b->heard != 0 && a->read_only == b->read_only && a->rights == b->rights &&
         a->limited == b->limited && a->permanent == b->permanent && a->any_keyword == b->any_keyword &&
         a->append_limit == b->append_limit && g_strcmp0(a->keywords, b->keywords) == 0;
}

/* Only news are worth a commit. */
static gboolean remember(Account *account, gint64 mailbox, IndexAccess *now, GError **error) {
  g_auto(IndexAccess) before = {0};
  Heard heard = {mailbox, now};
  now->heard = g_get_real_time() / G_USEC_PER_SEC;
  if (index_get_access(account->index, mailbox, &before, NULL) && is_same(&before, now))
    return TRUE;
  return index_write(account->index, INDEX_SYNC, write_heard, &heard, error);
}

/* ---- SELECT --------------------------------------------------------------------------------------------------- */

/* As it was last heard, or all allowed. */
static void known_access(Account *account, gint64 mailbox, IndexAccess *ret) {
  if (index_get_access(account->index, mailbox, ret, NULL) && ret->heard != 0)
    return;
  index_access_clear(ret);
  *ret = (IndexAccess){.rights = IMAP_RIGHTS_ALL};
}

static void take_opening(IndexAccess *access, const ImapMailbox *opened) {
  access->read_only = !opened->read_write;
  access->limited = opened->limited;
  access->permanent = opened->permanent;
  access->any_keyword = opened->any_keyword;
  g_free(access->keywords);
  access->keywords = words_join(opened->keywords);
}

gboolean access_selected(Account *account, gint64 mailbox, const ImapMailbox *opened, GError **error) {
  g_auto(IndexAccess) access = {0};
  known_access(account, mailbox, &access);
  take_opening(&access, opened);
  return remember(account, mailbox, &access, error);
}

/* Leaves the connection as it was, so that who reads next need not open the mailbox again. */
static gboolean select_once(Lesson *lesson, GError **error) {
  GCancellable *c = lesson->account->cancellable;
  const char *raw = lesson->mailbox->raw;
  g_auto(ImapMailbox) opened = {0};
  gboolean was_open = g_strcmp0(imap_selected(lesson->conn), raw) == 0;
  if (!imap_examine(lesson->conn, raw, FALSE, &opened, c, error))
    return FALSE;
  take_opening(&lesson->access, &opened);
  if (g_atomic_int_get(&lesson->account->select_only))
    return TRUE;
  return was_open ? imap_examine(lesson->conn, raw, TRUE, NULL, c, error) : imap_unselect(lesson->conn, c, error);
}

/* ---- lessons -------------------------------------------------------------------------------------------------- */

/* There is no other way. */
static gboolean has_to_open(const Lesson *lesson) {
  gboolean known = lesson->access.heard != 0 && !lesson->access.read_only;
  return !known && !imap_conn_has(lesson->conn, "ACL");
}

static gboolean learn_rights(Lesson *lesson, GError **error) {
  GCancellable *c = lesson->account->cancellable;
  if (imap_conn_has(lesson->conn, "ACL"))
    return imap_myrights(lesson->conn, lesson->mailbox->raw, &lesson->access.rights, c, error);
  return !has_to_open(lesson) || select_once(lesson, error);
}

static gboolean learn_limit(Lesson *lesson, GError **error) {
  return imap_append_limit(lesson->conn, lesson->mailbox->raw, &lesson->access.append_limit,
                           lesson->account->cancellable, error);
}

static gboolean learn_quota(Lesson *lesson, GError **error) {
  ImapQuota quota = {0};
  if (!imap_quota(lesson->conn, lesson->mailbox->raw, &quota, lesson->account->cancellable, error))
    return FALSE;
  learnt_quota_told(lesson->account->learnt, lesson->mailbox->row, &quota);
  return TRUE;
}

static gboolean is_waited_for(const Lesson *lesson) {
  static const ImapRole roles[] = {IMAP_ROLE_PROMPT, IMAP_ROLE_SYNC, IMAP_ROLE_BULK};
  for (guint i = 0; i < G_N_ELEMENTS(roles); i++)
    if (imap_pool_contended_by(lesson->account->pool, lesson->conn, roles[i]))
      return TRUE;
  return FALSE;
}

/* A refusal to tell leaves it as it was. FALSE: the line is lost. */
static gboolean ask(Lesson *lesson, gboolean (*learn)(Lesson *lesson, GError **error), GError **error) {
  g_autoptr(GError) refusal = NULL;
  if (learn(lesson, &refusal))
    return TRUE;
  if (!imap_conn_failed(lesson->conn)) {
    g_info("folder %" G_GINT64_FORMAT ": what may be done: %s", lesson->mailbox->row, refusal->message);
    return TRUE;
  }
  g_propagate_error(error, g_steal_pointer(&refusal));
  return FALSE;
}

static gboolean is_the_moment(const Lesson *lesson) {
  gboolean quiet = learnt_is_quiet(lesson->account->learnt, lesson->mailbox->row);
  return (quiet || !has_to_open(lesson)) && !is_waited_for(lesson);
}

static gboolean learn(Lesson *lesson, GError **error) {
  Account *account = lesson->account;
  gint64 row = lesson->mailbox->row;
  gboolean due = learnt_rights_due(account->learnt, row);
  if (due && !is_the_moment(lesson)) {
    learnt_put_off(account->learnt, row);
  } else if (due) {
    learnt_rights_asked(account->learnt, row);
    if (!ask(lesson, learn_rights, error) || !ask(lesson, learn_limit, error) ||
        !remember(account, row, &lesson->access, error))
      return FALSE;
  }
  return !learnt_quota_due(account->learnt, row) || is_waited_for(lesson) || ask(lesson, learn_quota, error);
}

gboolean access_learn(Account *account, ImapConn *conn, gint64 mailbox, GError **error) {
  g_auto(IndexMailbox) known = {0};
  g_autoptr(GError) failed = NULL;
  if (!index_get_mailbox(account->index, mailbox, &known, &failed)) {
    if (failed)
      g_propagate_error(error, g_steal_pointer(&failed));
    return !error || !*error;
  }
  if (!known.raw || (known.attrs & (IMAP_ATTR_NOSELECT | INDEX_LOCAL)))
    return TRUE;
  Lesson lesson = {.account = account, .conn = conn, .mailbox = &known};
  known_access(account, mailbox, &lesson.access);
  gboolean ok = learn(&lesson, error);
  index_access_clear(&lesson.access);
  return ok;
}

gboolean access_learn_some(Account *account, ImapConn *conn, GError **error) {
  g_autoptr(GPtrArray) rows = index_mailboxes(account->index, error);
  guint learnt = 0;
  for (guint i = 0; rows && i < rows->len && learnt < SOME; i++) {
    const IndexMailbox *mailbox = rows->pdata[i];
    if (mailbox->listed != INDEX_LISTED || !learnt_rights_due(account->learnt, mailbox->row))
      continue;
    if (!access_learn(account, conn, mailbox->row, error))
      return FALSE;
    learnt++;
  }
  return rows != NULL;
}

void access_spent(Account *account, gint64 mailbox, guint64 octets, guint64 messages) {
  learnt_quota_spent(account->learnt, mailbox, octets, messages);
  if (octets == 0 && messages == 0)
    learnt_rights_doubted(account->learnt, mailbox);
}
