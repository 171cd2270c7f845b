/* SPDX-License-Identifier: MIT */
/*
 * Opening and closing. Meta keys of our own: "clean" is 1 only between index_close() and the next index_open(), so that
 * a run that ended otherwise is followed by an integrity check; "run" counts the runs, and marks tombstones.
 *
 * A file that is damaged is set aside whole (index.db.corrupt-N with its WAL) and a new one is made of what can be read
 * of it (cache/index/index_salvage.h). Damage that shows only while we run is remembered by leaving "clean" at 0.
 *
 * SQLite is given the path /proc/self/fd/N/index.db of the directory that was checked and locked, so that no renamed
 * component can lead it elsewhere. It makes the WAL with the permissions of the file that we made.
 *
 * Memory: 4 MB of pages for the writer, 1 MB for each of at most INDEX_READERS readers, all of it only when used.
 */
#include "cache/index/index_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/index/index_salvage.h"

#define COMMON_PRAGMAS "PRAGMA trusted_schema=OFF; PRAGMA temp_store=MEMORY;"
#define WRITER_PRAGMAS                                                                                                 \
  COMMON_PRAGMAS "PRAGMA cache_size=-4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"                        \
                 "PRAGMA journal_size_limit=16777216;"
#define READER_PRAGMAS COMMON_PRAGMAS "PRAGMA cache_size=-1024; PRAGMA query_only=1;"
#define PURGE_ROWS 500 /* tombstones of one purging job */

void index_mailbox_clear(IndexMailbox *mailbox) {
  g_clear_pointer(&mailbox->raw, g_free);
  g_clear_pointer(&mailbox->name, g_free);
  g_clear_pointer(&mailbox->mailboxid, g_free);
}

void index_access_clear(IndexAccess *access) {
  g_clear_pointer(&access->keywords, g_free);
}

void index_message_clear(IndexMessage *message) {
  g_clear_pointer(&message->keywords, g_free);
  g_clear_pointer(&message->emailid, g_free);
}

static gboolean make_file(int dirfd, GError **error) {
  int fd = openat(dirfd, "index.db", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return cache_error_errno(error, "cannot open index.db");
  int failed = fchmod(fd, 0600);
  close(fd);
  return failed ? cache_error_errno(error, "cannot set the mode of index.db") : TRUE;
}

static gboolean whole(IndexDb *db, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(db, "PRAGMA quick_check(1)");
  if (index_step(db, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  const char *verdict = (const char *)sqlite3_column_text(stmt, 0);
  if (g_strcmp0(verdict, "ok") == 0)
    return TRUE;
  g_atomic_int_set(db->damaged, 1);
  g_autofree char *clean = imap_clean_text(verdict ? verdict : "no verdict", -1);
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCAL, "the index: %s", clean);
  return FALSE;
}

static gboolean journal_is_whole(IndexDb *db, GError **error) {
  gboolean intact = FALSE;
  if (!index_octets_whole(db, &intact, error) || intact)
    return intact;
  g_atomic_int_set(db->damaged, 1);
  g_set_error(error, CACHE_ERROR, CACHE_ERROR_LOCAL, "the index: new messages are not what was written");
  return FALSE;
}

/* Counts the run and says whether the last one ended by index_close(). */
static gboolean begin_run(Index *index, gboolean *ret_unclean, GError **error) {
  g_autofree char *clean = index_get_meta(index, "clean", error), *run = NULL;
  if (clean || !*error)
    run = index_get_meta(index, "run", error);
  if (*error)
    return FALSE;
  *ret_unclean = run && g_strcmp0(clean, "1") != 0;
  index->run = (run ? g_ascii_strtoll(run, NULL, 10) : 0) + 1;
  if (*ret_unclean && !(whole(index->db, error) && journal_is_whole(index->db, error)))
    return FALSE;
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, index->run);
  IndexTxn txn = {index->db, index->run};
  return index_set_meta(&txn, "clean", "0", error) && index_set_meta(&txn, "run", text, error);
}

static gboolean open_writer(Index *index, gboolean *ret_unclean, GError **error) {
  g_autoptr(GError) failed = NULL;
  index->db = index_db_open(index->path, &index->damaged, WRITER_PRAGMAS, &failed);
  if (index->db && index_migrate(index->db, index->dirfd, index_migrations, INDEX_VERSION, &failed) &&
      begin_run(index, ret_unclean, &failed))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static void close_connections(Index *index) {
  while (index->idle)
    index_db_close(index->readers[--index->idle]);
  index->open = 0;
  g_clear_pointer(&index->db, index_db_close);
}

/* A new index from what the damaged one still holds. */
static gboolean replace(Index *index, gboolean *ret_unclean, GError **error) {
  return index_salvage_clear(index->dirfd, error) && make_file(index->dirfd, error) &&
         open_writer(index, ret_unclean, error) && index_salvage(index, error) && (*ret_unclean = TRUE);
}

static gboolean open_or_replace(Index *index, gboolean *ret_unclean, GError **error) {
  g_autoptr(GError) failed = NULL;
  if (index_salvage_pending(index->dirfd))
    return replace(index, ret_unclean, error);
  if (!make_file(index->dirfd, error))
    return FALSE;
  if (open_writer(index, ret_unclean, &failed))
    return TRUE;
  close_connections(index);
  if (!g_atomic_int_get(&index->damaged)) {
    g_propagate_error(error, g_steal_pointer(&failed));
    return FALSE;
  }
  g_warning("%s", failed->message);
  g_atomic_int_set(&index->damaged, 0);
  return index_salvage_set_aside(index->dirfd, error) && replace(index, ret_unclean, error);
}

/* What a crash left of the messages of a mailbox that had ended. */
static gboolean end_orphans(IndexTxn *txn, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "UPDATE message SET gone = 1 WHERE row IN (SELECT m.row FROM mailbox AS b JOIN message AS m"
                         " INDEXED BY message_uid ON m.mailbox = b.row AND m.gone = 0"
                         " WHERE b.gone > 0 AND b.gone < ?1 AND NOT EXISTS (SELECT 1 FROM journal AS j"
                         " WHERE j.message = m.row AND j.op = 1) LIMIT ?2)");
  sqlite3_bind_int64(stmt, 1, txn->run);
  sqlite3_bind_int64(stmt, 2, PURGE_ROWS);
  return index_run(txn->db, stmt, error);
}

static gboolean purge(IndexTxn *txn, gpointer data, GError **error) {
  if (!end_orphans(txn, error))
    return FALSE;
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "DELETE FROM message WHERE row IN (SELECT row FROM message INDEXED BY message_gone"
                         " WHERE gone > 0 AND gone < ?1 LIMIT ?2)");
  sqlite3_bind_int64(stmt, 1, txn->run);
  sqlite3_bind_int64(stmt, 2, PURGE_ROWS);
  if (!index_run(txn->db, stmt, error))
    return FALSE;
  if (sqlite3_changes(txn->db->sql) == PURGE_ROWS) {
    if (!index_closing(data))
      index_post(data, INDEX_BODY, purge, data, NULL);
    return TRUE;
  }
  g_autoptr(IndexStmt) mailboxes = index_use(txn->db, "DELETE FROM mailbox WHERE gone > 0 AND gone < ?1"
                                                      " AND NOT EXISTS (SELECT 1 FROM message WHERE"
                                                      " mailbox = mailbox.row AND gone = 0)");
  sqlite3_bind_int64(mailboxes, 1, txn->run);
  return index_run(txn->db, mailboxes, error);
}

static void free_index(Index *index) {
  close_connections(index);
  close(index->dirfd);
  g_free(index->path);
  g_cond_clear(&index->returned);
  g_mutex_clear(&index->mutex);
  g_free(index);
}

Index *index_open(int dirfd, gboolean *ret_unclean, GError **error) {
  Index *index = g_new0(Index, 1);
  g_mutex_init(&index->mutex);
  g_cond_init(&index->returned);
  index->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
  index->path = g_strdup_printf("/proc/self/fd/%d/index.db", index->dirfd);
  gboolean unclean = FALSE;
  if (!open_or_replace(index, &unclean, error)) {
    free_index(index);
    return NULL;
  }
  index_writer_start(index);
  index_post(index, INDEX_BODY, purge, index, NULL);
  if (ret_unclean)
    *ret_unclean = unclean;
  return index;
}

void index_close(Index *index) {
  index_writer_stop(index);
  IndexTxn txn = {index->db, index->run};
  g_autoptr(GError) error = NULL;
  /* Not clean where damage showed: the next run checks the whole file. */
  if (!g_atomic_int_get(&index->damaged) && !index_set_meta(&txn, "clean", "1", &error))
    g_warning("closing: %s", error->message);
  free_index(index);
}

/* ---- readers: a stack, so that few pages are warm and many connections stay unopened ---------- */
static IndexDb *take_idle(Index *index, gboolean *ret_make) {
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&index->mutex);
  while (!index->idle && index->open == INDEX_READERS) {
    index->sleepers++;
    g_cond_wait(&index->returned, &index->mutex);
    index->sleepers--;
  }
  if (index->idle)
    return index->readers[--index->idle];
  index->open++;
  *ret_make = TRUE;
  return NULL;
}

IndexReader *index_reader_take(Index *index, GError **error) {
  gboolean make = FALSE;
  /* Inside a job: what that has written is seen by the write connection alone. */
  if (index_is_writing(index))
    return index->db;
  IndexDb *db = take_idle(index, &make);
  if (!make)
    return db;
  db = index_db_open(index->path, &index->damaged, READER_PRAGMAS, error);
  if (db) {
    db->index = index;
    return db;
  }
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&index->mutex);
  index->open--;
  g_cond_signal(&index->returned);
  return NULL;
}

void index_reader_release(IndexReader *reader) {
  Index *index = reader->index;
  if (!index) /* the write connection */
    return;
  G_GNUC_UNUSED g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&index->mutex);
  index->readers[index->idle++] = reader;
  if (index->sleepers > 0) /* a signal is a system call, and this is called for every question */
    g_cond_signal(&index->returned);
}
