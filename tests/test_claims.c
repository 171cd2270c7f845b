/* SPDX-License-Identifier: MIT */
#include "cache/replay/claims.h"

#include <check.h>

#include "tests/suite.h"

typedef struct {
  Claims *claims;
  GMutex mutex; /* guards freed */
  GString *freed;
  GCancellable *cancellable;
} Setup;

static Setup setup;

static void note_freed(gint64 mailbox, gpointer data) {
  Setup *self = data;
  /* It can be claimed by now: no lock is held, and it is free. */
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&self->mutex);
  g_string_append_printf(self->freed, "%d ", (int)mailbox);
}

static void begin(void) {
  setup.claims = claims_new(note_freed, &setup);
  g_mutex_init(&setup.mutex);
  setup.freed = g_string_new(NULL);
  setup.cancellable = g_cancellable_new();
}

static void end(void) {
  claims_free(setup.claims);
  g_string_free(setup.freed, TRUE);
  g_object_unref(setup.cancellable);
  g_mutex_clear(&setup.mutex);
}

typedef struct {
  gint64 mailbox, other;
  gboolean taken;
} Take;

static gpointer take(gpointer data) {
  Take *self = data;
  self->taken = claims_take(setup.claims, self->mailbox, self->other, setup.cancellable);
  return NULL;
}

/* Waits, in a thread, by the time this returns. */
static GThread *begin_take(Take *self) {
  GThread *thread = g_thread_new("taker", take, self);
  while (!claims_contended(setup.claims, self->mailbox))
    g_thread_yield();
  return thread;
}

START_TEST(one_at_a_time) {
  ck_assert(claims_try(setup.claims, 3));
  ck_assert(!claims_try(setup.claims, 3));
  ck_assert(claims_try(setup.claims, 4));
  claims_release(setup.claims, 3, 0);
  ck_assert_str_eq(setup.freed->str, "3 ");
  ck_assert(claims_try(setup.claims, 3));
  claims_release(setup.claims, 3, 4);
  ck_assert_str_eq(setup.freed->str, "3 "); /* nobody was turned away again */
}
END_TEST

START_TEST(two_are_taken_together) {
  Take both = {3, 4, FALSE};
  ck_assert(claims_try(setup.claims, 4));
  GThread *thread = begin_take(&both);
  /* Who waits for 4 does not hold 3, but goes before others. */
  ck_assert(!claims_try(setup.claims, 3));
  claims_release(setup.claims, 4, 0);
  g_thread_join(thread);
  ck_assert(both.taken);
  ck_assert_str_eq(setup.freed->str, "");
  ck_assert(!claims_try(setup.claims, 4));
  claims_release(setup.claims, 3, 4);
  ck_assert_str_eq(setup.freed->str, "3 4 ");
}
END_TEST

START_TEST(a_taker_takes_one_once) {
  ck_assert(claims_take(setup.claims, 3, 3, NULL));
  claims_release(setup.claims, 3, 3);
  ck_assert(claims_take(setup.claims, 3, 0, NULL));
  claims_release(setup.claims, 3, 0);
  ck_assert(claims_try(setup.claims, 3));
}
END_TEST

START_TEST(who_waits_can_be_cancelled) {
  Take both = {3, 4, FALSE};
  ck_assert(claims_try(setup.claims, 4));
  GThread *thread = begin_take(&both);
  ck_assert(!claims_try(setup.claims, 3));
  g_cancellable_cancel(setup.cancellable);
  g_thread_join(thread);
  ck_assert(!both.taken);
  ck_assert_str_eq(setup.freed->str, "3 ");
  ck_assert(claims_try(setup.claims, 3));
  ck_assert(!claims_take(setup.claims, 5, 0, setup.cancellable));
}
END_TEST

static gpointer hammer(gpointer data) {
  gint64 *in = data;
  for (guint i = 0; i < 2000; i++) {
    gboolean taken = i % 2 ? claims_try(setup.claims, 3) : claims_take(setup.claims, 3, 4, NULL);
    if (!taken)
      continue;
    ck_assert_int_eq((*in)++, 0); /* guarded by the claim alone */
    (*in)--;
    claims_release(setup.claims, 3, i % 2 ? 0 : 4);
  }
  return NULL;
}

START_TEST(many_exclude_each_other) {
  GThread *threads[4];
  gint64 in = 0;
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("hammer", hammer, &in);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
  ck_assert(claims_try(setup.claims, 3));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("claims");
  TCase *tests = tcase_create("claims");
  tcase_add_checked_fixture(tests, begin, end);
  tcase_add_test(tests, one_at_a_time);
  tcase_add_test(tests, two_are_taken_together);
  tcase_add_test(tests, a_taker_takes_one_once);
  tcase_add_test(tests, who_waits_can_be_cancelled);
  tcase_add_test(tests, many_exclude_each_other);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
