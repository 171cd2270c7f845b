/* SPDX-License-Identifier: MIT */
/*
 * An index with everything in it is damaged in many ways. Whatever is left of it afterwards must be true: no row under
 * another UID than it had, no octets other than those that were written, nothing that would be sent a second time.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/index/index_backup.h"
#include "cache/index/index_salvage.h"
#include "cache/journal/journal.h"
#include "tests/index.h"
#include "tests/offline.h"
#include "tests/suite.h"

#define PAGE 4096
#define MESSAGES 600
#define NEWS 12

static gboolean exists(const char *name) {
  return faccessat(index_dir.fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* ---- an index ------------------------------------------------------------------------------------------------- */

static gint64 inbox, archive, news[NEWS];
static GString *contents[NEWS]; /* what each new message holds */

static void quiet(G_GNUC_UNUSED const char *domain, G_GNUC_UNUSED GLogLevelFlags level,
                  G_GNUC_UNUSED const char *message, gpointer data) {
  g_string_append_printf(data, "%s\n", message);
}

static GString *log_text;

static void forget_content(guint number) {
  if (contents[number])
    g_string_free(contents[number], TRUE);
  contents[number] = NULL;
}

static void setup(void) {
  index_setup();
  log_text = g_string_new(NULL);
  g_log_set_default_handler(quiet, log_text);
  g_log_set_always_fatal(G_LOG_FATAL_MASK); /* it warns, as it should */
}

static void teardown(void) {
  g_log_set_default_handler(g_log_default_handler, NULL);
  for (guint i = 0; i < NEWS; i++)
    forget_content(i);
  g_string_free(log_text, TRUE);
  index_teardown();
}

static GString *make_content(guint number) {
  GString *text = g_string_new(NULL);
  g_string_printf(text, "Subject: number %u\r\n\r\n", number);
  for (guint i = 0; i < (number % 3 == 0 ? 4000u : 40u); i++)
    g_string_append_printf(text, "%u %u\r\n", number, i * 7919);
  return text;
}

static gboolean write_new(IndexTxn *txn, gpointer data, GError **error) {
  guint number = GPOINTER_TO_UINT(data);
  g_auto(IndexMessage) message = {.mailbox = inbox, .internaldate = 1700000000, .mtime = 5, .ctime = 6};
  g_snprintf(message.name, sizeof message.name, number % 4 == 3 ? ".new-%u.tmp" : "new-%u.eml", number);
  if (!journal_create(txn, &message, error))
    return FALSE;
  forget_content(number);
  GString *text = contents[number] = make_content(number);
  JournalContent content = {.row = news[number] = message.row,
                            .state = number % 4 == 3 ? JOURNAL_LOCAL : JOURNAL_READY,
                            .bytes = text->str,
                            .size = text->len,
                            .due = JOURNAL_NOW};
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  gsize len = sizeof content.sha256;
  g_checksum_update(sum, (const guchar *)text->str, (gssize)text->len);
  g_checksum_get_digest(sum, content.sha256, &len);
  return journal_put(txn, &content, error);
}

static gboolean write_changes(IndexTxn *txn, gpointer data, GError **error) {
  const gint64 *rows = data;
  JournalFlags flags = {.add = IMAP_FLAG_FLAGGED, .add_keywords = "Work"};
  return journal_rename(txn, rows[0], inbox, "mine.eml", JOURNAL_READY, 0, error) && /* its name alone */
         journal_rename(txn, rows[1], archive, "kept.eml", JOURNAL_READY, 0, error) &&
         journal_remove(txn, rows[2], NULL, error) && journal_flag(txn, rows[3], &flags, error);
}

static gint64 row_of(Index *index, gint64 mailbox, guint32 uid) {
  g_auto(IndexMessage) message = {0};
  return index_find_uid(index, mailbox, uid, &message, NULL) ? message.row : 0;
}

static gboolean write_listed(IndexTxn *txn, gpointer data, GError **error) {
  const gint64 *row = data;
  g_autofree char *sql =
      g_strdup_printf("UPDATE mailbox SET listed = 2, uidnext = %d, messages = %d WHERE row = %" G_GINT64_FORMAT,
                      MESSAGES + 1, MESSAGES, *row);
  return index_db_exec(txn->db, sql, error);
}

static Index *make_index(void) {
  Index *index = open_index(NULL);
  IndexMailbox root = {.name = (char *)"", .attrs = IMAP_ATTR_NOSELECT};
  do_write(index, put_mailbox, &root);
  inbox = add_mailbox(index, root.row, "INBOX");
  archive = add_mailbox(index, root.row, "Archive");
  add_messages(index, inbox, 1, MESSAGES);
  add_messages(index, archive, 1, MESSAGES);
  do_write(index, write_listed, &inbox);
  do_write(index, write_listed, &archive);
  do_write(index, exec_sql,
           (gpointer) "INSERT INTO meta VALUES('stamp', '0123456789abcdef0123456789abcdef"
                      " fedcba9876543210fedcba9876543210 7 1000 boot')");
  for (guint i = 0; i < NEWS; i++)
    do_write(index, write_new, GUINT_TO_POINTER(i));
  gint64 rows[4];
  for (guint i = 0; i < 4; i++)
    rows[i] = row_of(index, inbox, 100 + i);
  do_write(index, write_changes, rows);
  return index;
}

/* The run ended badly, or the next one would not look. */
static void close_unclean(Index *index) {
  index_close(index);
  gint damaged = 0;
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "UPDATE meta SET value = '0' WHERE key = 'clean'", NULL);
  ck_assert_ptr_nonnull(db);
}

static void damage(const char *name, off_t offset, gsize len, int value) {
  int fd = openat(index_dir.fd, name, O_WRONLY);
  ck_assert_int_ge(fd, 0);
  g_autofree char *junk = g_malloc(len);
  memset(junk, value, len);
  ck_assert_int_eq(pwrite(fd, junk, len, offset), (gssize)len);
  close(fd);
}

/* ---- what must be true of what is left -------------------------------------------------------------------------- */

typedef struct {
  guint uids, named, news, lost_found, changes;
} Left;

static void ck_message(const IndexMessage *message, Left *left) {
  gint64 first = message->mailbox == inbox ? 1 : MESSAGES + 1;
  if (message->uid == 0)
    return;
  ck_assert_msg(message->row == first + message->uid - 1, "row %d has UID %u", (int)message->row, message->uid);
  left->uids++;
  left->named += strcmp(message->name, "mine.eml") == 0;
}

static void ck_new(Index *index, guint number, Left *left) {
  g_auto(JournalNew) entry = {0};
  g_auto(IndexMessage) message = {0};
  if (!journal_get_new(index, news[number], &entry, NULL))
    return;
  ck_assert(index_get_message(index, news[number], &message, NULL) && !message.gone);
  /* It may have been sent. */
  ck_assert(!exists("index.db.corrupt-1") || (entry.state != JOURNAL_READY && entry.state != JOURNAL_SENT));
  g_autoptr(GBytes) bytes = journal_bytes(index, news[number], NULL);
  ck_assert_ptr_nonnull(bytes);
  gboolean same = g_bytes_get_size(bytes) == contents[number]->len &&
                  memcmp(g_bytes_get_data(bytes, NULL), contents[number]->str, contents[number]->len) == 0;
  ck_assert_msg(same || entry.state == JOURNAL_REFUSED, "new %u, state %d, size %zu, is not what was written", number,
                entry.state, g_bytes_get_size(bytes));
  if (entry.state == JOURNAL_REFUSED)
    ck_assert(entry.reason && message.mailbox != inbox);
  else
    ck_assert_int_eq(message.folder, inbox);
  left->lost_found += entry.state == JOURNAL_REFUSED;
  left->news += same;
}

static void ck_changes(Index *index, Left *left) {
  g_autoptr(IndexReader) reader = index_reader_take(index, NULL);
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT op, message, target FROM journal WHERE op <> 1");
  while (index_step(reader, stmt, NULL) == INDEX_STEP_ROW) {
    gint64 op = sqlite3_column_int64(stmt, 0), row = sqlite3_column_int64(stmt, 1);
    ck_assert((op == JOURNAL_MOVE && row == 101 && sqlite3_column_int64(stmt, 2) == archive) ||
              (op == JOURNAL_REMOVE && row == 102) || (op == JOURNAL_FLAGS && row == 103));
    left->changes++;
  }
}

static Left look(Index *index) {
  Left left = {0};
  gint64 row = 0;
  g_auto(IndexMessage) message = {0};
  for (row = 1; row <= 2 * MESSAGES; row++) {
    if (index_get_message(index, row, &message, NULL) && !message.gone)
      ck_message(&message, &left);
    index_message_clear(&message);
  }
  for (guint i = 0; i < NEWS; i++)
    ck_new(index, i, &left);
  ck_changes(index, &left);
  gint64 last;
  ck_assert(index_last_row(index, &last, NULL));
  do_write(index, set_meta, (gpointer) "works");
  return left;
}

static Left salvaged(void) {
  gboolean unclean = FALSE;
  g_autoptr(Index) index = open_index(&unclean);
  ck_assert(unclean);
  return look(index);
}

/* ---- one damage each ----------------------------------------------------------------------------------------------
 */

START_TEST(what_can_be_read_is_kept) {
  close_unclean(make_index());
  damage("index.db", 40 * PAGE, PAGE, 0xa5);
  Left left = salvaged();
  ck_assert(exists("index.db.corrupt-1") && !exists("index.db.salvaging"));
  ck_assert_uint_ge(left.uids + 0u, MESSAGES);
  ck_assert_uint_ge(left.news, NEWS - 2);
  ck_assert_ptr_nonnull(strstr(log_text->str, "index.db.corrupt-1"));
}
END_TEST

/* Each page in turn: one page holds a few rows, and the rest must be there. */
START_TEST(any_one_page) {
  close_unclean(make_index());
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL), *octets = NULL;
  gsize len;
  ck_assert(g_file_get_contents(path, &octets, &len, NULL));
  for (gsize page = 1 + (gsize)_i; page < len / PAGE; page += 4) {
    ck_assert(g_file_set_contents(path, octets, (gssize)len, NULL));
    damage("index.db", (off_t)(page * PAGE), PAGE, page % 2 ? 0 : 0xa5);
    g_autoptr(Index) index = open_index(NULL);
    Left left = look(index);
    ck_assert_msg(left.news >= NEWS - 6, "page %zu: %u", page, left.news);
    g_clear_pointer(&index, index_close);
    for (guint i = 1; i < 4; i++) {
      g_autofree char *name = g_strdup_printf("index.db.corrupt-%u", i);
      unlinkat(index_dir.fd, name, 0);
    }
  }
}
END_TEST

/* What SQLite takes for whole is none of our business; but it must not crash us. */
START_TEST(bits_that_flip) {
  close_unclean(make_index());
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL), *octets = NULL;
  gsize len;
  ck_assert(g_file_get_contents(path, &octets, &len, NULL));
  g_autoptr(GRand) rand = g_rand_new_with_seed((guint32)_i);
  for (guint round = 0; round < 25; round++) {
    g_autofree char *bad = g_memdup2(octets, len);
    for (guint i = 0; i < 1u << (round % 8); i++)
      bad[g_rand_int_range(rand, round % 2 ? 0 : 100, (gint32)len)] ^= (char)(1 << g_rand_int_range(rand, 0, 8));
    ck_assert(g_file_set_contents(path, bad, (gssize)len, NULL));
    g_autoptr(GError) error = NULL;
    g_autoptr(Index) index = index_open(index_dir.fd, NULL, &error);
    ck_assert(index || error);
    for (guint i = 0; index && i < NEWS; i++) {
      g_autoptr(GBytes) bytes = journal_bytes(index, news[i], NULL);
    }
    g_clear_pointer(&index, index_close);
    index_salvage_clear(index_dir.fd, NULL);
    for (guint i = 1; i < 30; i++) {
      g_autofree char *name = g_strdup_printf("index.db.corrupt-%u", i);
      unlinkat(index_dir.fd, name, 0);
    }
  }
}
END_TEST

static const struct {
  const char *what;
  off_t offset;
  gsize len; /* 0: truncate there */
  int value;
} damages[] = {
    {"header", 0, 100, 0},       {"first page", 0, PAGE, 0xa5}, {"half of it", 70 * PAGE, 0, 0},
    {"all but a bit", 10, 0, 0}, {"much", 0, 60 * PAGE, 0},     {"a part of the schema", 200, 1000, 0},
};

static void do_damage(guint i) {
  if (damages[i].len > 0) {
    damage("index.db", damages[i].offset, damages[i].len, damages[i].value);
    return;
  }
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  ck_assert_int_eq(truncate(path, damages[i].offset), 0);
}

START_TEST(a_copy_stands_in) {
  Index *index = make_index();
  ck_assert(index_back_up(index, NULL, 0, NULL));
  close_unclean(index);
  do_damage((guint)_i);
  Left left = salvaged();
  ck_assert_msg(left.uids >= 2 * MESSAGES, "%s: %u", damages[_i].what, left.uids);
  ck_assert_uint_eq(left.named, 1);
  ck_assert_uint_eq(left.news, NEWS);
}
END_TEST

START_TEST(without_a_copy_it_opens_all_the_same) {
  close_unclean(make_index());
  do_damage((guint)_i);
  salvaged();
}
END_TEST

/* What the copy says that waits may have been done long ago. */
START_TEST(what_a_copy_says_is_not_sent_again) {
  Index *index = make_index();
  ck_assert(index_back_up(index, NULL, 0, NULL));
  close_unclean(index);
  do_damage(3);
  Left left = salvaged();
  ck_assert_uint_eq(left.changes, 0);
  ck_assert_uint_eq(left.lost_found, NEWS - NEWS / 4); /* all but what is local */
}
END_TEST

/* Done since the copy was made, and the journal can be read: it is not brought back. */
START_TEST(what_has_left_the_journal_stays_away) {
  Index *index = make_index();
  ck_assert(index_back_up(index, NULL, 0, NULL));
  do_write(index, exec_sql, (gpointer) "UPDATE message SET gone = 1 WHERE row IN (SELECT message FROM journal)");
  close_unclean(index);
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  gint damaged = 0;
  IndexDb *db = index_db_open(path, &damaged, "", NULL);
  g_autoptr(IndexStmt) stmt = index_use(db, "SELECT rootpage FROM sqlite_master WHERE name = 'message_forgotten'");
  gint64 page = 0;
  ck_assert(index_number(db, stmt, &page, NULL));
  g_clear_pointer(&stmt, index_stmt_done);
  index_db_close(db);
  damage("index.db", (page - 1) * PAGE, PAGE, 0xa5);
  Left left = salvaged();
  ck_assert_uint_eq(left.news, 0);
  ck_assert_uint_eq(left.changes, 0);
}
END_TEST

START_TEST(garbage_in_the_wal_costs_what_was_in_it) {
  Index *index = make_index();
  ck_assert(index_db_exec(index->db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL));
  do_write(index, set_meta, (gpointer) "late");
  char *octets[2];
  gsize len[2];
  static const char *const names[] = {"index.db", "index.db-wal"};
  for (guint i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename(index_dir.path, names[i], NULL);
    ck_assert(g_file_get_contents(path, &octets[i], &len[i], NULL));
  }
  index_close(index);
  memset(octets[1], 0xa5, len[1]);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename(index_dir.path, names[i], NULL);
    ck_assert(g_file_set_contents(path, octets[i], (gssize)len[i], NULL));
    g_free(octets[i]);
  }
  g_autoptr(Index) again = open_index(NULL);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(again, 1, &message, NULL));
}
END_TEST

/* ---- what comes with it ---------------------------------------------------------------------------------------- */

START_TEST(an_attempt_that_was_cut_off_is_begun_again) {
  close_unclean(make_index());
  damage("index.db", 40 * PAGE, PAGE, 0xa5);
  ck_assert(index_salvage_set_aside(index_dir.fd, NULL));
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL);
  ck_assert(g_file_set_contents(path, "half", 4, NULL));
  Left left = salvaged();
  ck_assert_uint_ge(left.uids, MESSAGES);
  ck_assert(!exists("index.db.salvaging"));
}
END_TEST

/* A crash when one of the two files had its other name already. */
START_TEST(a_crash_between_two_renames_costs_nothing) {
  close_unclean(make_index());
  damage("index.db", 40 * PAGE, PAGE, 0xa5);
  g_autofree char *wal = g_build_filename(index_dir.path, "index.db.salvaging-wal", NULL);
  ck_assert(g_file_set_contents(wal, "", 0, NULL));
  Left left = salvaged();
  ck_assert_uint_ge(left.uids, MESSAGES);
  ck_assert(exists("index.db.corrupt-1-wal") && !exists("index.db.salvaging-wal"));
  g_autofree char *own = g_build_filename(index_dir.path, "index.db-wal", NULL);
  ck_assert(g_file_set_contents(wal, "of the damaged one", -1, NULL));
  ck_assert(g_file_set_contents(own, "", 0, NULL));
  g_autoptr(Index) index = open_index(NULL);
  Left again = look(index);
  ck_assert_uint_eq(left.uids, again.uids);
  ck_assert(!exists("index.db.salvaging-wal") && !exists("index.db.corrupt-2"));
}
END_TEST

START_TEST(a_version_that_cannot_be_is_damage) {
  static const guint8 versions[] = {1, 2};
  for (guint i = 0; i < 3; i++) {
    close_unclean(make_index());
    guint8 high = 0x40, *value = i < 2 ? (guint8 *)&versions[i] : &high;
    int fd = openat(index_dir.fd, "index.db", O_WRONLY);
    ck_assert_int_eq(pwrite(fd, value, 1, i < 2 ? 63 : 60), 1);
    close(fd);
    Left left = salvaged();
    ck_assert_uint_eq(left.uids, 2 * MESSAGES);
    ck_assert_uint_eq(left.news, NEWS);
    index_teardown();
    index_setup();
  }
}
END_TEST

START_TEST(the_next_visit_compares_everything) {
  close_unclean(make_index());
  damage("index.db", 40 * PAGE, PAGE, 0xa5);
  g_autoptr(Index) index = open_index(NULL);
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(index, inbox, &mailbox, NULL));
  ck_assert(mailbox.uidnext == 0 && mailbox.modseq == 0 && mailbox.uidvalidity == 7);
  g_autofree char *stamp = index_get_meta(index, "stamp", NULL);
  ck_assert_str_eq(stamp, "0123456789abcdef0123456789abcdef 00000000000000000000000000000000 7 1000 boot");
}
END_TEST

static gboolean write_copy(IndexTxn *txn, gpointer data, GError **error) {
  g_auto(IndexMessage) message = {.mailbox = archive, .name = "copy.eml"};
  JournalContent content = {.state = JOURNAL_READY, .size = 100, .copy = *(gint64 *)data, .due = JOURNAL_NOW};
  if (!journal_create(txn, &message, error))
    return FALSE;
  *(gint64 *)data = content.row = message.row;
  return journal_put(txn, &content, error);
}

/* Its octets are elsewhere, and not lost. */
START_TEST(what_waits_to_be_copied_still_does) {
  Index *whole = make_index();
  gint64 source = row_of(whole, inbox, 5), row = source;
  g_auto(JournalNew) entry = {0};
  do_write(whole, write_copy, &row);
  close_unclean(whole);
  damage("index.db", 40 * PAGE, PAGE, 0xa5);
  g_autoptr(Index) index = open_index(NULL);
  ck_assert(journal_get_new(index, row, &entry, NULL));
  ck_assert_int_eq(entry.copy, source);
}
END_TEST

static gboolean write_latin(IndexTxn *txn, gpointer data, GError **error) {
  return journal_rename(txn, *(gint64 *)data, inbox, "caf\xe9.eml", JOURNAL_READY, 0, error);
}

/* A user may have named a file in any charset. */
START_TEST(names_need_not_be_utf8) {
  Index *whole = make_index();
  gint64 row = row_of(whole, inbox, 5);
  g_auto(IndexMessage) message = {0};
  do_write(whole, write_latin, &row);
  close_unclean(whole);
  damage("index.db", 40 * PAGE, PAGE, 0xa5);
  g_autoptr(Index) index = open_index(NULL);
  ck_assert(index_find_message(index, inbox, "caf\xe9.eml", &message, NULL));
  ck_assert_int_eq(message.row, row);
}
END_TEST

START_TEST(uploads_are_looked_for_from_where_they_could_be) {
  close_unclean(make_index());
  damage("index.db", 40 * PAGE, PAGE, 0xa5);
  g_autoptr(Index) index = open_index(NULL);
  g_autoptr(IndexReader) reader = index_reader_take(index, NULL);
  g_autoptr(IndexStmt) stmt = index_use(
      reader, "SELECT count(*) FROM journal WHERE op = 1 AND state = 3 AND uidnext = 601 AND uidvalidity = 7");
  gint64 n = 0;
  ck_assert(index_number(reader, stmt, &n, NULL));
  ck_assert_int_ge(n, NEWS - NEWS / 4 - 2);
}
END_TEST

/* Somebody put an old index.db back: what it says was not sent may have been. */
START_TEST(a_restored_index_sends_nothing_blindly) {
  CacheEntry entry;
  CacheDraft *draft = NULL;
  offline_setup();
  ck_assert_int_eq(cache_create(offline.cache, offline.inbox, "a.eml", &entry, &draft, NULL), CACHE_READY);
  ck_assert(cache_draft_write(draft, "Subject: x\r\n\r\n", 14, 0, NULL) && cache_draft_flush(draft, FALSE, NULL));
  cache_draft_close(draft);
  cache_free(offline.cache);
  g_autofree char *path = g_build_filename(offline.config.state_dir, "ann@localhost:1", "index.db", NULL), *old = NULL;
  gsize len;
  ck_assert(g_file_get_contents(path, &old, &len, NULL));
  for (guint i = 0; i < 2; i++) {
    g_auto(JournalNew) entry_of = {0};
    offline.cache = cache_open(&offline.config, NULL);
    ck_assert(offline.cache && journal_get_new(offline.cache->account.index, entry.row, &entry_of, NULL));
    ck_assert_int_eq(entry_of.state, i == 0 ? JOURNAL_READY : JOURNAL_UNKNOWN);
    cache_free(offline.cache);
    ck_assert(g_file_set_contents(path, old, (gssize)len, NULL));
  }
  offline.cache = NULL;
  offline_teardown();
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/index_salvage");
  TCase *tests = tcase_create("salvage");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, what_can_be_read_is_kept);
  tcase_add_loop_test(tests, any_one_page, 0, 4);
  tcase_add_loop_test(tests, bits_that_flip, 0, 4);
  tcase_add_loop_test(tests, a_copy_stands_in, 0, G_N_ELEMENTS(damages));
  tcase_add_loop_test(tests, without_a_copy_it_opens_all_the_same, 0, G_N_ELEMENTS(damages));
  tcase_add_test(tests, what_a_copy_says_is_not_sent_again);
  tcase_add_test(tests, what_has_left_the_journal_stays_away);
  tcase_add_test(tests, garbage_in_the_wal_costs_what_was_in_it);
  tcase_add_test(tests, an_attempt_that_was_cut_off_is_begun_again);
  tcase_add_test(tests, a_crash_between_two_renames_costs_nothing);
  tcase_add_test(tests, a_version_that_cannot_be_is_damage);
  tcase_add_test(tests, the_next_visit_compares_everything);
  tcase_add_test(tests, what_waits_to_be_copied_still_does);
  tcase_add_test(tests, names_need_not_be_utf8);
  tcase_add_test(tests, uploads_are_looked_for_from_where_they_could_be);
  tcase_add_test(tests, a_restored_index_sends_nothing_blindly);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
