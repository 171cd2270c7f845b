/* SPDX-License-Identifier: MIT */
/*
 * The answer at a call. What was never heard of a mailbox forbids nothing: the journal finds out. Where the server has
 * ACL, MYRIGHTS decides; where it has none, only SELECT says whether a mailbox is read-only.
 *
 * Nothing at all may be changed: READONLY, as of a filesystem. Something, but not this: PERMISSION.
 */
#include "cache/access.h"

#include "cache/error.h"
#include "cache/journal/journal.h"
#include "cache/learnt.h"

#define AMPLE (G_GUINT64_CONSTANT(256) << 20) /* octets */
#define CHANGES                                                                                                        \
  (IMAP_RIGHT_SEEN | IMAP_RIGHT_WRITE | IMAP_RIGHT_INSERT | IMAP_RIGHT_DELETE | IMAP_RIGHT_EXPUNGE |                   \
   IMAP_RIGHT_CREATE | IMAP_RIGHT_DELETE_MAILBOX)

static const struct {
  guint rights; /* all of them are needed */
  guint flags;  /* one of them must be permanent */
  gboolean messages;
} wishes[] = {
    [ACCESS_ADD] = {IMAP_RIGHT_INSERT, 0, TRUE},
    [ACCESS_REMOVE] = {IMAP_RIGHT_DELETE | IMAP_RIGHT_EXPUNGE, 0, TRUE},
    [ACCESS_FLAG] = {IMAP_RIGHT_WRITE, IMAP_FLAG_ANSWERED | IMAP_FLAG_FLAGGED | IMAP_FLAG_DRAFT, TRUE},
    [ACCESS_SEEN] = {IMAP_RIGHT_SEEN, IMAP_FLAG_SEEN, TRUE},
    [ACCESS_MAKE_FOLDER] = {IMAP_RIGHT_CREATE, 0, FALSE},
    [ACCESS_REMOVE_FOLDER] = {IMAP_RIGHT_DELETE_MAILBOX, 0, FALSE},
};

/* FALSE, and GONE or what is wrong with the index. */
static gboolean get_mailbox(Account *account, gint64 row, IndexMailbox *ret, IndexAccess *ret_access, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (!index_need_mailbox(account->index, row, ret, error))
    return FALSE;
  if (index_get_access(account->index, row, ret_access, &failed))
    return TRUE;
  if (!failed)
    return cache_fail(error, CACHE_ERROR_GONE, "the folder is no more");
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* ---- what may be done ------------------------------------------------------------------------------------------ */

/* What LIST says, and the opening: known before anything was learnt. */
static gboolean check_mailbox(const IndexMailbox *mailbox, AccessWish wish, GError **error) {
  if (wish == ACCESS_MAKE_FOLDER && (mailbox->attrs & IMAP_ATTR_NOINFERIORS))
    return cache_fail(error, CACHE_ERROR_PERMISSION, "this folder can have no folders below it");
  if (!wishes[wish].messages)
    return TRUE;
  if (mailbox->attrs & IMAP_ATTR_NOSELECT)
    return cache_fail(error, CACHE_ERROR_PERMISSION, "this folder can hold no messages");
  if (mailbox->listed == INDEX_LISTED && mailbox->uidvalidity == 0)
    return cache_fail(error, CACHE_ERROR_READONLY, "the server has no lasting numbers for the messages of this folder");
  return TRUE;
}

static guint needed(const Account *account, AccessWish wish) {
  gboolean stays = wish == ACCESS_REMOVE && account->config->remove == CACHE_DELETE_MARK;
  return wishes[wish].rights & ~(stays ? IMAP_RIGHT_EXPUNGE : 0);
}

/* To put a message in is a right by itself; the mailbox need not be selected. */
static gboolean is_read_only(const IndexAccess *access, AccessWish wish) {
  gboolean by_rights = (access->rights & CHANGES) == 0;
  gboolean drop = wish == ACCESS_ADD && access->rights != IMAP_RIGHTS_ALL && (access->rights & IMAP_RIGHT_INSERT);
  return by_rights || (access->read_only && wishes[wish].messages && !drop);
}

static gboolean can_flag(const IndexAccess *access, AccessWish wish) {
  guint flags = wishes[wish].flags;
  gboolean keywords = wish == ACCESS_FLAG && (access->any_keyword || (access->keywords && *access->keywords));
  return flags == 0 || !access->limited || (access->permanent & flags) || keywords;
}

static gboolean check_heard(Account *account, const IndexAccess *access, AccessWish wish, GError **error) {
  guint rights = needed(account, wish);
  if (is_read_only(access, wish))
    return cache_fail(error, CACHE_ERROR_READONLY, "the server lets this folder be read only");
  if ((access->rights & rights) != rights)
    return cache_fail(error, CACHE_ERROR_PERMISSION, "the server does not grant that in this folder");
  return can_flag(access, wish) || cache_fail(error, CACHE_ERROR_PERMISSION, "the server keeps no such flags here");
}

gboolean access_check(Account *account, gint64 mailbox, AccessWish wish, GError **error) {
  g_auto(IndexMailbox) known = {0};
  g_auto(IndexAccess) access = {0};
  if (account->config->read_only)
    return cache_fail(error, CACHE_ERROR_READONLY, "mounted read-only");
  if (!get_mailbox(account, mailbox, &known, &access, error))
    return FALSE;
  if (known.attrs & INDEX_LOCAL)
    return TRUE;
  return check_mailbox(&known, wish, error) && (access.heard == 0 || check_heard(account, &access, wish, error));
}

/* ---- how much ---------------------------------------------------------------------------------------------------- */

/* What waits to be sent will be there before it. It may be this very message that waits, and was smaller then: so much
 * is not counted. */
static gboolean others_waiting(Account *account, guint64 size, guint64 *ret_octets, GError **error) {
  if (!journal_waiting_bytes(account->index, ret_octets, error))
    return FALSE;
  learnt_waiting_told(account->learnt, *ret_octets);
  *ret_octets -= MIN(*ret_octets, size);
  return TRUE;
}

static gboolean fits(guint64 used, guint64 limit, guint64 waiting, guint64 more) {
  guint64 left = limit - MIN(used, limit);
  return waiting <= left && more <= left - waiting;
}

/* Where there is room for much more, what was added up a moment ago will do. */
static gboolean is_ample(Account *account, const ImapQuota *quota, guint64 size) {
  guint64 octets = 0;
  return quota->has_storage && !quota->has_messages && learnt_waiting(account->learnt, &octets) &&
         fits(quota->storage, quota->storage_limit, octets, size) &&
         fits(quota->storage, quota->storage_limit, octets + size, AMPLE);
}

static gboolean check_quota(Account *account, gint64 mailbox, guint64 size, GError **error) {
  ImapQuota quota;
  guint64 octets = 0;
  learnt_quota(account->learnt, mailbox, &quota);
  if ((!quota.has_storage && !quota.has_messages) || is_ample(account, &quota, size))
    return TRUE;
  if (!others_waiting(account, size, &octets, error))
    return FALSE;
  if ((quota.has_storage && !fits(quota.storage, quota.storage_limit, octets, size)) ||
      (quota.has_messages && !fits(quota.messages, quota.messages_limit, 0, 1)))
    return cache_fail(error, CACHE_ERROR_QUOTA, "the server grants no more room");
  return TRUE;
}

gboolean access_check_size(Account *account, gint64 mailbox, guint64 size, GError **error) {
  g_auto(IndexMailbox) known = {0};
  g_auto(IndexAccess) access = {0};
  if (!get_mailbox(account, mailbox, &known, &access, error))
    return FALSE;
  if (known.attrs & INDEX_LOCAL)
    return TRUE;
  if (access.append_limit != 0 && size > access.append_limit)
    return cache_fail(error, CACHE_ERROR_TOOBIG, "the server takes no message of this size");
  return check_quota(account, mailbox, size, error);
}
