/* SPDX-License-Identifier: MIT */
#include "tests/drafts.h"

#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cache/index/index_private.h"
#include "tests/index.h"
#include "tests/tempdir.h"

DraftTest draft_test;

static char *secret(gpointer data, GError **error) {
  (void)error;
  return g_strdup(data);
}

static void open_cache(void) {
  g_autoptr(GError) error = NULL;
  draft_test.cache = cache_open(&draft_test.config, &error);
  ck_assert_msg(draft_test.cache != NULL, "%s", error ? error->message : "");
}

static Index *the_index(void) {
  return draft_test.cache->account.index;
}

/* Listed, so that it is known as a whole. */
static gint64 add_folder(gint64 parent, const char *name, guint attrs) {
  IndexMailbox mailbox = {.parent = parent,
                          .raw = parent ? (char *)name : NULL,
                          .name = (char *)name,
                          .delimiter = '/',
                          .attrs = attrs,
                          .uidvalidity = 7,
                          .uidnext = 100,
                          .listed = INDEX_LISTED,
                          .listed_at = 1};
  do_write(the_index(), put_mailbox, &mailbox);
  do_write(the_index(), set_state, &mailbox);
  return mailbox.row;
}

static gboolean small_disk;

/* In a mount namespace of this process alone, so it goes with it. */
gboolean drafts_on_small_disk(void) {
  small_disk = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
  return small_disk;
}

static void mount_small_disk(const char *path) {
  ck_assert_int_eq(g_mkdir(path, 0700), 0);
  ck_assert_int_eq(mount("imapfs-test", path, "tmpfs", 0, "size=2m,mode=0700"), 0);
}

void drafts_setup(void) {
  draft_test = (DraftTest){.dir = tempdir_new()};
  draft_test.config = (CacheConfig){.user = "ann",
                                    .host = "localhost",
                                    .tls = CACHE_TLS_OFF,
                                    .connections = 1,
                                    .timeout = 1,
                                    .secret = secret,
                                    .secret_data = "secret",
                                    .cache_dir = g_build_filename(draft_test.dir, "cache", NULL),
                                    .state_dir = g_build_filename(draft_test.dir, "state", NULL),
                                    .cache_size = 1 << 30,
                                    .mountpoint = "/mnt/test"};
  if (small_disk)
    mount_small_disk(draft_test.config.state_dir);
  open_cache();
  draft_test.root = add_folder(0, "", IMAP_ATTR_NOSELECT);
  draft_test.inbox = add_folder(draft_test.root, "INBOX", 0);
  draft_test.drafts = add_folder(draft_test.root, "Drafts", IMAP_ATTR_DRAFTS);
  draft_test.sent = add_folder(draft_test.root, "Sent", IMAP_ATTR_SENT);
}

void drafts_teardown(void) {
  cache_free(draft_test.cache);
  cache_free(draft_test.killed);
  g_free(draft_test.config.cache_dir);
  g_free(draft_test.config.state_dir);
  tempdir_free(draft_test.dir);
}

void drafts_reopen(void) {
  cache_free(draft_test.cache);
  open_cache();
}

static void copy_tree(const char *from, const char *to) {
  const char *argv[] = {"cp", "-a", from, to, NULL};
  int status = -1;
  ck_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
  ck_assert_int_eq(status, 0);
}

void drafts_crash(void) {
  static const char *const dirs[] = {"cache", "state"};
  char *copy = g_build_filename(draft_test.dir, "crashed", NULL);
  ck_assert_int_eq(g_mkdir(copy, 0700), 0);
  for (guint i = 0; i < G_N_ELEMENTS(dirs); i++) {
    g_autofree char *from = g_build_filename(draft_test.dir, dirs[i], NULL);
    copy_tree(from, copy);
  }
  g_free(draft_test.config.cache_dir);
  g_free(draft_test.config.state_dir);
  draft_test.config.cache_dir = g_build_filename(copy, "cache", NULL);
  draft_test.config.state_dir = g_build_filename(copy, "state", NULL);
  g_free(copy);
  draft_test.killed = draft_test.cache;
  open_cache();
}

/* ---- files --------------------------------------------------------------------------------------------------- */

CacheDraft *create_file(gint64 folder, const char *name, gint64 *ret_row) {
  g_autoptr(GError) error = NULL;
  CacheEntry entry;
  CacheDraft *draft = NULL;
  CacheAnswer answer = cache_create(draft_test.cache, folder, name, &entry, &draft, &error);
  ck_assert_msg(answer == CACHE_READY, "%s: %d %s", name, answer, error ? error->message : "");
  ck_assert_str_eq(entry.name, name);
  ck_assert_int_eq(entry.parent, folder);
  ck_assert(entry.shown && entry.size == 0 && entry.nlink == 1);
  if (ret_row)
    *ret_row = entry.row;
  return draft;
}

CacheDraft *edit_file(gint64 row, gboolean truncate) {
  g_autoptr(GError) error = NULL;
  CacheDraft *draft = NULL;
  CacheEntry entry;
  cache_get(draft_test.cache, CACHE_MESSAGE, row, &entry, NULL); /* the kernel knows its size */
  CacheAnswer answer = cache_edit(draft_test.cache, row, truncate, &draft, &error);
  ck_assert_msg(answer == CACHE_READY, "%d %s", answer, error ? error->message : "");
  return draft;
}

void write_at(CacheDraft *draft, const char *text, guint64 offset) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(cache_draft_write(draft, text, strlen(text), offset, &error), "%s", error ? error->message : "");
}

void flush_file(CacheDraft *draft) {
  g_autoptr(GError) error = NULL;
  ck_assert_msg(cache_draft_flush(draft, FALSE, &error), "%s", error ? error->message : "");
}

gint64 make_file(gint64 folder, const char *name, const char *text) {
  gint64 row;
  CacheDraft *draft = create_file(folder, name, &row);
  write_at(draft, text, 0);
  flush_file(draft);
  cache_draft_close(draft);
  return row;
}

gint64 server_message(gint64 folder, guint32 uid, const char *name, const char *text, gboolean here) {
  Add add = {.message = {.mailbox = folder,
                         .uid = uid,
                         .internaldate = 1600000000,
                         .mtime = G_GINT64_CONSTANT(1600000000000000000),
                         .ctime = G_GINT64_CONSTANT(1600000000000000000),
                         .claim = strlen(text),
                         .size = IMAP_UNKNOWN_SIZE}};
  g_strlcpy(add.message.name, name, sizeof add.message.name);
  do_write(the_index(), add_one, &add);
  BodyStore *bodies = draft_test.cache->account.bodies;
  BodyTemp *temp = body_begin(bodies, NULL);
  ck_assert_ptr_nonnull(temp);
  ck_assert(body_write(temp, text, strlen(text), NULL));
  IndexKey key = {add.message.row, folder, 7, uid};
  close(body_commit(temp, &key, 0, NULL));
  ck_assert(index_flush(the_index(), NULL));
  if (!here)
    body_drop(bodies, add.message.row);
  return add.message.row;
}

/* ---- looks --------------------------------------------------------------------------------------------------- */

gint64 find(gint64 folder, const char *name) {
  CacheEntry entry;
  return cache_lookup(draft_test.cache, folder, name, &entry, NULL) == CACHE_READY ? entry.row : 0;
}

CacheEntry entry_of(gint64 row) {
  CacheEntry entry;
  ck_assert_int_eq(cache_get(draft_test.cache, CACHE_MESSAGE, row, &entry, NULL), CACHE_READY);
  ck_assert_int_eq(entry.row, row);
  return entry;
}

char *octets_of(gint64 row) {
  g_autoptr(GError) error = NULL;
  int fd = -1;
  CacheAnswer answer = cache_open_body(draft_test.cache, row, CACHE_BODY_READ, &fd, &error);
  ck_assert_msg(answer == CACHE_READY && fd >= 0, "%d %s", answer, error ? error->message : "");
  gsize size = (gsize)lseek(fd, 0, SEEK_END);
  char *text = g_malloc0(size + 1);
  ck_assert_int_eq(pread(fd, text, size, 0), (gssize)size);
  close(fd);
  return text;
}

char *draft_octets(CacheDraft *draft) {
  gsize size = (gsize)cache_draft_size(draft);
  char *text = g_malloc0(size + 1);
  for (gsize at = 0; at < size;) {
    gssize n = cache_draft_read(draft, text + at, size - at, at, NULL);
    ck_assert_int_gt(n, 0);
    at += (gsize)n;
  }
  return text;
}

gboolean new_of(gint64 row, JournalNew *ret) {
  g_autoptr(GError) error = NULL;
  *ret = (JournalNew){0};
  gboolean found = journal_get_new(the_index(), row, ret, &error);
  ck_assert_msg(error == NULL, "%s", error ? error->message : "");
  return found;
}

JournalState state_of(gint64 row) {
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(row, &entry));
  return entry.state;
}

gint64 due_of(gint64 row) {
  g_auto(JournalNew) entry = {0};
  ck_assert(new_of(row, &entry));
  return entry.due;
}

guint changes(void) {
  g_autoptr(IndexReader) reader = index_reader_take(the_index(), NULL);
  g_autoptr(IndexStmt) stmt = index_use(reader, "SELECT count(*) FROM journal");
  gint64 n = -1;
  ck_assert(index_number(reader, stmt, &n, NULL));
  return (guint)n;
}

/* ---- what others do ------------------------------------------------------------------------------------------ */

typedef struct {
  gint64 row;
  gint64 mtime;
  JournalState state;
} Job;

static gboolean state_job(IndexTxn *txn, gpointer data, GError **error) {
  Job *job = data;
  g_auto(JournalNew) entry = {0};
  g_autoptr(GArray) seqs = g_array_new(FALSE, FALSE, sizeof(gint64));
  if (!journal_get_new(the_index(), job->row, &entry, error))
    return FALSE;
  g_array_append_val(seqs, entry.seq);
  return journal_set_state(txn, seqs, job->state, error);
}

void set_new_state(gint64 row, JournalState state) {
  Job job = {.row = row, .state = state};
  do_write(the_index(), state_job, &job);
}

static gboolean mtime_job(IndexTxn *txn, gpointer data, GError **error) {
  Job *job = data;
  return index_set_mtime(txn, job->row, job->mtime, error) &&
         index_set_internaldate(txn, job->row, job->mtime / 1000000000, error);
}

void set_mtime(gint64 row, gint64 mtime) {
  Job job = {.row = row, .mtime = mtime};
  do_write(the_index(), mtime_job, &job);
}

static gboolean remove_job(IndexTxn *txn, gpointer data, GError **error) {
  return journal_remove(txn, ((Job *)data)->row, NULL, error);
}

void remove_file(gint64 row) {
  Job job = {.row = row};
  do_write(the_index(), remove_job, &job);
}

char *events(void) {
  static const char *const types[] = {"FOLDER", "BODY", "CHANGED", "REMOVED", "MOVED", "ATTR", "DATA", "DONE"};
  g_autoptr(GString) text = g_string_new(NULL);
  CacheEvent end = {.type = CACHE_EVENT_FOLDER, .row = -1, .fd = -1};
  cache_events_push(draft_test.cache->account.events, &end);
  for (;;) {
    g_auto(CacheEvent) event = {.fd = -1};
    ck_assert(cache_next_event(draft_test.cache, &event));
    if (event.row == -1)
      return g_string_free(g_steal_pointer(&text), FALSE);
    g_string_append_printf(text, "%s %d%s%s\n", types[event.type], (int)event.row, event.name ? " " : "",
                           event.name ? event.name : "");
  }
}
