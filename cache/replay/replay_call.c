/* SPDX-License-Identifier: MIT */
/* Servers refuse an APPEND with flags that they do not keep, so those are left out. */
#include "cache/replay/replay_call.h"

#include "cache/journal/words.h"

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

void replay_call_extend(ReplayCall *call, Account *account, const IndexAccess *access) {
  guint n = call->items->len;
  call->messages = g_renew(ImapAppend, call->messages, n);
  call->outcomes = g_renew(ImapAppended, call->outcomes, n);
  for (; call->n < n; call->n++) {
    const JournalItem *item = call->items->pdata[call->n];
    call->outcomes[call->n] = (ImapAppended){0};
    call->messages[call->n] = (ImapAppend){.flags = allowed_flags(access, item->flags),
                                           .keywords = (const char *const *)allowed_keywords(access, item->keywords),
                                           .internaldate = item->internaldate,
                                           .size = item->size,
                                           .source = replay_octets_new(account, item)};
  }
}

void replay_call_clear(ReplayCall *call) {
  for (guint i = 0; i < call->n; i++) {
    g_strfreev((char **)call->messages[i].keywords);
    replay_octets_free(call->messages[i].source);
    imap_appended_clear(&call->outcomes[i]);
  }
  g_free(call->messages);
  g_free(call->outcomes);
}
