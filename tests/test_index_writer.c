/* SPDX-License-Identifier: MIT */
#include "tests/index.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/suite.h"

static gboolean fail_late(IndexTxn *txn, gpointer data, G_GNUC_UNUSED GError **error) {
  index_set_meta(txn, data, "1", NULL);
  return FALSE;
}

static void note_outcome(gpointer data, const GError *error) {
  g_assert(!error || error->domain == CACHE_ERROR);
  g_assert(!g_str_equal(data, "posted") || !error);
}

START_TEST(a_job_that_fails_takes_nobody_along) {
  g_autoptr(Index) index = open_index(NULL);
  index_post(index, INDEX_BODY, set_meta, (gpointer) "posted", note_outcome);
  index_post(index, INDEX_BODY, fail_late, (gpointer) "refused", note_outcome);
  g_autoptr(GError) error = NULL;
  ck_assert(!index_write(index, INDEX_BODY, fail_late, (gpointer) "also", &error) && !error);
  ck_assert(index_write(index, INDEX_BODY, set_meta, (gpointer) "kept", NULL));
  static const char *const keys[] = {"posted", "refused", "also", "kept"};
  for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
    g_autofree char *value = index_get_meta(index, keys[i], NULL);
    ck_assert_msg((value != NULL) == (i == 0 || i == 3), "%s", keys[i]);
  }
}
END_TEST

START_TEST(a_flush_waits_for_what_was_posted) {
  g_autoptr(Index) index = open_index(NULL);
  index_post(index, INDEX_BODY, set_meta, (gpointer) "posted", note_outcome);
  ck_assert(index_flush(index, NULL));
  g_autofree char *value = index_get_meta(index, "posted", NULL);
  ck_assert_str_eq(value, "1");
}
END_TEST

START_TEST(closing_runs_what_was_posted) {
  Index *index = open_index(NULL);
  index_post(index, INDEX_BODY, set_meta, (gpointer) "posted", note_outcome);
  index_close(index);
  gboolean unclean = TRUE;
  g_autoptr(Index) again = open_index(&unclean);
  ck_assert(!unclean);
  g_autofree char *value = index_get_meta(again, "posted", NULL);
  ck_assert_str_eq(value, "1");
}
END_TEST

typedef struct {
  Index *index;
  char *seen;
} Look;

static gboolean write_and_look(IndexTxn *txn, gpointer data, GError **error) {
  Look *look = data;
  if (!index_set_meta(txn, "mine", "written", error))
    return FALSE;
  look->seen = index_get_meta(look->index, "mine", error);
  return FALSE;
}

START_TEST(a_job_reads_what_it_has_written) {
  g_autoptr(Index) index = open_index(NULL);
  Look look = {.index = index};
  ck_assert(!index_write(index, INDEX_CHANGE, write_and_look, &look, NULL));
  ck_assert_str_eq(look.seen, "written");
  g_free(look.seen);
  ck_assert_ptr_null(index_get_meta(index, "mine", NULL));
}
END_TEST

static gboolean set_dates(IndexTxn *txn, gpointer data, GError **error) {
  gint64 row = *(gint64 *)data;
  return index_set_mtime(txn, row, -5, error) && index_set_ctime(txn, row, 6, error) &&
         index_set_internaldate(txn, row, -1, error);
}

START_TEST(dates_are_set_one_by_one) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 1);
  g_auto(IndexMessage) message = {0};
  ck_assert(index_find_uid(index, box, 1, &message, NULL));
  do_write(index, set_dates, &message.row);
  ck_assert(index_find_uid(index, box, 1, &message, NULL));
  ck_assert_int_eq(message.mtime, -5);
  ck_assert_int_eq(message.ctime, 6);
  ck_assert_int_eq(message.internaldate, -1);
}
END_TEST

/* In place of the C library's: counts. */
static GMutex sync_mutex;
static GCond synced;
static guint syncs;

int fdatasync(int fd) {
  g_mutex_lock(&sync_mutex);
  syncs++;
  g_cond_broadcast(&synced);
  g_mutex_unlock(&sync_mutex);
  return (int)syscall(SYS_fdatasync, fd);
}

static guint count_syncs(void) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&sync_mutex);
  return syncs;
}

START_TEST(a_change_is_on_the_disk_soon) {
  g_autoptr(Index) index = open_index(NULL);
  ck_assert(index_flush(index, NULL));
  guint before = count_syncs();
  ck_assert(index_write(index, INDEX_JOURNAL, set_meta, (gpointer) "a", NULL));
  ck_assert_uint_gt(count_syncs(), before);
  before = count_syncs();
  ck_assert(index_write(index, INDEX_CHANGE, set_meta, (gpointer) "b", NULL));
  g_mutex_lock(&sync_mutex);
  while (syncs == before) /* nobody asks for it */
    g_cond_wait(&synced, &sync_mutex);
  g_mutex_unlock(&sync_mutex);
  before = count_syncs();
  ck_assert(index_sync_disk(index, NULL));
  ck_assert_uint_gt(count_syncs(), before);
}
END_TEST

typedef struct {
  Index *index;
  gint stop;
  gint64 mailbox;
  guint32 uid;
} Stream;

static void next_batch(gpointer data, const GError *error);

static gboolean stream_batch(IndexTxn *txn, gpointer data, GError **error) {
  Stream *stream = data;
  Range range = {stream->mailbox, stream->uid, 500, 0};
  stream->uid += 500;
  return add_range(txn, &range, error);
}

/* Keeps the queue full: a listing whose server is faster than we are. */
static void next_batch(gpointer data, const GError *error) {
  Stream *stream = data;
  g_assert_no_error((GError *)error);
  if (!g_atomic_int_get(&stream->stop))
    index_post(stream->index, INDEX_SYNC, stream_batch, stream, next_batch);
}

START_TEST(the_journal_does_not_wait_for_listings) {
  g_autoptr(Index) index = open_index(NULL);
  Stream stream = {.index = index, .mailbox = add_mailbox(index, 1, "a"), .uid = 1};
  for (guint i = 0; i < 4; i++)
    next_batch(&stream, NULL);
  gint64 worst = 0;
  for (guint i = 0; i < 50; i++) {
    gint64 start = g_get_monotonic_time();
    ck_assert(index_write(index, INDEX_JOURNAL, set_meta, (gpointer) "journal", NULL));
    worst = MAX(worst, g_get_monotonic_time() - start);
  }
  g_atomic_int_set(&stream.stop, 1);
  ck_assert(index_flush(index, NULL));
  ck_assert_uint_gt(stream.uid, 500);
  if (g_getenv("MEASURE"))
    g_print("journal behind a listing: worst %.1f ms of 50, %u rows listed meanwhile\n", (double)worst / 1e3,
            stream.uid);
  ck_assert_int_lt(worst, 1000000); /* far above what it takes, below a starved one */
}
END_TEST

START_TEST(bodies_are_not_starved_by_listings) {
  g_autoptr(Index) index = open_index(NULL);
  Stream stream = {.index = index, .mailbox = add_mailbox(index, 1, "a"), .uid = 1};
  for (guint i = 0; i < 4; i++)
    next_batch(&stream, NULL);
  ck_assert(index_write(index, INDEX_BODY, set_meta, (gpointer) "body", NULL));
  g_atomic_int_set(&stream.stop, 1);
}
END_TEST

static gpointer read_along(gpointer data) {
  Stream *stream = data;
  IndexMessage got[64];
  for (gint64 row = 0; !g_atomic_int_get(&stream->stop);) {
    gssize n = index_messages(stream->index, stream->mailbox, row, got, G_N_ELEMENTS(got), NULL);
    g_assert(n >= 0);
    for (gssize i = 0; i < n; i++)
      g_assert(got[i].row > row && (row = got[i].row));
    row = n ? row : 0;
  }
  return NULL;
}

START_TEST(many_read_while_one_writes) {
  g_autoptr(Index) index = open_index(NULL);
  Stream stream = {.index = index, .mailbox = add_mailbox(index, 1, "a")};
  GThread *threads[INDEX_READERS + 4];
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("reader", read_along, &stream);
  add_messages(index, stream.mailbox, 1, 5000);
  g_atomic_int_set(&stream.stop, 1);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
}
END_TEST

START_TEST(a_full_disk_fails_the_write_and_reading_goes_on) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  add_messages(index, box, 1, 100);
  do_write(index, set_meta, (gpointer) "before");
  g_autofree char *limit = g_strdup("PRAGMA max_page_count = 1");
  sqlite3_exec(index->db->sql, limit, NULL, NULL, NULL); /* the writer is idle: SQLite clamps it to today's size */
  g_autoptr(GError) error = NULL;
  for (guint32 uid = 101; !error && uid < 20000; uid += 500) {
    Range range = {box, uid, 500, 0};
    index_write(index, INDEX_SYNC, add_range, &range, &error);
  }
  ck_assert(g_error_matches(error, CACHE_ERROR, CACHE_ERROR_SPACE));
  g_auto(IndexMessage) got = {0};
  ck_assert(index_find_uid(index, box, 100, &got, NULL));
  sqlite3_exec(index->db->sql, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL);
  add_messages(index, box, 30000, 500);
  ck_assert(index_find_uid(index, box, 30499, &got, NULL));
}
END_TEST
static double since(gint64 start) {
  return (double)(g_get_monotonic_time() - start);
}

static guint32 rows_to_measure(void) {
  const char *measure = g_getenv("MEASURE");
  guint64 n = measure ? g_ascii_strtoull(measure, NULL, 10) : 0;
  return n > 1 ? (guint32)n : 10000;
}

START_TEST(figures) {
  g_autoptr(Index) index = open_index(NULL);
  gint64 box = add_mailbox(index, 1, "a");
  guint32 n = rows_to_measure();
  gint64 start = g_get_monotonic_time();
  add_messages(index, box, 1, n);
  double insert = since(start);
  g_autofree IndexMessage *got = g_new(IndexMessage, 10000);
  ck_assert_int_eq(index_messages(index, box, 0, got, 10000, NULL), MIN(n, 10000));
  start = g_get_monotonic_time();
  ck_assert_int_eq(index_messages(index, box, 0, got, 10000, NULL), MIN(n, 10000));
  double list = since(start);
  g_auto(IndexMessage) one = {0};
  start = g_get_monotonic_time();
  for (guint i = 0; i < 10000; i++)
    ck_assert(index_get_message(index, 1 + i * 7919 % n, &one, NULL));
  double get = since(start);
  start = g_get_monotonic_time();
  for (guint i = 0; i < MIN(n, 10000); i++)
    ck_assert(index_find_message(index, box, got[i].name, &one, NULL));
  double find = since(start);
  IndexNext next[64];
  start = g_get_monotonic_time();
  for (guint i = 0; i < 1000; i++)
    index_following(index, box, 1 + i * 7919 % n, INDEX_BY_NAME, TRUE, next, 64, NULL);
  double following_us = since(start);
  start = g_get_monotonic_time();
  for (guint i = 0; i < 200; i++)
    do_write(index, set_meta, (gpointer) "a");
  double commit = since(start);
  start = g_get_monotonic_time();
  for (guint i = 0; i < 50; i++)
    ck_assert(index_write(index, INDEX_JOURNAL, set_meta, (gpointer) "a", NULL));
  double durable = since(start);
  if (g_getenv("MEASURE"))
    g_print("%u rows: insert %.0f rows/s; list 10000 %.1f ms; get %.1f us; find %.1f us; 64 following by name %.1f us;"
            " commit %.0f us, durable %.0f us\n",
            n, n / (insert / 1e6), list / 1e3, get / 10000, find / MIN(n, 10000), following_us / 1000, commit / 200,
            durable / 50);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("cache/index: the writer");
  TCase *tests = tcase_create("the writer");
  tcase_add_checked_fixture(tests, index_setup, index_teardown);
  tcase_add_test(tests, a_job_that_fails_takes_nobody_along);
  tcase_add_test(tests, a_flush_waits_for_what_was_posted);
  tcase_add_test(tests, closing_runs_what_was_posted);
  tcase_add_test(tests, a_job_reads_what_it_has_written);
  tcase_add_test(tests, dates_are_set_one_by_one);
  tcase_add_test(tests, a_change_is_on_the_disk_soon);
  tcase_add_test(tests, the_journal_does_not_wait_for_listings);
  tcase_add_test(tests, bodies_are_not_starved_by_listings);
  tcase_add_test(tests, many_read_while_one_writes);
  tcase_add_test(tests, a_full_disk_fails_the_write_and_reading_goes_on);
  tcase_add_test(tests, figures);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
