/* SPDX-License-Identifier: MIT */
/*
 * The line breaks at each octet of a session that writes in each way, and no letter is ever lost, doubled or altered
 * (scribe.h).
 *
 * Each way is swept at every FAULT_STEP-th octet (a default that takes half a minute in all; 1 for every octet) from
 * the end of the login on, which tests/test_sweep.c has swept; over a server that offers all, and over those that lack
 * what makes it easy. Faults count on the first connection of an account that has only one; where `each` is said, on
 * every connection until the fault is off. Of octets to the server none is altered but under TLS: no server can know.
 *
 * FAULT_ONE="down close 1234 1" FAULT_SESSION=NAME has this one only, and tells what happens in it.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/dovecot.h"
#include "tests/scribe.h"
#include "tests/suite.h"
#include "tests/sweep.h"
#include "tests/tally.h"

#define DEFAULT_STEP 7999
#define LARGE 70000 /* over what LITERAL+ is used for */
#define FEW 8192    /* octets of a direction: of more, so much fewer are tried */

static const ScribeManner manners[] = {
    {.name = "all", .large = LARGE},
    {.name = "restart", .large = LARGE, .restarts = TRUE},
    {.name = "plain", .disable = (char *[]){"MOVE", "MULTIAPPEND", "LITERAL+", NULL}},
    {.name = "plain-restart", .disable = (char *[]){"MOVE", "MULTIAPPEND", "LITERAL+", NULL}, .restarts = TRUE},
    {.name = "marks", .disable = (char *[]){"UIDPLUS", NULL}, .marks = TRUE},
    {.name = "tls", .large = LARGE, .tls = TRUE},
};

static gboolean is_tls(gconstpointer job) {
  return ((const Scribe *)job)->manner->tls;
}

static void run(gpointer job, FaultRelay *relay) {
  scribe_run(job, relay);
}

static const SweepSessions lines = {.workers = 16, .port = scribe_port, .is_tls = is_tls, .run = run};

/* ---- the sweep --------------------------------------------------------------------------------------------- */

static const SweepWay ways[] = {
    {SWEEP_FIRST(FAULT_CLOSE, FAULT_DOWN, NULL), TRUE, TRUE, 1},
    {SWEEP_FIRST(FAULT_RESET, FAULT_DOWN, NULL), FALSE, TRUE, 4},
    {SWEEP_FIRST(FAULT_STALL, FAULT_DOWN, NULL), FALSE, TRUE, 2},
    {SWEEP_FIRST(FAULT_DRIBBLE, FAULT_DOWN, NULL), FALSE, TRUE, 8},
    {SWEEP_FIRST(FAULT_FLIP, FAULT_DOWN, NULL), TRUE, FALSE, 2},
    {SWEEP_FIRST(FAULT_NUL, FAULT_DOWN, NULL), FALSE, TRUE, 2},
    {SWEEP_FIRST(FAULT_TWICE, FAULT_DOWN, NULL), FALSE, TRUE, 1},
    {SWEEP_FIRST(FAULT_CLOSE, FAULT_UP, NULL), TRUE, TRUE, 1},
    {SWEEP_FIRST(FAULT_RESET, FAULT_UP, NULL), FALSE, TRUE, 4},
    {SWEEP_FIRST(FAULT_STALL, FAULT_UP, NULL), FALSE, TRUE, 2},
    {SWEEP_FIRST(FAULT_DRIBBLE, FAULT_UP, NULL), FALSE, TRUE, 8},
    {SWEEP_FIRST(FAULT_FLIP, FAULT_UP, NULL), TRUE, FALSE, 2},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* BYE fault"), FALSE, TRUE, 2},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* 1 EXPUNGE"), FALSE, TRUE, 2},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* 9 EXISTS"), FALSE, TRUE, 4},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "* 3 FETCH (FLAGS (\\Seen))"), FALSE, TRUE, 4},
    {SWEEP_FIRST(FAULT_LINE, FAULT_DOWN, "+ go on"), FALSE, TRUE, 2},
    {SWEEP_EACH(FAULT_CLOSE, FAULT_DOWN, NULL), FALSE, TRUE, 4},
    {SWEEP_EACH(FAULT_CLOSE, FAULT_UP, NULL), FALSE, TRUE, 4},
    {SWEEP_EACH(FAULT_LINE, FAULT_DOWN, "* BYE fault"), FALSE, TRUE, 8},
};

/* An undisturbed session of each manner, in which nothing is wrong. */
static GPtrArray *measure(void) {
  GPtrArray *calm = g_ptr_array_new_with_free_func(scribe_free);
  for (gsize i = 0; i < G_N_ELEMENTS(manners); i++)
    g_ptr_array_add(calm, scribe_new(&manners[i], &(Fault){.kind = FAULT_NONE, .at = G_MAXUINT64}));
  sweep_run(&lines, calm);
  for (guint i = 0; i < calm->len; i++) {
    const Scribe *job = calm->pdata[i];
    if (job->failure)
      puts(job->said->str);
    ck_assert_msg(job->failure == NULL, "%s: %s", job->manner->name, job->failure);
  }
  return calm;
}

static void plan_way(const SweepWay *way, const Scribe *calm, GPtrArray *jobs) {
  Fault fault = way->fault;
  guint64 from = calm->login.octets[fault.direction], to = calm->all.octets[fault.direction];
  guint64 stride = sweep_stride(way, DEFAULT_STEP);
  if (!(calm->manner->tls ? way->tls : way->plain))
    return;
  stride *= 1 + (to - from) / FEW;
  /* Each way begins elsewhere, so that together they meet more octets. */
  for (fault.at = from + (guint64)(way - ways) * 97 % stride; fault.at < to; fault.at += stride)
    g_ptr_array_add(jobs, scribe_new(calm->manner, &fault));
}

static void plan(const Scribe *calm, GPtrArray *jobs) {
  const char *one = g_getenv("FAULT_ONE"), *only = g_getenv("FAULT_SESSION");
  g_autoptr(Fault) wanted = one ? fault_parse(one) : NULL;
  guint before = jobs->len;
  if (only && !g_str_equal(only, calm->manner->name))
    return;
  if (wanted)
    g_ptr_array_add(jobs, scribe_new(calm->manner, wanted));
  for (gsize i = 0; i < G_N_ELEMENTS(ways) && !wanted; i++)
    plan_way(&ways[i], calm, jobs);
  printf("%s: octets %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " up, %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
         " down: %u sessions\n",
         calm->manner->name, calm->login.octets[FAULT_UP], calm->all.octets[FAULT_UP], calm->login.octets[FAULT_DOWN],
         calm->all.octets[FAULT_DOWN], jobs->len - before);
}

static void report(GPtrArray *jobs) {
  guint failed = 0, told = 0, fired = 0;
  gint64 took = 0;
  g_autofree char *first = NULL;
  for (guint i = 0; i < jobs->len; i++) {
    Scribe *job = jobs->pdata[i];
    g_autofree char *fault = fault_print(job->fault);
    fired += job->fired > 0;
    took = MAX(took, job->took);
    failed += job->failure != NULL;
    if (job->failure && !first)
      first = g_strdup_printf("FAULT_ONE='%s' FAULT_SESSION=%s: %s", fault, job->manner->name, job->failure);
    if (job->said->len > 0 && (job->failure || told++ < 3))
      printf("FAULT_ONE='%s' FAULT_SESSION=%s: %s, %d ms\n%s", fault, job->manner->name,
             job->failure ? job->failure : "well", (int)(job->took / 1000), job->said->str);
  }
  printf("%u faults in %u sessions, the longest of which took %d ms\n", fired, jobs->len, (int)(took / 1000));
  fflush(stdout); /* a failed assertion does not */
  ck_assert_msg(failed == 0, "%u of %u sessions went wrong, first %s", failed, jobs->len, first);
}

START_TEST(no_letter_is_lost_or_doubled) {
  g_autoptr(GPtrArray) calm = measure(), jobs = g_ptr_array_new_with_free_func(scribe_free);
  for (guint i = 0; i < calm->len; i++)
    plan(calm->pdata[i], jobs);
  sweep_run(&lines, jobs);
  report(jobs);
}
END_TEST

int main(void) {
  if (!dovecot_installed())
    return 77;
  Suite *suite = suite_create("sweep_write");
  TCase *tests = sweep_case(DEFAULT_STEP, scribe_setup, scribe_teardown);
  tcase_add_test(tests, no_letter_is_lost_or_doubled);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
