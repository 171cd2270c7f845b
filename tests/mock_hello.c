/* SPDX-License-Identifier: MIT */
#include "tests/mock_hello.h"

#include <check.h>

TestMount mounted;
gint64 inbox, hello;
char *path_inbox, *path_hello, *path_new;

static void start(guint timeout) {
  Cache *cache = mock_new();
  inbox = mock_folder(cache, 1, "INBOX");
  hello = mock_message(cache, inbox, "hello.eml", HELLO);
  mount_start(&mounted, cache, timeout);
  path_inbox = mount_path(&mounted, "INBOX");
  path_hello = mount_path(&mounted, "INBOX/hello.eml");
  path_new = mount_path(&mounted, "INBOX/new.eml");
}

void hello_start(void) {
  start(60);
}

void hello_start_hasty(void) {
  start(1);
}

void hello_stop(void) {
  mount_stop(&mounted);
  g_clear_pointer(&path_inbox, g_free);
  g_clear_pointer(&path_hello, g_free);
  g_clear_pointer(&path_new, g_free);
}

gint64 hello_row(const char *name) {
  gint64 row = mock_row(mounted.cache, inbox, name);
  ck_assert_int_gt(row, 0);
  return row;
}

void hello_check_content(gint64 row, const char *expected) {
  g_autofree char *content = mock_content(mounted.cache, row);
  ck_assert_str_eq(content, expected);
}

void hello_await_released(gint64 row) {
  while (mock_open(mounted.cache, row))
    g_usleep(1000);
}
