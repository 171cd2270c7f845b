/* SPDX-License-Identifier: MIT */
#include "cache/sync/seat.h"

#include "tests/index.h"
#include "tests/suite.h"

/* What becomes of the row, UIDVALIDITY 7, while it is sat on. */
static const struct {
  guint32 opened, now; /* UIDVALIDITY */
  const char *raw;
  gboolean ended, right;
} cases[] = {
    {7, 7, "a", FALSE, TRUE},  {7, 7, "b", FALSE, FALSE}, {7, 8, "a", FALSE, FALSE},
    {7, 7, "a", TRUE, FALSE},  {8, 7, "a", FALSE, TRUE}, /* another already when it was opened: its first listing has to
                                                            come */
    {8, 7, "b", FALSE, FALSE}, {0, 7, "a", FALSE, TRUE}, /* another at each opening */
};

static gboolean change(IndexTxn *txn, gpointer data, GError **error) {
  IndexMailbox *mailbox = data;
  return index_put_mailbox(txn, mailbox, error) && index_set_state(txn, mailbox, error);
}

static gboolean end(IndexTxn *txn, gpointer row, GError **error) {
  return index_end_mailbox(txn, *(gint64 *)row, error);
}

START_TEST(test_right) {
  g_autoptr(Index) index = open_index(NULL);
  g_autoptr(Seat) seat = seat_new();
  g_auto(IndexMailbox) mailbox = {0};
  ImapMailbox opened = {.sticky = TRUE, .uidvalidity = cases[_i].opened, .uidnext = 9, .modseq = 99};
  gint64 row = add_mailbox(index, add_mailbox(index, 0, ""), "a");
  ck_assert(index_get_mailbox(index, row, &mailbox, NULL));
  ck_assert(seat_is_right(seat, index)); /* nothing is sat on */
  seat_take(seat, &mailbox, &opened);
  g_free(mailbox.raw);
  mailbox.raw = g_strdup(cases[_i].raw);
  mailbox.uidvalidity = cases[_i].now;
  do_write(index, change, &mailbox);
  if (cases[_i].ended)
    do_write(index, end, &row);
  ck_assert_msg(seat_is_right(seat, index) == cases[_i].right, "row %d", _i);
  seat_leave(seat);
  ck_assert(seat_is_right(seat, index));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/seat");
  TCase *tests = tcase_create("all");
  tcase_add_checked_fixture(tests, index_setup, index_teardown);
  tcase_add_loop_test(tests, test_right, 0, G_N_ELEMENTS(cases));
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
