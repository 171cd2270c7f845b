/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/seqset.h"

/*
 * Which UID a message had and which it has now: what COPYUID says, and APPENDUID of several messages (RFC 4315). Pairs
 * are kept as runs and never expanded. Not thread-safe.
 */
typedef struct _ImapUidmap ImapUidmap;

typedef struct {
  guint32 from, to, n; /* from is now to, from + 1 is to + 1 ... n of them */
} ImapUidrun;

ImapUidmap *imap_uidmap_new(void);
void imap_uidmap_free(ImapUidmap *map);

/* The two sets of a COPYUID, in the order in which they name UIDs. NULL where they are no mapping: not as many there as
 * here, a UID with two partners, or what imap_seqset_parse() does not read. */
ImapUidmap *imap_uidmap_parse(const char *from, gsize from_len, const char *to, gsize to_len);
/* The set of an APPENDUID: from 1 on, by the order in which it names them. */
ImapUidmap *imap_uidmap_parse_list(const char *to, gsize to_len);

/* Adds what another response said. Only imap_uidmap_settle() makes the map whole again. FALSE: more than
 * IMAP_LIMIT_RANGES runs. */
gboolean imap_uidmap_append(ImapUidmap *map, const ImapUidmap *more);
/* Sorts, keeps only pairs with a source in `wanted`, drops repetitions. FALSE, and the map is empty, where a UID has
 * two partners: then nothing in it can be believed. */
gboolean imap_uidmap_settle(ImapUidmap *map, const ImapSeqset *wanted);

guint32 imap_uidmap_find(const ImapUidmap *map, guint32 from);           /* 0: not in it */
const ImapUidrun *imap_uidmap_runs(const ImapUidmap *map, gsize *ret_n); /* by `from`; valid until the map changes */
ImapSeqset *imap_uidmap_sources(const ImapUidmap *map);                  /* a new set */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapUidmap, imap_uidmap_free)
