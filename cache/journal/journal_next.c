/* SPDX-License-Identifier: MIT */
/*
 * What is to be done next. A row is free when it is due and nothing that must come first is left in the journal:
 *
 *   another row of its message that is older; the NEW that it comes `after`
 *   REMOVE    the older uploads into the folder, but those that the server refused for the time being (of which it is
 *             known that it has them not), and those of files that are still open: for such a one it waits if what is
 *             removed seems to be its backup (its name holds that of the file); whatever is still to be copied from
 *             the message: it has no octets but these
 *   RMDIR     whatever is older and concerns the folder or one below it
 *   any       an older RMDIR of a folder that it concerns, or of one above
 *   but NEW   the message has a UID: one that is being matched again waits
 *   CONFIRMED the same, or the folder was listed and none was found for it
 *
 * All of these point at older rows, but a REMOVE of what was replaced at the NEW that replaced it: so something is
 * always free, or due later. The first free row of UNKNOWN, else READY, else CONFIRMED leads a batch: the free rows
 * that are equal to it, by an index. A target that is gone is not looked at: the replay finds out when it selects it,
 * and refuses. So it does with what was local there (READY since then, by a trigger): who else would see that again?
 */
#include "cache/journal/journal_private.h"

/* ?1: now. A clock that was set back delays nothing for hours. */
#define DUE "(j.due <= ?1 OR (j.due > ?1 + 600000000 AND j.due < 9223372036854775807))"
#define FREE                                                                                                           \
  DUE " AND (j.op IN (1, 5) OR (m.uid > 0 AND m.gone = 0)) AND (j.state <> 4 OR (j.op = 1 AND (m.uid > 0 OR"           \
      " (SELECT listed FROM mailbox WHERE row = j.target) IN (0, 2))))"                                                \
      " AND NOT EXISTS (SELECT 1 FROM journal AS e WHERE e.message = j.message AND e.seq < j.seq)"                     \
      " AND (j.after = 0 OR NOT EXISTS (SELECT 1 FROM journal AS e WHERE e.seq = j.after))"                            \
      " AND (j.uploads = 0 OR NOT EXISTS (SELECT 1 FROM journal AS e WHERE e.target = j.target AND e.op = 1"           \
      " AND e.state IN (1, 2, 3) AND e.seq <= j.uploads AND (e.tries = 0 OR e.state = 3) AND"                          \
      " (e.due < 9223372036854775807 OR"                                                                               \
      " instr(m.name, (SELECT name FROM message WHERE row = e.message)) > 0)))"                                        \
      " AND (j.op <> 3 OR NOT EXISTS (SELECT 1 FROM journal AS e WHERE e.copy > 0 AND e.copy = j.message"              \
      " AND e.state IN (0, 1, 2, 3, 5)))"                                                                              \
      " AND (j.op <> 5 OR NOT EXISTS (WITH RECURSIVE below(id) AS (SELECT j.mailbox UNION SELECT b.row FROM mailbox "  \
      "AS b"                                                                                                           \
      " JOIN below ON b.parent = below.id) SELECT 1 FROM below JOIN journal AS e ON e.seq < j.seq"                     \
      " AND (e.mailbox = below.id OR e.target = below.id) AND NOT (e.op = 3 AND e.state = 4)))"                        \
      " AND (NOT EXISTS (SELECT 1 FROM journal WHERE op = 5) OR NOT EXISTS (WITH RECURSIVE above(id) AS"               \
      " (SELECT j.mailbox UNION SELECT j.target UNION SELECT b.parent FROM mailbox AS b JOIN above ON b.row = "        \
      "above.id)"                                                                                                      \
      " SELECT 1 FROM above JOIN journal AS e ON e.op = 5 AND e.mailbox = above.id AND e.seq < j.seq))"

/* Of one op, that its order is that of the index: the first free one ends it, and nothing is sorted. */
static const char lead[] =
    "SELECT j.op, j.mailbox, j.target, j.flags_add, j.flags_remove, j.keywords_add,"
    " j.keywords_remove, j.seq FROM journal AS j INDEXED BY journal_state LEFT JOIN message AS m"
    " ON m.row = j.message WHERE j.state = ?2 AND j.op = ?3 AND j.seq < ?4 AND " FREE " ORDER BY j.seq LIMIT 1";

/* What a NEW would replace without having been compared with it: its octets were never here, and their number, and as
 * far as it is known its header, agree. Once is enough. */
#define REPLACES                                                                                                       \
  "(SELECT o.row FROM journal AS r JOIN message AS o ON o.row = r.message WHERE r.after = j.seq AND r.after > 0"       \
  " AND r.op = 3 AND r.state = 1 AND j.op = 1 AND j.state = 1 AND j.copy = 0 AND j.tries = 0 AND o.gone = 0"           \
  " AND o.uid > 0 AND o.mailbox = j.target AND o.size IS NULL AND o.claim = m.size"                                    \
  " AND ifnull(o.fingerprint, m.fingerprint) IS m.fingerprint"                                                         \
  " AND NOT EXISTS (SELECT 1 FROM journal AS f WHERE f.message = o.row AND f.seq <> r.seq) LIMIT 1)"

static const char follow[] =
    "SELECT j.seq, j.message, m.uid, coalesce(m.size, m.claim), m.sha256, m.fingerprint, m.flags, m.keywords,"
    " m.internaldate, j.copy, j.spooled, j.uidvalidity, j.uidnext, j.tries, j.edition, " REPLACES " FROM journal AS j"
    " INDEXED BY journal_group LEFT JOIN message AS m ON m.row = j.message WHERE j.op = ?3 AND j.mailbox = ?4"
    " AND j.target = ?5 AND j.state = ?2 AND j.flags_add = ?6 AND j.flags_remove = ?7 AND j.keywords_add IS ?8"
    " AND j.keywords_remove IS ?9 AND " FREE " ORDER BY j.seq LIMIT ?10";

static void item_clear(gpointer data) {
  JournalItem *item = data;
  g_clear_pointer(&item->keywords, g_free);
}

void journal_batch_clear(JournalBatch *batch) {
  g_clear_pointer(&batch->keywords[0], g_free);
  g_clear_pointer(&batch->keywords[1], g_free);
  g_clear_pointer(&batch->items, g_array_unref);
}

/* In ret->target also the folder where what is removed was shown. */
static void read_lead(IndexStmt *stmt, JournalState state, JournalBatch *ret) {
  *ret = (JournalBatch){
      .op = (JournalOp)sqlite3_column_int(stmt, 0),
      .state = state,
      .source = sqlite3_column_int64(stmt, 1),
      .target = sqlite3_column_int64(stmt, 2),
      .flags.add = (guint)sqlite3_column_int64(stmt, 3),
      .flags.remove = (guint)sqlite3_column_int64(stmt, 4),
      .keywords = {index_text(stmt, 5), index_text(stmt, 6)},
  };
  ret->flags.add_keywords = ret->keywords[0];
  ret->flags.remove_keywords = ret->keywords[1];
  ret->items = g_array_new(FALSE, TRUE, sizeof(JournalItem));
  g_array_set_clear_func(ret->items, item_clear);
}

/* One that is older than `*before`, which it becomes. */
static gboolean find_older(IndexDb *db, gint64 now, JournalState state, JournalOp op, gint64 *before, JournalBatch *ret,
                           GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(db, lead);
  sqlite3_bind_int64(stmt, 1, now);
  sqlite3_bind_int64(stmt, 2, state);
  sqlite3_bind_int64(stmt, 3, op);
  sqlite3_bind_int64(stmt, 4, *before);
  IndexStep step = index_step(db, stmt, error);
  if (step != INDEX_STEP_ROW)
    return step == INDEX_STEP_DONE;
  journal_batch_clear(ret);
  read_lead(stmt, state, ret);
  *before = sqlite3_column_int64(stmt, 7);
  return TRUE;
}

/* NEW first: behind the oldest of them a thousand removals may wait, which are then not looked at. */
static gboolean find_lead(IndexDb *db, gint64 now, JournalState state, JournalBatch *ret, GError **error) {
  gint64 before = G_MAXINT64;
  for (JournalOp op = JOURNAL_NEW; op <= JOURNAL_RMDIR; op++) {
    if (find_older(db, now, state, op, &before, ret, error))
      continue;
    journal_batch_clear(ret);
    return FALSE;
  }
  return before < G_MAXINT64;
}

static void read_item(IndexStmt *stmt, JournalItem *ret) {
  *ret = (JournalItem){
      .seq = sqlite3_column_int64(stmt, 0),
      .row = sqlite3_column_int64(stmt, 1),
      .uid = (guint32)sqlite3_column_int64(stmt, 2),
      .size = index_size(stmt, 3),
      .flags = (guint)sqlite3_column_int64(stmt, 6),
      .keywords = index_text(stmt, 7),
      .internaldate = sqlite3_column_int64(stmt, 8),
      .copy = sqlite3_column_int64(stmt, 9),
      .spooled = sqlite3_column_int(stmt, 10) != 0,
      .uidvalidity = (guint32)sqlite3_column_int64(stmt, 11),
      .uidnext = (guint32)sqlite3_column_int64(stmt, 12),
      .tries = (guint)sqlite3_column_int64(stmt, 13),
      .edition = (guint)sqlite3_column_int64(stmt, 14),
      .replaces = sqlite3_column_int64(stmt, 15),
  };
  index_octets(stmt, 4, ret->sha256, sizeof ret->sha256);
  index_octets(stmt, 5, ret->fingerprint, sizeof ret->fingerprint);
}

static guint32 first_uid(const JournalBatch *batch) {
  return g_array_index(batch->items, JournalItem, 0).uid;
}

static gboolean collect(IndexDb *db, gint64 now, guint most, guint64 bytes, JournalBatch *batch, GError **error) {
  g_autoptr(IndexStmt) stmt = index_use(db, follow);
  const gint64 first[] = {now,           batch->state,     batch->op,          batch->source,
                          batch->target, batch->flags.add, batch->flags.remove};
  for (guint i = 0; i < G_N_ELEMENTS(first); i++)
    sqlite3_bind_int64(stmt, (int)i + 1, first[i]);
  index_bind_text(stmt, 8, batch->flags.add_keywords);
  index_bind_text(stmt, 9, batch->flags.remove_keywords);
  sqlite3_bind_int64(stmt, 10, MAX(most, 1));
  guint64 sum = 0;
  IndexStep step;
  while ((step = index_step(db, stmt, error)) == INDEX_STEP_ROW) {
    JournalItem item;
    read_item(stmt, &item);
    if (batch->items->len > 0 && batch->state == JOURNAL_CONFIRMED && !item.uid != !first_uid(batch)) {
      item_clear(&item);
      continue;
    }
    sum += item.size == IMAP_UNKNOWN_SIZE ? 0 : item.size;
    if (batch->items->len > 0 && sum > bytes) {
      item_clear(&item);
      break;
    }
    g_array_append_val(batch->items, item);
  }
  return step != INDEX_STEP_ERROR;
}

static gboolean find_next_time(IndexDb *db, gint64 now, gint64 *ret, GError **error) {
  g_autoptr(GError) failed = NULL;
  *ret = G_MAXINT64;
  if (JOURNAL_NUMBER(db, ret, &failed,
                     "SELECT min(due) FROM journal WHERE state IN (1, 3, 4) AND due > ?1 AND due <= ?1 + 600000000",
                     now) ||
      !failed)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

static gboolean find_any_lead(IndexDb *db, gint64 now, JournalBatch *ret, GError **error) {
  static const JournalState order[] = {JOURNAL_UNKNOWN, JOURNAL_READY, JOURNAL_CONFIRMED};
  g_autoptr(GError) failed = NULL;
  for (guint i = 0; i < G_N_ELEMENTS(order) && !failed; i++)
    if (find_lead(db, now, order[i], ret, &failed))
      return TRUE;
  if (failed)
    g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* Which of its mailboxes a batch of this kind has. */
static void name_mailboxes(JournalBatch *batch) {
  if (batch->op == JOURNAL_NEW)
    batch->source = 0;
  else if (batch->op != JOURNAL_MOVE)
    batch->target = 0;
}

gboolean journal_next(Index *index, gint64 now, guint most, guint64 bytes, JournalBatch *ret, gint64 *ret_next,
                      GError **error) {
  g_autoptr(GError) failed = NULL;
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  *ret_next = G_MAXINT64;
  if (!reader)
    return FALSE;
  if (find_any_lead(reader, now, ret, &failed)) {
    if (collect(reader, now, most, bytes, ret, &failed) && ret->items->len > 0) {
      name_mailboxes(ret);
      return TRUE;
    }
    journal_batch_clear(ret);
  }
  if (!failed)
    find_next_time(reader, now, ret_next, &failed);
  if (failed)
    g_propagate_error(error, g_steal_pointer(&failed));
  return FALSE;
}

/* A listing may have matched messages again meanwhile: their old numbers are those of others. */
gboolean journal_is_current(Index *index, const JournalBatch *batch, gboolean *ret, GError **error) {
  g_autoptr(IndexReader) reader = index_reader_take(index, error);
  *ret = TRUE;
  if (!reader)
    return FALSE;
  for (guint i = 0; *ret && i < batch->items->len; i++) {
    const JournalItem *item = &g_array_index(batch->items, JournalItem, i);
    g_autoptr(GError) failed = NULL;
    gint64 one = 0;
    *ret = JOURNAL_NUMBER(reader, &one, &failed,
                          "SELECT 1 FROM journal AS j LEFT JOIN message AS m ON m.row = j.message WHERE j.seq = ?1"
                          " AND j.state = ?2 AND j.edition = ?3 AND ifnull(m.uid, 0) = ?4"
                          " AND (?5 = 0 OR j.mailbox = ?5)",
                          item->seq, batch->state, item->edition, item->uid, batch->source);
    if (failed) {
      g_propagate_error(error, g_steal_pointer(&failed));
      return FALSE;
    }
  }
  return TRUE;
}
