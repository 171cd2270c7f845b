/* SPDX-License-Identifier: MIT */
/* The whole line cache -> imap against a real Dovecot, as fs/ uses it. */
#include "cache/cache.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/index/index.h"
#include "cache/place.h"
#include "tests/dovecot.h"
#include "tests/suite.h"
#include "tests/tempdir.h"

#define N 25

static Dovecot *dovecot;
static char *dir;
static CacheConfig config;

static char *secret(gpointer data, GError **error) {
  (void)error;
  return g_strdup(data);
}

static void setup(void) {
  dovecot = dovecot_new(20);
  ck_assert_ptr_nonnull(dovecot);
  dir = tempdir_new();
  for (guint i = 1; i <= N; i++)
    dovecot_deliver(dovecot, "ann", "", i, 500 + 3000 * i);
  dovecot_deliver(dovecot, "ann", "Archive", 100, 2000);
  static char *tls_ca;
  ImapConfig imap = dovecot_config(dovecot, "ann");
  tls_ca = g_strdup(imap.tls_ca);
  config = (CacheConfig){.user = "ann",
                         .host = "localhost",
                         .port = imap.port,
                         .tls = CACHE_TLS_IMPLICIT,
                         .tls_ca = tls_ca,
                         .connections = 3,
                         .timeout = 60,
                         .refresh = 0,
                         .secret = secret,
                         .secret_data = "secret",
                         .cache_dir = g_build_filename(dir, "cache", NULL),
                         .state_dir = g_build_filename(dir, "state", NULL),
                         .cache_size = 1 << 30,
                         .mountpoint = "/mnt/test"};
}

static void teardown(void) {
  dovecot_free(dovecot);
  tempdir_free(dir);
  g_free(config.cache_dir);
  g_free(config.state_dir);
}

static Cache *start(void) {
  g_autoptr(GError) error = NULL;
  Cache *cache = cache_open(&config, &error);
  ck_assert_msg(cache != NULL, "%s", error ? error->message : "");
  ck_assert_msg(cache_start(cache, &error), "%s", error ? error->message : "");
  return cache;
}

/* Takes events until this one; others are passed over. */
static CacheEvent await(Cache *cache, CacheEventType type, gint64 row) {
  for (;;) {
    CacheEvent event;
    ck_assert(cache_next_event(cache, &event));
    if (event.type == type && event.row == row)
      return event;
    cache_event_clear(&event);
  }
}

static void open_folder(Cache *cache, gint64 folder) {
  g_autoptr(GError) error = NULL;
  CacheAnswer answer = cache_open_folder(cache, folder, &error);
  ck_assert_msg(answer == CACHE_WAIT || answer == CACHE_STALE, "answer %d", answer);
  g_auto(CacheEvent) event = await(cache, CACHE_EVENT_FOLDER, folder);
  ck_assert_msg(!event.error, "%s", event.error ? event.error->message : "");
}

static gint64 lookup(Cache *cache, gint64 folder, const char *name) {
  CacheEntry entry;
  ck_assert_int_eq(cache_lookup(cache, folder, name, &entry, NULL), CACHE_READY);
  return entry.row;
}

static gsize list(Cache *cache, gint64 folder, CacheEntry *ret, gsize n) {
  g_autoptr(GError) error = NULL;
  gsize total = 0, got = 0;
  CacheKind kind = 0;
  gint64 row = 0;
  do {
    ck_assert_int_eq(cache_list(cache, folder, kind, row, ret + total, MIN(n - total, 7), &got, &error), CACHE_READY);
    total += got;
    if (got > 0) {
      kind = ret[total - 1].kind;
      row = ret[total - 1].row;
    }
  } while (got > 0 && total < n);
  return total;
}

static int open_body(Cache *cache, gint64 row) {
  g_autoptr(GError) error = NULL;
  int fd = -1;
  CacheAnswer answer = cache_open_body(cache, row, CACHE_BODY_OPEN, &fd, &error);
  if (answer == CACHE_READY && fd < 0)
    answer = cache_open_body(cache, row, CACHE_BODY_READ, &fd, &error);
  if (answer == CACHE_READY)
    return fd;
  ck_assert_msg(answer == CACHE_WAIT, "answer %d", answer);
  CacheEvent event = await(cache, CACHE_EVENT_BODY, row);
  ck_assert_msg(!event.error, "%s", event.error ? event.error->message : "");
  return event.fd;
}

static void check_body(Cache *cache, const CacheEntry *entry) {
  int fd = open_body(cache, entry->row);
  struct stat st;
  char text[200] = "";
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_uint_eq((guint64)st.st_size, entry->size);
  ck_assert(pread(fd, text, sizeof text - 1, 0) > 0);
  ck_assert_msg(g_str_has_prefix(text, "Date: Sat, 21 Nov 2026"), "%s", text);
  close(fd);
}

START_TEST(lists_and_reads_everything) {
  Cache *cache = start();
  CacheEntry entries[100];
  gint64 root = cache_root(cache);
  gint64 inbox = lookup(cache, root, "INBOX");
  CacheEntry waits;
  ck_assert_int_eq(cache_lookup(cache, inbox, "x", &waits, NULL), CACHE_WAIT);
  ck_assert_int_eq(waits.row, inbox);
  open_folder(cache, inbox);
  gsize n = list(cache, inbox, entries, 100);
  ck_assert_uint_eq(n, N);
  for (gsize i = 0; i < n; i++)
    check_body(cache, &entries[i]);
  ck_assert_int_eq(cache_lookup(cache, inbox, "nothing", &waits, NULL), CACHE_ABSENT);
  open_folder(cache, lookup(cache, root, "Archive"));
  ck_assert_uint_eq(list(cache, lookup(cache, root, "Archive"), entries, 100), 1);
  cache_free(cache);
}
END_TEST

static void same_entries(const CacheEntry *a, const CacheEntry *b, gsize n) {
  for (gsize i = 0; i < n; i++) {
    ck_assert_int_eq(a[i].row, b[i].row);
    ck_assert_str_eq(a[i].name, b[i].name);
    ck_assert_uint_eq(a[i].size, b[i].size);
    ck_assert_int_eq(a[i].mtime, b[i].mtime);
    ck_assert_int_eq(a[i].ctime, b[i].ctime);
  }
}

START_TEST(a_remount_changes_nothing) {
  CacheEntry before[100], after[100];
  Cache *cache = start();
  gint64 inbox = lookup(cache, cache_root(cache), "INBOX");
  open_folder(cache, inbox);
  ck_assert_uint_eq(list(cache, inbox, before, 100), N);
  check_body(cache, &before[3]);
  cache_free(cache);
  cache = start();
  ck_assert_int_eq(lookup(cache, cache_root(cache), "INBOX"), inbox);
  open_folder(cache, inbox);
  ck_assert_uint_eq(list(cache, inbox, after, 100), N);
  same_entries(before, after, N);
  int fd = -1;
  ck_assert_int_eq(cache_open_body(cache, before[3].row, CACHE_BODY_OPEN, &fd, NULL), CACHE_READY);
  ck_assert_int_ge(fd, 0);
  close(fd);
  cache_free(cache);
}
END_TEST

/* What another client does: commands, a line each, tagged "a". */
static void other_client(const char *commands) {
  g_autofree char *command =
      g_strdup_printf("printf '%s\\r\\nz LOGOUT\\r\\n' | %s", commands, dovecot_tunnel(dovecot, "ann"));
  const char *argv[] = {"sh", "-c", command, NULL};
  g_autofree char *said = NULL;
  ck_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &said,
                         NULL, NULL, NULL));
  ck_assert_msg(strstr(said, "a OK") != NULL && strstr(said, "a NO") == NULL && strstr(said, "a BAD") == NULL, "%s",
                said);
}

static void append(const char *folder, const char *subject) {
  g_autofree char *text =
      g_strdup_printf("Date: Sat, 21 Nov 2026 10:00:00 +0000\\r\\nSubject: %s\\r\\n\\r\\nHello.\\r\\n", subject);
  g_autofree char *octets = g_strcompress(text);
  g_autofree char *command = g_strdup_printf("a APPEND %s {%zu+}\\r\\n%s", folder, strlen(octets), text);
  other_client(command);
}

static void changed(Cache *cache, gint64 folder) {
  CacheEvent event = await(cache, CACHE_EVENT_CHANGED, folder);
  cache_event_clear(&event);
}

static void await_count(Cache *cache, gint64 folder, gsize n) {
  CacheEntry entries[100];
  while (list(cache, folder, entries, 100) != n)
    changed(cache, folder);
}

static gint64 open_inbox(Cache *cache) {
  gint64 inbox = lookup(cache, cache_root(cache), "INBOX");
  open_folder(cache, inbox);
  await_count(cache, inbox, N);
  return inbox;
}

START_TEST(new_mail_appears_at_the_end) {
  CacheEntry entries[100];
  Cache *cache = start();
  gint64 inbox = open_inbox(cache);
  append("INBOX", "fresh");
  await_count(cache, inbox, N + 1);
  ck_assert_uint_eq(list(cache, inbox, entries, 100), N + 1);
  ck_assert_msg(strstr(entries[N].name, "fresh") != NULL, "%s", entries[N].name);
  check_body(cache, &entries[N]);
  cache_free(cache);
}
END_TEST

START_TEST(what_others_delete_disappears) {
  Cache *cache = start();
  gint64 inbox = open_inbox(cache);
  other_client("a SELECT INBOX\\r\\nb STORE 1:3 +FLAGS.SILENT (\\\\Deleted)\\r\\nc EXPUNGE");
  await_count(cache, inbox, N - 3);
  cache_free(cache);
}
END_TEST

/* Where the server tells of one folder only, and where it has to be asked for each. */
START_TEST(news_come_by_each_kind_of_push) {
  static char *const less[][3] = {{"NOTIFY", NULL}, {"NOTIFY", "LIST-STATUS", NULL}};
  config.disable = (char **)less[_i];
  Cache *cache = start();
  gint64 inbox = open_inbox(cache);
  append("INBOX", "fresh");
  await_count(cache, inbox, N + 1);
  cache_free(cache);
  config.disable = NULL;
}
END_TEST

/* A poll of one folder, and none at all. */
START_TEST(without_push_readers_see_what_is_new) {
  static char *const less[] = {"NOTIFY", "IDLE", NULL};
  config.disable = _i == 0 ? (char **)less : NULL;
  config.connections = _i == 0 ? 3 : 1;
  Cache *cache = start();
  gint64 inbox = open_inbox(cache);
  append("INBOX", "fresh");
  open_folder(cache, inbox);
  await_count(cache, inbox, N + 1);
  cache_free(cache);
  config.disable = NULL;
}
END_TEST

START_TEST(news_come_after_all_has_been_made_anew) {
  Cache *cache = start();
  gint64 inbox = open_inbox(cache);
  cache_retry(cache);
  append("INBOX", "fresh");
  await_count(cache, inbox, N + 1);
  cache_retry(cache);
  append("INBOX", "fresher");
  await_count(cache, inbox, N + 2);
  cache_free(cache);
}
END_TEST

static gboolean shows(Cache *cache, gint64 folder, const char *name, gint64 *ret_row) {
  CacheEntry entry;
  gboolean found = cache_lookup(cache, folder, name, &entry, NULL) == CACHE_READY;
  if (found && ret_row)
    *ret_row = entry.row;
  return found;
}

START_TEST(folders_come_move_and_go) {
  Cache *cache = start();
  gint64 root = cache_root(cache), row = 0, moved = 0;
  other_client("a CREATE Plans");
  while (!shows(cache, root, "Plans", &row))
    changed(cache, root);
  append("Plans", "one");
  open_folder(cache, row);
  await_count(cache, row, 1);
  /* Dovecot itself notices a rename when somebody asks it for folders, as mail readers do. */
  other_client("a RENAME Plans Deeds\\r\\nb LIST \"\" *");
  while (!shows(cache, root, "Deeds", &moved))
    changed(cache, root);
  ck_assert_int_eq(moved, row);
  ck_assert(!shows(cache, root, "Plans", NULL));
  other_client("a DELETE Deeds");
  while (shows(cache, root, "Deeds", NULL))
    changed(cache, root);
  cache_free(cache);
}
END_TEST

START_TEST(the_state_can_be_told) {
  Cache *cache = start();
  gint64 inbox = open_inbox(cache);
  CacheEntry entries[100];
  list(cache, inbox, entries, 100);
  check_body(cache, &entries[0]);
  g_autofree char *text = cache_describe(cache);
  ck_assert_msg(g_str_has_prefix(text, "online since 20"), "%s", text);
  ck_assert_msg(strstr(text, "\npush: ") && strstr(text, "\nfolders: 3, listed 1; all looked at 0 s ago\n") &&
                    strstr(text, "\nto do: ") && strstr(text, "\nto be sent: 0 changes, 0 bytes\n") &&
                    strstr(text, "\nreaders waiting for messages: 0\n") && strstr(text, "\ncached: ") &&
                    !strstr(text, "cached: 0 "),
                "%s", text);
  cache_free(cache);
}
END_TEST

START_TEST(a_new_subfolder_appears) {
  CacheEntry entries[100];
  Cache *cache = start();
  gint64 archive = lookup(cache, cache_root(cache), "Archive");
  open_folder(cache, archive);
  other_client("a CREATE Archive/2020");
  CacheEntry entry;
  do
    changed(cache, archive);
  while (cache_lookup(cache, archive, "2020", &entry, NULL) != CACHE_READY);
  dovecot_deliver(dovecot, "ann", "Archive.2020", 7, 1234);
  open_folder(cache, entry.row);
  ck_assert_uint_eq(list(cache, entry.row, entries, 100), 1);
  cache_free(cache);
}
END_TEST

START_TEST(offline_serves_what_was_seen) {
  CacheEntry entries[100];
  Cache *cache = start();
  gint64 inbox = lookup(cache, cache_root(cache), "INBOX");
  open_folder(cache, inbox);
  ck_assert_uint_eq(list(cache, inbox, entries, 100), N);
  check_body(cache, &entries[0]);
  cache_free(cache);
  g_clear_pointer(&dovecot, dovecot_free);
  g_test_expect_message("cache", G_LOG_LEVEL_WARNING, "*without a connection*");
  cache = start();
  g_test_assert_expected_messages();
  ck_assert_uint_eq(list(cache, inbox, entries, 100), N);
  check_body(cache, &entries[0]);
  int fd = -1;
  ck_assert_int_eq(cache_open_body(cache, entries[1].row, CACHE_BODY_READ, &fd, NULL), CACHE_WAIT);
  g_auto(CacheEvent) event = await(cache, CACHE_EVENT_BODY, entries[1].row);
  ck_assert(g_error_matches(event.error, CACHE_ERROR, CACHE_ERROR_OFFLINE));
  cache_free(cache);
}
END_TEST

static gboolean forget(IndexTxn *txn, gpointer data, GError **error) {
  gboolean more;
  return index_forget_uids(txn, *(gint64 *)data, G_MAXINT, &more, error);
}

/* As a renumbering that is cut in the middle leaves it. */
static void forget_uids(gint64 folder) {
  g_autofree char *account = place_account(config.user, config.host, config.port);
  g_autofree char *path = g_build_filename(config.state_dir, account, NULL);
  int fd = open(path, O_RDONLY | O_DIRECTORY);
  Index *index = index_open(fd, NULL, NULL);
  ck_assert_ptr_nonnull(index);
  ck_assert(index_write(index, INDEX_SYNC, forget, &folder, NULL));
  index_close(index);
  close(fd);
}

START_TEST(a_message_without_uid_is_busy) {
  CacheEntry entries[100];
  Cache *cache = start();
  gint64 inbox = lookup(cache, cache_root(cache), "INBOX");
  open_folder(cache, inbox);
  ck_assert_uint_eq(list(cache, inbox, entries, 100), N);
  cache_free(cache);
  forget_uids(inbox);
  cache = start();
  int fd = -1;
  ck_assert_int_eq(cache_open_body(cache, entries[1].row, CACHE_BODY_READ, &fd, NULL), CACHE_WAIT);
  g_auto(CacheEvent) event = await(cache, CACHE_EVENT_BODY, entries[1].row);
  ck_assert(g_error_matches(event.error, CACHE_ERROR, CACHE_ERROR_BUSY));
  cache_free(cache);
}
END_TEST

START_TEST(the_account_is_locked_while_mounted) {
  Cache *cache = start();
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(cache_open(&config, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_LOCKED));
  ck_assert_msg(strstr(error->message, "/mnt/test") != NULL, "%s", error->message);
  cache_free(cache);
}
END_TEST

START_TEST(a_wrong_password_is_refused) {
  g_autoptr(GError) error = NULL;
  config.secret_data = "wrong";
  Cache *cache = cache_open(&config, &error);
  ck_assert_ptr_nonnull(cache);
  ck_assert(!cache_start(cache, &error));
  ck_assert_msg(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_LOGIN), "%s", error->message);
  cache_free(cache);
}
END_TEST

START_TEST(root_may_be_a_folder) {
  CacheEntry entries[100];
  config.root = "inbox";
  Cache *cache = start();
  open_folder(cache, cache_root(cache));
  ck_assert_uint_eq(list(cache, cache_root(cache), entries, 100), N);
  cache_free(cache);
  config.root = NULL;
}
END_TEST

START_TEST(one_connection_is_enough) {
  CacheEntry entries[100];
  config.connections = 1;
  Cache *cache = start();
  gint64 inbox = lookup(cache, cache_root(cache), "INBOX");
  open_folder(cache, inbox);
  gsize n = list(cache, inbox, entries, 100);
  for (gsize i = n; i-- > 0;)
    check_body(cache, &entries[i]);
  cache_free(cache);
}
END_TEST

START_TEST(hidden_folders_are_not_shown) {
  CacheEntry entries[100];
  char *hide[] = {"Arch*", NULL};
  config.hide = hide;
  Cache *cache = start();
  ck_assert_int_eq(cache_lookup(cache, cache_root(cache), "Archive", entries, NULL), CACHE_ABSENT);
  cache_free(cache);
  config.hide = NULL;
  cache = start();
  ck_assert_int_eq(cache_lookup(cache, cache_root(cache), "Archive", entries, NULL), CACHE_READY);
  cache_free(cache);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache");
  TCase *tests = tcase_create("dovecot");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, lists_and_reads_everything);
  tcase_add_test(tests, a_remount_changes_nothing);
  tcase_add_test(tests, new_mail_appears_at_the_end);
  tcase_add_test(tests, what_others_delete_disappears);
  tcase_add_loop_test(tests, news_come_by_each_kind_of_push, 0, 2);
  tcase_add_loop_test(tests, without_push_readers_see_what_is_new, 0, 2);
  tcase_add_test(tests, news_come_after_all_has_been_made_anew);
  tcase_add_test(tests, folders_come_move_and_go);
  tcase_add_test(tests, the_state_can_be_told);
  tcase_add_test(tests, a_new_subfolder_appears);
  tcase_add_test(tests, offline_serves_what_was_seen);
  tcase_add_test(tests, a_message_without_uid_is_busy);
  tcase_add_test(tests, the_account_is_locked_while_mounted);
  tcase_add_test(tests, a_wrong_password_is_refused);
  tcase_add_test(tests, root_may_be_a_folder);
  tcase_add_test(tests, one_connection_is_enough);
  tcase_add_test(tests, hidden_folders_are_not_shown);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
