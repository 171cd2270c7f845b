/* SPDX-License-Identifier: MIT */
/*
 * A process that dies of a signal closes its files like any other, and what it wrote may be half a letter. While it
 * closes them, field 9 of /proc/PID/stat (flags of the kernel) has PF_SIGNALED; but so it is for the other threads of a
 * process that exits by itself. The exit code, field 52, tells them apart: its low seven bits are a signal. It is 0 for
 * those who may not see it.
 */
#include "fs/killed.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FIELD_FLAGS 9
#define FIELD_EXIT_CODE 52
#define FIELD_AFTER_NAME 3 /* the name, in parentheses, may hold blanks and parentheses */
#define PF_SIGNALED 0x400
#define SIGNAL_MASK 0x7f
#define STAT_MOST 2048

static guint64 field(char **fields, guint n, guint number) {
  return number - FIELD_AFTER_NAME < n ? g_ascii_strtoull(fields[number - FIELD_AFTER_NAME], NULL, 10) : 0;
}

gboolean killed_parse(const char *stat, gboolean ours) {
  const char *name_end = strrchr(stat, ')');
  if (!name_end || name_end[1] != ' ')
    return FALSE;
  g_auto(GStrv) fields = g_strsplit(name_end + 2, " ", -1);
  guint n = g_strv_length(fields);
  if (!(field(fields, n, FIELD_FLAGS) & PF_SIGNALED))
    return FALSE;
  return !ours || (field(fields, n, FIELD_EXIT_CODE) & SIGNAL_MASK) != 0;
}

gboolean killed_is(pid_t pid, gboolean ours) {
  char path[32], stat[STAT_MOST];
  if (pid <= 0)
    return FALSE;
  g_snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return FALSE;
  gssize len = read(fd, stat, sizeof stat - 1);
  close(fd);
  if (len <= 0)
    return FALSE;
  stat[len] = '\0';
  return killed_parse(stat, ours);
}
