/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* What the test tools share: sockets on loopback and a way out. A tool has one user, the script that started it, so
 * each of these ends the program with one sentence when it fails. */
void net_die(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;
int net_listen(guint16 port); /* 127.0.0.1; 0: any. Prints the port as the first line of stdout */
int net_connect(const char *host, guint16 port);
void net_write(int fd, const void *data, gsize len);

/* Parses the options and demands exactly `n` further arguments. */
void net_options(int *argc, char ***argv, const GOptionEntry *entries, const char *usage, int n);
