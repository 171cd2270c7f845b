/* SPDX-License-Identifier: MIT */
#include "tests/watcher.h"

#include <check.h>

void watcher_start(Watcher *watcher, const ImapConfig *config) {
  g_autoptr(GError) error = NULL;
  watcher->census = g_string_new(NULL);
  watcher->pool = imap_pool_new(config);
  watcher->conn = imap_pool_lease(watcher->pool, IMAP_ROLE_WATCH, NULL, &error);
  ck_assert_msg(watcher->conn != NULL, "%s", error != NULL ? error->message : "");
}

void watcher_new(Watcher *watcher, const char *script) {
  *watcher = (Watcher){.fake = fake_new(script)};
  ImapConfig config = fake_config(watcher->fake);
  watcher_start(watcher, &config);
}

void watcher_clear(Watcher *watcher) {
  imap_conn_fail(watcher->conn); /* no LOGOUT: the dialogue is over */
  imap_pool_release(watcher->pool, watcher->conn);
  imap_pool_free(watcher->pool);
  fake_free(watcher->fake);
  g_string_free(watcher->census, TRUE);
}

static void count(const ImapStatus *status, gpointer data) {
  g_string_append_printf(data, "%s ", status->name);
}

gboolean watcher_notify(Watcher *watcher) {
  g_autoptr(GError) error = NULL;
  gboolean accepted;
  ck_assert_msg(imap_watch_notify(watcher->conn, count, watcher->census, &accepted, NULL, &error), "%s",
                error != NULL ? error->message : "");
  return accepted;
}

void watcher_idle(Watcher *watcher) {
  g_autoptr(GError) error = NULL;
  g_auto(ImapMailbox) opening = {0};
  ck_assert_msg(imap_watch_idle(watcher->conn, "INBOX", TRUE, &opening, NULL, &error), "%s",
                error != NULL ? error->message : "");
  ck_assert_uint_eq(opening.exists, 3);
}

ImapNewsType watcher_next_until(Watcher *watcher, gint64 until, ImapNews *ret) {
  g_autoptr(GError) error = NULL;
  ImapNewsType type = imap_watch_next(watcher->conn, FALSE, until, ret, NULL, &error);
  ck_assert_msg(type != IMAP_NEWS_FAILED, "%s", error != NULL ? error->message : "");
  return type;
}

ImapNewsType watcher_next(Watcher *watcher) {
  g_auto(ImapNews) news = {0};
  return watcher_next_until(watcher, G_MAXINT64, &news);
}

void watcher_end(Watcher *watcher) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(imap_watch_end(watcher->conn, NULL, &error), "%s", error != NULL ? error->message : "");
  ck_assert(imap_noop(watcher->conn, NULL, &error));
}
