/* SPDX-License-Identifier: MIT */
#include "tests/agenda.h"

#include <check.h>

Agenda *agenda;
gint64 next_try_at, clock_now;

static gint looks; /* atomic: at the clock */

static gint64 next_try(gpointer data) {
  (void)data;
  return next_try_at;
}

static gint64 now(gpointer data) {
  (void)data;
  g_atomic_int_inc(&looks);
  return clock_now;
}

void pass(gint64 seconds) {
  clock_now += seconds * S;
}

void agenda_setup(void) {
  AgendaSetup setup = {.refresh = 15, .now = now, .next_try = next_try};
  next_try_at = 0;
  clock_now = g_get_monotonic_time();
  agenda = agenda_new(&setup);
  agenda_online(agenda, TRUE, NULL);
  agenda_swept(agenda, TRUE);
}

void agenda_teardown(void) {
  agenda_free(agenda);
}

SyncAnswer want(gint64 row, IndexListed listed, guint attrs) {
  IndexMailbox mailbox = {.row = row, .listed = listed, .attrs = attrs};
  return agenda_want(agenda, &mailbox);
}

SyncAnswer want_listed(gint64 row) {
  return want(row, INDEX_LISTED, 0);
}

void verified(gint64 row) {
  agenda_verified(agenda, row, clock_now, FALSE);
}

void told_and_verified(gint64 row) {
  agenda_told(agenda, row);
  verified(row);
}

AgendaTask task(void) {
  AgendaTask ret;
  ck_assert(agenda_next_task(agenda, &ret));
  return ret;
}

gpointer next_task(gpointer data) {
  AgendaTask ret;
  return GINT_TO_POINTER(agenda_next_task(data, &ret));
}

gpointer await_watch(gpointer data) {
  return GINT_TO_POINTER(agenda_await_watch(data));
}

GThread *begin_work(GThreadFunc func) {
  gint before = g_atomic_int_get(&looks);
  GThread *thread = g_thread_new("work", func, agenda);
  while (g_atomic_int_get(&looks) == before)
    g_thread_yield();
  return thread;
}

/* Who finds nothing sleeps, and lets go of the lock, which closing needs. */
gboolean has_work(GThreadFunc func) {
  GThread *thread = begin_work(func);
  agenda_close(agenda);
  return GPOINTER_TO_INT(g_thread_join(thread));
}

guint taken(AgendaQueue queue) {
  g_autoptr(GArray) rows = agenda_take(agenda, queue);
  return rows->len;
}
