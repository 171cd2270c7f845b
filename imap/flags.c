/* SPDX-License-Identifier: MIT */
#include "imap/flags.h"

#include <string.h>

#include "imap/limits.h"

#define KEYWORD_MAX 255 /* octets; no server documents more */

static const struct {
  const char *name;
  ImapFlags flag;
} names[] = {
    {"\\Seen", IMAP_FLAG_SEEN},       {"\\Answered", IMAP_FLAG_ANSWERED}, {"\\Flagged", IMAP_FLAG_FLAGGED},
    {"\\Deleted", IMAP_FLAG_DELETED}, {"\\Draft", IMAP_FLAG_DRAFT},       {"\\Recent", IMAP_FLAG_RECENT},
};

guint imap_flag_find(const char *name, gsize len) {
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    if (len == strlen(names[i].name) && g_ascii_strncasecmp(name, names[i].name, len) == 0)
      return names[i].flag;
  }
  return 0;
}

/* An atom of RFC 3501: it goes into a command as it is. */
gboolean imap_keyword_valid(const char *keyword) {
  gsize len = strlen(keyword);
  if (len == 0 || len > KEYWORD_MAX)
    return FALSE;
  for (gsize i = 0; i < len; i++) {
    if (!g_ascii_isgraph(keyword[i]) || strchr("(){%*\"\\]", keyword[i]))
      return FALSE;
  }
  return TRUE;
}

char *imap_flags_format(guint flags, const char *const *keywords) {
  g_autoptr(GPtrArray) words = g_ptr_array_new();
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    if ((flags & names[i].flag) && names[i].flag != IMAP_FLAG_RECENT)
      g_ptr_array_add(words, (char *)names[i].name);
  }
  for (; keywords && *keywords; keywords++) {
    if (imap_keyword_valid(*keywords))
      g_ptr_array_add(words, (char *)*keywords);
  }
  g_ptr_array_add(words, NULL);
  g_autofree char *joined = g_strjoinv(" ", (char **)words->pdata);
  return g_strconcat("(", joined, ")", NULL);
}

void imap_mailbox_permit(ImapMailbox *mailbox, char **words) {
  g_autoptr(GStrvBuilder) keywords = g_strv_builder_new();
  guint n = 0;
  mailbox->limited = TRUE;
  mailbox->permanent = 0;
  mailbox->any_keyword = FALSE;
  for (; words != NULL && *words != NULL; words++) {
    guint flag = imap_flag_find(*words, strlen(*words));
    mailbox->permanent |= flag;
    if (strcmp(*words, "\\*") == 0)
      mailbox->any_keyword = TRUE;
    else if (flag == 0 && n++ < IMAP_LIMIT_KEYWORDS)
      g_strv_builder_add(keywords, *words);
  }
  g_strfreev(mailbox->keywords);
  mailbox->keywords = g_strv_builder_end(keywords);
}
