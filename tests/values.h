/* SPDX-License-Identifier: MIT */
#pragma once

#include <string.h>

#include "imap/value.h"

/* Values written as a server would write them, and compared; for tests and fuzz targets. */
static void values_print_into(GString *into, const ImapValue *value) {
  ImapIter iter;
  if (imap_value_list(value, &iter)) {
    g_string_append_c(into, '(');
    const char *gap = "";
    for (const ImapValue *member; (member = imap_iter_next(&iter)); gap = " ") {
      g_string_append(into, gap);
      values_print_into(into, member);
    }
    g_string_append_c(into, ')');
    return;
  }
  const char *quote = imap_value_type(value) == IMAP_VALUE_QUOTED ? "\"" : "";
  if (imap_value_type(value) == IMAP_VALUE_LITERAL)
    g_string_append_printf(into, "{%zu}\r\n", value->len);
  if (imap_value_type(value) == IMAP_VALUE_STREAMED)
    g_string_append(into, "<streamed>");
  g_string_append(into, quote);
  g_string_append_len(into, value->data, (gssize)value->len);
  g_string_append(into, quote);
}

G_GNUC_UNUSED static GString *values_print(const ImapValue *root) {
  GString *text = g_string_new(NULL);
  values_print_into(text, root);
  return text;
}

G_GNUC_UNUSED static gboolean values_equal(const ImapValue *a, const ImapValue *b) {
  if (a->span != b->span)
    return FALSE;
  for (guint i = 0; i < a->span; i++) {
    if (a[i].type != b[i].type || a[i].span != b[i].span || a[i].len != b[i].len ||
        (a[i].len > 0 && memcmp(a[i].data, b[i].data, a[i].len) != 0))
      return FALSE;
  }
  return TRUE;
}
