/* SPDX-License-Identifier: MIT */
/* Names are packed one after another: a folder of a million messages that vanishes costs their text and a number each.
 */
#include "cache/removals.h"

#include <string.h>

struct _Removals {
  GArray *rows;   /* gint64 */
  GString *names; /* NUL-terminated each, in the same order */
};

Removals *removals_new(void) {
  Removals *removals = g_new0(Removals, 1);
  removals->rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  removals->names = g_string_new(NULL);
  return removals;
}

void removals_free(Removals *removals) {
  g_array_unref(removals->rows);
  g_string_free(removals->names, TRUE);
  g_free(removals);
}

void removals_add(gint64 row, const char *name, gpointer data) {
  Removals *removals = data;
  g_array_append_val(removals->rows, row);
  g_string_append_len(removals->names, name, (gssize)strlen(name) + 1);
}

void removals_forget(Removals *removals) {
  g_array_set_size(removals->rows, 0);
  g_string_truncate(removals->names, 0);
}

gboolean removals_any(const Removals *removals) {
  return removals->rows->len > 0;
}

void removals_tell(const Removals *removals, Account *account, gint64 folder) {
  const char *name = removals->names->str;
  for (guint i = 0; i < removals->rows->len; i++) {
    gint64 row = g_array_index(removals->rows, gint64, i);
    account_tell(account, CACHE_EVENT_REMOVED, CACHE_MESSAGE, row, folder, name, NULL);
    name += strlen(name) + 1;
  }
}
