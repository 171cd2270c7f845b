/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/replay/replay_octets.h"

/* New messages that are appended together: what imap_append() asks for, and what it answers. Only for replay_append.c.
 */
typedef struct {
  GPtrArray *items; /* JournalItem; not ours */
  ImapAppend *messages;
  ImapAppended *outcomes;
  guint n;       /* of messages and outcomes */
  guint settled; /* the first of them */
} ReplayCall;

/* Describes those at the end of `items` that are not yet: at first all. */
void replay_call_extend(ReplayCall *call, Account *account, const IndexAccess *access);
void replay_call_clear(ReplayCall *call);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReplayCall, replay_call_clear)
