/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/stream.h"

/*
 * A child process in place of a connection: it speaks IMAP on its standard input and output, which are
 * pipes. The command line is split as a shell would, and run without one. What it writes on its
 * standard error is logged, and its last line becomes part of the error when it ends.
 */
ImapStream *imap_tunnel_new(const char *command, GError **error);
