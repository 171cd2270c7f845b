/* SPDX-License-Identifier: MIT */
#include "tests/offline.h"

#include <check.h>
#include <string.h>

#include "cache/journal/lostfound.h"
#include "cache/local.h"
#include "tests/tempdir.h"

static char *no_secret(gpointer data, GError **error) {
  (void)data, (void)error;
  return g_strdup("");
}

Offline offline;

void offline_init(Offline *self) {
  *self = (Offline){.dir = tempdir_new()};
  self->config = (CacheConfig){.user = "ann",
                               .host = "localhost",
                               .port = 1,
                               .connections = 1,
                               .timeout = 1,
                               .secret = no_secret,
                               .cache_dir = g_build_filename(self->dir, "cache", NULL),
                               .state_dir = g_build_filename(self->dir, "state", NULL),
                               .cache_size = 1 << 20,
                               .mountpoint = "/mnt/test"};
}

typedef struct {
  Account *account;
  IndexMailbox mailbox;
  IndexMessage message;
  JournalContent content;
  gint64 lost_found;
} Put;

static gboolean write_mailbox(IndexTxn *txn, gpointer data, GError **error) {
  Put *put = data;
  return index_put_mailbox(txn, &put->mailbox, error);
}

static gboolean write_message(IndexTxn *txn, gpointer data, GError **error) {
  Put *put = data;
  return index_add_message(txn, &put->message, NULL, error);
}

static gboolean write_fresh(IndexTxn *txn, gpointer data, GError **error) {
  Put *put = data;
  if (!journal_create(txn, &put->message, error))
    return FALSE;
  put->content.row = put->message.row;
  return journal_put(txn, &put->content, error);
}

static gboolean write_refused(IndexTxn *txn, gpointer data, GError **error) {
  Put *put = data;
  JournalUndone undone;
  gboolean changed;
  return journal_refuse(txn, put->content.copy, "the server says no", put->lost_found, &undone, error) &&
         lostfound_show(put->account, txn, put->lost_found, &changed, error);
}

static void do_put(Offline *self, IndexJob job, Put *put) {
  g_autoptr(GError) error = NULL;
  put->account = &self->cache->account;
  ck_assert_msg(index_write(self->cache->account.index, INDEX_SYNC, job, put, &error), "%s",
                error ? error->message : "refused");
}

gint64 offline_mailbox(Offline *self, gint64 parent, const char *name, guint attrs) {
  gboolean root = parent == 0;
  Put put = {.mailbox = {.parent = parent,
                         .raw = root ? NULL : (char *)name,
                         .name = (char *)name,
                         .delimiter = '/',
                         .attrs = attrs,
                         .uidvalidity = root ? 0 : 7,
                         .listed = root ? INDEX_UNLISTED : INDEX_LISTED,
                         .listed_at = 1,
                         .mtime = 1}};
  do_put(self, write_mailbox, &put);
  return put.mailbox.row;
}

static void digest(const char *octets, guint8 ret[32]) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  gsize len = 32;
  g_checksum_update(sum, (const guchar *)octets, (gssize)strlen(octets));
  g_checksum_get_digest(sum, ret, &len);
}

gint64 offline_message(Offline *self, gint64 mailbox, guint32 uid, const char *name, const char *octets) {
  Put put = {.message = {.mailbox = mailbox,
                         .folder = mailbox,
                         .uid = uid,
                         .internaldate = 1700000000,
                         .mtime = 17,
                         .ctime = 18,
                         .claim = octets ? strlen(octets) : 100,
                         .size = octets ? strlen(octets) : IMAP_UNKNOWN_SIZE}};
  g_strlcpy(put.message.name, name, sizeof put.message.name);
  if (octets)
    digest(octets, put.message.sha256);
  do_put(self, write_message, &put);
  return put.message.row;
}

gint64 offline_fresh(Offline *self, gint64 folder, const char *name, const char *octets) {
  g_auto(IndexMailbox) parent = offline_folder(self, folder);
  gboolean local = local_keeps(&parent, name) || !*octets;
  Put put = {.message = {.mailbox = folder, .internaldate = 1700000001, .mtime = 27, .ctime = 28},
             .content = {.state = local ? JOURNAL_LOCAL : JOURNAL_READY,
                         .bytes = octets,
                         .size = strlen(octets),
                         .due = g_get_real_time() + 2 * G_USEC_PER_SEC}};
  g_strlcpy(put.message.name, name, sizeof put.message.name);
  digest(octets, put.content.sha256);
  do_put(self, write_fresh, &put);
  return put.message.row;
}

static gboolean write_content(IndexTxn *txn, gpointer data, GError **error) {
  Put *put = data;
  return journal_put(txn, &put->content, error);
}

void offline_because(Offline *self, gint64 row, const char *reason) {
  Put put = {.content = {.row = row, .state = JOURNAL_LOCAL, .bytes = "none\r\n", .size = 6, .reason = reason}};
  do_put(self, write_content, &put);
}

gint64 offline_refused(Offline *self, const char *name, const char *octets) {
  Put put = {0};
  gint64 row = offline_fresh(self, self->inbox, name, octets);
  ck_assert(lostfound_row(&self->cache->account, self->root, &put.lost_found, NULL));
  g_auto(JournalNew) entry = offline_new(self, row);
  put.content.copy = entry.seq;
  do_put(self, write_refused, &put);
  return row;
}

JournalNew offline_new(Offline *self, gint64 row) {
  g_autoptr(GError) error = NULL;
  JournalNew entry = {0};
  journal_get_new(self->cache->account.index, row, &entry, &error);
  ck_assert_msg(!error, "%s", error ? error->message : "");
  return entry;
}

JournalState offline_state(Offline *self, gint64 row) {
  g_auto(JournalNew) entry = offline_new(self, row);
  ck_assert_int_ne(entry.seq, 0);
  return entry.state;
}

guint64 offline_left(Offline *self) {
  guint64 changes = 0, bytes = 0;
  ck_assert(journal_left(self->cache->account.index, &changes, &bytes, NULL));
  return changes;
}

void offline_open(Offline *self) {
  g_autoptr(GError) error = NULL;
  self->cache = cache_open(&self->config, &error);
  ck_assert_msg(self->cache != NULL, "%s", error ? error->message : "");
  self->root = offline_mailbox(self, 0, "", IMAP_ATTR_NOSELECT);
  self->inbox = offline_mailbox(self, self->root, "INBOX", 0);
  self->archive = offline_mailbox(self, self->root, "Archive", 0);
  self->cache->account.root = self->root;
}

static void clear(Offline *self) {
  cache_free(self->cache);
  g_free(self->config.cache_dir);
  g_free(self->config.state_dir);
  tempdir_free(self->dir);
}

IndexMailbox offline_folder(Offline *self, gint64 row) {
  IndexMailbox mailbox = {0};
  ck_assert(index_get_mailbox(self->cache->account.index, row, &mailbox, NULL));
  return mailbox;
}

int offline_rename(Offline *self, gint64 folder, const char *name, gint64 to, const char *to_name, guint flags) {
  g_autoptr(GError) error = NULL;
  gint64 ticket = 0;
  CacheAnswer answer = cache_rename(self->cache, folder, name, to, to_name, flags, &ticket, &error);
  ck_assert_int_eq(error != NULL, answer == CACHE_FAILED);
  return answer == CACHE_READY ? 0 : answer == CACHE_ABSENT ? OFFLINE_ABSENT : error->code;
}

gint64 offline_find(Offline *self, gint64 folder, const char *name) {
  g_autoptr(GError) error = NULL;
  g_auto(IndexMessage) message = {0};
  gboolean found = index_find_message(self->cache->account.index, folder, name, &message, &error);
  ck_assert_msg(!error, "%s", error ? error->message : "");
  return found ? message.row : 0;
}

gint64 offline_find_folder(Offline *self, gint64 parent, const char *name) {
  g_auto(IndexMailbox) folder = {0};
  return index_find_mailbox(self->cache->account.index, parent, name, &folder, NULL) ? folder.row : 0;
}

static gboolean write_state(IndexTxn *txn, gpointer state, GError **error) {
  return index_set_state(txn, state, error);
}

gboolean offline_set_state(Offline *self, const IndexMailbox *state) {
  return index_write(self->cache->account.index, INDEX_SYNC, write_state, (gpointer)state, NULL);
}

char *offline_events(Offline *self) {
  static const char *const types[] = {"FOLDER", "BODY", "CHANGED", "REMOVED", "MOVED", "ATTR", "DATA", "DONE"};
  g_autoptr(GString) text = g_string_new(NULL);
  CacheEvents *events = self->cache->account.events;
  CacheEvent end = {.type = CACHE_EVENT_FOLDER, .row = -1, .fd = -1};
  cache_events_push(events, &end);
  for (;;) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_events_pop(events, &event));
    if (event.row == -1)
      return g_string_free(g_steal_pointer(&text), FALSE);
    g_string_append_printf(text, "%s %d%s%s\n", types[event.type], (int)event.row, event.name ? " " : "",
                           event.name ? event.name : "");
  }
}

void offline_setup(void) {
  offline_init(&offline);
  offline_open(&offline);
}

void offline_teardown(void) {
  clear(&offline);
}
