/* SPDX-License-Identifier: MIT */
/*
 * What becomes of the changes. A removal, a move or a flag is kept where the file itself, by two of its pages, says
 * that it waits; else it is dropped, and the message is shown as the server has it: that can be done again, and nothing
 * is lost by it. A new message is never dropped while its octets are there:
 *
 *   READY, SENT        may have been sent after what was read here was written: UNKNOWN, looked for before it is sent
 *   its octets are     not what they were; where it was to go is not known; it is from a copy from before, and may
 *                      have been sent, moved and read since: it stands in lost+found, and is not sent
 *
 * Octets without a row of the journal are those of a row that could not be read, and stand there as well.
 */
#include <string.h>

#include "cache/index/salvage_private.h"
#include "cache/journal/journal_private.h"
#include "cache/journal/lostfound.h"
#include "cache/local.h"

typedef enum { OCTETS_GOOD, OCTETS_DAMAGED, OCTETS_MISSING } Octets;

/* ---- lost+found --------------------------------------------------------------------------------------------- */

static gboolean find_root(IndexTxn *txn, gint64 *ret, GError **error) {
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT coalesce((SELECT min(row) FROM mailbox WHERE raw IS NULL AND parent = 0), 0)");
  return index_number(txn->db, stmt, ret, error);
}

static gboolean lost_found(IndexTxn *txn, gint64 *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  gint64 root = 0;
  g_autoptr(IndexStmt) stmt =
      index_use(txn->db, "SELECT b.row FROM meta AS m JOIN mailbox AS b ON b.row = CAST(m.value AS INTEGER)"
                         " WHERE m.key = 'lost_found' AND b.raw IS NULL AND b.attrs & 1073741824");
  if (index_number(txn->db, stmt, ret, &failed))
    return TRUE;
  if (!failed && find_root(txn, &root, &failed) && lostfound_make(txn, root, ret, &failed))
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean give_back(Salvage *salvage, gint64 seq, const char *reason, GError **error) {
  gint64 folder = 0;
  salvage->returned++;
  return lost_found(&salvage->txn, &folder, error) && journal_refuse(&salvage->txn, seq, reason, folder, NULL, error);
}

/* ---- a new message -------------------------------------------------------------------------------------------- */

/* Without a hash there is nothing to compare them with. */
static gboolean same_octets(IndexStmt *bytes, const IndexMessage *message) {
  static const guint8 none[32];
  gsize len = (gsize)sqlite3_column_bytes(bytes, 0);
  return len == message->size && (memcmp(message->sha256, none, sizeof none) == 0 ||
                                  salvage_has_hash(sqlite3_column_blob(bytes, 0), len, message->sha256));
}

/* Those in the spool, and those of another message, are not in the index. */
static gboolean look_at_octets(Salvage *salvage, const JournalRow *row, const IndexMessage *message, Octets *ret,
                               GError **error) {
  IndexDb *db = salvage->txn.db;
  g_autoptr(IndexStmt) stmt = index_use(db, "SELECT bytes FROM octets WHERE message = ?1");
  sqlite3_bind_int64(stmt, 1, row->message);
  gint64 copy = 0;
  IndexStep step = index_step(db, stmt, error);
  if (step == INDEX_STEP_ERROR ||
      !journal_number_or_none(&salvage->txn, "SELECT copy FROM journal WHERE seq = ?1", row->seq, &copy, error))
    return FALSE;
  if (step == INDEX_STEP_ROW)
    *ret = same_octets(stmt, message) ? OCTETS_GOOD : OCTETS_DAMAGED;
  else
    *ret = row->spooled || copy != 0 || message->size == 0 ? OCTETS_GOOD : OCTETS_MISSING;
  return TRUE;
}

/* Octets whose message could not be read: all that is left of it is what they say. */
static gboolean make_message(Salvage *salvage, gint64 row, GError **error) {
  g_autofree char *name = g_strdup_printf("salvaged.%" G_GINT64_FORMAT ".eml", row);
  g_autoptr(IndexStmt) stmt = index_use(
      salvage->txn.db, "INSERT OR IGNORE INTO message(row, mailbox, folder, name, flags, internaldate, mtime, ctime,"
                       " claim, size) SELECT ?1, ?2, ?2, ?3, 0, ?4 / 1000000000, ?4, ?4, n, n FROM"
                       " (SELECT (SELECT length(bytes) FROM octets WHERE message = ?1) AS n)");
  gint64 folder = 0;
  if (!lost_found(&salvage->txn, &folder, error))
    return FALSE;
  sqlite3_bind_int64(stmt, 1, row);
  sqlite3_bind_int64(stmt, 2, folder);
  index_bind_text(stmt, 3, name);
  sqlite3_bind_int64(stmt, 4, g_get_real_time() * 1000);
  return index_run(salvage->txn.db, stmt, error);
}

static gboolean has_mailbox(IndexTxn *txn, gint64 row, gboolean *ret, GError **error) {
  gint64 n = 0;
  if (!JOURNAL_NUMBER(txn->db, &n, error, "SELECT count(*) FROM mailbox WHERE row = ?1", row))
    return FALSE;
  *ret = n > 0;
  return TRUE;
}

/* Why it is not sent; NULL: it is. */
static const char *objection(const JournalRow *row, const IndexMessage *message, Octets octets, gboolean known,
                             gboolean sure, gboolean old) {
  gboolean local = row->state == JOURNAL_LOCAL || row->state == JOURNAL_REFUSED;
  if (octets == OCTETS_DAMAGED)
    return "the index was damaged, and these octets with it";
  if (!known || (!sure && message->mailbox != row->target))
    return "the index was damaged: where this was to go is not known";
  if (old && !local)
    return "the index was damaged: this is from a copy of it, and may have been sent since";
  return NULL;
}

static gboolean drop(Salvage *salvage, const JournalRow *row, GError **error) {
  salvage->dropped++;
  return JOURNAL_RUN(&salvage->txn, error, "DELETE FROM journal WHERE seq = ?1", row->seq);
}

/* Without octets there is nothing to send; if the server has it, it has it. */
static gboolean give_up(Salvage *salvage, const JournalRow *row, const IndexMessage *message, GError **error) {
  if (message->uid != 0)
    return JOURNAL_RUN(&salvage->txn, error, "DELETE FROM journal WHERE seq = ?1", row->seq);
  g_autofree char *name = imap_clean_text(message->name, -1);
  g_warning("the index was damaged, and the octets of the file \"%s\" with it, which was not sent yet: it is lost",
            name);
  salvage->lost++;
  return journal_end_message(&salvage->txn, row->message, error);
}

static gboolean settle_new(Salvage *salvage, const JournalRow *row, gboolean old, GError **error) {
  IndexTxn *txn = &salvage->txn;
  g_auto(IndexMessage) message = {0};
  Octets octets = OCTETS_MISSING;
  gboolean known = FALSE, sure = g_hash_table_contains(salvage->sure, &row->seq);
  if (!make_message(salvage, row->message, error) || !journal_message(txn, row->message, &message, error) ||
      !look_at_octets(salvage, row, &message, &octets, error) || !has_mailbox(txn, row->target, &known, error))
    return FALSE;
  const char *reason = objection(row, &message, octets, known, sure, old);
  if (octets == OCTETS_MISSING || (reason && message.uid != 0))
    return give_up(salvage, row, &message, error);
  return reason ? give_back(salvage, row->seq, reason, error) : journal_show(txn, row->message, NULL, error);
}

/* ---- the others ------------------------------------------------------------------------------------------------- */

static gboolean is_there(Salvage *salvage, const JournalRow *row, gboolean *ret, GError **error) {
  gint64 n = 0;
  IndexDb *db = salvage->txn.db;
  if (row->op == JOURNAL_RMDIR)
    return has_mailbox(&salvage->txn, row->mailbox, ret, error);
  if (!JOURNAL_NUMBER(db, &n, error, "SELECT count(*) FROM message WHERE row = ?1", row->message))
    return FALSE;
  *ret = n > 0;
  return row->op != JOURNAL_MOVE || !*ret || has_mailbox(&salvage->txn, row->target, ret, error);
}

/* It waits for a row that could not be read, so nobody knows whether that was done. */
static gboolean waits_for_nothing(Salvage *salvage, const JournalRow *row, gboolean *ret, GError **error) {
  gint64 n = 1;
  if (row->after != 0 &&
      !JOURNAL_NUMBER(salvage->txn.db, &n, error, "SELECT count(*) FROM journal WHERE seq = ?1", row->after))
    return FALSE;
  *ret = n == 0;
  return TRUE;
}

static gboolean settle_other(Salvage *salvage, const JournalRow *row, gboolean cut, GError **error) {
  gboolean there = FALSE, orphan = FALSE;
  if (!is_there(salvage, row, &there, error) || !waits_for_nothing(salvage, row, &orphan, error))
    return FALSE;
  if (!there || (orphan && cut) || !g_hash_table_contains(salvage->sure, &row->seq))
    return drop(salvage, row, error) &&
           (!there || row->op == JOURNAL_RMDIR || journal_show(&salvage->txn, row->message, NULL, error));
  return row->op == JOURNAL_RMDIR || journal_show(&salvage->txn, row->message, NULL, error);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

/* Each octet that is here gets a row again, and from there its way to lost+found. */
static gboolean adopt_octets(Salvage *salvage, GError **error) {
  IndexTxn *txn = &salvage->txn;
  g_autoptr(GArray) rows =
      salvage_numbers(txn,
                      "SELECT message FROM octets WHERE length(bytes) > 0 AND NOT EXISTS"
                      " (SELECT 1 FROM journal AS j WHERE j.message = octets.message AND j.op = 1)",
                      error);
  for (guint i = 0; rows && i < rows->len; i++) {
    gint64 message = g_array_index(rows, gint64, i);
    JournalRow row = {.op = JOURNAL_NEW, .state = JOURNAL_LOCAL, .message = message};
    if (!make_message(salvage, message, error) || !journal_insert(txn, &row, error))
      return FALSE;
  }
  return rows && index_db_exec(txn->db,
                               "DELETE FROM octets WHERE NOT EXISTS"
                               " (SELECT 1 FROM journal AS j WHERE j.message = octets.message AND j.op = 1)",
                               error);
}

/* A row of a file that cannot be looked at by itself: two NEWs of one message, a change of none. */
static gboolean remove_nonsense(IndexTxn *txn, GError **error) {
  return index_db_exec(txn->db,
                       "DELETE FROM journal WHERE op <> 5 AND message IS NULL;"
                       "CREATE TEMP TABLE twice AS SELECT seq FROM journal AS j WHERE op = 1 AND EXISTS"
                       " (SELECT 1 FROM journal AS k WHERE k.message = j.message AND k.op = 1 AND k.seq < j.seq);"
                       "UPDATE journal SET op = 4, flags_add = 0 WHERE seq IN (SELECT seq FROM twice);"
                       "DELETE FROM journal WHERE seq IN (SELECT seq FROM twice);"
                       "DROP TABLE twice;",
                       error);
}

gboolean salvage_journal(Salvage *salvage, gboolean cut, GError **error) {
  IndexTxn *txn = &salvage->txn;
  if (!remove_nonsense(txn, error) || !salvage_hunt_octets(salvage, error) || !adopt_octets(salvage, error))
    return FALSE;
  g_autoptr(GArray) seqs = salvage_numbers(txn, "SELECT seq FROM journal ORDER BY op = 1, seq", error);
  for (guint i = 0; seqs && i < seqs->len; i++) {
    g_auto(JournalRow) row = {0};
    g_autoptr(GError) gone = NULL;
    /* It may have gone with the one before. */
    if (!journal_get_row(txn, g_array_index(seqs, gint64, i), &row, &gone))
      continue;
    gboolean old = g_hash_table_contains(salvage->old, &row.seq);
    if (row.op == JOURNAL_NEW ? !settle_new(salvage, &row, old, error) : !settle_other(salvage, &row, cut, error))
      return FALSE;
  }
  return seqs != NULL;
}
