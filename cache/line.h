/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/agenda.h"

/* Connections for the threads that keep folders true. What becomes of it is told to the agenda, and to people. */
typedef struct {
  Account *account;
  Agenda *agenda;
  gint mounted; /* atomic: until then, who mounts says how it goes */
  gint gave_up; /* atomic: it has been said that logins are tried no more */
} Line;

/* imap_pool_lease(). SYNC says by it whether we are online, and WATCH that we are. */
ImapConn *line_lease(Line *line, ImapRole role, GError **error);
void line_release(Line *line, ImapConn *conn); /* NULL is fine */
void line_mounted(Line *line);                 /* from now on the log is told */
void line_retry(Line *line);                   /* forget back-off and refused logins: the user says so */
