/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * The keywords of a message, as the index has them: a set of words with blanks between, in one string; NULL for none.
 * Case tells no two of them apart (RFC 3501 section 2.3.2). Pure functions. What they return is a new string, in the
 * order and spelling of their arguments, and NULL rather than empty.
 */
char *words_with(const char *words, const char *more); /* union; no word twice */
char *words_without(const char *words, const char *others);
char *words_within(const char *words, const char *others); /* those that are in both */
char *words_change(const char *words, const char *add, const char *remove);

gboolean words_include(const char *words, const char *others); /* all of them */
gboolean words_meet(const char *words, const char *others);    /* one at least */

/* As imap/ has them: an array that ends with NULL. Split never returns NULL, nor an empty word. */
char **words_split(const char *words);
char *words_join(char *const *list); /* list may be NULL */
