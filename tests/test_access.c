/* SPDX-License-Identifier: MIT */
#include "cache/access.h"

#include <check.h>
#include <glib/gstdio.h>
#include <string.h>

#include "cache/journal/journal.h"
#include "cache/tree/tree.h"
#include "tests/account.h"
#include "tests/dovecot.h"
#include "tests/suite.h"

#define NONE -1

static gint64 folder_of(TestAccount *test) {
  return test_account_folder(test, "a");
}

/* ---- an account with the folder "a" -------------------------------------------------------------------------- */

static TestAccount *account_new(const char *capabilities, const char *script) {
  g_autofree char *whole = g_strconcat("C: @ LIST \"\" \"*\"\nS: * LIST () \"/\" a\nS: @ OK\n", script, NULL);
  TestAccount *test = test_account_new(capabilities, whole);
  g_auto(TreeNews) news = {0};
  ck_assert(tree_update(&test->account, test->conn, NULL, FALSE, &news, NULL));
  return test;
}

typedef struct {
  IndexMailbox mailbox;
  IndexAccess access;
} State;

static gboolean write_state(IndexTxn *txn, gpointer data, GError **error) {
  State *state = data;
  return index_put_mailbox(txn, &state->mailbox, error) && index_set_state(txn, &state->mailbox, error) &&
         index_set_access(txn, state->mailbox.row, &state->access, error);
}

static void put(TestAccount *test, guint attrs, guint32 uidvalidity, const IndexAccess *access) {
  State state = {.access = access ? *access : (IndexAccess){0}};
  ck_assert(index_get_mailbox(test->account.index, folder_of(test), &state.mailbox, NULL));
  state.mailbox.attrs = attrs;
  state.mailbox.listed = INDEX_LISTED;
  state.mailbox.uidvalidity = uidvalidity;
  ck_assert(index_write(test->account.index, INDEX_SYNC, write_state, &state, NULL));
  index_mailbox_clear(&state.mailbox);
}

static int said(gboolean ok, GError *const *error) {
  ck_assert_int_eq(ok, *error == NULL);
  ck_assert(ok || (*error)->domain == CACHE_ERROR);
  return ok ? NONE : (*error)->code;
}

static int check(TestAccount *test, AccessWish wish) {
  g_autoptr(GError) error = NULL;
  return said(access_check(&test->account, folder_of(test), wish, &error), &error);
}

static int check_size(TestAccount *test, guint64 size) {
  g_autoptr(GError) error = NULL;
  return said(access_check_size(&test->account, folder_of(test), size, &error), &error);
}

static void learn(TestAccount *test) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(access_learn(&test->account, test->conn, folder_of(test), &error), "%s", error ? error->message : "");
}

/* ---- the answer ---------------------------------------------------------------------------------------------------
 */

#define ALL IMAP_RIGHTS_ALL
#define LOOK (IMAP_RIGHT_LOOKUP | IMAP_RIGHT_READ)

START_TEST(what_is_heard_decides) {
  enum { ro = CACHE_ERROR_READONLY, no = CACHE_ERROR_PERMISSION, ok = NONE };
  static const struct {
    guint attrs;
    guint32 uidvalidity;
    IndexAccess access;
    int add, remove, flag, seen, make_folder, remove_folder;
  } rows[] = {
      /* nothing is known; what LIST says; no lasting UIDs */
      {0, 7, {0}, ok, ok, ok, ok, ok, ok},
      {IMAP_ATTR_NOSELECT, 7, {0}, no, no, no, no, ok, ok},
      {IMAP_ATTR_NOINFERIORS, 7, {0}, ok, ok, ok, ok, no, ok},
      {INDEX_LOCAL | IMAP_ATTR_NOSELECT, 0, {0}, ok, ok, ok, ok, ok, ok},
      {0, 0, {0}, ro, ro, ro, ro, ok, ok},
      /* SELECT */
      {0, 7, {.heard = 1, .rights = ALL}, ok, ok, ok, ok, ok, ok},
      {0, 7, {.heard = 1, .rights = ALL, .read_only = TRUE}, ro, ro, ro, ro, ok, ok},
      {0, 7, {.heard = 1, .rights = ALL, .limited = TRUE}, ok, ok, no, no, ok, ok},
      {0, 7, {.heard = 1, .rights = ALL, .limited = TRUE, .permanent = IMAP_FLAG_SEEN}, ok, ok, no, ok, ok, ok},
      {0, 7, {.heard = 1, .rights = ALL, .limited = TRUE, .permanent = IMAP_FLAG_DRAFT}, ok, ok, ok, no, ok, ok},
      {0, 7, {.heard = 1, .rights = ALL, .limited = TRUE, .any_keyword = TRUE}, ok, ok, ok, no, ok, ok},
      {0, 7, {.heard = 1, .rights = ALL, .limited = TRUE, .keywords = (char *)"Junk"}, ok, ok, ok, no, ok, ok},
      /* MYRIGHTS */
      {0, 7, {.heard = 1, .rights = LOOK}, ro, ro, ro, ro, ro, ro},
      {0, 7, {.heard = 1, .rights = LOOK | IMAP_RIGHT_SEEN}, no, no, no, ok, no, no},
      {0, 7, {.heard = 1, .rights = LOOK | IMAP_RIGHT_INSERT}, ok, no, no, no, no, no},
      {0, 7, {.heard = 1, .rights = LOOK | IMAP_RIGHT_INSERT, .read_only = TRUE}, ok, ro, ro, ro, no, no},
      {0, 7, {.heard = 1, .rights = LOOK | IMAP_RIGHT_DELETE}, no, no, no, no, no, no},
      {0, 7, {.heard = 1, .rights = LOOK | IMAP_RIGHT_DELETE | IMAP_RIGHT_EXPUNGE}, no, ok, no, no, no, no},
      {0, 7, {.heard = 1, .rights = LOOK | IMAP_RIGHT_WRITE}, no, no, ok, no, no, no},
      {0, 7, {.heard = 1, .rights = LOOK | IMAP_RIGHT_CREATE}, no, no, no, no, ok, no},
      {0, 7, {.heard = 1, .rights = LOOK | IMAP_RIGHT_DELETE_MAILBOX}, no, no, no, no, no, ok},
  };
  g_autoptr(TestAccount) test = account_new("", "");
  gint64 row = folder_of(test);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    const int expected[] = {rows[i].add,  rows[i].remove,      rows[i].flag,
                            rows[i].seen, rows[i].make_folder, rows[i].remove_folder};
    put(test, rows[i].attrs, rows[i].uidvalidity, &rows[i].access);
    for (AccessWish wish = ACCESS_ADD; wish <= ACCESS_REMOVE_FOLDER; wish++) {
      g_autoptr(GError) error = NULL;
      int code = said(access_check(&test->account, row, wish, &error), &error);
      ck_assert_msg(code == expected[wish], "row %zu, wish %d: %d", i, wish, code);
    }
  }
}
END_TEST

START_TEST(read_only_mounts_allow_nothing) {
  g_autoptr(TestAccount) test = account_new("", "");
  test->config.read_only = TRUE;
  for (AccessWish wish = ACCESS_ADD; wish <= ACCESS_REMOVE_FOLDER; wish++)
    ck_assert_int_eq(check(test, wish), CACHE_ERROR_READONLY);
}
END_TEST

START_TEST(what_is_only_marked_need_not_be_expunged) {
  g_autoptr(TestAccount) test = account_new("", "");
  put(test, 0, 7, &(IndexAccess){.heard = 1, .rights = LOOK | IMAP_RIGHT_DELETE});
  test->config.remove = CACHE_DELETE_MARK;
  ck_assert_int_eq(check(test, ACCESS_REMOVE), NONE);
}
END_TEST

START_TEST(a_folder_that_is_gone) {
  g_autoptr(TestAccount) test = account_new("", "");
  g_autoptr(GError) error = NULL;
  ck_assert(!access_check(&test->account, 4711, ACCESS_ADD, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_GONE));
}
END_TEST

/* ---- how much ------------------------------------------------------------------------------------------------------
 */

START_TEST(a_message_may_be_too_big) {
  g_autoptr(TestAccount) test = account_new("", "");
  put(test, 0, 7, &(IndexAccess){.heard = 1, .rights = ALL, .append_limit = 1000});
  ck_assert_int_eq(check_size(test, 1000), NONE);
  ck_assert_int_eq(check_size(test, 1001), CACHE_ERROR_TOOBIG);
}
END_TEST

static void tell_quota(TestAccount *test, guint64 used, guint64 limit) {
  ImapQuota quota = {.has_storage = TRUE, .storage = used, .storage_limit = limit};
  learnt_quota_told(test->account.learnt, folder_of(test), &quota);
}

START_TEST(a_quota_may_be_used_up) {
  g_autoptr(TestAccount) test = account_new("", "");
  ck_assert_int_eq(check_size(test, 5000), NONE);
  tell_quota(test, 9000, 10000);
  ck_assert_int_eq(check_size(test, 1000), NONE);
  ck_assert_int_eq(check_size(test, 1001), CACHE_ERROR_QUOTA);
  access_spent(&test->account, folder_of(test), 400, 1);
  ck_assert_int_eq(check_size(test, 600), NONE);
  ck_assert_int_eq(check_size(test, 601), CACHE_ERROR_QUOTA);
  tell_quota(test, 11000, 10000);
  ck_assert_int_eq(check_size(test, 1), CACHE_ERROR_QUOTA);
  tell_quota(test, 0, 10000);
  ck_assert_int_eq(check_size(test, 10000), NONE);
}
END_TEST

START_TEST(a_quota_of_messages) {
  g_autoptr(TestAccount) test = account_new("", "");
  ImapQuota quota = {.has_messages = TRUE, .messages = 9, .messages_limit = 10};
  learnt_quota_told(test->account.learnt, folder_of(test), &quota);
  ck_assert_int_eq(check_size(test, 1 << 30), NONE);
  access_spent(&test->account, folder_of(test), 100, 1);
  ck_assert_int_eq(check_size(test, 1), CACHE_ERROR_QUOTA);
}
END_TEST

typedef struct {
  gint64 folder;
  guint n;
  gsize size;
} Waiting;

static gboolean write_waiting(IndexTxn *txn, gpointer data, GError **error) {
  Waiting *waiting = data;
  g_autofree char *octets = g_strnfill(waiting->size, 'x');
  for (guint i = 0; i < waiting->n; i++) {
    IndexMessage message = {.mailbox = waiting->folder, .internaldate = IMAP_UNKNOWN_DATE};
    g_snprintf(message.name, sizeof message.name, "%u", i);
    JournalContent content = {.state = JOURNAL_READY, .bytes = octets, .size = waiting->size};
    if (!journal_create(txn, &message, error))
      return FALSE;
    content.row = message.row;
    if (!journal_put(txn, &content, error))
      return FALSE;
  }
  return TRUE;
}

START_TEST(what_waits_takes_room_too) {
  g_autoptr(TestAccount) test = account_new("", "");
  Waiting waiting = {.folder = folder_of(test), .n = 3, .size = 1000};
  g_autoptr(GError) error = NULL;
  put(test, 0, 7, NULL);
  tell_quota(test, 0, 4000);
  ck_assert_msg(index_write(test->account.index, INDEX_JOURNAL, write_waiting, &waiting, &error), "%s",
                error ? error->message : "");
  /* This may be one of the three. */
  ck_assert_int_eq(check_size(test, 1000), NONE);
  ck_assert_int_eq(check_size(test, 2000), NONE);
  ck_assert_int_eq(check_size(test, 4001), CACHE_ERROR_QUOTA);
  tell_quota(test, 1500, 4000);
  ck_assert_int_eq(check_size(test, 600), CACHE_ERROR_QUOTA);
}
END_TEST

static guint64 waiting_octets(TestAccount *test) {
  guint64 octets = 0;
  ck_assert(learnt_waiting(test->account.learnt, &octets));
  return octets;
}

START_TEST(what_waits_is_not_added_up_each_time) {
  g_autoptr(TestAccount) test = account_new("", "");
  Waiting waiting = {.folder = folder_of(test), .n = 3, .size = 1000};
  put(test, 0, 7, NULL);
  ck_assert(index_write(test->account.index, INDEX_JOURNAL, write_waiting, &waiting, NULL));
  tell_quota(test, 0, G_GUINT64_CONSTANT(1) << 30);
  learnt_waiting_told(test->account.learnt, 77);
  ck_assert_int_eq(check_size(test, 1000), NONE);
  ck_assert_uint_eq(waiting_octets(test), 77);
  tell_quota(test, 0, 4000);
  ck_assert_int_eq(check_size(test, 4001), CACHE_ERROR_QUOTA);
  ck_assert_uint_eq(waiting_octets(test), 3000);
}
END_TEST

/* ---- learning ---------------------------------------------------------------------------------------------------- */

#define SELECT(answer)                                                                                                 \
  "C: @ SELECT \"a\"\nS: * 0 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: * OK [UIDNEXT 1] x\n"                               \
  "S: * OK [PERMANENTFLAGS (\\Seen \\Deleted)] x\nS: @ OK " answer "\n"

START_TEST(select_tells_once_what_is_writable) {
  g_autoptr(TestAccount) test = account_new("UNSELECT", SELECT("[READ-WRITE] x") "C: @ UNSELECT\nS: @ OK\n");
  learn(test);
  ck_assert_int_eq(check(test, ACCESS_ADD), NONE);
  ck_assert_int_eq(check(test, ACCESS_SEEN), NONE);
  ck_assert_int_eq(check(test, ACCESS_FLAG), CACHE_ERROR_PERMISSION);
  learn(test);
  /* Another run asks nothing, either. */
  learnt_free(test->account.learnt);
  test->account.learnt = learnt_new(NULL);
  learn(test);
}
END_TEST

START_TEST(what_is_read_only_is_asked_again) {
  g_autoptr(TestAccount) test =
      account_new("UNSELECT", SELECT("[READ-ONLY] x") "C: @ UNSELECT\nS: @ OK\n" SELECT("[READ-WRITE] x") //
                  "C: @ UNSELECT\nS: @ OK\n");
  learn(test);
  ck_assert_int_eq(check(test, ACCESS_ADD), CACHE_ERROR_READONLY);
  learnt_free(test->account.learnt);
  test->account.learnt = learnt_new(NULL);
  learn(test);
  ck_assert_int_eq(check(test, ACCESS_ADD), NONE);
}
END_TEST

/* Who reads next need not open it again. */
START_TEST(the_connection_is_left_as_it_was) {
  g_autoptr(TestAccount) test =
      account_new("", "C: @ EXAMINE \"a\"\nS: * 0 EXISTS\nS: * OK [UIDVALIDITY 7] x\nS: @ OK [READ-ONLY] x\n" //
                  SELECT("[READ-WRITE] x") "C: @ EXAMINE \"a\"\nS: * 0 EXISTS\nS: * OK [UIDVALIDITY 7] x\n"
                                           "S: @ OK [READ-ONLY] x\n");
  ck_assert(imap_examine(test->conn, "a", TRUE, NULL, NULL, NULL));
  learn(test);
  ck_assert_str_eq(imap_selected(test->conn), "a");
  ck_assert(imap_examine(test->conn, "a", TRUE, NULL, NULL, NULL));
}
END_TEST

/* Nothing is opened, nor is a reader kept waiting, only to learn. */
START_TEST(what_stirs_is_not_opened) {
  g_autoptr(TestAccount) test = account_new("UNSELECT", "");
  learnt_stirred(test->account.learnt, folder_of(test));
  learn(test);
  ck_assert_int_eq(check(test, ACCESS_ADD), NONE);
  ck_assert(learnt_rights_due(test->account.learnt, folder_of(test)));
  ck_assert_int_ne(learnt_put_off_until(test->account.learnt), 0);
}
END_TEST

START_TEST(what_stirs_has_rights) {
  g_autoptr(TestAccount) test = account_new("ACL", "C: @ MYRIGHTS \"a\"\nS: * MYRIGHTS a lr\nS: @ OK\n");
  learnt_stirred(test->account.learnt, folder_of(test));
  learn(test);
  ck_assert_int_eq(check(test, ACCESS_ADD), CACHE_ERROR_READONLY);
}
END_TEST

START_TEST(rights_and_quota_are_asked_for) {
  g_autoptr(TestAccount) test =
      account_new("ACL QUOTA APPENDLIMIT=2000",
                  "C: @ MYRIGHTS \"a\"\nS: * MYRIGHTS a lrs\nS: @ OK\n"
                  "C: @ GETQUOTAROOT \"a\"\nS: * QUOTAROOT a r\nS: * QUOTA r (STORAGE 9 10 MESSAGE 1 100)\nS: @ OK\n");
  learn(test);
  learn(test);
  ck_assert_int_eq(check(test, ACCESS_SEEN), NONE);
  ck_assert_int_eq(check(test, ACCESS_ADD), CACHE_ERROR_PERMISSION);
  ck_assert_int_eq(check_size(test, 1024), NONE);
  ck_assert_int_eq(check_size(test, 1025), CACHE_ERROR_QUOTA);
  ck_assert_int_eq(check_size(test, 2001), CACHE_ERROR_TOOBIG);
}
END_TEST

START_TEST(a_refusal_to_tell_forbids_nothing) {
  g_autoptr(TestAccount) test = account_new("ACL QUOTA", "C: @ MYRIGHTS \"a\"\nS: @ NO [NOPERM] no\n"
                                                         "C: @ GETQUOTAROOT \"a\"\nS: @ NO no\n");
  learn(test);
  for (AccessWish wish = ACCESS_ADD; wish <= ACCESS_REMOVE_FOLDER; wish++)
    ck_assert_int_eq(check(test, wish), NONE);
}
END_TEST

START_TEST(a_lost_line_is_an_error) {
  g_autoptr(TestAccount) test = account_new("ACL", "C: @ MYRIGHTS \"a\"\nS: * BYE x\nhalf\n");
  g_autoptr(GError) error = NULL;
  ck_assert(!access_learn(&test->account, test->conn, folder_of(test), &error));
  ck_assert_ptr_nonnull(error);
}
END_TEST

/* What a SELECT for another purpose says is remembered, and MYRIGHTS stay. */
START_TEST(any_select_tells) {
  g_autoptr(TestAccount) test = account_new("", "");
  ImapMailbox opened = {.read_write = TRUE, .limited = TRUE, .permanent = IMAP_FLAG_SEEN};
  put(test, 0, 7, &(IndexAccess){.heard = 1, .rights = LOOK | IMAP_RIGHT_SEEN, .append_limit = 5});
  ck_assert(access_selected(&test->account, folder_of(test), &opened, NULL));
  g_auto(IndexAccess) access = {0};
  ck_assert(index_get_access(test->account.index, folder_of(test), &access, NULL));
  ck_assert_uint_eq(access.rights, LOOK | IMAP_RIGHT_SEEN);
  ck_assert_uint_eq(access.permanent, IMAP_FLAG_SEEN);
  ck_assert_uint_eq(access.append_limit, 5);
  ck_assert(access.limited && !access.read_only);
}
END_TEST

START_TEST(some_are_learnt_after_a_sweep) {
  g_autoptr(TestAccount) test = account_new("ACL", "C: @ MYRIGHTS \"a\"\nS: * MYRIGHTS a lr\nS: @ OK\n");
  ck_assert(access_learn_some(&test->account, test->conn, NULL)); /* nobody has opened it */
  put(test, 0, 7, NULL);
  ck_assert(access_learn_some(&test->account, test->conn, NULL));
  ck_assert(access_learn_some(&test->account, test->conn, NULL));
  ck_assert_int_eq(check(test, ACCESS_ADD), CACHE_ERROR_READONLY);
}
END_TEST

/* ---- a real server --------------------------------------------------------------------------------------------------
 */

static Dovecot *dovecot;

static void start_dovecot(void) {
  g_setenv("DOVECOT_QUOTA", "64", TRUE);
  g_setenv("DOVECOT_ACL", "yes", TRUE);
  dovecot = dovecot_installed() ? dovecot_new(10) : NULL;
}

static void stop_dovecot(void) {
  dovecot_free(dovecot);
}

static void set_rights(const char *folder, const char *rights) {
  dovecot_deliver(dovecot, "ann", folder, 1, 1000);
  dovecot_write(dovecot, "ann", folder, "dovecot-acl", rights);
}

static TestAccount *real_account(void) {
  ImapConfig imap = dovecot_config(dovecot, "ann");
  TestAccount *test = test_account_on(&imap);
  g_auto(TreeNews) news = {0};
  ck_assert(tree_update(&test->account, test->conn, NULL, FALSE, &news, NULL));
  learn(test);
  return test;
}

START_TEST(rights_on_dovecot) {
  if (!dovecot)
    return;
  set_rights("a", "owner lr\n");
  g_autoptr(TestAccount) test = real_account();
  ck_assert_int_eq(check(test, ACCESS_ADD), CACHE_ERROR_READONLY);
  ck_assert_int_eq(check(test, ACCESS_MAKE_FOLDER), CACHE_ERROR_READONLY);
  set_rights("a", "owner lrsi\n");
  g_autoptr(TestAccount) again = real_account();
  ck_assert_int_eq(check(again, ACCESS_ADD), NONE);
  ck_assert_int_eq(check(again, ACCESS_SEEN), NONE);
  ck_assert_int_eq(check(again, ACCESS_REMOVE), CACHE_ERROR_PERMISSION);
  ck_assert_int_eq(check(again, ACCESS_REMOVE_FOLDER), CACHE_ERROR_PERMISSION);
}
END_TEST

START_TEST(quota_on_dovecot) {
  if (!dovecot)
    return;
  set_rights("a", "owner lrswipkxtea\n");
  g_autoptr(TestAccount) test = real_account();
  ck_assert_int_eq(check(test, ACCESS_REMOVE), NONE);
  ck_assert_int_eq(check_size(test, 32 * 1024), NONE);
  ck_assert_int_eq(check_size(test, 64 * 1024), CACHE_ERROR_QUOTA);
}
END_TEST

static TCase *answers(void) {
  TCase *tests = tcase_create("answers");
  tcase_add_test(tests, what_is_heard_decides);
  tcase_add_test(tests, read_only_mounts_allow_nothing);
  tcase_add_test(tests, what_is_only_marked_need_not_be_expunged);
  tcase_add_test(tests, a_folder_that_is_gone);
  tcase_add_test(tests, a_message_may_be_too_big);
  tcase_add_test(tests, a_quota_may_be_used_up);
  tcase_add_test(tests, a_quota_of_messages);
  tcase_add_test(tests, what_waits_takes_room_too);
  tcase_add_test(tests, what_waits_is_not_added_up_each_time);
  return tests;
}

int main(void) {
  Suite *suite = suite_create("cache/access");
  TCase *lessons = tcase_create("lessons"), *real = tcase_create("dovecot");
  suite_add_tcase(suite, answers());
  tcase_add_test(lessons, select_tells_once_what_is_writable);
  tcase_add_test(lessons, what_is_read_only_is_asked_again);
  tcase_add_test(lessons, the_connection_is_left_as_it_was);
  tcase_add_test(lessons, what_stirs_is_not_opened);
  tcase_add_test(lessons, what_stirs_has_rights);
  tcase_add_test(lessons, rights_and_quota_are_asked_for);
  tcase_add_test(lessons, a_refusal_to_tell_forbids_nothing);
  tcase_add_test(lessons, a_lost_line_is_an_error);
  tcase_add_test(lessons, any_select_tells);
  tcase_add_test(lessons, some_are_learnt_after_a_sweep);
  suite_add_tcase(suite, lessons);
  tcase_add_unchecked_fixture(real, start_dovecot, stop_dovecot);
  tcase_add_test(real, rights_on_dovecot);
  tcase_add_test(real, quota_on_dovecot);
  suite_add_tcase(suite, real);
  return suite_run(suite);
}
