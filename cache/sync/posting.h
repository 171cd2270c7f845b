/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * Messages of one mailbox on their way from a connection into the index: they are collected into batches and posted.
 * Only a few batches wait at a time; then posting_add() waits, so that memory is bounded by the disk's pace and not by
 * the folder. One thread uses it.
 */
typedef struct _Posting Posting;

typedef enum { POSTING_ROWS, POSTING_FLAGS } PostingKind; /* new rows, or new flags of those that are there */

/* `entered` as in message_from_fetch(). */
Posting *posting_new(Account *account, gint64 mailbox, PostingKind kind, gint64 entered);
gboolean posting_add(Posting *posting, const ImapMessage *fetched, GError **error);
/* The same as an ImapChangedFunc; posting_end() tells if it failed. */
void posting_take(const ImapMessage *fetched, gpointer posting);
/* Posts the rest and waits until all is committed. *ret_changed: rows came or changed. */
gboolean posting_end(Posting *posting, gboolean *ret_changed, GError **error);
void posting_free(Posting *posting); /* waits for what was posted; the rest is lost */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Posting, posting_free)
