/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "tests/fake.h"

/* An account over a scripted server: an index and a body store in a directory of their own, and one leased
 * connection. */
typedef struct {
  Account account;
  CacheConfig config;
  Fake *fake;
  ImapConn *conn;
  char *dir;
} TestAccount;

/* The script begins after the login; `capabilities` as in FAKE_LOGIN. */
TestAccount *test_account_new(const char *capabilities, const char *script);
TestAccount *test_account_on(const ImapConfig *imap); /* over another server; one connection */
void test_account_lease(TestAccount *test);           /* a connection again, after one was given up */
void test_account_free(TestAccount *test);

/* "FOLDER 3 INBOX" of each event that is there, in order, a line each. */
char *test_account_events(TestAccount *test);
gint64 test_account_folder(TestAccount *test, const char *path); /* row, or the test fails */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestAccount, test_account_free)
