/* SPDX-License-Identifier: MIT */
/*
 * Which UIDs the selected mailbox holds. ESEARCH says it in a few octets; without it the answer names each UID, and is
 * asked for in parts where it would be long.
 */
#include "imap/search.h"

#include "imap/limits.h"

#define SEARCH_SPAN 100000u /* UIDs: 1.1 MB of answer at most */
#define SEARCH_SPANS 256

static gboolean is_possible(const ImapSeqset *set, GError **error) {
  gsize total;
  (void)imap_seqset_ranges(set, &total);
  if (total <= IMAP_LIMIT_RANGES)
    return TRUE;
  g_set_error_literal(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "the server names more messages than a mailbox can hold");
  return FALSE;
}

gboolean imap_search_add(ImapSeqset *into, const ImapSeqset *uids, GError **error) {
  imap_seqset_join(into, uids);
  return is_possible(into, error);
}

gboolean imap_search_event(ImapEvent *event, gpointer data, GError **error) {
  ImapSearch *search = data;
  if (event->type != IMAP_EVENT_SEARCH)
    return TRUE;
  search->answered = TRUE;
  return event->uids == NULL || imap_search_add(search->uids, event->uids, error);
}

gboolean imap_search_is_answered(const ImapSearch *search, guint32 exists) {
  return search->answered && (exists == 0 || !imap_seqset_empty(search->uids));
}

/* FALSE also where the server said OK and named no set. */
static gboolean search(ImapConn *conn, const char *command, ImapSearch *into, GCancellable *c, GError **error) {
  into->answered = FALSE;
  if (!imap_conn_simple(conn, command, imap_search_event, into, c, error))
    return FALSE;
  if (!into->answered && conn->opening.exists > 0)
    return imap_conn_lose(conn, error, IMAP_ERROR_PROTOCOL, "the server finished a search without an answer");
  return TRUE;
}

static gboolean uid_event(ImapEvent *event, gpointer data, GError **error) {
  ImapSearch *found = data;
  if (event->type != IMAP_EVENT_FETCH || !(event->message.has & IMAP_HAS_UID) || event->message.uid == 0)
    return TRUE;
  imap_seqset_add(found->uids, event->message.uid, event->message.uid);
  return is_possible(found->uids, error);
}

/* A SEARCH response names each UID in one line. What could outgrow IMAP_LIMIT_VALUES is asked for in spans of UIDs,
 * and where those would be many or unknown (Courier says no UIDNEXT) as one small response for each message. */
static gboolean search_parts(ImapConn *conn, ImapSearch *into, GCancellable *c, GError **error) {
  guint64 end = conn->opening.uidnext;
  if (end == 0 || end / SEARCH_SPAN > SEARCH_SPANS)
    return imap_conn_simple(conn, "UID FETCH 1:* (UID)", uid_event, into, c, error);
  for (guint64 first = 1; first < end; first += SEARCH_SPAN) {
    guint64 last = first + SEARCH_SPAN - 1;
    /* The last span also takes what came since the opening. */
    g_autofree char *command = last + 1 < end ? g_strdup_printf("UID SEARCH UID %u:%u", (guint)first, (guint)last)
                                              : g_strdup_printf("UID SEARCH UID %u:*", (guint)first);
    if (!search(conn, command, into, c, error))
      return FALSE;
  }
  return TRUE;
}

gboolean imap_uids(ImapConn *conn, ImapSeqset **ret, GCancellable *c, GError **error) {
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  ImapSearch into = {.uids = uids};
  /* Some announce ESEARCH and do not understand RETURN, or answer nothing to it. */
  if (imap_conn_has(conn, "ESEARCH")) {
    g_autoptr(GError) refusal = NULL;
    gboolean found = imap_conn_simple(conn, IMAP_SEARCH_ALL, imap_search_event, &into, c, &refusal);
    into.answered = into.answered && found;
    if (conn->failed) {
      g_propagate_error(error, g_steal_pointer(&refusal));
      return FALSE;
    }
  }
  if (!imap_search_is_answered(&into, conn->opening.exists) &&
      !(conn->opening.exists > SEARCH_SPAN ? search_parts(conn, &into, c, error)
                                           : search(conn, "UID SEARCH ALL", &into, c, error)))
    return FALSE;
  *ret = g_steal_pointer(&uids);
  return TRUE;
}
