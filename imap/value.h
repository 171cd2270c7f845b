/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * The values of one response: atoms, strings and lists of them. A tree is one block of memory in
 * preorder and points into the response it was read from, which must outlive it. Values are read
 * only through getters, which say FALSE or NULL where the server sent something else.
 */
typedef struct _ImapValue ImapValue;

typedef enum {
  IMAP_VALUE_LIST,
  IMAP_VALUE_ATOM,     /* also NIL, numbers, flags and BODY[...]<n> */
  IMAP_VALUE_QUOTED,   /* data is what stands between the quotes */
  IMAP_VALUE_LITERAL,  /* {n} and ~{n} */
  IMAP_VALUE_STREAMED, /* a literal whose octets went elsewhere */
} ImapValueType;

/* Filled by imap/parser.c alone. */
struct _ImapValue {
  ImapValueType type;
  guint32 span; /* values in this subtree, itself included */
  const char *data;
  gsize len;
};

typedef struct {
  const ImapValue *at, *end;
} ImapIter;

void imap_value_free(ImapValue *root); /* as imap_parser_values() returned it */

gboolean imap_value_list(const ImapValue *value, ImapIter *ret) G_GNUC_WARN_UNUSED_RESULT; /* iterates the members */
const ImapValue *imap_iter_next(ImapIter *iter) G_GNUC_WARN_UNUSED_RESULT;                 /* NULL at the end */

ImapValueType imap_value_type(const ImapValue *value) G_GNUC_WARN_UNUSED_RESULT;
gboolean imap_value_is(const ImapValue *value, const char *atom) G_GNUC_WARN_UNUSED_RESULT; /* case-insensitive */
gboolean imap_value_atom(const ImapValue *value, const char **ret, gsize *ret_len) G_GNUC_WARN_UNUSED_RESULT;
gboolean imap_value_number(const ImapValue *value, guint64 max, guint64 *ret) G_GNUC_WARN_UNUSED_RESULT;

/* New strings: an atom; an astring (atom, quoted or literal); NULL if it is another value or holds NUL. */
char *imap_value_dup_atom(const ImapValue *value) G_GNUC_WARN_UNUSED_RESULT;
char *imap_value_dup_astring(const ImapValue *value) G_GNUC_WARN_UNUSED_RESULT;
GBytes *imap_value_dup_bytes(const ImapValue *value) G_GNUC_WARN_UNUSED_RESULT; /* quoted or literal, else NULL */

/* The atoms among the members still to come, as a new NULL-terminated array. */
char **imap_iter_dup_words(ImapIter *iter) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapValue, imap_value_free)
