/* SPDX-License-Identifier: MIT */
/*
 * One connection to the index and its prepared statements. A statement is written where it is used, as a string
 * literal, and found again by the address of that literal: no list of statements to keep in step with the code. A
 * connection belongs to one thread at a time, so SQLite's own locks are off.
 */
#include "cache/index/index_private.h"

#include <errno.h>

#include "cache/cache.h"

#define BUSY_MS 5000 /* only a foreign process (somebody's sqlite3) can make us wait */

static int code_of(int code) {
  switch (code & 0xff) {
  case SQLITE_FULL:
    return CACHE_ERROR_SPACE;
  case SQLITE_CONSTRAINT:
    return CACHE_ERROR_EXISTS;
  default:
    return CACHE_ERROR_LOCAL;
  }
}

gboolean index_db_fail(IndexDb *db, GError **error) {
  int code = sqlite3_extended_errcode(db->sql), primary = code & 0xff;
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
    g_atomic_int_set(db->damaged, 1);
  gboolean full = primary == SQLITE_IOERR && sqlite3_system_errno(db->sql) == ENOSPC;
  g_set_error(error, CACHE_ERROR, full ? CACHE_ERROR_SPACE : code_of(code), "the index: %s",
              full ? g_strerror(ENOSPC) : sqlite3_errmsg(db->sql));
  return FALSE;
}

static void finalize(gpointer stmt) {
  sqlite3_finalize(stmt);
}

IndexDb *index_db_open(const char *path, gint *damaged, const char *pragmas, GError **error) {
  g_autoptr(IndexDb) db = g_new0(IndexDb, 1);
  db->damaged = damaged;
  db->statements = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, finalize);
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(path, &db->sql, flags, NULL) != SQLITE_OK) {
    index_db_fail(db, error);
    return NULL;
  }
  sqlite3_extended_result_codes(db->sql, 1);
  sqlite3_busy_timeout(db->sql, BUSY_MS);
  return index_db_exec(db, pragmas, error) ? g_steal_pointer(&db) : NULL;
}

void index_db_close(IndexDb *db) {
  g_hash_table_unref(db->statements);
  sqlite3_close(db->sql);
  g_free(db);
}

gboolean index_db_exec(IndexDb *db, const char *sql, GError **error) {
  return sqlite3_exec(db->sql, sql, NULL, NULL, NULL) == SQLITE_OK || index_db_fail(db, error);
}

IndexStmt *index_use(IndexDb *db, const char *sql) {
  IndexStmt *stmt = g_hash_table_lookup(db->statements, sql);
  if (!stmt && sqlite3_prepare_v3(db->sql, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL) == SQLITE_OK)
    g_hash_table_insert(db->statements, (gpointer)sql, stmt);
  return stmt;
}

void index_stmt_done(IndexStmt *stmt) {
  sqlite3_reset(stmt);
  sqlite3_clear_bindings(stmt);
}

IndexStep index_step(IndexDb *db, IndexStmt *stmt, GError **error) {
  int code = stmt ? sqlite3_step(stmt) : SQLITE_ERROR;
  if (code == SQLITE_ROW)
    return INDEX_STEP_ROW;
  if (code == SQLITE_DONE)
    return INDEX_STEP_DONE;
  index_db_fail(db, error);
  return INDEX_STEP_ERROR;
}

gboolean index_run(IndexDb *db, IndexStmt *stmt, GError **error) {
  IndexStep step;
  do
    step = index_step(db, stmt, error);
  while (step == INDEX_STEP_ROW);
  return step == INDEX_STEP_DONE;
}

gboolean index_number(IndexDb *db, IndexStmt *stmt, gint64 *ret, GError **error) {
  if (index_step(db, stmt, error) != INDEX_STEP_ROW)
    return FALSE;
  *ret = sqlite3_column_int64(stmt, 0);
  return TRUE;
}

void index_bind_size(IndexStmt *stmt, int i, guint64 size) {
  if (size <= G_MAXINT64)
    sqlite3_bind_int64(stmt, i, (gint64)size);
  else
    sqlite3_bind_null(stmt, i);
}

void index_bind_text(IndexStmt *stmt, int i, const char *text) {
  sqlite3_bind_text(stmt, i, text, -1, SQLITE_STATIC);
}
