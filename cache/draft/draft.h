/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/account.h"
#include "cache/journal/journal.h"

/*
 * What is open for writing: one draft for each message, however many handles it has. Thread-safe; all of it may wait
 * for the disk, but for what says that it does not.
 */
typedef struct _Drafts Drafts;

/* Called without a lock. */
typedef struct {
  void (*wake)(gpointer data);                /* something is to be sent */
  void (*resized)(gint64 row, gpointer data); /* the size that the kernel may hold of it is wrong */
  gpointer data;
} DraftsHooks;
Drafts *drafts_new(Account *account, const DraftsHooks *hooks);
void drafts_free(Drafts *drafts); /* every handle is closed */

/* What a crash left: octets that were flushed, and never closed, are finished. Before journal_open(), which forgets
 * what was held. */
gboolean drafts_recover(Drafts *drafts, GError **error);
/* Those whose last close found no room on the disk: once more, but not all the time. */
void drafts_finish_rest(Drafts *drafts);
/* Files in the spool that no row claims stand in lost+found. Once the root is known. */
gboolean drafts_adopt(Drafts *drafts, gint64 root, GError **error);

/* ---- the live state of a message, for whoever shows it; these never block -------------------------------------- */
typedef struct {
  guint64 size;
  gint64 mtime; /* ns, of the last write; 0: as the index has it */
  gint64 stamp; /* where the index has another than this the user has set it since */
} DraftLook;
gboolean drafts_look(Drafts *drafts, gint64 row, DraftLook *ret); /* FALSE: nobody has it open for writing */
/* The row that has taken the place of this one, which was rewritten and is hidden now; else `row` itself. The kernel
 * goes on asking for the old one for as long as it holds it. Once that is shown again, in the trash, it is itself. */
gint64 drafts_successor(Drafts *drafts, gint64 row);

/* ---- for whoever changes or sends what may be open --------------------------------------------------------------- */
/* The octets flushed so far are what is sent, without delay, though the file is open; what is written later is a
 * rewrite. Nothing to do where it is not open. */
gboolean drafts_seal(Drafts *drafts, gint64 row, GError **error);
/* This NEW need not wait for its grace any more (an mtime was set): it is due when it is closed, or now. */
gboolean drafts_hurry(Drafts *drafts, gint64 row, GError **error);
/* Before journal_rename() of a NEW that is not sent: what state it will have as `name` in `folder`. Ends its lines in
 * CR LF where it becomes mail. INVALID: under this name it had to be a message, and is none. Of what is open LOCAL is
 * said: it is judged by its name when it is closed. */
gboolean drafts_prepare(Drafts *drafts, gint64 row, gint64 folder, const char *name, JournalState *ret, GError **error);
/* In the job of such a rename, where the octets are in the spool: their file tells its new name. */
void drafts_describe(Account *account, gint64 row);
/* After a rename of what was open. TRUE: it will be judged by the name it has now. FALSE: it was closed meanwhile, and
 * perhaps judged by the old one. */
gboolean drafts_still_open(Drafts *drafts, gint64 row);

/* A change to it is done, or undone: what was rewritten and is shown again is told of, and a copy that is in lost+found
 * gets octets of its own. */
void drafts_settled(Drafts *drafts, gint64 row);

/* The octets of a message that the server does not have yet: an fd to read, at the start. READY, ABSENT (they are not
 * here) or FAILED. *ret_lender: the message whose body they are, where they are not here; else 0. */
CacheAnswer drafts_open_octets(Account *account, gint64 row, int *ret_fd, gint64 *ret_lender, GError **error);
/* Keeps these octets in discarded/. Where they are not here there is nothing to keep. */
gboolean drafts_discard(Account *account, gint64 row, GError **error);
/* `borrower` waits for the body of `lender`, whose event is relayed to it; who it waits for (else itself). */
void drafts_lend(Drafts *drafts, gint64 lender, gint64 borrower);
void drafts_relay(Drafts *drafts, const CacheEvent *event);
gint64 drafts_lender(Drafts *drafts, gint64 borrower);
