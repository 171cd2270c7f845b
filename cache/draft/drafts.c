/* SPDX-License-Identifier: MIT */
/*
 * The table of drafts, and who has the turn. A draft is found by each row it has been: the one that was opened, and
 * after a rewrite the fresh one too. Writers come and go; the last one that goes finishes it with the turn in hand, and
 * only then it leaves the table, so whoever opens the message meanwhile waits and goes on with the same draft.
 *
 *   attach ──▶ begun ──last writer──▶ finished ──nobody came──▶ ended: out of the table; readers keep it
 *     ▲                                  │
 *     └──────────somebody came───────────┘
 *
 * The mutex is held for a moment only. What takes the disk's time is done in turns: `busy` is a state of the draft.
 */
#include "cache/draft/draft_private.h"

static gint64 *key_of(gint64 row) {
  return g_memdup2(&row, sizeof row);
}

#define TRY_AGAIN (10 * G_USEC_PER_SEC)

Drafts *drafts_new(Account *account, const DraftsHooks *hooks) {
  Drafts *drafts = g_new0(Drafts, 1);
  drafts->account = account;
  drafts->hooks = *hooks;
  g_mutex_init(&drafts->mutex);
  drafts->by_row = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  drafts->successors = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
  drafts->unfinished = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  drafts->borrowers = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)g_array_unref);
  return drafts;
}

void drafts_free(Drafts *drafts) {
  g_hash_table_unref(drafts->by_row);
  g_hash_table_unref(drafts->successors);
  g_hash_table_unref(drafts->borrowers);
  g_hash_table_unref(drafts->unfinished);
  g_mutex_clear(&drafts->mutex);
  g_free(drafts);
}

/* ---- turns --------------------------------------------------------------------------------------------------- */

void draft_enter(Draft *draft) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&draft->drafts->mutex);
  while (draft->busy)
    g_cond_wait(&draft->turn, &draft->drafts->mutex);
  draft->busy = TRUE;
}

/* Call with the mutex held. */
static void end_turn(Draft *draft) {
  draft->busy = FALSE;
  g_cond_broadcast(&draft->turn);
}

void draft_leave(Draft *draft) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&draft->drafts->mutex);
  end_turn(draft);
}

/* ---- the table, with the mutex held -------------------------------------------------------------------------- */

static void put(Draft *draft, gint64 row) {
  g_hash_table_replace(draft->drafts->by_row, key_of(row), draft);
  g_atomic_int_set(&draft->drafts->open, (gint)g_hash_table_size(draft->drafts->by_row));
}

static gboolean is_of(G_GNUC_UNUSED gpointer row, gpointer draft, gpointer data) {
  return draft == data;
}

static void take_out(Draft *draft) {
  Drafts *drafts = draft->drafts;
  g_hash_table_foreach_remove(drafts->by_row, is_of, draft);
  g_atomic_int_set(&drafts->open, (gint)g_hash_table_size(drafts->by_row));
  draft->listed = FALSE;
  drafts->ended++;
}

static Draft *make(Drafts *drafts, gint64 row) {
  Draft *draft = g_new0(Draft, 1);
  draft->drafts = drafts;
  draft->opened = draft->row = row;
  draft->listed = TRUE;
  g_cond_init(&draft->turn);
  draft_bytes_init(&draft->bytes, drafts->account->spool);
  put(draft, row);
  return draft;
}

/* Call without the mutex: a file is closed. */
static void free_draft(Draft *draft) {
  draft_bytes_clear(&draft->bytes);
  g_cond_clear(&draft->turn);
  g_free(draft);
}

/* ---- coming and going ---------------------------------------------------------------------------------------- */

guint64 drafts_ended(Drafts *drafts) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  return drafts->ended;
}

/* Call with the mutex held; NULL: too old. */
static Draft *find_or_make(Drafts *drafts, gint64 row, guint64 ended, gboolean *ret_made) {
  Draft *draft = g_hash_table_lookup(drafts->by_row, &row);
  *ret_made = !draft;
  if (!draft && ended != drafts->ended)
    return NULL;
  if (!draft)
    draft = make(drafts, row);
  draft->refs++;
  draft->writers++;
  if (*ret_made)
    draft->busy = TRUE;
  return draft;
}

Draft *drafts_attach(Drafts *drafts, gint64 row, guint64 ended, gboolean *ret_made) {
  g_mutex_lock(&drafts->mutex);
  Draft *draft = find_or_make(drafts, row, ended, ret_made);
  g_mutex_unlock(&drafts->mutex);
  if (draft && !*ret_made)
    draft_enter(draft);
  return draft;
}

Draft *drafts_join(Drafts *drafts, gint64 row) {
  if (g_atomic_int_get(&drafts->open) == 0)
    return NULL;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  Draft *draft = g_hash_table_lookup(drafts->by_row, &row);
  if (!draft || !draft->shown || draft->lent)
    return NULL;
  draft->refs++;
  return draft;
}

Draft *drafts_find(Drafts *drafts, gint64 row) {
  if (g_atomic_int_get(&drafts->open) == 0)
    return NULL;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  Draft *draft = g_hash_table_lookup(drafts->by_row, &row);
  if (draft)
    draft->refs++;
  return draft;
}

Draft *drafts_newest(Draft *draft) {
  Drafts *drafts = draft->drafts;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  gint64 row = draft->row ? draft->row : draft->opened;
  Draft *newer = draft->listed ? NULL : g_hash_table_lookup(drafts->by_row, &row);
  newer = newer && newer->shown && !newer->lent ? newer : draft;
  newer->refs++;
  return newer;
}

void drafts_unref(Draft *draft) {
  g_mutex_lock(&draft->drafts->mutex);
  gboolean last = --draft->refs == 0;
  g_mutex_unlock(&draft->drafts->mutex);
  if (last)
    free_draft(draft);
}

void drafts_detach(Draft *draft, gboolean writer) {
  Drafts *drafts = draft->drafts;
  g_mutex_lock(&drafts->mutex);
  gboolean last = writer && --draft->writers == 0;
  g_mutex_unlock(&drafts->mutex);
  if (last)
    draft_finish(draft);
  g_mutex_lock(&drafts->mutex);
  if (last && draft->writers == 0)
    take_out(draft);
  end_turn(draft);
  g_mutex_unlock(&drafts->mutex);
  drafts_unref(draft);
}

void drafts_note_unfinished(Drafts *drafts, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  g_hash_table_add(drafts->unfinished, key_of(row));
}

GArray *drafts_take_unfinished(Drafts *drafts) {
  gint64 now = g_get_monotonic_time();
  GHashTableIter iter;
  gpointer row;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  if (g_hash_table_size(drafts->unfinished) == 0 || (drafts->tried && now - drafts->tried < TRY_AGAIN))
    return NULL;
  GArray *rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  g_hash_table_iter_init(&iter, drafts->unfinished);
  while (g_hash_table_iter_next(&iter, &row, NULL))
    g_array_append_val(rows, *(gint64 *)row);
  g_hash_table_remove_all(drafts->unfinished);
  drafts->tried = now;
  return rows;
}

/* ---- the live state ------------------------------------------------------------------------------------------ */

void draft_show(Draft *draft, gint64 wrote) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&draft->drafts->mutex);
  draft->lent = draft->copy && draft->bytes.size == 0;
  draft->size = draft->lent ? draft->copied : draft->bytes.size;
  draft->wrote = wrote;
  draft->shown_stamp = draft->stamp;
  draft->shown = TRUE;
}

guint64 draft_size(Draft *draft) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&draft->drafts->mutex);
  return draft->size;
}

gint64 draft_wrote(Draft *draft) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&draft->drafts->mutex);
  return draft->wrote;
}

gboolean draft_hurries(Draft *draft) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&draft->drafts->mutex);
  gboolean hurry = draft->hurry;
  draft->hurry = FALSE;
  return hurry;
}

gboolean drafts_urge(Drafts *drafts, gint64 row) {
  if (g_atomic_int_get(&drafts->open) == 0)
    return FALSE;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  Draft *draft = g_hash_table_lookup(drafts->by_row, &row);
  if (draft)
    draft->hurry = TRUE;
  return draft != NULL;
}

void draft_is_row(Draft *draft, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&draft->drafts->mutex);
  draft->row = row;
  if (row)
    put(draft, row);
}

gboolean drafts_look(Drafts *drafts, gint64 row, DraftLook *ret) {
  if (g_atomic_int_get(&drafts->open) == 0)
    return FALSE;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  const Draft *draft = g_hash_table_lookup(drafts->by_row, &row);
  if (draft && draft->shown)
    *ret = (DraftLook){.size = draft->size, .mtime = draft->wrote, .stamp = draft->shown_stamp};
  return draft && draft->shown;
}

void drafts_rewritten(Drafts *drafts, gint64 old, gint64 fresh) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  g_hash_table_replace(drafts->successors, key_of(old), key_of(fresh));
  g_atomic_int_set(&drafts->rewritten, (gint)g_hash_table_size(drafts->successors));
}

/* 0: none. */
static gint64 successor_of(Drafts *drafts, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  const gint64 *next = g_hash_table_lookup(drafts->successors, &row);
  return next ? *next : 0;
}

static gboolean take_successor(Drafts *drafts, gint64 row) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  gboolean was = g_hash_table_remove(drafts->successors, &row);
  g_atomic_int_set(&drafts->rewritten, (gint)g_hash_table_size(drafts->successors));
  return was;
}

/* It is itself again, and where somebody had it open all the while the kernel has the octets of the other. What has no
 * exact size yet is found to be resized, or not, when its body comes. */
static void forget_successor(Drafts *drafts, gint64 row, gboolean exact) {
  if (!take_successor(drafts, row))
    return;
  if (exact)
    drafts->hooks.resized(row, drafts->hooks.data);
  account_tell(drafts->account, CACHE_EVENT_DATA, CACHE_MESSAGE, row, 0, NULL, NULL);
}

gint64 drafts_successor(Drafts *drafts, gint64 row) {
  gint64 next;
  while (g_atomic_int_get(&drafts->rewritten) > 0 && (next = successor_of(drafts, row)) != 0) {
    g_auto(IndexMessage) message = {0};
    /* It is shown again: in the trash, or where the server refused the other. */
    if (index_get_message(drafts->account->index, row, &message, NULL) && !message.gone && message.folder != 0) {
      forget_successor(drafts, row, message.size != IMAP_UNKNOWN_SIZE);
      return row;
    }
    row = next;
  }
  return row;
}
