/* SPDX-License-Identifier: MIT */
#include "tests/offline.h"

#include <check.h>
#include <string.h>

#include "tests/tempdir.h"

static char *no_secret(gpointer data, GError **error) {
  (void)data, (void)error;
  return g_strdup("");
}

void offline_init(Offline *offline) {
  *offline = (Offline){.dir = tempdir_new()};
  offline->config = (CacheConfig){.user = "ann",
                                  .host = "localhost",
                                  .port = 1,
                                  .connections = 1,
                                  .timeout = 1,
                                  .secret = no_secret,
                                  .cache_dir = g_build_filename(offline->dir, "cache", NULL),
                                  .state_dir = g_build_filename(offline->dir, "state", NULL),
                                  .cache_size = 1 << 20,
                                  .mountpoint = "/mnt/test"};
}

typedef struct {
  IndexMailbox mailbox;
  IndexMessage message;
} Put;

static gboolean write_mailbox(IndexTxn *txn, gpointer data, GError **error) {
  Put *put = data;
  return index_put_mailbox(txn, &put->mailbox, error);
}

static gboolean write_message(IndexTxn *txn, gpointer data, GError **error) {
  Put *put = data;
  return index_add_message(txn, &put->message, NULL, error);
}

static void do_put(Offline *offline, IndexJob job, Put *put) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(index_write(offline->cache->account.index, INDEX_SYNC, job, put, &error), "%s",
                error ? error->message : "refused");
}

gint64 offline_mailbox(Offline *offline, gint64 parent, const char *name, guint attrs) {
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
  do_put(offline, write_mailbox, &put);
  return put.mailbox.row;
}

gint64 offline_message(Offline *offline, gint64 mailbox, guint32 uid, const char *name, const char *octets) {
  Put put = {.message = {.mailbox = mailbox,
                         .folder = mailbox,
                         .uid = uid,
                         .internaldate = 1700000000,
                         .mtime = 17,
                         .ctime = 18,
                         .claim = octets ? strlen(octets) : 100,
                         .size = octets ? strlen(octets) : IMAP_UNKNOWN_SIZE}};
  g_strlcpy(put.message.name, name, sizeof put.message.name);
  if (octets) {
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize len = sizeof put.message.sha256;
    g_checksum_update(sum, (const guchar *)octets, (gssize)strlen(octets));
    g_checksum_get_digest(sum, put.message.sha256, &len);
  }
  do_put(offline, write_message, &put);
  return put.message.row;
}

void offline_open(Offline *offline) {
  g_autoptr(GError) error = NULL;
  offline->cache = cache_open(&offline->config, &error);
  ck_assert_msg(offline->cache != NULL, "%s", error ? error->message : "");
  offline->root = offline_mailbox(offline, 0, "", IMAP_ATTR_NOSELECT);
  offline->inbox = offline_mailbox(offline, offline->root, "INBOX", 0);
  offline->archive = offline_mailbox(offline, offline->root, "Archive", 0);
  offline->cache->root = offline->cache->account.root = offline->root;
}

void offline_clear(Offline *offline) {
  cache_free(offline->cache);
  g_free(offline->config.cache_dir);
  g_free(offline->config.state_dir);
  tempdir_free(offline->dir);
}

IndexMailbox offline_folder(Offline *offline, gint64 row) {
  IndexMailbox mailbox = {0};
  ck_assert(index_get_mailbox(offline->cache->account.index, row, &mailbox, NULL));
  return mailbox;
}

gint64 offline_find(Offline *offline, gint64 folder, const char *name) {
  g_autoptr(GError) error = NULL;
  g_auto(IndexMessage) message = {0};
  gboolean found = index_find_message(offline->cache->account.index, folder, name, &message, &error);
  ck_assert_msg(!error, "%s", error ? error->message : "");
  return found ? message.row : 0;
}

char *offline_events(Offline *offline) {
  static const char *const types[] = {"FOLDER", "BODY", "CHANGED", "REMOVED", "MOVED", "ATTR", "DATA", "DONE"};
  g_autoptr(GString) text = g_string_new(NULL);
  CacheEvents *events = offline->cache->account.events;
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
