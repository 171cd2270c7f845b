/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * Where listings fall, over and over: a message at whose description a server crashes, fails ("SERVERBUG"), or says
 * what cannot be parsed. Remembered for this mount, thread-safe, no I/O.
 */
typedef struct _Stumbles Stumbles;

typedef enum {
  STUMBLE_NONE,
  STUMBLE_BARE, /* ask for it alone and last, without header fields */
  STUMBLE_SKIP, /* do not ask: list it by its UID alone */
} Stumble;

Stumbles *stumbles_new(void);
void stumbles_free(Stumbles *stumbles);

/* The connection was lost, or FETCH refused for now, while this message was the first that had not been answered. */
void stumbles_note(Stumbles *stumbles, gint64 mailbox, guint32 uid);
/* What to do about the message that the last listings of this mailbox fell at; *ret_uid is which. */
Stumble stumbles_at(Stumbles *stumbles, gint64 mailbox, guint32 *ret_uid);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stumbles, stumbles_free)
