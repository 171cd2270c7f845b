/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/conn.h"

/* Private to imap/mailbox.c, opening.c and search.c: the UIDs that a running command names. */
#define IMAP_SEARCH_ALL "UID SEARCH RETURN (ALL) ALL" /* RFC 4731 */

typedef struct {
  ImapSeqset *uids;
  gboolean answered;
} ImapSearch;

/* An ImapEventFunc for SEARCH and ESEARCH; data is an ImapSearch. */
gboolean imap_search_event(ImapEvent *event, gpointer data, GError **error);

/* It named a set, and one that can be: iCloud leaves the UIDs out (horde/Imap_Client#17), which reads like "none". */
gboolean imap_search_is_answered(const ImapSearch *search, guint32 exists);

/* Adds a set to another. FALSE, with IMAP_ERROR_LIMIT, where it becomes larger than any mailbox makes it. */
gboolean imap_search_add(ImapSeqset *into, const ImapSeqset *uids, GError **error);
