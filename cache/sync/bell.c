/* SPDX-License-Identifier: MIT */
/*
 * News are compared with the row, because our own deltas and half the news of a busy server say what we know already.
 * What is not listed yet has no news: its first listing will see everything; only the end of one that is under way may
 * have seen less. A name that the index does not have means that folders have changed.
 */
#include "cache/sync/bell.h"

#include "cache/sync/resync.h"

#define UNKNOWN_MOST 1000 /* names told of and not in the index, each good for one sweep; and names told to be gone */

struct _Bell {
  Account *account;
  Agenda *agenda;
  GHashTable *rows;    /* raw name -> row, as of some moment */
  GHashTable *unknown; /* set of raw names without a row, of this connection */
  GHashTable *gone;    /* set of raw names that this connection told to be gone */
  GHashTable *begun;   /* row -> UIDVALIDITY for which it was begun again */
};

Bell *bell_new(Account *account, Agenda *agenda) {
  Bell *bell = g_new0(Bell, 1);
  bell->account = account;
  bell->agenda = agenda;
  bell->rows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  bell->unknown = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  bell->gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  bell->begun = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  return bell;
}

void bell_free(Bell *bell) {
  if (!bell)
    return;
  g_hash_table_unref(bell->rows);
  g_hash_table_unref(bell->unknown);
  g_hash_table_unref(bell->gone);
  g_hash_table_unref(bell->begun);
  g_free(bell);
}

void bell_begin(Bell *bell) {
  g_hash_table_remove_all(bell->unknown);
  g_hash_table_remove_all(bell->gone);
}

/* ---- which folder is meant ------------------------------------------------------------------------------ */

/* Its case is the server's affair, and not the same in each response. */
static const char *key_of(const char *raw) {
  return g_ascii_strcasecmp(raw, "INBOX") == 0 ? "INBOX" : raw;
}

static void learn_rows(Bell *bell) {
  g_autoptr(GPtrArray) rows = index_mailboxes(bell->account->index, NULL);
  g_hash_table_remove_all(bell->rows);
  for (guint i = 0; rows && i < rows->len; i++) {
    const IndexMailbox *mailbox = rows->pdata[i];
    if (mailbox->raw)
      g_hash_table_insert(bell->rows, g_strdup(key_of(mailbox->raw)), g_memdup2(&mailbox->row, sizeof mailbox->row));
  }
}

static gboolean look_up(Bell *bell, const char *key, IndexMailbox *ret) {
  const gint64 *row = g_hash_table_lookup(bell->rows, key);
  if (!row || !index_get_mailbox(bell->account->index, *row, ret, NULL))
    return FALSE;
  if (ret->raw && g_str_equal(key_of(ret->raw), key))
    return TRUE;
  index_mailbox_clear(ret);
  *ret = (IndexMailbox){0};
  return FALSE;
}

gboolean bell_find(Bell *bell, const char *raw, IndexMailbox *ret) {
  if (look_up(bell, key_of(raw), ret))
    return TRUE;
  learn_rows(bell);
  return look_up(bell, key_of(raw), ret);
}

static void heard_of(Bell *bell, const char *raw) {
  /* LIST shows a part only: what it leaves out is no news. */
  if (bell->account->config->subscribed || g_hash_table_size(bell->unknown) >= UNKNOWN_MOST)
    return;
  if (g_hash_table_add(bell->unknown, g_strdup(raw)))
    agenda_look_again(bell->agenda);
}

/* ---- news ---------------------------------------------------------------------------------------------------- */

/* Only the flags are told of, and they are those we have. */
static gboolean says_nothing_new(const IndexMailbox *mailbox, const ImapStatus *status) {
  return status->has_modseq && status->modseq == mailbox->modseq &&
         (!status->has_messages || status->messages == mailbox->exists) &&
         (!status->has_uidnext || status->uidnext == mailbox->uidnext) &&
         (!status->has_uidvalidity || status->uidvalidity == mailbox->uidvalidity);
}

static void compare_listed(Bell *bell, const IndexMailbox *mailbox, const ImapStatus *status) {
  gboolean whole = status->has_messages && status->has_uidnext && status->has_uidvalidity;
  if (resync_same(mailbox, status))
    agenda_verified(bell->agenda, mailbox->row, g_get_monotonic_time(), FALSE);
  else if (!says_nothing_new(mailbox, status))
    agenda_doubt(bell->agenda, mailbox->row, whole ? status : NULL);
}

void bell_compare(Bell *bell, const IndexMailbox *mailbox, const ImapStatus *status) {
  g_auto(IndexMailbox) now = {0};
  if (mailbox->attrs & IMAP_ATTR_NOSELECT)
    return;
  if (mailbox->listed == INDEX_LISTED) {
    compare_listed(bell, mailbox, status);
    return;
  }
  agenda_doubt_listing(bell->agenda, mailbox->row);
  /* The listing may have ended before that. */
  if (index_get_mailbox(bell->account->index, mailbox->row, &now, NULL) && now.listed == INDEX_LISTED)
    compare_listed(bell, &now, status);
}

void bell_status(Bell *bell, const ImapStatus *status) {
  g_auto(IndexMailbox) mailbox = {0};
  if (!status->name)
    return;
  if (!bell_find(bell, status->name, &mailbox)) {
    heard_of(bell, status->name);
    return;
  }
  agenda_told(bell->agenda, mailbox.row);
  bell_compare(bell, &mailbox, status);
}

void bell_moved(Bell *bell, gint64 row, gboolean flags) {
  g_auto(IndexMailbox) mailbox = {0};
  gboolean dear =
      flags && index_get_mailbox(bell->account->index, row, &mailbox, NULL) && mailbox.exists > AGENDA_FLAGS_MOST;
  if (flags && !dear)
    agenda_doubt_flags(bell->agenda, row);
  else
    agenda_doubt(bell->agenda, row, NULL);
}

/* Dovecot tells no more of an INBOX that got another UIDVALIDITY, to who has asked before. Once for each of them: until
 * the folder has been listed anew, news go on to differ from the row. */
gboolean bell_must_begin_again(Bell *bell, const ImapStatus *status) {
  g_auto(IndexMailbox) mailbox = {0};
  if (!status->name || !status->has_uidvalidity || !bell_find(bell, status->name, &mailbox) ||
      mailbox.uidvalidity == 0 || mailbox.uidvalidity == status->uidvalidity)
    return FALSE;
  gpointer other = GUINT_TO_POINTER(status->uidvalidity);
  gboolean new = g_hash_table_lookup(bell->begun, &mailbox.row) != other;
  g_hash_table_replace(bell->begun, g_memdup2(&mailbox.row, sizeof mailbox.row), other);
  return new;
}

/* A session of Dovecot may go on to take the new mailbox for the old one, and tell of neither. */
gboolean bell_was_made_anew(Bell *bell, const ImapListing *listing) {
  if (!(listing->attrs & IMAP_ATTR_NOSELECT))
    return g_hash_table_remove(bell->gone, listing->name);
  if (g_hash_table_size(bell->gone) < UNKNOWN_MOST)
    g_hash_table_add(bell->gone, g_strdup(listing->name));
  return FALSE;
}

/* A folder that went between the last LIST and NOTIFY is told of by neither. */
gboolean bell_lacks_one(Bell *bell, const GPtrArray *told) {
  g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) rows = index_mailboxes(bell->account->index, NULL);
  for (guint i = 0; i < told->len; i++) {
    const char *name = ((const ImapStatus *)told->pdata[i])->name;
    if (name)
      g_hash_table_add(names, (gpointer)key_of(name));
  }
  for (guint i = 0; rows && i < rows->len; i++) {
    const IndexMailbox *mailbox = rows->pdata[i];
    gboolean selectable = mailbox->raw && !(mailbox->attrs & IMAP_ATTR_NOSELECT);
    if (selectable && !g_hash_table_contains(names, key_of(mailbox->raw)))
      return TRUE;
  }
  return FALSE;
}
