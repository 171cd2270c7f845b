/* SPDX-License-Identifier: MIT */
#pragma once

#include <check.h>

#include "tests/account.h"

/* An account with one mailbox, "box", that was never listed; and the lines of a server that is asked about it. */
#define FIELDS "BODY.PEEK[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)]"
#define ITEMS "(UID FLAGS INTERNALDATE RFC822.SIZE " FIELDS ")"
#define BARE "(UID FLAGS INTERNALDATE RFC822.SIZE)"
#define OPEN(exists, validity, next)                                                                                   \
  "C: @ EXAMINE \"box\"\nS: * " exists " EXISTS\nS: * OK [UIDVALIDITY " validity "] x\nS: * OK [UIDNEXT " next         \
  "] x\nS: @ OK\n"
#define UIDS(list) "C: @ UID SEARCH ALL\nS: * SEARCH " list "\nS: @ OK\n"
#define ASK(set, items) "C: @ UID FETCH " set " " items "\n"
#define ROW(uid, subject)                                                                                              \
  "S: * 1 FETCH (UID " uid " FLAGS (\\Seen) INTERNALDATE \"01-Jan-2020 00:00:00 +0000\" RFC822.SIZE 50"                \
  " BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)] \"Subject: " subject "\")\n"
#define OK "S: @ OK\n"
#define STATUS(messages, next, validity)                                                                               \
  "C: @ STATUS \"box\" (MESSAGES UIDNEXT UIDVALIDITY)\n"                                                               \
  "S: * STATUS box (MESSAGES " messages " UIDNEXT " next " UIDVALIDITY " validity ")\nS: @ OK\n"

#define LEAVE "C: @ UNSELECT\nS: @ OK\n"
#define CHANGED "(UID FLAGS)"
#define FLAGS(set) ASK(set, "(UID FLAGS)")
#define SINCE(set, modseq) ASK(set, "(UID FLAGS) (CHANGEDSINCE " modseq ")")
#define FLAG(uid, flags) "S: * 1 FETCH (UID " uid " FLAGS (" flags "))\n"

extern gint64 box; /* its row */

TestAccount *box_start(const char *capabilities, const char *script);
void box_list(TestAccount *test); /* the first listing, or the next: it must succeed */
IndexListed box_state(TestAccount *test);
char *box_uids(TestAccount *test); /* "1:3" of what the index has */
gint64 box_row(TestAccount *test, guint32 uid);
guint box_flags(TestAccount *test, guint32 uid);

#define ck_uids(test, text)                                                                                            \
  do {                                                                                                                 \
    g_autofree char *have = box_uids(test);                                                                            \
    ck_assert_str_eq(have, text);                                                                                      \
  } while (0)
