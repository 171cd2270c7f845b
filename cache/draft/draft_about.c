/* SPDX-License-Identifier: MIT */
/*
 * What a file in the spool says of itself, for the day on which the index is lost: where it is to go, and as what. It
 * is written with the octets, and anew when a rename gives them another name; one that says an old name is no error.
 */
#include "cache/attribute_flags.h"
#include "cache/draft/draft_private.h"

static char *path_of(Account *account, gint64 folder) {
  g_autoptr(GString) path = g_string_new(NULL);
  for (guint depth = 0; folder != 0 && depth < 64; depth++) {
    g_auto(IndexMailbox) mailbox = {0};
    if (!index_get_mailbox(account->index, folder, &mailbox, NULL) || mailbox.parent == 0)
      break;
    if (path->len)
      g_string_prepend_c(path, '/');
    g_string_prepend(path, mailbox.name ? mailbox.name : "");
    folder = mailbox.parent;
  }
  return imap_clean_text(path->str, (gssize)path->len);
}

char *draft_about(Account *account, const IndexMessage *message) {
  g_autofree char *folder = path_of(account, message->folder), *name = imap_clean_text(message->name, -1);
  g_autofree char *flags = attribute_flags_format(message->flags, message->keywords);
  return g_strdup_printf("folder: %s\nname: %s\ndate: %" G_GINT64_FORMAT "\nflags: %s\n", folder, name,
                         message->internaldate, flags);
}

void drafts_describe(Account *account, gint64 row) {
  g_autoptr(GError) error = NULL;
  g_auto(IndexMessage) message = {0};
  if (!index_get_message(account->index, row, &message, &error) || message.gone)
    return;
  g_autofree char *about = draft_about(account, &message);
  if (!spool_describe(account->spool, row, about, &error))
    g_info("a file in the spool goes by its old name: %s", error->message);
}
