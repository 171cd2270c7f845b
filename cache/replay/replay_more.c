/* SPDX-License-Identifier: MIT */
/*
 * What users write while a batch of NEW is under way goes along with it, so that a line that is far is never idle for
 * want of an answer: as long as the journal would give it next anyway, and the batch is no larger than one may be. Each
 * addition is SENT, with the same UIDNEXT, before the first octet of it goes out.
 *
 * Pointers to items are kept while a batch runs: there is room for all that may come before the first is taken.
 */
#include "cache/replay/replay_state.h"

void replay_make_room(JournalBatch *batch) {
  guint n = batch->items->len;
  g_array_set_size(batch->items, MAX(n, REPLAY_MOST));
  g_array_set_size(batch->items, n);
}

static guint64 bytes_of(const JournalBatch *batch) {
  guint64 bytes = 0;
  for (guint i = 0; i < batch->items->len; i++)
    bytes += g_array_index(batch->items, JournalItem, i).size;
  return bytes;
}

/* Of a copy the octets may be anywhere, and what replaces another is first compared with it. */
static gboolean goes_along(const JournalBatch *batch, const JournalBatch *next) {
  if (next->op != batch->op || next->state != batch->state || next->target != batch->target)
    return FALSE;
  for (guint i = 0; i < next->items->len; i++) {
    const JournalItem *item = &g_array_index(next->items, JournalItem, i);
    if (item->copy != 0 || item->replaces != 0)
      return FALSE;
  }
  return TRUE;
}

static void move_items(JournalBatch *batch, JournalBatch *next) {
  const gpointer before = batch->items->data;
  g_array_append_vals(batch->items, next->items->data, next->items->len);
  g_assert(batch->items->data == before);
  g_array_set_clear_func(next->items, NULL);
}

guint replay_more(Replay *replay, JournalBatch *batch, guint32 uidvalidity, guint32 uidnext) {
  g_auto(JournalBatch) next = {0};
  g_autoptr(GError) error = NULL;
  gint64 then;
  guint64 bytes = bytes_of(batch), most = bytes < REPLAY_BULK ? REPLAY_BULK : REPLAY_BYTES;
  if (batch->items->len >= REPLAY_MOST || bytes >= most ||
      !journal_next(replay->account->index, g_get_real_time(), REPLAY_MOST - batch->items->len, most - bytes, &next,
                    &then, &error) ||
      !goes_along(batch, &next) || bytes + bytes_of(&next) >= most ||
      !replay_send(replay, &next, uidvalidity, uidnext, &error))
    return 0; /* what is wrong with the journal shows after this batch */
  guint n = next.items->len;
  move_items(batch, &next);
  return n;
}
