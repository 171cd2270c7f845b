/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

#include "cache/index/index.h"

/*
 * Flags as text: "\Seen \Flagged $Label1". Pure functions. Keywords are blank-separated, as in the index, or NULL for
 * none; their case tells nothing apart.
 */

/* System flags in the order of RFC 3501, then keywords in alphabetical order, however the server lists them: what a
 * backup holds is what is shown again. Never \Recent, which is a session's and not the message's. A new string. */
char *attribute_flags_format(guint flags, const char *keywords);

/* The reverse, in any order and case. FALSE, INVALID: it holds something that cannot be set (\Recent, other system
 * flags, what is no atom of IMAP). *ret_keywords is a new string or NULL. */
gboolean attribute_flags_parse(const char *value, gsize len, guint *ret_flags, char **ret_keywords, GError **error);

/* What leads from one list to another. */
typedef struct {
  guint add, remove;
  char *add_keywords, *remove_keywords; /* or NULL */
} AttributeChange;
void attribute_change_clear(AttributeChange *change);
AttributeChange attribute_flags_compare(guint from, const char *from_keywords, guint to, const char *to_keywords);
gboolean attribute_change_is_empty(const AttributeChange *change);

/* FALSE, PERMISSION: the server keeps some of that for a session at most, or not at all. What is not known is allowed.
 */
gboolean attribute_change_is_kept(const AttributeChange *change, const IndexAccess *access, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AttributeChange, attribute_change_clear)
