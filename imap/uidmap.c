/* SPDX-License-Identifier: MIT */
#include "imap/uidmap.h"

#include <string.h>

#include "imap/limits.h"

/*
 * COPYUID names two sets that correspond member by member in the order written, which need not be ascending:
 * "3,1:2 7:9" says 3 is 7, 1 is 8, 2 is 9. So the text is read as a list of ranges, the two lists are walked side by
 * side and cut into runs, and only then are the runs sorted. A range written backwards means the same as forwards
 * (RFC 4315 section 4).
 *
 * Which message is which hangs on this, so there is no best effort: what is no bijection is no mapping. Only saying the
 * same twice is no contradiction: some servers give the COPYUID of a MOVE untagged and tagged.
 */
struct _ImapUidmap {
  GArray *runs; /* ImapUidrun; settled: ascending by `from`, disjoint on both sides, as few as can be */
};

ImapUidmap *imap_uidmap_new(void) {
  ImapUidmap *map = g_new0(ImapUidmap, 1);
  map->runs = g_array_new(FALSE, FALSE, sizeof(ImapUidrun));
  return map;
}

void imap_uidmap_free(ImapUidmap *map) {
  if (map == NULL)
    return;
  g_array_unref(map->runs);
  g_free(map);
}

static const ImapUidrun *run_at(const ImapUidmap *map, guint i) {
  return &g_array_index(map->runs, ImapUidrun, i);
}

static int compare_from(gconstpointer a, gconstpointer b) {
  const ImapUidrun *x = a, *y = b;
  return (x->from > y->from) - (x->from < y->from);
}

static int compare_to(gconstpointer a, gconstpointer b) {
  const ImapUidrun *x = a, *y = b;
  return (x->to > y->to) - (x->to < y->to);
}

/* Joins `next` to `run`, which does not begin after it, where both say the same or one goes on from the other. */
static gboolean join(ImapUidrun *run, const ImapUidrun *next) {
  guint64 end = (guint64)run->from + run->n, next_end = (guint64)next->from + next->n;
  if (next->from > end || next->from - run->from != next->to - run->to)
    return FALSE;
  run->n = (guint32)(MAX(end, next_end) - run->from);
  return TRUE;
}

/* Neither side may overlap. */
static gboolean is_disjoint(const GArray *runs, gboolean targets) {
  for (guint i = 1; i < runs->len; i++) {
    const ImapUidrun *run = &g_array_index(runs, ImapUidrun, i - 1), *next = run + 1;
    if (targets ? (guint64)run->to + run->n > next->to : (guint64)run->from + run->n > next->from)
      return FALSE;
  }
  return TRUE;
}

/* FALSE: no bijection. */
static gboolean settle(GArray *runs) {
  guint n = 0;
  g_array_sort(runs, compare_from);
  for (guint i = 0; i < runs->len; i++) {
    ImapUidrun run = g_array_index(runs, ImapUidrun, i);
    if (n == 0 || !join(&g_array_index(runs, ImapUidrun, n - 1), &run))
      g_array_index(runs, ImapUidrun, n++) = run;
  }
  g_array_set_size(runs, n);
  g_autoptr(GArray) by_target = g_array_copy(runs);
  g_array_sort(by_target, compare_to);
  return is_disjoint(runs, FALSE) && is_disjoint(by_target, TRUE);
}

/* ---- text ------------------------------------------------------------------------------------- */

/* The ranges in the order written, or NULL. */
static GArray *read_ranges(const char *text, gsize len) {
  g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(ImapRange));
  const char *end = text + len;
  for (const char *at = text; at <= end && ranges->len < IMAP_LIMIT_RANGES;) {
    const char *comma = memchr(at, ',', (gsize)(end - at));
    const char *stop = comma != NULL ? comma : end;
    g_autoptr(ImapSeqset) one = imap_seqset_parse(at, (gsize)(stop - at), 0);
    gsize n;
    if (one == NULL)
      return NULL;
    g_array_append_vals(ranges, imap_seqset_ranges(one, &n), 1);
    if (comma == NULL)
      return g_steal_pointer(&ranges);
    at = comma + 1;
  }
  return NULL;
}

/* A list of ranges as it is eaten from the front. */
typedef struct {
  const GArray *ranges;
  guint i;
  guint32 first; /* of what is left of range i */
} Walk;

static guint64 walk_left(const Walk *walk) {
  return (guint64)g_array_index(walk->ranges, ImapRange, walk->i).last - walk->first + 1;
}

static void walk_eat(Walk *walk, guint64 n) {
  if (n < walk_left(walk))
    walk->first += (guint32)n;
  else if (++walk->i < walk->ranges->len)
    walk->first = g_array_index(walk->ranges, ImapRange, walk->i).first;
}

static Walk walk_new(const GArray *ranges) {
  return (Walk){.ranges = ranges, .first = g_array_index(ranges, ImapRange, 0).first};
}

/* FALSE: one list is longer than the other. */
static gboolean pair(const GArray *from, const GArray *to, GArray *runs) {
  Walk a = walk_new(from), b = walk_new(to);
  while (a.i < from->len && b.i < to->len) {
    guint64 n = MIN(walk_left(&a), walk_left(&b));
    ImapUidrun run = {a.first, b.first, (guint32)n};
    g_array_append_val(runs, run);
    walk_eat(&a, n);
    walk_eat(&b, n);
  }
  return a.i == from->len && b.i == to->len;
}

ImapUidmap *imap_uidmap_parse(const char *from, gsize from_len, const char *to, gsize to_len) {
  g_autoptr(ImapUidmap) map = imap_uidmap_new();
  g_autoptr(GArray) a = read_ranges(from, from_len), b = a != NULL ? read_ranges(to, to_len) : NULL;
  if (b == NULL || !pair(a, b, map->runs) || !settle(map->runs))
    return NULL;
  return g_steal_pointer(&map);
}

ImapUidmap *imap_uidmap_parse_list(const char *to, gsize to_len) {
  g_autoptr(ImapUidmap) map = imap_uidmap_new();
  g_autoptr(GArray) ranges = read_ranges(to, to_len);
  guint64 next = 1;
  for (guint i = 0; ranges != NULL && i < ranges->len; i++) {
    const ImapRange *range = &g_array_index(ranges, ImapRange, i);
    ImapUidrun run = {(guint32)next, range->first, range->last - range->first + 1};
    g_array_append_val(map->runs, run);
    next += run.n;
    if (next > (guint64)G_MAXUINT32 + 1)
      return NULL;
  }
  return ranges != NULL && settle(map->runs) ? g_steal_pointer(&map) : NULL;
}

/* ---- sets --------------------------------------------------------------------------------------- */

/* Of the run what lies within the range, if anything does. */
static gboolean cut(const ImapUidrun *run, const ImapRange *range, ImapUidrun *ret) {
  guint64 first = MAX(run->from, range->first), end = MIN((guint64)run->from + run->n, (guint64)range->last + 1);
  if (first >= end)
    return FALSE;
  *ret = (ImapUidrun){(guint32)first, run->to + (guint32)(first - run->from), (guint32)(end - first)};
  return TRUE;
}

static GArray *intersect(const GArray *runs, const ImapSeqset *wanted) {
  GArray *parts = g_array_new(FALSE, FALSE, sizeof(ImapUidrun));
  gsize n, i = 0;
  const ImapRange *ranges = imap_seqset_ranges(wanted, &n);
  for (guint k = 0; k < runs->len; k++) {
    const ImapUidrun *run = &g_array_index(runs, ImapUidrun, k);
    ImapUidrun part;
    while (i < n && ranges[i].last < run->from)
      i++;
    for (gsize j = i; j < n && cut(run, &ranges[j], &part); j++)
      g_array_append_val(parts, part);
  }
  return parts;
}

gboolean imap_uidmap_append(ImapUidmap *map, const ImapUidmap *more) {
  if (map->runs->len + more->runs->len > IMAP_LIMIT_RANGES)
    return FALSE;
  g_array_append_vals(map->runs, more->runs->data, more->runs->len);
  return TRUE;
}

gboolean imap_uidmap_settle(ImapUidmap *map, const ImapSeqset *wanted) {
  gboolean fine = settle(map->runs);
  GArray *parts = intersect(map->runs, wanted);
  if (!fine)
    g_array_set_size(parts, 0);
  g_array_unref(map->runs);
  map->runs = parts;
  return fine;
}

guint32 imap_uidmap_find(const ImapUidmap *map, guint32 from) {
  guint low = 0, high = map->runs->len;
  while (low < high) {
    guint middle = low + (high - low) / 2;
    const ImapUidrun *run = run_at(map, middle);
    if (from >= run->from && from - run->from < run->n)
      return run->to + (from - run->from);
    if (from < run->from)
      high = middle;
    else
      low = middle + 1;
  }
  return 0;
}

const ImapUidrun *imap_uidmap_runs(const ImapUidmap *map, gsize *ret_n) {
  *ret_n = map->runs->len;
  return (const ImapUidrun *)(gpointer)map->runs->data;
}

ImapSeqset *imap_uidmap_sources(const ImapUidmap *map) {
  ImapSeqset *sources = imap_seqset_new();
  for (guint i = 0; i < map->runs->len; i++)
    imap_seqset_add(sources, run_at(map, i)->from, run_at(map, i)->from + (run_at(map, i)->n - 1));
  return sources;
}
