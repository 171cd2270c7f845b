/* SPDX-License-Identifier: MIT */
/*
 * A request is held, then it waits, then it is answered:
 *
 *   FREE ── hold ──▶ HELD ── settle ──▶ WAITING ── taken ──▶ FREE, owned by the thread that took it
 *                     │ └── event ──▶ FIRED ── settle says PARK_EVENT ──▶ FREE
 *                     └── release ──▶ FREE
 *
 * Held, it belongs to the handler, which now asks the cache. An event that comes between the question and the wait is
 * not lost: it marks the request FIRED, and park_settle() refuses to wait. Once WAITING it belongs to the table, and
 * whoever removes it from the table under the mutex owns it: there is no second way to an answer.
 *
 * The thread of the park looks after deadlines and interrupts. A deadline is a time of *silence*: while the server
 * sends anything (a long literal, other people's bodies), it moves on. `firm` ones do not move.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/park.h"

enum { FREE, HELD, FIRED, WAITING };

struct _Park {
  gint64 (*heard)(gpointer data);
  gpointer heard_data;
  GThread *thread;

  GMutex mutex;      /* guards all below, and the fields of requests in the table */
  GCond wake;        /* an interrupt, an earlier deadline, or the end */
  GHashTable *table; /* &key → GPtrArray of Parked */
  guint waiting;
  gint64 next; /* when the thread wakes up by itself */
  gboolean closed;
};

typedef struct {
  guint64 key;
  GPtrArray *list;
} Slot;

static void slot_free(gpointer data) {
  Slot *slot = data;
  g_ptr_array_unref(slot->list);
  g_free(slot);
}

/* The following are called with the mutex held. */
static void insert(Park *park, Parked *parked) {
  Slot *slot = g_hash_table_lookup(park->table, &parked->key);
  if (!slot) {
    slot = g_new0(Slot, 1);
    slot->key = parked->key;
    slot->list = g_ptr_array_new();
    g_hash_table_insert(park->table, &slot->key, slot);
  }
  g_ptr_array_add(slot->list, parked);
}

static void withdraw(Park *park, Parked *parked) {
  Slot *slot = g_hash_table_lookup(park->table, &parked->key);
  gboolean found = slot && g_ptr_array_remove_fast(slot->list, parked);
  g_assert(found);
  if (slot->list->len == 0)
    g_hash_table_remove(park->table, &slot->key);
  if (parked->state == WAITING)
    park->waiting--;
  parked->state = FREE;
}

/* What the thread has to do about a request, if anything; moves a deadline that the line has outlived. */
static ParkOutcome judge(Parked *parked, gint64 now, gint64 heard) {
  if (parked->interrupted)
    return PARK_INTERRUPTED;
  gint64 patience = parked->deadline - parked->since;
  if (!parked->firm && heard > parked->since) {
    parked->since = heard;
    parked->deadline = heard + patience;
  }
  return parked->deadline <= now ? PARK_LATE : PARK_WAITING;
}

typedef struct {
  Parked *parked;
  ParkOutcome outcome;
} Due;

static GArray *collect_due(Park *park, gint64 heard) {
  GArray *due = g_array_new(FALSE, FALSE, sizeof(Due));
  gint64 now = g_get_monotonic_time();
  GHashTableIter iter;
  gpointer value;

  park->next = G_MAXINT64;
  g_hash_table_iter_init(&iter, park->table);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    GPtrArray *list = ((Slot *)value)->list;
    for (guint i = 0; i < list->len; i++) {
      Parked *parked = g_ptr_array_index(list, i);
      if (parked->state != WAITING)
        continue;
      Due one = {parked, park->closed ? PARK_CLOSED : judge(parked, now, heard)};
      if (one.outcome != PARK_WAITING)
        g_array_append_val(due, one);
      else
        park->next = MIN(park->next, parked->deadline);
    }
  }
  for (guint i = 0; i < due->len; i++)
    withdraw(park, g_array_index(due, Due, i).parked);
  return due;
}

static void answer_due(const GArray *due) {
  for (guint i = 0; i < due->len; i++) {
    Due *one = &g_array_index(due, Due, i);
    one->parked->answer(one->parked, one->outcome, NULL);
  }
}

static gpointer watch(gpointer data) {
  Park *park = data;
  for (;;) {
    gint64 heard = park->heard(park->heard_data);
    g_mutex_lock(&park->mutex);
    g_autoptr(GArray) due = collect_due(park, heard);
    if (due->len == 0 && park->closed) {
      g_mutex_unlock(&park->mutex);
      return NULL;
    }
    if (due->len == 0) {
      if (park->next == G_MAXINT64)
        g_cond_wait(&park->wake, &park->mutex);
      else
        g_cond_wait_until(&park->wake, &park->mutex, park->next);
    }
    g_mutex_unlock(&park->mutex);
    answer_due(due);
  }
}

Park *park_new(gint64 (*heard)(gpointer data), gpointer data) {
  Park *park = g_new0(Park, 1);
  park->heard = heard;
  park->heard_data = data;
  park->table = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, slot_free);
  park->next = G_MAXINT64;
  g_mutex_init(&park->mutex);
  g_cond_init(&park->wake);
  park->thread = g_thread_new("park", watch, park);
  return park;
}

void park_free(Park *park) {
  g_assert(park->closed && g_hash_table_size(park->table) == 0);
  g_thread_join(park->thread);
  g_hash_table_unref(park->table);
  g_mutex_clear(&park->mutex);
  g_cond_clear(&park->wake);
  g_free(park);
}

void park_hold(Park *park, Parked *parked, guint64 key) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&park->mutex);
  g_assert(parked->state == FREE);
  parked->key = key;
  parked->state = HELD;
  insert(park, parked);
}

void park_release(Park *park, Parked *parked) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&park->mutex);
  g_assert(parked->state == HELD || parked->state == FIRED);
  withdraw(park, parked);
}

ParkOutcome park_settle(Park *park, Parked *parked, gint64 wait, gboolean firm) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&park->mutex);
  g_assert(parked->state == HELD || parked->state == FIRED);
  ParkOutcome outcome = park->closed               ? PARK_CLOSED
                        : parked->interrupted      ? PARK_INTERRUPTED
                        : (parked->state == FIRED) ? PARK_EVENT
                                                   : PARK_WAITING;
  if (outcome != PARK_WAITING) {
    withdraw(park, parked);
    return outcome;
  }
  parked->since = g_get_monotonic_time();
  parked->deadline = parked->since + wait;
  parked->firm = firm;
  parked->state = WAITING;
  park->waiting++;
  if (parked->deadline < park->next)
    g_cond_signal(&park->wake);
  return PARK_WAITING;
}

void park_event(Park *park, guint64 key, const CacheEvent *event) {
  g_autoptr(GPtrArray) taken = g_ptr_array_new();
  g_mutex_lock(&park->mutex);
  Slot *slot = g_hash_table_lookup(park->table, &key);
  for (guint i = 0; slot && i < slot->list->len; i++) {
    Parked *parked = g_ptr_array_index(slot->list, i);
    if (parked->state == WAITING)
      g_ptr_array_add(taken, parked);
    else
      parked->state = FIRED;
  }
  for (guint i = 0; i < taken->len; i++)
    withdraw(park, g_ptr_array_index(taken, i));
  g_mutex_unlock(&park->mutex);

  for (guint i = 0; i < taken->len; i++) {
    Parked *parked = g_ptr_array_index(taken, i);
    parked->answer(parked, PARK_EVENT, event);
  }
}

void park_interrupt(Park *park, Parked *parked) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&park->mutex);
  parked->interrupted = TRUE;
  if (parked->state == WAITING)
    g_cond_signal(&park->wake);
}

void park_close(Park *park) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&park->mutex);
  park->closed = TRUE;
  g_cond_signal(&park->wake);
}

guint park_waiting(Park *park) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&park->mutex);
  return park->waiting;
}
