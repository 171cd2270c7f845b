/* SPDX-License-Identifier: MIT */
#include "imap/seqset.h"

#include <stdlib.h>
#include <string.h>

#include "imap/limits.h"

/*
 * An array of ranges, ascending, with at least one absent UID between neighbours. That form is
 * unique for each set, so equality is equality of the arrays. Arithmetic at the upper edge is done
 * in 64 bits: 4294967295 is a valid UID and has no successor.
 */
struct _ImapSeqset {
  GArray *ranges;
};

ImapSeqset *imap_seqset_new(void) {
  ImapSeqset *set = g_new0(ImapSeqset, 1);
  set->ranges = g_array_new(FALSE, FALSE, sizeof(ImapRange));
  return set;
}

ImapSeqset *imap_seqset_copy(const ImapSeqset *set) {
  ImapSeqset *copy = imap_seqset_new();
  g_array_append_vals(copy->ranges, set->ranges->data, set->ranges->len);
  return copy;
}

void imap_seqset_free(ImapSeqset *set) {
  if (!set)
    return;
  g_array_unref(set->ranges);
  g_free(set);
}

static ImapRange *range_at(const ImapSeqset *set, guint i) {
  return &g_array_index(set->ranges, ImapRange, i);
}

/* Index of the first range that ends at or after uid. */
static guint find(const ImapSeqset *set, guint64 uid) {
  guint low = 0, high = set->ranges->len;
  while (low < high) {
    guint middle = low + (high - low) / 2;
    if (range_at(set, middle)->last < uid)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void imap_seqset_add(ImapSeqset *set, guint32 first, guint32 last) {
  g_assert(first >= 1 && first <= last);
  guint n = set->ranges->len;
  ImapRange new = {first, last};
  if (n == 0 || (guint64)range_at(set, n - 1)->last + 1 < first) {
    g_array_append_val(set->ranges, new);
    return;
  }
  /* Ranges i to j-1 overlap the new one or touch it: one range takes their place. */
  guint i = find(set, (guint64)first - 1), j = i;
  while (j < n && range_at(set, j)->first <= (guint64)last + 1)
    j++;
  if (i == j) {
    g_array_insert_val(set->ranges, i, new);
    return;
  }
  ImapRange *into = range_at(set, i);
  into->last = MAX(last, range_at(set, j - 1)->last);
  into->first = MIN(first, into->first);
  if (j - i > 1)
    g_array_remove_range(set->ranges, i + 1, j - i - 1);
}

void imap_seqset_remove(ImapSeqset *set, guint32 first, guint32 last) {
  g_assert(first >= 1 && first <= last);
  guint i = find(set, first), j = i;
  while (j < set->ranges->len && range_at(set, j)->first <= last)
    j++;
  if (i == j)
    return;
  ImapRange left = {range_at(set, i)->first, first - 1}, right = {last + 1, range_at(set, j - 1)->last};
  gboolean has_left = left.first < first;
  gboolean has_right = right.last > last;
  g_array_remove_range(set->ranges, i, j - i);
  if (has_right)
    g_array_insert_val(set->ranges, i, right);
  if (has_left)
    g_array_insert_val(set->ranges, i, left);
}

gboolean imap_seqset_contains(const ImapSeqset *set, guint32 uid) {
  guint i = find(set, uid);
  return i < set->ranges->len && range_at(set, i)->first <= uid;
}

gboolean imap_seqset_equal(const ImapSeqset *a, const ImapSeqset *b) {
  return a->ranges->len == b->ranges->len &&
         (a->ranges->len == 0 || memcmp(a->ranges->data, b->ranges->data, a->ranges->len * sizeof(ImapRange)) == 0);
}

guint64 imap_seqset_count(const ImapSeqset *set) {
  guint64 count = 0;
  for (guint i = 0; i < set->ranges->len; i++)
    count += (guint64)range_at(set, i)->last - range_at(set, i)->first + 1;
  return count;
}

gboolean imap_seqset_empty(const ImapSeqset *set) {
  return set->ranges->len == 0;
}

const ImapRange *imap_seqset_ranges(const ImapSeqset *set, gsize *ret_n) {
  *ret_n = set->ranges->len;
  return (const ImapRange *)(gpointer)set->ranges->data;
}

/* ---- two sets ------------------------------------------------------------------------------- */

static void add_each(ImapSeqset *set, const ImapSeqset *more) {
  for (guint i = 0; i < more->ranges->len; i++)
    imap_seqset_add(set, range_at(more, i)->first, range_at(more, i)->last);
}

void imap_seqset_join(ImapSeqset *set, const ImapSeqset *more) {
  guint i = 0, j = 0, n = set->ranges->len, m = more->ranges->len;
  /* A few at any place, or many behind the last: else each would move all that follow it. */
  if (m <= 4 || n == 0 || range_at(set, n - 1)->last < range_at(more, 0)->first) {
    add_each(set, more);
    return;
  }
  g_autoptr(ImapSeqset) both = imap_seqset_new();
  while (i < n || j < m) {
    gboolean ours = j == m || (i < n && range_at(set, i)->first <= range_at(more, j)->first);
    const ImapRange *next = ours ? range_at(set, i++) : range_at(more, j++);
    imap_seqset_add(both, next->first, next->last);
  }
  GArray *ranges = set->ranges;
  set->ranges = both->ranges;
  both->ranges = ranges;
}

ImapSeqset *imap_seqset_subtract(const ImapSeqset *a, const ImapSeqset *b) {
  ImapSeqset *rest = imap_seqset_new();
  guint j = 0;
  for (guint i = 0; i < a->ranges->len; i++) {
    guint64 first = range_at(a, i)->first, last = range_at(a, i)->last;
    while (j < b->ranges->len && range_at(b, j)->last < first)
      j++;
    /* The last hole may reach into the next range of a: it is looked at again there. */
    for (guint k = j; k < b->ranges->len && range_at(b, k)->first <= last; k++) {
      const ImapRange *hole = range_at(b, k);
      j = k;
      if (hole->first > first)
        imap_seqset_add(rest, (guint32)first, hole->first - 1);
      first = (guint64)hole->last + 1;
    }
    if (first <= last)
      imap_seqset_add(rest, (guint32)first, (guint32)last);
  }
  return rest;
}

ImapSeqset *imap_seqset_intersect(const ImapSeqset *a, const ImapSeqset *b) {
  ImapSeqset *both = imap_seqset_new();
  for (guint i = 0, j = 0; i < a->ranges->len && j < b->ranges->len;) {
    const ImapRange *x = range_at(a, i), *y = range_at(b, j);
    guint32 first = MAX(x->first, y->first), last = MIN(x->last, y->last);
    if (first <= last)
      imap_seqset_add(both, first, last);
    if (x->last < y->last)
      i++;
    else
      j++;
  }
  return both;
}

/* ---- text ----------------------------------------------------------------------------------- */

/* seq-number of RFC 9051: nz-number or "*". */
static gboolean read_number(const char **at, const char *end, guint32 star, guint32 *ret) {
  const char *p = *at;
  guint64 n = 0;
  if (p < end && *p == '*') {
    n = star;
    p++;
  } else {
    for (; p < end && g_ascii_isdigit(*p); p++)
      if ((n = n * 10 + (guint64)(*p - '0')) > G_MAXUINT32)
        return FALSE;
  }
  *at = p;
  *ret = (guint32)n;
  return n > 0;
}

static gboolean read_range(const char **at, const char *end, guint32 star, ImapRange *ret) {
  guint32 a, b;
  if (!read_number(at, end, star, &a))
    return FALSE;
  b = a;
  if (*at < end && **at == ':') {
    ++*at;
    if (!read_number(at, end, star, &b))
      return FALSE;
  }
  *ret = (ImapRange){MIN(a, b), MAX(a, b)};
  return TRUE;
}

static int compare_ranges(gconstpointer a, gconstpointer b) {
  const ImapRange *x = a, *y = b;
  return (x->first > y->first) - (x->first < y->first);
}

ImapSeqset *imap_seqset_parse(const char *text, gsize len, guint32 star) {
  /* Sorted before they are joined: a hostile order must not cost an insertion each. */
  g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(ImapRange));
  const char *at = text, *end = text + len;
  for (;;) {
    ImapRange range;
    if (ranges->len == IMAP_LIMIT_RANGES || !read_range(&at, end, star, &range))
      return NULL;
    g_array_append_val(ranges, range);
    if (at == end)
      break;
    if (*at++ != ',')
      return NULL;
  }
  g_array_sort(ranges, compare_ranges);
  ImapSeqset *set = imap_seqset_new();
  for (guint i = 0; i < ranges->len; i++)
    imap_seqset_add(set, g_array_index(ranges, ImapRange, i).first, g_array_index(ranges, ImapRange, i).last);
  return set;
}

static gsize digits(guint32 n) {
  gsize count = 1;
  while (n >= 10) {
    n /= 10;
    count++;
  }
  return count;
}

static gsize text_size(ImapRange range) {
  return range.first == range.last ? digits(range.first) : digits(range.first) + 1 + digits(range.last);
}

ImapSeqset *imap_seqset_take(ImapSeqset *set, guint64 n, gsize max_text) {
  ImapSeqset *taken = imap_seqset_new();
  gsize room = max_text, used = 0;
  for (guint i = 0; i < set->ranges->len && n > 0; i++) {
    ImapRange range = *range_at(set, i);
    if ((guint64)range.last - range.first >= n)
      range.last = range.first + (guint32)(n - 1);
    gsize comma = i > 0;
    if (text_size(range) + comma > room)
      range.last = range.first;
    if (text_size(range) + comma > room)
      break;
    room -= text_size(range) + comma;
    n -= (guint64)range.last - range.first + 1;
    g_array_append_val(taken->ranges, range);
    if (range.last != range_at(set, i)->last) {
      range_at(set, i)->first = range.last + 1;
      break;
    }
    used++;
  }
  if (used > 0)
    g_array_remove_range(set->ranges, 0, (guint)used);
  return taken;
}

char *imap_seqset_format(const ImapSeqset *set) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < set->ranges->len; i++) {
    const ImapRange *range = range_at(set, i);
    g_string_append_printf(text, "%s%u", i > 0 ? "," : "", range->first);
    if (range->last > range->first)
      g_string_append_printf(text, ":%u", range->last);
  }
  return g_string_free(text, FALSE);
}
