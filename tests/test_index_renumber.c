/* SPDX-License-Identifier: MIT */
#include "cache/journal/journal.h"
#include "tests/index.h"

#include <string.h>

#include "tests/suite.h"

static gboolean forget(IndexTxn *txn, gpointer data, GError **error) {
  gboolean more = TRUE;
  while (more)
    if (!index_forget_uids(txn, *(gint64 *)data, 256, &more, error))
      return FALSE;
  return TRUE;
}

static void count_removed(G_GNUC_UNUSED const IndexLeft *left, gpointer data) {
  ++*(guint *)data;
}

static guint ended;

static gboolean end_forgotten(IndexTxn *txn, gpointer data, GError **error) {
  gboolean more = TRUE;
  ended = 0;
  while (more)
    if (!index_end_forgotten(txn, *(gint64 *)data, count_removed, &ended, &more, error))
      return FALSE;
  return TRUE;
}

START_TEST(renumbered_messages_keep_their_rows) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 mailbox = add_mailbox(index, 0, "INBOX");
  g_auto(IndexMessage) before = {0}, after = {0};
  add_messages(index, mailbox, 1, 600);
  ck_assert(index_find_uid(index, mailbox, 5, &before, NULL));
  do_write(index, forget, &mailbox);
  ck_assert(!index_find_uid(index, mailbox, 5, &after, NULL));
  Add again = {.message = message_of(mailbox, 5)};
  again.message.uid = 70005;
  do_write(index, add_one, &again);
  ck_assert(!again.added);
  ck_assert_int_eq(again.message.row, before.row);
  do_write(index, end_forgotten, &mailbox);
  ck_assert_uint_eq(ended, 599);
  ck_assert(index_find_uid(index, mailbox, 70005, &after, NULL));
  ck_assert_str_eq(after.name, before.name);
  ck_assert(index_find_message(index, mailbox, before.name, &(IndexMessage){0}, NULL));
}
END_TEST

START_TEST(twins_are_not_matched_by_guess) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 mailbox = add_mailbox(index, 0, "INBOX");
  Add one = {.message = message_of(mailbox, 5)}, two = {.message = message_of(mailbox, 5)};
  two.message.uid = 6;
  do_write(index, add_one, &one);
  do_write(index, add_one, &two);
  do_write(index, forget, &mailbox);
  Add again = {.message = message_of(mailbox, 5)};
  do_write(index, add_one, &again);
  ck_assert(again.added);
  ck_assert_int_ne(again.message.row, one.message.row);
  ck_assert_int_ne(again.message.row, two.message.row);
}
END_TEST

static gint64 add_known(Index *index, gint64 mailbox, guint32 uid, const char *emailid) {
  Add add = {.message = message_of(mailbox, uid)};
  add.message.emailid = g_strdup(emailid);
  do_write(index, add_one, &add);
  index_message_clear(&add.message);
  return add.message.row;
}

/* As it is listed after the renumbering: UID + 1000. */
static Add listed_again(Index *index, gint64 mailbox, guint32 uid, const char *emailid) {
  Add add = {.message = message_of(mailbox, uid)};
  add.message.uid += 1000;
  add.message.emailid = g_strdup(emailid);
  do_write(index, add_one, &add);
  index_message_clear(&add.message);
  return add;
}

static gboolean put_body(IndexTxn *txn, gpointer data, GError **error) {
  IndexBody body = {.row = *(gint64 *)data, .bytes = 5};
  return index_put_body(txn, &body, error);
}

static void count_held(const IndexBody *body, gpointer data) {
  *(guint *)data += (guint)body->held;
}

static guint held_bodies(Index *index) {
  guint held = 0;
  ck_assert(index_each_body(index, count_held, &held, NULL));
  return held;
}

START_TEST(an_emailid_tells_twins_apart_and_proves_the_body) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 mailbox = add_mailbox(index, 0, "INBOX");
  gint64 one = add_known(index, mailbox, 5, "M1");
  Add twin = {.message = message_of(mailbox, 5)};
  twin.message.uid = 6;
  twin.message.emailid = g_strdup("M2");
  do_write(index, add_one, &twin);
  do_write(index, put_body, &one);
  do_write(index, forget, &mailbox);
  Add again = listed_again(index, mailbox, 5, "M1");
  ck_assert(!again.added && !again.message.unproven);
  ck_assert_int_eq(again.message.row, one);
  ck_assert_uint_eq(held_bodies(index), 0);
  index_message_clear(&twin.message);
}
END_TEST

/* A migrated account has other EMAILIDs for the same mail. */
START_TEST(other_emailids_leave_the_fingerprint) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 mailbox = add_mailbox(index, 0, "INBOX"), row = add_known(index, mailbox, 5, "M1");
  g_auto(IndexMessage) got = {0};
  do_write(index, put_body, &row);
  do_write(index, forget, &mailbox);
  Add again = listed_again(index, mailbox, 5, "N1");
  ck_assert_int_eq(again.message.row, row);
  ck_assert(again.message.unproven);
  ck_assert(index_get_message(index, row, &got, NULL));
  ck_assert_str_eq(got.emailid, "N1");
}
END_TEST

START_TEST(a_body_matched_by_looks_is_held_with_the_match) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 mailbox = add_mailbox(index, 0, "INBOX"), row = add_known(index, mailbox, 5, NULL);
  gint64 bare = add_known(index, mailbox, 6, NULL);
  IndexNext held[2];
  do_write(index, put_body, &row);
  do_write(index, forget, &mailbox);
  ck_assert_int_eq(index_held_bodies(index, mailbox, 0, held, 2, NULL), 0);
  ck_assert(listed_again(index, mailbox, 5, NULL).message.unproven);
  ck_assert(!listed_again(index, mailbox, 6, NULL).message.unproven);
  ck_assert_int_eq(index_held_bodies(index, mailbox, 0, held, 2, NULL), 1);
  ck_assert_int_eq(held[0].row, row);
  ck_assert_uint_eq(held[0].uid, 1005);
  ck_assert_int_eq(index_held_bodies(index, mailbox, row, held, 2, NULL), 0);
  ck_assert_int_ne(row, bare);
  do_write(index, put_body, &row); /* a use that is noted later changes nothing */
  ck_assert_uint_eq(held_bodies(index), 1);
}
END_TEST

/* names=uid: no header fields. A date is not known of some. */
static gint64 add_bare(Index *index, gint64 mailbox, guint32 uid, gint64 date, guint64 claim, gboolean *ret_added) {
  Add add = {.message = {.mailbox = mailbox, .uid = uid, .internaldate = date, .claim = claim}};
  add.message.size = IMAP_UNKNOWN_SIZE;
  g_snprintf(add.message.name, sizeof add.message.name, "%u.eml", uid);
  do_write(index, add_one, &add);
  *ret_added = add.added;
  return add.message.row;
}

START_TEST(what_has_no_header_fields_is_matched_by_date_and_size) {
  static const struct {
    gint64 date;
    guint64 claim;
    gboolean known;
  } rows[] = {
      {1000, 50, TRUE},
      {1000, 51, TRUE},
      {1001, 50, TRUE},
      {1002, 50, FALSE},
      {1002, 50, FALSE}, /* twins */
      {IMAP_UNKNOWN_DATE, 60, FALSE},
      {1003, IMAP_UNKNOWN_SIZE, FALSE},
  };
  g_autoptr(Index) index = open_index(NULL);
  gint64 mailbox = add_mailbox(index, 0, "INBOX"), known[G_N_ELEMENTS(rows)];
  gboolean added;
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    known[i] = add_bare(index, mailbox, i + 1, rows[i].date, rows[i].claim, &added);
  do_write(index, forget, &mailbox);
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    gint64 row = add_bare(index, mailbox, i + 101, rows[i].date, rows[i].claim, &added);
    ck_assert_msg(added != rows[i].known && (row == known[i]) == rows[i].known, "row %u", i);
  }
}
END_TEST

static const struct {
  int state;
  gboolean same;
} states[] = {{JOURNAL_READY, FALSE}, {JOURNAL_UNKNOWN, FALSE}, {JOURNAL_CONFIRMED, TRUE}};

/* It may be another of that date and size; so what was to go comes back. What is flagged \Deleted stays hidden. */
START_TEST(what_waits_to_be_removed_is_not_matched_by_date) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 mailbox = add_mailbox(index, 0, "INBOX");
  gboolean added;
  gint64 row = add_bare(index, mailbox, 1, 1000, 50, &added);
  g_autofree char *sql = g_strdup_printf("INSERT INTO journal(op, state, message, mailbox, target, after, due,"
                                         " flags_add, flags_remove, created) VALUES(3, %d, %d, %d, 0, 0, 0, 0, 0, 0)",
                                         states[_i].state, (int)row, (int)mailbox);
  do_write(index, exec_sql, sql);
  do_write(index, forget, &mailbox);
  ck_assert_int_eq(add_bare(index, mailbox, 101, 1000, 50, &added) == row, states[_i].same);
  ck_assert_int_eq(added, !states[_i].same);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/index: renumbering");
  TCase *tests = tcase_create("renumbering");
  tcase_add_checked_fixture(tests, index_setup, index_teardown);
  tcase_add_test(tests, renumbered_messages_keep_their_rows);
  tcase_add_test(tests, twins_are_not_matched_by_guess);
  tcase_add_test(tests, an_emailid_tells_twins_apart_and_proves_the_body);
  tcase_add_test(tests, other_emailids_leave_the_fingerprint);
  tcase_add_test(tests, a_body_matched_by_looks_is_held_with_the_match);
  tcase_add_test(tests, what_has_no_header_fields_is_matched_by_date_and_size);
  tcase_add_loop_test(tests, what_waits_to_be_removed_is_not_matched_by_date, 0, G_N_ELEMENTS(states));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
