/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the façade share: open.c owns it, cache.c answers from it. Nobody else includes this. */
#include "cache/account.h"
#include "cache/body/fetch.h"
#include "cache/brake.h"
#include "cache/cache.h"
#include "cache/draft/draft.h"
#include "cache/index/index_backup.h"
#include "cache/place.h"
#include "cache/replay/replay.h"
#include "cache/sync/sync.h"
#include "cache/tree/errand.h"

struct _Cache {
  Account account;
  Place place;
  gboolean placed;
  Sync *sync;
  Fetch *fetch;
  Errands *errands;
  Replay *replay;
  Drafts *drafts;
  IndexBackup *backup;
  Brake *brake;
  gboolean stopped;
};

/* What an index_get_ or index_find_ means by FALSE. */
static inline CacheAnswer cache_none_or_failed(GError **error) {
  return error && *error ? CACHE_FAILED : CACHE_ABSENT;
}

/* All its messages are in the index. One that is being matched again was known before, and stays visible. */
gboolean cache_is_listed(const IndexMailbox *mailbox);
