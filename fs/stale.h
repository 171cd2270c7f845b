/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * Files whose octets changed without the kernel's doing, until it has been told: lines that were given CR LF when the
 * last writer closed a file, a rewrite that was refused. Thread-safe.
 */
typedef struct _Stale Stale;

Stale *stale_new(void);
void stale_free(Stale *stale);

/* Opening a file, and closing or renaming one that was written, come one after the other. Waits for the disk at most.
 */
void stale_enter(Stale *stale, guint64 ino);
/* For the closing of a file, which goes before all that the kernel sent later: it has arrived, and it is its turn. */
void stale_expect(Stale *stale, guint64 ino);
void stale_enter_expected(Stale *stale, guint64 ino);
/* Until every closing that has arrived is over, of whatever file: for what may be the same file under another number.
 * May wait for the disk; a tenth of a second at most. */
void stale_await_closing(Stale *stale);
void stale_leave(Stale *stale, guint64 ino);

typedef enum {
  STALE_NOT,
  STALE_PAGES, /* the kernel has the size, but perhaps old octets */
  STALE_SIZE,  /* it may have an old size, too */
} StaleState;

StaleState stale_look(Stale *stale, guint64 ino);
void stale_mark(Stale *stale, guint64 ino, StaleState state); /* the octets have changed */
void stale_looked_up(Stale *stale, guint64 ino);              /* and LOOKUP is answered with its attributes */
/* It is being told, and has been: `mark` is what the first returned. */
guint stale_telling(Stale *stale, guint64 ino);
void stale_told(Stale *stale, guint64 ino, guint mark);
