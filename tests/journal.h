/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/journal/journal.h"
#include "tests/index.h"

/* An index with two mailboxes and lost+found, and the jobs of the journal as calls. */
typedef struct {
  Index *index;
  gint64 inbox, archive, lost, local; /* local: a debris directory in inbox */
} JournalTest;

extern JournalTest journal_test;

void journal_setup(void); /* a checked fixture */
void journal_teardown(void);
void journal_reopen(void); /* as after a crash of the process: the journal is opened anew */

/* What users do. */
gint64 journal_make(gint64 folder, const char *name);                 /* empty, LOCAL, held */
void journal_fill(gint64 row, JournalState state, gint64 due);        /* six octets */
gint64 journal_upload(gint64 folder, const char *name);               /* both: READY and due */
gint64 journal_server(gint64 mailbox, guint32 uid, const char *name); /* the server has it */
gint64 journal_rewrite(gint64 old);                                   /* by journal_replace() */
void journal_rm(gint64 row);
void journal_mv(gint64 row, gint64 folder, const char *name, gint64 replaces); /* READY */
void journal_set(gint64 row, guint add, guint remove, const char *add_keywords, const char *remove_keywords);
void journal_drop_folder(gint64 mailbox);
/* Any of it that is expected to fail. */
typedef gboolean (*JournalCall)(IndexTxn *txn, gpointer data, GError **error);
void journal_fails(JournalCall call, gpointer data, CacheError code);

/* What is shown. */
gint64 journal_folder(gint64 row); /* -1: it has ended */
gint64 journal_at(gint64 folder, const char *name);
gint64 journal_mailbox(gint64 row, guint32 *ret_uid);
gint64 journal_count(const char *sql); /* of a query of one number, on the file */

/* What the replay does. */
gboolean journal_take(JournalBatch *batch, guint most); /* journal_next() now; FALSE: nothing */
void journal_expect(JournalBatch *batch, JournalOp op, JournalState state, guint n);
JournalItem *journal_item(JournalBatch *batch, guint i);
void journal_sent(JournalBatch *batch); /* UIDNEXT 100 */
IndexLeft journal_place(gint64 seq, gint64 mailbox, guint32 uid);
void journal_end(gint64 seq, gboolean finish); /* journal_finish(), or journal_done() */
JournalUndone journal_no(gint64 seq);
void journal_state(gint64 seq, JournalState state);
void journal_again(gint64 seq, gint64 due);
