/* SPDX-License-Identifier: MIT */
#pragma once

#include "tests/boxes.h"

/*
 * An IMAP server on a loopback port for several connections at once, in threads of its own. What it is not told to do
 * otherwise it does as the RFCs have it, from the mailboxes it was given (boxes.h); a session whose mailbox was renamed
 * or deleted is told that all its messages have vanished, as Cyrus does. Two kinds of rules make it lie:
 *
 *   on COMMAND          instead of its answer it says these lines
 *   instead of LINE     and in place of this line of an answer, these
 *
 * COMMAND and LINE are patterns with "*" and "?". COMMAND is compared without its tag; "CONNECT 2" stands for the
 * arrival of a connection where one is there already. LINE is the first line of a response, "@" its tag. Among the
 * lines of a rule
 *
 *   @ OK done           "@" is the tag of the command, also in (TAG "@")
 *   ...                 is what it would have said, without the tagged line if the rule has one
 *   (gone INBOX: 2)     is a change that happens meanwhile
 *   (close)             and this ends the connection
 */
typedef struct _Scripted Scripted;

Scripted *scripted_new(void);
void scripted_free(Scripted *server);
guint16 scripted_port(const Scripted *server);

/* What is announced after login; before, only IMAP4rev1. */
void scripted_capability(Scripted *server, const char *words);
typedef enum { SCRIPTED_ON, SCRIPTED_INSTEAD } ScriptedKind;
/* `once`: it is forgotten when it has been used. Later rules go before earlier ones. */
void scripted_rule(Scripted *server, ScriptedKind kind, gboolean once, const char *pattern, char **lines);
void scripted_behave(Scripted *server); /* forgets all rules */

/* A change of boxes.h; sessions that IDLE or NOTIFY hear of it. FALSE: the line is none; *ret_wrong as there. */
gboolean scripted_change(Scripted *server, const char *line, char **ret_wrong);
void scripted_push(Scripted *server, const char *line); /* to all sessions that IDLE or NOTIFY */
void scripted_quiet(Scripted *server);                  /* from now on news wait for the next command */
void scripted_cut(Scripted *server);                    /* closes all connections */

/* Commands that match, of all connections, since the last scripted_scene(); "CONNECT 1" counts as one. */
guint scripted_said(Scripted *server, const char *pattern);
void scripted_scene(Scripted *server);
void scripted_step(Scripted *server);        /* the next step begins, for the transcript */
char *scripted_transcript(Scripted *server); /* what both sides said around there. A new string */
