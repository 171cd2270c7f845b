/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/index/index.h"

/*
 * What IDLE was begun on: a folder, under the name it had, as the mailbox that was opened. Either may become another
 * while it lasts, and then what the server tells is about something else. Thread-safe; no network.
 */
typedef struct _Seat Seat;

Seat *seat_new(void); /* nothing is sat on */
void seat_free(Seat *seat);

void seat_take(Seat *seat, const IndexMailbox *mailbox, ImapMailbox *opened); /* takes what `opened` holds */
void seat_leave(Seat *seat);

/* The folder is still called that and is that mailbox, or nothing is sat on. */
gboolean seat_is_right(Seat *seat, Index *index);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Seat, seat_free)
