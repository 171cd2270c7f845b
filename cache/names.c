/* SPDX-License-Identifier: MIT */
#include "cache/names.h"
#include <string.h>
void names_suffix(const char *name, guint n, char ret[NAMES_MAX + 1]) {
  char tail[64];
  const char *eml = g_str_has_suffix(name, ".eml") ? name + strlen(name) - 4 : name + strlen(name);
  const char *uid = eml;
  while (uid > name && g_ascii_isdigit(uid[-1]))
    uid--;
  gboolean computed = uid < eml && uid > name + 1 && uid[-1] == '.' && eml - uid <= 10;
  const char *stem_end = computed ? uid - 1 : eml;
  g_snprintf(tail, sizeof tail, "~%u%s", n, stem_end);
  gsize room = NAMES_MAX - strlen(tail), len = MIN((gsize)(stem_end - name), room);
  while (len > 0 && len < (gsize)(stem_end - name) && ((guchar)name[len] & 0xc0) == 0x80)
    len--;
  memmove(ret, name, len);
  strcpy(ret + len, tail);
}
