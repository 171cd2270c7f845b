/* SPDX-License-Identifier: MIT */
#include <check.h>

#include "tests/session.h"
#include "tests/suite.h"

/* ---- MYRIGHTS ---------------------------------------------------------------------------------------- */

START_TEST(test_rights) {
  g_auto(Session) s = session_new("ACL", "C: @ MYRIGHTS \"box\"\nS: * MYRIGHTS box lrs\nS: @ OK\n"
                                         "C: @ MYRIGHTS \"box\"\nS: @ OK nothing said\n"
                                         "C: @ MYRIGHTS \"box\"\nS: * MYRIGHTS box \"\"\nS: @ OK\n"
                                         "C: @ MYRIGHTS \"box\"\nS: @ NO [NOPERM] x\n");
  g_autoptr(GError) error = NULL;
  guint rights;
  ck_assert(imap_myrights(s.conn, "box", &rights, NULL, NULL));
  ck_assert_uint_eq(rights, IMAP_RIGHT_LOOKUP | IMAP_RIGHT_READ | IMAP_RIGHT_SEEN);
  ck_assert(imap_myrights(s.conn, "box", &rights, NULL, NULL));
  ck_assert_uint_eq(rights, IMAP_RIGHTS_ALL);
  ck_assert(imap_myrights(s.conn, "box", &rights, NULL, NULL));
  ck_assert_uint_eq(rights, 0);
  ck_assert(!imap_myrights(s.conn, "box", &rights, NULL, &error));
  ck_assert(g_error_matches(error, IMAP_ERROR, IMAP_ERROR_PERMISSION));
}
END_TEST

START_TEST(test_nothing_offered) {
  g_auto(Session) s = session_new("", "C: @ NOOP\nS: @ OK\n");
  guint rights;
  ImapQuota quota;
  guint64 limit;
  ck_assert(imap_myrights(s.conn, "box", &rights, NULL, NULL));
  ck_assert(imap_quota(s.conn, "box", &quota, NULL, NULL));
  ck_assert(imap_append_limit(s.conn, "box", &limit, NULL, NULL));
  ck_assert_uint_eq(rights, IMAP_RIGHTS_ALL);
  ck_assert(!quota.has_storage && !quota.has_messages);
  ck_assert_uint_eq(limit, 0);
  ck_assert(imap_noop(s.conn, NULL, NULL));
}
END_TEST

/* ---- quota --------------------------------------------------------------------------------------------- */

static const struct {
  const char *answer;
  guint64 storage, storage_limit, messages, messages_limit; /* limit 0: none told */
} quotas[] = {
    {"S: * QUOTAROOT box \"\"\nS: * QUOTA \"\" (STORAGE 10 512)\n", 10240, 524288, 0, 0},
    {"S: * QUOTA a (STORAGE 10 512 MESSAGE 9 10)\nS: * QUOTA b (STORAGE 400 600 MESSAGE 1 5)\n", 409600, 614400, 9, 10},
    {"S: * QUOTA b (STORAGE 400 600)\nS: * QUOTA a (STORAGE 10 512)\n", 409600, 614400, 0, 0},
    {"S: * QUOTA a (STORAGE 700 600)\nS: * QUOTA b (STORAGE 599 600)\n", 716800, 614400, 0, 0}, /* over */
    {"S: * QUOTA a (STORAGE 10 0)\n", 0, 0, 0, 0},                                              /* no limit */
    {"S: * QUOTA a (STORAGE 5000000000 15728640000)\n", 5120000000000, 16106127360000, 0, 0},
    {"S: * QUOTAROOT box\n", 0, 0, 0, 0},
    {"S: * QUOTA a (STORAGE x y)\nS: * QUOTA ()\n", 0, 0, 0, 0},
};

START_TEST(test_quota) {
  g_autofree char *dialogue = g_strconcat("C: @ GETQUOTAROOT \"box\"\n", quotas[_i].answer, "S: @ OK\n", NULL);
  g_auto(Session) s = session_new("QUOTA", dialogue);
  ImapQuota quota;
  ck_assert(imap_quota(s.conn, "box", &quota, NULL, NULL));
  ck_assert_msg(quota.has_storage == (quotas[_i].storage_limit > 0), "row %d", _i);
  ck_assert_msg(quota.has_messages == (quotas[_i].messages_limit > 0), "row %d", _i);
  ck_assert_msg(quota.storage == quotas[_i].storage && quota.storage_limit == quotas[_i].storage_limit, "row %d", _i);
  ck_assert_msg(quota.messages == quotas[_i].messages && quota.messages_limit == quotas[_i].messages_limit, "row %d",
                _i);
}
END_TEST

START_TEST(test_quota_refused) {
  g_auto(Session) s = session_new("QUOTA", "C: @ GETQUOTAROOT \"box\"\nS: @ NO none here\n");
  ImapQuota quota;
  g_autoptr(GError) error = NULL;
  ck_assert(!imap_quota(s.conn, "box", &quota, NULL, &error));
  ck_assert(!imap_conn_failed(s.conn));
}
END_TEST

/* ---- APPENDLIMIT ------------------------------------------------------------------------------------------ */

static const struct {
  const char *capabilities, *dialogue;
  guint64 limit;
} limits[] = {
    {"APPENDLIMIT=35651584", "", 35651584},
    {"appendlimit=5000000000", "", 5000000000},
    {"APPENDLIMIT=many", "", 0},
    {"APPENDLIMIT", "C: @ STATUS \"box\" (APPENDLIMIT)\nS: * STATUS box (APPENDLIMIT 257890)\nS: @ OK\n", 257890},
    {"APPENDLIMIT", "C: @ STATUS \"box\" (APPENDLIMIT)\nS: * STATUS box (APPENDLIMIT NIL)\nS: @ OK\n", 0},
    {"APPENDLIMIT", "C: @ STATUS \"box\" (APPENDLIMIT)\nS: @ OK\n", 0},
};

START_TEST(test_append_limit) {
  g_auto(Session) s = session_new(limits[_i].capabilities, limits[_i].dialogue);
  guint64 limit;
  ck_assert(imap_append_limit(s.conn, "box", &limit, NULL, NULL));
  ck_assert_msg(limit == limits[_i].limit, "row %d", _i);
}
END_TEST

int main(void) {
  TCase *tc = tcase_create("rights");
  tcase_add_test(tc, test_rights);
  tcase_add_test(tc, test_nothing_offered);
  tcase_add_loop_test(tc, test_quota, 0, G_N_ELEMENTS(quotas));
  tcase_add_test(tc, test_quota_refused);
  tcase_add_loop_test(tc, test_append_limit, 0, G_N_ELEMENTS(limits));
  Suite *suite = suite_create("rights");
  suite_add_tcase(suite, tc);
  return suite_run(suite);
}
