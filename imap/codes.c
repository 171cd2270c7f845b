/* SPDX-License-Identifier: MIT */
#include "imap/codes.h"

#include <string.h>

#include "imap/error.h"

/*
 * One row per response code: how it is spelled, what it carries, and what a refusal with it means to
 * the caller. RFC 3501, 4315, 4978, 5465, 5530, 6154, 7162, 8474, 9051; THROTTLED is Gmail's. A code decides nothing
 * but the meaning of its line, so one that cannot be read is skipped and the line stands.
 */
typedef enum {
  CARRIES_NOTHING,
  CARRIES_NUMBER32,
  CARRIES_NUMBER64,
  CARRIES_FLAGS,
  CARRIES_WORDS,
  CARRIES_ID,
  CARRIES_APPENDED, /* UIDVALIDITY, set */
  CARRIES_COPIED,   /* UIDVALIDITY, set, set */
} Carries;

static const struct {
  const char *name;
  Carries carries;
  ImapError error;
} codes[] = {
    [IMAP_CODE_NONE] = {NULL, CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_UNKNOWN] = {NULL, CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_ALERT] = {"ALERT", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_CAPABILITY] = {"CAPABILITY", CARRIES_WORDS, IMAP_ERROR_REFUSED},
    [IMAP_CODE_PERMANENTFLAGS] = {"PERMANENTFLAGS", CARRIES_FLAGS, IMAP_ERROR_REFUSED},
    [IMAP_CODE_READ_ONLY] = {"READ-ONLY", CARRIES_NOTHING, IMAP_ERROR_READONLY},
    [IMAP_CODE_READ_WRITE] = {"READ-WRITE", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_TRYCREATE] = {"TRYCREATE", CARRIES_NOTHING, IMAP_ERROR_GONE},
    [IMAP_CODE_UIDNEXT] = {"UIDNEXT", CARRIES_NUMBER32, IMAP_ERROR_REFUSED},
    [IMAP_CODE_UIDVALIDITY] = {"UIDVALIDITY", CARRIES_NUMBER32, IMAP_ERROR_REFUSED},
    [IMAP_CODE_UNSEEN] = {"UNSEEN", CARRIES_NUMBER32, IMAP_ERROR_REFUSED},
    [IMAP_CODE_UIDNOTSTICKY] = {"UIDNOTSTICKY", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_HIGHESTMODSEQ] = {"HIGHESTMODSEQ", CARRIES_NUMBER64, IMAP_ERROR_REFUSED},
    [IMAP_CODE_NOMODSEQ] = {"NOMODSEQ", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_MAILBOXID] = {"MAILBOXID", CARRIES_ID, IMAP_ERROR_REFUSED},
    [IMAP_CODE_CLOSED] = {"CLOSED", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_COMPRESSIONACTIVE] = {"COMPRESSIONACTIVE", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_UNAVAILABLE] = {"UNAVAILABLE", CARRIES_NOTHING, IMAP_ERROR_UNAVAILABLE},
    [IMAP_CODE_AUTHENTICATIONFAILED] = {"AUTHENTICATIONFAILED", CARRIES_NOTHING, IMAP_ERROR_AUTH},
    [IMAP_CODE_AUTHORIZATIONFAILED] = {"AUTHORIZATIONFAILED", CARRIES_NOTHING, IMAP_ERROR_AUTH},
    [IMAP_CODE_EXPIRED] = {"EXPIRED", CARRIES_NOTHING, IMAP_ERROR_AUTH},
    [IMAP_CODE_PRIVACYREQUIRED] = {"PRIVACYREQUIRED", CARRIES_NOTHING, IMAP_ERROR_AUTH},
    [IMAP_CODE_CONTACTADMIN] = {"CONTACTADMIN", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_NOPERM] = {"NOPERM", CARRIES_NOTHING, IMAP_ERROR_PERMISSION},
    [IMAP_CODE_INUSE] = {"INUSE", CARRIES_NOTHING, IMAP_ERROR_UNAVAILABLE},
    [IMAP_CODE_EXPUNGEISSUED] = {"EXPUNGEISSUED", CARRIES_NOTHING, IMAP_ERROR_GONE},
    [IMAP_CODE_CORRUPTION] = {"CORRUPTION", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_SERVERBUG] = {"SERVERBUG", CARRIES_NOTHING, IMAP_ERROR_UNAVAILABLE},
    [IMAP_CODE_CLIENTBUG] = {"CLIENTBUG", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_CANNOT] = {"CANNOT", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_LIMIT] = {"LIMIT", CARRIES_NOTHING, IMAP_ERROR_UNAVAILABLE},
    [IMAP_CODE_OVERQUOTA] = {"OVERQUOTA", CARRIES_NOTHING, IMAP_ERROR_QUOTA},
    [IMAP_CODE_ALREADYEXISTS] = {"ALREADYEXISTS", CARRIES_NOTHING, IMAP_ERROR_EXISTS},
    [IMAP_CODE_NONEXISTENT] = {"NONEXISTENT", CARRIES_NOTHING, IMAP_ERROR_GONE},
    [IMAP_CODE_TOOBIG] = {"TOOBIG", CARRIES_NOTHING, IMAP_ERROR_TOOBIG},
    [IMAP_CODE_THROTTLED] = {"THROTTLED", CARRIES_NOTHING, IMAP_ERROR_UNAVAILABLE},
    [IMAP_CODE_NOTIFICATIONOVERFLOW] = {"NOTIFICATIONOVERFLOW", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_APPENDUID] = {"APPENDUID", CARRIES_APPENDED, IMAP_ERROR_REFUSED},
    [IMAP_CODE_COPYUID] = {"COPYUID", CARRIES_COPIED, IMAP_ERROR_REFUSED},
    [IMAP_CODE_USEATTR] = {"USEATTR", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
    [IMAP_CODE_HASCHILDREN] = {"HASCHILDREN", CARRIES_NOTHING, IMAP_ERROR_REFUSED},
};

/* What servers say in words alone, or under a code that means something else. A throttled account is to be left alone
 * altogether, whatever the answer was to; one folder that is busy says nothing of others. */
static const struct {
  const char *text; /* lower case */
  ImapError error;
  gboolean throttled;
} texts[] = {
    {"request is throttled", IMAP_ERROR_UNAVAILABLE, TRUE},               /* Exchange, Office 365: NO or BAD */
    {"suggested backoff time", IMAP_ERROR_UNAVAILABLE, TRUE},             /* the same */
    {"[throttled]", IMAP_ERROR_UNAVAILABLE, TRUE},                        /* Gmail, at the end of the text */
    {"exceeded command or bandwidth", IMAP_ERROR_UNAVAILABLE, TRUE},      /* Gmail, as [OVERQUOTA] */
    {"rate limit", IMAP_ERROR_UNAVAILABLE, TRUE},                         /* Yahoo, as [LIMIT] */
    {"connection closed. 14", IMAP_ERROR_UNAVAILABLE, TRUE},              /* Exchange: BYE after too many errors */
    {"connection is closed. 13", IMAP_ERROR_UNAVAILABLE, TRUE},           /* the same */
    {"too many simultaneous connections", IMAP_ERROR_UNAVAILABLE, FALSE}, /* Gmail, as [ALERT] */
    {"server unavailable", IMAP_ERROR_UNAVAILABLE, FALSE},                /* Exchange, with a number */
    {"temporary system error", IMAP_ERROR_UNAVAILABLE, FALSE},            /* Gmail */
    {"authenticated but not connected", IMAP_ERROR_AUTH, FALSE},          /* Exchange: BAD after a wrong password */
};

static ImapCode find_code(const ImapValue *name) {
  for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
    if (codes[i].name && imap_value_is(name, codes[i].name))
      return (ImapCode)i;
  }
  return IMAP_CODE_UNKNOWN;
}

char **imap_codes_capabilities(ImapIter *iter) {
  char **words = imap_iter_dup_words(iter);
  for (guint i = 0; words[i]; i++) {
    if (g_ascii_strcasecmp(words[i], "LITERAL") != 0 || g_strcmp0(words[i + 1], "+") != 0)
      continue;
    /* "LITERAL +", with a blank (MK#1654) */
    g_free(words[i]);
    g_free(words[i + 1]);
    words[i] = g_strdup("LITERAL+");
    memmove(words + i + 1, words + i + 2, (g_strv_length(words + i + 2) + 1) * sizeof *words);
  }
  return words;
}

/* "38505 304,319:320 3956:3958". Empty sets (Outlook.com, MK#555) say as little as no code. */
static gboolean read_uids(Carries carries, ImapIter *iter, ImapEvent *event) {
  const ImapValue *name = imap_iter_next(iter), *first = imap_iter_next(iter), *second = imap_iter_next(iter);
  const char *from, *to;
  gsize from_len, to_len;
  guint64 validity;
  if (!name || !imap_value_number(name, G_MAXUINT32, &validity) || validity == 0 || !first ||
      !imap_value_atom(first, &from, &from_len))
    return FALSE;
  if (carries == CARRIES_APPENDED)
    event->uidmap = imap_uidmap_parse_list(from, from_len);
  else if (second && imap_value_atom(second, &to, &to_len))
    event->uidmap = imap_uidmap_parse(from, from_len, to, to_len);
  event->number = event->uidmap ? validity : 0;
  return event->uidmap != NULL;
}

/* FALSE: not what this code carries. */
static gboolean read_payload(Carries carries, ImapIter *iter, ImapEvent *event, char **ret_id) {
  if (carries == CARRIES_NOTHING)
    return TRUE;
  if (carries == CARRIES_WORDS) {
    event->words = imap_codes_capabilities(iter);
    return TRUE;
  }
  if (carries == CARRIES_APPENDED || carries == CARRIES_COPIED)
    return read_uids(carries, iter, event);
  const ImapValue *value = imap_iter_next(iter);
  ImapIter list;
  if (!value)
    return FALSE;
  if (carries == CARRIES_NUMBER32 || carries == CARRIES_NUMBER64)
    return imap_value_number(value, carries == CARRIES_NUMBER32 ? G_MAXUINT32 : G_MAXINT64, &event->number);
  if (!imap_value_list(value, &list))
    return FALSE;
  if (carries == CARRIES_FLAGS)
    event->words = imap_iter_dup_words(&list);
  else if ((value = imap_iter_next(&list)))
    *ret_id = imap_value_dup_atom(value);
  return event->words || *ret_id;
}

/* TRUE: the parser stands behind the "]". */
static gboolean read_code(ImapParser *parser, ImapEvent *event, char **ret_id) {
  ImapParser ahead = *parser;
  ahead.at++;
  g_autoptr(ImapValue) root = imap_parser_values(&ahead, ']', NULL);
  ImapIter iter;
  if (root && imap_value_list(root, &iter)) {
    const ImapValue *name = imap_iter_next(&iter);
    event->code = name ? find_code(name) : IMAP_CODE_UNKNOWN;
    if (!read_payload(codes[event->code].carries, &iter, event, ret_id))
      event->code = IMAP_CODE_UNKNOWN;
    *parser = ahead;
    return TRUE;
  }
  const char *close = parser->at < parser->end ? memchr(parser->at, ']', (gsize)(parser->end - parser->at)) : NULL;
  if (!close)
    return FALSE;
  event->code = IMAP_CODE_UNKNOWN;
  parser->at = close + 1;
  return TRUE;
}

void imap_codes_read(ImapParser *parser, ImapEvent *event) {
  g_autofree char *id = NULL;
  while (parser->at < parser->end && *parser->at == ' ')
    parser->at++;
  if (parser->at < parser->end && *parser->at == '[' && read_code(parser, event, &id)) {
    if (parser->at < parser->end && *parser->at == ' ')
      parser->at++;
  }
  event->text = id ? g_steal_pointer(&id) : g_strndup(parser->at, (gsize)(parser->end - parser->at));
}

/* ---- throttling ----------------------------------------------------------------------------- */

#define LONGEST_DELAY (G_GUINT64_CONSTANT(24) * 3600 * 1000) /* ms */

/* "Request is throttled. Suggested Backoff Time: 299961 milliseconds" */
static gint64 suggested_delay(const char *text) {
  static const char words[] = "Backoff Time: ";
  const char *found = strcasestr(text, words);
  guint64 ms = found ? g_ascii_strtoull(found + sizeof words - 1, NULL, 10) : 0;
  return (gint64)MIN(ms, LONGEST_DELAY) * 1000;
}

/* An OK is believed only where it says so in brackets: its words are free, and about something else. */
gboolean imap_codes_throttled(const ImapEvent *status, gint64 *ret_delay) {
  gboolean fine = status->condition == IMAP_OK || status->condition == IMAP_PREAUTH;
  gboolean throttled = status->code == IMAP_CODE_THROTTLED;
  for (guint i = 0; i < G_N_ELEMENTS(texts) && status->text && !throttled; i++) {
    gboolean may = texts[i].throttled && (!fine || texts[i].text[0] == '[');
    throttled = may && strcasestr(status->text, texts[i].text);
  }
  *ret_delay = throttled && status->text ? suggested_delay(status->text) : 0;
  return throttled;
}

/* ---- errors --------------------------------------------------------------------------------- */

static ImapError error_of(ImapCondition condition, ImapCode code, const char *clean) {
  g_autofree char *lower = g_ascii_strdown(clean, -1);
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    if (strstr(lower, texts[i].text))
      return texts[i].error;
  }
  if (codes[code].error != IMAP_ERROR_REFUSED || condition == IMAP_NO)
    return codes[code].error;
  return condition == IMAP_BYE ? IMAP_ERROR_NETWORK : IMAP_ERROR_PROTOCOL;
}

GError *imap_response_error(ImapCondition condition, ImapCode code, const char *text) {
  g_autofree char *clean = imap_clean_text(text, -1);
  ImapError error = error_of(condition, code, clean);
  if (*clean)
    return g_error_new(IMAP_ERROR, (int)error, "the server says: %s", clean);
  return g_error_new(IMAP_ERROR, (int)error, "the server refused%s%s", codes[code].name ? ": " : " without a reason",
                     codes[code].name ? codes[code].name : "");
}
