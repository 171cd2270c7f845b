/* SPDX-License-Identifier: MIT */
/*
 * A message that is moved gets another UID, and nothing about it says which it had. What it has in common with the row
 * that we have of it is EMAILID where the server has that, else the four header fields and the size that it claims; a
 * mailbox listed without header fields (names=uid) leaves size and date, which two messages may share: good enough to
 * find one, and no reason to delete another; so where it still is the server is asked for them.
 */
#include "cache/replay/whereabouts.h"

#include <string.h>

#include "cache/ask.h"
#include "cache/message.h"
#include "cache/tree/names.h"

#define MOST 100000u /* messages that are looked at: what came since the move was begun */

void whereabouts_clear(Whereabouts *whereabouts) {
  g_clear_pointer(&whereabouts->here, imap_seqset_free);
  g_clear_pointer(&whereabouts->deleted, imap_seqset_free);
  g_clear_pointer(&whereabouts->prints, g_hash_table_unref);
}

/* ---- here --------------------------------------------------------------------------------------------- */

typedef struct {
  const ImapSeqset *asked;
  Whereabouts *found;
} Roll;

static void note_print(GHashTable *prints, const ImapMessage *message) {
  guint8 *print = g_malloc(sizeof((IndexMessage *)0)->fingerprint);
  gsize len;
  const char *header = g_bytes_get_data(message->header, &len);
  names_fingerprint(header, len, print);
  g_hash_table_replace(prints, GUINT_TO_POINTER(message->uid), print);
}

static gboolean note_here(const ImapMessage *message, gpointer data, G_GNUC_UNUSED GError **error) {
  Roll *roll = data;
  if (!imap_seqset_contains(roll->asked, message->uid))
    return TRUE;
  imap_seqset_add(roll->found->here, message->uid, message->uid);
  if ((message->has & IMAP_HAS_FLAGS) && (message->flags & IMAP_FLAG_DELETED))
    imap_seqset_add(roll->found->deleted, message->uid, message->uid);
  if (roll->found->prints && (message->has & IMAP_HAS_HEADER))
    note_print(roll->found->prints, message);
  return TRUE;
}

gboolean whereabouts_here(Account *account, ImapConn *conn, const ImapSeqset *uids, Whereabouts *ret, GError **error) {
  *ret = (Whereabouts){.here = imap_seqset_new(), .deleted = imap_seqset_new()};
  Roll roll = {.asked = uids, .found = ret};
  return ask_fetch(account, conn, uids, IMAP_FETCH_FLAGS, note_here, &roll, error);
}

gboolean whereabouts_describe(Account *account, ImapConn *conn, const ImapSeqset *uids, Whereabouts *ret,
                              GError **error) {
  if (!account->config->names_uid)
    return whereabouts_here(account, conn, uids, ret, error);
  *ret = (Whereabouts){.here = imap_seqset_new(),
                       .deleted = imap_seqset_new(),
                       .prints = g_hash_table_new_full(NULL, NULL, NULL, g_free)};
  Roll roll = {.asked = uids, .found = ret};
  return ask_fetch(account, conn, uids, IMAP_FETCH_LISTING, note_here, &roll, error);
}

const guint8 *whereabouts_print(const Whereabouts *whereabouts, guint32 uid) {
  return whereabouts->prints ? g_hash_table_lookup(whereabouts->prints, GUINT_TO_POINTER(uid)) : NULL;
}

/* ---- there -------------------------------------------------------------------------------------------- */

typedef struct {
  gint64 mailbox;
  guint32 uidnext;
  ImapSeqset *taken; /* UIDs that are known to be other messages */
  GArray *messages;  /* IndexMessage */
} Arrivals;

static void arrivals_clear(Arrivals *arrivals) {
  g_clear_pointer(&arrivals->taken, imap_seqset_free);
  g_clear_pointer(&arrivals->messages, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Arrivals, arrivals_clear)

static gboolean note_arrival(const ImapMessage *fetched, gpointer data, GError **error) {
  Arrivals *arrivals = data;
  IndexMessage message;
  if (fetched->uid < arrivals->uidnext || imap_seqset_contains(arrivals->taken, fetched->uid))
    return TRUE;
  if (arrivals->messages->len >= MOST) {
    g_set_error(error, IMAP_ERROR, IMAP_ERROR_LIMIT, "more than %u messages came while one was moved", MOST);
    return FALSE;
  }
  imap_seqset_add(arrivals->taken, fetched->uid, fetched->uid);
  message_from_fetch(fetched, arrivals->mailbox, TRUE, 0, g_get_real_time() / G_USEC_PER_SEC, &message);
  g_array_append_val(arrivals->messages, message);
  return TRUE;
}

static guint64 size_of(const IndexMessage *message) {
  return message->claim != IMAP_UNKNOWN_SIZE ? message->claim : message->size;
}

static gboolean is_same(const IndexMessage *known, const IndexMessage *other, gboolean *ret_sure) {
  static const guint8 none[sizeof known->fingerprint];
  gboolean headers = memcmp(known->fingerprint, none, sizeof none) != 0;
  *ret_sure = TRUE;
  if (known->emailid && other->emailid)
    return strcmp(known->emailid, other->emailid) == 0;
  if (size_of(known) != IMAP_UNKNOWN_SIZE && size_of(known) != size_of(other))
    return FALSE;
  if (headers)
    return memcmp(known->fingerprint, other->fingerprint, sizeof none) == 0;
  *ret_sure = FALSE;
  return size_of(known) != IMAP_UNKNOWN_SIZE && known->internaldate == other->internaldate;
}

/* An arrival that is given out has no UID any more. */
static void give_out(const IndexMessage *known, Arrivals *arrivals, WhereaboutsSought *sought) {
  for (guint i = 0; i < arrivals->messages->len && sought->found == 0; i++) {
    IndexMessage *arrival = &g_array_index(arrivals->messages, IndexMessage, i);
    if (arrival->uid == 0 || !is_same(known, arrival, &sought->sure))
      continue;
    sought->found = arrival->uid;
    arrival->uid = 0;
  }
}

static gboolean list_arrivals(Account *account, ImapConn *conn, Arrivals *arrivals, GError **error) {
  g_autoptr(ImapSeqset) from = imap_seqset_new();
  imap_seqset_add(from, MAX(arrivals->uidnext, 1), G_MAXUINT32);
  return ask_fetch(account, conn, from, IMAP_FETCH_LISTING, note_arrival, arrivals, error);
}

static gboolean describe_known(Account *account, const WhereaboutsSought *sought, IndexMessage *ret, GError **error) {
  static const guint8 none[sizeof ret->fingerprint];
  if (!index_get_message(account->index, sought->row, ret, error))
    return FALSE;
  if (sought->print && memcmp(ret->fingerprint, none, sizeof none) == 0)
    memcpy(ret->fingerprint, sought->print, sizeof ret->fingerprint);
  return TRUE;
}

gboolean whereabouts_there(Account *account, ImapConn *conn, const IndexMailbox *mailbox, guint32 uidnext,
                           WhereaboutsSought *sought, guint n, GError **error) {
  g_auto(Arrivals) arrivals = {.mailbox = mailbox->row, .uidnext = uidnext};
  arrivals.messages = g_array_new(FALSE, FALSE, sizeof(IndexMessage));
  g_array_set_clear_func(arrivals.messages, (GDestroyNotify)index_message_clear);
  arrivals.taken = index_uids(account->index, mailbox->row, error);
  if (!arrivals.taken)
    return FALSE;
  for (guint i = 0; i < n; i++)
    if (sought[i].found != 0)
      imap_seqset_add(arrivals.taken, sought[i].found, sought[i].found);
  /* A session that is in it already may not have heard of them. */
  if (!imap_unselect(conn, account->cancellable, error) ||
      !account_open_mailbox(account, conn, mailbox, NULL, NULL, error) ||
      !list_arrivals(account, conn, &arrivals, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    g_auto(IndexMessage) known = {0};
    if (sought[i].found != 0)
      continue;
    if (describe_known(account, &sought[i], &known, error))
      give_out(&known, &arrivals, &sought[i]);
    else if (error && *error)
      return FALSE;
  }
  return TRUE;
}
