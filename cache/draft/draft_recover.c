/* SPDX-License-Identifier: MIT */
/*
 * What a crash left. A NEW that was flushed is held until it is closed, so what is held when the index is opened
 * belonged to somebody who was cut off: it is judged and finished as if he had closed it. A file in the spool that no
 * row claims was kept by a flush that never answered, if the index knows its row; else the index is older than the
 * file, or was lost, and the file goes to lost+found.
 */
#include <string.h>

#include "cache/draft/draft_private.h"
#include "cache/error.h"
#include "cache/journal/lostfound.h"

/* ---- after a crash ------------------------------------------------------------------------------------------- */

/* What is known to be no message, or half of one, stays what it is. */
static gboolean is_settled(Index *index, gint64 row) {
  g_auto(JournalNew) entry = {0};
  return !journal_get_new(index, row, &entry, NULL) || entry.reason || entry.state == JOURNAL_REFUSED;
}

static gboolean finish_held(Drafts *drafts, gint64 row, GError **error) {
  if (is_settled(drafts->account->index, row))
    return TRUE;
  Draft *draft = drafts_open_again(drafts, row, error);
  if (!draft)
    return FALSE;
  draft->written = TRUE;
  drafts_urge(drafts, row);
  drafts_detach(draft, TRUE);
  return TRUE;
}

static gboolean skip_taken(IndexTxn *txn, gpointer data, GError **error) {
  const gint64 *taken = data;
  return index_reserve_rows(txn, *taken, error);
}

/* A file can be on the disk when the row it is called by was lost with the power: no other message gets that number,
 * and with it the file. */
static gboolean reserve_rows(Account *account, GError **error) {
  g_autoptr(GArray) rows = spool_rows(account->spool, error);
  gint64 taken = 0;
  for (guint i = 0; rows && i < rows->len; i++)
    taken = MAX(taken, g_array_index(rows, gint64, i));
  return rows && (taken == 0 || index_write(account->index, INDEX_JOURNAL, skip_taken, &taken, error));
}

gboolean drafts_recover(Drafts *drafts, GError **error) {
  if (!reserve_rows(drafts->account, error))
    return FALSE;
  g_autoptr(GArray) rows = journal_held(drafts->account->index, error);
  if (!rows)
    return FALSE;
  for (guint i = 0; i < rows->len; i++) {
    g_autoptr(GError) local = NULL;
    gint64 row = g_array_index(rows, gint64, i);
    if (!finish_held(drafts, row, &local))
      g_warning("what was being written when imapfs ended cannot be sent: %s", local ? local->message : "it is gone");
  }
  return TRUE;
}

void drafts_finish_rest(Drafts *drafts) {
  g_autoptr(GArray) rows = drafts_take_unfinished(drafts);
  for (guint i = 0; rows && i < rows->len; i++) {
    g_autoptr(GError) error = NULL;
    gint64 row = g_array_index(rows, gint64, i);
    if (finish_held(drafts, row, &error) || !error)
      continue;
    drafts_note_unfinished(drafts, row);
    g_info("a file that was closed cannot be sent yet: %s", error->message);
  }
}

/* ---- files that nobody claims -------------------------------------------------------------------------------- */

typedef struct {
  Account *account;
  gint64 lost_found, spooled;
  int fd;
  const char *about;
  DraftDigest digest;
  gboolean changed; /* out */
} Orphan;

static gboolean adopt(IndexTxn *txn, gpointer data, GError **error) {
  Orphan *orphan = data;
  gint64 now = g_get_real_time() * 1000;
  g_autofree char *reason = g_strdup_printf("found in the spool, and unknown to the index: %s", orphan->about);
  IndexMessage fresh = {.mailbox = orphan->lost_found, .mtime = now, .ctime = now, .internaldate = now / 1000000000};
  g_snprintf(fresh.name, sizeof fresh.name, "spool-%" G_GINT64_FORMAT ".eml", orphan->spooled);
  JournalContent content = {
      .state = JOURNAL_LOCAL, .size = orphan->digest.octets.size, .due = JOURNAL_NOW, .reason = reason};
  memcpy(content.sha256, orphan->digest.sha256, sizeof content.sha256);
  memcpy(content.fingerprint, orphan->digest.fingerprint, sizeof content.fingerprint);
  if (!journal_create(txn, &fresh, error))
    return FALSE;
  content.row = fresh.row;
  return spool_keep(orphan->account->spool, orphan->fd, fresh.row, orphan->about, error) &&
         journal_put(txn, &content, error) &&
         lostfound_show(orphan->account, txn, orphan->lost_found, &orphan->changed, error);
}

static gboolean to_lost_found(Account *account, gint64 lost_found, gint64 row, GError **error) {
  g_auto(DraftBytes) bytes = {.fd = -1};
  Orphan orphan = {.account = account, .lost_found = lost_found, .spooled = row};
  g_autofree char *about = spool_about(account->spool, row, NULL);
  g_autofree char *line = imap_clean_text(about ? g_strdelimit(about, "\n", ' ') : "(nothing is known of it)", -1);
  orphan.about = line;
  orphan.fd = spool_get(account->spool, row, error);
  draft_bytes_init(&bytes, account->spool);
  if (orphan.fd < 0 || !draft_bytes_fix(&bytes, orphan.fd, error) ||
      !draft_bytes_digest(&bytes, &orphan.digest, error) ||
      !index_write(account->index, INDEX_JOURNAL, adopt, &orphan, error))
    return FALSE;
  if (orphan.changed)
    lostfound_tell(account, lost_found);
  g_message("a file of the spool that the index does not know stands in lost+found: %s", line);
  spool_drop(account->spool, row);
  return TRUE;
}

/* The file is what a flush left that never answered, or what was sent or removed. A message that is neither on the
 * server nor new is one whose change was lost with a damaged index. */
static gboolean is_known(Index *index, gint64 row) {
  g_auto(IndexMessage) message = {0};
  g_auto(JournalNew) entry = {0};
  return index_get_message(index, row, &message, NULL) &&
         (message.gone || message.uid != 0 || journal_get_new(index, row, &entry, NULL));
}

static gboolean is_in(const GArray *rows, gint64 row) {
  for (guint i = 0; i < rows->len; i++)
    if (g_array_index(rows, gint64, i) == row)
      return TRUE;
  return FALSE;
}

gboolean drafts_adopt(Drafts *drafts, gint64 root, GError **error) {
  Account *account = drafts->account;
  g_autoptr(GArray) claimed = journal_spooled(account->index, error);
  g_autoptr(GArray) there = claimed ? spool_rows(account->spool, error) : NULL;
  gint64 lost_found = 0;
  for (guint i = 0; there && i < there->len; i++) {
    gint64 row = g_array_index(there, gint64, i);
    if (is_in(claimed, row))
      continue;
    if (is_known(account->index, row))
      spool_drop(account->spool, row);
    else if ((!lost_found && !lostfound_row(account, root, &lost_found, error)) ||
             !to_lost_found(account, lost_found, row, error))
      return FALSE;
  }
  return there != NULL;
}
