/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"

/*
 * What may be done where, learnt from SELECT, MYRIGHTS and APPENDLIMIT (kept in the index) and GETQUOTAROOT
 * (cache/learnt.h), so that a call that the server would refuse fails at once and nothing is journalled. What is not
 * known is allowed: then the journal finds out.
 */
typedef enum {
  ACCESS_ADD,           /* a message into it */
  ACCESS_REMOVE,        /* one out of it */
  ACCESS_FLAG,          /* flags but \Seen and \Deleted */
  ACCESS_SEEN,          /* \Seen */
  ACCESS_MAKE_FOLDER,   /* below it */
  ACCESS_REMOVE_FOLDER, /* it */
} AccessWish;

/* READONLY or PERMISSION. Answers from the index. */
gboolean access_check(Account *account, gint64 mailbox, AccessWish wish, GError **error);
/* TOOBIG or QUOTA: a message of this size would not be taken, after all that waits to be sent. */
gboolean access_check_size(Account *account, gint64 mailbox, guint64 size, GError **error);

/* Asks the server what is not known of this mailbox or was asked long ago; also quota. Owns the connection. A refusal
 * to tell is no error. */
gboolean access_learn(Account *account, ImapConn *conn, gint64 mailbox, GError **error);
/* The same of some of those that users have opened, where it is time. */
gboolean access_learn_some(Account *account, ImapConn *conn, GError **error);
/* So much was added there: its quota is due. (0, 0): something was refused there, and its rights are due, too. */
void access_spent(Account *account, gint64 mailbox, guint64 octets, guint64 messages);
/* A SELECT was made and said this. */
gboolean access_selected(Account *account, gint64 mailbox, const ImapMailbox *opened, GError **error);
