/* SPDX-License-Identifier: MIT */
/* The selected mailbox: opening it, what a session knows of it, SEARCH and FETCH. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scripted_private.h"

/* Numbers of sets like "1:3,7,9:*". */
static gboolean set_has(const char *set, guint32 number, guint32 highest) {
  for (const char *at = set; *at && *at != ' ';) {
    char *end = (char *)at + 1;
    guint32 low = *at == '*' ? highest : (guint32)strtoul(at, &end, 10), high = low;
    if (*end == ':') {
      at = end + 1;
      end = (char *)at + 1;
      high = *at == '*' ? highest : (guint32)strtoul(at, &end, 10);
    }
    if (number >= MIN(low, high) && number <= MAX(low, high))
      return TRUE;
    at = *end == ',' ? end + 1 : end;
  }
  return FALSE;
}

static guint32 viewed(const Session *session, guint index) {
  return g_array_index(session->view, guint32, index);
}

static Box *selected(Session *session) {
  return boxes_by_id(session->server->boxes, session->box);
}

/* ---- the selected mailbox -------------------------------------------------------------------------------- */

static void append_uid(GString *set, const char *separator, guint32 uid) {
  g_string_append_printf(set, "%s%u", set->len ? separator : "", uid);
}

static void tell_gone(Session *session, const Box *box) {
  g_autoptr(GString) vanished = g_string_new(NULL);
  for (guint i = 0; i < session->view->len;) {
    guint32 uid = viewed(session, i);
    if (box && box_message(box, uid)) {
      i++;
      continue;
    }
    g_array_remove_index(session->view, i);
    append_uid(vanished, ",", uid);
    if (!session->qresync)
      session_say(session, "* %u EXPUNGE", i + 1);
  }
  if (session->qresync && vanished->len > 0)
    session_say(session, "* VANISHED %s", vanished->str);
}

static void tell_new(Session *session, const Box *box) {
  guint before = session->view->len;
  for (guint i = 0; i < box->messages->len; i++) {
    const BoxMessage *message = box->messages->pdata[i];
    if (before == 0 || message->uid > viewed(session, before - 1))
      g_array_append_val(session->view, message->uid);
  }
  if (session->view->len > before)
    session_say(session, "* %u EXISTS", session->view->len);
}

static void tell_flags(Session *session, const Box *box) {
  for (guint i = 0; i < session->view->len; i++) {
    const BoxMessage *message = box_message(box, viewed(session, i));
    if (message->modseq <= session->told)
      continue;
    if (session->condstore)
      session_say(session, "* %u FETCH (UID %u FLAGS (%s) MODSEQ (%" G_GUINT64_FORMAT "))", i + 1, message->uid,
                  message->flags, message->modseq);
    else
      session_say(session, "* %u FETCH (FLAGS (%s))", i + 1, message->flags);
  }
}

void session_tell(Session *session) {
  Box *box = selected(session);
  tell_gone(session, box);
  if (!box)
    return;
  tell_new(session, box);
  tell_flags(session, box);
  session->told = box->modseq;
}

/* What changed since the client's last visit (RFC 7162 section 3.2.5). */
static void resume(Session *session, const Box *box, const char *args) {
  const char *parameter = strstr(args, "(QRESYNC (");
  guint32 uidvalidity = 0;
  guint64 since = 0;
  if (!parameter || sscanf(parameter, "(QRESYNC (%u %" G_GUINT64_FORMAT, &uidvalidity, &since) != 2 ||
      uidvalidity != box->uidvalidity)
    return;
  g_autoptr(GString) gone = g_string_new(NULL);
  for (guint i = 0; i < box->gone->len; i++) {
    const BoxGone *one = &g_array_index(box->gone, BoxGone, i);
    if (one->modseq > since)
      append_uid(gone, ",", one->uid);
  }
  if (gone->len)
    session_say(session, "* VANISHED (EARLIER) %s", gone->str);
  session->told = since;
  tell_flags(session, box);
}

const char *session_select(Session *session, const char *args) {
  g_autofree char *name = server_name(args);
  Box *box = boxes_find(session->server->boxes, name);
  session->box = 0;
  g_array_set_size(session->view, 0);
  if (!box || strstr(box->attrs, "\\Noselect"))
    return "NO [NONEXISTENT] there is no such mailbox";
  session->box = box->id;
  session->condstore = session->condstore || strstr(args, "CONDSTORE") || strstr(args, "QRESYNC");
  for (guint i = 0; i < box->messages->len; i++)
    g_array_append_val(session->view, ((BoxMessage *)box->messages->pdata[i])->uid);
  session_say(session, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)");
  session_say(session, "* %u EXISTS", box->messages->len);
  session_say(session, "* 0 RECENT");
  session_say(session, "* OK [UIDVALIDITY %u] ok", box->uidvalidity);
  session_say(session, "* OK [UIDNEXT %u] ok", box->uidnext);
  if (server_has(session->server, "CONDSTORE") || server_has(session->server, "QRESYNC"))
    session_say(session, "* OK [HIGHESTMODSEQ %" G_GUINT64_FORMAT "] ok", box->modseq);
  if (server_has(session->server, "OBJECTID"))
    session_say(session, "* OK [MAILBOXID (%s)] ok", box->mailboxid);
  resume(session, box, args);
  session->told = box->modseq;
  return "OK [READ-ONLY] opened";
}

const char *session_unselect(Session *session, G_GNUC_UNUSED const char *args) {
  session->box = 0;
  g_array_set_size(session->view, 0);
  return "OK left";
}

/* ---- UID ---------------------------------------------------------------------------------------------------- */

static void search(Session *session, const char *args) {
  gboolean extended = g_str_has_prefix(args, "RETURN (ALL) ");
  const char *set = strstr(args, "UID ");
  g_autoptr(GString) found = g_string_new(NULL);
  guint32 highest = session->view->len ? viewed(session, session->view->len - 1) : 0;
  for (guint i = 0; i < session->view->len; i++)
    if (!set || set_has(set + 4, viewed(session, i), highest))
      append_uid(found, extended ? "," : " ", viewed(session, i));
  if (extended)
    session_say(session, "* ESEARCH (TAG \"%s\") UID%s%s", session->tag, found->len ? " ALL " : "", found->str);
  else
    session_say(session, "* SEARCH%s%s", found->len ? " " : "", found->str);
}

static void append_literal(GString *out, const char *item, char *taken) {
  g_autofree char *text = taken;
  g_string_append_printf(out, " %s {%zu}\r\n%s", item, strlen(text), text);
}

static void fetch_one(Session *session, guint index, const BoxMessage *message, const char *items) {
  g_autoptr(GString) out = g_string_new(NULL);
  const char *origin = message->origin;
  g_autofree char *text = letter_text(origin, message->number, message->copy);
  if (strstr(items, "FLAGS"))
    g_string_append_printf(out, " FLAGS (%s)", message->flags);
  if (strstr(items, "MODSEQ") || strstr(items, "CHANGEDSINCE"))
    g_string_append_printf(out, " MODSEQ (%" G_GUINT64_FORMAT ")", message->modseq);
  if (strstr(items, "INTERNALDATE"))
    g_string_append_printf(out, " INTERNALDATE \"%s\"", message->date);
  if (strstr(items, "RFC822.SIZE"))
    g_string_append_printf(out, " RFC822.SIZE %zu", strlen(text));
  if (strstr(items, "EMAILID"))
    g_string_append_printf(out, " EMAILID (M%u%c-%s)", message->number, message->copy, origin);
  if (strstr(items, "BODY.PEEK[HEADER.FIELDS"))
    append_literal(out, "BODY[HEADER.FIELDS (DATE FROM SUBJECT MESSAGE-ID)]",
                   letter_header(origin, message->number, message->copy, TRUE));
  if (strstr(items, "BODY.PEEK[HEADER]"))
    append_literal(out, "BODY[HEADER]", letter_header(origin, message->number, message->copy, FALSE));
  if (strstr(items, "BODY.PEEK[]"))
    append_literal(out, "BODY[]", g_strdup(text));
  session_say(session, "* %u FETCH (UID %u%s)", index + 1, message->uid, out->str);
}

static guint index_of(const Session *session, guint32 uid) {
  guint index = 0;
  while (index < session->view->len && viewed(session, index) != uid)
    index++;
  return index;
}

/* What is asked for is decided at the beginning: a change in between takes messages out of the rest. */
static void fetch(Session *session, const char *set) {
  const char *items = strchr(set, ' '), *since = strstr(set, "CHANGEDSINCE ");
  guint64 modseq = since ? strtoull(since + strlen("CHANGEDSINCE "), NULL, 10) : 0;
  g_autoptr(GArray) asked = g_array_copy(session->view);
  guint32 highest = asked->len ? g_array_index(asked, guint32, asked->len - 1) : 0;
  for (guint i = 0; i < asked->len; i++) {
    guint32 uid = g_array_index(asked, guint32, i);
    Box *box = selected(session);
    const BoxMessage *message = box ? box_message(box, uid) : NULL;
    if (message && items && set_has(set, uid, highest) && (!since || message->modseq > modseq))
      fetch_one(session, index_of(session, uid), message, items);
  }
}

const char *session_uid(Session *session, const char *args) {
  if (session->box == 0)
    return "BAD nothing is selected";
  session_tell(session);
  if (g_str_has_prefix(args, "SEARCH RETURN") && !server_has(session->server, "ESEARCH"))
    return "BAD RETURN is not known";
  if (g_str_has_prefix(args, "SEARCH "))
    search(session, args + strlen("SEARCH "));
  else if (g_str_has_prefix(args, "FETCH "))
    fetch(session, args + strlen("FETCH "));
  else
    return "BAD this is not known";
  return "OK done";
}
