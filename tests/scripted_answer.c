/* SPDX-License-Identifier: MIT */
/*
 * What an honest server answers: RFC 3501 with ESEARCH (4731), LIST-STATUS (5819), ENABLE (5161), CONDSTORE and QRESYNC
 * (7162), IDLE (2177), NOTIFY (5465), UNSELECT (3691), ID (2971) and OBJECTID (8474), as far as a client needs it that
 * reads. A command of an extension that was not announced is BAD. The lock of the server is held.
 */
#include <string.h>

#include "tests/scripted_private.h"

gboolean server_has(Scripted *server, const char *capability) {
  g_auto(GStrv) words = g_strsplit(server->capability, " ", -1);
  return g_strv_contains((const char *const *)words, capability);
}

char *server_name(const char *args) {
  if (*args == '"')
    return g_strndup(args + 1, strcspn(args + 1, "\""));
  return g_strndup(args, strcspn(args, " "));
}

const char *session_counted(Session *session) {
  gboolean modseq = server_has(session->server, "CONDSTORE") || server_has(session->server, "QRESYNC");
  return modseq ? "MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ" : "MESSAGES UIDNEXT UIDVALIDITY";
}

/* ---- all mailboxes -------------------------------------------------------------------------------------------- */

void session_status(Session *session, const Box *box, const char *items) {
  g_autoptr(GString) out = g_string_new(NULL);
  if (strstr(items, "MESSAGES"))
    g_string_append_printf(out, " MESSAGES %u", box->messages->len);
  if (strstr(items, "UIDNEXT"))
    g_string_append_printf(out, " UIDNEXT %u", box->uidnext);
  if (strstr(items, "UIDVALIDITY"))
    g_string_append_printf(out, " UIDVALIDITY %u", box->uidvalidity);
  if (strstr(items, "HIGHESTMODSEQ"))
    g_string_append_printf(out, " HIGHESTMODSEQ %" G_GUINT64_FORMAT, box->modseq);
  if (strstr(items, "MAILBOXID"))
    g_string_append_printf(out, " MAILBOXID (%s)", box->mailboxid);
  session_say(session, "* STATUS \"%s\" (%s)", box->name, out->len ? out->str + 1 : "");
}

void session_listing(Session *session, const Box *box) {
  session_say(session, "* LIST (%s) \"/\" \"%s\"", box->attrs, box->name);
}

static const char *do_list(Session *session, const char *args) {
  GPtrArray *all = boxes_all(session->server->boxes);
  const char *status = strstr(args, "STATUS (");
  if (strstr(args, "RETURN") && !server_has(session->server, "LIST-EXTENDED"))
    return "BAD RETURN is not known";
  for (guint i = 0; i < all->len; i++) {
    const Box *box = all->pdata[i];
    session_listing(session, box);
    if (status && !strstr(box->attrs, "\\Noselect"))
      session_status(session, box, status);
  }
  return "OK done";
}

static const char *do_status(Session *session, const char *args) {
  g_autofree char *name = server_name(args);
  Box *box = boxes_find(session->server->boxes, name);
  const char *items = strrchr(args, '(');
  if (!box || strstr(box->attrs, "\\Noselect"))
    return "NO [NONEXISTENT] there is no such mailbox";
  session_status(session, box, items ? items : "");
  return "OK done";
}

/* ---- the session --------------------------------------------------------------------------------------- */

static const char *do_capability(Session *session, G_GNUC_UNUSED const char *args) {
  session_say(session, "* CAPABILITY %s", session->server->capability);
  return "OK done";
}

static const char *do_connect(Session *session, G_GNUC_UNUSED const char *args) {
  session_say(session, "* OK [CAPABILITY IMAP4rev1] ready");
  return NULL;
}

static const char *do_noop(Session *session, G_GNUC_UNUSED const char *args) {
  session_tell(session);
  return "OK done";
}

static const char *do_ok(G_GNUC_UNUSED Session *session, G_GNUC_UNUSED const char *args) {
  return "OK done";
}

static const char *do_enable(Session *session, const char *args) {
  g_auto(GStrv) words = g_strsplit(args, " ", -1);
  g_autoptr(GString) enabled = g_string_new("* ENABLED");
  for (char **word = words; *word; word++)
    if (server_has(session->server, *word)) {
      g_string_append_printf(enabled, " %s", *word);
      session->condstore = session->condstore || strcmp(*word, "CONDSTORE") == 0 || strcmp(*word, "QRESYNC") == 0;
      session->qresync = session->qresync || strcmp(*word, "QRESYNC") == 0;
    }
  session_say(session, "%s", enabled->str);
  return "OK done";
}

static const char *do_namespace(Session *session, G_GNUC_UNUSED const char *args) {
  session_say(session, "* NAMESPACE ((\"\" \"/\")) NIL NIL");
  return "OK done";
}

static const char *do_id(Session *session, G_GNUC_UNUSED const char *args) {
  session_say(session, "* ID NIL");
  return "OK done";
}

static const char *do_idle(Session *session, G_GNUC_UNUSED const char *args) {
  session_tell(session);
  session_say(session, "+ idling");
  session->idle = g_strdup(session->tag);
  return NULL;
}

static const char *do_notify(Session *session, const char *args) {
  GPtrArray *all = boxes_all(session->server->boxes);
  session->notify = !g_str_has_prefix(args, "NONE");
  for (guint i = 0; session->notify && strstr(args, "STATUS") && i < all->len; i++)
    if (!strstr(((Box *)all->pdata[i])->attrs, "\\Noselect"))
      session_status(session, all->pdata[i], session_counted(session));
  return "OK done";
}

static const char *do_logout(Session *session, G_GNUC_UNUSED const char *args) {
  session_say(session, "* BYE bye");
  return "OK done";
}

static const struct {
  const char *name;
  const char *(*run)(Session *session, const char *args); /* the tagged line, NULL: none (yet) */
  const char *needs;                                      /* a capability; or NULL */
} commands[] = {
    {"CONNECT", do_connect, NULL},
    {"CAPABILITY", do_capability, NULL},
    {"LOGIN", do_ok, NULL},
    {"NOOP", do_noop, NULL},
    {"DONE", do_ok, "IDLE"},
    {"SELECT", session_select, NULL},
    {"EXAMINE", session_select, NULL},
    {"UID", session_uid, NULL},
    {"LIST", do_list, NULL},
    {"LSUB", do_list, NULL},
    {"STATUS", do_status, NULL},
    {"UNSELECT", session_unselect, "UNSELECT"},
    {"ENABLE", do_enable, "ENABLE"},
    {"NAMESPACE", do_namespace, "NAMESPACE"},
    {"ID", do_id, "ID"},
    {"IDLE", do_idle, "IDLE"},
    {"NOTIFY", do_notify, "NOTIFY"},
    {"LOGOUT", do_logout, NULL},
};

static const char *answer(Session *session, const char *command) {
  gsize len = strcspn(command, " ");
  const char *args = command + len + (command[len] == ' ');
  for (guint i = 0; i < G_N_ELEMENTS(commands); i++)
    if (strlen(commands[i].name) == len && g_ascii_strncasecmp(command, commands[i].name, len) == 0)
      return commands[i].needs && !server_has(session->server, commands[i].needs) ? "BAD not announced"
                                                                                  : commands[i].run(session, args);
  return "BAD this is not known";
}

void session_answer(Session *session, const char *command, gboolean untagged) {
  const char *tagged = answer(session, command);
  if (tagged && !untagged)
    session_say(session, "@ %s", tagged);
}
