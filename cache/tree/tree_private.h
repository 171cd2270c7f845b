/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the tree share. Nobody else includes this. */
#include "cache/tree/tree.h"

typedef struct {
  Account *account;
  gint stamp;          /* Account.tree_stamp of this picture */
  gboolean stale;      /* out: another has changed the folders since: nothing was done */
  GPtrArray *rows;     /* IndexMailbox*, owned: as in the index, then with the changes */
  GHashTable *by_raw;  /* raw -> IndexMailbox* of rows */
  GHashTable *by_row;  /* row -> IndexMailbox* */
  GHashTable *names;   /* set of "PARENT/NAME" */
  GHashTable *present; /* set of raw names LIST gave, and their parents */
  GPtrArray *listings; /* ImapListing*, by name */
  GHashTable *hints;   /* raw -> raw before: renames the server told of, borrowed; or NULL */
  GHashTable *renamed; /* raw -> row of mailboxes known to be old ones; or NULL */
  gboolean end_missing;
  gboolean missing;    /* out: some were missing and kept */
  GPtrArray *ended;    /* out: borrowed IndexMailbox* */
  GPtrArray *emptied;  /* out: the same, of those that hold messages no longer */
  GPtrArray *moved;    /* out: Moved*, the names under which rows are no longer seen */
  GHashTable *touched; /* out: set of parent rows whose membership changed */
} Tree;

typedef struct {
  CacheEventType type; /* MOVED, or REMOVED */
  CacheKind kind;
  gint64 row, parent;
  char *name;
} Moved;

/* The picture is that of all changes before it. Blocks until they are committed. */
gboolean tree_load(Tree *tree, Account *account, GError **error);
void tree_clear(Tree *tree);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Tree, tree_clear)
void tree_know(Tree *tree, IndexMailbox *mailbox);    /* it is in rows, and has a row */
char *tree_name_key(gint64 parent, const char *name); /* of Tree.names; a new string */
void tree_touch(Tree *tree, gint64 row);
void tree_note(Tree *tree, CacheEventType type, CacheKind kind, gint64 row, gint64 parent, const char *name);

/* tree_show.c */
gboolean tree_is_hidden(Tree *tree, const IndexMailbox *mailbox); /* hide= says so */
/* What nothing in the parent is called; a new string. `part`: of the server's name. */
char *tree_free_name(Tree *tree, gint64 parent, const char *part);

/* tree_rename.c: fills Tree.renamed. Blocks. FALSE: the connection is lost. */
gboolean tree_find_renamed(Tree *tree, ImapConn *conn, GHashTable *status, GError **error);

/* tree_apply.c: jobs of the index, on a Tree. */
gboolean tree_apply_listings(IndexTxn *txn, gpointer tree, GError **error);
gboolean tree_apply_hiding(IndexTxn *txn, gpointer tree, GError **error);
/* These listings only; what they do not show stays. */
gboolean tree_apply_part(IndexTxn *txn, gpointer tree, GError **error);
/* After the commit: what went; and whose members changed, but for the folder `knows` (or 0), of which it is known. */
void tree_tell_ended(Tree *tree);
void tree_tell_touched(Tree *tree, gint64 knows);
gboolean tree_drop_messages(Tree *tree, GError **error); /* of `ended` and `emptied` */
