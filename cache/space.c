/* SPDX-License-Identifier: MIT */
/* How much room there is, as last heard. Asked of what is in memory: statfs must neither wait nor fail. */
#include "cache/cache_private.h"
#include "cache/learnt.h"

static guint64 left(guint64 used, guint64 limit) {
  return limit - MIN(used, limit);
}

void cache_space(Cache *cache, CacheSpace *ret) {
  ImapQuota quota;
  learnt_last_quota(cache->account.learnt, &quota);
  *ret = (CacheSpace){0};
  if (quota.has_storage) {
    ret->total = quota.storage_limit;
    ret->left = left(quota.storage, quota.storage_limit);
  }
  if (quota.has_messages) {
    ret->messages_total = quota.messages_limit;
    ret->messages_left = left(quota.messages, quota.messages_limit);
  }
}
