/* SPDX-License-Identifier: MIT */
/*
 * The line breaks at each octet of a short session in each way, and nothing that is read is ever wrong (faulty.h).
 *
 * Each way is swept at every FAULT_STEP-th octet (a
 * default that takes half a minute in all; 1 for every octet), over a first session, and over a second one, before
 * which mail has come and gone, so that it has a delta to learn. Faults count on the first connection of an account
 * that has only one; where `each` is said, on every connection until the fault is off.
 *
 * FAULT_ONE="down close 1234 1" FAULT_SESSION=first|second has this one only, and tells what happens in it.
 */
#include <check.h>
#include <stdio.h>

#include "tests/faulty.h"
#include "tests/suite.h"

#define WORKERS 8 /* most of a session is waiting */
#define DEFAULT_STEP 397

/* ---- many at once ------------------------------------------------------------------------------------------ */

static gpointer work(gpointer data) {
  GPtrArray *jobs = ((gpointer *)data)[0];
  gint *next = ((gpointer *)data)[1];
  g_autoptr(FaultRelay) plain = fault_relay_new(faulty_port(FALSE));
  g_autoptr(FaultRelay) tls = fault_relay_new(faulty_port(TRUE));
  for (gint i; (i = g_atomic_int_add(next, 1)) < (gint)jobs->len;) {
    Faulty *job = jobs->pdata[i];
    faulty_run(job, job->tls ? tls : plain);
  }
  return NULL;
}

static void run_all(GPtrArray *jobs) {
  gint next = 0;
  gpointer data[] = {jobs, &next};
  GThread *threads[WORKERS];
  for (guint i = 0; i < WORKERS; i++)
    threads[i] = g_thread_new("worker", work, data);
  for (guint i = 0; i < WORKERS; i++)
    g_thread_join(threads[i]);
}

/* ---- the sweep --------------------------------------------------------------------------------------------- */

typedef struct {
  Fault fault;
  gboolean tls, plain; /* where it is tried */
  guint coarse;        /* this many steps are one */
} Way;

static const Way ways[] = {
    {{FAULT_CLOSE, FAULT_DOWN, 0, 1, NULL}, TRUE, TRUE, 1},
    {{FAULT_RESET, FAULT_DOWN, 0, 1, NULL}, FALSE, TRUE, 2},
    {{FAULT_STALL, FAULT_DOWN, 0, 1, NULL}, TRUE, TRUE, 2},
    {{FAULT_DRIBBLE, FAULT_DOWN, 0, 1, NULL}, TRUE, TRUE, 4},
    {{FAULT_FLIP, FAULT_DOWN, 0, 1, NULL}, TRUE, FALSE, 1},
    {{FAULT_NUL, FAULT_DOWN, 0, 1, NULL}, TRUE, TRUE, 1},
    {{FAULT_CLOSE, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 1},
    {{FAULT_RESET, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 2},
    {{FAULT_STALL, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 2},
    {{FAULT_DRIBBLE, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 2},
    {{FAULT_NUL, FAULT_UP, 0, 1, NULL}, FALSE, TRUE, 1},
    {{FAULT_FLIP, FAULT_UP, 0, 1, NULL}, TRUE, FALSE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* BYE fault"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* 1 EXPUNGE"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* 9 EXISTS"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* 0 EXISTS"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* 3 FETCH (FLAGS (\\Seen))"}, FALSE, TRUE, 1},
    {{FAULT_LINE, FAULT_DOWN, 0, 1, "* OK [ALERT] mind the gap"}, FALSE, TRUE, 2},
    {{FAULT_CLOSE, FAULT_DOWN, 0, FAULT_EACH, NULL}, FALSE, TRUE, 4},
    {{FAULT_STALL, FAULT_DOWN, 0, FAULT_EACH, NULL}, FALSE, TRUE, 8},
    {{FAULT_LINE, FAULT_DOWN, 0, FAULT_EACH, "* BYE fault"}, FALSE, TRUE, 4},
};

static guint64 step_of(void) {
  const char *text = g_getenv("FAULT_STEP");
  guint64 step = text ? g_ascii_strtoull(text, NULL, 10) : 0;
  return step > 0 ? step : DEFAULT_STEP;
}

/* A server that falls silent in the login is given a minute, which is too long for more than the full sweep. */
static guint64 first_octet(const Way *way, const FaultyLength *length, guint64 stride) {
  gsize i = (gsize)(way - ways);
  gboolean skips = way->fault.kind == FAULT_STALL && stride > 1;
  /* Each way begins elsewhere, so that together they meet more octets. */
  return (skips ? length->login.octets[way->fault.direction] : 0) + i * 37 % stride;
}

static GPtrArray *plan(FaultySession which, gboolean tls) {
  GPtrArray *jobs = g_ptr_array_new_with_free_func(faulty_free);
  const char *one = g_getenv("FAULT_ONE");
  guint64 step = step_of();
  FaultyLength length = faulty_measure(which, tls);
  for (const Way *way = ways; way < ways + G_N_ELEMENTS(ways) && !one; way++) {
    Fault fault = way->fault;
    guint64 stride = step == 1 ? 1 : step * way->coarse;
    if (!(tls ? way->tls : way->plain))
      continue;
    for (fault.at = first_octet(way, &length, stride); fault.at < length.all.octets[fault.direction];
         fault.at += stride)
      g_ptr_array_add(jobs, faulty_new(which, tls, &fault));
  }
  g_autoptr(Fault) wanted = one ? fault_parse(one) : NULL;
  if (wanted)
    g_ptr_array_add(jobs, faulty_new(which, tls, wanted));
  printf("%" G_GUINT64_FORMAT " octets up, %" G_GUINT64_FORMAT " down: %u jobs\n", length.all.octets[FAULT_UP],
         length.all.octets[FAULT_DOWN], jobs->len);
  return jobs;
}

static void report(GPtrArray *jobs) {
  guint failed = 0, told = 0, errors = 0, tries = 0, fired = 0;
  gint64 took = 0;
  for (guint i = 0; i < jobs->len; i++) {
    Faulty *job = jobs->pdata[i];
    g_autofree char *fault = fault_print(job->fault);
    errors += job->errors > 0;
    fired += job->fired > 0;
    tries = MAX(tries, job->tries);
    took = MAX(took, job->took);
    failed += job->failure != NULL;
    if (job->said->len > 0 && told++ < 20)
      printf("FAULT_ONE='%s' FAULT_SESSION=%s%s: %s, %u errors, %u looks, %d ms\n%s", fault,
             job->session == FAULTY_FIRST ? "first" : "second", job->tls ? "-tls" : "",
             job->failure ? job->failure : "well", job->errors, job->tries, (int)(job->took / 1000), job->said->str);
  }
  printf("%u faults in %u sessions, %u of which met an error; at most %u looks, the longest took %d ms\n", fired,
         jobs->len, errors, tries, (int)(took / 1000));
  fflush(stdout); /* a failed assertion does not */
  ck_assert_msg(failed == 0, "%u of %u sessions went wrong", failed, jobs->len);
}

static const struct {
  const char *name;
  FaultySession session;
  gboolean tls;
} sessions[] = {{"first", FAULTY_FIRST, FALSE},
                {"second", FAULTY_SECOND, FALSE},
                {"first-tls", FAULTY_FIRST, TRUE},
                {"second-tls", FAULTY_SECOND, TRUE}};

START_TEST(nothing_is_ever_wrong) {
  const char *only = g_getenv("FAULT_SESSION");
  if (only && !g_str_equal(only, sessions[_i].name))
    return;
  g_autoptr(GPtrArray) jobs = plan(sessions[_i].session, sessions[_i].tls);
  run_all(jobs);
  report(jobs);
}
END_TEST

int main(void) {
  if (!dovecot_installed())
    return 77;
  Suite *suite = suite_create("sweep");
  TCase *tests = tcase_create("dovecot");
  tcase_set_timeout(tests, step_of() < DEFAULT_STEP ? 36000 : 200);
  tcase_add_unchecked_fixture(tests, faulty_setup, faulty_teardown);
  tcase_add_loop_test(tests, nothing_is_ever_wrong, 0, G_N_ELEMENTS(sessions));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
