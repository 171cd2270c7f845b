/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/sync/agenda.h"

/* Connections for the threads that keep folders true. What becomes of it is told to the agenda, and to people. */
typedef struct {
  Account *account;
  Agenda *agenda;
  void (*online)(gpointer data); /* or NULL: there is a connection again, or a folder was listed */
  gpointer data;
  gint mounted; /* atomic: until then, who mounts says how it goes */
  gint gave_up; /* atomic: it has been said that logins are tried no more */
  gint dropped; /* atomic: monotonic seconds; when a connection was given up because of what it refused. 0: never */
} Line;

/* imap_pool_lease(). SYNC says by it whether we are online, and WATCH that we are. */
ImapConn *line_lease(Line *line, ImapRole role, GError **error);
void line_release(Line *line, ImapConn *conn); /* NULL is fine */
/* A folder that was listed is refused. Either it is called otherwise by now, or that is this session's own trouble:
 * Dovecot's can go on for ever to say of one that was made anew that it was deleted, or that there is a bug. So LIST is
 * asked, and over another connection: this one is not used again. At most every few seconds. */
void line_refused(Line *line, ImapConn *conn, gint64 row, const GError *error);
void line_mounted(Line *line); /* from now on the log is told */
void line_retry(Line *line);   /* forget back-off and refused logins: the user says so */
