/* SPDX-License-Identifier: MIT */
#include "tests/replaying.h"

#include <check.h>
#include <string.h>

#include "cache/journal/journal_private.h"
#include "cache/tree/names.h"

#define HOUR (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)

static void write_job(Replaying *r, IndexJob job, gpointer data) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(index_write(r->test->account.index, INDEX_CHANGE, job, data, &error), "%s",
                error ? error->message : "refused");
}

/* ---- what is there ------------------------------------------------------------------------------------------ */

static gint64 put_mailbox(IndexTxn *txn, gint64 root, const char *name, guint32 uidvalidity, guint32 uidnext) {
  IndexMailbox mailbox = {.parent = root,
                          .raw = (char *)name,
                          .name = (char *)name,
                          .delimiter = '/',
                          .uidvalidity = uidvalidity,
                          .uidnext = uidnext,
                          .listed = INDEX_LISTED};
  ck_assert(index_put_mailbox(txn, &mailbox, NULL) && index_set_state(txn, &mailbox, NULL));
  return mailbox.row;
}

static gboolean put_all(IndexTxn *txn, gpointer data, GError **error) {
  static const char *const headers[] = {"Subject: one", "Subject: two", "Subject: three"};
  Replaying *r = data;
  IndexMailbox root = {.name = (char *)"", .attrs = IMAP_ATTR_NOSELECT};
  if (!index_put_mailbox(txn, &root, error))
    return FALSE;
  r->box = put_mailbox(txn, root.row, "box", 7, 10);
  r->to = put_mailbox(txn, root.row, "to", 5, 20);
  for (guint i = 0; i < G_N_ELEMENTS(headers); i++) {
    IndexMessage message = {
        .mailbox = r->box, .uid = i + 1, .flags = IMAP_FLAG_SEEN, .claim = 50, .size = IMAP_UNKNOWN_SIZE};
    g_snprintf(message.name, sizeof message.name, "%u.eml", i + 1);
    names_fingerprint(headers[i], strlen(headers[i]), message.fingerprint);
    if (!index_add_message(txn, &message, NULL, error))
      return FALSE;
    g_array_append_val(r->rows, message.row);
  }
  return TRUE;
}

static Replaying *replaying(TestAccount *test) {
  Replaying *r = g_new0(Replaying, 1);
  r->test = test;
  r->rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  ck_assert(journal_open(test->account.index, NULL));
  r->sync = sync_new(&test->account);
  r->replay = replay_new(&test->account, r->sync);
  return r;
}

Replaying *replaying_new(const char *capabilities, const char *script) {
  Replaying *r = replaying(test_account_new(capabilities, script));
  write_job(r, put_all, r);
  return r;
}

Replaying *replaying_on(TestAccount *test, const char *box, const char *to) {
  Replaying *r = replaying(test);
  IndexMessage messages[64];
  gint64 row = 0;
  gssize n;
  r->box = test_account_folder(test, box);
  r->to = test_account_folder(test, to);
  while ((n = index_messages(test->account.index, r->box, row, messages, G_N_ELEMENTS(messages), NULL)) > 0)
    for (gssize i = 0; i < n; i++) {
      row = messages[i].row;
      g_array_append_val(r->rows, row);
      index_message_clear(&messages[i]);
    }
  return r;
}

void replaying_free(Replaying *r) {
  replay_free(r->replay);
  sync_free(r->sync);
  test_account_free(r->test);
  g_array_unref(r->rows);
  g_free(r);
}

/* ---- what users do ------------------------------------------------------------------------------------------ */

typedef struct {
  Replaying *r;
  guint first, last;
  const JournalFlags *flags;
  gint64 mailbox;
} Deed;

static gint64 row_of(const Replaying *r, guint i) {
  return g_array_index(r->rows, gint64, i - 1);
}

static gboolean move(IndexTxn *txn, gpointer data, GError **error) {
  const Deed *deed = data;
  for (guint i = deed->first; i <= deed->last; i++) {
    g_auto(IndexMessage) message = {0};
    if (!journal_message(txn, row_of(deed->r, i), &message, error) ||
        !journal_rename(txn, message.row, deed->r->to, message.name, JOURNAL_READY, 0, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean remove_some(IndexTxn *txn, gpointer data, GError **error) {
  const Deed *deed = data;
  for (guint i = deed->first; i <= deed->last; i++)
    if (!journal_remove(txn, row_of(deed->r, i), NULL, error))
      return FALSE;
  return TRUE;
}

static gboolean flag_some(IndexTxn *txn, gpointer data, GError **error) {
  const Deed *deed = data;
  for (guint i = deed->first; i <= deed->last; i++)
    if (!journal_flag(txn, row_of(deed->r, i), deed->flags, error))
      return FALSE;
  return TRUE;
}

static gboolean rmdir_one(IndexTxn *txn, gpointer data, GError **error) {
  return journal_rmdir(txn, ((Deed *)data)->mailbox, error);
}

void replaying_move(Replaying *r, guint first, guint last) {
  write_job(r, move, &(Deed){.r = r, .first = first, .last = last});
}

void replaying_remove(Replaying *r, guint first, guint last) {
  write_job(r, remove_some, &(Deed){.r = r, .first = first, .last = last});
}

void replaying_flag(Replaying *r, guint first, guint last, const JournalFlags *flags) {
  write_job(r, flag_some, &(Deed){.r = r, .first = first, .last = last, .flags = flags});
}

void replaying_rmdir(Replaying *r, gint64 mailbox) {
  write_job(r, rmdir_one, &(Deed){.r = r, .mailbox = mailbox});
}

/* ---- the replay --------------------------------------------------------------------------------------------- */

gboolean replaying_step(Replaying *r, gboolean *ret_alive) {
  g_auto(JournalBatch) batch = {0};
  g_autoptr(GError) error = NULL;
  gint64 next = 0;
  if (!journal_next(r->test->account.index, g_get_real_time() + HOUR / 12, 1000, G_MAXUINT64, &batch, &next, &error)) {
    ck_assert_msg(error == NULL, "%s", error ? error->message : "");
    return FALSE;
  }
  gboolean alive = replay_do(r->replay, r->test->conn, &batch, &error);
  ck_assert_msg(alive == (error == NULL), "%s", error ? error->message : "fails without a reason");
  ck_assert_msg(alive || ret_alive, "%s", error ? error->message : "");
  if (ret_alive)
    *ret_alive = alive;
  return TRUE;
}

void replaying_all(Replaying *r) {
  guint steps = 0;
  while (replaying_step(r, NULL))
    ck_assert_uint_lt(steps++, 50);
}

void replaying_crash(Replaying *r) {
  ck_assert(journal_open(r->test->account.index, NULL));
}

/* ---- what became of it ---------------------------------------------------------------------------------------- */

static const char *name_of(Replaying *r, gint64 mailbox, IndexMailbox *ret) {
  if (mailbox == 0)
    return "-";
  return index_get_mailbox(r->test->account.index, mailbox, ret, NULL) ? ret->raw : "?";
}

static void describe(Replaying *r, gint64 row, GString *into) {
  g_auto(IndexMessage) message = {0};
  g_auto(IndexMailbox) has = {0}, shows = {0};
  ck_assert(index_get_message(r->test->account.index, row, &message, NULL));
  if (message.gone) {
    g_string_append(into, "gone");
    return;
  }
  g_string_append_printf(into, "%s:%u", name_of(r, message.mailbox, &has), message.uid);
  if (message.folder != message.mailbox)
    g_string_append_printf(into, "@%s", name_of(r, message.folder, &shows));
}

char *replaying_places(Replaying *r) {
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < r->rows->len; i++) {
    if (i > 0)
      g_string_append_c(text, ' ');
    describe(r, g_array_index(r->rows, gint64, i), text);
  }
  return g_string_free(text, FALSE);
}

char *replaying_shown(Replaying *r, gint64 folder) {
  IndexMessage messages[64];
  GString *text = g_string_new(NULL);
  gssize n = index_messages(r->test->account.index, folder, 0, messages, G_N_ELEMENTS(messages), NULL);
  ck_assert_int_ge(n, 0);
  for (gssize i = 0; i < n; i++) {
    g_string_append_printf(text, "%s%s", i > 0 ? " " : "", messages[i].name);
    index_message_clear(&messages[i]);
  }
  return g_string_free(text, FALSE);
}

char *replaying_uids(Replaying *r, gint64 mailbox) {
  g_autoptr(ImapSeqset) uids = index_uids(r->test->account.index, mailbox, NULL);
  return imap_seqset_format(uids);
}

guint64 replaying_left(Replaying *r) {
  guint64 changes = 0, bytes = 0;
  ck_assert(journal_left(r->test->account.index, &changes, &bytes, NULL));
  return changes;
}
