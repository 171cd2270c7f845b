/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/index/index.h"

/*
 * Recognises programs that read message after message, in listing order (grep -r, tar) or in name order (rsync, restic,
 * shell globs), and says which bodies they will want. Asks the index, never the network. Used by one thread.
 */
typedef struct _Ahead Ahead;

Ahead *ahead_new(Index *index, guint64 most); /* most: octets wanted ahead of one reader */
void ahead_free(Ahead *ahead);

/* It was opened. Appends to ret (IndexNext) what is newly worth wanting, nearest first; nothing for random access. */
void ahead_opened(Ahead *ahead, gint64 mailbox, gint64 row, GArray *ret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ahead, ahead_free)
