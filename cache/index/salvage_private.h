/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the salvage share. Nobody else includes this. */
#include "cache/index/index_private.h"

typedef enum {
  SALVAGE_MAILBOX,
  SALVAGE_MESSAGE,
  SALVAGE_JOURNAL,
  SALVAGE_OCTETS,
  SALVAGE_BODY,
  SALVAGE_TABLES,
} SalvageTable;

/* A file that rows are read from. */
typedef struct {
  IndexDb *db;                  /* NULL: it cannot be opened */
  gint damaged;                 /* of db */
  gboolean old;                 /* a copy from before: what is not in it may be, what is in it may have been done */
  gboolean cut[SALVAGE_TABLES]; /* out: not all rows could be read */
} SalvageSource;

#define SALVAGE_ASIDE "index.db.salvaging"
#define SALVAGE_REPAIR "index.db.repair"

typedef struct {
  IndexTxn txn; /* the new index */
  int dirfd;
  SalvageSource *from;
  const SalvageSource *witness;  /* the copy, for what two files agree in */
  GHashTable *sure, *old;        /* sets of seq: rows of the journal that are what they were; that are from a copy */
  guint saved[SALVAGE_TABLES];   /* rows */
  guint lost, dropped, returned; /* files; changes; files now in lost+found */
} Salvage;

/* salvage_scan.c: calls `each` for each row of `table` that can be read, in no order. `columns` begins with `key`, the
 * INTEGER PRIMARY KEY. *ret_cut: there were some that cannot. FALSE: `each` failed. */
typedef gboolean (*SalvageEach)(IndexStmt *row, gpointer data, GError **error);
gboolean salvage_scan(IndexDb *db, const char *table, const char *key, const char *columns, SalvageEach each,
                      gpointer data, gboolean *ret_cut, GError **error);

/* salvage_table.c: copies the rows that hold what such a row can hold. */
gboolean salvage_copy(Salvage *salvage, SalvageTable table, GError **error);

/* salvage_repair.c: a copy of the damaged file with the table of tables of `fresh`. *ret_made FALSE: that does not
 * fit. */
gboolean salvage_repair(IndexDb *fresh, int dirfd, gboolean *ret_made, GError **error);
void salvage_repair_clear(int dirfd);

/* salvage_carve.c: what has the shape of a row of `octets`, in any page of the file and of its WAL. `each` is first
 * called with NULL: FALSE, it does not want this row. */
#define SALVAGE_CARVE_MOST (1u << 20) /* octets of such a row: the index holds 256 kB at most */
typedef gboolean (*SalvageCarved)(gint64 row, const guint8 *octets, gsize len, gpointer data);
void salvage_carve(int dirfd, const char *name, SalvageCarved each, gpointer data);

/* salvage_octets.c */
GArray *salvage_numbers(IndexTxn *txn, const char *sql, GError **error); /* the first column; NULL: error */
gboolean salvage_has_hash(const void *octets, gsize len, const guint8 wanted[32]);
/* Octets that the journal misses, where the damaged file holds them on a page that no path leads to. */
gboolean salvage_hunt_octets(Salvage *salvage, GError **error);

/* salvage_journal.c: what becomes of the changes, when all has been copied. */
gboolean salvage_journal(Salvage *salvage, gboolean cut, GError **error);
