/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include "cache/journal/journal.h"
#include "tests/offline.h"
#include "tests/suite.h"

#define OCTETS                                                                                                         \
  "Date: Sat, 21 Nov 2026 10:00:00 +0100\r\nFrom: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\n"                       \
  "Subject: =?utf-8?q?Two=0Alines?= and\r\n a\x01 fold\r\nMessage-ID: <1@example.org>\r\n\r\nSubject: not this "       \
  "one\r\n"

static Cache *cache;
static Index *the_index;

static void setup(void) {
  offline_setup();
  cache = offline.cache;
  the_index = cache->account.index;
}

static void do_write(IndexJob job, gpointer data) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(index_write(the_index, INDEX_CHANGE, job, data, &error), "%s", error ? error->message : "");
}

/* NULL: ABSENT. */
static char *get(CacheKind kind, gint64 row, const char *name) {
  g_autoptr(GError) error = NULL;
  char *value = NULL;
  CacheAnswer answer = cache_get_attribute(cache, kind, row, name, &value, &error);
  ck_assert_msg(answer == CACHE_READY || answer == CACHE_ABSENT, "%s: answer %d: %s", name, answer,
                error ? error->message : "");
  ck_assert(!error && (answer == CACHE_READY) == (value != NULL));
  return value;
}

static void ck_get(CacheKind kind, gint64 row, const char *name, const char *wanted) {
  g_autofree char *value = get(kind, row, name);
  ck_assert_msg(g_strcmp0(value, wanted) == 0, "%s is %s, not %s", name, value, wanted);
}

static void set(gint64 row, const char *name, const char *value) {
  g_autoptr(GError) error = NULL;
  CacheAnswer answer = cache_set_attribute(cache, CACHE_MESSAGE, row, name, value, strlen(value), &error);
  ck_assert_msg(answer == CACHE_READY, "%s", error ? error->message : "");
}

static void ck_refused(CacheKind kind, gint64 row, const char *name, const char *value, CacheError code) {
  g_autoptr(GError) error = NULL;
  ck_assert_int_eq(cache_set_attribute(cache, kind, row, name, value, strlen(value), &error), CACHE_FAILED);
  ck_assert_msg(g_error_matches(error, CACHE_ERROR, code), "%s: %s", name, error->message);
}

static gboolean waits(gint64 row) {
  gboolean ret = FALSE;
  ck_assert(journal_waits(the_index, row, &ret, NULL));
  return ret;
}

static void keep_body(gint64 row, guint32 uid) {
  g_autoptr(GError) error = NULL;
  IndexKey key = {.row = row, .mailbox = offline.inbox, .uidvalidity = 7, .uid = uid};
  BodyTemp *temp = body_begin(cache->account.bodies, &error);
  ck_assert(temp && body_write(temp, OCTETS, strlen(OCTETS), &error));
  close(body_commit(temp, &key, 0, &error));
  ck_assert(index_flush(the_index, NULL));
}

/* ---- flags -------------------------------------------------------------------------------------------------- */

START_TEST(a_list_is_set_and_shown) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  ck_get(CACHE_MESSAGE, row, "flags", "");
  set(row, "flags", "$Label1 \\Flagged \\Seen");
  ck_get(CACHE_MESSAGE, row, "flags", "\\Seen \\Flagged $Label1");
  ck_get(CACHE_MESSAGE, row, "seen", "1");
  ck_get(CACHE_MESSAGE, row, "flagged", "1");
  ck_get(CACHE_MESSAGE, row, "answered", "0");
  ck_get(CACHE_MESSAGE, row, "draft", "0");
  ck_assert(waits(row));
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(the_index, row, &message, NULL));
  ck_assert_uint_eq(message.flags, 0); /* what the server said */
  ck_assert(message.mtime == 17 && message.ctime == 18);
}
END_TEST

START_TEST(one_flag_leaves_the_others) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  set(row, "flags", "\\Deleted Work");
  set(row, "draft", "1");
  set(row, "answered", "1");
  ck_get(CACHE_MESSAGE, row, "flags", "\\Answered \\Deleted \\Draft Work");
  set(row, "answered", "0");
  ck_get(CACHE_MESSAGE, row, "flags", "\\Deleted \\Draft Work");
  set(row, "flags", "");
  ck_get(CACHE_MESSAGE, row, "flags", "");
}
END_TEST

START_TEST(what_is_shown_already_changes_nothing) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  set(row, "flags", "");
  set(row, "seen", "0");
  ck_assert(!waits(row));
  set(row, "seen", "1");
  set(row, "seen", "0");
  ck_get(CACHE_MESSAGE, row, "seen", "0");
  ck_assert(!waits(row));
}
END_TEST

START_TEST(what_cannot_be_set_is_refused) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  static const struct {
    const char *name, *value;
    CacheError code;
  } cases[] = {
      {"flags", "\\Recent", CACHE_ERROR_INVALID}, {"flags", "(x)", CACHE_ERROR_INVALID},
      {"seen", "2", CACHE_ERROR_INVALID},         {"seen", "", CACHE_ERROR_INVALID},
      {"seen", "1\n", CACHE_ERROR_INVALID},       {"uid", "7", CACHE_ERROR_PERMISSION},
      {"subject", "x", CACHE_ERROR_PERMISSION},   {"error", "x", CACHE_ERROR_PERMISSION},
      {"x", "1", CACHE_ERROR_UNSUPPORTED},        {"special_use", "1", CACHE_ERROR_UNSUPPORTED},
      {"", "1", CACHE_ERROR_UNSUPPORTED},
  };
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
    ck_refused(CACHE_MESSAGE, row, cases[i].name, cases[i].value, cases[i].code);
  ck_refused(CACHE_FOLDER, offline.inbox, "unseen", "0", CACHE_ERROR_PERMISSION);
  ck_refused(CACHE_FOLDER, offline.inbox, "flags", "", CACHE_ERROR_UNSUPPORTED);
  ck_assert(!waits(row));
}
END_TEST

START_TEST(a_read_only_mount_sets_nothing) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  offline.config.read_only = TRUE;
  ck_refused(CACHE_MESSAGE, row, "seen", "1", CACHE_ERROR_READONLY);
}
END_TEST

typedef struct {
  gint64 mailbox;
  IndexAccess access;
} SetAccess;

static gboolean set_access(IndexTxn *txn, gpointer data, GError **error) {
  SetAccess *job = data;
  return index_set_access(txn, job->mailbox, &job->access, error);
}

START_TEST(what_the_server_does_not_keep_is_refused) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  static char keywords[] = "Work";
  SetAccess job = {offline.inbox,
                   {.heard = g_get_real_time() / G_USEC_PER_SEC,
                    .rights = IMAP_RIGHTS_ALL,
                    .limited = TRUE,
                    .permanent = IMAP_FLAG_SEEN,
                    .keywords = keywords}};
  do_write(set_access, &job);
  ck_refused(CACHE_MESSAGE, row, "flagged", "1", CACHE_ERROR_PERMISSION);
  ck_refused(CACHE_MESSAGE, row, "flags", "\\Seen Play", CACHE_ERROR_PERMISSION);
  ck_get(CACHE_MESSAGE, row, "flags", "");
  set(row, "flags", "\\Seen Work");
  ck_get(CACHE_MESSAGE, row, "flags", "\\Seen Work");
}
END_TEST

static gboolean create(IndexTxn *txn, gpointer data, GError **error) {
  return journal_create(txn, data, error);
}

/* As `rsync -X` and borg restore: a file, its octets, its flags, and a name. */
START_TEST(a_new_message_is_sent_with_its_flags) {
  g_auto(IndexMessage) message = {.mailbox = offline.inbox, .name = ".a.eml.X1y2Z3", .internaldate = 1700000000};
  do_write(create, &message);
  set(message.row, "flags", "\\Answered Work");
  ck_get(CACHE_MESSAGE, message.row, "flags", "\\Answered Work");
  ck_assert(!waits(message.row));
  g_auto(IndexMessage) now = {0};
  ck_assert(index_get_message(the_index, message.row, &now, NULL));
  ck_assert_uint_eq(now.flags, IMAP_FLAG_ANSWERED);
  ck_assert_str_eq(now.keywords, "Work");
  ck_get(CACHE_MESSAGE, message.row, "uid", NULL);
  ck_get(CACHE_MESSAGE, message.row, "uidvalidity", NULL);
  ck_get(CACHE_MESSAGE, message.row, "mailbox", "INBOX");
  ck_get(CACHE_MESSAGE, message.row, "error", NULL);
}
END_TEST

static gboolean put_reason(IndexTxn *txn, gpointer data, GError **error) {
  JournalContent content = {.row = *(gint64 *)data,
                            .state = JOURNAL_LOCAL,
                            .bytes = "x",
                            .size = 1,
                            .due = JOURNAL_NOW,
                            .reason = "it is\nno message"};
  return journal_put(txn, &content, error);
}

START_TEST(why_it_stays_local_is_said) {
  g_auto(IndexMessage) message = {.mailbox = offline.inbox, .name = "a.eml"};
  do_write(create, &message);
  do_write(put_reason, &message.row);
  ck_get(CACHE_MESSAGE, message.row, "error", "it is no message");
}
END_TEST

static gboolean remove_row(IndexTxn *txn, gpointer data, GError **error) {
  return journal_remove(txn, *(gint64 *)data, NULL, error);
}

START_TEST(what_is_removed_has_no_flags_to_set) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  do_write(remove_row, &row);
  ck_refused(CACHE_MESSAGE, row, "seen", "1", CACHE_ERROR_GONE);
  ck_get(CACHE_MESSAGE, row, "flags", ""); /* somebody may have it open */
}
END_TEST

/* ---- the rest of a message ------------------------------------------------------------------------------------ */

START_TEST(where_the_server_has_it) {
  gint64 folder = offline_mailbox(&offline, offline.root, "Entw&APw-rfe", 0);
  gint64 row = offline_message(&offline, folder, 4711, "a.4711.eml", OCTETS);
  ck_get(CACHE_MESSAGE, row, "uid", "4711");
  ck_get(CACHE_MESSAGE, row, "uidvalidity", "7");
  ck_get(CACHE_MESSAGE, row, "mailbox", "Entwürfe");
  g_autofree char *size = g_strdup_printf("%zu", strlen(OCTETS));
  ck_get(CACHE_MESSAGE, row, "size", size);
}
END_TEST

START_TEST(header_fields_are_read_from_the_body) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  keep_body(row, 1);
  ck_get(CACHE_MESSAGE, row, "subject", "Two lines and a fold");
  ck_get(CACHE_MESSAGE, row, "from", "Jörg <joerg@example.org>");
  ck_get(CACHE_MESSAGE, row, "message_id", "<1@example.org>");
  ck_get(CACHE_MESSAGE, row, "date", "Sat, 21 Nov 2026 10:00:00 +0100");
}
END_TEST

START_TEST(a_body_that_is_not_here_is_fetched) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", NULL);
  char *value = NULL;
  ck_assert_int_eq(cache_get_attribute(cache, CACHE_MESSAGE, row, "subject", &value, NULL), CACHE_WAIT);
  cache_unwant(cache, row, g_get_monotonic_time());
  keep_body(row, 1);
  ck_get(CACHE_MESSAGE, row, "subject", "Two lines and a fold");
}
END_TEST

static void write_all(CacheDraft *draft, const char *text) {
  g_autoptr(GError) error = NULL;
  ck_assert(cache_draft_write(draft, text, strlen(text), 0, &error));
}

START_TEST(header_fields_of_a_file_that_is_being_written) {
  CacheEntry entry;
  CacheDraft *draft = NULL;
  ck_assert_int_eq(cache_create(cache, offline.inbox, "a.eml", &entry, &draft, NULL), CACHE_READY);
  ck_get(CACHE_MESSAGE, entry.row, "subject", NULL);
  write_all(draft, OCTETS);
  ck_get(CACHE_MESSAGE, entry.row, "subject", "Two lines and a fold");
  ck_assert(cache_draft_flush(draft, FALSE, NULL));
  cache_draft_close(draft);
  ck_get(CACHE_MESSAGE, entry.row, "subject", "Two lines and a fold");
}
END_TEST

/* The kernel goes on asking for the row that it opened. */
START_TEST(a_rewritten_message_is_one_under_both_rows) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  keep_body(row, 1);
  CacheDraft *draft = NULL;
  set(row, "flagged", "1");
  ck_assert_int_eq(cache_edit(cache, row, TRUE, &draft, NULL), CACHE_READY);
  write_all(draft, "Subject: anew\r\n\r\n");
  ck_assert(cache_draft_flush(draft, FALSE, NULL));
  gint64 fresh = offline_find(&offline, offline.inbox, "a.1.eml");
  ck_assert_int_ne(fresh, row);
  ck_get(CACHE_MESSAGE, row, "subject", "anew");
  set(row, "answered", "1");
  ck_get(CACHE_MESSAGE, row, "flags", "\\Answered \\Flagged");
  ck_get(CACHE_MESSAGE, fresh, "flags", "\\Answered \\Flagged");
  cache_draft_close(draft);
}
END_TEST

START_TEST(unknown_names_and_rows) {
  gint64 row = offline_message(&offline, offline.inbox, 1, "a.1.eml", OCTETS);
  static const char *const names[] = {"", "Flags", "flags ", "messages", "capability"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autoptr(GError) error = NULL;
    char *value = NULL;
    ck_assert_int_eq(cache_get_attribute(cache, CACHE_MESSAGE, row, names[i], &value, &error), CACHE_FAILED);
    ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_UNSUPPORTED));
  }
  ck_get(CACHE_MESSAGE, 4711, "flags", NULL);
  ck_get(CACHE_FOLDER, 4711, "messages", NULL);
}
END_TEST

/* ---- of a folder ------------------------------------------------------------------------------------------------ */

START_TEST(a_folder_counts_what_it_shows) {
  gint64 rows[4];
  for (guint i = 0; i < 4; i++) {
    g_autofree char *name = g_strdup_printf("%u.eml", i);
    rows[i] = offline_message(&offline, offline.inbox, i + 1, name, OCTETS);
  }
  ck_get(CACHE_FOLDER, offline.inbox, "messages", "4");
  ck_get(CACHE_FOLDER, offline.inbox, "unseen", "4");
  set(rows[0], "seen", "1");
  set(rows[1], "flags", "\\Seen \\Flagged");
  set(rows[2], "flagged", "1");
  ck_get(CACHE_FOLDER, offline.inbox, "unseen", "2");
  do_write(remove_row, &rows[3]);
  ck_get(CACHE_FOLDER, offline.inbox, "messages", "3");
  ck_get(CACHE_FOLDER, offline.inbox, "unseen", "1");
  set(rows[1], "seen", "0");
  ck_get(CACHE_FOLDER, offline.inbox, "unseen", "2");
  ck_get(CACHE_FOLDER, offline.archive, "messages", "0");
  ck_get(CACHE_FOLDER, offline.archive, "unseen", "0");
}
END_TEST

static gboolean put_uidnext(IndexTxn *txn, gpointer data, GError **error) {
  return index_set_state(txn, data, error);
}

START_TEST(a_folder_says_what_it_is_for) {
  gint64 trash = offline_mailbox(&offline, offline.root, "Bin", IMAP_ATTR_TRASH | IMAP_ATTR_SUBSCRIBED);
  ck_get(CACHE_FOLDER, trash, "special_use", "\\Trash");
  ck_get(CACHE_FOLDER, offline.inbox, "special_use", NULL);
  ck_get(CACHE_FOLDER, trash, "uidnext", NULL);
  g_auto(IndexMailbox) mailbox = offline_folder(&offline, trash);
  mailbox.uidnext = 12;
  do_write(put_uidnext, &mailbox);
  ck_get(CACHE_FOLDER, trash, "uidnext", "12");
}
END_TEST

START_TEST(a_folder_that_was_never_listed_is_listed) {
  g_auto(IndexMailbox) mailbox = offline_folder(&offline, offline.archive);
  mailbox.listed = INDEX_UNLISTED;
  mailbox.listed_at = 0;
  do_write(put_uidnext, &mailbox);
  char *value = NULL;
  ck_assert_int_eq(cache_get_attribute(cache, CACHE_FOLDER, offline.archive, "unseen", &value, NULL), CACHE_WAIT);
  ck_get(CACHE_FOLDER, offline.archive, "special_use", NULL);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/attribute");
  TCase *tests = tcase_create("attributes");
  tcase_add_checked_fixture(tests, setup, offline_teardown);
  tcase_add_test(tests, a_list_is_set_and_shown);
  tcase_add_test(tests, one_flag_leaves_the_others);
  tcase_add_test(tests, what_is_shown_already_changes_nothing);
  tcase_add_test(tests, what_cannot_be_set_is_refused);
  tcase_add_test(tests, a_read_only_mount_sets_nothing);
  tcase_add_test(tests, what_the_server_does_not_keep_is_refused);
  tcase_add_test(tests, a_new_message_is_sent_with_its_flags);
  tcase_add_test(tests, why_it_stays_local_is_said);
  tcase_add_test(tests, what_is_removed_has_no_flags_to_set);
  tcase_add_test(tests, where_the_server_has_it);
  tcase_add_test(tests, header_fields_are_read_from_the_body);
  tcase_add_test(tests, a_body_that_is_not_here_is_fetched);
  tcase_add_test(tests, header_fields_of_a_file_that_is_being_written);
  tcase_add_test(tests, a_rewritten_message_is_one_under_both_rows);
  tcase_add_test(tests, unknown_names_and_rows);
  tcase_add_test(tests, a_folder_counts_what_it_shows);
  tcase_add_test(tests, a_folder_says_what_it_is_for);
  tcase_add_test(tests, a_folder_that_was_never_listed_is_listed);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
