/* SPDX-License-Identifier: MIT */
/*
 * News of the cache, in order: what somebody waits for is answered here and now; what the kernel holds and must forget
 * goes to the notifier, because telling the kernel may block and answering must not.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/answer.h"

#include "fs/call.h"
#include "fs/inode.h"

static void deliver(Fs *fs, const CacheEvent *event) {
  switch (event->type) {
  case CACHE_EVENT_FOLDER:
    park_event(fs->park, inode_number(fs->root, CACHE_FOLDER, event->row), event);
    break;
  case CACHE_EVENT_BODY:
    park_event(fs->park, inode_number(fs->root, CACHE_MESSAGE, event->row), event);
    break;
  case CACHE_EVENT_DONE:
    park_event(fs->park, inode_number(fs->root, event->kind, event->row), event);
    break;
  case CACHE_EVENT_CHANGED:
  case CACHE_EVENT_REMOVED:
  case CACHE_EVENT_MOVED:
  case CACHE_EVENT_ATTR:
  case CACHE_EVENT_DATA:
    notify_push(fs->notify, event);
    break;
  }
}

gpointer answer_run(gpointer data) {
  Fs *fs = data;
  CacheEvent event = {.fd = -1};

  while (cache_next_event(fs->cache, &event)) {
    deliver(fs, &event);
    cache_event_clear(&event);
  }
  return NULL;
}
