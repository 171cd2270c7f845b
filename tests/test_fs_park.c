/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>

#include "fs/park.h"
#include "tests/suite.h"

#define SECOND G_USEC_PER_SEC
#define LONG (60 * SECOND)

typedef struct {
  Parked parked; /* first */
  ParkOutcome outcome;
  gboolean event;
} Request;

static GMutex mutex; /* guards what an answer left in its request: the queue's own lock is invisible to TSan */
static GAsyncQueue *answers;
static gint64 heard_at; /* guarded by it, too */
static Park *park;

static gint64 heard(gpointer data) {
  (void)data;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&mutex);
  return heard_at;
}

static void answer(Parked *parked, ParkOutcome outcome, const CacheEvent *event) {
  Request *request = (Request *)parked;
  g_mutex_lock(&mutex);
  request->outcome = outcome;
  request->event = event != NULL;
  g_async_queue_push(answers, request);
  g_mutex_unlock(&mutex);
}

static Request *request_new(void) {
  Request *request = g_new0(Request, 1);
  request->parked.answer = answer;
  return request;
}

static Request *wait_for(guint64 key, gint64 patience, gboolean firm) {
  Request *request = request_new();
  park_hold(park, &request->parked, key);
  ck_assert_int_eq(park_settle(park, &request->parked, patience, firm), PARK_WAITING);
  return request;
}

static void expect(Request *request, ParkOutcome outcome) {
  Request *got = g_async_queue_timeout_pop(answers, 10 * SECOND);
  ck_assert_ptr_eq(got, request);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&mutex);
  ck_assert_int_eq(got->outcome, outcome);
  ck_assert_int_eq(got->event, outcome == PARK_EVENT);
  ck_assert_ptr_null(g_async_queue_try_pop(answers)); /* once */
  g_free(got);
}

static void setup(void) {
  answers = g_async_queue_new();
  heard_at = 0;
  park = park_new(heard, NULL);
}

static void teardown(void) {
  park_close(park);
  park_free(park);
  g_async_queue_unref(answers);
}

START_TEST(news_of_the_key) {
  CacheEvent event = {.fd = -1};
  Request *one = wait_for(1, LONG, FALSE), *two = wait_for(2, LONG, FALSE);
  ck_assert_uint_eq(park_waiting(park), 2);
  park_event(park, 2, &event);
  expect(two, PARK_EVENT);
  park_event(park, 3, &event);
  park_event(park, 1, &event);
  expect(one, PARK_EVENT);
  ck_assert_uint_eq(park_waiting(park), 0);
}
END_TEST

START_TEST(news_between_question_and_wait) {
  CacheEvent event = {.fd = -1};
  Request *request = request_new();
  park_hold(park, &request->parked, 7);
  park_event(park, 7, &event); /* the handler is asking the cache */
  ck_assert_int_eq(park_settle(park, &request->parked, LONG, FALSE), PARK_EVENT);
  park_hold(park, &request->parked, 7); /* asks again; now it waits */
  ck_assert_int_eq(park_settle(park, &request->parked, LONG, FALSE), PARK_WAITING);
  park_event(park, 7, &event);
  expect(request, PARK_EVENT);
}
END_TEST

START_TEST(taken_back) {
  CacheEvent event = {.fd = -1};
  Request *request = request_new();
  park_hold(park, &request->parked, 7);
  park_release(park, &request->parked);
  park_event(park, 7, &event);
  park_hold(park, &request->parked, 7);
  park_event(park, 7, &event);
  park_release(park, &request->parked);
  ck_assert_ptr_null(g_async_queue_try_pop(answers));
  g_free(request);
}
END_TEST

START_TEST(interrupts) {
  Request *waits = wait_for(1, LONG, FALSE), *early = request_new();
  park_interrupt(park, &waits->parked);
  expect(waits, PARK_INTERRUPTED);
  park_interrupt(park, &early->parked); /* before it is held at all */
  park_hold(park, &early->parked, 1);
  ck_assert_int_eq(park_settle(park, &early->parked, LONG, FALSE), PARK_INTERRUPTED);
  g_free(early);
}
END_TEST

START_TEST(deadlines) {
  gint64 begin = g_get_monotonic_time();
  Request *later = wait_for(1, SECOND / 5, FALSE), *soon = wait_for(1, SECOND / 10, FALSE);
  expect(soon, PARK_LATE);
  expect(later, PARK_LATE);
  ck_assert_int_ge(g_get_monotonic_time() - begin, SECOND / 5);
}
END_TEST

/* The line was alive 0.3 s into the wait: the patience of 0.2 s begins there. A firm deadline does not care. */
START_TEST(silence) {
  gint64 begin = g_get_monotonic_time();
  g_mutex_lock(&mutex);
  heard_at = begin + SECOND * 3 / 10;
  g_mutex_unlock(&mutex);
  Request *patient = wait_for(1, SECOND / 5, FALSE), *firm = wait_for(1, SECOND / 5, TRUE);
  expect(firm, PARK_LATE);
  ck_assert_int_lt(g_get_monotonic_time() - begin, SECOND / 2);
  expect(patient, PARK_LATE);
  ck_assert_int_ge(g_get_monotonic_time() - begin, SECOND / 2);
}
END_TEST

START_TEST(closing) {
  Request *waits = wait_for(1, LONG, FALSE), *held = request_new();
  park_hold(park, &held->parked, 1);
  park_close(park);
  expect(waits, PARK_CLOSED);
  ck_assert_int_eq(park_settle(park, &held->parked, LONG, FALSE), PARK_CLOSED);
  park_hold(park, &held->parked, 2);
  ck_assert_int_eq(park_settle(park, &held->parked, LONG, FALSE), PARK_CLOSED);
  g_free(held);
}
END_TEST

/* Events, interrupts and deadlines race for the same requests: each gets exactly one answer. */
#define RACE 2000

static gpointer send_events(gpointer data) {
  CacheEvent event = {.fd = -1};
  while (!g_atomic_int_get((gint *)data))
    for (guint64 key = 1; key <= 4; key++)
      park_event(park, key, &event);
  return NULL;
}

START_TEST(one_owner) {
  gint over = 0;
  guint outcomes[5] = {0};
  GThread *events = g_thread_new("events", send_events, &over);
  g_autofree Request *requests = g_new0(Request, RACE);

  for (guint i = 0; i < RACE; i++) {
    Request *request = &requests[i];
    request->parked.answer = answer;
    park_hold(park, &request->parked, 1 + i % 4);
    ParkOutcome outcome = park_settle(park, &request->parked, i % 3 ? 50 : LONG, FALSE);
    if (outcome == PARK_WAITING) {
      park_interrupt(park, &request->parked);
      Request *got = g_async_queue_timeout_pop(answers, 10 * SECOND);
      ck_assert_ptr_eq(got, request);
      g_mutex_lock(&mutex);
      outcome = got->outcome;
      g_mutex_unlock(&mutex);
    }
    outcomes[outcome]++;
  }
  g_atomic_int_set(&over, 1);
  g_thread_join(events);
  ck_assert_ptr_null(g_async_queue_try_pop(answers));
  ck_assert_uint_eq(outcomes[PARK_EVENT] + outcomes[PARK_LATE] + outcomes[PARK_INTERRUPTED], RACE);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("fs/park");
  TCase *tc = tcase_create("park");
  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, news_of_the_key);
  tcase_add_test(tc, news_between_question_and_wait);
  tcase_add_test(tc, taken_back);
  tcase_add_test(tc, interrupts);
  tcase_add_test(tc, deadlines);
  tcase_add_test(tc, silence);
  tcase_add_test(tc, closing);
  tcase_add_test(tc, one_owner);
  suite_add_tcase(s, tc);
  return s;
}

int main(void) {
  return suite_run(suite());
}
