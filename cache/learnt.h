/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/imap.h"

/*
 * What was heard in this run of what the server grants, and when it was asked. In memory, thread-safe, never blocks.
 * Quotas are of roots, which have no name here: mailboxes with the same limits are taken to share one.
 */
typedef struct _Learnt Learnt;

Learnt *learnt_new(gint64 (*now)(void)); /* NULL: g_get_monotonic_time() */
void learnt_free(Learnt *learnt);

/* The rights of this mailbox were never asked for, or long ago. */
gboolean learnt_rights_due(Learnt *learnt, gint64 mailbox);
void learnt_rights_asked(Learnt *learnt, gint64 mailbox);
void learnt_rights_doubted(Learnt *learnt, gint64 mailbox); /* something was refused: they are due */

/* Something happens to this mailbox: it is not opened only to ask before it has been quiet for a while. */
void learnt_stirred(Learnt *learnt, gint64 mailbox);
gboolean learnt_is_quiet(Learnt *learnt, gint64 mailbox);
/* To be asked for in a while; forgotten when it is asked for before. */
void learnt_put_off(Learnt *learnt, gint64 mailbox);
gint64 learnt_put_off_until(Learnt *learnt); /* monotonic µs: the first of them; 0: there is none */
gint64 learnt_take(Learnt *learnt);          /* one whose time has come, put off no longer; 0: none */

gboolean learnt_quota_due(Learnt *learnt, gint64 mailbox);
void learnt_quota_told(Learnt *learnt, gint64 mailbox, const ImapQuota *quota);
/* So much was added to this mailbox, or something was refused or removed there (0): the quota is due. */
void learnt_quota_spent(Learnt *learnt, gint64 mailbox, guint64 octets, guint64 messages);

/* What is known of the mailbox now. */
void learnt_quota(Learnt *learnt, gint64 mailbox, ImapQuota *ret);
void learnt_last_quota(Learnt *learnt, ImapQuota *ret); /* of whichever mailbox was asked for last */

/* How many octets wait to be sent: adding them up takes longer the more there are. FALSE: not known, or a while ago. */
gboolean learnt_waiting(Learnt *learnt, guint64 *ret);
void learnt_waiting_told(Learnt *learnt, guint64 octets);
