/* SPDX-License-Identifier: MIT */
#include "tests/index.h"

#include <string.h>

#include "tests/suite.h"

START_TEST(a_message_keeps_every_field) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 4294967295u)};
  add.message.flags = IMAP_FLAG_SEEN;
  add.message.keywords = g_strdup("$Forwarded x");
  do_write(index, add_one, &add);
  ck_assert(add.added);
  g_auto(IndexMessage) got = {0}, by_name = {0}, by_uid = {0};
  ck_assert(index_get_message(index, add.message.row, &got, NULL));
  ck_assert(index_find_message(index, box, add.message.name, &by_name, NULL));
  ck_assert(index_find_uid(index, box, 4294967295u, &by_uid, NULL));
  ck_assert_int_eq(by_name.row, got.row);
  ck_assert_int_eq(by_uid.row, got.row);
  ck_assert_uint_eq(got.uid, 4294967295u);
  ck_assert_str_eq(got.keywords, "$Forwarded x");
  ck_assert_uint_eq(got.flags, IMAP_FLAG_SEEN);
  ck_assert_uint_eq(got.claim, add.message.claim);
  ck_assert(got.size == IMAP_UNKNOWN_SIZE && !got.gone);
  ck_assert_mem_eq(got.fingerprint, add.message.fingerprint, 16);
  ck_assert_int_eq(got.internaldate, add.message.internaldate);
  index_message_clear(&add.message);
}
END_TEST

START_TEST(a_uid_added_again_changes_only_flags) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add first = {.message = message_of(box, 5)}, again = first;
  do_write(index, add_one, &first);
  strcpy(again.message.name, "other.5.eml");
  again.message.flags = IMAP_FLAG_FLAGGED;
  do_write(index, add_one, &again);
  ck_assert(!again.added);
  ck_assert_int_eq(again.message.row, first.message.row);
  g_auto(IndexMessage) got = {0};
  ck_assert(index_get_message(index, first.message.row, &got, NULL));
  ck_assert_str_eq(got.name, first.message.name);
  ck_assert_uint_eq(got.flags, IMAP_FLAG_FLAGGED);
}
END_TEST

START_TEST(a_name_that_is_taken_gets_a_suffix) {
  static const char *const want[] = {"x.5.eml", "x~2.5.eml", "x~3.5.eml"};
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  for (guint i = 0; i < G_N_ELEMENTS(want); i++) {
    Add add = {.message = message_of(box, i)}; /* uid 0 first: not on the server */
    strcpy(add.message.name, "x.5.eml");
    do_write(index, add_one, &add);
    ck_assert_str_eq(add.message.name, want[i]);
    g_auto(IndexMessage) got = {0};
    ck_assert(index_find_message(index, box, want[i], &got, NULL));
    ck_assert_int_eq(got.row, add.message.row);
  }
}
END_TEST

START_TEST(a_message_is_not_called_like_a_subfolder) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 5)};
  add_mailbox(index, box, add.message.name);
  g_autofree char *folder = g_strdup(add.message.name);
  do_write(index, add_one, &add);
  ck_assert_str_ne(add.message.name, folder);
}
END_TEST

START_TEST(removed_messages_are_reported_and_stay_as_tombstones) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 1000);
  g_autoptr(GString) names = g_string_new(NULL);
  remove_messages(index, box, 101, 700, names);
  g_auto(GStrv) lines = g_strsplit(names->str, "\n", 0);
  ck_assert_uint_eq(g_strv_length(lines), 601);
  IndexMessage first = message_of(box, 101);
  ck_assert_str_eq(lines[0], first.name);
  g_auto(IndexMessage) tombstone = {0}, none = {0};
  ck_assert(index_get_message(index, 101, &tombstone, NULL));
  ck_assert(tombstone.gone);
  ck_assert(!index_find_message(index, box, first.name, &none, NULL));
  ck_assert(!index_find_uid(index, box, 101, &none, NULL));
  g_autoptr(ImapSeqset) uids = index_uids(index, box, NULL);
  g_autofree char *text = imap_seqset_format(uids);
  ck_assert_str_eq(text, "1:100,701:1000");
  guint64 bytes;
  ck_assert_uint_eq(count_messages(index, &bytes), 400);
}
END_TEST

START_TEST(a_tombstone_comes_back_only_as_itself) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 5)}, same = add, other = add;
  do_write(index, add_one, &add);
  remove_messages(index, box, 5, 5, NULL);
  other.message.claim++;
  do_write(index, add_one, &other);
  ck_assert(other.added);
  ck_assert_int_ne(other.message.row, add.message.row);
  remove_messages(index, box, 5, 5, NULL);
  strcpy(same.message.name, "as-computed-today.5.eml");
  same.message.flags = IMAP_FLAG_SEEN;
  do_write(index, add_one, &same);
  ck_assert(same.added);
  ck_assert_int_eq(same.message.row, add.message.row);
  ck_assert_str_eq(same.message.name, add.message.name);
  g_auto(IndexMessage) got = {0};
  ck_assert(index_find_uid(index, box, 5, &got, NULL));
  ck_assert_int_eq(got.row, add.message.row);
  ck_assert_uint_eq(got.flags, IMAP_FLAG_SEEN);
  ck_assert(!got.gone);
  guint64 bytes;
  ck_assert_uint_eq(count_messages(index, &bytes), 1);
  ck_assert_uint_eq(bytes, add.message.claim);
}
END_TEST

START_TEST(no_tombstone_comes_back_under_another_uidvalidity) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 5)}, again = add;
  do_write(index, add_one, &add);
  remove_messages(index, box, 5, 5, NULL);
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(index, box, &mailbox, NULL));
  mailbox.uidvalidity++;
  do_write(index, set_state, &mailbox);
  do_write(index, add_one, &again);
  ck_assert_int_ne(again.message.row, add.message.row);
}
END_TEST

START_TEST(the_exact_size_stays_and_counts) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  Add add = {.message = message_of(box, 5)};
  do_write(index, add_one, &add);
  Size size = {add.message.row, 77, 0}, none = {4711, 1, 0};
  do_write(index, set_size, &size);
  g_auto(IndexMessage) got = {0}, moved = {0};
  ck_assert(index_get_message(index, size.row, &got, NULL));
  ck_assert_uint_eq(got.size, 77);
  ck_assert_uint_eq(got.sha256[2], 3);
  ck_assert_int_eq(got.ctime, add.message.ctime);
  size.ctime = 1234;
  do_write(index, set_size, &size);
  ck_assert(index_get_message(index, size.row, &moved, NULL));
  ck_assert_int_eq(moved.ctime, 1234);
  guint64 bytes;
  count_messages(index, &bytes);
  ck_assert_uint_eq(bytes, 77);
  g_autoptr(GError) error = NULL;
  ck_assert(!index_write(index, INDEX_BODY, set_size, &none, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_GONE));
}
END_TEST

START_TEST(the_journal_hides_from_readers_not_from_the_sync) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 3);
  do_write(index, exec_sql, (gpointer) "UPDATE message SET folder = NULL WHERE row = 2");
  IndexMessage got[4], hidden = message_of(box, 2);
  ck_assert_int_eq(index_messages(index, box, 0, got, 4, NULL), 2);
  ck_assert_uint_eq(got[0].uid, 1);
  ck_assert_uint_eq(got[1].uid, 3);
  g_auto(IndexMessage) none = {0};
  ck_assert(!index_find_message(index, box, hidden.name, &none, NULL));
  g_autoptr(ImapSeqset) uids = index_uids(index, box, NULL);
  ck_assert_uint_eq(imap_seqset_count(uids), 3);
}
END_TEST

START_TEST(neighbours_in_both_orders) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  static const char *const names[] = {"c", "a", "d", "b"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    Add add = {.message = message_of(box, i + 1)};
    strcpy(add.message.name, names[i]);
    do_write(index, add_one, &add);
  }
  IndexNext next[4];
  ck_assert_int_eq(index_following(index, box, 1, INDEX_BY_ROW, FALSE, next, 4, NULL), 3);
  ck_assert_int_eq(next[0].row, 2);
  ck_assert_int_eq(index_following(index, box, 4, INDEX_BY_NAME, FALSE, next, 4, NULL), 2);
  ck_assert_int_eq(next[0].row, 1);
  ck_assert_int_eq(next[1].row, 3);
  ck_assert_uint_eq(next[1].uid, 3);
  ck_assert_uint_eq(next[1].size, 1003);
  do_write(index, exec_sql, (gpointer) "INSERT INTO body(row, bytes, queue, used, epoch) VALUES(1, 9, 0, 0, 0)");
  ck_assert_int_eq(index_following(index, box, 4, INDEX_BY_NAME, TRUE, next, 4, NULL), 1);
  ck_assert_int_eq(next[0].row, 3);
  ck_assert_int_eq(index_following(index, box, 4, INDEX_BY_NAME, FALSE, next, 1, NULL), 1);
}
END_TEST

static char *plan(const char *sql) {
  g_autofree char *path = g_build_filename(index_dir.path, "index.db", NULL),
                  *explain = g_strconcat("EXPLAIN QUERY PLAN ", sql, NULL);
  g_autoptr(GString) text = g_string_new(NULL);
  gint damaged = 0;
  g_autoptr(IndexDb) db = index_db_open(path, &damaged, "", NULL);
  g_autoptr(IndexStmt) stmt = index_use(db, explain);
  ck_assert_ptr_nonnull(stmt);
  while (index_step(db, stmt, NULL) == INDEX_STEP_ROW)
    g_string_append_printf(text, "%s\n", sqlite3_column_text(stmt, 3));
  return g_string_free(g_steal_pointer(&text), FALSE);
}

START_TEST(no_question_scans_or_sorts) {
  static const char *const sql[] = {
      "SELECT * FROM shown_message WHERE folder = ?1 AND row > ?2 ORDER BY row LIMIT ?3",
      "SELECT * FROM shown_message WHERE folder = ?1 AND name > ?2 ORDER BY name LIMIT ?3",
      "SELECT * FROM shown_message WHERE folder = ?1 AND name = ?2",
      "SELECT uid FROM message WHERE mailbox = ?1 AND uid > 0 AND gone = 0 ORDER BY uid",
      "SELECT row, folder, name FROM message WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 AND gone = 0 ORDER BY uid "
      "LIMIT ?4",
      "SELECT row FROM message WHERE mailbox = ?1 AND uid = ?2 AND gone > 0",
      "SELECT row FROM mailbox WHERE parent = ?1 AND row > ?2 AND gone = 0 ORDER BY row LIMIT ?3",
  };
  static const char *const with[] = {
      "USING INDEX message_order (folder=? AND rowid>?)", "USING INDEX message_name (folder=? AND name>?)",
      "USING INDEX message_name (folder=? AND name=?)",   "USING COVERING INDEX message_uid (mailbox=? AND uid>?)",
      "USING INDEX message_uid (mailbox=? AND uid>? AND", "INDEX message_gone (mailbox=? AND uid=?",
      "INDEX mailbox_order (parent=? AND rowid>?)",
  };
  index_close(open_index(NULL));
  g_autofree char *text = plan(sql[_i]);
  ck_assert_msg(strstr(text, with[_i]) && !strstr(text, "SCAN") && !strstr(text, "TEMP"), "%s:\n%s", sql[_i], text);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/index: messages");
  TCase *tests = tcase_create("messages");
  tcase_add_checked_fixture(tests, index_setup, index_teardown);
  tcase_add_test(tests, a_message_keeps_every_field);
  tcase_add_test(tests, a_uid_added_again_changes_only_flags);
  tcase_add_test(tests, a_name_that_is_taken_gets_a_suffix);
  tcase_add_test(tests, a_message_is_not_called_like_a_subfolder);
  tcase_add_test(tests, removed_messages_are_reported_and_stay_as_tombstones);
  tcase_add_test(tests, a_tombstone_comes_back_only_as_itself);
  tcase_add_test(tests, no_tombstone_comes_back_under_another_uidvalidity);
  tcase_add_test(tests, the_exact_size_stays_and_counts);
  tcase_add_test(tests, the_journal_hides_from_readers_not_from_the_sync);
  tcase_add_test(tests, neighbours_in_both_orders);
  tcase_add_loop_test(tests, no_question_scans_or_sorts, 0, 7);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
