/* SPDX-License-Identifier: MIT */
/* Servers refuse an APPEND with flags that they do not keep, so those are left out. */
#include "cache/replay_call.h"

#include "cache/words.h"

static guint allowed_flags(const IndexAccess *access, guint flags) {
  flags &= ~(guint)IMAP_FLAG_RECENT;
  return access->limited ? flags & access->permanent : flags;
}

static char **allowed_keywords(const IndexAccess *access, const char *keywords) {
  if (!access->limited || access->any_keyword)
    return words_split(keywords);
  g_autofree char *kept = words_within(keywords, access->keywords);
  return words_split(kept);
}

ReplayCall replay_call(Account *account, const IndexAccess *access, GPtrArray *items) {
  ReplayCall call = {
      .items = items, .messages = g_new0(ImapAppend, items->len), .outcomes = g_new0(ImapAppended, items->len)};
  for (guint i = 0; i < items->len; i++) {
    const JournalItem *item = items->pdata[i];
    call.messages[i] = (ImapAppend){.flags = allowed_flags(access, item->flags),
                                    .keywords = (const char *const *)allowed_keywords(access, item->keywords),
                                    .internaldate = item->internaldate,
                                    .size = item->size,
                                    .source = replay_octets_new(account, item)};
  }
  return call;
}

void replay_call_clear(ReplayCall *call) {
  for (guint i = 0; i < call->items->len; i++) {
    g_strfreev((char **)call->messages[i].keywords);
    replay_octets_free(call->messages[i].source);
    imap_appended_clear(&call->outcomes[i]);
  }
  g_free(call->messages);
  g_free(call->outcomes);
}
