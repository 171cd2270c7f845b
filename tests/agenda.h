/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/sync/agenda.h"

/* An agenda whose clock stands still, and what its tests say of it in a word. */
#define S ((gint64)G_USEC_PER_SEC)

extern Agenda *agenda;
extern gint64 clock_now;   /* monotonic µs */
extern gint64 next_try_at; /* before which connecting is no use */

void agenda_setup(void); /* a checked fixture: online, and everything has just been looked at */
void agenda_teardown(void);

void pass(gint64 seconds);
SyncAnswer want(gint64 row, IndexListed listed, guint attrs);
SyncAnswer want_listed(gint64 row);
void verified(gint64 row);
void told_and_verified(gint64 row);

AgendaTask task(void); /* the next one: there must be one */
guint taken(AgendaQueue queue);

/* What waits for work, and whether it finds some. That is the end of the agenda. */
GThread *begin_work(GThreadFunc func); /* it looks: who asks the agenda next finds it asleep, or done */
gpointer next_task(gpointer agenda);
gpointer await_watch(gpointer agenda);
gboolean has_work(GThreadFunc func);
