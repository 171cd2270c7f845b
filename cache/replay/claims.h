/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

/*
 * Who may look at a mailbox, or change it: one at a time. A delta that ran while our own APPEND or MOVE is under way
 * would find messages that are ours as somebody else's, or miss one that only moved. The replay waits for its
 * turn; whoever keeps folders true tries, and comes back when it is told. So nobody waits for another while he holds a
 * connection. Thread-safe.
 */
typedef struct _Claims Claims;

/* `freed` (or NULL): a mailbox that somebody tried in vain is free again; called without a lock. */
Claims *claims_new(void (*freed)(gint64 mailbox, gpointer data), gpointer data);
void claims_free(Claims *claims);

gboolean claims_try(Claims *claims, gint64 mailbox);
gboolean claims_contended(Claims *claims, gint64 mailbox); /* somebody waits to take it: give way soon */
/* Both (the second may be 0), and never one alone. Blocks. FALSE: cancelled. */
gboolean claims_take(Claims *claims, gint64 mailbox, gint64 other, GCancellable *cancellable);
void claims_release(Claims *claims, gint64 mailbox, gint64 other);
