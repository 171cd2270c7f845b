/* SPDX-License-Identifier: MIT */
/*
 * Of a folder. `messages` and `unseen` count what is shown, with what the journal will change: what a listing and the
 * flags of its files would give. A folder that was never listed is listed for it.
 */
#include "cache/attribute.h"

#include <string.h>

static CacheAnswer get_special_use(const IndexMailbox *mailbox, char **ret) {
  static const struct {
    guint attr;
    const char *name;
  } uses[] = {
      {IMAP_ATTR_ALL, "\\All"},         {IMAP_ATTR_ARCHIVE, "\\Archive"}, {IMAP_ATTR_DRAFTS, "\\Drafts"},
      {IMAP_ATTR_FLAGGED, "\\Flagged"}, {IMAP_ATTR_JUNK, "\\Junk"},       {IMAP_ATTR_SENT, "\\Sent"},
      {IMAP_ATTR_TRASH, "\\Trash"},
  };
  g_autoptr(GString) text = g_string_new(NULL);
  for (guint i = 0; i < G_N_ELEMENTS(uses); i++)
    if (mailbox->attrs & uses[i].attr)
      g_string_append_printf(text, "%s%s", text->len > 0 ? " " : "", uses[i].name);
  return attribute_text(text->len > 0 ? text->str : NULL, ret);
}

static CacheAnswer get_count(Cache *cache, const IndexMailbox *mailbox, gboolean unseen, char **ret, GError **error) {
  guint64 counts[2] = {0};
  if (!cache_is_listed(mailbox)) {
    sync_kick(cache->sync);
    sync_want(cache->sync, mailbox);
    return CACHE_WAIT;
  }
  if (!index_count_messages(cache->account.index, mailbox->row, &counts[0], &counts[1], error))
    return CACHE_FAILED;
  return attribute_number(counts[unseen], ret);
}

typedef enum { SPECIAL_USE, MESSAGES, UNSEEN, UIDNEXT, ATTRIBUTES } Which;
static const char *const names[ATTRIBUTES] = {"special_use", "messages", "unseen", "uidnext"};

static Which find(const char *name) {
  guint i = 0;
  while (i < ATTRIBUTES && strcmp(names[i], name) != 0)
    i++;
  return (Which)i;
}

gboolean attribute_folder_has(const char *name) {
  return find(name) != ATTRIBUTES;
}

CacheAnswer attribute_of_folder(Cache *cache, gint64 row, const char *name, char **ret, GError **error) {
  g_auto(IndexMailbox) mailbox = {0};
  Which which = find(name);
  if (which == ATTRIBUTES)
    return attribute_unsupported(error);
  if (!index_get_mailbox(cache->account.index, row, &mailbox, error))
    return cache_none_or_failed(error);
  switch (which) {
  case SPECIAL_USE:
    return get_special_use(&mailbox, ret);
  case MESSAGES:
  case UNSEEN:
    return get_count(cache, &mailbox, which == UNSEEN, ret, error);
  case UIDNEXT:
    return mailbox.uidnext != 0 ? attribute_number(mailbox.uidnext, ret) : CACHE_ABSENT;
  case ATTRIBUTES:
    break;
  }
  return CACHE_ABSENT;
}
