/* SPDX-License-Identifier: MIT */
/*
 * First the damaged file itself, row by row, its WAL included; then the last copy, for what could not be read there and
 * only for that. Everything is read with suspicion (salvage_table.c, salvage_journal.c), and what is left to doubt is
 * settled by the means that there are anyway:
 *
 *   messages without a sure UID       their folder is listed anew and they are matched by what they say of themselves
 *   UIDNEXT, MODSEQ are forgotten     so the next visit of each folder compares all UIDs and flags
 *   the stamp gets another nonce      so bodies are verified, and rows that were lost are not given out again
 *
 * All of it can be repeated until the very end, when the damaged file gets its last name; it is never changed. Of its
 * WAL SQLite makes an index of its own (-shm), which goes with it.
 */
#include "cache/index/index_salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cache/error.h"
#include "cache/index/index_backup.h"
#include "cache/index/salvage_private.h"

#define NAMES_MOST 10000

/* ---- files -------------------------------------------------------------------------------------------------- */

static gboolean exists(int dirfd, const char *name) {
  return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The WAL alone: it goes first when both are set aside, and last when both are put away. Then the new index is open,
 * and has a WAL of its own. */
gboolean index_salvage_pending(int dirfd) {
  if (exists(dirfd, SALVAGE_ASIDE) || !exists(dirfd, SALVAGE_ASIDE "-wal"))
    return exists(dirfd, SALVAGE_ASIDE);
  if (exists(dirfd, "index.db-wal")) {
    unlinkat(dirfd, SALVAGE_ASIDE "-wal", 0);
    return FALSE;
  }
  renameat2(dirfd, "index.db", dirfd, SALVAGE_ASIDE, RENAME_NOREPLACE);
  return exists(dirfd, SALVAGE_ASIDE);
}

static gboolean rename_if_there(int dirfd, const char *from, const char *to, GError **error) {
  if (renameat(dirfd, from, dirfd, to) == 0 || errno == ENOENT)
    return TRUE;
  return cache_error_errno(error, "cannot set the damaged index aside");
}

gboolean index_salvage_set_aside(int dirfd, GError **error) {
  if (!rename_if_there(dirfd, "index.db-wal", SALVAGE_ASIDE "-wal", error) ||
      !rename_if_there(dirfd, "index.db", SALVAGE_ASIDE, error))
    return FALSE;
  return fsync(dirfd) ? cache_error_errno(error, "cannot set the damaged index aside") : TRUE;
}

gboolean index_salvage_clear(int dirfd, GError **error) {
  static const char *const names[] = {"index.db", "index.db-wal", "index.db-shm", SALVAGE_ASIDE "-shm"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++)
    if (unlinkat(dirfd, names[i], 0) && errno != ENOENT)
      return cache_error_errno(error, names[i]);
  return TRUE;
}

/* When the new index is on the disk for sure. A new string; NULL: it could not. */
static char *put_away(int dirfd, GError **error) {
  for (guint n = 1; n < NAMES_MOST && fsync(dirfd) == 0; n++) {
    g_autofree char *name = g_strdup_printf("index.db.corrupt-%u", n), *wal = g_strconcat(name, "-wal", NULL);
    if (renameat2(dirfd, SALVAGE_ASIDE, dirfd, name, RENAME_NOREPLACE) == 0) {
      unlinkat(dirfd, SALVAGE_ASIDE "-shm", 0);
      return rename_if_there(dirfd, SALVAGE_ASIDE "-wal", wal, error) ? g_steal_pointer(&name) : NULL;
    }
    if (errno != EEXIST)
      break;
  }
  cache_error_errno(error, "cannot set the damaged index aside");
  return NULL;
}

/* ---- sources -------------------------------------------------------------------------------------------------- */

/* Reading changes nothing: no checkpoint, also not when the last connection goes. */
static void open_source(SalvageSource *source, int dirfd, const char *name) {
  g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", dirfd, name);
  if (exists(dirfd, name))
    source->db = index_db_open(path, &source->damaged, "PRAGMA trusted_schema=OFF;", NULL);
  if (source->db) {
    sqlite3_db_config(source->db->sql, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    index_db_exec(source->db, "PRAGMA wal_autocheckpoint=0", NULL);
    index_db_exec(source->db, "PRAGMA query_only=1", NULL);
  }
}

/* SQLite finds its tables. */
static gboolean is_readable(SalvageSource *source) {
  g_autoptr(IndexStmt) stmt = source->db ? index_use(source->db, "SELECT row FROM message WHERE row = 0") : NULL;
  return stmt != NULL;
}

static gboolean open_repaired(Index *index, SalvageSource *source, GError **error) {
  gboolean made = FALSE;
  g_clear_pointer(&source->db, index_db_close);
  if (!salvage_repair(index->db, index->dirfd, &made, error))
    return FALSE;
  if (made)
    open_source(source, index->dirfd, SALVAGE_REPAIR);
  return TRUE;
}

static gboolean any_cut(const SalvageSource *source) {
  for (guint i = 0; i < SALVAGE_TABLES; i++)
    if (source->cut[i])
      return TRUE;
  return FALSE;
}

/* Of the copy only tables that could not be read in the damaged file. */
static gboolean copy_tables(Salvage *salvage, SalvageSource *source, const SalvageSource *only, GError **error) {
  gboolean ok = TRUE;
  salvage->from = source;
  for (SalvageTable table = 0; ok && table < SALVAGE_TABLES; table++)
    if (!only || only->cut[table])
      ok = salvage_copy(salvage, table, error);
  return ok;
}

/* ---- what is set, and what is in doubt now ----------------------------------------------------------------------- */

/* Of a key that is there already the value stays: what was read first is newer. */
static gboolean copy_values(IndexTxn *txn, IndexStmt *from, GError **error) {
  g_autoptr(IndexStmt) insert = index_use(txn->db, "INSERT OR IGNORE INTO meta(key, value) VALUES(?1, ?2)");
  while (from && sqlite3_step(from) == SQLITE_ROW) {
    const char *key = (const char *)sqlite3_column_text(from, 0), *value = (const char *)sqlite3_column_text(from, 1);
    if (!key || !value || !g_utf8_validate(key, -1, NULL) || !g_utf8_validate(value, -1, NULL))
      continue;
    sqlite3_bind_text(insert, 1, key, -1, SQLITE_TRANSIENT);
    sqlite3_bind_text(insert, 2, value, -1, SQLITE_TRANSIENT);
    if (!index_run(txn->db, insert, error))
      return FALSE;
    sqlite3_reset(insert);
  }
  return TRUE;
}

/* Forwards and backwards: around a page that cannot be read. */
static gboolean copy_meta(IndexTxn *txn, const SalvageSource *from, GError **error) {
  if (!from->db)
    return TRUE;
  g_autoptr(IndexStmt) up = index_use(from->db, "SELECT key, value FROM meta ORDER BY key");
  g_autoptr(IndexStmt) down = index_use(from->db, "SELECT key, value FROM meta ORDER BY key DESC");
  return copy_values(txn, up, error) && copy_values(txn, down, error);
}

/* Of the same index, and of no start that anybody remembers (cache/place_stamp.c). */
static gboolean doubt_stamp(IndexTxn *txn, GError **error) {
  return index_db_exec(txn->db,
                       "UPDATE meta SET value = substr(value, 1, 33) || '00000000000000000000000000000000' ||"
                       " substr(value, 66) WHERE key = 'stamp' AND length(value) > 66",
                       error);
}

gboolean index_doubt_uploads(IndexTxn *txn, GError **error) {
  return index_db_exec(txn->db,
                       "UPDATE journal SET state = 3, due = 0, edition = edition + 1,"
                       " uidnext = CASE WHEN state = 2 THEN uidnext ELSE max(1, ifnull((SELECT b.uidnext FROM mailbox"
                       " AS b WHERE b.row = target), 1)) END,"
                       " uidvalidity = CASE WHEN state = 2 THEN uidvalidity ELSE ifnull((SELECT b.uidvalidity FROM"
                       " mailbox AS b WHERE b.row = target), 0) END"
                       " WHERE op = 1 AND state IN (1, 2) AND due < 9223372036854775807",
                       error);
}

static gboolean doubt_messages(IndexTxn *txn, GError **error) {
  return index_db_exec(
      txn->db,
      "UPDATE message SET gone = 1 WHERE NOT EXISTS (SELECT 1 FROM mailbox AS b WHERE b.row = message.mailbox)"
      " AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.message = message.row AND j.op = 1);"
      "UPDATE OR IGNORE message SET folder = mailbox WHERE folder IS NOT mailbox"
      " AND NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.message = message.row);"
      "UPDATE mailbox SET listed = 3 WHERE listed = 2 AND EXISTS (SELECT 1 FROM message AS m WHERE m.mailbox ="
      " mailbox.row AND " INDEX_FORGOTTEN ");"
      "UPDATE mailbox SET uidnext = 0, modseq = 0;"
      "DELETE FROM body WHERE NOT EXISTS (SELECT 1 FROM message AS m WHERE m.row = body.row)",
      error);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static gboolean read_sources(Salvage *salvage, SalvageSource *damaged, SalvageSource *copy, GError **error) {
  IndexTxn *txn = &salvage->txn;
  return copy_tables(salvage, damaged, NULL, error) && copy_meta(txn, damaged, error) &&
         (!any_cut(damaged) || (copy_tables(salvage, copy, damaged, error) && copy_meta(txn, copy, error)));
}

static gboolean fill(Salvage *salvage, SalvageSource *damaged, SalvageSource *copy, GError **error) {
  IndexTxn *txn = &salvage->txn;
  return index_db_exec(txn->db, "PRAGMA synchronous=FULL; BEGIN IMMEDIATE", error) &&
         read_sources(salvage, damaged, copy, error) && index_doubt_uploads(txn, error) &&
         salvage_journal(salvage, damaged->cut[SALVAGE_JOURNAL], error) && doubt_messages(txn, error) &&
         doubt_stamp(txn, error) && index_db_exec(txn->db, "COMMIT; PRAGMA synchronous=NORMAL", error);
}

static void tell(const Salvage *salvage, const SalvageSource *damaged, const char *name) {
  g_warning("the index was damaged: it is kept as %s; %u folders, %u messages and %u changes were saved%s", name,
            salvage->saved[SALVAGE_MAILBOX], salvage->saved[SALVAGE_MESSAGE], salvage->saved[SALVAGE_JOURNAL],
            any_cut(damaged) ? "; the rest is learnt again from the server" : "");
  if (salvage->dropped > 0)
    g_warning("%u changes that waited for the server could not be read for sure: they are not made", salvage->dropped);
  if (salvage->returned > 0)
    g_warning("%u new messages could not be read for sure: they are in lost+found, and not sent", salvage->returned);
}

static gboolean salvage_from(Index *index, SalvageSource *damaged, SalvageSource *copy, GError **error) {
  Salvage salvage = {.txn = {index->db, index->run},
                     .dirfd = index->dirfd,
                     .witness = copy,
                     .sure = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL),
                     .old = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL)};
  gboolean ok = fill(&salvage, damaged, copy, error);
  g_clear_pointer(&damaged->db, index_db_close);
  g_clear_pointer(&copy->db, index_db_close);
  g_autofree char *name = ok ? put_away(index->dirfd, error) : NULL;
  if (name)
    tell(&salvage, damaged, name);
  g_hash_table_unref(salvage.sure);
  g_hash_table_unref(salvage.old);
  return name != NULL;
}

gboolean index_salvage(Index *index, GError **error) {
  SalvageSource damaged = {.old = FALSE}, copy = {.old = TRUE};
  open_source(&damaged, index->dirfd, SALVAGE_ASIDE);
  if (!is_readable(&damaged) && !open_repaired(index, &damaged, error))
    return FALSE;
  open_source(&copy, index->dirfd, INDEX_BACKUP);
  gboolean ok = salvage_from(index, &damaged, &copy, error);
  salvage_repair_clear(index->dirfd);
  return ok;
}
