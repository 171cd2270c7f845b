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
#include "tests/sweep.h"

#define DEFAULT_STEP 397

static gboolean is_tls(gconstpointer job) {
  return ((const Faulty *)job)->tls;
}

static void run(gpointer job, FaultRelay *relay) {
  faulty_run(job, relay);
}

static const SweepSessions lines = {.workers = 8, .port = faulty_port, .is_tls = is_tls, .run = run};

/* ---- the sweep --------------------------------------------------------------------------------------------- */

static const SweepWay ways[] = {
    {SWEEP_FIRST(FAULT_CLOSE, FAULT_DOWN, NULL), TRUE, TRUE, 1},
    {SWEEP_FIRST(FAULT_RESET, FAULT_DOWN, NULL), FALSE, TRUE, 2},
    {SWEEP_FIRST(FAULT_STALL, FAULT_DOWN, NULL), TRUE, TRUE, 2},
    {SWEEP_FIRST(FAULT_DRIBBLE, FAULT_DOWN, NULL), TRUE, TRUE, 4},
    {SWEEP_FIRST(FAULT_FLIP, FAULT_DOWN, NULL), TRUE, FALSE, 1},
    {SWEEP_FIRST(FAULT_NUL, FAULT_DOWN, NULL), TRUE, TRUE, 1},
    {SWEEP_FIRST(FAULT_CLOSE, FAULT_UP, NULL), FALSE, TRUE, 1},
    {SWEEP_FIRST(FAULT_RESET, FAULT_UP, NULL), FALSE, TRUE, 2},
    {SWEEP_FIRST(FAULT_STALL, FAULT_UP, NULL), FALSE, TRUE, 2},
    {SWEEP_FIRST(FAULT_DRIBBLE, FAULT_UP, NULL), FALSE, TRUE, 2},
    {SWEEP_FIRST(FAULT_NUL, FAULT_UP, NULL), FALSE, TRUE, 1},
    {SWEEP_FIRST(FAULT_FLIP, FAULT_UP, NULL), TRUE, FALSE, 1},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* BYE fault"), FALSE, TRUE, 1},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* 1 EXPUNGE"), FALSE, TRUE, 1},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* 9 EXISTS"), FALSE, TRUE, 1},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* 0 EXISTS"), FALSE, TRUE, 1},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* 3 FETCH (FLAGS (\\Seen))"), FALSE, TRUE, 1},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* OK [ALERT] mind the gap"), FALSE, TRUE, 2},
    {SWEEP_EACH(FAULT_CLOSE, FAULT_DOWN, NULL), FALSE, TRUE, 4},
    {SWEEP_EACH(FAULT_STALL, FAULT_DOWN, NULL), FALSE, TRUE, 8},
    {SWEEP_EACH(FAULT_LINE, FAULT_DOWN, "* BYE fault"), FALSE, TRUE, 4},
};

/* A server that falls silent in the login is given a minute, which is too long for more than the full sweep. */
static guint64 first_octet(const SweepWay *way, const FaultyLength *length, guint64 stride) {
  gsize i = (gsize)(way - ways);
  gboolean skips = way->fault.kind == FAULT_STALL && stride > 1;
  /* Each way begins elsewhere, so that together they meet more octets. */
  return (skips ? length->login.octets[way->fault.direction] : 0) + i * 37 % stride;
}

static GPtrArray *plan(FaultySession which, gboolean tls) {
  GPtrArray *jobs = g_ptr_array_new_with_free_func(faulty_free);
  const char *one = g_getenv("FAULT_ONE");
  FaultyLength length = faulty_measure(which, tls);
  for (const SweepWay *way = ways; way < ways + G_N_ELEMENTS(ways) && !one; way++) {
    Fault fault = way->fault;
    guint64 stride = sweep_stride(way, DEFAULT_STEP);
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
  sweep_run(&lines, jobs);
  report(jobs);
}
END_TEST

int main(void) {
  if (!dovecot_installed())
    return 77;
  Suite *suite = suite_create("sweep");
  TCase *tests = sweep_case(DEFAULT_STEP, faulty_setup, faulty_teardown);
  tcase_add_loop_test(tests, nothing_is_ever_wrong, 0, G_N_ELEMENTS(sessions));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
