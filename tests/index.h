/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>

#include "cache/cache.h"
#include "cache/index/index_private.h"

/* An index in a directory of its own, and the jobs that its tests have in common. */
typedef struct {
  char *path;
  int fd;
} IndexDir;

extern IndexDir index_dir;

void index_setup(void); /* a checked fixture */
void index_teardown(void);

Index *open_index(gboolean *unclean); /* or the test fails */
void do_write(Index *index, IndexJob job, gpointer data);

gint64 add_mailbox(Index *index, gint64 parent, const char *name); /* UIDVALIDITY 7 */
gboolean put_mailbox(IndexTxn *txn, gpointer mailbox, GError **error);
gboolean set_state(IndexTxn *txn, gpointer mailbox, GError **error);

typedef struct {
  gint64 mailbox;
  guint32 first, n;
  gint64 last_row; /* out */
} Range;
gboolean add_range(IndexTxn *txn, gpointer range, GError **error); /* of message_of() */
void add_messages(Index *index, gint64 mailbox, guint32 first, guint32 n);
IndexMessage message_of(gint64 mailbox, guint32 uid); /* every UID another, and always the same */

typedef struct {
  IndexMessage message;
  gboolean added; /* out */
} Add;
gboolean add_one(IndexTxn *txn, gpointer add, GError **error);

/* A line for each name that leaves, into `names`, or NULL. */
void remove_messages(Index *index, gint64 mailbox, guint32 first, guint32 last, GString *names);

typedef struct {
  gint64 row;
  guint64 size;
  gint64 ctime;
} Size;
gboolean set_size(IndexTxn *txn, gpointer size, GError **error);
gboolean set_meta(IndexTxn *txn, gpointer key, GError **error);
gboolean exec_sql(IndexTxn *txn, gpointer sql, GError **error);
guint64 count_messages(Index *index, guint64 *bytes);
