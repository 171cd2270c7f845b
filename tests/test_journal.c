/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "tests/journal.h"
#include "tests/suite.h"

#define INBOX journal_test.inbox
#define ARCHIVE journal_test.archive

/* ---- new ------------------------------------------------------------------------------------------------------- */

START_TEST(a_new_file_is_shown_sent_placed_and_finished) {
  gint64 row = journal_make(INBOX, "a");
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_take(&batch, 9)); /* LOCAL */
  ck_assert_int_eq(journal_at(INBOX, "a"), row);
  journal_fill(row, JOURNAL_READY, JOURNAL_HELD);
  ck_assert(!journal_take(&batch, 9));
  journal_fill(row, JOURNAL_READY, JOURNAL_NOW);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.target, INBOX);
  ck_assert_int_eq(batch.source, 0);
  JournalItem *item = journal_item(&batch, 0);
  ck_assert_int_eq(item->row, row);
  ck_assert_uint_eq(item->size, 6);
  ck_assert_int_eq(item->internaldate, 7);
  ck_assert(!item->spooled);
  ck_assert_mem_eq(item->sha256, &row, sizeof row);
  journal_sent(&batch);
  gint64 seq = item->seq;
  ck_assert_int_eq(journal_place(seq, INBOX, 44).row, 0);
  guint32 uid;
  ck_assert_int_eq(journal_mailbox(row, &uid), INBOX);
  ck_assert_uint_eq(uid, 44);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_CONFIRMED, 1);
  ck_assert_uint_eq(journal_item(&batch, 0)->uid, 44);
  ck_assert_uint_eq(journal_item(&batch, 0)->uidnext, 100);
  g_autoptr(GBytes) bytes = journal_bytes(journal_test.index, row, NULL);
  ck_assert_uint_eq(g_bytes_get_size(bytes), 6);
  journal_end(seq, TRUE);
  ck_assert_ptr_null(journal_bytes(journal_test.index, row, NULL));
  ck_assert(!journal_take(&batch, 9));
  ck_assert_int_eq(journal_at(INBOX, "a"), row);
}
END_TEST

typedef struct {
  IndexMessage message;
  JournalContent content;
  gint64 row, other, folder;
  const char *name;
  gboolean spooled;
} Call;

static gboolean create(IndexTxn *txn, gpointer data, GError **error) {
  return journal_create(txn, &((Call *)data)->message, error);
}

static gboolean put(IndexTxn *txn, gpointer data, GError **error) {
  return journal_put(txn, &((Call *)data)->content, error);
}

static gboolean set_due(IndexTxn *txn, gpointer data, GError **error) {
  return journal_set_due(txn, ((Call *)data)->row, JOURNAL_HELD, error);
}

static gboolean rm(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  return journal_remove(txn, call->row, &call->spooled, error);
}

static gboolean mv(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  return journal_rename(txn, call->row, call->folder, call->name, JOURNAL_READY, 0, error);
}

static gboolean swap(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  return journal_exchange(txn, call->row, call->other, error);
}

static gboolean adopt(IndexTxn *txn, gpointer data, GError **error) {
  Call *call = data;
  return journal_adopt(txn, call->row, call->other, error);
}

START_TEST(a_name_is_given_once) {
  journal_make(INBOX, "a");
  gint64 other = journal_server(INBOX, 5, "five");
  Call call = {.message = {.mailbox = INBOX, .name = "a"}, .row = other, .folder = INBOX, .name = "a"};
  journal_fails(create, &call, CACHE_ERROR_EXISTS);
  strcpy(call.message.name, ".tmp"); /* a folder */
  journal_fails(create, &call, CACHE_ERROR_EXISTS);
  journal_fails(mv, &call, CACHE_ERROR_EXISTS);
  ck_assert_int_eq(journal_at(INBOX, "five"), other);
}
END_TEST

START_TEST(what_the_server_was_told_of_is_not_edited) {
  gint64 row = journal_upload(INBOX, "a");
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  journal_sent(&batch);
  Call call = {.content = {.row = row, .state = JOURNAL_READY, .bytes = "x", .size = 1}, .row = row};
  journal_fails(put, &call, CACHE_ERROR_BUSY);
  journal_fails(set_due, &call, CACHE_ERROR_BUSY);
  call.row = journal_server(INBOX, 5, "five");
  journal_fails(set_due, &call, CACHE_ERROR_GONE);
}
END_TEST

START_TEST(octets_change_their_place_with_their_size) {
  gint64 row = journal_upload(INBOX, "a");
  Call call = {.content = {.row = row, .state = JOURNAL_READY, .size = 1 << 20, .reason = "why"}};
  do_write(journal_test.index, put, &call);
  ck_assert_ptr_null(journal_bytes(journal_test.index, row, NULL));
  g_auto(JournalNew) entry = {0};
  ck_assert(journal_get_new(journal_test.index, row, &entry, NULL));
  ck_assert(entry.spooled && entry.copy == 0 && entry.target == INBOX);
  ck_assert_str_eq(entry.reason, "why");
  g_autoptr(GArray) spooled = journal_spooled(journal_test.index, NULL);
  ck_assert_uint_eq(spooled->len, 1);
  call.content = (JournalContent){.row = row, .state = JOURNAL_LOCAL};
  do_write(journal_test.index, put, &call);
  g_autoptr(GBytes) none = journal_bytes(journal_test.index, row, NULL);
  ck_assert_uint_eq(g_bytes_get_size(none), 0);
}
END_TEST

START_TEST(a_new_one_that_was_not_sent_ends_when_removed) {
  gint64 row = journal_upload(INBOX, "a");
  Call call = {.row = row, .content = {.row = row, .state = JOURNAL_READY, .size = 1 << 20}};
  do_write(journal_test.index, put, &call);
  do_write(journal_test.index, rm, &call);
  ck_assert(call.spooled);
  ck_assert_int_eq(journal_folder(row), -1);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM journal"), 0);
  journal_fails(rm, &call, CACHE_ERROR_GONE);
  journal_make(INBOX, "a");
}
END_TEST

/* ---- renames --------------------------------------------------------------------------------------------------- */

START_TEST(a_new_one_takes_its_target_along) {
  gint64 row = journal_make(journal_test.local, "x");
  g_auto(JournalBatch) batch = {0};
  journal_fill(row, JOURNAL_LOCAL, JOURNAL_NOW);
  ck_assert(!journal_take(&batch, 9));
  journal_mv(row, ARCHIVE, "mail", 0);
  ck_assert_int_eq(journal_mailbox(row, NULL), ARCHIVE);
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.target, ARCHIVE);
  journal_mv(row, journal_test.local, "y", 0);
  ck_assert(!journal_take(&batch, 9));
  ck_assert_int_eq(journal_at(journal_test.local, "y"), row);
}
END_TEST

START_TEST(what_is_open_stays_held_when_renamed) {
  gint64 row = journal_make(INBOX, ".x");
  journal_fill(row, JOURNAL_READY, JOURNAL_HELD);
  journal_mv(row, INBOX, "x", 0);
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_take(&batch, 9));
  journal_reopen();
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
}
END_TEST

START_TEST(a_message_of_the_server_does_not_become_local) {
  Call call = {.row = journal_server(INBOX, 5, "five"), .folder = journal_test.local, .name = "x"};
  journal_fails(mv, &call, CACHE_ERROR_CROSS);
  call.folder = 99;
  journal_fails(mv, &call, CACHE_ERROR_GONE);
  ck_assert_int_eq(journal_folder(call.row), INBOX);
}
END_TEST

START_TEST(moves_are_coalesced_and_cancelled) {
  add_messages(journal_test.index, INBOX, 1, 200);
  for (gint64 row = 1; row <= 200; row++) {
    g_autofree char *name = g_strdup_printf("%u", (guint)row);
    journal_mv(row, ARCHIVE, name, 0);
  }
  ck_assert_int_eq(journal_folder(3), ARCHIVE);
  ck_assert_int_eq(journal_mailbox(3, NULL), INBOX);
  journal_mv(200, INBOX, "200", 0);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_MOVE, JOURNAL_READY, 199);
  ck_assert_int_eq(batch.source, INBOX);
  ck_assert_int_eq(batch.target, ARCHIVE);
  ck_assert_uint_eq(journal_item(&batch, 198)->uid, 199);
}
END_TEST

START_TEST(a_name_is_local) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_mv(row, INBOX, "other", 0);
  g_auto(JournalBatch) batch = {0};
  ck_assert(!journal_take(&batch, 9));
  ck_assert_int_eq(journal_at(INBOX, "other"), row);
  ck_assert_int_eq(journal_at(INBOX, "five"), 0);
}
END_TEST

START_TEST(over_another_with_its_flags) {
  gint64 old = journal_server(INBOX, 5, "five"), row = journal_upload(INBOX, "x");
  journal_set(old, IMAP_FLAG_FLAGGED, 0, "$A", NULL);
  journal_mv(row, INBOX, "five", old);
  ck_assert_int_eq(journal_at(INBOX, "five"), row);
  ck_assert_int_eq(journal_folder(old), 0);
  guint flags;
  g_autofree char *words = NULL;
  ck_assert(journal_flags(journal_test.index, row, &flags, &words, NULL));
  ck_assert_uint_eq(flags, IMAP_FLAG_FLAGGED);
  ck_assert_str_eq(words, "$A");
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  journal_again(journal_item(&batch, 0)->seq, g_get_real_time() + 5 * G_USEC_PER_SEC);
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  journal_end(journal_item(&batch, 0)->seq, FALSE);
  ck_assert(!journal_take(&batch, 9)); /* never the old one first */
  journal_rm(row);
  journal_expect(&batch, JOURNAL_REMOVE, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_item(&batch, 0)->row, old);
}
END_TEST

START_TEST(names_are_exchanged_and_debris_with_them) {
  Call call = {.row = journal_server(INBOX, 5, "five"), .other = journal_make(INBOX, ".five.swp")};
  journal_fill(call.other, JOURNAL_LOCAL, JOURNAL_NOW);
  do_write(journal_test.index, swap, &call);
  ck_assert_int_eq(journal_at(INBOX, "five"), call.other);
  ck_assert_int_eq(journal_at(INBOX, ".five.swp"), call.row);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  call.row = journal_server(ARCHIVE, 6, "six");
  journal_fails(swap, &call, CACHE_ERROR_INVALID);
}
END_TEST

/* ---- the same octets ------------------------------------------------------------------------------------------- */

START_TEST(equal_octets_are_adopted) {
  gint64 old = journal_server(INBOX, 5, "five"), row = journal_upload(INBOX, "x");
  journal_set(old, IMAP_FLAG_SEEN, 0, NULL, NULL);
  Call call = {.row = row, .other = old};
  do_write(journal_test.index, adopt, &call);
  journal_mv(row, INBOX, "five", 0);
  ck_assert_int_eq(journal_folder(old), -1);
  guint32 uid;
  ck_assert_int_eq(journal_mailbox(row, &uid), INBOX);
  ck_assert_uint_eq(uid, 5);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  ck_assert_int_eq(journal_item(&batch, 0)->row, row);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM journal"), 1);
  ck_assert_int_eq(journal_count("SELECT count(*) FROM octets"), 0);
}
END_TEST

static gboolean copy_of(IndexTxn *txn, gpointer data, GError **error) {
  const Call *call = data;
  const JournalContent content = {
      .row = call->row, .state = JOURNAL_READY, .size = 6, .copy = call->other, .due = JOURNAL_NOW};
  return journal_put(txn, &content, error);
}

/* They have no octets but these. */
START_TEST(copies_of_the_old_are_of_the_new) {
  gint64 old = journal_server(INBOX, 5, "five"), row = journal_upload(INBOX, "x"), made = journal_make(INBOX, "copy");
  Call copy = {.row = made, .other = old}, call = {.row = row, .other = old};
  JournalNew entry = {0};
  do_write(journal_test.index, copy_of, &copy);
  do_write(journal_test.index, adopt, &call);
  ck_assert(journal_get_new(journal_test.index, made, &entry, NULL));
  ck_assert_int_eq(entry.copy, row);
  ck_assert(!entry.spooled);
}
END_TEST

START_TEST(adopted_elsewhere_is_moved) {
  gint64 old = journal_server(INBOX, 5, "five"), row = journal_upload(ARCHIVE, "x");
  Call call = {.row = row, .other = old}, fresh = {.row = row, .other = journal_upload(INBOX, "y")};
  journal_fails(adopt, &fresh, CACHE_ERROR_UNSUPPORTED);
  do_write(journal_test.index, adopt, &call);
  ck_assert_int_eq(journal_at(ARCHIVE, "x"), row);
  g_auto(JournalBatch) batch = {0};
  journal_rm(fresh.other);
  journal_expect(&batch, JOURNAL_MOVE, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.source, INBOX);
  ck_assert_int_eq(batch.target, ARCHIVE);
  ck_assert_uint_eq(journal_item(&batch, 0)->uid, 5);
  Call again = {.row = row, .other = journal_server(INBOX, 6, "six")};
  journal_fails(adopt, &again, CACHE_ERROR_BUSY);
}
END_TEST

/* ---- flags, folders -------------------------------------------------------------------------------------------- */

START_TEST(opposite_flags_come_to_nothing) {
  gint64 row = journal_server(INBOX, 5, "five");
  journal_set(row, IMAP_FLAG_SEEN, IMAP_FLAG_FLAGGED, "$A b", "c");
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  ck_assert_uint_eq(batch.flags.add, IMAP_FLAG_SEEN);
  ck_assert_uint_eq(batch.flags.remove, 0); /* it has none */
  ck_assert_str_eq(batch.flags.add_keywords, "$A b");
  ck_assert_ptr_null(batch.flags.remove_keywords);
  journal_set(row, 0, IMAP_FLAG_SEEN, NULL, "$a");
  journal_expect(&batch, JOURNAL_FLAGS, JOURNAL_READY, 1);
  ck_assert_uint_eq(batch.flags.add, 0);
  ck_assert_str_eq(batch.flags.add_keywords, "b");
  journal_set(row, 0, 0, NULL, "b");
  ck_assert(!journal_take(&batch, 9));
}
END_TEST

START_TEST(flags_of_one_that_was_not_sent_are_its_own) {
  gint64 row = journal_upload(INBOX, "x");
  journal_set(row, IMAP_FLAG_DRAFT, 0, "k", NULL);
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_NEW, JOURNAL_READY, 1);
  ck_assert_uint_eq(journal_item(&batch, 0)->flags, IMAP_FLAG_DRAFT);
  ck_assert_str_eq(journal_item(&batch, 0)->keywords, "k");
}
END_TEST

START_TEST(a_removed_folder_is_hidden_until_it_is_refused) {
  g_auto(IndexMailbox) folder = {0};
  guint children = 0;
  journal_drop_folder(ARCHIVE);
  ck_assert(!index_find_mailbox(journal_test.index, 1, "Archive", &folder, NULL));
  ck_assert(index_count_children(journal_test.index, 1, &children, NULL));
  ck_assert_uint_eq(children, 2); /* INBOX, lost+found */
  g_auto(JournalBatch) batch = {0};
  journal_expect(&batch, JOURNAL_RMDIR, JOURNAL_READY, 1);
  ck_assert_int_eq(batch.source, ARCHIVE);
  JournalUndone undone = journal_no(journal_item(&batch, 0)->seq);
  ck_assert_int_eq(undone.row, ARCHIVE);
  ck_assert_int_eq(undone.to, 1);
  ck_assert_str_eq(undone.name, "Archive");
  ck_assert(index_find_mailbox(journal_test.index, 1, "Archive", &folder, NULL));
  journal_drop_folder(ARCHIVE);
  journal_expect(&batch, JOURNAL_RMDIR, JOURNAL_READY, 1);
  journal_end(journal_item(&batch, 0)->seq, FALSE);
  g_auto(IndexMailbox) none = {0};
  ck_assert(!index_get_mailbox(journal_test.index, ARCHIVE, &none, NULL));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/journal: what users do");
  TCase *tests = tcase_create("users");
  tcase_add_checked_fixture(tests, journal_setup, journal_teardown);
  tcase_add_test(tests, a_new_file_is_shown_sent_placed_and_finished);
  tcase_add_test(tests, a_name_is_given_once);
  tcase_add_test(tests, what_the_server_was_told_of_is_not_edited);
  tcase_add_test(tests, octets_change_their_place_with_their_size);
  tcase_add_test(tests, a_new_one_that_was_not_sent_ends_when_removed);
  tcase_add_test(tests, a_new_one_takes_its_target_along);
  tcase_add_test(tests, what_is_open_stays_held_when_renamed);
  tcase_add_test(tests, a_message_of_the_server_does_not_become_local);
  tcase_add_test(tests, moves_are_coalesced_and_cancelled);
  tcase_add_test(tests, a_name_is_local);
  tcase_add_test(tests, over_another_with_its_flags);
  tcase_add_test(tests, names_are_exchanged_and_debris_with_them);
  tcase_add_test(tests, equal_octets_are_adopted);
  tcase_add_test(tests, copies_of_the_old_are_of_the_new);
  tcase_add_test(tests, adopted_elsewhere_is_moved);
  tcase_add_test(tests, opposite_flags_come_to_nothing);
  tcase_add_test(tests, flags_of_one_that_was_not_sent_are_its_own);
  tcase_add_test(tests, a_removed_folder_is_hidden_until_it_is_refused);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
