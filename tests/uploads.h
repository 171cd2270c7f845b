/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/replay/replay_state.h"
#include "tests/account.h"

/* New messages on their way: one folder, "box" (UIDVALIDITY 7, UIDNEXT 10 over a scripted server), and the replay
 * without its thread. */
typedef struct {
  TestAccount *test;
  Sync *sync;
  Replay *replay;
  gint64 box;
} Uploads;

Uploads *uploads_new(const char *capabilities, const char *script);
Uploads *uploads_on(const ImapConfig *imap, const char *path); /* lists the folders; `path` is the box */
void uploads_free(Uploads *u);

/* A new message that is ready. `copy`: row of the message that it is a copy of, and has no octets of its own; or 0. */
gint64 uploads_add(Uploads *u, const char *name, const char *text, gint64 copy);
gint64 uploads_add_flagged(Uploads *u, const char *name, const char *text, guint flags, const char *keywords);
gint64 uploads_add_spooled(Uploads *u, const char *name, gsize size);

/* The next batch that is due, or would be in some minutes; FALSE: there is none. */
gboolean uploads_take(Uploads *u, JournalBatch *ret);
/* That, and what becomes of it. FALSE: there is none. *ret_alive (or NULL): the line held.
 */
gboolean uploads_step(Uploads *u, gboolean *ret_alive);
void uploads_all(Uploads *u); /* until nothing is left; the line must hold */
void uploads_reconnect(Uploads *u);

/* "ready", "unknown", "confirmed 11", "11" (on the server, and compared), "refused: why", "gone". A new string. */
char *uploads_state(Uploads *u, gint64 row);
gboolean uploads_cached(Uploads *u, gint64 row); /* its body is */
guint64 uploads_left(Uploads *u);

#define ck_state(u, row, text)                                                                                         \
  do {                                                                                                                 \
    g_autofree char *have = uploads_state(u, row);                                                                     \
    ck_assert_str_eq(have, text);                                                                                      \
  } while (0)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Uploads, uploads_free)
