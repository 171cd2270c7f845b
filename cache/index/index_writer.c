/* SPDX-License-Identifier: MIT */
/*
 * The one writer at a time. Jobs wait in a queue per priority; whoever has the turn takes as many as fit into a batch,
 * runs each in a savepoint of its own, commits once, and then tells each its outcome, in order. A caller who waits for
 * his job takes the turn himself where nobody has it, so that one change costs no change of threads; the writer's own
 * thread does what was only posted.
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
#include "cache/index/index_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/replay/steps.h"

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

static guint count(const IndexWriter *writer) {
  guint n = 0;
  for (guint i = 0; i < INDEX_PRIORITIES; i++)
    n += writer->jobs[i].length;
  return n;
}

static gboolean urgent(const IndexWriter *writer) {
  return !g_queue_is_empty((GQueue *)&writer->jobs[INDEX_JOURNAL]) ||
         !g_queue_is_empty((GQueue *)&writer->jobs[INDEX_CHANGE]);
}

/* Whether a batch should start now; else *ret_until is when to look again, 0 for "when woken". */
static gboolean ready(const IndexWriter *writer, gint64 *ret_until) {
  const GQueue *bodies = &writer->jobs[INDEX_BODY];
  *ret_until = 0;
  if (count(writer) == 0)
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

/* Of the jobs that wait. */
static BatchKind kind_of_next(const IndexWriter *writer) {
  return !g_queue_is_empty((GQueue *)&writer->jobs[INDEX_JOURNAL]) ? BATCH_JOURNAL
         : urgent(writer)                                          ? BATCH_CHANGE
                                                                   : BATCH_OTHER;
}

static gint64 sooner(gint64 a, gint64 b) {
  return a == 0 ? b : b == 0 ? a : MIN(a, b);
}

/* With the turn, and a kind. FALSE: closing, and nothing left. NONE: it is time to settle; without the turn. */
static gboolean await_jobs(IndexWriter *writer, BatchKind *ret_kind) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&writer->mutex);
  gint64 until = 0, settle;
  *ret_kind = BATCH_NONE;
  while (writer->runner || !ready(writer, &until)) {
    if (writer->closing && !writer->runner)
      return FALSE;
    settle = settle_time(writer);
    if (settle && g_get_monotonic_time() >= settle)
      return TRUE;
    until = writer->runner ? settle : sooner(until, settle);
    writer->sleeps_until = until ? until : G_MAXINT64;
    if (until)
      g_cond_wait_until(&writer->wake, &writer->mutex, until);
    else
      g_cond_wait(&writer->wake, &writer->mutex);
    writer->sleeps_until = 0;
  }
  *ret_kind = kind_of_next(writer);
  g_atomic_pointer_set(&writer->runner, g_thread_self());
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

/* Those who wait see it when the turn ends. */
static void finish_job(IndexWriter *writer, Job *job, const GError *lost) {
  if (lost && !job->error)
    job->error = g_error_copy(lost);
  if (job->waited) {
    G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&writer->mutex);
    job->finished = TRUE;
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

/* Of the changes that were committed before. */
static void settle(Index *index) {
  IndexWriter *writer = &index->writer;
  gint64 since = 0;
  g_autoptr(GError) error = NULL;
  g_mutex_lock(&writer->mutex);
  if (writer->unsettled && g_get_monotonic_time() >= settle_time(writer)) {
    since = writer->unsettled;
    writer->unsettled = 0;
  }
  g_mutex_unlock(&writer->mutex);
  if (!since || index_sync_disk(index, &error))
    return;
  g_warning("%s", error->message);
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&writer->mutex);
  writer->unsettled = g_get_monotonic_time();
}

/* FALSE: none of it is committed. */
static gboolean run_batch(Index *index, BatchKind kind) {
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
  return !lost;
}

/* ---- turns ---------------------------------------------------------------------------------------------------- */

/* What a batch was, and that it is over. Call with the mutex held. */
static void end_turn(IndexWriter *writer, BatchKind kind, gboolean committed) {
  if (kind == BATCH_JOURNAL && committed)
    writer->unsettled = 0;
  if (kind == BATCH_CHANGE && !writer->unsettled)
    writer->unsettled = g_get_monotonic_time();
  g_atomic_pointer_set(&writer->runner, NULL);
  if (writer->sleepers > 0)
    g_cond_broadcast(&writer->done);
  if (count(writer) > writer->waiting || writer->closing ||
      (writer->unsettled && settle_time(writer) < writer->sleeps_until))
    g_cond_signal(&writer->wake);
}

static gpointer writer_main(gpointer data) {
  Index *index = data;
  IndexWriter *writer = &index->writer;
  BatchKind kind;
  while (await_jobs(writer, &kind)) {
    gboolean committed = kind != BATCH_NONE && run_batch(index, kind);
    g_mutex_lock(&writer->mutex);
    if (kind != BATCH_NONE)
      end_turn(writer, kind, committed);
    g_mutex_unlock(&writer->mutex);
    settle(index);
  }
  return NULL;
}

/* One batch, by somebody who waits for a job. Call with the mutex held, which is free meanwhile. */
static void take_turn(Index *index) {
  IndexWriter *writer = &index->writer;
  BatchKind kind = kind_of_next(writer);
  g_atomic_pointer_set(&writer->runner, g_thread_self());
  g_mutex_unlock(&writer->mutex);
  gboolean committed = run_batch(index, kind);
  g_mutex_lock(&writer->mutex);
  end_turn(writer, kind, committed);
}

gboolean index_is_writing(Index *index) {
  return g_atomic_pointer_get(&index->writer.runner) == g_thread_self();
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
}

gboolean index_write(Index *index, IndexPriority priority, IndexJob job, gpointer data, GError **error) {
  IndexWriter *writer = &index->writer;
  g_assert(!index_is_writing(index));
  Job own = {.job = job, .data = data, .waited = TRUE};
  g_mutex_lock(&writer->mutex);
  enqueue(writer, priority, &own);
  while (!own.finished) {
    if (!writer->runner) {
      take_turn(index);
      continue;
    }
    writer->sleepers++;
    g_cond_wait(&writer->done, &writer->mutex);
    writer->sleepers--;
  }
  g_mutex_unlock(&writer->mutex);
  if (own.error)
    g_propagate_error(error, own.error);
  return !own.failed && !own.error;
}

/* What was posted: the thread wakes up by then by itself, or does not sleep. */
static gboolean is_seen_in_time(const IndexWriter *writer) {
  gint64 until = 0;
  return !ready(writer, &until) && until >= writer->sleeps_until;
}

void index_post(Index *index, IndexPriority priority, IndexJob job, gpointer data,
                void (*done)(gpointer data, const GError *error)) {
  Job *posted = g_new0(Job, 1);
  *posted = (Job){.job = job, .data = data, .done = done};
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&index->writer.mutex);
  enqueue(&index->writer, priority, posted);
  if (!is_seen_in_time(&index->writer))
    g_cond_signal(&index->writer.wake);
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
