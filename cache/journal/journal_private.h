/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the journal share. Nobody else includes this, but for the journal's own test. */
#include "cache/index/index_private.h"
#include "cache/journal/journal.h"

/* ---- journal_row.c: rows -------------------------------------------------------------------------------- */
typedef struct {
  gint64 seq, message, mailbox, target, after, due;
  JournalOp op;
  JournalState state;
  gboolean spooled;
  JournalFlags flags; /* the words are keywords[] */
  char *keywords[2];
} JournalRow;
void journal_row_clear(JournalRow *row);

/* Numbers bound to ?1, ?2, ... of a statement without a result, or of one with a single number (FALSE and no error:
 * no row, or NULL). */
gboolean journal_run(IndexTxn *txn, const char *sql, const gint64 *numbers, gsize n, GError **error);
gboolean journal_number(IndexDb *db, const char *sql, const gint64 *numbers, gsize n, gint64 *ret, GError **error);
/* The same of one number, inside a job; 0 where there is none. */
gboolean journal_number_or_none(IndexTxn *txn, const char *sql, gint64 number, gint64 *ret, GError **error);
#define JOURNAL_RUN(txn, error, sql, ...)                                                                              \
  journal_run(txn, sql, (const gint64[]){__VA_ARGS__}, G_N_ELEMENTS(((const gint64[]){__VA_ARGS__})), error)
#define JOURNAL_NUMBER(db, ret, error, sql, ...)                                                                       \
  journal_number(db, sql, (const gint64[]){__VA_ARGS__}, G_N_ELEMENTS(((const gint64[]){__VA_ARGS__})), ret, error)

gboolean journal_get_row(IndexTxn *txn, gint64 seq, JournalRow *ret, GError **error); /* GONE: there is none */
gboolean journal_insert(IndexTxn *txn, JournalRow *row, GError **error);              /* sets seq; due now */
/* The NEW of a message; FALSE and no error: it has none. */
gboolean journal_find_new(IndexTxn *txn, gint64 message, JournalRow *ret, GError **error);

gboolean journal_message(IndexTxn *txn, gint64 row, IndexMessage *ret, GError **error); /* GONE: it is no more */
gboolean journal_shown(IndexTxn *txn, gint64 row, IndexMessage *ret, GError **error); /* GONE also where it is hidden */
gboolean journal_end_message(IndexTxn *txn, gint64 row, GError **error);              /* and its rows here */
/* FALSE, EXISTS: another message or folder is called so there. */
gboolean journal_name_free(IndexTxn *txn, gint64 folder, const char *name, gint64 row, GError **error);

/* ---- journal_show.c: the overlay -------------------------------------------------------------------------- */
/* The place of a message from its row and what waits here, under the name that it has or the next that is free. Both
 * folders are touched where it changed. *ret (or NULL): from where, to where. */
gboolean journal_show(IndexTxn *txn, gint64 row, JournalUndone *ret, GError **error);
gboolean journal_set_name(IndexTxn *txn, gint64 row, const char *name, GError **error);

/* ---- journal.c ---------------------------------------------------------------------------------------------- */
/* `message` as it is shown leaves that place: it ends, or is to be removed; not before `after` (or 0) has left. */
gboolean journal_leave(IndexTxn *txn, const IndexMessage *message, gint64 after, gboolean *ret_spooled, GError **error);

/* ---- journal_place.c ---------------------------------------------------------------------------------------- */
/* A row of this message is READY that was not, or left: what waits behind it becomes part of a NEW that is to be sent,
 * and of several moves and changes of flags one. */
gboolean journal_fold(IndexTxn *txn, gint64 row, GError **error);
gboolean journal_give_up_place(IndexTxn *txn, gint64 row, GError **error); /* its name is free */
/* Its NEW; FALSE in *ret_has: it has none. */
gboolean journal_has_new(IndexTxn *txn, gint64 row, JournalRow *ret, gboolean *ret_has, GError **error);
/* At most one MOVE waits, and none to where the message will be anyhow. */
gboolean journal_move(IndexTxn *txn, const IndexMessage *message, gint64 folder, GError **error);

/* ---- journal_flags.c -------------------------------------------------------------------------------------- */
/* The flags of a message with what waits on top; with `sent`, only what the server was told. FALSE: no such row. */
gboolean journal_flags_over(IndexDb *db, gint64 row, gboolean sent, guint *ret, char **ret_keywords, GError **error);
gboolean journal_fold_flags(IndexTxn *txn, gint64 row, GError **error); /* what was not sent, into one row */
gboolean journal_set_flags(IndexTxn *txn, gint64 row, guint flags, const char *keywords, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(JournalRow, journal_row_clear)
