/* SPDX-License-Identifier: MIT */
/*
 * A `grep -r` over more mail than the cache holds would push everything out of a plain LRU, and then miss everything
 * when it runs again. So there are two queues:
 *
 *   main       all that came while there was room, and what proved itself; least recently used goes first
 *   probation  newcomers once the cache is full; at most a quarter of it; oldest goes first, uses do not matter
 *
 * A body leaves probation for main when it is used a second time, PROVEN seconds or more after it came: what one scan
 * does twice to a file (file, then grep) proves nothing. Eviction takes from probation while that is over its quarter,
 * else from main. So a scan keeps three quarters of what was there, and what fits is found again by the next scan.
 * "Full" lasts from the first eviction until a tenth is free, so that the crumbs that an eviction leaves admit nobody
 * to main.
 *
 * A body larger than the quarter is not kept: it would live in no queue.
 *
 * Entries lie in one array (44 octets for each of perhaps a million bodies, with the hash), linked by their places in
 * it: `older` and `newer` in a queue, `chain` in a hash bucket or in the list of free places. Place 0 is nobody.
 */
#include "cache/body/body_table.h"

#define PROVEN 60
#define SHARE 4       /* probation's part is 1/SHARE */
#define FIRST_SIZE 64 /* places at the start; a power of two */

typedef struct {
  guint32 oldest, newest;
  guint64 bytes;
} Queue;

struct _BodyTable {
  guint64 limit, clock;
  Queue queues[BODY_QUEUES];
  gboolean full;
  guint dirty;
  BodyEntry *entries;
  guint32 *buckets;          /* as many as places */
  guint32 size, fresh, free; /* places; first never used; head of those given back */
};

BodyTable *body_table_new(guint64 limit) {
  BodyTable *table = g_new0(BodyTable, 1);
  table->limit = limit;
  body_table_clear(table);
  return table;
}

void body_table_free(BodyTable *table) {
  g_free(table->entries);
  g_free(table->buckets);
  g_free(table);
}

void body_table_clear(BodyTable *table) {
  g_free(table->entries);
  g_free(table->buckets);
  *table = (BodyTable){.limit = table->limit, .clock = table->clock, .size = FIRST_SIZE, .fresh = 1};
  table->entries = g_new0(BodyEntry, FIRST_SIZE);
  table->buckets = g_new0(guint32, FIRST_SIZE);
}

static guint32 *bucket_of(BodyTable *table, gint64 row) {
  return &table->buckets[((guint64)row * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) >> 32) & (table->size - 1)];
}

static void grow(BodyTable *table) {
  table->size *= 2;
  table->entries = g_renew(BodyEntry, table->entries, table->size);
  g_free(table->buckets);
  table->buckets = g_new0(guint32, table->size);
  for (guint32 i = 1; i < table->fresh; i++) { /* none is free, or we would not grow */
    guint32 *bucket = bucket_of(table, table->entries[i].row);
    table->entries[i].chain = *bucket;
    *bucket = i;
  }
}

static guint32 take_place(BodyTable *table) {
  guint32 place = table->free;
  if (place) {
    table->free = table->entries[place].chain;
    return place;
  }
  if (table->fresh == table->size)
    grow(table);
  return table->fresh++;
}

static void link_newest(BodyTable *table, guint32 place) {
  BodyEntry *entry = &table->entries[place];
  Queue *queue = &table->queues[entry->queue];
  entry->older = queue->newest;
  entry->newer = 0;
  if (queue->newest)
    table->entries[queue->newest].newer = place;
  else
    queue->oldest = place;
  queue->newest = place;
  queue->bytes += entry->bytes;
}

static void unlink_from_queue(BodyTable *table, guint32 place) {
  BodyEntry *entry = &table->entries[place];
  Queue *queue = &table->queues[entry->queue];
  *(entry->older ? &table->entries[entry->older].newer : &queue->oldest) = entry->newer;
  *(entry->newer ? &table->entries[entry->newer].older : &queue->newest) = entry->older;
  queue->bytes -= entry->bytes;
}

static guint32 find_place(BodyTable *table, gint64 row) {
  guint32 place = *bucket_of(table, row);
  while (place && table->entries[place].row != row)
    place = table->entries[place].chain;
  return place;
}

BodyEntry *body_table_find(BodyTable *table, gint64 row) {
  guint32 place = find_place(table, row);
  return place ? &table->entries[place] : NULL;
}

BodyEntry *body_table_restore(BodyTable *table, gint64 row, guint64 bytes, BodyQueue queue, guint64 used) {
  body_table_remove(table, row);
  guint32 place = take_place(table), *bucket = bucket_of(table, row);
  table->clock = MAX(table->clock, used);
  table->entries[place] = (BodyEntry){.row = row, .used = used, .bytes = bytes, .queue = queue & 1, .chain = *bucket};
  *bucket = place;
  link_newest(table, place);
  return &table->entries[place];
}

BodyEntry *body_table_add(BodyTable *table, gint64 row, guint64 bytes, guint32 now) {
  body_table_remove(table, row);
  guint64 total = body_table_bytes(table) + bytes;
  if (total <= table->limit - table->limit / 10)
    table->full = FALSE;
  BodyQueue queue = table->full || total > table->limit ? BODY_PROBATION : BODY_MAIN;
  BodyEntry *entry = body_table_restore(table, row, bytes, queue, table->clock + 1);
  entry->first = now;
  return entry;
}

static void mark(BodyTable *table, BodyEntry *entry) {
  table->dirty += !entry->dirty;
  entry->dirty = 1;
}

void body_table_use(BodyTable *table, BodyEntry *entry, guint32 now) {
  if (entry->queue == BODY_PROBATION && now - entry->first < PROVEN)
    return;
  guint32 place = (guint32)(entry - table->entries);
  unlink_from_queue(table, place);
  entry->queue = BODY_MAIN;
  entry->used = ++table->clock;
  link_newest(table, place);
  mark(table, entry);
}

void body_table_verified(BodyTable *table, BodyEntry *entry) {
  entry->verified = 1;
  mark(table, entry);
}

gboolean body_table_remove(BodyTable *table, gint64 row) {
  guint32 place = find_place(table, row), *from = bucket_of(table, row);
  if (!place)
    return FALSE;
  while (*from != place)
    from = &table->entries[*from].chain;
  *from = table->entries[place].chain;
  unlink_from_queue(table, place);
  table->dirty -= table->entries[place].dirty;
  table->entries[place] = (BodyEntry){.chain = table->free};
  table->free = place;
  return TRUE;
}

gboolean body_table_accepts(const BodyTable *table, guint64 bytes) {
  return bytes <= table->limit / SHARE;
}

guint64 body_table_bytes(const BodyTable *table) {
  return table->queues[BODY_MAIN].bytes + table->queues[BODY_PROBATION].bytes;
}

guint body_table_dirty(const BodyTable *table) {
  return table->dirty;
}

gint64 body_table_evict(BodyTable *table, gboolean shrink, guint64 *ret_bytes) {
  const Queue *main_queue = &table->queues[BODY_MAIN], *probation = &table->queues[BODY_PROBATION];
  if (!shrink && body_table_bytes(table) <= table->limit)
    return 0;
  gboolean over = probation->bytes > table->limit / SHARE || !main_queue->oldest;
  const BodyEntry *entry = &table->entries[over ? probation->oldest : main_queue->oldest];
  gint64 row = entry->row;
  *ret_bytes = entry->bytes;
  table->full |= !shrink;
  return body_table_remove(table, row) ? row : 0;
}

void body_table_flush(BodyTable *table, void (*each)(const BodyEntry *entry, gpointer data), gpointer data) {
  for (guint q = 0; q < BODY_QUEUES; q++)
    for (guint32 place = table->queues[q].newest; place && table->dirty; place = table->entries[place].older) {
      BodyEntry *entry = &table->entries[place];
      if (!entry->dirty)
        continue;
      each(entry, data);
      entry->dirty = 0;
      table->dirty--;
    }
}
