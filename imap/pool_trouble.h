/* SPDX-License-Identifier: MIT */
#pragma once

#include <gio/gio.h>

#include "imap/error.h"

/*
 * What an account has suffered, and how long to keep away because of it: back-off after failures to connect, refused
 * logins, and the pause that the server asked for. Bookkeeping alone: no lock (the pool's guards it), no connection.
 */
typedef struct {
  GError *last;     /* the last failure to connect, or NULL */
  gint64 next_try;  /* monotonic; 0: now */
  gint64 backoff;   /* the last delay */
  guint refusals;   /* logins refused in a row */
  char *plea;       /* in the server's words, and until when; NULL: no pause */
  gint64 plea_ends; /* CLOCK_BOOTTIME, µs, as a server counts a laptop's sleep; also of the last one that has passed */
  gint64 delay;     /* of the last pause without a time */
} ImapTrouble;

#define IMAP_TROUBLE_REFUSALS 3 /* logins: providers lock accounts after a few more */

void imap_trouble_clear(ImapTrouble *trouble);

void imap_trouble_connected(ImapTrouble *trouble);
void imap_trouble_failed(ImapTrouble *trouble, const GError *error);

/* Why nothing should be tried now, or NULL; `connected`: on a connection that is there. A new error. */
GError *imap_trouble_error(const ImapTrouble *trouble, gboolean connected);
gint64 imap_trouble_next_try(const ImapTrouble *trouble); /* monotonic; 0: now; G_MAXINT64: when told to */

/* The server wants to be left alone for `delay` µs, 0: it did not say how long. TRUE if that is news: *ret_until is the
 * end in seconds since 1970. */
gboolean imap_trouble_pause(ImapTrouble *trouble, const char *text, gint64 delay, gint64 *ret_until);
void imap_trouble_restore_pause(ImapTrouble *trouble, gint64 until); /* *ret_until of an earlier run */
gboolean imap_trouble_paused(const ImapTrouble *trouble);
/* TRUE, once, when a pause has passed. */
gboolean imap_trouble_pause_over(ImapTrouble *trouble);

void imap_trouble_forget(ImapTrouble *trouble);    /* the user says so */
void imap_trouble_reset(ImapTrouble *trouble);     /* the network is another: not where the server itself said no */
gboolean imap_trouble_hurry(ImapTrouble *trouble); /* TRUE where the line was down: it is tried once now */

char *imap_trouble_describe(const ImapTrouble *trouble); /* "next try in 12 s: ...", or NULL; a new string */
