/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "imap/date.h"
#include "imap/flags.h"
#include "imap/limits.h"
#include "imap/response_read.h"

/*
 * FETCH: items in any order, any of them absent, unknown ones skipped. A value an item cannot
 * have makes that item unknown and no more: -1 octets (Exchange, MK#953), MODSEQ -1 (Zoho, MK#1686),
 * 9.3e+06 (mail.ru, MK#1838), 00-Jan-0000 (Domino). What would give a message two identities is an
 * error.
 */
#define OBJECTID_MAX 255 /* RFC 8474 section 7 */

static void read_flag(const ImapValue *flag, ImapMessage *message, GPtrArray **keywords) {
  const char *name;
  gsize len;
  guint known = imap_value_atom(flag, &name, &len) ? imap_flag_find(name, len) : 0;
  message->flags |= known;
  if (known)
    return;
  char *keyword = imap_value_dup_atom(flag);
  if (!keyword)
    return;
  if (!*keywords)
    *keywords = g_ptr_array_new();
  g_ptr_array_add(*keywords, keyword);
}

static gboolean read_flags(const ImapValue *value, ImapMessage *message, GError **error G_GNUC_UNUSED) {
  ImapIter list;
  if (!imap_value_list(value, &list))
    return TRUE;
  message->flags = 0;
  message->has |= IMAP_HAS_FLAGS;
  g_clear_pointer(&message->keywords, g_strfreev);
  GPtrArray *keywords = NULL;
  /* Keywords past the limit are not shown; the message is not lost for them. */
  for (const ImapValue *flag; (!keywords || keywords->len < IMAP_LIMIT_FLAGS) && (flag = imap_iter_next(&list));)
    read_flag(flag, message, &keywords);
  if (keywords) {
    g_ptr_array_add(keywords, NULL);
    message->keywords = (char **)g_ptr_array_free(keywords, FALSE);
  }
  return TRUE;
}

static gboolean read_uid(const ImapValue *value, ImapMessage *message, GError **error) {
  guint64 uid;
  if (!imap_value_number(value, G_MAXUINT32, &uid) || uid == 0)
    return TRUE;
  if ((message->has & IMAP_HAS_UID) && message->uid != uid)
    return imap_read_fail(error, "two UIDs for one message");
  message->uid = (guint32)uid;
  message->has |= IMAP_HAS_UID;
  return TRUE;
}

static gboolean read_date(const ImapValue *value, ImapMessage *message, GError **error G_GNUC_UNUSED) {
  g_autofree char *text = imap_value_dup_astring(value);
  gint64 date = text ? imap_date_parse(text, strlen(text)) : IMAP_UNKNOWN_DATE;
  if (date == IMAP_UNKNOWN_DATE)
    return TRUE;
  message->internaldate = date;
  message->has |= IMAP_HAS_DATE;
  return TRUE;
}

static gboolean read_size(const ImapValue *value, ImapMessage *message, GError **error G_GNUC_UNUSED) {
  if (imap_value_number(value, G_MAXINT64, &message->size))
    message->has |= IMAP_HAS_SIZE;
  return TRUE;
}

static gboolean read_modseq(const ImapValue *value, ImapMessage *message, GError **error G_GNUC_UNUSED) {
  ImapIter list;
  const ImapValue *number = imap_value_list(value, &list) ? imap_iter_next(&list) : NULL;
  if (number && imap_value_number(number, G_MAXINT64, &message->modseq))
    message->has |= IMAP_HAS_MODSEQ;
  return TRUE;
}

static gboolean read_header(const ImapValue *value, ImapMessage *message, GError **error G_GNUC_UNUSED) {
  GBytes *header = imap_value_dup_bytes(value);
  if (!header && imap_value_is(value, "NIL")) /* none of these fields */
    header = g_bytes_new(NULL, 0);
  if (!header)
    return TRUE;
  g_clear_pointer(&message->header, g_bytes_unref);
  message->header = header;
  message->has |= IMAP_HAS_HEADER;
  return TRUE;
}

/* No message has an empty one: even where no field stands, the blank line does. */
static gboolean read_whole_header(const ImapValue *value, ImapMessage *message, GError **error G_GNUC_UNUSED) {
  GBytes *header = imap_value_dup_bytes(value);
  if (!header || g_bytes_get_size(header) == 0) {
    g_clear_pointer(&header, g_bytes_unref);
    return TRUE;
  }
  g_clear_pointer(&message->header, g_bytes_unref);
  message->header = header;
  message->has |= IMAP_HAS_HEADER;
  return TRUE;
}

static void take_emailid(ImapMessage *message, const char *id, gsize len) {
  if (len == 0 || len > OBJECTID_MAX)
    return;
  g_free(message->emailid);
  message->emailid = g_strndup(id, len);
  message->has |= IMAP_HAS_EMAILID;
}

/* (M6d99ac3275bb4e), or NIL where the server knows none. */
static gboolean read_emailid(const ImapValue *value, ImapMessage *message, GError **error G_GNUC_UNUSED) {
  ImapIter list;
  const ImapValue *id = imap_value_list(value, &list) ? imap_iter_next(&list) : NULL;
  const char *text;
  gsize len;
  if (id && imap_value_atom(id, &text, &len) && !imap_value_is(id, "NIL"))
    take_emailid(message, text, len);
  return TRUE;
}

static gboolean read_gmail_id(const ImapValue *value, ImapMessage *message, GError **error G_GNUC_UNUSED) {
  guint64 number;
  const char *text;
  gsize len;
  if (imap_value_number(value, G_MAXUINT64, &number) && imap_value_atom(value, &text, &len))
    take_emailid(message, text, len);
  return TRUE;
}

static gboolean read_body(const ImapValue *value, ImapMessage *message, GError **error) {
  if (message->has & (IMAP_HAS_BODY | IMAP_HAS_NIL_BODY))
    return imap_read_fail(error, "two bodies for one message");
  GBytes *body = imap_value_dup_bytes(value);
  gboolean empty = imap_value_is(value, "NIL") || (body && g_bytes_get_size(body) == 0);
  if (empty) { /* NIL, and "" from iCloud (ME#36) and Exchange: the server could not give it */
    g_clear_pointer(&body, g_bytes_unref);
    message->has |= IMAP_HAS_NIL_BODY;
  } else if (body || imap_value_type(value) == IMAP_VALUE_STREAMED) {
    message->has |= IMAP_HAS_BODY;
  }
  message->body = body;
  return TRUE;
}

typedef gboolean (*ItemReader)(const ImapValue *value, ImapMessage *message, GError **error);

static const struct {
  const char *name;
  gboolean prefix; /* the name goes on: BODY[HEADER.FIELDS (DATE FROM)], its fields in any spelling (Courier) */
  ItemReader read;
} items[] = {
    {"UID", FALSE, read_uid},
    {"FLAGS", FALSE, read_flags},
    {"INTERNALDATE", FALSE, read_date},
    {"RFC822.SIZE", FALSE, read_size},
    {"BODY[HEADER.FIELDS ", TRUE, read_header},
    {"BODY[HEADER]", FALSE, read_whole_header},
    {"BODY[]", FALSE, read_body},
    {"MODSEQ", FALSE, read_modseq},
    {"EMAILID", FALSE, read_emailid},
    {"X-GM-MSGID", FALSE, read_gmail_id},
};

static ItemReader find_item(const char *name, gsize len) {
  for (guint i = 0; i < G_N_ELEMENTS(items); i++) {
    gsize n = strlen(items[i].name);
    if ((items[i].prefix ? len > n : len == n) && g_ascii_strncasecmp(name, items[i].name, n) == 0)
      return items[i].read;
  }
  return NULL;
}

gboolean imap_read_fetch(ImapIter *args, ImapEvent *event, GError **error) {
  ImapMessage *message = &event->message;
  message->seq = (guint32)event->number;
  message->size = IMAP_UNKNOWN_SIZE;
  message->internaldate = IMAP_UNKNOWN_DATE;

  const ImapValue *first = imap_iter_next(args);
  ImapIter list;
  if (!first || !imap_value_list(first, &list) || imap_iter_next(args))
    return imap_read_fail(error, "a FETCH response that is no list");
  for (const ImapValue *name; (name = imap_iter_next(&list));) {
    const ImapValue *value = imap_iter_next(&list);
    const char *text;
    gsize len;
    if (!value || !imap_value_atom(name, &text, &len))
      return imap_read_fail(error, "a FETCH response out of step");
    ItemReader read = find_item(text, len);
    if (read && !read(value, message, error))
      return FALSE;
  }
  return TRUE;
}

void imap_message_clear(ImapMessage *message) {
  g_strfreev(message->keywords);
  g_free(message->emailid);
  g_clear_pointer(&message->header, g_bytes_unref);
  g_clear_pointer(&message->body, g_bytes_unref);
  *message = (ImapMessage){.size = IMAP_UNKNOWN_SIZE, .internaldate = IMAP_UNKNOWN_DATE};
}
