/* SPDX-License-Identifier: MIT */
#include "tests/account.h"

#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "cache/tree/tree.h"
#include "tests/tempdir.h"

static TestAccount *account_new(void) {
  TestAccount *test = g_new0(TestAccount, 1);
  GError *error = NULL;
  test->dir = tempdir_new();
  g_autofree char *bodies = g_build_filename(test->dir, "cache", NULL);
  g_mkdir(bodies, 0700);
  int fd = open(test->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  test->config.cache_size = 1 << 30;
  test->account = (Account){.config = &test->config,
                            .index = index_open(fd, NULL, &error),
                            .events = cache_events_new(),
                            .stumbles = stumbles_new(),
                            .learnt = learnt_new(NULL),
                            .claims = claims_new(NULL, NULL),
                            .cancellable = g_cancellable_new()};
  test->account.spool = spool_open(fd, &error);
  close(fd);
  ck_assert_msg(test->account.index != NULL, "%s", error ? error->message : "");
  test->account.bodies = body_store_open(bodies, test->account.index, 1 << 30, 0, FALSE, &error);
  ck_assert_msg(test->account.bodies != NULL, "%s", error ? error->message : "");
  return test;
}

static void account_connect(TestAccount *test, const ImapConfig *imap) {
  ImapConfig config = *imap;
  config.connections = 1;
  test->account.pool = imap_pool_new(&config);
  test_account_lease(test);
}

TestAccount *test_account_new(const char *capabilities, const char *script) {
  TestAccount *test = account_new();
  g_autofree char *login = g_strdup_printf(FAKE_LOGIN("%s"), capabilities);
  g_autofree char *whole = g_strconcat(login, script, NULL);
  test->fake = fake_new(whole);
  ImapConfig imap = fake_config(test->fake);
  account_connect(test, &imap);
  return test;
}

TestAccount *test_account_on(const ImapConfig *imap) {
  TestAccount *test = account_new();
  account_connect(test, imap);
  return test;
}

void test_account_lease(TestAccount *test) {
  GError *error = NULL;
  if (test->conn)
    imap_pool_release(test->account.pool, test->conn);
  test->conn = imap_pool_lease(test->account.pool, IMAP_ROLE_WATCH, NULL, &error);
  ck_assert_msg(test->conn != NULL, "%s", error ? error->message : "");
}

void test_account_free(TestAccount *test) {
  if (test->conn) {
    imap_conn_fail(test->conn); /* no LOGOUT: the dialogue is over */
    imap_pool_release(test->account.pool, test->conn);
  }
  imap_pool_free(test->account.pool);
  if (test->fake)
    fake_free(test->fake);
  spool_close(test->account.spool);
  body_store_close(test->account.bodies);
  index_close(test->account.index);
  cache_events_free(test->account.events);
  g_object_unref(test->account.cancellable);
  claims_free(test->account.claims);
  stumbles_free(test->account.stumbles);
  learnt_free(test->account.learnt);
  tempdir_free(test->dir);
  g_free(test);
}

char *test_account_events(TestAccount *test) {
  static const char *const types[] = {"FOLDER", "BODY", "CHANGED", "REMOVED", "MOVED", "ATTR", "DATA", "DONE"};
  g_autoptr(GString) text = g_string_new(NULL);
  CacheEvent end = {.type = CACHE_EVENT_FOLDER, .row = -1, .fd = -1};
  cache_events_push(test->account.events, &end);
  for (;;) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_events_pop(test->account.events, &event));
    if (event.row == -1)
      return g_string_free(g_steal_pointer(&text), FALSE);
    g_string_append_printf(text, "%s %d%s%s\n", types[event.type], (int)event.row, event.name ? " " : "",
                           event.name ? event.name : "");
  }
}

gint64 test_account_folder(TestAccount *test, const char *path) {
  g_autoptr(GError) error = NULL;
  gint64 row = tree_resolve(&test->account, path, &error);
  ck_assert_msg(row != 0, "%s", error ? error->message : "");
  return row;
}
