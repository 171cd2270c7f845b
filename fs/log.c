/* SPDX-License-Identifier: MIT */
/*
 * GLib's log, filtered by level and made harmless: whatever a server or a subject put into a message, a line stays one
 * line and no terminal takes it for a command.
 */
#define G_LOG_DOMAIN "fs"
#include "fs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/fs.h"

struct _Log {
  gint fd; /* atomic; -1: syslog */
  gboolean file;
  LogLevel level;
};

static const struct {
  GLogLevelFlags flag;
  LogLevel level;
  int priority;
} kinds[] = {
    {G_LOG_LEVEL_ERROR, LOG_LEVEL_ERROR, LOG_CRIT},        {G_LOG_LEVEL_CRITICAL, LOG_LEVEL_ERROR, LOG_ERR},
    {G_LOG_LEVEL_WARNING, LOG_LEVEL_WARNING, LOG_WARNING}, {G_LOG_LEVEL_MESSAGE, LOG_LEVEL_WARNING, LOG_NOTICE},
    {G_LOG_LEVEL_INFO, LOG_LEVEL_INFO, LOG_INFO},          {G_LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, LOG_DEBUG},
};

static gboolean is_safe(gunichar c) {
  return g_unichar_isprint(c) && g_unichar_type(c) != G_UNICODE_FORMAT && g_unichar_type(c) != G_UNICODE_LINE_SEPARATOR;
}

char *log_clean(const char *text) {
  GString *clean = g_string_sized_new(strlen(text) + 1);
  while (*text) {
    gunichar c = g_utf8_get_char_validated(text, -1);
    const char *next = (gint)c < 0 ? text + 1 : g_utf8_next_char(text);
    if ((gint)c >= 0 && is_safe(c))
      g_string_append_len(clean, text, next - text);
    else
      for (; text < next; text++)
        g_string_append_printf(clean, "\\x%02x", (guchar)*text);
    text = next;
  }
  return g_string_free(clean, FALSE);
}

static const char *field(const GLogField *fields, gsize n, const char *key) {
  for (gsize i = 0; i < n; i++)
    if (g_str_equal(fields[i].key, key))
      return fields[i].value;
  return NULL;
}

static GLogWriterOutput write_log(GLogLevelFlags flags, const GLogField *fields, gsize n, gpointer data) {
  Log *log = data;
  const char *message = field(fields, n, "MESSAGE"), *domain = field(fields, n, "GLIB_DOMAIN");
  gsize i = 0;

  while (i + 1 < G_N_ELEMENTS(kinds) && !(flags & kinds[i].flag))
    i++;
  if (kinds[i].level > log->level || !message)
    return G_LOG_WRITER_HANDLED;
  g_autofree char *clean = log_clean(message);
  int fd = g_atomic_int_get(&log->fd);
  if (fd < 0) {
    syslog(kinds[i].priority, "%s: %s", domain ? domain : "glib", clean);
    return G_LOG_WRITER_HANDLED;
  }
  g_autoptr(GDateTime) now = g_date_time_new_now_local();
  g_autofree char *time = log->file ? g_date_time_format(now, "%F %T ") : g_strdup("");
  g_autofree char *line = g_strdup_printf("%simapfs: %s%s%s\n", time, domain ? domain : "", domain ? ": " : "", clean);
  if (write(fd, line, strlen(line)) < 0)
    return G_LOG_WRITER_UNHANDLED;
  return G_LOG_WRITER_HANDLED;
}

Log *log_new(const char *file, LogLevel level, GError **error) {
  int fd = STDERR_FILENO;
  if (file) {
    fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
    if (fd < 0) {
      g_set_error(error, FS_ERROR, FS_ERROR_USAGE, "log=%s: %s", file, g_strerror(errno));
      return NULL;
    }
  }
  Log *log = g_new0(Log, 1);
  log->fd = fd;
  log->file = file != NULL;
  log->level = level;
  g_log_set_writer_func(write_log, log, NULL);
  return log;
}

/* What would go to a terminal that is no more: the last words of a failed assertion. */
static void print_to_log(const char *text) {
  g_critical("%s", text);
}

void log_to_syslog(Log *log) {
  g_set_printerr_handler(print_to_log);
  if (log->file)
    return;
  openlog("imapfs", LOG_PID, LOG_DAEMON);
  g_atomic_int_set(&log->fd, -1);
}
