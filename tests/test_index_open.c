/* SPDX-License-Identifier: MIT */
#include "tests/index.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/journal/journal.h"
#include "tests/suite.h"

/* A run that ends as by SIGKILL: the files as they are, under another directory's eyes. */
static void crash_copy(void) {
  static const char *const files[] = {"index.db", "index.db-wal"};
  Index *index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 2000);
  char *octets[2];
  gsize len[2];
  for (guint i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename(index_dir.path, files[i], NULL);
    ck_assert(g_file_get_contents(path, &octets[i], &len[i], NULL));
  }
  index_close(index);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename(index_dir.path, files[i], NULL);
    ck_assert(g_file_set_contents(path, octets[i], (gssize)len[i], NULL));
    g_free(octets[i]);
  }
}

START_TEST(a_killed_run_is_noticed_and_loses_nothing) {
  crash_copy();
  gboolean unclean = FALSE;
  g_autoptr(Index) index = open_index(&unclean);
  ck_assert(unclean);
  guint64 bytes;
  ck_assert_uint_eq(count_messages(index, &bytes), 2000);
}
END_TEST

START_TEST(files_are_private_whatever_the_umask) {
  mode_t old = umask(0);
  Index *index = open_index(NULL);
  add_mailbox(index, 1, "a");
  static const char *const files[] = {"index.db", "index.db-wal", "index.db-shm"};
  for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
    struct stat st;
    ck_assert_int_eq(fstatat(index_dir.fd, files[i], &st, 0), 0);
    ck_assert_msg((st.st_mode & 0777) == 0600, "%s has mode %o", files[i], st.st_mode & 0777);
  }
  index_close(index);
  umask(old);
}
END_TEST

static void scribble(const char *name, gsize offset, gsize len) {
  int fd = openat(index_dir.fd, name, O_WRONLY);
  ck_assert_int_ge(fd, 0);
  g_autofree char *junk = g_malloc(len);
  memset(junk, 0xa5, len);
  ck_assert_int_eq(pwrite(fd, junk, len, (off_t)offset), (gssize)len);
  close(fd);
}

static void ignore_log(G_GNUC_UNUSED const char *domain, G_GNUC_UNUSED GLogLevelFlags level,
                       G_GNUC_UNUSED const char *message, gpointer data) {
  (*(guint *)data)++;
}

START_TEST(a_damaged_index_is_set_aside) {
  g_log_set_always_fatal(G_LOG_FATAL_MASK);   /* it warns, as it should */
  static const gsize where[] = {0, 9 * 4096}; /* the header; pages in the middle, after a crash */
  guint warnings = 0;
  GLogFunc old = g_log_set_default_handler(ignore_log, &warnings);
  g_log_set_always_fatal(G_LOG_FATAL_MASK); /* make check makes warnings fatal; this one is wanted */
  Index *index = open_index(NULL);
  add_messages(index, add_mailbox(index, 1, "a"), 1, 2000);
  index_close(index);
  gint damaged = 0;
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "UPDATE meta SET value = '0' WHERE key = 'clean'", NULL);
  g_clear_pointer(&db, index_db_close);
  scribble("index.db", where[_i], 40 * 4096);
  gboolean unclean = FALSE;
  g_autoptr(Index) fresh = open_index(&unclean);
  ck_assert(unclean);
  ck_assert_uint_ge(warnings, 1);
  ck_assert_int_eq(faccessat(index_dir.fd, "index.db.corrupt-1", F_OK, 0), 0);
  g_log_set_default_handler(old, NULL);
}
END_TEST

START_TEST(a_newer_index_is_refused) {
  Index *index = open_index(NULL);
  do_write(index, exec_sql, (gpointer) "PRAGMA user_version = 99");
  index_close(index);
  g_autoptr(GError) error = NULL;
  ck_assert_ptr_null(index_open(index_dir.fd, NULL, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_CONFIG));
  ck_assert_ptr_nonnull(strstr(error->message, "newer"));
  ck_assert_int_ne(faccessat(index_dir.fd, "index.db.corrupt-1", F_OK, 0), 0);
}
END_TEST

static char *backup_name(const char *prefix) {
  g_autoptr(GDir) list = g_dir_open(index_dir.path, 0, NULL);
  for (const char *name; (name = g_dir_read_name(list));)
    if (g_str_has_prefix(name, prefix))
      return g_strdup(name);
  return NULL;
}

START_TEST(a_migration_is_backed_up_and_all_or_nothing) {
  index_close(open_index(NULL));
  const char *migrations[INDEX_VERSION + 2] = {0};
  const char prefix[] = "index.db.version-" G_STRINGIFY(INDEX_VERSION) ".";
  memcpy(migrations, index_migrations, sizeof index_migrations);
  migrations[INDEX_VERSION] = "CREATE TABLE two(a);";
  migrations[INDEX_VERSION + 1] = "CREATE TABLE three(a); SYNTAX ERROR";
  gint damaged = 0;
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "", NULL);
  g_autoptr(GError) error = NULL;
  ck_assert(!index_migrate(db, index_dir.fd, migrations, INDEX_VERSION + 2, &error));
  ck_assert(!index_db_exec(db, "SELECT * FROM two", NULL));
  g_clear_error(&error);
  g_autofree char *name = backup_name(prefix);
  ck_assert_ptr_nonnull(name);
  unlinkat(index_dir.fd, name, 0);
  ck_assert_msg(index_migrate(db, index_dir.fd, migrations, INDEX_VERSION + 1, &error), "%s",
                error ? error->message : "");
  ck_assert(index_db_exec(db, "SELECT * FROM two", NULL));
  g_autofree char *again = backup_name(prefix);
  ck_assert_ptr_nonnull(again);
}
END_TEST

/* Format 1, as the first users have it. */
static const char version_1[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE mailbox(row INTEGER PRIMARY KEY AUTOINCREMENT, parent INTEGER NOT NULL, raw BLOB, name TEXT NOT NULL,"
    " delimiter INTEGER NOT NULL, attrs INTEGER NOT NULL, uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL,"
    " messages INTEGER NOT NULL, modseq INTEGER NOT NULL, mailboxid TEXT, listed INTEGER NOT NULL,"
    " listed_at INTEGER NOT NULL, mtime INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0);"
    "CREATE UNIQUE INDEX mailbox_name ON mailbox(parent, name) WHERE gone = 0;"
    "CREATE INDEX mailbox_order ON mailbox(parent) WHERE gone = 0;"

    "CREATE TABLE message(row INTEGER PRIMARY KEY AUTOINCREMENT, mailbox INTEGER NOT NULL, uid INTEGER,"
    " name TEXT NOT NULL, flags INTEGER NOT NULL, keywords TEXT, internaldate INTEGER NOT NULL,"
    " mtime INTEGER NOT NULL, ctime INTEGER NOT NULL, claim INTEGER, size INTEGER, sha256 BLOB, fingerprint BLOB,"
    " gone INTEGER NOT NULL DEFAULT 0);"
    "CREATE UNIQUE INDEX message_uid ON message(mailbox, uid, gone) WHERE gone = 0;"
    "CREATE UNIQUE INDEX message_name ON message(mailbox, name) WHERE gone = 0;"
    "CREATE INDEX message_forgotten ON message(mailbox, fingerprint) WHERE uid IS NULL AND gone = 0;"
    "CREATE INDEX message_order ON message(mailbox) WHERE gone = 0;"
    "CREATE INDEX message_gone ON message(mailbox, uid, gone) WHERE gone > 0;"

    "CREATE TABLE body(row INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, queue INTEGER NOT NULL, used INTEGER NOT NULL,"
    " epoch INTEGER NOT NULL);"

    "CREATE TABLE journal(seq INTEGER PRIMARY KEY AUTOINCREMENT, op INTEGER NOT NULL, message INTEGER,"
    " mailbox INTEGER, target INTEGER, name TEXT, hides INTEGER NOT NULL DEFAULT 0, flags_add INTEGER,"
    " flags_remove INTEGER, keywords_add TEXT, keywords_remove TEXT, uidvalidity INTEGER, uidnext INTEGER,"
    " state INTEGER NOT NULL, bytes BLOB, spool INTEGER, reason TEXT, created INTEGER NOT NULL);"
    "CREATE INDEX journal_message ON journal(message, hides);"
    "CREATE VIEW shown_message AS SELECT row, mailbox, uid, name, flags, keywords, internaldate, mtime, ctime, claim,"
    " size, sha256, fingerprint, gone FROM message AS m WHERE m.gone = 0"
    " AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.message = m.row AND j.hides = 1);"

    "CREATE TABLE totals(messages INTEGER NOT NULL, bytes INTEGER NOT NULL);"
    "INSERT INTO totals VALUES(0, 0);"
    "CREATE TRIGGER message_added AFTER INSERT ON message WHEN new.gone = 0 BEGIN"
    " UPDATE totals SET messages = messages + 1, bytes = bytes + coalesce(new.size, new.claim, 0); END;"
    "CREATE TRIGGER message_changed AFTER UPDATE OF gone, size, claim ON message BEGIN"
    " UPDATE totals SET messages = messages + (new.gone = 0) - (old.gone = 0),"
    " bytes = bytes + (new.gone = 0) * coalesce(new.size, new.claim, 0)"
    " - (old.gone = 0) * coalesce(old.size, old.claim, 0); END;"
    "INSERT INTO sqlite_sequence(name, seq) VALUES('mailbox', 0), ('message', 0);"
    "INSERT INTO meta VALUES('clean', '1'), ('run', '3');"
    "INSERT INTO mailbox VALUES(1, 0, NULL, '', 0, 1, 0, 0, 0, 0, NULL, 0, 0, 5, 0),"
    " (2, 1, x'494e424f58', 'INBOX', 47, 0, 77, 12, 2, 900, NULL, 2, 1700000000, 6, 0);"
    "INSERT INTO message VALUES(1, 2, 10, 'ten.10.eml', 1, 'x y', 1700000001, 2, 3, 500, 501, zeroblob(32),"
    " x'00112233445566778899aabbccddeeff', 0), (2, 2, 11, 'eleven.11.eml', 0, NULL, 1700000002, 4, 5, 600, NULL, NULL,"
    " NULL, 0);"
    "INSERT INTO body VALUES(1, 501, 0, 8, 1);"
    "PRAGMA user_version = 1;";

static void note_body(const IndexBody *body, gpointer data) {
  *(IndexBody *)data = *body;
}

START_TEST(an_index_of_format_1_is_carried_over) {
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  gint damaged = 0;
  ck_assert(g_file_set_contents(path, "", 0, NULL));
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, version_1, NULL);
  ck_assert_ptr_nonnull(db);
  g_clear_pointer(&db, index_db_close);
  gboolean unclean = TRUE;
  g_autoptr(Index) index = open_index(&unclean);
  ck_assert(!unclean);
  g_auto(IndexMailbox) inbox = {0};
  g_auto(IndexMessage) ten = {0}, eleven = {0};
  ck_assert(index_find_mailbox(index, 1, "INBOX", &inbox, NULL));
  ck_assert_uint_eq(inbox.modseq, 900);
  ck_assert(index_find_message(index, 2, "ten.10.eml", &ten, NULL));
  ck_assert_uint_eq(ten.size, 501);
  ck_assert_str_eq(ten.keywords, "x y");
  ck_assert_uint_eq(ten.fingerprint[1], 0x11);
  ck_assert_ptr_null(ten.emailid);
  ck_assert_int_eq(ten.folder, 2);
  ck_assert(index_find_uid(index, 2, 11, &eleven, NULL));
  IndexBody body = {0};
  ck_assert(index_each_body(index, note_body, &body, NULL));
  ck_assert(body.row == 1 && !body.held && !body.orphan);
  guint64 bytes;
  ck_assert_uint_eq(count_messages(index, &bytes), 2);
  ck_assert_uint_eq(bytes, 1101);
  g_autofree char *name = backup_name("index.db.version-1."), *copy = g_build_filename(index_dir.path, name, NULL);
  db = index_db_open(copy, &damaged, "", NULL);
  ck_assert(index_db_exec(db, "SELECT mailbox FROM message", NULL));
  ck_assert(!index_db_exec(db, "SELECT emailid FROM message", NULL));
}
END_TEST

/* Format 2, made by its own migrations. */
static void make_version_2(const char *rows) {
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  gint damaged = 0;
  ck_assert(g_file_set_contents(path, "", 0, NULL));
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "", NULL);
  ck_assert(index_migrate(db, index_dir.fd, index_migrations, 2, NULL));
  g_autoptr(GError) error = NULL;
  ck_assert_msg(index_db_exec(db, rows, &error), "%s", error ? error->message : "");
}

START_TEST(an_index_of_format_2_is_carried_over) {
  make_version_2("INSERT INTO mailbox VALUES(1, 0, NULL, '', 0, 1, 0, 0, 0, 0, NULL, 0, 0, 5, 0),"
                 " (2, 1, x'494e424f58', 'INBOX', 47, 0, 77, 12, 2, 900, NULL, 2, 1700000000, 6, 0);"
                 "INSERT INTO message(row, mailbox, uid, name, flags, internaldate, mtime, ctime, emailid, gone) VALUES"
                 " (1, 2, 10, 'ten', 1, 1, 2, 3, 'E1', 0), (2, 2, 9, 'nine', 0, 1, 2, 3, NULL, 1);"
                 "INSERT INTO journal(op, message, hides, state, created) VALUES(1, 1, 1, 0, 0)");
  g_autoptr(Index) index = open_index(NULL);
  g_auto(IndexMessage) ten = {0}, nine = {0};
  ck_assert(index_find_message(index, 2, "ten", &ten, NULL));
  ck_assert_int_eq(ten.folder, 2);
  ck_assert_str_eq(ten.emailid, "E1");
  ck_assert(!index_find_message(index, 2, "nine", &nine, NULL));
  IndexAccess access = {.heard = 1};
  ck_assert(index_get_access(index, 2, &access, NULL));
  ck_assert_int_eq(access.heard, 0);
  guint64 changes = 1, bytes = 1;
  ck_assert(journal_left(index, &changes, &bytes, NULL));
  ck_assert_uint_eq(changes, 0);
  g_autofree char *name = backup_name("index.db.version-2.");
  ck_assert_ptr_nonnull(name);
}
END_TEST

START_TEST(tombstones_are_purged_by_the_next_run) {
  Index *index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 2000);
  remove_messages(index, box, 1, 1700, NULL);
  index_close(index);
  g_autoptr(Index) again = open_index(NULL);
  remove_messages(again, box, 2000, 2000, NULL);
  g_auto(IndexMessage) none = {0};
  for (guint i = 0; i < 8; i++) /* each purging job posts the next */
    ck_assert(index_flush(again, NULL));
  ck_assert(!index_get_message(again, 1, &none, NULL));
  ck_assert(!index_get_message(again, 1700, &none, NULL));
  ck_assert(index_get_message(again, 2000, &none, NULL));
  ck_assert(none.gone);
}
END_TEST

static gboolean skip_rows(IndexTxn *txn, gpointer data, GError **error) {
  return index_skip_rows(txn, *(gint64 *)data, error);
}

START_TEST(rows_are_never_used_twice) {
  Index *index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a"), gap = 1000;
  add_messages(index, box, 1, 10);
  remove_messages(index, box, 1, 10, NULL);
  index_close(index);
  g_autoptr(Index) again = open_index(NULL);
  ck_assert(index_flush(again, NULL));
  Range range = {box, 11, 1, 0};
  do_write(again, add_range, &range);
  ck_assert_int_eq(range.last_row, 11);
  do_write(again, skip_rows, &gap);
  range.first++;
  do_write(again, add_range, &range);
  ck_assert_int_eq(range.last_row, 1012);
  ck_assert_int_eq(add_mailbox(again, 1, "b"), 1002);
  gint64 last;
  ck_assert(index_last_row(again, &last, NULL));
  ck_assert_int_eq(last, 1012);
}
END_TEST

static void count_body(const IndexBody *body, gpointer data) {
  guint64 *seen = data;
  seen[body->orphan] += (guint64)body->row;
}

START_TEST(bodies_without_their_message_are_orphans) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 3);
  for (gint64 row = 1; row <= 3; row++) {
    Size size = {row, 5, 0};
    do_write(index, set_size, &size);
  }
  do_write(index, exec_sql,
           (gpointer) "INSERT INTO body(row, bytes, queue, used, epoch) VALUES(1, 5, 0, 2, 0), (2, 6, 0, 1, 0), (3, 5, "
                      "0, 3, 0), (100, 5, 0, 4, 0)");
  remove_messages(index, box, 3, 3, NULL);
  guint64 seen[2] = {0, 0};
  ck_assert(index_each_body(index, count_body, seen, NULL));
  ck_assert_uint_eq(seen[0], 1);
  ck_assert_uint_eq(seen[1], 105);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/index: opening");
  TCase *tests = tcase_create("opening");
  tcase_add_checked_fixture(tests, index_setup, index_teardown);
  tcase_add_test(tests, a_killed_run_is_noticed_and_loses_nothing);
  tcase_add_test(tests, files_are_private_whatever_the_umask);
  tcase_add_loop_test(tests, a_damaged_index_is_set_aside, 0, 2);
  tcase_add_test(tests, a_newer_index_is_refused);
  tcase_add_test(tests, a_migration_is_backed_up_and_all_or_nothing);
  tcase_add_test(tests, an_index_of_format_1_is_carried_over);
  tcase_add_test(tests, an_index_of_format_2_is_carried_over);
  tcase_add_test(tests, tombstones_are_purged_by_the_next_run);
  tcase_add_test(tests, rows_are_never_used_twice);
  tcase_add_test(tests, bodies_without_their_message_are_orphans);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
