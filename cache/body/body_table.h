/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * Which bodies are kept, and which goes next. Rows and numbers only: no files, no clock, no locks. See body_table.c for
 * the rules. A pointer to an entry is good until the next body_table_add().
 */
typedef enum { BODY_MAIN, BODY_PROBATION, BODY_QUEUES } BodyQueue;

typedef struct {
  gint64 row;
  guint64 used; /* order of last use */
  guint64 bytes : 56, queue : 1, verified : 1, held : 1, dirty : 1;
  guint32 first;               /* s: when it came; 0: in an earlier run */
  guint32 older, newer, chain; /* private */
} BodyEntry;

typedef struct _BodyTable BodyTable;

BodyTable *body_table_new(guint64 limit);
void body_table_free(BodyTable *table);

BodyEntry *body_table_find(BodyTable *table, gint64 row);
BodyEntry *body_table_add(BodyTable *table, gint64 row, guint64 bytes, guint32 now); /* replaces an entry of this row */
/* As it was in an earlier run; call in order of use. */
BodyEntry *body_table_restore(BodyTable *table, gint64 row, guint64 bytes, BodyQueue queue, guint64 used);
void body_table_use(BodyTable *table, BodyEntry *entry, guint32 now);
void body_table_verified(BodyTable *table, BodyEntry *entry);
gboolean body_table_remove(BodyTable *table, gint64 row);
void body_table_clear(BodyTable *table);

gboolean body_table_accepts(const BodyTable *table, guint64 bytes); /* small enough to be kept at all */
guint64 body_table_bytes(const BodyTable *table);
guint body_table_dirty(const BodyTable *table); /* entries whose use or verification is not written down */

/* Takes out the entry that goes next and returns its row, or 0: while more than `limit` is kept, or, with `shrink`, in
 * any case; *ret_bytes is what it freed. */
gint64 body_table_evict(BodyTable *table, gboolean shrink, guint64 *ret_bytes);

/* Calls back for each dirty entry, the latest used first, and clears its mark. */
void body_table_flush(BodyTable *table, void (*each)(const BodyEntry *entry, gpointer data), gpointer data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BodyTable, body_table_free)
