/* SPDX-License-Identifier: MIT */
/*
 * A copy that the server is to make has the octets of another message. Who reads it before that is done waits for the
 * body of the other one; the event of that is his, too.
 */
#include <fcntl.h>

#include "cache/draft/draft_private.h"

static gint64 *key_of(gint64 row) {
  return g_memdup2(&row, sizeof row);
}

void drafts_lend(Drafts *drafts, gint64 lender, gint64 borrower) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  GArray *borrowers = g_hash_table_lookup(drafts->borrowers, &lender);
  if (!borrowers) {
    borrowers = g_array_new(FALSE, FALSE, sizeof(gint64));
    g_hash_table_insert(drafts->borrowers, key_of(lender), borrowers);
  }
  g_array_append_val(borrowers, borrower);
  g_atomic_int_set(&drafts->lending, (gint)g_hash_table_size(drafts->borrowers));
}

/* Those of the lender, taken out; or NULL. */
static GArray *take(Drafts *drafts, gint64 lender) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  GArray *borrowers = g_hash_table_lookup(drafts->borrowers, &lender);
  if (!borrowers)
    return NULL;
  g_array_ref(borrowers);
  g_hash_table_remove(drafts->borrowers, &lender);
  g_atomic_int_set(&drafts->lending, (gint)g_hash_table_size(drafts->borrowers));
  return borrowers;
}

void drafts_relay(Drafts *drafts, const CacheEvent *event) {
  if (g_atomic_int_get(&drafts->lending) == 0 || event->type != CACHE_EVENT_BODY)
    return;
  g_autoptr(GArray) borrowers = take(drafts, event->row);
  for (guint i = 0; borrowers && i < borrowers->len; i++) {
    int fd = event->fd >= 0 ? fcntl(event->fd, F_DUPFD_CLOEXEC, 0) : -1;
    account_tell_body(drafts->account, g_array_index(borrowers, gint64, i), fd, event->error);
  }
}

gint64 drafts_lender(Drafts *drafts, gint64 borrower) {
  GHashTableIter iter;
  gpointer lender, borrowers;
  if (g_atomic_int_get(&drafts->lending) == 0)
    return borrower;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&drafts->mutex);
  g_hash_table_iter_init(&iter, drafts->borrowers);
  while (g_hash_table_iter_next(&iter, &lender, &borrowers))
    for (guint i = 0; i < ((GArray *)borrowers)->len; i++)
      if (g_array_index((GArray *)borrowers, gint64, i) == borrower)
        return *(gint64 *)lender;
  return borrower;
}
