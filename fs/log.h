/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/* Where messages of all layers (GLib's log) go. One per process, because GLib has one writer. */
typedef struct _Log Log;
typedef enum { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG } LogLevel;

/* To the file, or to stderr where it is NULL. Becomes GLib's writer; lives as long as the process. */
Log *log_new(const char *file, LogLevel level, GError **error);
void log_to_syslog(Log *log);      /* the daemon leaves the terminal; nothing changes for a file */
char *log_clean(const char *text); /* control and invalid characters as \xXX: names come from strangers */
