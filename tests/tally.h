/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * How often each letter stands where: a ledger of what was accepted, to be compared with what a server has. A letter is
 * its octets, a bare LF counts as CR LF. Folders are as Maildir++ has them, without the dot: "", "Work", "Work.Old".
 */
typedef struct _Tally Tally;

Tally *tally_new(void);
void tally_free(Tally *tally);

void tally_add(Tally *tally, const char *folder, const char *octets, gsize len);
void tally_flag(Tally *tally, const char *folder, const char *octets, gsize len); /* the one there: \Flagged */
void tally_take(Tally *tally, const char *folder, const char *octets, gsize len); /* the one there: it is gone */
/* From now on it is there, or anywhere else, or (with `gone`) nowhere: somebody lied about it. */
void tally_doubt(Tally *tally, const char *octets, gsize len, gboolean gone);

/* All that is in it; with `marks`, but for what is flagged \Deleted. */
gboolean tally_maildir(Tally *tally, const char *path, gboolean marks, GError **error);

/* Each letter that `got` has too often or not often enough, a line each. NULL: there is none. A new string. */
char *tally_compare(const Tally *expected, const Tally *got);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tally, tally_free)
