/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "imap/response_read.h"

/*
 * QUOTA (RFC 2087, 9208) and MYRIGHTS (RFC 4314). Both only tell in advance what a command would be refused for, so
 * what cannot be read is as if it were not said.
 */
#define KIB 1024 /* STORAGE is counted in these; Gmail's needs more than 32 bits */

static void read_resource(const ImapValue *name, guint64 used, guint64 limit, ImapQuota *quota) {
  if (imap_value_is(name, "STORAGE")) {
    quota->has_storage = TRUE;
    quota->storage = MIN(used, G_MAXINT64 / KIB) * KIB;
    quota->storage_limit = MIN(limit, G_MAXINT64 / KIB) * KIB;
  } else if (imap_value_is(name, "MESSAGE")) {
    quota->has_messages = TRUE;
    quota->messages = used;
    quota->messages_limit = limit;
  }
}

/* root (name used limit ...) */
gboolean imap_read_quota(ImapIter *args, ImapEvent *event, GError **error G_GNUC_UNUSED) {
  const ImapValue *root = imap_iter_next(args), *resources = imap_iter_next(args);
  ImapIter list;
  if (!root || !resources || !imap_value_list(resources, &list))
    return TRUE;
  for (;;) {
    const ImapValue *name = imap_iter_next(&list), *used = imap_iter_next(&list), *limit = imap_iter_next(&list);
    guint64 a, b;
    if (!limit)
      return TRUE;
    if (imap_value_number(used, G_MAXINT64, &a) && imap_value_number(limit, G_MAXINT64, &b))
      read_resource(name, a, b, &event->quota);
  }
}

/* The old "c" and "d" (RFC 2086) came to mean several of the new ones, and not the same ones everywhere. Where a server
 * says none of these, it means all: then a refusal tells. */
static guint read_old_rights(const char *text, guint rights) {
  const guint create = IMAP_RIGHT_CREATE | IMAP_RIGHT_DELETE_MAILBOX;
  const guint delete = IMAP_RIGHT_DELETE | IMAP_RIGHT_EXPUNGE | IMAP_RIGHT_DELETE_MAILBOX;
  guint old = 0;
  if (strchr(text, 'c') && !(rights & create))
    old |= create;
  if (strchr(text, 'd') && !(rights & delete))
    old |= delete;
  return rights | old;
}

gboolean imap_read_myrights(ImapIter *args, ImapEvent *event, GError **error G_GNUC_UNUSED) {
  static const char letters[] = "lrswipkxtea"; /* in the order of ImapRights */
  const ImapValue *mailbox = imap_iter_next(args), *value = imap_iter_next(args);
  g_autofree char *text = mailbox && value ? imap_value_dup_astring(value) : NULL;
  guint rights = 0;
  if (!text) {
    event->type = IMAP_EVENT_OTHER;
    return TRUE;
  }
  for (guint i = 0; letters[i]; i++)
    rights |= strchr(text, letters[i]) ? 1u << i : 0;
  event->number = read_old_rights(text, rights);
  return TRUE;
}
