/* SPDX-License-Identifier: MIT */
/*
 * SQLite has no checksums: a row of a damaged page may look whole. So each column must hold what it can hold, and what
 * a wrong number could do harm by is compared with an index, which lies on other pages: the UID of a message (else it
 * is forgotten, and matched again by what the message says of itself, cache/index/index_renumber.c), and what a row of
 * the journal asks for. Flags, UIDNEXT and HIGHESTMODSEQ are compared with the server at the next visit.
 */
#include <string.h>

#include "cache/index/salvage_private.h"

#define COMMIT_EVERY 20000 /* rows: the WAL stays small */

typedef enum { NUMBER, TEXT, NAME, BLOB } Kind;

typedef struct {
  const char *name;
  Kind kind;
  gboolean none;   /* NULL is a value */
  gint64 min, max; /* of a number; of the octets of the others */
} Column;

#define ROWS 1, G_GINT64_CONSTANT(1) << 60
#define ROWS_OR_0 0, G_GINT64_CONSTANT(1) << 60
#define BITS32 0, G_MAXUINT32
#define ANY G_MININT64, G_MAXINT64
#define POSITIVE 0, G_MAXINT64

static const Column mailbox_columns[] = {
    {"row", NUMBER, FALSE, ROWS},
    {"parent", NUMBER, FALSE, ROWS_OR_0},
    {"raw", BLOB, TRUE, 1, 4096},
    {"name", NAME, FALSE, 0, 255},
    {"delimiter", NUMBER, FALSE, -128, 255},
    {"attrs", NUMBER, FALSE, BITS32},
    {"uidvalidity", NUMBER, FALSE, BITS32},
    {"uidnext", NUMBER, FALSE, BITS32},
    {"messages", NUMBER, FALSE, BITS32},
    {"modseq", NUMBER, FALSE, ANY},
    {"mailboxid", TEXT, TRUE, 0, 4096},
    {"listed", NUMBER, FALSE, INDEX_UNLISTED, INDEX_DOUBTED},
    {"listed_at", NUMBER, FALSE, ANY},
    {"mtime", NUMBER, FALSE, ANY},
};
static const Column message_columns[] = {
    {"row", NUMBER, FALSE, ROWS},         {"mailbox", NUMBER, FALSE, ROWS},     {"uid", NUMBER, TRUE, 1, G_MAXUINT32},
    {"name", NAME, FALSE, 1, 255},        {"folder", NUMBER, TRUE, ROWS},       {"flags", NUMBER, FALSE, 0, 63},
    {"keywords", TEXT, TRUE, 0, 1 << 20}, {"internaldate", NUMBER, FALSE, ANY}, {"mtime", NUMBER, FALSE, ANY},
    {"ctime", NUMBER, FALSE, ANY},        {"claim", NUMBER, TRUE, POSITIVE},    {"size", NUMBER, TRUE, POSITIVE},
    {"sha256", BLOB, TRUE, 32, 32},       {"fingerprint", BLOB, TRUE, 16, 16},  {"emailid", TEXT, TRUE, 0, 4096},
};
static const Column journal_columns[] = {
    {"seq", NUMBER, FALSE, ROWS},
    {"op", NUMBER, FALSE, 1, 5},
    {"state", NUMBER, FALSE, 0, 5},
    {"message", NUMBER, TRUE, ROWS},
    {"mailbox", NUMBER, FALSE, ROWS_OR_0},
    {"target", NUMBER, FALSE, ROWS_OR_0},
    {"flags_add", NUMBER, FALSE, 0, 63},
    {"flags_remove", NUMBER, FALSE, 0, 63},
    {"keywords_add", TEXT, TRUE, 0, 1 << 20},
    {"keywords_remove", TEXT, TRUE, 0, 1 << 20},
    {"after", NUMBER, FALSE, ROWS_OR_0},
    {"uploads", NUMBER, FALSE, ROWS_OR_0},
    {"copy", NUMBER, FALSE, ROWS_OR_0},
    {"spooled", NUMBER, FALSE, 0, 1},
    {"uidvalidity", NUMBER, FALSE, BITS32},
    {"uidnext", NUMBER, FALSE, BITS32},
    {"due", NUMBER, FALSE, POSITIVE},
    {"tries", NUMBER, FALSE, BITS32},
    {"edition", NUMBER, FALSE, POSITIVE},
    {"created", NUMBER, FALSE, POSITIVE},
    {"reason", TEXT, TRUE, 0, 1 << 16},
};
static const Column octets_columns[] = {{"message", NUMBER, FALSE, ROWS}, {"bytes", BLOB, FALSE, 0, 1 << 20}};
static const Column body_columns[] = {
    {"row", NUMBER, FALSE, ROWS}, {"bytes", NUMBER, FALSE, POSITIVE}, {"queue", NUMBER, FALSE, BITS32},
    {"used", NUMBER, FALSE, ANY}, {"epoch", NUMBER, FALSE, POSITIVE}, {"held", NUMBER, FALSE, 0, 1},
};

static const struct {
  const char *name;
  const Column *columns;
  int n;
  const char *living; /* what stands behind the columns, 0 for rows that count */
} tables[SALVAGE_TABLES] = {
    [SALVAGE_MAILBOX] = {"mailbox", mailbox_columns, G_N_ELEMENTS(mailbox_columns), ", gone"},
    [SALVAGE_MESSAGE] = {"message", message_columns, G_N_ELEMENTS(message_columns), ", gone"},
    [SALVAGE_JOURNAL] = {"journal", journal_columns, G_N_ELEMENTS(journal_columns), ", 0"},
    [SALVAGE_OCTETS] = {"octets", octets_columns, G_N_ELEMENTS(octets_columns), ", 0"},
    [SALVAGE_BODY] = {"body", body_columns, G_N_ELEMENTS(body_columns), ", 0"},
};

/* Where these stand among the columns. */
enum { MESSAGE_MAILBOX = 1, MESSAGE_UID, MESSAGE_NAME };
enum { CHANGE_OP = 1, CHANGE_STATE, CHANGE_MAILBOX = 4, CHANGE_TARGET };

/* ---- what a column can hold ---------------------------------------------------------------------------------- */

static gboolean is_text(IndexStmt *row, int i, const Column *column) {
  const char *text = (const char *)sqlite3_column_text(row, i);
  gssize len = sqlite3_column_bytes(row, i);
  if (!text || len < column->min || len > column->max || (gssize)strlen(text) != len)
    return FALSE;
  if (column->kind != NAME) /* a user may have named a file in any charset */
    return g_utf8_validate(text, len, NULL);
  return !strchr(text, '/') && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

static gboolean fits(IndexStmt *row, int i, const Column *column) {
  int type = sqlite3_column_type(row, i);
  gint64 value;
  if (type == SQLITE_NULL)
    return column->none;
  switch (column->kind) {
  case NUMBER:
    value = sqlite3_column_int64(row, i);
    return type == SQLITE_INTEGER && value >= column->min && value <= column->max;
  case TEXT:
  case NAME:
    return type == SQLITE_TEXT && is_text(row, i, column);
  case BLOB:
    value = sqlite3_column_bytes(row, i);
    return type == SQLITE_BLOB && value >= column->min && value <= column->max;
  }
  return FALSE;
}

/* ---- what an index confirms ----------------------------------------------------------------------------------- */

/* Columns of the row, in the order in which the index is asked for them; its first one last. */
static gboolean is_confirmed(IndexDb *db, const char *sql, IndexStmt *row, const int *columns, int n) {
  g_autoptr(IndexStmt) stmt = index_use(db, sql);
  gint64 found = 0;
  for (int i = 0; i < n; i++)
    sqlite3_bind_value(stmt, i + 1, sqlite3_column_value(row, columns[i]));
  return index_number(db, stmt, &found, NULL);
}

/* A copy from before may be from before a renumbering. */
static gboolean is_of_now(Salvage *salvage, gint64 mailbox) {
  static const char sql[] = "SELECT uidvalidity FROM mailbox WHERE row = ?1";
  g_autoptr(IndexStmt) then = index_use(salvage->witness->db, sql), now = index_use(salvage->txn.db, sql);
  gint64 old = 0, new = 0;
  sqlite3_bind_int64(then, 1, mailbox);
  sqlite3_bind_int64(now, 1, mailbox);
  return index_number(salvage->witness->db, then, &old, NULL) && index_number(salvage->txn.db, now, &new, NULL) &&
         old == new;
}

static gboolean has_sure_uid(Salvage *salvage, IndexStmt *row) {
  static const int columns[] = {MESSAGE_MAILBOX, MESSAGE_UID, 0};
  gboolean of_now = salvage->witness->db && is_of_now(salvage, sqlite3_column_int64(row, MESSAGE_MAILBOX));
  if (salvage->from->old && !of_now)
    return FALSE;
  return is_confirmed(salvage->from->db,
                      "SELECT 1 FROM message INDEXED BY message_uid WHERE mailbox = ?1 AND uid = ?2 AND gone = 0"
                      " AND row = ?3",
                      row, columns, G_N_ELEMENTS(columns)) ||
         (of_now && is_confirmed(salvage->witness->db,
                                 "SELECT 1 FROM message WHERE mailbox = ?1 AND uid = ?2 AND gone = 0 AND row = ?3", row,
                                 columns, G_N_ELEMENTS(columns)));
}

static gboolean is_sure_change(Salvage *salvage, IndexStmt *row) {
  static const int columns[] = {CHANGE_OP, CHANGE_MAILBOX, CHANGE_TARGET, CHANGE_STATE, 0};
  return is_confirmed(salvage->from->db,
                      "SELECT 1 FROM journal INDEXED BY journal_group WHERE op = ?1 AND mailbox = ?2 AND target = ?3"
                      " AND state = ?4 AND seq = ?5",
                      row, columns, G_N_ELEMENTS(columns));
}

/* ---- copying --------------------------------------------------------------------------------------------------- */

typedef struct {
  Salvage *salvage;
  SalvageTable table;
  IndexStmt *insert, *have;
  gboolean bad; /* some rows held what they cannot hold */
  guint pending;
} Copy;

static gboolean run(Copy *copy, GError **error) {
  gboolean ok = index_run(copy->salvage->txn.db, copy->insert, error);
  sqlite3_reset(copy->insert);
  return ok;
}

static gboolean have_already(Copy *copy, IndexStmt *row) {
  sqlite3_bind_value(copy->have, 1, sqlite3_column_value(row, 0));
  gboolean have = sqlite3_step(copy->have) == SQLITE_ROW;
  sqlite3_reset(copy->have);
  return have;
}

/* The name, or the UID, is another's, who was read before. */
static gboolean insert_otherwise(Copy *copy, IndexStmt *row, GError **error) {
  g_autofree char *name = g_strdup_printf("salvaged.%" G_GINT64_FORMAT ".eml", (gint64)sqlite3_column_int64(row, 0));
  sqlite3_bind_null(copy->insert, MESSAGE_UID + 1);
  sqlite3_bind_text(copy->insert, MESSAGE_NAME + 1, name, -1, SQLITE_TRANSIENT);
  return run(copy, error);
}

static gboolean insert_row(Copy *copy, IndexStmt *row, GError **error) {
  Salvage *salvage = copy->salvage;
  gboolean message = copy->table == SALVAGE_MESSAGE;
  for (int i = 0; i < tables[copy->table].n; i++)
    sqlite3_bind_value(copy->insert, i + 1, sqlite3_column_value(row, i));
  if (message && sqlite3_column_type(row, MESSAGE_UID) != SQLITE_NULL && !has_sure_uid(salvage, row))
    sqlite3_bind_null(copy->insert, MESSAGE_UID + 1);
  if (!run(copy, error))
    return FALSE;
  if (message && sqlite3_changes(salvage->txn.db->sql) == 0 && !insert_otherwise(copy, row, error))
    return FALSE;
  salvage->saved[copy->table] += sqlite3_changes(salvage->txn.db->sql) > 0;
  return TRUE;
}

static void note_change(Salvage *salvage, IndexStmt *row) {
  gint64 seq = sqlite3_column_int64(row, 0);
  if (salvage->from->old)
    g_hash_table_add(salvage->old, g_memdup2(&seq, sizeof seq));
  else if (is_sure_change(salvage, row))
    g_hash_table_add(salvage->sure, g_memdup2(&seq, sizeof seq));
}

static gboolean commit_now_and_then(Copy *copy, GError **error) {
  if (++copy->pending % COMMIT_EVERY != 0)
    return TRUE;
  return index_db_exec(copy->salvage->txn.db, "COMMIT; BEGIN IMMEDIATE", error);
}

static gboolean copy_row(IndexStmt *row, gpointer data, GError **error) {
  Copy *copy = data;
  Salvage *salvage = copy->salvage;
  int n = tables[copy->table].n;
  for (int i = 0; i < n; i++)
    if (!fits(row, i, &tables[copy->table].columns[i])) {
      copy->bad = TRUE;
      return TRUE;
    }
  if (sqlite3_column_int64(row, n) != 0 || have_already(copy, row))
    return TRUE;
  /* Of a copy from before only what was to be sent counts; the rest may have been done, or undone, since. */
  if (copy->table == SALVAGE_JOURNAL && salvage->from->old && sqlite3_column_int(row, CHANGE_OP) != 1)
    return TRUE;
  if (copy->table == SALVAGE_JOURNAL)
    note_change(salvage, row);
  return insert_row(copy, row, error) && commit_now_and_then(copy, error);
}

static char *column_list(SalvageTable table, const char *tail) {
  GString *text = g_string_new(NULL);
  for (int i = 0; i < tables[table].n; i++)
    g_string_append_printf(text, "%s%s", i > 0 ? ", " : "", tables[table].columns[i].name);
  return g_string_free(g_string_append(text, tail), FALSE);
}

static gboolean prepare(Copy *copy, GError **error) {
  sqlite3 *sql = copy->salvage->txn.db->sql;
  SalvageTable table = copy->table;
  g_autofree char *columns = column_list(table, ""), *marks = g_strnfill((gsize)tables[table].n * 2 - 1, '?');
  for (int i = 1; i < tables[table].n * 2 - 1; i += 2)
    marks[i] = ',';
  g_autofree char *insert =
      g_strdup_printf("INSERT OR IGNORE INTO %s(%s) VALUES(%s)", tables[table].name, columns, marks);
  g_autofree char *have =
      g_strdup_printf("SELECT 1 FROM %s WHERE %s = ?1", tables[table].name, tables[table].columns[0].name);
  return (sqlite3_prepare_v2(sql, insert, -1, &copy->insert, NULL) == SQLITE_OK &&
          sqlite3_prepare_v2(sql, have, -1, &copy->have, NULL) == SQLITE_OK) ||
         index_db_fail(copy->salvage->txn.db, error);
}

gboolean salvage_copy(Salvage *salvage, SalvageTable table, GError **error) {
  SalvageSource *from = salvage->from;
  Copy copy = {.salvage = salvage, .table = table};
  g_autofree char *columns = column_list(table, tables[table].living);
  from->cut[table] = TRUE;
  gboolean ok =
      !from->db || (prepare(&copy, error) && salvage_scan(from->db, tables[table].name, tables[table].columns[0].name,
                                                          columns, copy_row, &copy, &from->cut[table], error));
  sqlite3_finalize(copy.insert);
  sqlite3_finalize(copy.have);
  from->cut[table] |= copy.bad;
  return ok;
}
