/* SPDX-License-Identifier: MIT */
/*
 * Which mailboxes the replay has claimed: those of the batch in hand, and those of rows that are UNKNOWN until that is
 * resolved, across restarts. Whoever looked there would take our message for somebody else's. All of them are in
 * `kept`, so none is claimed twice.
 */
#include "cache/replay/replay_state.h"

#include "cache/replay/trash.h"

static gboolean is_kept(Replay *replay, gint64 mailbox) {
  return g_hash_table_contains(replay->kept, &mailbox);
}

static gint64 to_claim(Replay *replay, gint64 mailbox) {
  return is_kept(replay, mailbox) ? 0 : mailbox;
}

gboolean replay_claim(Replay *replay, const JournalBatch *batch) {
  gint64 other = replay_other(replay, batch);
  gint64 wanted[] = {to_claim(replay, batch->source), to_claim(replay, other)};
  if (wanted[0] == 0 && wanted[1] == 0)
    return TRUE;
  if (!claims_take(replay->account->claims, wanted[0] ? wanted[0] : wanted[1], wanted[0] ? wanted[1] : 0,
                   replay->account->cancellable))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS(wanted); i++)
    if (wanted[i] != 0)
      g_hash_table_add(replay->kept, g_memdup2(&wanted[i], sizeof wanted[i]));
  return TRUE;
}

static gboolean contains(const GArray *mailboxes, gint64 mailbox) {
  for (guint i = 0; i < mailboxes->len; i++)
    if (g_array_index(mailboxes, gint64, i) == mailbox)
      return TRUE;
  return FALSE;
}

/* Of what is UNKNOWN, and of what is known and could not be written down. Only the removal itself knows that it was on
 * its way to the trash. */
static GArray *find_unknown(Replay *replay, GError **error) {
  g_auto(IndexMailbox) trash = {0};
  g_autoptr(GArray) unknown = journal_mailboxes(replay->account->index, JOURNAL_UNKNOWN, error);
  g_autoptr(GArray) sent = unknown ? journal_mailboxes(replay->account->index, JOURNAL_SENT, error) : NULL;
  if (!sent)
    return NULL;
  g_array_append_vals(unknown, sent->data, sent->len);
  if (unknown->len > 0 && trash_find(replay->account, &trash, NULL))
    g_array_append_val(unknown, trash.row);
  return g_steal_pointer(&unknown);
}

/* All but those; where that cannot be read, none. */
void replay_let_go(Replay *replay) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GArray) unknown = find_unknown(replay, &error);
  g_autoptr(GArray) free_now = g_array_new(FALSE, FALSE, sizeof(gint64));
  GHashTableIter iter;
  gpointer mailbox;
  if (!unknown) {
    g_warning("%s", error->message);
    return;
  }
  g_hash_table_iter_init(&iter, replay->kept);
  while (g_hash_table_iter_next(&iter, &mailbox, NULL)) {
    if (contains(unknown, *(gint64 *)mailbox))
      continue;
    g_array_append_val(free_now, *(gint64 *)mailbox);
    g_hash_table_iter_remove(&iter);
  }
  for (guint i = 0; i < free_now->len; i++)
    claims_release(replay->account->claims, g_array_index(free_now, gint64, i), 0);
}

void replay_claim_unknown(Replay *replay) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GArray) unknown = find_unknown(replay, &error);
  if (!unknown)
    g_warning("%s", error->message);
  for (guint i = 0; unknown && i < unknown->len; i++) {
    gint64 mailbox = g_array_index(unknown, gint64, i);
    if (!is_kept(replay, mailbox) && claims_try(replay->account->claims, mailbox))
      g_hash_table_add(replay->kept, g_memdup2(&mailbox, sizeof mailbox));
  }
}
