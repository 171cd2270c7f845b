/* SPDX-License-Identifier: MIT */
/*
 * What a session says: each response passes the rules, is noted for the transcript and kept until the answer is whole.
 */
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/scripted_private.h"

void session_note(Session *session, char direction, const char *line) {
  g_ptr_array_add(session->server->log, g_strdup_printf("%u%c %.300s", session->number, direction, line));
}

void session_flush(Session *session) {
  if (!session->closed && session->out->len > 0)
    send(session->fd, session->out->str, session->out->len, MSG_NOSIGNAL);
  g_string_truncate(session->out, 0);
}

void session_put(Session *session, const char *response) {
  gboolean tagged = response[0] == '@';
  g_autofree char *line = g_strndup(response, strcspn(response, "\r"));
  session_note(session, '>', line);
  g_autofree char *correlator = g_strdup_printf("(TAG \"%s\")", session->tag);
  g_autoptr(GString) text = g_string_new(response + tagged);
  g_string_replace(text, "(TAG \"@\")", correlator, 1);
  g_string_append_printf(session->out, "%s%s\r\n", tagged ? session->tag : "", text->str);
}

static ScriptedRule *find_rule(Scripted *server, ScriptedKind kind, const char *text) {
  for (guint i = server->rules->len; i-- > 0;) {
    ScriptedRule *rule = server->rules->pdata[i];
    if (rule->kind != kind || rule->used || !g_pattern_match_simple(rule->pattern, text))
      continue;
    rule->used = rule->once;
    return rule;
  }
  return NULL;
}

static void act(Session *session, const char *line) {
  g_autofree char *text = g_strndup(line + 1, strlen(line) - 2), *wrong = NULL;
  if (strcmp(text, "close") == 0) {
    session_flush(session);
    shutdown(session->fd, SHUT_RDWR);
    return;
  }
  g_autofree char *name = boxes_change(session->server->boxes, text, &wrong);
  if (!name)
    g_error("in a rule: %s", wrong ? wrong : text);
  session_tell(session);
  server_tell(session->server, name);
}

void session_say(Session *session, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *response = g_strdup_vprintf(format, args);
  va_end(args);
  g_autofree char *first = g_strndup(response, strcspn(response, "\r"));
  ScriptedRule *rule = find_rule(session->server, SCRIPTED_INSTEAD, first);
  if (!rule) {
    session_put(session, response);
    return;
  }
  for (char **line = rule->lines; *line; line++)
    if (strcmp(*line, "...") == 0)
      session_put(session, response);
    else if (**line == '(')
      act(session, *line);
    else
      session_put(session, *line);
}

static void obey_rule(Session *session, const ScriptedRule *rule, const char *command) {
  gboolean tagged = FALSE;
  for (char **line = rule->lines; *line; line++)
    tagged = tagged || **line == '@';
  for (char **line = rule->lines; *line; line++)
    if (strcmp(*line, "...") == 0)
      session_answer(session, command, tagged);
    else if (**line == '(')
      act(session, *line);
    else
      session_put(session, *line);
}

void session_obey(Session *session, const char *command) {
  session_note(session, '<', command);
  ScriptedRule *rule = find_rule(session->server, SCRIPTED_ON, command);
  if (rule)
    obey_rule(session, rule, command);
  else
    session_answer(session, command, FALSE);
  session_flush(session);
}

static void tell_names(Session *session, const char *name, const Box *box) {
  if (!box)
    session_say(session, "* LIST (\\NonExistent) \"/\" \"%s\"", name);
  else if (box->fresh && box->oldname)
    session_say(session, "* LIST (%s) \"/\" \"%s\" (\"OLDNAME\" (\"%s\"))", box->attrs, name, box->oldname);
  else if (box->fresh)
    session_listing(session, box);
  if (box && (box->fresh || box->modseq != box->notified))
    session_status(session, box, session_counted(session));
}

void server_tell(Scripted *server, const char *name) {
  Box *box = boxes_find(server->boxes, name);
  for (guint i = 0; i < server->sessions->len; i++) {
    Session *session = server->sessions->pdata[i];
    if (session->closed || !(session->idle || session->notify))
      continue;
    if (session->notify)
      tell_names(session, name, box);
    if (session->idle && !server->quiet)
      session_tell(session);
    if (!server->quiet)
      session_flush(session);
  }
  if (box) {
    box->fresh = FALSE;
    box->notified = box->modseq;
  }
}
