/* SPDX-License-Identifier: MIT */
#include "tests/sweep.h"

#define FULL 36000 /* s: ten hours */

guint64 sweep_step(guint64 usual) {
  const char *text = g_getenv("FAULT_STEP");
  guint64 step = text ? g_ascii_strtoull(text, NULL, 10) : 0;
  return step > 0 ? step : usual;
}

guint64 sweep_stride(const SweepWay *way, guint64 usual) {
  guint64 step = sweep_step(usual);
  return step == 1 ? 1 : step * way->coarse;
}

TCase *sweep_case(guint64 usual, void (*setup)(void), void (*teardown)(void)) {
  TCase *tests = tcase_create("dovecot");
  if (sweep_step(usual) < usual)
    tcase_set_timeout(tests, FULL);
  tcase_add_unchecked_fixture(tests, setup, teardown);
  return tests;
}

/* ---- many at once ------------------------------------------------------------------------------------------ */

typedef struct {
  const SweepSessions *sessions;
  GPtrArray *jobs;
  gint next; /* atomic */
} Sweep;

static gpointer work(gpointer data) {
  Sweep *sweep = data;
  g_autoptr(FaultRelay) plain = fault_relay_new(sweep->sessions->port(FALSE));
  g_autoptr(FaultRelay) tls = fault_relay_new(sweep->sessions->port(TRUE));
  for (gint i; (i = g_atomic_int_add(&sweep->next, 1)) < (gint)sweep->jobs->len;) {
    gpointer job = sweep->jobs->pdata[i];
    sweep->sessions->run(job, sweep->sessions->is_tls(job) ? tls : plain);
  }
  return NULL;
}

void sweep_run(const SweepSessions *sessions, GPtrArray *jobs) {
  Sweep sweep = {.sessions = sessions, .jobs = jobs};
  g_autofree GThread **threads = g_new(GThread *, sessions->workers);
  for (guint i = 0; i < sessions->workers; i++)
    threads[i] = g_thread_new("worker", work, &sweep);
  for (guint i = 0; i < sessions->workers; i++)
    g_thread_join(threads[i]);
}
