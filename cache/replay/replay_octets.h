/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/journal/journal.h"
#include "cache/replay/replay.h"

/* The octets of a new message, wherever they lie: in the journal, in the spool, or in the body of the message that it
 * is a copy of. Opened at the first read, so that a thousand of them cost neither memory nor files. */
typedef struct _ReplayOctets ReplayOctets;

ReplayOctets *replay_octets_new(Account *account, const JournalItem *item);
void replay_octets_free(ReplayOctets *octets);

/* They are here, and as many as were accepted. Else an error; GONE: they are nowhere here. */
gboolean replay_octets_open(ReplayOctets *octets, GError **error);
/* Fetches the body of the message that it is a copy of. FALSE: it cannot be had, or the line is lost. */
gboolean replay_octets_fetch(ReplayOctets *octets, ImapConn *conn, GError **error);
gboolean replay_octets_read(gpointer octets, void *buffer, gsize len, gsize *ret_len,
                            GError **error);                    /* ImapReadFunc */
const GError *replay_octets_failed(const ReplayOctets *octets); /* why reading failed; or NULL */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplayOctets, replay_octets_free)
