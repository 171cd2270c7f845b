/* SPDX-License-Identifier: MIT */
/*
 * MYRIGHTS, GETQUOTAROOT and APPENDLIMIT: what will be refused, known beforehand. All three are hints. A server that
 * does not offer one forbids nothing by it, and its last word is the answer to the command itself.
 */
#include <string.h>

#include "imap/change.h"

static gboolean rights_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  if (event->type == IMAP_EVENT_MYRIGHTS)
    *(guint *)data = (guint)event->number;
  return TRUE;
}

gboolean imap_myrights(ImapConn *conn, const char *mailbox, guint *ret_rights, GCancellable *c, GError **error) {
  guint rights = IMAP_RIGHTS_ALL;
  if (imap_conn_has(conn, "ACL") &&
      !imap_change_run(conn, imap_change_encode(conn, "MYRIGHTS", mailbox), rights_event, &rights, NULL, c, error))
    return FALSE;
  *ret_rights = rights;
  return TRUE;
}

/* ---- quota ------------------------------------------------------------------------------------------- */

/* A limit of 0 is some servers' way to say that there is none. */
static gboolean is_tighter(guint64 used, guint64 limit, gboolean known, guint64 known_used, guint64 known_limit) {
  guint64 room = limit - MIN(used, limit), known_room = known_limit - MIN(known_used, known_limit);
  return limit > 0 && (!known || room < known_room);
}

static gboolean quota_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  ImapQuota *tightest = data;
  const ImapQuota *one = &event->quota;
  if (event->type != IMAP_EVENT_QUOTA)
    return TRUE;
  if (one->has_storage &&
      is_tighter(one->storage, one->storage_limit, tightest->has_storage, tightest->storage, tightest->storage_limit)) {
    tightest->has_storage = TRUE;
    tightest->storage = one->storage;
    tightest->storage_limit = one->storage_limit;
  }
  if (one->has_messages && is_tighter(one->messages, one->messages_limit, tightest->has_messages, tightest->messages,
                                      tightest->messages_limit)) {
    tightest->has_messages = TRUE;
    tightest->messages = one->messages;
    tightest->messages_limit = one->messages_limit;
  }
  return TRUE;
}

gboolean imap_quota(ImapConn *conn, const char *mailbox, ImapQuota *ret, GCancellable *c, GError **error) {
  ImapQuota tightest = {0};
  if (imap_conn_has(conn, "QUOTA") &&
      !imap_change_run(conn, imap_change_encode(conn, "GETQUOTAROOT", mailbox), quota_event, &tightest, NULL, c, error))
    return FALSE;
  *ret = tightest;
  return TRUE;
}

/* ---- APPENDLIMIT ---------------------------------------------------------------------------------------- */

/* "APPENDLIMIT=35651584"; 0: not so. */
static guint64 announced_limit(ImapConn *conn) {
  static const char prefix[] = "APPENDLIMIT=";
  GHashTableIter iter;
  gpointer key;
  g_hash_table_iter_init(&iter, conn->capabilities);
  while (g_hash_table_iter_next(&iter, &key, NULL)) {
    const char *digits = g_str_has_prefix(key, prefix) ? (const char *)key + sizeof prefix - 1 : "";
    char *end = NULL;
    guint64 limit = g_ascii_strtoull(digits, &end, 10);
    if (g_ascii_isdigit(digits[0]) && *end == '\0' && imap_conn_has(conn, key))
      return MIN(limit, G_MAXINT64);
  }
  return 0;
}

static gboolean limit_event(ImapEvent *event, gpointer data, G_GNUC_UNUSED GError **error) {
  if (event->type == IMAP_EVENT_MAILBOX_STATUS)
    *(guint64 *)data = event->status.appendlimit;
  return TRUE;
}

gboolean imap_append_limit(ImapConn *conn, const char *mailbox, guint64 *ret, GCancellable *c, GError **error) {
  guint64 limit = announced_limit(conn);
  if (limit == 0 && imap_conn_has(conn, "APPENDLIMIT")) {
    ImapEncoder *encoder = imap_change_encode(conn, "STATUS", mailbox);
    imap_encoder_raw(encoder, " (APPENDLIMIT)");
    if (!imap_change_run(conn, encoder, limit_event, &limit, NULL, c, error))
      return FALSE;
  }
  *ret = limit;
  return TRUE;
}
