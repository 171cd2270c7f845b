/* SPDX-License-Identifier: MIT */
#include "tests/uploads.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cache/journal/octets.h"
#include "cache/tree/tree.h"

#define AHEAD (9 * 60 * G_USEC_PER_SEC)

static void write_job(Uploads *u, IndexJob job, gpointer data) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(index_write(u->test->account.index, INDEX_JOURNAL, job, data, &error), "%s",
                error ? error->message : "refused");
}

static gboolean put_box(IndexTxn *txn, gpointer data, GError **error) {
  Uploads *u = data;
  IndexMailbox box = {
      .raw = "box", .name = "box", .delimiter = '/', .uidvalidity = 7, .uidnext = 10, .listed = INDEX_LISTED};
  ck_assert(index_put_mailbox(txn, &box, error) && index_set_state(txn, &box, error));
  u->box = box.row;
  return TRUE;
}

static Uploads *uploads(TestAccount *test) {
  Uploads *u = g_new0(Uploads, 1);
  u->test = test;
  u->sync = sync_new(&test->account);
  ck_assert(journal_open(test->account.index, NULL));
  u->replay = replay_new(&test->account, u->sync);
  return u;
}

Uploads *uploads_new(const char *capabilities, const char *script) {
  Uploads *u = uploads(test_account_new(capabilities, script));
  write_job(u, put_box, u);
  return u;
}

Uploads *uploads_on(const ImapConfig *imap, const char *path) {
  g_auto(TreeNews) news = {0};
  g_autoptr(GError) error = NULL;
  Uploads *u = uploads(test_account_on(imap));
  ck_assert_msg(tree_update(&u->test->account, u->test->conn, NULL, FALSE, &news, &error), "%s",
                error ? error->message : "");
  u->box = test_account_folder(u->test, path);
  return u;
}

void uploads_free(Uploads *u) {
  replay_free(u->replay);
  sync_free(u->sync);
  test_account_free(u->test);
  g_free(u);
}

/* ---- new messages ------------------------------------------------------------------------------------------- */

typedef struct {
  IndexMessage message;
  JournalContent content;
} New;

static gboolean put_new(IndexTxn *txn, gpointer data, GError **error) {
  New *self = data;
  if (!journal_create(txn, &self->message, error))
    return FALSE;
  self->content.row = self->message.row;
  return journal_put(txn, &self->content, error);
}

static void describe(New *self, const char *text, gsize len) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  gsize size = sizeof self->content.sha256;
  g_checksum_update(sum, (const guchar *)text, (gssize)len);
  g_checksum_get_digest(sum, self->content.sha256, &size);
  octets_fingerprint(text, len, self->content.fingerprint);
  self->content.state = JOURNAL_READY;
  self->content.size = len;
}

static gint64 add(Uploads *u, New *self, const char *name) {
  self->message.mailbox = u->box;
  self->message.internaldate = 1600000000;
  g_strlcpy(self->message.name, name, sizeof self->message.name);
  write_job(u, put_new, self);
  return self->message.row;
}

gint64 uploads_add(Uploads *u, const char *name, const char *text, gint64 copy) {
  New self = {.content.copy = copy, .content.bytes = copy ? NULL : text};
  describe(&self, text, strlen(text));
  return add(u, &self, name);
}

gint64 uploads_add_flagged(Uploads *u, const char *name, const char *text, guint flags, const char *keywords) {
  New self = {.content.bytes = text, .message.flags = flags, .message.keywords = (char *)keywords};
  describe(&self, text, strlen(text));
  return add(u, &self, name);
}

gint64 uploads_add_spooled(Uploads *u, const char *name, gsize size) {
  g_autoptr(GString) text = g_string_new("Subject: large\r\nMessage-ID: <large@x>\r\n\r\n");
  while (text->len < size - 2)
    g_string_append_c(text, (char)(text->len % 70 == 0 ? '\n' : 'x'));
  for (gsize i = 0; i < text->len; i++)
    if (text->str[i] == '\n' && text->str[i - 1] != '\r')
      text->str[i - 1] = '\r';
  g_string_append(text, "\r\n");
  New self = {0};
  describe(&self, text->str, text->len);
  gint64 row = add(u, &self, name);
  int fd = spool_temp(u->test->account.spool, NULL);
  ck_assert(fd >= 0 && write(fd, text->str, text->len) == (ssize_t)text->len);
  ck_assert(spool_keep(u->test->account.spool, fd, row, "", NULL));
  close(fd);
  return row;
}

/* ---- steps ------------------------------------------------------------------------------------------------------ */

gboolean uploads_take(Uploads *u, JournalBatch *ret) {
  g_autoptr(GError) error = NULL;
  gint64 next = 0;
  gboolean some = journal_next(u->test->account.index, g_get_real_time() + AHEAD, 1000, 1 << 24, ret, &next, &error);
  ck_assert_msg(error == NULL, "%s", error ? error->message : "");
  return some;
}

gboolean uploads_step(Uploads *u, gboolean *ret_alive) {
  g_auto(JournalBatch) batch = {0};
  g_autoptr(GError) error = NULL;
  if (!uploads_take(u, &batch))
    return FALSE;
  gboolean alive = replay_do(u->replay, u->test->conn, &batch, &error);
  ck_assert_msg(alive || ret_alive, "%s", error ? error->message : "");
  if (ret_alive)
    *ret_alive = alive;
  return TRUE;
}

void uploads_all(Uploads *u) {
  for (guint i = 0; uploads_step(u, NULL); i++)
    ck_assert_uint_lt(i, 50);
}

void uploads_reconnect(Uploads *u) {
  test_account_lease(u->test);
}

/* ---- what became of it --------------------------------------------------------------------------------------- */

char *uploads_state(Uploads *u, gint64 row) {
  static const char *const states[] = {"local", "ready", "sent", "unknown", "confirmed", "refused"};
  g_auto(JournalNew) entry = {0};
  g_auto(IndexMessage) message = {0};
  Index *index = u->test->account.index;
  if (!index_get_message(index, row, &message, NULL) || message.gone)
    return g_strdup("gone");
  if (!journal_get_new(index, row, &entry, NULL))
    return g_strdup_printf("%u", message.uid);
  if (entry.state == JOURNAL_REFUSED)
    return g_strdup_printf("refused: %s", entry.reason);
  return message.uid ? g_strdup_printf("%s %u", states[entry.state], message.uid) : g_strdup(states[entry.state]);
}

gboolean uploads_cached(Uploads *u, gint64 row) {
  return body_present(u->test->account.bodies, row);
}

guint64 uploads_left(Uploads *u) {
  guint64 changes = 0, bytes = 0;
  ck_assert(journal_left(u->test->account.index, &changes, &bytes, NULL));
  return changes;
}
