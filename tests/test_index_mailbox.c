/* SPDX-License-Identifier: MIT */
#include "tests/index.h"

#include <string.h>

#include "tests/suite.h"

START_TEST(mailboxes_are_kept_and_found) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 root = add_mailbox(index, 0, ""), a = add_mailbox(index, root, "a");
  gint64 b = add_mailbox(index, root, "b"), aa = add_mailbox(index, a, "aa");
  g_auto(IndexMailbox) got = {0};
  ck_assert(index_get_mailbox(index, aa, &got, NULL));
  ck_assert_int_eq(got.parent, a);
  ck_assert_str_eq(got.raw, "aa");
  ck_assert_uint_eq(got.modseq, 99);
  ck_assert_int_eq(got.delimiter, '/');
  g_auto(IndexMailbox) found = {0};
  ck_assert(index_find_mailbox(index, root, "b", &found, NULL));
  ck_assert_int_eq(found.row, b);
  g_autoptr(GError) error = NULL;
  ck_assert(!index_find_mailbox(index, root, "zz", &found, &error) && !error);
  guint n;
  ck_assert(index_count_children(index, root, &n, NULL));
  ck_assert_uint_eq(n, 2);
  IndexMailbox children[2];
  ck_assert_int_eq(index_children(index, root, a, children, 2, NULL), 1);
  ck_assert_int_eq(children[0].row, b);
  index_mailbox_clear(&children[0]);
}
END_TEST

START_TEST(mailboxes_come_parents_first) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 root = add_mailbox(index, 0, ""), child = add_mailbox(index, root, "child");
  gint64 later = add_mailbox(index, root, "later");
  g_auto(IndexMailbox) moved = {0};
  ck_assert(index_get_mailbox(index, child, &moved, NULL));
  moved.parent = later;
  do_write(index, put_mailbox, &moved);
  g_autoptr(GPtrArray) all = index_mailboxes(index, NULL);
  ck_assert_uint_eq(all->len, 3);
  gint64 order[] = {root, later, child};
  for (guint i = 0; i < 3; i++)
    ck_assert_int_eq(((IndexMailbox *)all->pdata[i])->row, order[i]);
}
END_TEST

START_TEST(two_folders_of_one_name_are_refused) {
  g_autoptr(Index) index = open_index(NULL);
  add_mailbox(index, 1, "a");
  IndexMailbox again = {.parent = 1, .name = (char *)"a"};
  g_autoptr(GError) error = NULL;
  ck_assert(!index_write(index, INDEX_SYNC, put_mailbox, &again, &error));
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_EXISTS));
}
END_TEST

static gboolean end_mailbox(IndexTxn *txn, gpointer data, GError **error) {
  return index_end_mailbox(txn, *(gint64 *)data, error);
}

static gboolean end_messages(IndexTxn *txn, gpointer data, GError **error) {
  gboolean more = TRUE;
  for (guint parts = 0; more; parts++) {
    ck_assert_uint_lt(parts, 4);
    if (!index_end_messages(txn, *(gint64 *)data, 4, NULL, NULL, &more, error))
      return FALSE;
  }
  return TRUE;
}

START_TEST(an_ended_mailbox_takes_its_messages_along) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 10);
  do_write(index, end_mailbox, &box);
  do_write(index, end_messages, &box);
  g_auto(IndexMailbox) none = {0};
  ck_assert(!index_get_mailbox(index, box, &none, NULL));
  g_auto(IndexMessage) tombstone = {0};
  ck_assert(index_get_message(index, 1, &tombstone, NULL));
  ck_assert(tombstone.gone);
  ck_assert_int_ne(add_mailbox(index, 1, "a"), box);
  guint64 bytes;
  ck_assert_uint_eq(count_messages(index, &bytes), 0);
  ck_assert_uint_eq(bytes, 0);
}
END_TEST
/* Killed between the end of a mailbox and that of its messages. */
START_TEST(what_is_left_of_an_ended_mailbox_ends_in_the_next_run) {
  Index *index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a"), other = add_mailbox(index, 1, "b");
  add_messages(index, box, 1, 1300);
  add_messages(index, other, 1, 3);
  do_write(index, end_mailbox, &box);
  index_close(index);
  g_autoptr(Index) again = open_index(NULL);
  g_auto(IndexMessage) none = {0};
  for (guint i = 0; i < 8; i++) /* each purging job posts the next */
    ck_assert(index_flush(again, NULL));
  ck_assert(!index_get_message(again, 1, &none, NULL));
  ck_assert(!index_get_message(again, 1300, &none, NULL));
  guint64 bytes;
  ck_assert_uint_eq(count_messages(again, &bytes), 3);
}
END_TEST

START_TEST(a_hidden_mailbox_keeps_its_row) {
  g_autoptr(Index) index = open_index(NULL);
  IndexMailbox mailbox = {.raw = (char *)"Junk", .name = (char *)"Junk", .delimiter = '/'};
  do_write(index, put_mailbox, &mailbox);
  g_auto(IndexMailbox) found = {0};
  guint n = 9;
  mailbox.attrs |= INDEX_HIDDEN;
  do_write(index, put_mailbox, &mailbox);
  ck_assert(!index_find_mailbox(index, 0, "Junk", &found, NULL));
  ck_assert(index_count_children(index, 0, &n, NULL));
  ck_assert_uint_eq(n, 0);
  ck_assert_int_eq(index_children(index, 0, 0, &found, 1, NULL), 0);
  ck_assert(index_get_mailbox(index, mailbox.row, &found, NULL));
  g_autoptr(GPtrArray) all = index_mailboxes(index, NULL);
  ck_assert_uint_eq(all->len, 1);
}
END_TEST

START_TEST(place_and_state_do_not_overwrite_each_other) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 row = add_mailbox(index, 0, "Old");
  g_auto(IndexMailbox) place = {0}, state = {0}, found = {0};
  ck_assert(index_get_mailbox(index, row, &place, NULL));
  ck_assert(index_get_mailbox(index, row, &state, NULL));
  g_free(place.name);
  place.name = g_strdup("New");
  state.listed = INDEX_LISTED;
  state.uidnext = 12;
  do_write(index, set_state, &state);
  do_write(index, put_mailbox, &place);
  ck_assert(index_get_mailbox(index, row, &found, NULL));
  ck_assert_str_eq(found.name, "New");
  ck_assert_int_eq(found.listed, INDEX_LISTED);
  ck_assert_uint_eq(found.uidnext, 12);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/index: mailboxes");
  TCase *tests = tcase_create("mailboxes");
  tcase_add_checked_fixture(tests, index_setup, index_teardown);
  tcase_add_test(tests, mailboxes_are_kept_and_found);
  tcase_add_test(tests, mailboxes_come_parents_first);
  tcase_add_test(tests, two_folders_of_one_name_are_refused);
  tcase_add_test(tests, an_ended_mailbox_takes_its_messages_along);
  tcase_add_test(tests, what_is_left_of_an_ended_mailbox_ends_in_the_next_run);
  tcase_add_test(tests, a_hidden_mailbox_keeps_its_row);
  tcase_add_test(tests, place_and_state_do_not_overwrite_each_other);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
