/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>

#include "imap/seqset.h"

/* "SET/SET": reading and writing, and the algebra of the two. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data;
  const char *slash = size > 0 ? memchr(text, '/', size) : NULL;
  if (!slash)
    return 0;
  gsize len = (gsize)(slash - text);
  g_autoptr(ImapSeqset) a = imap_seqset_parse(text, len, 7);
  g_autoptr(ImapSeqset) b = imap_seqset_parse(slash + 1, size - len - 1, 0);
  if (!a || !b)
    return 0;
  g_autofree char *canonical = imap_seqset_format(a);
  g_autoptr(ImapSeqset) again = imap_seqset_parse(canonical, strlen(canonical), 0);
  g_assert(again && imap_seqset_equal(a, again));

  g_autoptr(ImapSeqset) minus = imap_seqset_subtract(a, b);
  g_autoptr(ImapSeqset) both = imap_seqset_intersect(a, b);
  g_assert_cmpuint(imap_seqset_count(minus) + imap_seqset_count(both), ==, imap_seqset_count(a));
  g_autoptr(ImapSeqset) rest = imap_seqset_copy(a);
  gsize n;
  const ImapRange *holes = imap_seqset_ranges(b, &n);
  for (gsize i = 0; i < n; i++)
    imap_seqset_remove(rest, holes[i].first, holes[i].last);
  g_assert(imap_seqset_equal(rest, minus));

  g_autoptr(ImapSeqset) sum = imap_seqset_new();
  while (!imap_seqset_empty(again)) {
    g_autoptr(ImapSeqset) some = imap_seqset_take(again, 3000000000u, 25);
    g_autofree char *part = imap_seqset_format(some);
    g_assert(*part && strlen(part) <= 25);
    const ImapRange *ranges = imap_seqset_ranges(some, &n);
    for (gsize i = 0; i < n; i++)
      imap_seqset_add(sum, ranges[i].first, ranges[i].last);
  }
  g_assert(imap_seqset_equal(sum, a));
  return 0;
}
