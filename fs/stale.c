/* SPDX-License-Identifier: MIT */
/*
 * A program that closes a file may open it again at once, and so before a notifier has told the kernel that its lines
 * end in CR LF now: it would read the new octets up to the old size, or append in their midst. So:
 *
 *   SIZE ── LOOKUP ──▶ PAGES ── the notifier has dropped the pages ──▶ NOT
 *     └──── the notifier, and a second without an OPEN ────────────────▲
 *
 * In SIZE an OPEN is answered with ESTALE, upon which the kernel sends LOOKUP and opens once more; in PAGES it may not
 * keep what it has cached. Only LOOKUP counts: attributes that are on their way while others are made invalid are
 * thrown away by the kernel, and an OPEN may follow all the same. Of the two that it asks for after ESTALE one arrives.
 *
 * Changes that we hear of as an event begin with PAGES: an OPEN may have had its ESTALE by then, and a second one would
 * be the program's.
 *
 * The turns see to it that no OPEN slips in between the change and its mark. The kernel queues the RELEASE of a file
 * before close(2) returns, but another worker may be quicker with the next request; so a RELEASE is expected from the
 * moment of its arrival, and OPEN waits for it.
 */
#include "fs/stale.h"

typedef struct {
  guint64 ino;
  guint users;            /* who have the turn or wait for it */
  guint expected;         /* RELEASEs that have arrived, and did not have their turn; they are users, too */
  gboolean busy, closing; /* closing: the turn is that of a RELEASE */
  StaleState state;
  guint mark;  /* counts */
  gint64 told; /* monotonic µs of when the notifier was done, in SIZE; 0: not yet */
} Entry;

#define STALE_AFTER G_USEC_PER_SEC /* after that every OPEN has been preceded by questions that were answered */
#define STALE_CLOSING_MOST (G_USEC_PER_SEC / 10)
#define STALE_MANY 1000 /* entries; then those that are over are looked for */

struct _Stale {
  gint marked; /* atomic: entries with a state; mostly none, and then nobody need look */

  GMutex mutex; /* guards all below */
  GCond turn;
  GHashTable *table;    /* &ino → Entry */
  guint marks, closing; /* closing: RELEASEs that have arrived and are not done */
  guint waiting;        /* for `turn` */
};

Stale *stale_new(void) {
  Stale *stale = g_new0(Stale, 1);
  g_mutex_init(&stale->mutex);
  g_cond_init(&stale->turn);
  stale->table = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
  return stale;
}

void stale_free(Stale *stale) {
  g_hash_table_unref(stale->table);
  g_mutex_clear(&stale->mutex);
  g_cond_clear(&stale->turn);
  g_free(stale);
}

/* ---- with the mutex held ---------------------------------------------------------------------------- */
static Entry *need(Stale *stale, guint64 ino) {
  Entry *entry = g_hash_table_lookup(stale->table, &ino);
  if (!entry) {
    entry = g_new0(Entry, 1);
    entry->ino = ino;
    g_hash_table_insert(stale->table, &entry->ino, entry);
  }
  return entry;
}

static void set_state(Stale *stale, Entry *entry, StaleState state) {
  g_atomic_int_add(&stale->marked, (state != STALE_NOT) - (entry->state != STALE_NOT));
  entry->state = state;
  entry->told = 0;
}

static void drop_if_unused(Stale *stale, Entry *entry) {
  if (entry->users == 0 && entry->state == STALE_NOT)
    g_hash_table_remove(stale->table, &entry->ino);
}

static gboolean is_over(const Entry *entry) {
  return entry->told && g_get_monotonic_time() - entry->told > STALE_AFTER;
}

static void end_if_over(Stale *stale, Entry *entry) {
  if (is_over(entry))
    set_state(stale, entry, STALE_NOT);
}

static gboolean is_forgotten(gpointer key, gpointer value, gpointer data) {
  Entry *entry = value;
  (void)key;
  end_if_over(data, entry);
  return entry->users == 0 && entry->state == STALE_NOT;
}

/* ---- turns ------------------------------------------------------------------------------------------ */
/* With the mutex held. FALSE: it is too late (end 0: never). */
static gboolean await_turn(Stale *stale, gint64 end) {
  gboolean in_time = TRUE;
  stale->waiting++;
  if (end)
    in_time = g_cond_wait_until(&stale->turn, &stale->mutex, end);
  else
    g_cond_wait(&stale->turn, &stale->mutex);
  stale->waiting--;
  return in_time;
}

void stale_enter(Stale *stale, guint64 ino) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  Entry *entry = need(stale, ino);
  entry->users++;
  while (entry->busy || entry->expected > 0)
    await_turn(stale, 0);
  entry->busy = TRUE;
}

void stale_expect(Stale *stale, guint64 ino) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  Entry *entry = need(stale, ino);
  entry->users++;
  entry->expected++;
  stale->closing++;
}

void stale_enter_expected(Stale *stale, guint64 ino) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  Entry *entry = need(stale, ino);
  while (entry->busy)
    await_turn(stale, 0);
  entry->expected--;
  entry->busy = entry->closing = TRUE;
}

void stale_await_closing(Stale *stale) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  gint64 end = g_get_monotonic_time() + STALE_CLOSING_MOST;
  while (stale->closing > 0 && await_turn(stale, end))
    ;
}

void stale_leave(Stale *stale, guint64 ino) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  Entry *entry = need(stale, ino);
  stale->closing -= entry->closing;
  entry->busy = entry->closing = FALSE;
  entry->users--;
  if (stale->waiting > 0)
    g_cond_broadcast(&stale->turn);
  drop_if_unused(stale, entry);
}

/* ---- marks ------------------------------------------------------------------------------------------ */
StaleState stale_look(Stale *stale, guint64 ino) {
  if (g_atomic_int_get(&stale->marked) == 0)
    return STALE_NOT;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  Entry *entry = g_hash_table_lookup(stale->table, &ino);
  if (entry)
    end_if_over(stale, entry);
  return entry ? entry->state : STALE_NOT;
}

void stale_mark(Stale *stale, guint64 ino, StaleState state) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  Entry *entry = need(stale, ino);
  set_state(stale, entry, MAX(entry->state, state));
  entry->mark = ++stale->marks;
  if (g_hash_table_size(stale->table) > STALE_MANY)
    g_hash_table_foreach_remove(stale->table, is_forgotten, stale);
}

void stale_looked_up(Stale *stale, guint64 ino) {
  if (g_atomic_int_get(&stale->marked) == 0)
    return;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  Entry *entry = g_hash_table_lookup(stale->table, &ino);
  if (entry && entry->state == STALE_SIZE)
    set_state(stale, entry, entry->told ? STALE_NOT : STALE_PAGES);
}

guint stale_telling(Stale *stale, guint64 ino) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  const Entry *entry = g_hash_table_lookup(stale->table, &ino);
  return entry ? entry->mark : 0;
}

void stale_told(Stale *stale, guint64 ino, guint mark) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&stale->mutex);
  Entry *entry = g_hash_table_lookup(stale->table, &ino);
  if (!entry || entry->mark != mark)
    return; /* it has changed again meanwhile */
  if (entry->state == STALE_SIZE)
    entry->told = g_get_monotonic_time();
  else
    set_state(stale, entry, STALE_NOT);
  drop_if_unused(stale, entry);
}
