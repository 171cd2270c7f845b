/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/journal/journal.h"
#include "cache/replay/replay.h"

/* A new message that the server has. */
typedef struct {
  const JournalItem *item;
  IndexKey key;
  guint64 claim;          /* RFC822.SIZE */
  guint8 fingerprint[16]; /* of the header that it has */
} ReplayKeep;

/* What we sent becomes the cached body, if that is what the server has: TRUE. It is not, or may not be, where it claims
 * another size, or where servers are known to alter such octets. */
gboolean replay_keep_ours(Account *account, const ReplayKeep *keep);
/* Of those (ReplayKeep) where it is not, the small ones are fetched, unless others wait for the connection: so that
 * their size is exact and their hash known, as if somebody had read them. Their mailbox is selected, and what was said
 * of them committed. FALSE: the line is lost. */
gboolean replay_keep_theirs(Account *account, ImapConn *conn, const GArray *altered, GError **error);
