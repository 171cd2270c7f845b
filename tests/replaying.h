/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/replay/replay_state.h"
#include "tests/account.h"

/*
 * The ops of the replay on one connection and without its thread. Over a scripted server there are two mailboxes, and
 * three messages in the first:
 *
 *   box   UIDVALIDITY 7   1 "one", 2 "two", 3 "three": 50 octets each, \Seen, called 1.eml, ...
 *   to    UIDVALIDITY 5   UIDNEXT 20
 */
typedef struct {
  TestAccount *test;
  Sync *sync;
  Replay *replay;
  gint64 box, to;
  GArray *rows; /* gint64: of the messages, as `rows` in the functions below counts them, from 1 on */
} Replaying;

Replaying *replaying_new(const char *capabilities, const char *script);
Replaying *replaying_on(TestAccount *test, const char *box, const char *to); /* taken; folders that it has, listed */
void replaying_free(Replaying *r);

/* What users do. */
void replaying_move(Replaying *r, guint first, guint last); /* from box into to, under the same names */
void replaying_remove(Replaying *r, guint first, guint last);
void replaying_flag(Replaying *r, guint first, guint last, const JournalFlags *flags);
void replaying_rmdir(Replaying *r, gint64 mailbox);

/* The next batch that is due (put off or not: the clock is ahead). FALSE: there is none. *ret_alive (or NULL): the op
 * said so. */
gboolean replaying_step(Replaying *r, gboolean *ret_alive);
void replaying_all(Replaying *r);   /* until there is none; the line must hold */
void replaying_crash(Replaying *r); /* what was sent is unknown from now on */

/* "to:20" for a message that the server has there and that is shown there; "box:1@to" where it is shown elsewhere,
 * "box:1@-" nowhere; "gone". All rows, with blanks between. A new string. */
char *replaying_places(Replaying *r);
char *replaying_shown(Replaying *r, gint64 folder); /* the names in it, blank-separated. A new string */
guint64 replaying_left(Replaying *r);               /* changes in the journal */
/* What the server has there, as far as we know: "1:3,7". A new string. */
char *replaying_uids(Replaying *r, gint64 mailbox);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Replaying, replaying_free)
