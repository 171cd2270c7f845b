/* SPDX-License-Identifier: MIT */
/*
 * The octets of new messages, by their hashes: whether they are those that were written, and where else they may be.
 */
#include <string.h>

#include "cache/index/index_salvage.h"
#include "cache/index/salvage_private.h"
#include "cache/journal/journal_private.h"

gboolean salvage_has_hash(const void *octets, gsize len, const guint8 wanted[32]) {
  g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
  guint8 sha256[32];
  gsize n = sizeof sha256;
  if (len > 0)
    g_checksum_update(sum, octets, (gssize)len);
  g_checksum_get_digest(sum, sha256, &n);
  return memcmp(sha256, wanted, sizeof sha256) == 0;
}

/* Of one that the server has the row may speak of what the server made of it. */
gboolean index_octets_whole(IndexDb *db, gboolean *ret, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(db, "SELECT o.bytes, m.sha256 FROM journal AS j JOIN octets AS o"
                                            " ON o.message = j.message JOIN message AS m ON m.row = j.message"
                                            " WHERE j.op = 1 AND m.uid IS NULL AND length(m.sha256) = 32");
  IndexStep step = INDEX_STEP_ROW;
  *ret = TRUE;
  while (*ret && (step = index_step(db, stmt, error)) == INDEX_STEP_ROW)
    *ret = salvage_has_hash(sqlite3_column_blob(stmt, 0), (gsize)sqlite3_column_bytes(stmt, 0),
                            sqlite3_column_blob(stmt, 1));
  return step != INDEX_STEP_ERROR;
}

GArray *salvage_numbers(IndexTxn *txn, const char *sql, GError **error) {
  g_autoptr(GArray) rows = g_array_new(FALSE, FALSE, sizeof(gint64));
  g_autoptr(IndexStmt) stmt = index_use(txn->db, sql);
  IndexStep step;
  while ((step = index_step(txn->db, stmt, error)) == INDEX_STEP_ROW) {
    gint64 number = sqlite3_column_int64(stmt, 0);
    g_array_append_val(rows, number);
  }
  return step == INDEX_STEP_DONE ? g_steal_pointer(&rows) : NULL;
}

typedef struct {
  Salvage *salvage;
  GHashTable *wanted; /* set of messages whose octets are missing */
  GError *error;
} Hunt;

static gboolean keep_octets(IndexTxn *txn, gint64 row, const guint8 *octets, gsize len, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(txn->db, "INSERT OR REPLACE INTO octets(message, bytes) VALUES(?1, ?2)");
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_blob64(stmt, 2, octets, len, SQLITE_STATIC);
  return index_run(txn->db, stmt, error);
}

static gboolean carved(gint64 row, const guint8 *octets, gsize len, gpointer data) {
  Hunt *hunt = data;
  IndexTxn *txn = &hunt->salvage->txn;
  g_auto(IndexMessage) message = {0};
  if (hunt->error || !g_hash_table_contains(hunt->wanted, &row))
    return FALSE;
  if (octets && journal_message(txn, row, &message, NULL) && len == message.size &&
      salvage_has_hash(octets, len, message.sha256) && keep_octets(txn, row, octets, len, &hunt->error))
    g_hash_table_remove(hunt->wanted, &row);
  return TRUE;
}

gboolean salvage_hunt_octets(Salvage *salvage, GError **error) {
  g_autoptr(GArray) rows =
      salvage_numbers(&salvage->txn,
                      "SELECT m.row FROM journal AS j JOIN message AS m ON m.row = j.message WHERE j.op = 1"
                      " AND j.spooled = 0 AND j.copy = 0 AND m.size > 0 AND NOT EXISTS"
                      " (SELECT 1 FROM octets AS o WHERE o.message = m.row)",
                      error);
  if (!rows || rows->len == 0)
    return rows != NULL;
  g_autoptr(GHashTable) wanted = g_hash_table_new(g_int64_hash, g_int64_equal);
  for (guint i = 0; i < rows->len; i++)
    g_hash_table_add(wanted, &g_array_index(rows, gint64, i));
  Hunt hunt = {.salvage = salvage, .wanted = wanted};
  salvage_carve(salvage->dirfd, SALVAGE_ASIDE, carved, &hunt);
  if (hunt.error)
    g_propagate_error(error, hunt.error);
  return hunt.error == NULL;
}
