/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the drafts share: drafts.c has the table and the turns, draft.c what is done with one draft,
 * draft_finish.c when it goes into the journal and draft_put.c how, draft_hold.c what keeps it from being sent
 * meanwhile, draft_about.c what its file says of itself, draft_lend.c octets that are another's, draft_after.c what
 * comes when nobody has it open, draft_recover.c what a crash left; write.c has the handles that fs/ holds. Nobody else
 * includes this. */
#include "cache/draft/draft.h"
#include "cache/draft/draft_bytes.h"

#define DRAFT_MAX IMAP_LIMIT_BODY                 /* what is larger could not be read again */
#define DRAFT_LOCAL (G_GUINT64_CONSTANT(1) << 30) /* octets of all that stays local: scratch, not an archive */
#define DRAFT_GRACE (2 * G_USEC_PER_SEC)          /* between the last close and the upload */

#define DRAFT_INCOMPLETE "incomplete: who wrote it was killed"

typedef struct _Draft Draft;

struct _Drafts {
  Account *account;
  DraftsHooks hooks;
  gint open, rewritten; /* atomic; sizes of the tables: most questions are answered by these being 0 */
  GMutex mutex;         /* guards what follows, and the first part of each draft */
  GHashTable *by_row;   /* gint64 of a draft: each row that it has been -> Draft */
  GHashTable *successors;
  GHashTable *borrowers;  /* gint64: message -> GArray of gint64: those whose octets are its, and that are waited for */
  gint lending;           /* atomic; their number */
  guint64 ended;          /* counts drafts that left */
  GHashTable *unfinished; /* gint64: rows that are held though nobody has them open: they could not be finished */
  gint64 tried;           /* monotonic: when that was tried again; 0: never */
};

struct _Draft {
  Drafts *drafts;
  /* guarded by Drafts.mutex */
  guint refs, writers;
  gint64 opened, row; /* row: whose octets these are in the journal; 0: a rewrite that is not there yet */
  guint64 size;
  gint64 wrote;       /* ns; 0: the index knows better */
  gint64 shown_stamp; /* stamp, when that was shown */
  gboolean lent;      /* the octets are those of another message, and not here */
  gboolean shown;     /* what stands above is so */
  gboolean listed;    /* in the table */
  gboolean hurry;     /* no grace */
  gboolean busy;      /* somebody has the turn: */
  GCond turn;
  /* of whoever has the turn */
  gboolean begun;
  gint64 base; /* rewrite: the message that is to be replaced; else 0 */
  DraftBytes bytes;
  gint64 copy;          /* row of the message whose octets these are, as long as nothing was written; or 0 */
  guint64 copied;       /* how many those are */
  gint64 kept;          /* spool/ROW is the file that holds them; 0: it is not */
  gboolean spooled;     /* there is a spool/ROW of this draft->row */
  JournalState put;     /* as what they are in the journal */
  gboolean dirty;       /* the journal does not have these octets */
  gboolean written;     /* by somebody, since it was opened */
  gboolean killed;      /* half a file, perhaps */
  gboolean other_lines; /* sealed: with CR LF, where these octets have LF */
  gboolean checked;     /* digest is of these octets */
  gint64 stamp;         /* the mtime that the index had from us, or when it was opened: another is the user's will */
  gboolean dated;       /* that has happened */
  guint64 allowed;      /* as many octets were asked for and not refused */
  DraftDigest digest;
};

/* ---- drafts.c ---- */
void draft_enter(Draft *draft); /* waits for the turn */
void draft_leave(Draft *draft);
void draft_show(Draft *draft, gint64 wrote); /* the live state follows the octets; wrote: ns, 0: as the index has it */
guint64 draft_size(Draft *draft);
gint64 draft_wrote(Draft *draft);
gboolean draft_hurries(Draft *draft);        /* and no longer */
void draft_is_row(Draft *draft, gint64 row); /* its row in the journal, from now on in the table too; 0: none */
void drafts_rewritten(Drafts *drafts, gint64 old, gint64 fresh);
guint64 drafts_ended(Drafts *drafts);
void drafts_note_unfinished(Drafts *drafts, gint64 row);
GArray *drafts_take_unfinished(Drafts *drafts); /* gint64; or NULL: none, or it is too early */
/* The draft of a row, made where there is none; one writer more. The turn is the caller's. NULL: some have ended since
 * `ended`, and what was read before may be old. */
Draft *drafts_attach(Drafts *drafts, gint64 row, guint64 ended, gboolean *ret_made);
Draft *drafts_join(Drafts *drafts, gint64 row);   /* to read; or NULL. Without the turn */
Draft *drafts_find(Drafts *drafts, gint64 row);   /* likewise, whatever its octets are */
gboolean drafts_urge(Drafts *drafts, gint64 row); /* FALSE: it is not open */
/* The turn is the caller's, and goes. */
void drafts_detach(Draft *draft, gboolean writer);
/* This one, or where it has ended the one that is open now. A new reference. */
Draft *drafts_newest(Draft *draft);
void drafts_unref(Draft *draft);

/* ---- draft.c: the turn is the caller's, from here on ---- */
Account *draft_account(const Draft *draft);
/* The message as it is shown now: in which folder, under which name. GONE: it is not. */
gboolean draft_message(const Draft *draft, IndexMessage *ret, GError **error);
gboolean draft_begin(Draft *draft, GError **error); /* a writer came */
gboolean draft_write(Draft *draft, const void *octets, gsize len, guint64 offset, GError **error);
gboolean draft_truncate(Draft *draft, guint64 size, GError **error);
gboolean draft_clear(Draft *draft, GError **error); /* as by O_TRUNC, also of nothing */
gssize draft_read(Draft *draft, void *buffer, gsize len, guint64 offset, GError **error);
/* What stays local may do so for ever, and as long as its octets are those of a message that could not be removed: they
 * are its own from now on, where they are here. */
void draft_own(Draft *draft);
CacheAnswer draft_copy(Draft *draft, gint64 row, guint64 *ret_size, GError **error);

/* ---- draft_finish.c ---- */
gboolean draft_flush(Draft *draft, gboolean killed, GError **error);
void draft_finish(Draft *draft); /* the last writer went */
/* What state the NEW would have there, and its octets ready for it. */
gboolean draft_prepare(Draft *draft, gint64 folder, const char *name, JournalState *ret, GError **error);
gboolean draft_seal(Draft *draft, GError **error);

void draft_tell_data(Draft *draft); /* the kernel has other octets than we have now */

/* ---- draft_after.c ---- */
/* One that is not open: as a writer, with the octets that the journal has, and the turn. NULL and no error: there is no
 * such NEW. */
Draft *drafts_open_again(Drafts *drafts, gint64 row, GError **error);

/* ---- draft_hold.c ---- */
/* The NEW of a row, and whether the server was not told of it. */
gboolean draft_unsent(Index *index, gint64 row, JournalNew *ret, gboolean *ret_unsent, GError **error);
typedef struct {
  gboolean unsent; /* else there is no such NEW, and the rest is 0 */
  gboolean spooled, incomplete;
  JournalState state;
  gint64 copy;
} DraftHeld;
gboolean draft_set_due(Index *index, gint64 row, gint64 due, DraftHeld *ret, GError **error);
/* The octets are those of `source`, known without a look at them. */
void draft_lend(Draft *draft, gint64 row, const IndexMessage *source);

/* ---- draft_about.c ---- */
char *draft_about(Account *account, const IndexMessage *message); /* for spool_keep(); a new string */

/* ---- draft_put.c ---- */
/* What becomes of octets under a name. */
typedef struct {
  JournalState state; /* LOCAL or READY */
  const char *reason; /* LOCAL: why, if that is worth a word */
  GError *refusal;    /* what the writer is told, or NULL */
} DraftVerdict;
void draft_verdict_clear(DraftVerdict *verdict);
gboolean draft_judge(Account *account, gint64 folder, const char *name, const Octets *octets, gboolean killed,
                     DraftVerdict *ret, GError **error);
typedef enum { DRAFT_PUT, DRAFT_REMOVED, DRAFT_FAILED } DraftOutcome;
/* The octets become those of draft->row, which is made where there is none. REMOVED: there is no file any more. */
DraftOutcome draft_put(Draft *draft, const DraftVerdict *verdict, IndexPriority priority, gint64 due, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DraftVerdict, draft_verdict_clear)
