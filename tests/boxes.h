/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * The mailboxes of a scripted server, as data. A letter is known by the folder that it first stood in and a number,
 * which unless said otherwise is its UID: "letter 3 of INBOX". A copy of it that differs in what no listing shows (1b)
 * has the same Date, From, Subject, Message-ID and size. Changes are told in one line each:
 *
 *   folder INBOX uidvalidity 7: 1 2 3     is there, and was made just now where it was there before
 *   new INBOX: 4 5                        arrive; "9=1" is letter 1 under UID 9, "9=1b" the other copy
 *   gone INBOX: 2                         are expunged
 *   flags INBOX 3: \Seen $Work            and no others
 *   letter INBOX 3: 1b                    UID 3 is another letter from now on, and nothing tells
 *   date INBOX 3: 00-Jan-0000 ...         its INTERNALDATE, and nothing tells
 *   rename INBOX Old                      "uidvalidity 8: 11=1 12=2" behind it renumbers
 *   delete INBOX
 */
typedef struct {
  guint32 uid;
  guint64 modseq;
  char *origin; /* the letter */
  guint number;
  char copy;
  char *flags, *date;
} BoxMessage;

typedef struct {
  guint32 uid;
  guint64 modseq;
} BoxGone;

typedef struct {
  guint id; /* never used again: one that is renamed, or deleted and made anew, is another to whoever has it open */
  char *name, *attrs, *mailboxid, *oldname;
  guint32 uidvalidity, uidnext;
  guint64 modseq, notified; /* notified: up to where NOTIFY has told */
  gboolean fresh;           /* NOTIFY has not told of its name */
  GPtrArray *messages;      /* BoxMessage, by UID */
  GArray *gone;             /* BoxGone, oldest first */
} Box;

typedef struct _Boxes Boxes;

Boxes *boxes_new(void);
void boxes_free(Boxes *boxes);

/* The name of the folder that changed, NULL where the line is no change; *ret_wrong: what is wrong with it. */
char *boxes_change(Boxes *boxes, const char *line, char **ret_wrong);

GPtrArray *boxes_all(Boxes *boxes); /* Box, by name */
Box *boxes_find(Boxes *boxes, const char *name);
Box *boxes_by_id(Boxes *boxes, guint id);
BoxMessage *box_message(const Box *box, guint32 uid);

char *letter_header(const char *origin, guint number, char copy, gboolean four_fields); /* with the blank line */
char *letter_text(const char *origin, guint number, char copy);

/* "INBOX uidvalidity 7: 1 2 3" in parts. */
typedef struct {
  char **words; /* before the colon */
  char **after; /* and after it; neither is NULL */
  char *rest;   /* the same as it was written */
} Phrase;
void phrase_read(const char *text, Phrase *ret);
void phrase_clear(Phrase *phrase);
const char *phrase_option(const Phrase *phrase, const char *name); /* the word behind it, or NULL */

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Phrase, phrase_clear)
