/* SPDX-License-Identifier: MIT */
#include "imap/response.h"

#include <string.h>

#include "imap/codes.h"
#include "imap/error.h"
#include "imap/response_read.h"

/*
 * The first word or two decide: "+", a condition (its text is free and is not parsed), or a row of
 * the table below. Only what has a row is parsed at all, so that whatever else a server says (METADATA,
 * RECENT, XLIST ...) can do no harm. A response we know but cannot read is an error: nothing tells how much of the
 * stream was misunderstood. Except for a few that are hints, and known to hold garbage: those go unheard.
 */
gboolean imap_read_fail(GError **error, const char *what) {
  g_set_error(error, IMAP_ERROR, IMAP_ERROR_PROTOCOL, "the server sent %s", what);
  return FALSE;
}

#define ID_WORDS 60

/* ---- untagged data -------------------------------------------------------------------------- */

static gboolean read_nothing(ImapIter *args G_GNUC_UNUSED, ImapEvent *event G_GNUC_UNUSED,
                             GError **error G_GNUC_UNUSED) {
  return TRUE;
}

static gboolean read_capability(ImapIter *args, ImapEvent *event, GError **error G_GNUC_UNUSED) {
  event->words = imap_codes_capabilities(args);
  return TRUE;
}

static gboolean read_words(ImapIter *args, ImapEvent *event, GError **error G_GNUC_UNUSED) {
  event->words = imap_iter_dup_words(args);
  return TRUE;
}

static gboolean read_flags(ImapIter *args, ImapEvent *event, GError **error) {
  const ImapValue *flags = imap_iter_next(args);
  ImapIter list;
  if (!flags || !imap_value_list(flags, &list))
    return imap_read_fail(error, "a FLAGS response that is no list");
  return read_words(&list, event, error);
}

static int compare_uids(gconstpointer a, gconstpointer b) {
  guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;
  return (x > y) - (x < y);
}

/* Numbers in any order, and perhaps (MODSEQ n) at the end. Some servers answer with UID 0 (OfflineIMAP). */
static gboolean read_search(ImapIter *args, ImapEvent *event, GError **error) {
  g_autoptr(GArray) uids = g_array_new(FALSE, FALSE, sizeof(guint32));
  for (const ImapValue *value; (value = imap_iter_next(args));) {
    guint64 n;
    if (imap_value_type(value) == IMAP_VALUE_LIST)
      continue;
    if (!imap_value_number(value, G_MAXUINT32, &n))
      return imap_read_fail(error, "a SEARCH result that is no number");
    guint32 uid = (guint32)n;
    if (uid > 0)
      g_array_append_val(uids, uid);
  }
  g_array_sort(uids, compare_uids);
  event->uids = imap_seqset_new();
  for (guint i = 0; i < uids->len; i++)
    imap_seqset_add(event->uids, g_array_index(uids, guint32, i), g_array_index(uids, guint32, i));
  return TRUE;
}

static ImapSeqset *read_set(const ImapValue *value) {
  const char *text;
  gsize len;
  return value && imap_value_atom(value, &text, &len) ? imap_seqset_parse(text, len, 0) : NULL;
}

/* [(TAG "x")] [UID] [name value]...: without ALL the result is empty. Without UID the numbers would be sequence
 * numbers, which we never ask for. */
static gboolean read_esearch(ImapIter *args, ImapEvent *event, GError **error) {
  gboolean uid = FALSE;
  for (const ImapValue *name; (name = imap_iter_next(args));) {
    if (imap_value_type(name) == IMAP_VALUE_LIST)
      continue;
    if (imap_value_is(name, "UID")) {
      uid = TRUE;
      continue;
    }
    const ImapValue *value = imap_iter_next(args);
    if (!imap_value_is(name, "ALL"))
      continue;
    g_clear_pointer(&event->uids, imap_seqset_free);
    event->uids = uid ? read_set(value) : NULL;
    if (!event->uids)
      return imap_read_fail(error, "an ESEARCH result that is no set of UIDs");
  }
  if (!event->uids)
    event->uids = imap_seqset_new();
  return TRUE;
}

/* Fields and values in turn. RFC 2971 section 3.3: not more than thirty of each. */
static gboolean read_id(ImapIter *args, ImapEvent *event, GError **error) {
  g_autoptr(GStrvBuilder) words = g_strv_builder_new();
  const ImapValue *value = imap_iter_next(args);
  ImapIter list;
  gboolean nil = value && imap_value_is(value, "NIL");
  if (!nil && (!value || !imap_value_list(value, &list)))
    return imap_read_fail(error, "an ID that is no list");
  for (guint i = 0; !nil && i < ID_WORDS && (value = imap_iter_next(&list)); i++) {
    g_autofree char *word = imap_value_is(value, "NIL") ? NULL : imap_value_dup_astring(value);
    g_strv_builder_add(words, word ? word : "");
  }
  event->words = g_strv_builder_end(words);
  return TRUE;
}

/* What cannot be read of it (iCloud, Mailspring-Sync#91) still tells that something vanished. */
static gboolean read_vanished(ImapIter *args, ImapEvent *event, GError **error G_GNUC_UNUSED) {
  const ImapValue *value = imap_iter_next(args);
  ImapIter list;
  if (value && imap_value_list(value, &list)) {
    event->number = 1;
    value = imap_iter_next(args);
  }
  event->uids = read_set(value);
  if (!event->uids)
    event->uids = imap_seqset_new();
  return TRUE;
}

static const struct {
  const char *name;
  gboolean numbered; /* "* 23 EXISTS" */
  ImapEventType type;
  ImapReader read;
} responses[] = {
    {"FETCH", TRUE, IMAP_EVENT_FETCH, imap_read_fetch},
    {"EXISTS", TRUE, IMAP_EVENT_EXISTS, read_nothing},
    {"EXPUNGE", TRUE, IMAP_EVENT_EXPUNGE, read_nothing},
    {"CAPABILITY", FALSE, IMAP_EVENT_CAPABILITY, read_capability},
    {"ENABLED", FALSE, IMAP_EVENT_ENABLED, read_words},
    {"LIST", FALSE, IMAP_EVENT_LIST, imap_read_list},
    {"LSUB", FALSE, IMAP_EVENT_LIST, imap_read_lsub},
    {"STATUS", FALSE, IMAP_EVENT_MAILBOX_STATUS, imap_read_mailbox_status},
    {"NAMESPACE", FALSE, IMAP_EVENT_NAMESPACE, imap_read_namespace},
    {"ID", FALSE, IMAP_EVENT_ID, read_id},
    {"SEARCH", FALSE, IMAP_EVENT_SEARCH, read_search},
    {"ESEARCH", FALSE, IMAP_EVENT_SEARCH, read_esearch},
    {"VANISHED", FALSE, IMAP_EVENT_VANISHED, read_vanished},
    {"FLAGS", FALSE, IMAP_EVENT_FLAGS, read_flags},
    {"QUOTA", FALSE, IMAP_EVENT_QUOTA, imap_read_quota},
    {"MYRIGHTS", FALSE, IMAP_EVENT_MYRIGHTS, imap_read_myrights},
};

/* ---- the line ------------------------------------------------------------------------------- */

typedef struct {
  const char *text;
  gsize len;
} Word;

static gboolean word_is(Word word, const char *name) {
  return word.len == strlen(name) && g_ascii_strncasecmp(word.text, name, word.len) == 0;
}

static gboolean find_condition(Word word, ImapCondition *ret) {
  static const char *const names[] = {
      [IMAP_OK] = "OK", [IMAP_NO] = "NO", [IMAP_BAD] = "BAD", [IMAP_BYE] = "BYE", [IMAP_PREAUTH] = "PREAUTH"};
  for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
    if (word_is(word, names[i])) {
      *ret = (ImapCondition)i;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean read_tagged(ImapParser *parser, Word tag, ImapEvent *event, GError **error) {
  Word word;
  if (!imap_parser_word(parser, &word.text, &word.len) || !find_condition(word, &event->condition) ||
      event->condition > IMAP_BAD)
    return imap_read_fail(error, "a line that is no response");
  event->type = IMAP_EVENT_STATUS;
  event->tag = g_strndup(tag.text, tag.len);
  imap_codes_read(parser, event);
  return TRUE;
}

/* "+" and perhaps text; nothing at all after it from Exchange and Yandex. */
static gboolean read_continue(ImapParser *parser, ImapEvent *event) {
  event->type = IMAP_EVENT_CONTINUE;
  if (parser->at < parser->end && *parser->at == ' ')
    parser->at++;
  event->text = g_strndup(parser->at, (gsize)(parser->end - parser->at));
  return TRUE;
}

/* Where it cannot be read it is as if it had not come: Cyrus 3.6 has memory garbage in STATUS. */
static gboolean is_hint(ImapEventType type) {
  return type == IMAP_EVENT_MAILBOX_STATUS || type == IMAP_EVENT_ID;
}

static gboolean read_row(guint row, ImapParser *parser, ImapEvent *event, GError **error) {
  g_autoptr(ImapValue) root = imap_parser_values(parser, 0, error);
  ImapIter args;
  event->type = responses[row].type;
  return root && imap_value_list(root, &args) && responses[row].read(&args, event, error);
}

static gboolean read_data(ImapParser *parser, Word name, gboolean numbered, ImapEvent *event, GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(responses); i++) {
    if (responses[i].numbered != numbered || !word_is(name, responses[i].name))
      continue;
    if (numbered && event->number == 0 && responses[i].type != IMAP_EVENT_EXISTS)
      return imap_read_fail(error, "a message number 0");
    g_autoptr(GError) failure = NULL;
    if (read_row(i, parser, event, &failure))
      return TRUE;
    if (is_hint(responses[i].type) && failure->code == IMAP_ERROR_PROTOCOL) {
      imap_event_clear(event);
      return TRUE;
    }
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
  }
  return TRUE;
}

static gboolean read_number(Word word, guint64 *ret) {
  guint64 n = 0;
  for (gsize i = 0; i < word.len; i++) {
    if (!g_ascii_isdigit(word.text[i]) || (n = n * 10 + (guint64)(word.text[i] - '0')) > G_MAXUINT32)
      return FALSE;
  }
  *ret = n;
  return TRUE;
}

static gboolean read_untagged(ImapParser *parser, ImapEvent *event, GError **error) {
  Word name;
  ImapParser text = *parser;
  if (!imap_parser_word(parser, &name.text, &name.len))
    return imap_read_fail(error, "an empty response");
  /* "* [COPYUID ...]" for "* OK [COPYUID ...]": home.pl, Office 365 (MK#115) */
  gboolean bare_code = name.text[0] == '[';
  if (bare_code || find_condition(name, &event->condition)) {
    event->type = IMAP_EVENT_STATUS;
    imap_codes_read(bare_code ? &text : parser, event);
    return TRUE;
  }
  if (!g_ascii_isdigit(name.text[0]))
    return read_data(parser, name, FALSE, event, error);
  if (!read_number(name, &event->number) || !imap_parser_word(parser, &name.text, &name.len))
    return imap_read_fail(error, "a line that is no response");
  return read_data(parser, name, TRUE, event, error);
}

gboolean imap_response_read(const char *data, gsize len, int streamed, ImapEvent *ret, GError **error) {
  ImapParser parser;
  imap_parser_init(&parser, data, len, streamed);
  g_auto(ImapEvent) event = {.type = IMAP_EVENT_OTHER};
  Word word;
  gboolean ok;
  if (!imap_parser_word(&parser, &word.text, &word.len) || word.text != data)
    ok = imap_read_fail(error, "a line that is no response");
  else if (word_is(word, "*"))
    ok = read_untagged(&parser, &event, error);
  else if (word_is(word, "+"))
    ok = read_continue(&parser, &event);
  else
    ok = read_tagged(&parser, word, &event, error);
  if (ok) {
    *ret = event;
    event = (ImapEvent){0};
  }
  return ok;
}

void imap_event_clear(ImapEvent *event) {
  g_free(event->tag);
  g_free(event->text);
  g_strfreev(event->words);
  imap_seqset_free(event->uids);
  imap_uidmap_free(event->uidmap);
  imap_message_clear(&event->message);
  g_free(event->listing.name);
  g_free(event->listing.oldname);
  g_free(event->status.name);
  g_free(event->personal.prefix);
  *event = (ImapEvent){.type = IMAP_EVENT_OTHER};
}
