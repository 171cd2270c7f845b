/* SPDX-License-Identifier: MIT */
#include "tests/lease.h"

#include <check.h>

ImapConn *must_lease(ImapPool *pool, ImapRole role) {
  g_autoptr(GError) error = NULL;
  ImapConn *conn = imap_pool_lease(pool, role, NULL, &error);
  ck_assert_msg(conn != NULL, "%s", error != NULL ? error->message : "");
  return conn;
}

void check_fails(ImapPool *pool, ImapRole role, ImapError code) {
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(imap_pool_lease(pool, role, NULL, &error));
  ck_assert_msg(error->code == (int)code, "%d: %s", error->code, error->message);
}

void wait_for_waiters(ImapPool *pool, ImapConn *conn) {
  while (!imap_pool_contended(pool, conn))
    g_thread_yield();
}
