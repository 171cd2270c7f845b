/* SPDX-License-Identifier: MIT */
#include "tests/box.h"

#include "cache/sync/listing.h"

gint64 box;

static gboolean make_box(IndexTxn *txn, G_GNUC_UNUSED gpointer data, GError **error) {
  IndexMailbox mailbox = {.raw = (char *)"box", .name = (char *)"box", .delimiter = '/'};
  gboolean ok = index_put_mailbox(txn, &mailbox, error);
  box = mailbox.row;
  return ok;
}

TestAccount *box_start(const char *capabilities, const char *script) {
  TestAccount *test = test_account_new(capabilities, script);
  ck_assert(index_write(test->account.index, INDEX_SYNC, make_box, NULL, NULL));
  return test;
}

void box_list(TestAccount *test) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(listing_first(&test->account, test->conn, box, NULL, NULL, NULL, &error), "%s",
                error ? error->message : "");
}

char *box_uids(TestAccount *test) {
  g_autoptr(ImapSeqset) set = index_uids(test->account.index, box, NULL);
  return imap_seqset_format(set);
}

IndexListed box_state(TestAccount *test) {
  g_auto(IndexMailbox) mailbox = {0};
  ck_assert(index_get_mailbox(test->account.index, box, &mailbox, NULL));
  return mailbox.listed;
}

gint64 box_row(TestAccount *test, guint32 uid) {
  g_auto(IndexMessage) message = {0};
  ck_assert(index_find_uid(test->account.index, box, uid, &message, NULL));
  return message.row;
}

guint box_flags(TestAccount *test, guint32 uid) {
  g_auto(IndexMessage) message = {0};
  ck_assert(index_find_uid(test->account.index, box, uid, &message, NULL));
  return message.flags;
}
