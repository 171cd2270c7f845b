/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/index/index.h"

/* Turns one listing response into the row that the index will keep: name, dates and fingerprint are made here, once.
 * `entered`: the second at which it came into the folder after its first listing, or 0 during that. Pure. */
void message_from_fetch(const ImapMessage *fetched, gint64 mailbox, gboolean names_uid, gint64 entered, gint64 now,
                        IndexMessage *ret);
