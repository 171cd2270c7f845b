/* SPDX-License-Identifier: MIT */
/*
 * All rows of a table around pages that cannot be read. A range of keys is walked from its beginning until a page
 * fails, then from its end; what lies between is halved, and so on, until nothing is left or PROBES are spent, which
 * bounds what a table with a damaged root costs.
 */
#include "cache/index/salvage_private.h"

#define PROBES 20000
#define LAST (G_GINT64_CONSTANT(1) << 60) /* of a row, see cache/index/index_schema.c */

typedef struct {
  gint64 first, last;
} Range;

typedef struct {
  IndexStmt *up, *down;
  SalvageEach each;
  gpointer data;
  guint probes;
  gboolean cut;
} Scan;

static IndexStmt *prepare(IndexDb *db, const char *table, const char *key, const char *columns, const char *order) {
  IndexStmt *stmt = NULL;
  g_autofree char *sql = g_strdup_printf("SELECT %s FROM %s NOT INDEXED WHERE %s BETWEEN ?1 AND ?2 ORDER BY %s %s",
                                         columns, table, key, key, order);
  return sqlite3_prepare_v2(db->sql, sql, -1, &stmt, NULL) == SQLITE_OK ? stmt : NULL;
}

/* *ret_at: the last row that was read; as it was: none. *ret_end: there are no more. */
static gboolean walk(Scan *scan, IndexStmt *stmt, const Range *range, gint64 *ret_at, gboolean *ret_end,
                     GError **error) {
  int code;
  gboolean ok = TRUE;
  scan->probes++;
  sqlite3_bind_int64(stmt, 1, range->first);
  sqlite3_bind_int64(stmt, 2, range->last);
  while (ok && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
    *ret_at = sqlite3_column_int64(stmt, 0);
    ok = scan->each(stmt, scan->data, error);
  }
  *ret_end = ok && code == SQLITE_DONE;
  sqlite3_reset(stmt);
  return ok;
}

/* From both ends; what is left between them goes back to the heap. */
static gboolean narrow(Scan *scan, Range range, GArray *heap, GError **error) {
  gint64 below = range.first - 1, above = range.last + 1;
  gboolean end = FALSE;
  if (!walk(scan, scan->up, &range, &below, &end, error))
    return FALSE;
  if (end)
    return TRUE;
  Range rest = {below + 1, range.last};
  if (rest.first <= rest.last && !walk(scan, scan->down, &rest, &above, &end, error))
    return FALSE;
  rest.last = above - 1;
  if (end || rest.first > rest.last)
    return TRUE;
  scan->cut = TRUE;
  gint64 middle = rest.first + (rest.last - rest.first) / 2;
  Range lower = {rest.first, middle}, upper = {middle + 1, rest.last};
  if (rest.first < rest.last && scan->probes < PROBES) {
    g_array_append_val(heap, upper);
    g_array_append_val(heap, lower);
  }
  return TRUE;
}

gboolean salvage_scan(IndexDb *db, const char *table, const char *key, const char *columns, SalvageEach each,
                      gpointer data, gboolean *ret_cut, GError **error) {
  Scan scan = {.up = prepare(db, table, key, columns, "ASC"),
               .down = prepare(db, table, key, columns, "DESC"),
               .each = each,
               .data = data};
  g_autoptr(GArray) heap = g_array_new(FALSE, FALSE, sizeof(Range));
  Range all = {1, LAST};
  g_array_append_val(heap, all);
  gboolean ok = TRUE;
  scan.cut = !scan.up || !scan.down;
  while (ok && scan.up && scan.down && heap->len > 0) {
    Range range = g_array_index(heap, Range, heap->len - 1);
    g_array_set_size(heap, heap->len - 1);
    ok = narrow(&scan, range, heap, error);
  }
  sqlite3_finalize(scan.up);
  sqlite3_finalize(scan.down);
  *ret_cut = scan.cut;
  return ok;
}
