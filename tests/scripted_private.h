/* SPDX-License-Identifier: MIT */
#pragma once

#include "tests/scripted.h"

typedef struct {
  ScriptedKind kind;
  gboolean once, used;
  char *pattern;
  char **lines;
} ScriptedRule;

struct _Scripted {
  int listener;
  guint16 port;
  GThread *thread;
  GMutex mutex; /* guards all below, and the sessions; whatever is declared here wants it held */
  Boxes *boxes;
  char *capability;
  GPtrArray *sessions; /* Session, the ended ones too */
  GPtrArray *rules;    /* ScriptedRule, oldest first */
  GPtrArray *log;      /* char *: "1< EXAMINE "INBOX"", "1> @ OK done" */
  guint scene, step;   /* where in the log they began */
  gboolean quiet;
};

/* One connection. */
typedef struct {
  Scripted *server;
  int fd;
  guint number;
  GThread *thread;
  GString *input; /* of the thread that reads, which needs no lock for it */
  GString *out;   /* said and not sent yet */
  char *tag;      /* of the command that is being answered */
  char *idle;     /* tag of IDLE while it lasts */
  guint box;      /* id of what is selected; 0: nothing */
  GArray *view;   /* guint32: the UIDs that it was told of, by sequence number */
  guint64 told;   /* the modseq up to which it was told of flags */
  gboolean condstore, qresync, notify, closed;
} Session;

/* ---- scripted_session.c: saying ---- */
void session_note(Session *session, char direction, const char *line);
/* Says one response, without its last CR LF, or what a rule has in its place. "@" at its beginning is the tag. */
void session_say(Session *session, const char *format, ...) G_GNUC_PRINTF(2, 3);
void session_put(Session *session, const char *response); /* the same, past all rules */
void session_flush(Session *session);
void session_obey(Session *session, const char *command); /* by rule, or as it should be */
void server_tell(Scripted *server, const char *name);     /* what became of this mailbox, to sessions that listen */

/* ---- scripted_answer.c: what an honest server says ---- */
gboolean server_has(Scripted *server, const char *capability);
char *server_name(const char *args); /* the mailbox name, quoted or bare, that it begins with. A new string */
/* The default answer, the tagged line included but where `untagged` (the rule has one of its own). */
void session_answer(Session *session, const char *command, gboolean untagged);
void session_status(Session *session, const Box *box, const char *items);
void session_listing(Session *session, const Box *box);
const char *session_counted(Session *session); /* the STATUS items that NOTIFY tells */

/* ---- scripted_mailbox.c: of the selected mailbox; they return the tagged line without its tag ---- */
/* EXPUNGE or VANISHED, EXISTS and flags: what it has become since. */
void session_tell(Session *session);
const char *session_select(Session *session, const char *args);
const char *session_unselect(Session *session, const char *args);
const char *session_uid(Session *session, const char *args);
