/* SPDX-License-Identifier: MIT */
#include "cache/learnt.h"

#include <check.h>

#include "tests/suite.h"

#define SECOND G_USEC_PER_SEC
#define A 10 /* mailboxes */
#define B 11
#define C 12

static gint64 clock_now;

static gint64 now(void) {
  return clock_now;
}

static Learnt *learnt_at(gint64 start) {
  clock_now = start;
  return learnt_new(now);
}

static ImapQuota storage(guint64 used, guint64 limit) {
  return (ImapQuota){.has_storage = TRUE, .storage = used, .storage_limit = limit};
}

static guint64 used(Learnt *learnt, gint64 mailbox) {
  ImapQuota quota;
  learnt_quota(learnt, mailbox, &quota);
  return quota.has_storage ? quota.storage : 0;
}

START_TEST(rights_each_hour) {
  Learnt *learnt = learnt_at(SECOND);
  ck_assert(learnt_rights_due(learnt, A));
  learnt_rights_asked(learnt, A);
  ck_assert(!learnt_rights_due(learnt, A));
  ck_assert(learnt_rights_due(learnt, B));
  learnt_rights_doubted(learnt, A);
  ck_assert(learnt_rights_due(learnt, A));
  learnt_rights_asked(learnt, A);
  clock_now += G_GINT64_CONSTANT(3600) * SECOND;
  ck_assert(learnt_rights_due(learnt, A));
  learnt_free(learnt);
}
END_TEST

START_TEST(what_stirs_is_put_off) {
  Learnt *learnt = learnt_at(SECOND);
  ck_assert(learnt_is_quiet(learnt, A));
  learnt_stirred(learnt, A);
  ck_assert(!learnt_is_quiet(learnt, A));
  ck_assert(learnt_is_quiet(learnt, B));
  clock_now += 5 * SECOND;
  ck_assert(learnt_is_quiet(learnt, A));
  ck_assert_int_eq(learnt_put_off_until(learnt), 0);
  learnt_put_off(learnt, B);
  clock_now += SECOND;
  learnt_put_off(learnt, A);
  ck_assert_int_eq(learnt_put_off_until(learnt), clock_now + 4 * SECOND);
  ck_assert_int_eq(learnt_take(learnt), 0);
  clock_now += 10 * SECOND;
  ck_assert_int_eq(learnt_take(learnt), B);
  learnt_rights_asked(learnt, A);
  ck_assert_int_eq(learnt_take(learnt), 0);
  ck_assert_int_eq(learnt_put_off_until(learnt), 0);
  learnt_free(learnt);
}
END_TEST

START_TEST(quota_now_and_then) {
  Learnt *learnt = learnt_at(SECOND);
  ImapQuota quota = storage(1, 10), full = storage(10, 10), none = {0};
  ck_assert(learnt_quota_due(learnt, A));
  learnt_quota_told(learnt, A, &quota);
  ck_assert(!learnt_quota_due(learnt, A));
  clock_now += 60 * SECOND;
  ck_assert(!learnt_quota_due(learnt, A));
  clock_now += 60 * SECOND;
  ck_assert(learnt_quota_due(learnt, A));
  /* Sooner where that matters. */
  learnt_quota_told(learnt, A, &quota);
  learnt_quota_spent(learnt, A, 0, 0);
  clock_now += 5 * SECOND;
  ck_assert(learnt_quota_due(learnt, A));
  learnt_quota_told(learnt, A, &full);
  clock_now += 5 * SECOND;
  ck_assert(learnt_quota_due(learnt, A));
  learnt_quota_told(learnt, A, &none);
  clock_now += 5 * SECOND;
  ck_assert(!learnt_quota_due(learnt, A));
  learnt_free(learnt);
}
END_TEST

START_TEST(one_root_for_many_mailboxes) {
  Learnt *learnt = learnt_at(SECOND);
  ImapQuota own = storage(1, 10), more = storage(5, 10), shared = storage(70, 100), last;
  learnt_quota_told(learnt, A, &own);
  learnt_quota_told(learnt, C, &shared);
  learnt_quota_told(learnt, B, &more);
  ck_assert_uint_eq(used(learnt, A), 5);
  ck_assert_uint_eq(used(learnt, B), 5);
  ck_assert_uint_eq(used(learnt, C), 70);
  learnt_quota_spent(learnt, A, 2, 1);
  ck_assert_uint_eq(used(learnt, B), 7);
  ck_assert_uint_eq(used(learnt, C), 70);
  learnt_last_quota(learnt, &last);
  ck_assert_uint_eq(last.storage, 7);
  ck_assert_uint_eq(last.storage_limit, 10);
  learnt_free(learnt);
}
END_TEST

START_TEST(nothing_is_known_at_first) {
  Learnt *learnt = learnt_at(SECOND);
  ImapQuota last;
  learnt_quota_spent(learnt, A, 5, 1);
  ck_assert_uint_eq(used(learnt, A), 0);
  learnt_last_quota(learnt, &last);
  ck_assert(!last.has_storage && !last.has_messages);
  learnt_free(learnt);
}
END_TEST

START_TEST(what_waits_is_known_for_a_moment) {
  guint64 octets = 0;
  Learnt *learnt = learnt_at(1);
  ck_assert(!learnt_waiting(learnt, &octets));
  learnt_waiting_told(learnt, 5);
  ck_assert(learnt_waiting(learnt, &octets));
  ck_assert_uint_eq(octets, 5);
  clock_now += 2 * SECOND;
  ck_assert(!learnt_waiting(learnt, &octets));
  learnt_free(learnt);
}
END_TEST

START_TEST(no_sum_wraps) {
  Learnt *learnt = learnt_at(SECOND);
  ImapQuota own = storage(1, 10);
  learnt_quota_told(learnt, A, &own);
  learnt_quota_spent(learnt, A, G_MAXUINT64, G_MAXUINT64);
  learnt_quota_spent(learnt, A, G_MAXUINT64, G_MAXUINT64);
  ck_assert_uint_eq(used(learnt, A), G_MAXUINT64);
  learnt_free(learnt);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/learnt");
  TCase *tests = tcase_create("learnt");
  tcase_add_test(tests, rights_each_hour);
  tcase_add_test(tests, what_stirs_is_put_off);
  tcase_add_test(tests, quota_now_and_then);
  tcase_add_test(tests, one_root_for_many_mailboxes);
  tcase_add_test(tests, nothing_is_known_at_first);
  tcase_add_test(tests, what_waits_is_known_for_a_moment);
  tcase_add_test(tests, no_sum_wraps);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
