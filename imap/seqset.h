/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * A set of UIDs as sorted, disjoint, non-adjacent ranges (RFC 9051 sequence-set). It is never
 * expanded: 1:4294967295 costs eight bytes. Not thread-safe.
 */
typedef struct _ImapSeqset ImapSeqset;

typedef struct {
  guint32 first, last; /* inclusive, 1 <= first <= last */
} ImapRange;

ImapSeqset *imap_seqset_new(void);
ImapSeqset *imap_seqset_copy(const ImapSeqset *set);
void imap_seqset_free(ImapSeqset *set);

/* Reads "1:5,9,12:*" where '*' is star (0: '*' is refused). Reversed ranges and any order are
 * accepted; zero, overflow, more than IMAP_LIMIT_RANGES ranges and anything else give NULL. */
ImapSeqset *imap_seqset_parse(const char *text, gsize len, guint32 star);

void imap_seqset_add(ImapSeqset *set, guint32 first, guint32 last); /* O(1) when ascending */
void imap_seqset_join(ImapSeqset *set, const ImapSeqset *more);     /* adds all of `more`; O(ranges) */
void imap_seqset_remove(ImapSeqset *set, guint32 first, guint32 last);
gboolean imap_seqset_contains(const ImapSeqset *set, guint32 uid);
gboolean imap_seqset_equal(const ImapSeqset *a, const ImapSeqset *b);
guint64 imap_seqset_count(const ImapSeqset *set); /* UIDs, not ranges; O(ranges) */
gboolean imap_seqset_empty(const ImapSeqset *set);
const ImapRange *imap_seqset_ranges(const ImapSeqset *set, gsize *ret_n); /* valid until the set changes */

/* New sets: those in a but not in b, and those in both. O(ranges). */
ImapSeqset *imap_seqset_subtract(const ImapSeqset *a, const ImapSeqset *b);
ImapSeqset *imap_seqset_intersect(const ImapSeqset *a, const ImapSeqset *b);

/* Takes the lowest up to n UIDs out of the set and returns them as a new set; the text of the
 * result stays within max_text octets (at least 10, so that any UID fits). Empty when the set is. */
ImapSeqset *imap_seqset_take(ImapSeqset *set, guint64 n, gsize max_text);

/* "1:5,9": ascending and coalesced; "" for the empty set. A new string. */
char *imap_seqset_format(const ImapSeqset *set);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSeqset, imap_seqset_free)
