/* SPDX-License-Identifier: MIT */
#include "imap/append_plan.h"

#include <string.h>

#include "imap/date.h"
#include "imap/flags.h"
#include "imap/limits.h"

#define FLAGS_MAX 4000 /* octets: leaves room in IMAP_LIMIT_COMMAND */

GError *imap_append_objection(const ImapAppend *message) {
  g_autofree char *flags = imap_flags_format(message->flags, message->keywords);
  if (message->size == 0) /* would cancel a MULTIAPPEND */
    return g_error_new_literal(IMAP_ERROR, IMAP_ERROR_CONFIG, "a message cannot be empty");
  if (message->size > IMAP_LIMIT_BODY) /* could not be read again */
    return g_error_new_literal(IMAP_ERROR, IMAP_ERROR_TOOBIG, "the message is too large for any mailbox");
  if (strlen(flags) > FLAGS_MAX)
    return g_error_new_literal(IMAP_ERROR, IMAP_ERROR_CONFIG, "the message has too many keywords");
  return NULL;
}

guint imap_append_batch(const ImapAppend *messages, guint n, gboolean many, guint64 *ret_octets) {
  guint taken = 1;
  guint64 octets = messages[0].size;
  many = many && octets <= IMAP_APPEND_SMALL;
  while (many && taken < n && taken < IMAP_APPEND_MESSAGES) {
    g_autoptr(GError) bad = imap_append_objection(&messages[taken]);
    guint64 size = messages[taken].size;
    if (bad != NULL || size > IMAP_APPEND_SMALL || octets + size > IMAP_APPEND_BATCH)
      break;
    octets += size;
    taken++;
  }
  *ret_octets = octets;
  return taken;
}

void imap_append_encode(ImapEncoder *encoder, const ImapAppend *message, gboolean waits) {
  g_autofree char *flags = imap_flags_format(message->flags, message->keywords);
  /* Cyrus and Courier refuse a message for a date before 1970. */
  g_autofree char *date =
      message->internaldate != IMAP_UNKNOWN_DATE ? imap_date_format(MAX(message->internaldate, 0)) : NULL;
  imap_encoder_raw(encoder, " ");
  if (strcmp(flags, "()") != 0) {
    imap_encoder_raw(encoder, flags);
    imap_encoder_raw(encoder, " ");
  }
  if (date != NULL) {
    imap_encoder_raw(encoder, "\"");
    imap_encoder_raw(encoder, date);
    imap_encoder_raw(encoder, "\" ");
  }
  imap_encoder_announce(encoder, message->size, waits);
}
