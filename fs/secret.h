/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* Where the password comes from: a file, a command, or the user at the terminal. */
typedef struct _Secret Secret;

/* passfile and command may be NULL. With `prompt` (or NULL: do not) it asks now, on the terminal, without echo. */
Secret *secret_new(const char *passfile, const char *command, const char *prompt, GError **error);
void secret_keep(Secret *secret); /* after fork(): never let it be swapped out */
/* A new string for one login; the caller wipes it. Reads the file or runs the command again. May block. */
char *secret_get(gpointer secret, GError **error);
/* The typed password for a process to be started: an fd to be read from, or -1 where none was typed; and there: */
int secret_hand_on(Secret *secret);
gboolean secret_take(Secret *secret, int fd, GError **error);
void secret_cancel(Secret *secret); /* from any thread: ends a command that runs, now and later */
void secret_free(Secret *secret);   /* wiped */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Secret, secret_free)
