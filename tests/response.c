/* SPDX-License-Identifier: MIT */
#include "tests/response.h"

#include <check.h>

static const char *const event_names[] = {
    [IMAP_EVENT_OTHER] = "other",
    [IMAP_EVENT_CONTINUE] = "continue",
    [IMAP_EVENT_STATUS] = "status",
    [IMAP_EVENT_CAPABILITY] = "capability",
    [IMAP_EVENT_ENABLED] = "enabled",
    [IMAP_EVENT_LIST] = "list",
    [IMAP_EVENT_MAILBOX_STATUS] = "mailbox",
    [IMAP_EVENT_NAMESPACE] = "namespace",
    [IMAP_EVENT_ID] = "id",
    [IMAP_EVENT_SEARCH] = "search",
    [IMAP_EVENT_EXISTS] = "exists",
    [IMAP_EVENT_EXPUNGE] = "expunge",
    [IMAP_EVENT_VANISHED] = "vanished",
    [IMAP_EVENT_FLAGS] = "flags",
    [IMAP_EVENT_FETCH] = "fetch",
    [IMAP_EVENT_QUOTA] = "quota",
    [IMAP_EVENT_MYRIGHTS] = "myrights",
};

static void describe_bytes(GString *into, const char *name, GBytes *bytes) {
  if (!bytes)
    return;
  gsize len;
  const char *data = g_bytes_get_data(bytes, &len);
  g_autofree char *text = g_strndup(len > 0 ? data : "", len);
  g_autofree char *escaped = g_strescape(text, "\"");
  g_string_append_printf(into, " %s=<%s>", name, escaped);
}

static void describe_condition(GString *into, const ImapEvent *event) {
  static const char *const conditions[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
  g_autoptr(GError) named = imap_response_error(IMAP_NO, event->code, "");
  const char *code = event->code == IMAP_CODE_NONE      ? "none"
                     : event->code == IMAP_CODE_UNKNOWN ? "unknown"
                                                        : strrchr(named->message, ' ') + 1;
  g_string_append_printf(into, " %s %s", conditions[event->condition], code);
}

static void describe_words(GString *into, char **words) {
  g_autofree char *joined = words ? g_strjoinv(",", words) : NULL;
  if (joined)
    g_string_append_printf(into, " words=%s", joined);
}

static void describe_pairs(GString *into, const ImapUidmap *map) {
  gsize n = 0;
  const ImapUidrun *runs = map ? imap_uidmap_runs(map, &n) : NULL;
  for (gsize i = 0; i < n; i++)
    g_string_append_printf(into, "%s%u>%u*%u", i > 0 ? "," : " pairs=", runs[i].from, runs[i].to, runs[i].n);
}

static void describe_quota(GString *into, const ImapQuota *quota) {
  if (quota->has_storage)
    g_string_append_printf(into, " storage=%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, quota->storage,
                           quota->storage_limit);
  if (quota->has_messages)
    g_string_append_printf(into, " messages=%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, quota->messages,
                           quota->messages_limit);
}

static void describe_message(GString *into, const ImapMessage *message) {
  g_string_append_printf(into, " seq=%u", message->seq);
  if (message->has & IMAP_HAS_UID)
    g_string_append_printf(into, " uid=%u", message->uid);
  if (message->has & IMAP_HAS_FLAGS)
    g_string_append_printf(into, " flags=%02x", message->flags);
  describe_words(into, message->keywords);
  if (message->has & IMAP_HAS_DATE)
    g_string_append_printf(into, " date=%" G_GINT64_FORMAT, message->internaldate);
  ck_assert(!!(message->has & IMAP_HAS_DATE) == (message->internaldate != IMAP_UNKNOWN_DATE));
  if (message->has & IMAP_HAS_SIZE)
    g_string_append_printf(into, " size=%" G_GUINT64_FORMAT, message->size);
  ck_assert(!!(message->has & IMAP_HAS_SIZE) == (message->size != IMAP_UNKNOWN_SIZE));
  if (message->has & IMAP_HAS_MODSEQ)
    g_string_append_printf(into, " modseq=%" G_GUINT64_FORMAT, message->modseq);
  if (message->has & IMAP_HAS_EMAILID)
    g_string_append_printf(into, " emailid=%s", message->emailid);
  ck_assert(!!(message->has & IMAP_HAS_EMAILID) == !!message->emailid);
  ck_assert(!!(message->has & IMAP_HAS_HEADER) == !!message->header);
  describe_bytes(into, "header", message->header);
  if (message->has & IMAP_HAS_BODY)
    g_string_append(into, " body");
  describe_bytes(into, "bytes", message->body);
  if (message->has & IMAP_HAS_NIL_BODY)
    g_string_append(into, " nil-body");
}

static void describe_mailboxes(GString *into, const ImapEvent *event) {
  if (event->listing.name)
    g_string_append_printf(into, " name=%s delimiter=%c attrs=%x", event->listing.name,
                           event->listing.delimiter ? event->listing.delimiter : '0', event->listing.attrs);
  if (event->listing.oldname)
    g_string_append_printf(into, " oldname=%s", event->listing.oldname);
  if (event->status.name)
    g_string_append_printf(into, " name=%s", event->status.name);
  if (event->status.has_messages)
    g_string_append_printf(into, " messages=%u", event->status.messages);
  if (event->status.has_uidnext)
    g_string_append_printf(into, " uidnext=%u", event->status.uidnext);
  if (event->status.has_uidvalidity)
    g_string_append_printf(into, " uidvalidity=%u", event->status.uidvalidity);
  if (event->status.has_modseq)
    g_string_append_printf(into, " modseq=%" G_GUINT64_FORMAT, event->status.modseq);
  if (event->status.appendlimit > 0)
    g_string_append_printf(into, " appendlimit=%" G_GUINT64_FORMAT, event->status.appendlimit);
  if (event->personal.prefix)
    g_string_append_printf(into, " prefix=%s delimiter=%c", event->personal.prefix,
                           event->personal.delimiter ? event->personal.delimiter : '0');
}

char *response_line(const ImapEvent *event) {
  GString *into = g_string_new(event_names[event->type]);
  if (event->tag)
    g_string_append_printf(into, " tag=%s", event->tag);
  if (event->type == IMAP_EVENT_STATUS)
    describe_condition(into, event);
  if (event->number > 0)
    g_string_append_printf(into, " number=%" G_GUINT64_FORMAT, event->number);
  describe_words(into, event->words);
  describe_pairs(into, event->uidmap);
  describe_quota(into, &event->quota);
  g_autofree char *uids = event->uids ? imap_seqset_format(event->uids) : NULL;
  if (uids)
    g_string_append_printf(into, " uids=%s", uids);
  if (event->type == IMAP_EVENT_FETCH)
    describe_message(into, &event->message);
  describe_mailboxes(into, event);
  if (event->text)
    g_string_append_printf(into, " text=%s", event->text);
  return g_string_free(into, FALSE);
}
