/* SPDX-License-Identifier: MIT */
/*
 * The table in memory changes first, under the lock; files and index follow, without it. What is dropped is unlinked at
 * once; the index hears of it by a posted job, in the order of the changes. If the job fails that says that a body
 * came, the body is dropped again: without its row in the index it does not exist. So it is if the server renumbered
 * while it came, and the row has been matched to another message since, or to none: one that looks alike is not proven
 * to be it, and this is the last moment at which nobody can come in between. Whoever waited for it has opened the file
 * that the row was then; what he was shown of it is kept, so that the next copy is seen to differ.
 */
#include "cache/body/body_private.h"

BodyChange *body_change_new(BodyStore *store) {
  BodyChange *change = g_new0(BodyChange, 1);
  change->store = store;
  change->put = g_array_new(FALSE, FALSE, sizeof(IndexBody));
  change->drop = g_array_new(FALSE, FALSE, sizeof(gint64));
  return change;
}

static void change_free(BodyChange *change) {
  g_array_unref(change->put);
  g_array_unref(change->drop);
  g_free(change);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BodyChange, change_free)

static gboolean apply_body(IndexTxn *txn, BodyChange *change, GError **error) {
  gboolean same = FALSE;
  if (!index_set_size(txn, change->row, change->digest.size, change->digest.sha256, change->ctime, error) ||
      !index_has_key(txn, &change->key, &same, error))
    return FALSE;
  change->stale = !same;
  return same ? index_release_body(txn, change->row, error) : index_drop_body(txn, change->row, error);
}

static gboolean apply_change(IndexTxn *txn, gpointer data, GError **error) {
  BodyChange *change = data;
  if (change->row && !apply_body(txn, change, error))
    return FALSE;
  /* What comes with a body is its own row. */
  for (guint i = 0; !change->stale && i < change->put->len; i++)
    if (!index_put_body(txn, &g_array_index(change->put, IndexBody, i), error))
      return FALSE;
  for (guint i = 0; i < change->drop->len; i++)
    if (!index_drop_body(txn, g_array_index(change->drop, gint64, i), error))
      return FALSE;
  return TRUE;
}

static void change_done(gpointer data, const GError *failed) {
  g_autoptr(BodyChange) change = data;
  if (change->row && (failed || change->stale)) {
    g_debug("a body is dropped, because %s", failed ? failed->message : "the server renumbered");
    body_drop(change->store, change->row);
  }
}

void body_change_post(BodyChange *change) {
  for (guint i = 0; i < change->drop->len; i++)
    body_dir_unlink(&change->store->dir, g_array_index(change->drop, gint64, i));
  if (change->row || change->put->len || change->drop->len)
    index_post(change->store->index, INDEX_BODY, apply_change, change, change_done);
  else
    change_free(change);
}

void body_change_note(const BodyEntry *entry, gpointer data) {
  BodyChange *change = data;
  IndexBody body = {.row = entry->row, .bytes = entry->bytes, .queue = entry->queue, .used = (gint64)entry->used};
  body.epoch = entry->verified ? change->store->epoch : 0;
  g_array_append_val(change->put, body);
}

guint64 body_change_evict(BodyChange *change, guint64 shrink_by) {
  guint64 freed = 0, bytes = 0;
  for (gint64 row; (row = body_table_evict(change->store->table, freed < shrink_by, &bytes)); freed += bytes)
    g_array_append_val(change->drop, row);
  return freed;
}
