/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/body/body.h"
#include "cache/error.h"
#include "cache/index/index_private.h"
#include "tests/suite.h"
#include "tests/tempdir.h"

static char *dir;
static int dirfd_;
static Index *the_index;
static BodyStore *store;

static void shell(const char *what) {
  g_autofree char *command = g_strdup_printf("cd '%s' && %s", dir, what);
  ck_assert_msg(system(command) == 0, "%s", what);
}

/* Rows 1 and so on with these UIDs, in mailbox 1. */
static gboolean add_messages(IndexTxn *txn, gpointer data, GError **error) {
  IndexMailbox mailbox = {.raw = (char *)"box", .name = (char *)"box", .uidvalidity = 7, .listed = INDEX_LISTED};
  if (!index_put_mailbox(txn, &mailbox, error))
    return FALSE;
  for (guint32 uid = 1; uid <= GPOINTER_TO_UINT(data); uid++) {
    IndexMessage message = {.mailbox = 1, .uid = uid, .claim = 100, .size = IMAP_UNKNOWN_SIZE, .ctime = 9};
    g_snprintf(message.name, sizeof message.name, "%u.eml", uid);
    if (!index_add_message(txn, &message, NULL, error))
      return FALSE;
  }
  return TRUE;
}

static BodyStore *start(guint64 cache_size, guint64 min_free, gboolean distrust) {
  g_autoptr(GError) error = NULL;
  store = body_store_open(dir, the_index, cache_size, min_free, distrust, &error);
  ck_assert_msg(store != NULL, "%s", error ? error->message : "");
  return store;
}

static void stop(void) {
  g_clear_pointer(&store, body_store_close);
}

static void setup(void) {
  dir = tempdir_new();
  dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  the_index = index_open(dirfd_, NULL, NULL);
  ck_assert(index_write(the_index, INDEX_SYNC, add_messages, GUINT_TO_POINTER(3000), NULL));
}

static void teardown(void) {
  stop();
  index_close(the_index);
  close(dirfd_);
  tempdir_free(dir);
}

static int put(gint64 row, const char *octets, gsize len) {
  g_autoptr(GError) error = NULL;
  BodyTemp *temp = body_begin(store, &error);
  ck_assert_msg(temp != NULL, "%s", error ? error->message : "");
  ck_assert(body_write(temp, octets, len / 2, &error));
  ck_assert(body_write(temp, octets + len / 2, len - len / 2, &error));
  IndexKey key = {.row = row, .mailbox = 1, .uidvalidity = 7, .uid = (guint32)row};
  int fd = body_commit(temp, &key, 0, &error);
  ck_assert_int_ge(fd, 0);
  return fd;
}

static void put_text(gint64 row, const char *text) {
  close(put(row, text, strlen(text)));
}

static char *text_of(int fd) {
  char octets[4096];
  ssize_t n = pread(fd, octets, sizeof octets, 0);
  ck_assert_int_ge(n, 0);
  close(fd);
  return g_strndup(octets, (gsize)n);
}

/* What a reader gets: the text, or NULL. */
static char *get(gint64 row) {
  int fd = body_open(store, row);
  return fd < 0 ? NULL : text_of(fd);
}

static void assert_body(gint64 row, const char *expected) {
  g_autofree char *text = get(row);
  ck_assert_msg(g_strcmp0(text, expected) == 0, "row %d: got '%s', not '%s'", (int)row, text, expected);
}

START_TEST(a_body_is_seen_at_once_and_the_index_follows) {
  start(1 << 20, 0, FALSE);
  ck_assert(!body_present(store, 5));
  assert_body(5, NULL);
  g_autofree char *text = text_of(put(5, "hello", 5));
  ck_assert_str_eq(text, "hello");
  ck_assert(body_present(store, 5));
  assert_body(5, "hello");
  ck_assert(index_flush(the_index, NULL));
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(the_index, 5, &message, NULL));
  ck_assert_uint_eq(message.size, 5);
  ck_assert_int_eq(message.ctime, 9);
  g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, "hello", 5);
  GString *hex = g_string_new(NULL);
  for (guint i = 0; i < 32; i++)
    g_string_append_printf(hex, "%02x", message.sha256[i]);
  ck_assert_str_eq(hex->str, sum);
  g_string_free(hex, TRUE);
}
END_TEST

START_TEST(what_is_not_committed_does_not_exist) {
  start(1 << 20, 0, FALSE);
  BodyTemp *temp = body_begin(store, NULL);
  ck_assert(body_write(temp, "half", 4, NULL));
  body_discard(temp);
  body_discard(NULL);
  shell("test -z \"$(ls bodies/tmp)\"");
}
END_TEST

START_TEST(the_digest_may_be_asked_before) {
  start(1 << 20, 0, FALSE);
  BodyTemp *temp = body_begin(store, NULL);
  ck_assert(body_write(temp, "hello", 5, NULL));
  BodyDigest one, two;
  body_digest(temp, &one);
  body_digest(temp, &two);
  ck_assert_uint_eq(one.size, 5);
  ck_assert_mem_eq(one.sha256, two.sha256, 32);
  close(body_commit(temp, &(IndexKey){.row = 1, .mailbox = 1, .uidvalidity = 7, .uid = 1}, 0, NULL));
  assert_body(1, "hello");
}
END_TEST

START_TEST(bodies_outlive_the_run) {
  start(1 << 20, 0, FALSE);
  put_text(1, "one");
  put_text(257, "two");
  stop();
  start(1 << 20, 0, FALSE);
  assert_body(1, "one");
  assert_body(257, "two");
}
END_TEST

START_TEST(an_fd_survives_replacement_and_eviction) {
  start(1 << 20, 0, FALSE);
  int old = put(1, "old", 3);
  put_text(1, "newer");
  g_autofree char *text = text_of(old);
  ck_assert_str_eq(text, "old");
  int newer = body_open(store, 1);
  body_drop(store, 1);
  assert_body(1, NULL);
  g_autofree char *kept = text_of(newer);
  ck_assert_str_eq(kept, "newer");
  shell("test ! -e bodies/01/1");
}
END_TEST

START_TEST(a_body_of_another_length_than_known_is_dropped) {
  start(1 << 20, 0, FALSE);
  put_text(1, "hello");
  shell("echo more >> bodies/01/1");
  assert_body(1, NULL);
  ck_assert(!body_present(store, 1));
}
END_TEST

START_TEST(distrust_checks_each_body_once) {
  start(1 << 20, 0, FALSE);
  for (gint64 row = 1; row <= 3; row++)
    put_text(row, "hello");
  stop();
  shell("printf jello > bodies/02/2");
  start(1 << 20, 0, TRUE);
  assert_body(1, "hello");
  assert_body(2, NULL);
  shell("test ! -e bodies/02/2");
  stop();
  shell("printf jello > bodies/01/1 && printf jello > bodies/03/3");
  start(1 << 20, 0, FALSE); /* what was not looked at in the distrusted run still must be */
  assert_body(1, "jello");
  assert_body(3, NULL);
}
END_TEST

START_TEST(yesterdays_index_beside_todays_bodies) {
  start(1 << 20, 0, FALSE);
  put_text(1, "same");
  put_text(2, "old!");
  stop();
  index_close(the_index);
  shell("cp index.db yesterday");
  the_index = index_open(dirfd_, NULL, NULL);
  start(1 << 20, 0, FALSE);
  put_text(2, "new!");
  put_text(3, "of today");
  stop();
  index_close(the_index);
  shell("mv yesterday index.db && rm -f index.db-wal index.db-shm");
  the_index = index_open(dirfd_, NULL, NULL);
  start(1 << 20, 0, TRUE);
  assert_body(1, "same");
  assert_body(2, NULL);
  assert_body(3, NULL);
  shell("test ! -e bodies/03/3");
}
END_TEST

static gboolean as_after_a_kill(IndexTxn *txn, G_GNUC_UNUSED gpointer data, GError **error) {
  return index_set_meta(txn, "bodies-open", "1", error);
}

START_TEST(files_without_a_row_are_swept_after_a_kill) {
  start(1 << 20, 0, FALSE);
  put_text(1, "kept");
  stop();
  shell("touch bodies/01/257 bodies/01/junk bodies/tmp/7; mkdir -p bodies/02; touch bodies/02/3");
  start(1 << 20, 0, FALSE);
  shell("test -e bodies/01/257 && test ! -e bodies/tmp/7"); /* a clean stop is believed */
  stop();
  ck_assert(index_write(the_index, INDEX_BODY, as_after_a_kill, NULL, NULL));
  start(1 << 20, 0, FALSE);
  shell("test ! -e bodies/01/257 && test ! -e bodies/01/junk && test ! -e bodies/02/3");
  assert_body(1, "kept");
}
END_TEST

static void count_log(G_GNUC_UNUSED const char *domain, G_GNUC_UNUSED GLogLevelFlags level,
                      G_GNUC_UNUSED const char *message, gpointer data) {
  (*(guint *)data)++;
}

START_TEST(the_cache_may_be_deleted_while_we_run) {
  start(1 << 20, 0, FALSE);
  put_text(1, "one");
  put_text(2, "two");
  shell("rm -rf bodies");
  assert_body(1, NULL);
  guint warnings = 0;
  g_log_set_default_handler(count_log, &warnings);
  g_log_set_always_fatal(G_LOG_FATAL_MASK); /* make check makes warnings fatal; this one is wanted */
  put_text(1, "again");
  ck_assert_uint_eq(warnings, 1);
  assert_body(1, "again");
  ck_assert(!body_present(store, 2));
  shell("test $(stat -c %a bodies) = 700 && test $(stat -c %a bodies/01/1) = 600");
  shell("rm -rf bodies/tmp bodies/01");
  put_text(1, "third");
  assert_body(1, "third");
}
END_TEST

START_TEST(a_deleted_cache_is_forgotten_at_start) {
  start(1 << 20, 0, FALSE);
  put_text(1, "one");
  stop();
  shell("rm -rf bodies");
  start(1 << 20, 0, FALSE);
  ck_assert(!body_present(store, 1));
  IndexNext next;
  ck_assert_int_eq(index_following(the_index, 1, 0, INDEX_BY_ROW, TRUE, &next, 1, NULL), 1);
  ck_assert_int_eq(next.row, 1);
}
END_TEST

START_TEST(the_cache_stays_within_its_size) {
  char body[1000];
  memset(body, 'x', sizeof body);
  start(20000, 0, FALSE);
  for (gint64 row = 1; row <= 100; row++)
    close(put(row, body, sizeof body));
  guint present = 0;
  for (gint64 row = 1; row <= 100; row++)
    present += (guint)body_present(store, row);
  ck_assert_uint_eq(present, 20);
  shell("test $(find bodies -type f | wc -l) = 20");
  stop();
  start(5000, 0, FALSE);
  shell("test $(find bodies -type f | wc -l) = 5");
}
END_TEST

START_TEST(what_is_too_large_is_served_and_not_kept) {
  char body[3000];
  memset(body, 'x', sizeof body);
  start(10000, 0, FALSE);
  int fd = put(1, body, sizeof body);
  struct stat st;
  ck_assert_int_eq(fstat(fd, &st), 0);
  ck_assert_uint_eq((guint64)st.st_size, sizeof body);
  ck_assert_uint_eq(st.st_nlink, 0);
  close(fd);
  assert_body(1, NULL);
  ck_assert(index_flush(the_index, NULL));
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(the_index, 1, &message, NULL));
  ck_assert_uint_eq(message.size, sizeof body);
}
END_TEST

START_TEST(a_disk_short_of_space_keeps_nothing) {
  start(G_GUINT64_CONSTANT(1) << 40, G_GUINT64_CONSTANT(1) << 60, FALSE);
  g_autofree char *body = g_malloc0(17 << 20);
  close(put(1, "small", 5));
  close(put(2, body, 17 << 20)); /* from here on the disk has been looked at */
  ck_assert(!body_present(store, 1));
  g_autofree char *text = text_of(put(3, "served", 6));
  ck_assert_str_eq(text, "served");
  ck_assert(!body_present(store, 3));
}
END_TEST

START_TEST(a_body_whose_index_job_fails_is_dropped) {
  start(1 << 20, 0, FALSE);
  put_text(999999, "no such message");
  ck_assert(body_present(store, 999999));
  ck_assert(index_flush(the_index, NULL));
  ck_assert(!body_present(store, 999999));
}
END_TEST

/* What may become of row 5 while its body comes. */
static const char *const renumberings[] = {
    "UPDATE message SET uid = NULL WHERE row = 5", "UPDATE message SET uid = 5000 WHERE row = 5",
    "UPDATE mailbox SET uidvalidity = 8 WHERE row = 1", "UPDATE message SET gone = 1 WHERE row = 5"};

typedef struct {
  const char *sql;
  GMutex mutex;
  GCond cond;
  gboolean running, go;
} Renumber;

static gboolean renumber(IndexTxn *txn, gpointer data, GError **error) {
  Renumber *job = data;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&job->mutex);
  job->running = TRUE;
  g_cond_signal(&job->cond);
  while (!job->go)
    g_cond_wait(&job->cond, &job->mutex);
  return index_db_exec(txn->db, job->sql, error);
}

static void begin_renumbering(Renumber *job, const char *sql) {
  *job = (Renumber){.sql = sql};
  index_post(the_index, INDEX_SYNC, renumber, job, NULL);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&job->mutex);
  while (!job->running)
    g_cond_wait(&job->cond, &job->mutex);
}

static void end_renumbering(Renumber *job) {
  g_mutex_lock(&job->mutex);
  job->go = TRUE;
  g_cond_signal(&job->cond);
  g_mutex_unlock(&job->mutex);
  ck_assert(index_flush(the_index, NULL));
}

/* It was asked for, came and was entered under what the row was known by, and then that is another message. */
START_TEST(a_body_that_came_before_renumbering_is_dropped_after) {
  Renumber job;
  start(1 << 20, 0, FALSE);
  if (_i % 2)
    put_text(5, "before");
  begin_renumbering(&job, renumberings[_i / 2]);
  int fd = put(5, "hello", 5);
  end_renumbering(&job);
  ck_assert(!body_present(store, 5));
  assert_body(5, NULL);
  shell("test ! -e bodies/05/5");
  g_autofree char *text = text_of(fd); /* whoever waited has the file that it was */
  ck_assert_str_eq(text, "hello");
  g_auto(IndexMessage) message = {0};
  ck_assert(index_get_message(the_index, 5, &message, NULL));
  ck_assert_uint_eq(message.size, 5); /* another copy will be seen to differ */
  stop();
  start(1 << 20, 0, FALSE);
  assert_body(5, NULL);
}
END_TEST

static gboolean remove_one(IndexTxn *txn, G_GNUC_UNUSED gpointer data, GError **error) {
  g_autoptr(ImapSeqset) uids = imap_seqset_new();
  imap_seqset_add(uids, 1, 1);
  return index_remove_uids(txn, 1, uids, NULL, NULL, error);
}

START_TEST(the_body_of_a_removed_message_goes_with_the_run) {
  start(1 << 20, 0, FALSE);
  put_text(1, "one");
  ck_assert(index_flush(the_index, NULL));
  ck_assert(index_write(the_index, INDEX_SYNC, remove_one, NULL, NULL));
  assert_body(1, "one");
  stop();
  start(1 << 20, 0, FALSE);
  ck_assert(!body_present(store, 1));
  shell("test ! -e bodies/01/1");
}
END_TEST

START_TEST(an_empty_body_is_a_body) {
  start(1 << 20, 0, FALSE);
  put_text(1, "");
  assert_body(1, "");
}
END_TEST

/* ---- concurrency ------------------------------------------------------------------------------------- */
static gpointer hammer(gpointer data) {
  g_autoptr(GRand) rand = g_rand_new_with_seed(GPOINTER_TO_UINT(data));
  char text[64];
  for (guint i = 0; i < 2000; i++) {
    gint64 row = g_rand_int_range(rand, 1, 60);
    int len = g_snprintf(text, sizeof text, "body %d", (int)row);
    int fd = g_rand_int_range(rand, 0, 4) ? body_open(store, row) : put(row, text, (gsize)len);
    if (fd >= 0) {
      g_autofree char *got = text_of(fd);
      g_assert_cmpstr(got, ==, text);
    }
  }
  return NULL;
}

START_TEST(readers_writers_and_eviction_at_once) {
  start(300, 0, FALSE);
  GThread *threads[4];
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("hammer", hammer, GUINT_TO_POINTER(i + 1));
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
  stop();
  start(300, 0, FALSE);
}
END_TEST

/* ---- figures: MEASURE=1 -------------------------------------------------------------------------------- */
START_TEST(figures) {
  static char body[32768];
  memset(body, 'x', sizeof body);
  start(G_GUINT64_CONSTANT(1) << 30, 0, FALSE);
  guint n = g_getenv("MEASURE") ? 3000 : 300;
  gint64 began = g_get_monotonic_time();
  for (gint64 row = 1; row <= n; row++)
    close(put(row, body, sizeof body));
  double commit = (double)(g_get_monotonic_time() - began) / n;
  began = g_get_monotonic_time();
  for (gint64 row = 1; row <= n; row++)
    close(body_open(store, row));
  double opened = (double)(g_get_monotonic_time() - began) / n;
  stop();
  start(G_GUINT64_CONSTANT(1) << 30, 0, TRUE);
  began = g_get_monotonic_time();
  for (gint64 row = 1; row <= n; row++)
    close(body_open(store, row));
  double verified = (double)(g_get_monotonic_time() - began) / n;
  if (g_getenv("MEASURE"))
    g_print("32 kB bodies: begin to commit %.1f us, open %.1f us, open and verify %.1f us\n", commit, opened, verified);
}
END_TEST

int main(void) {
  Suite *s = suite_create("body");
  TCase *c = tcase_create("body");
  tcase_add_checked_fixture(c, setup, teardown);
  tcase_add_test(c, a_body_is_seen_at_once_and_the_index_follows);
  tcase_add_test(c, what_is_not_committed_does_not_exist);
  tcase_add_test(c, the_digest_may_be_asked_before);
  tcase_add_test(c, bodies_outlive_the_run);
  tcase_add_test(c, an_fd_survives_replacement_and_eviction);
  tcase_add_test(c, a_body_of_another_length_than_known_is_dropped);
  tcase_add_test(c, distrust_checks_each_body_once);
  tcase_add_test(c, yesterdays_index_beside_todays_bodies);
  tcase_add_test(c, files_without_a_row_are_swept_after_a_kill);
  tcase_add_test(c, the_cache_may_be_deleted_while_we_run);
  tcase_add_test(c, a_deleted_cache_is_forgotten_at_start);
  tcase_add_test(c, the_cache_stays_within_its_size);
  tcase_add_test(c, what_is_too_large_is_served_and_not_kept);
  tcase_add_test(c, a_disk_short_of_space_keeps_nothing);
  tcase_add_test(c, a_body_whose_index_job_fails_is_dropped);
  tcase_add_loop_test(c, a_body_that_came_before_renumbering_is_dropped_after, 0, 2 * G_N_ELEMENTS(renumberings));
  tcase_add_test(c, the_body_of_a_removed_message_goes_with_the_run);
  tcase_add_test(c, an_empty_body_is_a_body);
  tcase_add_test(c, readers_writers_and_eviction_at_once);
  tcase_add_test(c, figures);
  suite_add_tcase(s, c);
  return suite_run(s);
}
