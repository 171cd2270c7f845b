/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the index share. Nobody else includes this, but for the index's own test. */
#include <sqlite3.h>

#include "cache/index/index.h"

/* ---- one SQLite connection with its prepared statements: index_db.c ----------------------------- */
typedef struct {
  sqlite3 *sql;
  GHashTable *statements; /* text of the statement, by address -> sqlite3_stmt */
  gint *damaged;          /* set when SQLite reports a corrupt file */
  Index *index;           /* of a reader: where it goes back to */
} IndexDb;

typedef enum { INDEX_STEP_ROW, INDEX_STEP_DONE, INDEX_STEP_ERROR } IndexStep;

IndexDb *index_db_open(const char *path, gint *damaged, const char *pragmas, GError **error);
void index_db_close(IndexDb *db);
gboolean index_db_exec(IndexDb *db, const char *sql, GError **error);
gboolean index_db_fail(IndexDb *db, GError **error); /* FALSE, and the connection's last error */

/* A prepared statement, kept for the next time: `sql` is a string literal. Its g_autoptr resets it, and with that ends
 * the read transaction. NULL is passed on as an error by the functions that take it. */
typedef sqlite3_stmt IndexStmt;
IndexStmt *index_use(IndexDb *db, const char *sql);
void index_stmt_done(IndexStmt *stmt);
IndexStep index_step(IndexDb *db, IndexStmt *stmt, GError **error);
gboolean index_run(IndexDb *db, IndexStmt *stmt, GError **error); /* to its end; rows are passed over */
/* The first row's number; FALSE with *error NULL: no row. */
gboolean index_number(IndexDb *db, IndexStmt *stmt, gint64 *ret, GError **error);
void index_bind_size(IndexStmt *stmt, int i, guint64 size); /* IMAP_UNKNOWN_SIZE, and what SQLite cannot hold: NULL */
void index_bind_text(IndexStmt *stmt, int i, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(IndexDb, index_db_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IndexStmt, index_stmt_done)

/* ---- schema: index_schema.c ------------------------------------------------------------------------ */
#define INDEX_VERSION 4
extern const char *const index_migrations[INDEX_VERSION]; /* [n]: from user_version n to n + 1 */

/* Brings the database to version n, in one transaction, after a copy of index.db to index.db.version-OLD. */
gboolean index_migrate(IndexDb *db, int dirfd, const char *const *migrations, guint n, GError **error);

/* ---- the index -------------------------------------------------------------------------------------- */
#define INDEX_READERS 8
#define INDEX_LOOKAHEAD 4096 /* messages that index_following() looks at for some without a body */

typedef struct {
  GMutex mutex; /* guards what follows */
  GCond wake, done;
  GQueue jobs[INDEX_PRIORITIES];
  gint64 oldest;  /* monotonic µs of the oldest INDEX_BODY job in the queue */
  guint waiting;  /* callers of index_write() whose job is in the queue */
  guint sleepers; /* of them, and of those whose job runs: who wait for `done` */
  gboolean closing, turn;
  GThread *thread;
  gint64 sleeps_until; /* the thread; monotonic µs, G_MAXINT64: until it is woken; 0: it does not */
  GThread *runner;     /* who has the turn, and with it the write connection; or NULL. Changed with the mutex held */
  gint64 unsettled;    /* monotonic µs of the first commit of a change that is not on the disk; 0 */
} IndexWriter;

struct _Index {
  int dirfd;
  char *path;
  gint damaged;  /* atomic */
  gint64 run;    /* number of this run; what goes in it has it as its `gone` */
  IndexDb *db;   /* the write connection: of whoever has the writer's turn, once there is one */
  int full_sync; /* PRAGMA synchronous of db: 0 NORMAL, 1 FULL */
  IndexWriter writer;
  GMutex mutex; /* guards the stack of readers */
  GCond returned;
  IndexDb *readers[INDEX_READERS];
  guint idle, open;
  guint sleepers; /* who wait for one to be returned */
};

struct _IndexTxn {
  IndexDb *db;
  gint64 run;
};

void index_writer_start(Index *index);
gboolean index_closing(Index *index);
gboolean index_is_writing(Index *index); /* this thread, now: it runs a job */
void index_writer_stop(Index *index);    /* runs what is queued, joins the thread */

typedef IndexDb IndexReader;
IndexReader *index_reader_take(Index *index, GError **error); /* waits for one where all are out */
void index_reader_release(IndexReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IndexReader, index_reader_release)

/* index_read.c: columns to values, rows to structs. */
char *index_text(IndexStmt *stmt, int i);                          /* a new string, or NULL */
guint64 index_size(IndexStmt *stmt, int i);                        /* NULL: IMAP_UNKNOWN_SIZE */
void index_octets(IndexStmt *stmt, int i, guint8 *ret, gsize len); /* left alone where they are not as many */
#define INDEX_MESSAGE_COLUMNS                                                                                          \
  "row, mailbox, uid, name, flags, keywords, internaldate, mtime, ctime, claim, size, sha256, fingerprint, gone, "     \
  "emailid, folder"
void index_read_message(IndexStmt *stmt, IndexMessage *ret);
/* Rows of (row, uid, size, mailbox). Returns how many, or -1. */
gssize index_read_next(IndexReader *reader, IndexStmt *stmt, IndexNext *ret, gsize n, GError **error);

/* index_message.c and index_renumber.c: messages that leave, a few at a time. */
#define INDEX_LEAVE_ROWS 256 /* the list of a whole folder stays out of memory */
/* (row, folder, name); -1: error */
int index_read_leaving(IndexTxn *txn, IndexStmt *stmt, IndexLeft *ret, GError **error);
gboolean index_bury(IndexTxn *txn, const IndexLeft *leaving, int n, IndexRemoved removed, gpointer data,
                    GError **error);
/* For the journal: names are unique in a folder, among messages and folders. A name that another than `row` has gets a
 * suffix. FALSE: free, or the error. */
gboolean index_name_taken(IndexTxn *txn, gint64 folder, const char *name, gint64 row, GError **error);
gboolean index_free_name(IndexTxn *txn, gint64 folder, gint64 row, char name[256], GError **error);
gboolean index_insert_message(IndexTxn *txn, IndexMessage *message, GError **error); /* as it is; sets row */
void index_bind_fingerprint(IndexStmt *stmt, int i, const guint8 fingerprint[16]);

/* index_renumber.c: gives the message to the one row that waits to be matched and is it. FALSE: there is none. */
gboolean index_rematch(IndexTxn *txn, IndexMessage *message, GError **error);

/* A living message m that lost its UID, or that the server was given and has not shown yet: it is to be matched. */
#define INDEX_FORGOTTEN                                                                                                \
  "m.uid IS NULL AND m.gone = 0 AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.message = m.row AND j.op = 1"       \
  " AND j.state <> 4)"
/* One that ends where nothing matched: what is new stays until the replay knows what became of it. */
#define INDEX_LOST                                                                                                     \
  "m.uid IS NULL AND m.gone = 0 AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.message = m.row AND j.op = 1)"
