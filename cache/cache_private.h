/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the façade share: open.c owns it, cache.c answers from it. Nobody else includes this. */
#include "cache/account.h"
#include "cache/brake.h"
#include "cache/cache.h"
#include "cache/draft.h"
#include "cache/errand.h"
#include "cache/fetch.h"
#include "cache/index_backup.h"
#include "cache/place.h"
#include "cache/replay.h"
#include "cache/sync.h"

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
  gint64 root;
  gboolean stopped;
};
