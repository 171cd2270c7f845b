/* SPDX-License-Identifier: MIT */
#include "tests/index.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/tempdir.h"

IndexDir index_dir;

void index_setup(void) {
  index_dir.path = tempdir_new();
  index_dir.fd = open(index_dir.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ck_assert_int_ge(index_dir.fd, 0);
}

void index_teardown(void) {
  close(index_dir.fd);
  g_clear_pointer(&index_dir.path, tempdir_free);
}

Index *open_index(gboolean *unclean) {
  g_autoptr(GError) error = NULL;
  Index *index = index_open(index_dir.fd, unclean, &error);
  ck_assert_msg(index != NULL, "%s", error ? error->message : "");
  return index;
}

void do_write(Index *index, IndexJob job, gpointer data) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(index_write(index, INDEX_SYNC, job, data, &error), "%s", error ? error->message : "refused");
}

gboolean put_mailbox(IndexTxn *txn, gpointer data, GError **error) {
  return index_put_mailbox(txn, data, error);
}

gboolean set_state(IndexTxn *txn, gpointer data, GError **error) {
  return index_set_state(txn, data, error);
}

gint64 add_mailbox(Index *index, gint64 parent, const char *name) {
  IndexMailbox mailbox = {
      .parent = parent, .raw = (char *)name, .name = (char *)name, .delimiter = '/', .uidvalidity = 7, .modseq = 99};
  do_write(index, put_mailbox, &mailbox);
  return mailbox.row;
}

IndexMessage message_of(gint64 mailbox, guint32 uid) {
  IndexMessage message = {.mailbox = mailbox,
                          .uid = uid,
                          .internaldate = 1700000000 + uid,
                          .claim = 1000 + uid % 7,
                          .size = IMAP_UNKNOWN_SIZE,
                          .mtime = uid,
                          .ctime = uid};
  g_snprintf(message.name, sizeof message.name, "2026-%02u-%02u_Somebody_A-subject-of-some-length.%u.eml",
             1 + uid * 7 % 12, 1 + uid * 13 % 28, uid);
  memcpy(message.fingerprint, &uid, sizeof uid);
  message.fingerprint[15] = 1;
  return message;
}

gboolean add_range(IndexTxn *txn, gpointer data, GError **error) {
  Range *range = data;
  for (guint32 i = 0; i < range->n; i++) {
    g_auto(IndexMessage) message = message_of(range->mailbox, range->first + i);
    gboolean added;
    if (!index_add_message(txn, &message, &added, error))
      return FALSE;
    range->last_row = message.row;
  }
  return TRUE;
}

void add_messages(Index *index, gint64 mailbox, guint32 first, guint32 n) {
  for (guint32 done = 0; done < n; done += 500) {
    Range range = {mailbox, first + done, MIN(500u, n - done), 0};
    do_write(index, add_range, &range);
  }
}

gboolean add_one(IndexTxn *txn, gpointer data, GError **error) {
  Add *add = data;
  return index_add_message(txn, &add->message, &add->added, error);
}

typedef struct {
  gint64 mailbox;
  guint32 first, last;
  GString *names;
} Remove;

static void note_removed(const IndexLeft *left, gpointer data) {
  Remove *job = data;
  ck_assert_int_gt(left->row, 0);
  g_string_append_printf(job->names, "%s\n", left->name);
}

static gboolean remove_range(IndexTxn *txn, gpointer data, GError **error) {
  Remove *job = data;
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  imap_seqset_add(uids, job->first, job->last);
  return index_remove_uids(txn, job->mailbox, uids, job->names ? note_removed : NULL, job, error);
}

void remove_messages(Index *index, gint64 mailbox, guint32 first, guint32 last, GString *names) {
  Remove job = {mailbox, first, last, names};
  do_write(index, remove_range, &job);
}

gboolean exec_sql(IndexTxn *txn, gpointer data, GError **error) {
  return index_db_exec(txn->db, data, error);
}

guint64 count_messages(Index *index, guint64 *bytes) {
  guint64 messages, folders;
  ck_assert(index_totals(index, &messages, &folders, bytes, NULL));
  return messages;
}
gboolean set_size(IndexTxn *txn, gpointer data, GError **error) {
  Size *size = data;
  guint8 sha256[32] = {1, 2, 3};
  return index_set_size(txn, size->row, size->size, sha256, size->ctime, error);
}

gboolean set_meta(IndexTxn *txn, gpointer data, GError **error) {
  return index_set_meta(txn, data, "1", error);
}
