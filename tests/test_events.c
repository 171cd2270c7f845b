/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "cache/events.h"
#include "tests/suite.h"

static void push(CacheEvents *events, CacheEventType type, gint64 row) {
  CacheEvent event = {.type = type, .kind = CACHE_MESSAGE, .row = row, .fd = -1};
  cache_events_push(events, &event);
}

START_TEST(events_come_in_order) {
  g_autoptr(CacheEvents) events = cache_events_new();
  for (gint64 row = 1; row <= 3; row++)
    push(events, CACHE_EVENT_ATTR, row);
  for (gint64 row = 1; row <= 3; row++) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_events_pop(events, &event));
    ck_assert_int_eq(event.row, row);
  }
}
END_TEST

START_TEST(equal_events_become_one_and_the_later_wins) {
  g_autoptr(CacheEvents) events = cache_events_new();
  CacheEvent first = {.type = CACHE_EVENT_BODY, .kind = CACHE_MESSAGE, .row = 1, .name = g_strdup("old")};
  first.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int old = first.fd;
  cache_events_push(events, &first);
  ck_assert(first.fd == -1 && !first.name);
  push(events, CACHE_EVENT_BODY, 2);
  CacheEvent later = {.type = CACHE_EVENT_BODY, .kind = CACHE_MESSAGE, .row = 1, .fd = -1};
  later.error = g_error_new_literal(CACHE_ERROR, CACHE_ERROR_GONE, "expunged");
  cache_events_push(events, &later);
  ck_assert_int_eq(fcntl(old, F_GETFD), -1);
  g_auto(CacheEvent) one = {.fd = -1}, two = {.fd = -1};
  ck_assert(cache_events_pop(events, &one) && cache_events_pop(events, &two));
  ck_assert(one.row == 1 && one.fd == -1 && !one.name);
  ck_assert(g_error_matches(one.error, CACHE_ERROR, CACHE_ERROR_GONE));
  ck_assert_int_eq(two.row, 2);
  cache_events_close(events);
  ck_assert(!cache_events_pop(events, &one));
}
END_TEST

START_TEST(what_was_taken_does_not_coalesce_with_what_comes) {
  g_autoptr(CacheEvents) events = cache_events_new();
  for (int i = 0; i < 2; i++) {
    push(events, CACHE_EVENT_CHANGED, 1);
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_events_pop(events, &event));
  }
}
END_TEST

START_TEST(different_types_and_kinds_stay_apart) {
  g_autoptr(CacheEvents) events = cache_events_new();
  CacheEvent folder = {.type = CACHE_EVENT_REMOVED, .kind = CACHE_FOLDER, .row = 1, .fd = -1};
  cache_events_push(events, &folder);
  push(events, CACHE_EVENT_REMOVED, 1);
  push(events, CACHE_EVENT_ATTR, 1);
  cache_events_close(events);
  for (int i = 0; i < 3; i++) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_events_pop(events, &event));
  }
  g_auto(CacheEvent) none = {.fd = -1};
  ck_assert(!cache_events_pop(events, &none));
}
END_TEST

START_TEST(what_nobody_took_is_released) {
  CacheEvents *events = cache_events_new();
  CacheEvent event = {.type = CACHE_EVENT_BODY, .kind = CACHE_MESSAGE, .row = 1, .name = g_strdup("x")};
  event.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int fd = event.fd;
  cache_events_push(events, &event);
  cache_events_free(events);
  ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

#define PUSHED 20000

static gpointer push_many(gpointer data) {
  for (gint64 row = 1; row <= PUSHED; row++)
    push(data, CACHE_EVENT_ATTR, row);
  return NULL;
}

static gpointer push_and_close(gpointer data) {
  GThread *threads[2];
  for (guint i = 0; i < 2; i++)
    threads[i] = g_thread_new("push", push_many, data);
  for (guint i = 0; i < 2; i++)
    g_thread_join(threads[i]);
  cache_events_close(data);
  return NULL;
}

START_TEST(many_push_while_one_pops) {
  g_autoptr(CacheEvents) events = cache_events_new();
  GThread *thread = g_thread_new("pushers", push_and_close, events);
  g_autofree guint *seen = g_new0(guint, PUSHED + 1);
  CacheEvent event;
  while (cache_events_pop(events, &event))
    seen[event.row]++;
  g_thread_join(thread);
  for (guint row = 1; row <= PUSHED; row++)
    ck_assert_msg(seen[row] >= 1 && seen[row] <= 2, "row %u: %u", row, seen[row]);
}
END_TEST

int main(void) {
  Suite *s = suite_create("events");
  TCase *c = tcase_create("events");
  tcase_add_test(c, events_come_in_order);
  tcase_add_test(c, equal_events_become_one_and_the_later_wins);
  tcase_add_test(c, what_was_taken_does_not_coalesce_with_what_comes);
  tcase_add_test(c, different_types_and_kinds_stay_apart);
  tcase_add_test(c, what_nobody_took_is_released);
  tcase_add_test(c, many_push_while_one_pops);
  suite_add_tcase(s, c);
  return suite_run(s);
}
