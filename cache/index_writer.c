/* SPDX-License-Identifier: MIT */
/*
 * The one writer. Jobs wait in a queue per priority; the thread takes as many as fit into a batch, runs each in a
 * savepoint of its own, commits once, and then tells each its outcome, in order.
 *
 *   A batch of the journal holds only jobs of the journal and of changes, and is committed with synchronous=FULL where
 *   one of the journal was waiting. Any other batch takes sync and body jobs in turn, for at most BATCH_US, and ends as
 *   soon as a job of the journal arrives: that one waits for the job that runs now and one cheap commit, no longer.
 *   Posted body jobs are collected for up to LINGER_US (nobody waits for them, and a commit costs more than they do),
 *   unless somebody calls index_write().
 *   What was committed with synchronous=NORMAL is on the disk SETTLE_US after a change at the latest: the thread sees
 *   to it between two batches, as any commit of the journal and any index_sync_disk() does.
 *   Where SQLite ends the transaction by itself (disk full) or the commit fails, all of the batch fail alike.
 *
 * Jobs may post further jobs. index_write() from inside a job would wait for itself.
 */
#include "cache/index_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/steps.h"

#define BATCH_US 10000
#define LINGER_US 100000
#define LINGER_JOBS 256
#define SETTLE_US 500000

typedef struct {
  IndexJob job;
  gpointer data;
  void (*done)(gpointer data, const GError *error);
  GError *error;
  gboolean failed, waited, finished;
  GList link;
} Job;

static gboolean any(const IndexWriter *writer) {
  for (guint i = 0; i < INDEX_PRIORITIES; i++)
    if (!g_queue_is_empty((GQueue *)&writer->jobs[i]))
      return TRUE;
  return FALSE;
}

static gboolean urgent(const IndexWriter *writer) {
  return !g_queue_is_empty((GQueue *)&writer->jobs[INDEX_JOURNAL]) ||
         !g_queue_is_empty((GQueue *)&writer->jobs[INDEX_CHANGE]);
}

/* Whether a batch should start now; else *ret_until is when to look again, 0 for "when woken". */
static gboolean ready(const IndexWriter *writer, gint64 *ret_until) {
  const GQueue *bodies = &writer->jobs[INDEX_BODY];
  *ret_until = 0;
  if (!any(writer))
    return FALSE;
  if (writer->closing || writer->waiting || bodies->length >= LINGER_JOBS || urgent(writer) ||
      !g_queue_is_empty((GQueue *)&writer->jobs[INDEX_SYNC]))
    return TRUE;
  *ret_until = writer->oldest + LINGER_US;
  return g_get_monotonic_time() >= *ret_until;
}

/* A change was committed and may be lost with the power: when is that over? 0: there is none. */
static gint64 settle_time(const IndexWriter *writer) {
  return writer->unsettled ? writer->unsettled + SETTLE_US : 0;
}

typedef enum { BATCH_JOURNAL, BATCH_CHANGE, BATCH_OTHER, BATCH_NONE } BatchKind;

static gint64 sooner(gint64 a, gint64 b) {
  return a == 0 ? b : b == 0 ? a : MIN(a, b);
}

/* FALSE: closing, and nothing left. NONE: it is time to settle. */
static gboolean await_jobs(IndexWriter *writer, BatchKind *ret_kind) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&writer->mutex);
  gint64 until = 0, settle = settle_time(writer);
  *ret_kind = BATCH_NONE;
  while (!ready(writer, &until)) {
    if (writer->closing)
      return FALSE;
    if (settle && g_get_monotonic_time() >= settle)
      return TRUE;
    until = sooner(until, settle);
    if (until)
      g_cond_wait_until(&writer->wake, &writer->mutex, until);
    else
      g_cond_wait(&writer->wake, &writer->mutex);
  }
  *ret_kind = !g_queue_is_empty(&writer->jobs[INDEX_JOURNAL]) ? BATCH_JOURNAL
              : urgent(writer)                                ? BATCH_CHANGE
                                                              : BATCH_OTHER;
  return TRUE;
}

/* The queue whose turn it is. */
static IndexPriority choose(IndexWriter *writer, BatchKind kind) {
  const GQueue *jobs = writer->jobs;
  if (kind != BATCH_OTHER)
    return g_queue_is_empty((GQueue *)&jobs[INDEX_JOURNAL]) ? INDEX_CHANGE : INDEX_JOURNAL;
  writer->turn = !writer->turn;
  IndexPriority other = writer->turn ? INDEX_SYNC : INDEX_BODY;
  return g_queue_is_empty((GQueue *)&jobs[other]) ? INDEX_SYNC + INDEX_BODY - other : other;
}

static Job *next_job(IndexWriter *writer, BatchKind kind, gint64 deadline) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&writer->mutex);
  if (g_get_monotonic_time() >= deadline || (kind == BATCH_OTHER && urgent(writer)) ||
      (kind == BATCH_CHANGE && !g_queue_is_empty(&writer->jobs[INDEX_JOURNAL])))
    return NULL;
  IndexPriority priority = choose(writer, kind);
  GList *link = g_queue_pop_head_link(&writer->jobs[priority]);
  Job *job = link ? link->data : NULL;
  if (job && job->waited)
    writer->waiting--;
  if (priority == INDEX_BODY)
    writer->oldest = g_get_monotonic_time();
  return job;
}

static gboolean exec(IndexDb *db, const char *sql, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(db, sql);
  return index_run(db, stmt, error);
}

static gboolean begin(Index *index, gboolean journal, GError **error) {
  if (index->full_sync != journal) {
    if (!exec(index->db, journal ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL", error))
      return FALSE;
    index->full_sync = journal;
  }
  return exec(index->db, "BEGIN IMMEDIATE", error);
}

/* FALSE: the transaction is lost, and all that was in it. */
static gboolean run_job(Index *index, Job *job, GError **error) {
  IndexTxn txn = {index->db, index->run};
  if (!exec(index->db, "SAVEPOINT job", error))
    return FALSE;
  job->failed = !job->job(&txn, job->data, &job->error);
  if (sqlite3_get_autocommit(index->db->sql)) {
    if (job->error)
      g_propagate_error(error, g_error_copy(job->error));
    else
      index_db_fail(index->db, error);
    return FALSE;
  }
  if (job->failed && !exec(index->db, "ROLLBACK TO job", error))
    return FALSE;
  return exec(index->db, "RELEASE job", error);
}

static void finish_job(IndexWriter *writer, Job *job, const GError *lost) {
  if (lost && !job->error)
    job->error = g_error_copy(lost);
  if (job->waited) {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&writer->mutex);
    job->finished = TRUE;
    g_cond_broadcast(&writer->done);
    return;
  }
  if (job->done)
    job->done(job->data, job->error);
  g_clear_error(&job->error);
  g_free(job);
}

/* ---- on the disk ---------------------------------------------------------------------------------------------- */

/* What is committed is in the log, or was synced by the checkpoint that took it from there. */
gboolean index_sync_disk(Index *index, GError **error) {
  int fd = openat(index->dirfd, "index.db-wal", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno == ENOENT ? TRUE : cache_error_errno(error, "cannot open the log of the index");
  int failed = fdatasync(fd), saved = errno;
  close(fd);
  errno = saved;
  return failed ? cache_error_errno(error, "cannot write the index to the disk") : TRUE;
}

/* Only the writer's thread knows of this. */
static void settle(Index *index, BatchKind done) {
  IndexWriter *writer = &index->writer;
  gint64 now = g_get_monotonic_time();
  if (done == BATCH_JOURNAL)
    writer->unsettled = 0;
  if (done == BATCH_CHANGE && !writer->unsettled)
    writer->unsettled = now;
  if (!writer->unsettled || now < settle_time(writer))
    return;
  g_autoptr(GError) error = NULL;
  if (!index_sync_disk(index, &error))
    g_warning("%s", error->message);
  writer->unsettled = error ? now : 0;
}

static void run_batch(Index *index, BatchKind kind) {
  g_autoptr(GError) lost = NULL;
  GQueue batch = G_QUEUE_INIT;
  gint64 deadline = g_get_monotonic_time() + BATCH_US;
  gboolean open = begin(index, kind == BATCH_JOURNAL, &lost);
  for (Job *job; (job = next_job(&index->writer, kind, deadline));) {
    g_queue_push_tail_link(&batch, &job->link);
    if (!open || !(open = run_job(index, job, &lost)))
      break;
  }
  if (kind != BATCH_OTHER)
    steps_one();
  if ((!open || !exec(index->db, "COMMIT", &lost)) && !sqlite3_get_autocommit(index->db->sql))
    exec(index->db, "ROLLBACK", NULL);
  if (kind != BATCH_OTHER)
    steps_one();
  for (GList *link; (link = g_queue_pop_head_link(&batch));)
    finish_job(&index->writer, link->data, lost);
}

static gpointer writer_main(gpointer data) {
  Index *index = data;
  BatchKind kind = BATCH_OTHER;
  while (await_jobs(&index->writer, &kind)) {
    if (kind != BATCH_NONE)
      run_batch(index, kind);
    settle(index, kind);
  }
  return NULL;
}

void index_writer_start(Index *index) {
  IndexWriter *writer = &index->writer;
  g_mutex_init(&writer->mutex);
  g_cond_init(&writer->wake);
  g_cond_init(&writer->done);
  writer->thread = g_thread_new("index", writer_main, index);
}

gboolean index_closing(Index *index) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&index->writer.mutex);
  return index->writer.closing;
}

void index_writer_stop(Index *index) {
  IndexWriter *writer = &index->writer;
  g_mutex_lock(&writer->mutex);
  writer->closing = TRUE;
  g_cond_signal(&writer->wake);
  g_mutex_unlock(&writer->mutex);
  g_thread_join(writer->thread);
  g_cond_clear(&writer->done);
  g_cond_clear(&writer->wake);
  g_mutex_clear(&writer->mutex);
}

/* Call with the mutex held. */
static void enqueue(IndexWriter *writer, IndexPriority priority, Job *job) {
  job->link.data = job;
  if (priority == INDEX_BODY && g_queue_is_empty(&writer->jobs[INDEX_BODY]))
    writer->oldest = g_get_monotonic_time();
  g_queue_push_tail_link(&writer->jobs[priority], &job->link);
  writer->waiting += job->waited;
  g_cond_signal(&writer->wake);
}

gboolean index_write(Index *index, IndexPriority priority, IndexJob job, gpointer data, GError **error) {
  IndexWriter *writer = &index->writer;
  g_assert(g_thread_self() != writer->thread);
  Job own = {.job = job, .data = data, .waited = TRUE};
  g_mutex_lock(&writer->mutex);
  enqueue(writer, priority, &own);
  while (!own.finished)
    g_cond_wait(&writer->done, &writer->mutex);
  g_mutex_unlock(&writer->mutex);
  if (own.error)
    g_propagate_error(error, own.error);
  return !own.failed && !own.error;
}

void index_post(Index *index, IndexPriority priority, IndexJob job, gpointer data,
                void (*done)(gpointer data, const GError *error)) {
  Job *posted = g_new0(Job, 1);
  *posted = (Job){.job = job, .data = data, .done = done};
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&index->writer.mutex);
  enqueue(&index->writer, priority, posted);
}

static gboolean nothing(G_GNUC_UNUSED IndexTxn *txn, G_GNUC_UNUSED gpointer data, G_GNUC_UNUSED GError **error) {
  return TRUE;
}

gboolean index_flush(Index *index, GError **error) {
  for (guint priority = 0; priority < INDEX_PRIORITIES; priority++)
    if (!index_write(index, priority, nothing, NULL, error))
      return FALSE;
  return TRUE;
}
