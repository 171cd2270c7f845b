/* SPDX-License-Identifier: MIT */
#include "cache/sync/network.h"

#include <check.h>
#include <gio/gio.h>

#include "tests/suite.h"

typedef struct {
  GMutex mutex; /* guards all below */
  GCond cond;
  guint changed, resumed;
} Heard;

static void hear(NetworkNews news, gpointer data) {
  Heard *heard = data;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&heard->mutex);
  if (news == NETWORK_CHANGED)
    heard->changed++;
  else
    heard->resumed++;
  g_cond_broadcast(&heard->cond);
}

/* FALSE: not within 20 ms. */
static gboolean has_changed(Heard *heard) {
  gint64 until = g_get_monotonic_time() + 20000;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&heard->mutex);
  while (heard->changed == 0 && g_cond_wait_until(&heard->cond, &heard->mutex, until))
    ;
  return heard->changed > 0;
}

static void say_changed(void) {
  g_signal_emit_by_name(g_network_monitor_get_default(), "network-changed", TRUE);
}

START_TEST(a_sleep_is_more_than_a_moment) {
  gint64 slept = 5 * G_USEC_PER_SEC;
  ck_assert(!network_has_slept(&slept, slept));
  ck_assert(!network_has_slept(&slept, slept + G_USEC_PER_SEC)); /* clocks are read one after the other */
  ck_assert(network_has_slept(&slept, slept + 60 * (gint64)G_USEC_PER_SEC));
  ck_assert(!network_has_slept(&slept, slept));
}
END_TEST

START_TEST(the_clocks_agree_while_awake) {
  gint64 slept = network_slept();
  ck_assert(!network_has_slept(&slept, network_slept()));
}
END_TEST

/* The monitor says it for each route. */
START_TEST(many_words_are_one_change) {
  Heard heard = {0};
  Network *network = network_new(hear, &heard);
  guint said = 0;
  do { /* until the thread listens, words are lost */
    for (guint i = 0; i < 100; i++, said++)
      say_changed();
  } while (!has_changed(&heard));
  network_free(network);
  ck_assert_uint_lt(heard.changed, said / 10);
  ck_assert_uint_eq(heard.resumed, 0);
}
END_TEST

START_TEST(nothing_is_told_after_its_end) {
  Heard heard = {0};
  Network *network = network_new(hear, &heard);
  say_changed();
  network_free(network);
  guint before = heard.changed;
  say_changed();
  ck_assert_uint_eq(heard.changed, before);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/network");
  TCase *tests = tcase_create("network");
  tcase_add_test(tests, a_sleep_is_more_than_a_moment);
  tcase_add_test(tests, the_clocks_agree_while_awake);
  tcase_add_test(tests, many_words_are_one_change);
  tcase_add_test(tests, nothing_is_told_after_its_end);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
