/* SPDX-License-Identifier: MIT */
#include "cache/tree/errand.h"

#include <check.h>
#include <string.h>

#include "cache/tree/tree.h"
#include "tests/account.h"
#include "tests/suite.h"

#define MADE(name)                                                                                                     \
  "S: @ OK\nC: @ SUBSCRIBE \"" name "\"\nS: @ OK\n"                                                                    \
  "C: @ STATUS \"" name "\" (MESSAGES UIDNEXT UIDVALIDITY)\n"                                                          \
  "S: * STATUS \"" name "\" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 5)\nS: @ OK\n"

#define CREATE(name) "C: @ LIST \"\" \"" name "\"\nS: @ OK\nC: @ CREATE \"" name "\"\n"
#define SUBSCRIBED(to, from) "C: @ SUBSCRIBE \"" to "\"\nS: @ OK\nC: @ UNSUBSCRIBE \"" from "\"\nS: @ OK\n"
#define RENAMED "C: @ RENAME \"a\" \"c\"\nS: @ OK\n" SUBSCRIBED("c", "a") SUBSCRIBED("c/b", "a/b")

typedef struct {
  TestAccount *test;
  Errands *errands;
} Desk;

/* The folders are INBOX, a and a/b, which is subscribed; then follows the script. */
static Desk desk_new(const char *capabilities, const char *script) {
  gboolean extended = strstr(capabilities, "LIST-EXTENDED") != NULL;
  g_autofree char *whole = g_strconcat("C: @ LIST \"\" \"*\"", extended ? " RETURN (SUBSCRIBED)" : "",
                                       "\nS: * LIST () \"/\" INBOX\nS: * LIST () \"/\" a\n"
                                       "S: * LIST (\\Subscribed) \"/\" a/b\nS: @ OK\n",
                                       script, NULL);
  g_auto(TreeNews) news = {0};
  Desk desk = {.test = test_account_new(capabilities, whole)};
  TestAccount *test = desk.test;
  ck_assert(tree_update(&test->account, test->conn, NULL, FALSE, &news, NULL));
  g_free(test_account_events(test));
  imap_pool_release(test->account.pool, test->conn);
  test->conn = NULL;
  desk.errands = errands_new(&test->account, NULL);
  errands_run(desk.errands);
  return desk;
}

static void desk_clear(Desk *desk) {
  g_cancellable_cancel(desk->test->account.cancellable);
  errands_stop(desk->errands);
  errands_free(desk->errands);
  test_account_lease(desk->test);
  test_account_free(desk->test);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Desk, desk_clear)

/* Until its event has come. */
static void await(Desk *desk, gint64 ticket) {
  gboolean done = FALSE;
  while (!done) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_events_pop(desk->test->account.events, &event));
    done = event.type == CACHE_EVENT_DONE && event.kind == CACHE_ERRAND && event.row == ticket;
  }
}

static gint64 outcome(Desk *desk, gint64 ticket, int *ret_code) {
  g_autoptr(GError) error = NULL;
  gint64 row = 0;
  await(desk, ticket);
  CacheAnswer answer = errands_take(desk->errands, ticket, &row, &error);
  ck_assert_int_eq(answer, error ? CACHE_FAILED : CACHE_READY);
  ck_assert(!error || error->domain == CACHE_ERROR);
  *ret_code = error ? error->code : -1;
  return row;
}

/* ---- mkdir --------------------------------------------------------------------------------------------------- */

START_TEST(a_folder_is_made) {
  g_auto(Desk) desk = desk_new("", CREATE("a/b/&AOQ-") MADE("a/b/&AOQ-"));
  int code;
  gint64 parent = test_account_folder(desk.test, "a/b");
  gint64 row = outcome(&desk, errands_make(desk.errands, parent, "\303\244"), &code);
  ck_assert_int_eq(code, -1);
  ck_assert_int_eq(test_account_folder(desk.test, "a/b/\303\244"), row);
}
END_TEST

START_TEST(at_the_top_the_namespace_decides) {
  g_auto(Desk) desk =
      desk_new("NAMESPACE", "C: @ NAMESPACE\nS: * NAMESPACE ((\"\" \"/\")) NIL NIL\nS: @ OK\n" CREATE("c") MADE("c") //
               "C: @ NAMESPACE\nS: * NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\nS: @ OK\n");
  int code;
  gint64 root = test_account_folder(desk.test, "");
  gint64 row = outcome(&desk, errands_make(desk.errands, root, "c"), &code);
  ck_assert_int_eq(code, -1);
  ck_assert_int_eq(test_account_folder(desk.test, "c"), row);
  outcome(&desk, errands_make(desk.errands, root, "d"), &code);
  ck_assert_int_eq(code, CACHE_ERROR_PERMISSION);
}
END_TEST

START_TEST(what_the_server_says_against_it) {
  static const struct {
    const char *answer;
    int code;
  } rows[] = {
      {"S: @ NO [NOPERM] x\n", CACHE_ERROR_PERMISSION},
      {"S: @ NO [OVERQUOTA] x\n", CACHE_ERROR_QUOTA},
      {"S: @ NO [CANNOT] x\n", CACHE_ERROR_INVALID},
      {"S: @ NO x\nC: @ LIST \"\" \"a/c\"\nS: @ OK\n", CACHE_ERROR_REFUSED},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *script = g_strconcat(CREATE("a/c"), rows[i].answer, NULL);
    g_auto(Desk) desk = desk_new("", script);
    int code;
    outcome(&desk, errands_make(desk.errands, test_account_folder(desk.test, "a"), "c"), &code);
    ck_assert_int_eq(code, rows[i].code);
  }
}
END_TEST

START_TEST(a_name_that_no_server_has) {
  g_auto(Desk) desk = desk_new("", "");
  int code;
  outcome(&desk, errands_make(desk.errands, test_account_folder(desk.test, "a"), "50%"), &code);
  ck_assert_int_eq(code, CACHE_ERROR_INVALID);
  outcome(&desk, errands_make(desk.errands, 12345, "x"), &code);
  ck_assert_int_eq(code, CACHE_ERROR_GONE);
}
END_TEST

/* ---- rename --------------------------------------------------------------------------------------------------- */

START_TEST(a_folder_is_renamed_with_all_below) {
  g_auto(Desk) desk = desk_new("", RENAMED);
  int code;
  gint64 a = test_account_folder(desk.test, "a"), b = test_account_folder(desk.test, "a/b");
  gint64 row = outcome(&desk, errands_rename(desk.errands, a, test_account_folder(desk.test, ""), "c"), &code);
  ck_assert_int_eq(code, -1);
  ck_assert_int_eq(row, a);
  ck_assert_int_eq(test_account_folder(desk.test, "c"), a);
  ck_assert_int_eq(test_account_folder(desk.test, "c/b"), b);
}
END_TEST

/* LIST says that a/b is subscribed, and a is not. */
START_TEST(subscriptions_follow) {
  g_auto(Desk) desk = desk_new("LIST-EXTENDED", "C: @ RENAME \"a\" \"c\"\nS: @ OK\n" SUBSCRIBED("c/b", "a/b"));
  int code;
  gint64 a = test_account_folder(desk.test, "a");
  outcome(&desk, errands_rename(desk.errands, a, test_account_folder(desk.test, ""), "c"), &code);
  ck_assert_int_eq(code, -1);
}
END_TEST

static gboolean write_listed(IndexTxn *txn, gpointer data, GError **error) {
  IndexMailbox *mailbox = data;
  mailbox->listed = INDEX_LISTED;
  mailbox->uidvalidity = 5;
  return index_set_state(txn, mailbox, error);
}

static IndexListed listed_after_rename(const char *status) {
  g_autofree char *script = g_strconcat("C: @ RENAME \"a\" \"c\"\nS: @ OK\n"
                                        "C: @ STATUS \"c/b\" (MESSAGES UIDNEXT UIDVALIDITY)\n",
                                        status, "S: @ OK\n" SUBSCRIBED("c", "a") SUBSCRIBED("c/b", "a/b"), NULL);
  g_auto(Desk) desk = desk_new("", script);
  g_auto(IndexMailbox) b = {0}, after = {0};
  Index *index = desk.test->account.index;
  int code;
  ck_assert(index_get_mailbox(index, test_account_folder(desk.test, "a/b"), &b, NULL));
  ck_assert(index_write(index, INDEX_SYNC, write_listed, &b, NULL));
  gint64 a = test_account_folder(desk.test, "a");
  outcome(&desk, errands_rename(desk.errands, a, test_account_folder(desk.test, ""), "c"), &code);
  ck_assert_int_eq(code, -1);
  ck_assert(index_get_mailbox(index, b.row, &after, NULL));
  return after.listed;
}

/* Courier: its messages are to be matched again. */
START_TEST(a_rename_may_renumber) {
  ck_assert_int_eq(listed_after_rename("S: * STATUS c/b (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 9)\n"), INDEX_DOUBTED);
  ck_assert_int_eq(listed_after_rename("S: * STATUS c/b (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 5)\n"), INDEX_LISTED);
}
END_TEST

START_TEST(a_refused_rename_changes_nothing) {
  g_auto(Desk) desk = desk_new("", "C: @ RENAME \"a\" \"c\"\nS: @ NO [NOPERM] no\n");
  int code;
  gint64 a = test_account_folder(desk.test, "a");
  outcome(&desk, errands_rename(desk.errands, a, test_account_folder(desk.test, ""), "c"), &code);
  ck_assert_int_eq(code, CACHE_ERROR_PERMISSION);
  ck_assert_int_eq(test_account_folder(desk.test, "a"), a);
}
END_TEST

START_TEST(no_rename_between_namespaces) {
  g_auto(Desk) desk = desk_new("NAMESPACE", "C: @ NAMESPACE\nS: * NAMESPACE ((\"a/\" \"/\")) NIL NIL\nS: @ OK\n");
  int code;
  gint64 b = test_account_folder(desk.test, "a/b"), inbox = test_account_folder(desk.test, "INBOX");
  outcome(&desk, errands_rename(desk.errands, b, inbox, "b"), &code);
  ck_assert_int_eq(code, CACHE_ERROR_CROSS);
}
END_TEST

/* Whoever changes something in a mailbox below goes first. */
START_TEST(a_rename_waits_for_claims) {
  g_auto(Desk) desk = desk_new("", RENAMED);
  int code;
  gint64 a = test_account_folder(desk.test, "a"), b = test_account_folder(desk.test, "a/b"), row;
  ck_assert(claims_try(desk.test->account.claims, b));
  gint64 ticket = errands_rename(desk.errands, a, test_account_folder(desk.test, ""), "c");
  while (claims_try(desk.test->account.claims, a)) { /* until it has that one */
    claims_release(desk.test->account.claims, a, 0);
    g_thread_yield();
  }
  ck_assert_int_eq(errands_take(desk.errands, ticket, &row, NULL), CACHE_WAIT);
  ck_assert_int_eq(test_account_folder(desk.test, "a"), a);
  claims_release(desk.test->account.claims, b, 0);
  outcome(&desk, ticket, &code);
  ck_assert_int_eq(code, -1);
  ck_assert(claims_try(desk.test->account.claims, a));
  ck_assert(claims_try(desk.test->account.claims, b));
}
END_TEST

/* ---- who does not wait ------------------------------------------------------------------------------------------ */

START_TEST(what_nobody_waits_for_is_not_begun) {
  g_auto(Desk) desk = desk_new("", CREATE("a/c") "wait\n" MADE("a/c") CREATE("a/e") MADE("a/e"));
  gint64 a = test_account_folder(desk.test, "a"), row = 0;
  int code;
  gint64 first = errands_make(desk.errands, a, "c"), second = errands_make(desk.errands, a, "d");
  errands_forget(desk.errands, second);
  gint64 third = errands_make(desk.errands, a, "e");
  ck_assert_int_eq(errands_take(desk.errands, first, &row, NULL), CACHE_WAIT);
  /* Under way, or not: it is not told of, and goes on if it is. */
  errands_forget(desk.errands, 4711);
  fake_go(desk.test->fake);
  outcome(&desk, first, &code);
  ck_assert_int_eq(code, -1);
  outcome(&desk, third, &code);
  ck_assert_int_eq(code, -1);
}
END_TEST

/* The first finds out, and the second does not wait for it. */
START_TEST(a_silent_line_is_waited_for_once) {
  g_auto(Desk) desk = desk_new("", "C: @ LIST \"\" \"a/c\"\nC: @ CREATE \"a/c\"\nstall\nnext\n" FAKE_LOGIN(""));
  gint64 a = test_account_folder(desk.test, "a");
  int code;
  outcome(&desk, errands_make(desk.errands, a, "c"), &code);
  ck_assert_int_eq(code, CACHE_ERROR_TIMEOUT);
  outcome(&desk, errands_make(desk.errands, a, "d"), &code);
  ck_assert_int_eq(code, CACHE_ERROR_TIMEOUT);
}
END_TEST

START_TEST(what_is_heard_ends_the_silence) {
  g_auto(Desk) desk = desk_new("", "C: @ LIST \"\" \"a/c\"\nC: @ CREATE \"a/c\"\nstall\nnext\n" FAKE_LOGIN("")
                                       CREATE("a/d") MADE("a/d"));
  gint64 a = test_account_folder(desk.test, "a");
  int code;
  outcome(&desk, errands_make(desk.errands, a, "c"), &code);
  ck_assert_int_eq(code, CACHE_ERROR_TIMEOUT);
  test_account_lease(desk.test); /* another job */
  imap_pool_release(desk.test->account.pool, desk.test->conn);
  outcome(&desk, errands_make(desk.errands, a, "d"), &code);
  ck_assert_int_eq(code, -1);
}
END_TEST

START_TEST(the_end_ends_all_waiting) {
  g_auto(Desk) desk = desk_new("", "");
  gint64 a = test_account_folder(desk.test, "a"), row = 0;
  g_autoptr(GError) error = NULL;
  ck_assert(claims_try(desk.test->account.claims, a));
  errands_rename(desk.errands, a, test_account_folder(desk.test, ""), "c");
  gint64 second = errands_make(desk.errands, a, "d");
  g_cancellable_cancel(desk.test->account.cancellable);
  errands_stop(desk.errands);
  await(&desk, second);
  ck_assert_int_eq(errands_take(desk.errands, second, &row, &error), CACHE_FAILED);
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_CANCELLED));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/errand");
  TCase *tests = tcase_create("errand");
  tcase_add_test(tests, a_folder_is_made);
  tcase_add_test(tests, at_the_top_the_namespace_decides);
  tcase_add_test(tests, what_the_server_says_against_it);
  tcase_add_test(tests, a_name_that_no_server_has);
  tcase_add_test(tests, a_folder_is_renamed_with_all_below);
  tcase_add_test(tests, subscriptions_follow);
  tcase_add_test(tests, a_rename_may_renumber);
  tcase_add_test(tests, a_refused_rename_changes_nothing);
  tcase_add_test(tests, no_rename_between_namespaces);
  tcase_add_test(tests, a_rename_waits_for_claims);
  tcase_add_test(tests, what_nobody_waits_for_is_not_begun);
  tcase_add_test(tests, a_silent_line_is_waited_for_once);
  tcase_add_test(tests, what_is_heard_ends_the_silence);
  tcase_add_test(tests, the_end_ends_all_waiting);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
