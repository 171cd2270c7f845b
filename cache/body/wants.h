/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * The bodies that are wanted and not here: who waits for them, and which connection was asked. Pure bookkeeping,
 * thread-safe, no I/O: the lanes of the fetcher take from it and report to it.
 */
typedef struct _Wants Wants;

typedef struct {
  gint64 row, mailbox;
  guint32 uid;
  guint64 size;      /* expected octets */
  gboolean large;    /* takes long on this line: asked for alone. Said once, so that all lanes agree whose it is */
  guint tries;       /* how often it was asked for in vain, where that may be its own fault */
  gboolean doubtful; /* asked for in vain, at least in company: nothing else should be in flight with it */
} Want;

/* Who wants it, and whether it is large. */
typedef enum {
  WANTS_READER_SMALL = 1 << 0,
  WANTS_READER_LARGE = 1 << 1,
  WANTS_AHEAD_SMALL = 1 << 2,
  WANTS_AHEAD_LARGE = 1 << 3,
  WANTS_READER = WANTS_READER_SMALL | WANTS_READER_LARGE,
  WANTS_AHEAD = WANTS_AHEAD_SMALL | WANTS_AHEAD_LARGE,
} WantsKinds;

Wants *wants_new(void);
void wants_free(Wants *wants);

/* One reader waits (more). TRUE: a lane has something new to ask for. */
gboolean wants_wait(Wants *wants, const Want *want);
/* Nobody waits yet. Ignored where it is wanted already, and beyond WANTS_AHEAD_MAX. */
void wants_ahead(Wants *wants, const Want *want);
/* One reader gave up, whose wait began before `since` (monotonic µs): it is not counted in what was wanted later. A
 * body that is not yet asked for and that nobody else waits for is forgotten. */
void wants_leave(Wants *wants, gint64 row, gint64 since);
/* Forgets what was wanted ahead in this mailbox (0: in all) and not yet asked for. */
void wants_drop_ahead(Wants *wants, gint64 mailbox);

/* Takes up to `n` wants of one mailbox (`mailbox`, or where that is 0 of the first in line), whose sizes add up to at
 * most `bytes` (the first always fits). Waiting ones first. Appends to `ret` (Want); returns how many. Doubtful ones
 * are taken among themselves, a few or one at a time, and where `mailbox` is 0: nothing is in flight. */
guint wants_take(Wants *wants, WantsKinds kinds, gint64 mailbox, guint64 bytes, guint n, GArray *ret);
/* Blocks until wants_take() would find something, or wants_close(). FALSE: closed. */
gboolean wants_await(Wants *wants, WantsKinds kinds);

guint wants_waiters(Wants *wants, gint64 row);
guint wants_readers(Wants *wants); /* that wait, for whatever */
/* It is here, or never will be: forgotten. Returns how many waited. */
guint wants_finish(Wants *wants, gint64 row);
/* Asked for in vain: back to the head of its line, doubtful. It is a try only where it was asked for alone, or for the
 * second time: the server may have stumbled over another. */
void wants_return(Wants *wants, gint64 row);
/* Asked for in vain, because it is being moved: kept, and not asked for again before wants_move(), or a new reader. */
void wants_park(Wants *wants, gint64 row);
gboolean wants_is_parked(Wants *wants, gint64 row);
/* It is to be asked for there from now on (where it is not asked for just now). TRUE: a lane has something to ask for.
 */
gboolean wants_move(Wants *wants, gint64 row, gint64 mailbox, guint32 uid);
/* Takes out all that wait and are not yet asked for (and match kinds), in a new array of gint64: to be failed. */
GArray *wants_give_up(Wants *wants, WantsKinds kinds);

guint64 wants_outstanding(Wants *wants); /* octets asked for, by all lanes, and not finished or returned */
void wants_close(Wants *wants);

#define WANTS_AHEAD_MAX 20000

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Wants, wants_free)
