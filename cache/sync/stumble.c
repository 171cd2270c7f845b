/* SPDX-License-Identifier: MIT */
/*
 * One place per mailbox, and how often in a row it was that one. Lines fail anywhere, so one fall says nothing, and
 * another place begins a new count. A message that is described or skipped has a row from then on and is not asked for
 * again: nothing need be forgotten.
 */
#include "cache/sync/stumble.h"

#define BARE_AFTER 3
#define SKIP_AFTER 5

typedef struct {
  gint64 mailbox;
  guint32 uid;
  guint falls;
} Place;

struct _Stumbles {
  GMutex mutex; /* guards the table */
  GHashTable *places;
};

Stumbles *stumbles_new(void) {
  Stumbles *stumbles = g_new0(Stumbles, 1);
  stumbles->places = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  g_mutex_init(&stumbles->mutex);
  return stumbles;
}

void stumbles_free(Stumbles *stumbles) {
  g_hash_table_unref(stumbles->places);
  g_mutex_clear(&stumbles->mutex);
  g_free(stumbles);
}

void stumbles_note(Stumbles *stumbles, gint64 mailbox, guint32 uid) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stumbles->mutex);
  Place *place = g_hash_table_lookup(stumbles->places, &mailbox);
  if (!place) {
    place = g_new0(Place, 1);
    place->mailbox = mailbox;
    g_hash_table_insert(stumbles->places, &place->mailbox, place);
  }
  place->falls = place->uid == uid ? place->falls + 1 : 1;
  place->uid = uid;
}

Stumble stumbles_at(Stumbles *stumbles, gint64 mailbox, guint32 *ret_uid) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stumbles->mutex);
  const Place *place = g_hash_table_lookup(stumbles->places, &mailbox);
  *ret_uid = place ? place->uid : 0;
  if (!place || place->falls < BARE_AFTER)
    return STUMBLE_NONE;
  return place->falls < SKIP_AFTER ? STUMBLE_BARE : STUMBLE_SKIP;
}
