/* SPDX-License-Identifier: MIT */
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "fs/log.h"
#include "fs/options_table.h"

static const char *const levels[] = {"error", "warning", "info", "debug"};

static void set_string(char **field, char *value) {
  g_free(*field);
  *field = value;
}

static void append(char ***list, const char *value) {
  guint n = *list ? g_strv_length(*list) : 0;
  *list = g_renew(char *, *list, n + 2);
  (*list)[n] = g_strdup(value);
  (*list)[n + 1] = NULL;
}

static gboolean parse_size(const char *value, guint64 max, guint64 *ret) {
  static const char units[] = "KMGT";
  char *end;
  guint64 number = g_ascii_strtoull(value, &end, 10);
  guint shift = 0;

  if (!g_ascii_isdigit(*value))
    return FALSE;
  if (*end) {
    const char *unit = strchr(units, g_ascii_toupper(*end));
    if (!unit || end[1])
      return FALSE;
    shift = 10 * (guint)(unit - units + 1);
  }
  if (number > max >> shift)
    return FALSE;
  *ret = number << shift;
  return TRUE;
}

static gboolean parse_choice(const char *values, const char *value, guint *ret) {
  g_auto(GStrv) words = g_strsplit(values, "|", -1);
  for (guint i = 0; words[i]; i++)
    if (g_str_equal(words[i], value)) {
      *ret = i;
      return TRUE;
    }
  return FALSE;
}

static gboolean parse_user(Options *ret, const char *value) {
  guint64 number;
  struct passwd *user = getpwnam(value);
  if (!user && !g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32 - 1, &number, NULL))
    return FALSE;
  ret->uid = user ? user->pw_uid : (guint32)number;
  ret->uid_given = TRUE;
  return TRUE;
}

static gboolean parse_group(Options *ret, const char *value) {
  guint64 number;
  struct group *group = getgrnam(value);
  if (!group && !g_ascii_string_to_unsigned(value, 10, 0, G_MAXUINT32 - 1, &number, NULL))
    return FALSE;
  ret->gid = group ? group->gr_gid : (guint32)number;
  ret->gid_given = TRUE;
  return TRUE;
}

static gboolean parse_log(Options *ret, const char *value) {
  for (guint i = 0; i < G_N_ELEMENTS(levels); i++)
    if (g_str_equal(levels[i], value)) {
      ret->log_level = i;
      return TRUE;
    }
  if (!strchr(value, '/'))
    return FALSE;
  set_string(&ret->log_file, g_canonicalize_filename(value, NULL));
  return TRUE;
}

gboolean option_set(const Option *option, Options *ret, const char *value) {
  gpointer field = (char *)ret + option->offset;
  guint64 number;

  switch (option->type) {
  case OPTION_TEXT:
    set_string(field, g_strdup(value));
    return *value != '\0';
  case OPTION_PATH:
    set_string(field, g_canonicalize_filename(value, NULL));
    return *value != '\0';
  case OPTION_LIST:
    append(field, value);
    return *value != '\0';
  case OPTION_NUMBER:
    if (!g_ascii_string_to_unsigned(value, 10, option->min, option->max, &number, NULL))
      return FALSE;
    *(guint *)field = (guint)number;
    return TRUE;
  case OPTION_SIZE:
    return parse_size(value, option->max, field);
  case OPTION_CHOICE:
    return parse_choice(option->values, value, field);
  case OPTION_USER:
    return parse_user(ret, value);
  case OPTION_GROUP:
    return parse_group(ret, value);
  case OPTION_LOG:
    return parse_log(ret, value);
  case OPTION_KERNEL:
  case OPTION_FLAG:
  case OPTION_IGNORED:
  case OPTION_REFUSED:
    return TRUE;
  }
  g_assert_not_reached();
}

void option_set_flag(const Option *option, Options *ret) {
  if (option->type == OPTION_FLAG)
    *(gboolean *)((char *)ret + option->offset) = TRUE;
  else if (option->type == OPTION_KERNEL)
    g_string_append_printf(ret->kernel, "%s%s", ret->kernel->len ? "," : "", option->name);
}
