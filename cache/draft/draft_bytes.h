/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/journal/octets.h"
#include "cache/journal/spool.h"

/*
 * The octets of one draft: in memory while they are few, then in a nameless file of the spool. Or in a file that
 * others have too and that never changes (a body, spool/ROW), which is copied before the first write. A write that
 * fails leaves what was there before. Not thread-safe.
 */
#define DRAFT_MEMORY (256 * 1024)

typedef struct {
  Spool *spool;
  GByteArray *memory; /* or: */
  int fd;             /* -1: in memory */
  gboolean fixed;     /* fd is not ours to change */
  guint64 size;
} DraftBytes;

void draft_bytes_init(DraftBytes *bytes, Spool *spool); /* empty */
void draft_bytes_clear(DraftBytes *bytes);
/* Takes fd, of a file that never changes, in place of what is here. */
gboolean draft_bytes_fix(DraftBytes *bytes, int fd, GError **error);
/* From now on the file that holds them never changes: it has got a name. */
void draft_bytes_freeze(DraftBytes *bytes);

gssize draft_bytes_read(const DraftBytes *bytes, void *buffer, gsize len, guint64 offset, GError **error); /* 0: end */
gboolean draft_bytes_write(DraftBytes *bytes, const void *octets, gsize len, guint64 offset, GError **error);
gboolean draft_bytes_truncate(DraftBytes *bytes, guint64 size, GError **error);
/* Bare LF become CR LF. *ret_before (or NULL): what there was before, the caller's to clear, where that is not the
 * same; else untouched. */
gboolean draft_bytes_to_crlf(DraftBytes *bytes, DraftBytes *ret_before, GError **error);

typedef struct {
  Octets octets;
  guint8 sha256[32], fingerprint[16];
  guint8 crlf_sha256[32]; /* of what draft_bytes_to_crlf() would make of them: octets.size + octets.bare_lf octets */
} DraftDigest;
gboolean draft_bytes_digest(const DraftBytes *bytes, DraftDigest *ret, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DraftBytes, draft_bytes_clear)
