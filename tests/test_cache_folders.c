/* SPDX-License-Identifier: MIT */
/* mkdir, rmdir and the rename of folders as fs/ asks for them, against a real Dovecot. */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include "cache/tree/folders.h"
#include "tests/dovecot.h"
#include "tests/suite.h"
#include "tests/tempdir.h"

#define NONE -1

typedef struct {
  Dovecot *dovecot;
  char *dir;
  CacheConfig config;
  Cache *cache;
  gint64 root;
} Mount;

static char *secret(gpointer data, G_GNUC_UNUSED GError **error) {
  return g_strdup(data);
}

static void mount_start(Mount *mount) {
  g_autoptr(GError) error = NULL;
  mount->cache = cache_open(&mount->config, &error);
  ck_assert_msg(mount->cache && cache_start(mount->cache, &error), "%s", error ? error->message : "");
  mount->root = cache_root(mount->cache);
}

/* Ann has INBOX, Full with one message and Work with Work/Deep below. */
static Mount *mount_new(void) {
  g_setenv("DOVECOT_SENT", "yes", TRUE);
  Mount *mount = g_new0(Mount, 1);
  mount->dovecot = dovecot_new(20);
  mount->dir = tempdir_new();
  dovecot_deliver(mount->dovecot, "ann", "Full", 1, 1000);
  dovecot_deliver(mount->dovecot, "ann", "Work", 2, 1000);
  dovecot_deliver(mount->dovecot, "ann", "Work.Deep", 3, 1000);
  ImapConfig imap = dovecot_config(mount->dovecot, "ann");
  mount->config = (CacheConfig){.user = "ann",
                                .host = "localhost",
                                .port = imap.port,
                                .tls = CACHE_TLS_IMPLICIT,
                                .tls_ca = imap.tls_ca,
                                .connections = 3,
                                .timeout = 10,
                                .secret = secret,
                                .secret_data = "secret",
                                .cache_dir = g_build_filename(mount->dir, "cache", NULL),
                                .state_dir = g_build_filename(mount->dir, "state", NULL),
                                .cache_size = 1 << 30,
                                .mountpoint = "/mnt/test"};
  mount_start(mount);
  return mount;
}

static void mount_free(Mount *mount) {
  cache_free(mount->cache);
  dovecot_free(mount->dovecot);
  tempdir_free(mount->dir);
  g_free(mount->config.cache_dir);
  g_free(mount->config.state_dir);
  g_free(mount);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mount, mount_free)

static void await(Mount *mount, CacheEventType type, gint64 row) {
  for (;;) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_next_event(mount->cache, &event));
    if (event.type == type && event.row == row)
      return;
  }
}

/* Row of a path of folders, 0: there is none. */
static gint64 at(Mount *mount, const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  gint64 row = mount->root;
  for (char **part = parts; *part && row != 0; part++) {
    g_auto(IndexMailbox) found = {0};
    index_find_mailbox(mount->cache->account.index, row, *part, &found, NULL);
    row = found.row;
  }
  return row;
}

static void list(Mount *mount, const char *path) {
  gint64 row = at(mount, path);
  if (cache_open_folder(mount->cache, row, NULL) != CACHE_READY)
    await(mount, CACHE_EVENT_FOLDER, row);
}

static int code_of(CacheAnswer answer, GError **error) {
  ck_assert(answer == CACHE_READY || answer == CACHE_FAILED);
  ck_assert_int_eq(answer == CACHE_FAILED, *error != NULL);
  return *error ? (*error)->code : NONE;
}

static int make(Mount *mount, gint64 parent, const char *name) {
  g_autoptr(GError) error = NULL;
  gint64 ticket = 0;
  CacheEntry entry = {0};
  CacheAnswer answer;
  while ((answer = cache_make_folder(mount->cache, parent, name, &ticket, &entry, &error)) == CACHE_WAIT)
    await(mount, CACHE_EVENT_DONE, ticket);
  if (answer == CACHE_READY) {
    ck_assert_int_eq(entry.parent, parent);
    ck_assert_str_eq(entry.name, name);
    ck_assert_uint_eq(entry.nlink, 2);
  }
  return code_of(answer, &error);
}

static int move(Mount *mount, const char *from, const char *to_folder, const char *name, guint flags) {
  g_autoptr(GError) error = NULL;
  g_auto(IndexMailbox) folder = {0};
  gint64 ticket = 0, to = *to_folder ? at(mount, to_folder) : mount->root;
  CacheAnswer answer;
  ck_assert(index_get_mailbox(mount->cache->account.index, *from ? at(mount, from) : mount->root, &folder, NULL));
  while ((answer = folders_rename(mount->cache, &folder, to, name, flags, &ticket, &error)) == CACHE_WAIT)
    await(mount, CACHE_EVENT_DONE, ticket);
  return code_of(answer, &error);
}

static int drop(Mount *mount, const char *folder, const char *name) {
  g_autoptr(GError) error = NULL;
  gint64 parent = *folder ? at(mount, folder) : mount->root;
  return code_of(cache_remove_folder(mount->cache, parent, name, &error), &error);
}

/* ---- mkdir ----------------------------------------------------------------------------------------------------- */

#define LONG "fifty octets, of which five make too many for disks"

START_TEST(folders_of_many_names) {
  static const struct {
    const char *name;
    int code;
  } rows[] = {
      {"plain", NONE},
      {"two words", NONE},
      {"\303\244\303\266\303\274 \342\202\254 \360\237\223\254", NONE},
      {"R&D", NONE},
      {"&", NONE},
      {"100%25", NONE},
      {"back\\slash", NONE},
      {"\"quoted\"", NONE},
      {"-x", NONE},
      {"plain", CACHE_ERROR_EXISTS},
      {"inbox", CACHE_ERROR_EXISTS},
      {"v1.0", CACHE_ERROR_INVALID}, /* Dovecot says so: its files have '.' between the parts */
      {"a%2Fb", CACHE_ERROR_INVALID},
      {"50%", CACHE_ERROR_INVALID},
      {"%0A", CACHE_ERROR_INVALID},
      {LONG LONG LONG LONG LONG, CACHE_ERROR_INVALID}, /* its disk cannot have it */
      {".Trash", CACHE_ERROR_PROTECTED},
      {".Trash-1000", CACHE_ERROR_PROTECTED},
  };
  g_autoptr(Mount) mount = mount_new();
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    int code = make(mount, mount->root, rows[i].name);
    ck_assert_msg(code == rows[i].code, "%s: %d", rows[i].name, code);
  }
  /* The server has them under these very names. */
  cache_free(mount->cache);
  tempdir_free(mount->dir);
  mount->dir = tempdir_new();
  mount_start(mount);
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
    ck_assert_msg((at(mount, rows[i].name) != 0) == (rows[i].code == NONE || i == 9), "%s", rows[i].name);
}
END_TEST

START_TEST(folders_below_folders) {
  g_autoptr(Mount) mount = mount_new();
  ck_assert_int_eq(make(mount, mount->root, "a"), NONE);
  ck_assert_int_eq(make(mount, at(mount, "a"), "b"), NONE);
  ck_assert_int_eq(make(mount, at(mount, "a/b"), "c"), NONE);
  ck_assert_int_eq(make(mount, at(mount, "INBOX"), "d"), NONE);
  /* Known to be empty: nothing has to be asked to list it. */
  ck_assert_int_eq(cache_list(mount->cache, at(mount, "a/b/c"), 0, 0, &(CacheEntry){0}, 1, &(gsize){0}, NULL),
                   CACHE_READY);
}
END_TEST

START_TEST(a_folder_of_debris_is_local) {
  g_autoptr(Mount) mount = mount_new();
  ck_assert_int_eq(make(mount, at(mount, "Work"), ".x.tmp"), NONE);
  g_auto(IndexMailbox) made = {0};
  ck_assert(index_get_mailbox(mount->cache->account.index, at(mount, "Work/.x.tmp"), &made, NULL));
  ck_assert(made.attrs & INDEX_LOCAL);
  ck_assert_int_eq(move(mount, "Full", "Work/.x.tmp", "Full", 0), CACHE_ERROR_CROSS);
  ck_assert_int_eq(drop(mount, "Work", ".x.tmp"), NONE);
}
END_TEST

START_TEST(nothing_is_made_offline) {
  g_autoptr(Mount) mount = mount_new();
  g_clear_pointer(&mount->dovecot, dovecot_free);
  mount->config.tls_ca = NULL; /* it was the server's */
  /* The server may have had time to say that it goes. */
  for (guint i = 0; i < 3; i++) {
    int code = make(mount, mount->root, "a");
    ck_assert_msg(code == CACHE_ERROR_OFFLINE || code == CACHE_ERROR_BUSY, "%d", code);
  }
  ck_assert_int_eq(at(mount, "a"), 0);
}
END_TEST

START_TEST(nothing_is_changed_read_only) {
  g_autoptr(Mount) mount = mount_new();
  mount->config.read_only = TRUE;
  ck_assert_int_eq(make(mount, mount->root, "a"), CACHE_ERROR_READONLY);
  ck_assert_int_eq(move(mount, "Full", "", "b", 0), CACHE_ERROR_READONLY);
  ck_assert_int_eq(drop(mount, "", "Full"), CACHE_ERROR_READONLY);
}
END_TEST

/* ---- rename ---------------------------------------------------------------------------------------------------- */

START_TEST(a_folder_moves_with_all_below) {
  g_autoptr(Mount) mount = mount_new();
  CacheEntry entry;
  gsize n = 0;
  list(mount, "Work/Deep");
  gint64 work = at(mount, "Work"), deep = at(mount, "Work/Deep");
  ck_assert_int_eq(cache_list(mount->cache, deep, 0, 0, &entry, 1, &n, NULL), CACHE_READY);
  ck_assert_int_eq(move(mount, "Work", "Full", "Play", 0), NONE);
  ck_assert_int_eq(at(mount, "Full/Play"), work);
  ck_assert_int_eq(at(mount, "Full/Play/Deep"), deep);
  ck_assert_int_eq(at(mount, "Work"), 0);
  /* Its letter is still that one, and can be read under the new name. */
  CacheEntry again;
  int fd = -1;
  ck_assert_int_eq(cache_lookup(mount->cache, deep, entry.name, &again, NULL), CACHE_READY);
  ck_assert_int_eq(again.row, entry.row);
  if (cache_open_body(mount->cache, entry.row, CACHE_BODY_READ, &fd, NULL) == CACHE_WAIT)
    await(mount, CACHE_EVENT_BODY, entry.row);
  ck_assert_int_eq(cache_open_body(mount->cache, entry.row, CACHE_BODY_READ, &fd, NULL), CACHE_READY);
  close(fd);
  cache_free(mount->cache);
  mount_start(mount);
  ck_assert_int_eq(at(mount, "Full/Play/Deep"), deep);
}
END_TEST

START_TEST(what_cannot_be_renamed) {
  enum { busy = CACHE_ERROR_BUSY, exists = CACHE_ERROR_EXISTS };
  static const struct {
    const char *from, *to_folder, *name;
    guint flags;
    int code;
  } rows[] = {
      {"INBOX", "", "x", 0, busy},
      {"", "Work", "x", 0, busy},
      {"Sent", "", "x", 0, CACHE_ERROR_PROTECTED},
      {"Work", "Work/Deep", "x", 0, CACHE_ERROR_INVALID},
      {"Work", "Work", "x", 0, CACHE_ERROR_INVALID},
      {"Work", "", "a%2Fb", 0, CACHE_ERROR_INVALID},
      {"Work", "", "x", CACHE_RENAME_EXCHANGE, CACHE_ERROR_INVALID},
      {"Work", "", "Full", 0, CACHE_ERROR_NOT_EMPTY},
      {"Work", "", "Full", CACHE_RENAME_NOREPLACE, exists},
      {"Work", "", "Empty", 0, exists},
      {"Work", "", "Work", 0, NONE},
      {"Work", "", "Work", CACHE_RENAME_NOREPLACE, exists},
      {"Work", "", ".Trash-0", 0, CACHE_ERROR_PROTECTED},
  };
  g_autoptr(Mount) mount = mount_new();
  ck_assert_int_eq(make(mount, mount->root, "Empty"), NONE);
  list(mount, "Full");
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    int code = move(mount, rows[i].from, rows[i].to_folder, rows[i].name, rows[i].flags);
    ck_assert_msg(code == rows[i].code, "row %zu: %d", i, code);
  }
  CacheEntry entry;
  gsize n;
  ck_assert_int_eq(cache_list(mount->cache, at(mount, "Full"), 0, 0, &entry, 1, &n, NULL), CACHE_READY);
  ck_assert_int_eq(move(mount, "Work", "Full", entry.name, 0), CACHE_ERROR_NO_FOLDER);
}
END_TEST

/* ---- rmdir ----------------------------------------------------------------------------------------------------- */

START_TEST(an_empty_folder_is_hidden_at_once) {
  g_autoptr(Mount) mount = mount_new();
  ck_assert_int_eq(make(mount, mount->root, "Empty"), NONE);
  gint64 row = at(mount, "Empty");
  ck_assert_int_eq(drop(mount, "", "Empty"), NONE);
  ck_assert_int_eq(at(mount, "Empty"), 0);
  gboolean waits = FALSE;
  ck_assert(journal_concerns(mount->cache->account.index, row, &waits, NULL));
}
END_TEST

/* `rm -r x && mkdir x`, and `mv y x`. */
START_TEST(a_name_that_was_just_given_up) {
  g_autoptr(Mount) mount = mount_new();
  ck_assert_int_eq(make(mount, mount->root, "x"), NONE);
  gint64 first = at(mount, "x");
  ck_assert_int_eq(drop(mount, "", "x"), NONE);
  ck_assert_int_eq(make(mount, mount->root, "x"), NONE);
  gint64 second = at(mount, "x");
  ck_assert_int_ne(first, second);
  ck_assert_int_eq(drop(mount, "", "x"), NONE);
  ck_assert_int_eq(move(mount, "Work", "", "x", 0), NONE);
  ck_assert_int_ne(at(mount, "x/Deep"), 0);
}
END_TEST

START_TEST(what_cannot_be_removed) {
  static const struct {
    const char *folder, *name;
    int code;
  } rows[] = {
      {"", "INBOX", CACHE_ERROR_BUSY},     {"", "Sent", CACHE_ERROR_PROTECTED},     {"", "Full", CACHE_ERROR_NOT_EMPTY},
      {"", "Work", CACHE_ERROR_NOT_EMPTY}, {"Work", "Deep", CACHE_ERROR_NOT_EMPTY},
  };
  g_autoptr(Mount) mount = mount_new();
  list(mount, "Full"); /* of the others the sweep has told */
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    int code = drop(mount, rows[i].folder, rows[i].name);
    ck_assert_msg(code == rows[i].code, "row %zu: %d", i, code);
  }
  ck_assert_int_eq(cache_remove_folder(mount->cache, mount->root, "None", NULL), CACHE_ABSENT);
  CacheEntry entry;
  gsize n;
  ck_assert_int_eq(cache_list(mount->cache, at(mount, "Full"), 0, 0, &entry, 1, &n, NULL), CACHE_READY);
  ck_assert_int_eq(drop(mount, "Full", entry.name), CACHE_ERROR_NO_FOLDER);
}
END_TEST

int main(void) {
  if (!dovecot_installed())
    return 0;
  Suite *suite = suite_create("cache/folders");
  TCase *tests = tcase_create("folders");
  tcase_add_test(tests, folders_of_many_names);
  tcase_add_test(tests, folders_below_folders);
  tcase_add_test(tests, a_folder_of_debris_is_local);
  tcase_add_test(tests, nothing_is_made_offline);
  tcase_add_test(tests, nothing_is_changed_read_only);
  tcase_add_test(tests, a_folder_moves_with_all_below);
  tcase_add_test(tests, what_cannot_be_renamed);
  tcase_add_test(tests, an_empty_folder_is_hidden_at_once);
  tcase_add_test(tests, a_name_that_was_just_given_up);
  tcase_add_test(tests, what_cannot_be_removed);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
