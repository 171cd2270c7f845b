/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/conn.h"
#include "tests/fake.h"

/*
 * One connection to a scripted server, logged in. The dialogue is what follows the login; in it "@3" is the tag of the
 * first command.
 */
typedef struct {
  Fake *fake;
  ImapConfig config;
  ImapPool *pool;
  ImapConn *conn;
} Session;

Session session_new(const char *capabilities, const char *dialogue);
/* After another login than FAKE_LOGIN(capabilities). `disable` (or NULL) and `timeout` (0: the fake's) are those of the
 * ImapConfig. */
Session session_log_in(const char *login, char **disable, guint timeout, const char *dialogue);
void session_clear(Session *s); /* fails the test if the dialogue was not followed to its end */

/* An ImapChangedFunc that appends to a GString: "7:flagged 9: ". */
void tell_changed(const ImapMessage *message, gpointer text);
/* Is the set this one, or "-" for none? What it is, and which row of a table, is for the message. */
void check_set(const ImapSeqset *set, const char *expected, const char *what, int row);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Session, session_clear)
