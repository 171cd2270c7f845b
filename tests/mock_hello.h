/* SPDX-License-Identifier: MIT */
#pragma once

#include "tests/mock_mount.h"

/* What most tests of fs/ look at: a mount of INBOX with one message, and a name that is free. */
#define HELLO "Subject: Hello\r\n\r\nHello, world.\r\n"

extern TestMount mounted;
extern gint64 inbox, hello;
extern char *path_inbox, *path_hello, *path_new; /* INBOX, INBOX/hello.eml, INBOX/new.eml */

void hello_start(void);       /* the server may be silent for 60 s, */
void hello_start_hasty(void); /* or for 1 s */
void hello_stop(void);

gint64 hello_row(const char *name); /* in INBOX; there must be one */
void hello_check_content(gint64 row, const char *expected);
void hello_await_released(gint64 row); /* RELEASE comes after close(2) has returned */
