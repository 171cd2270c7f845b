/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/response.h"
#include "imap/value.h"

/* Private to imap/response*.c: the readers behind the table of imap/response.c. Each takes what
 * follows the name and fills its part of the event, or fails with IMAP_ERROR_PROTOCOL or _LIMIT. */
typedef gboolean (*ImapReader)(ImapIter *args, ImapEvent *event, GError **error);

gboolean imap_read_fetch(ImapIter *args, ImapEvent *event, GError **error);
gboolean imap_read_list(ImapIter *args, ImapEvent *event, GError **error);
gboolean imap_read_lsub(ImapIter *args, ImapEvent *event, GError **error);
gboolean imap_read_mailbox_status(ImapIter *args, ImapEvent *event, GError **error);
gboolean imap_read_namespace(ImapIter *args, ImapEvent *event, GError **error);
gboolean imap_read_quota(ImapIter *args, ImapEvent *event, GError **error);
gboolean imap_read_myrights(ImapIter *args, ImapEvent *event, GError **error);

gboolean imap_read_fail(GError **error, const char *what); /* FALSE, with IMAP_ERROR_PROTOCOL */
