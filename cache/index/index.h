/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

#include "imap/imap.h"

/*
 * The index of one account: an SQLite database (WAL) with one row per mailbox and per message. A message row holds
 * what the server has said (mailbox, uid, flags, ...), what is ours and never recomputed (name, mtime, size, hash), and
 * the folder in which it is shown, which the journal decides (cache/journal/journal.h). Readers ask by folder, the sync
 * by mailbox and UID.
 *
 * Reading functions may be called from any thread; each takes a read connection from a small stack and ends its
 * read transaction before it returns. Writing happens in one thread only, in jobs: many waiting jobs share a commit,
 * the journal goes first, and listings come in small batches, so that nobody waits long (a busy handler is not fair).
 */
typedef struct _Index Index;
typedef struct _IndexTxn IndexTxn;

/* In attrs: not shown (hide=, subscribed); index_find_mailbox(), _children() and _count_children() pass over it. */
#define INDEX_HIDDEN (1u << 31)
/* In attrs, with raw NULL: of ours alone, for debris and for what the server refused; LIST knows nothing of it. */
#define INDEX_LOCAL (1u << 30)

typedef enum {
  INDEX_UNLISTED,
  INDEX_PARTIAL,
  INDEX_LISTED,
  INDEX_DOUBTED, /* its UIDs mean something else now: to be listed anew, and its rows matched again */
} IndexListed;

typedef struct {
  gint64 row, parent;
  char *raw;  /* the server's name; NULL for the root of the account */
  char *name; /* shown component, unique in parent */
  char delimiter;
  guint attrs; /* ImapAttrs and INDEX_HIDDEN; NOSELECT for parents that LIST does not show */
  guint32 uidvalidity, uidnext, exists;
  guint64 modseq;
  char *mailboxid; /* or NULL */
  IndexListed listed;
  gint64 listed_at; /* s since 1970 of the end of the first listing; 0 */
  gint64 mtime;     /* ns: last change of membership */
} IndexMailbox;

typedef struct {
  gint64 row;
  gint64 mailbox;         /* where the server has it, or is to have it */
  guint32 uid;            /* 0: the server does not have it, or not under a number that we know */
  gint64 folder;          /* where it is shown: `mailbox`, unless the journal says otherwise; 0: nowhere */
  char name[256];         /* unique in folder */
  guint flags;            /* ImapFlags */
  char *keywords;         /* blank-separated, or NULL */
  gint64 internaldate;    /* s; first sane value */
  gint64 mtime, ctime;    /* ns */
  guint64 claim;          /* RFC822.SIZE, or IMAP_UNKNOWN_SIZE */
  guint64 size;           /* exact, or IMAP_UNKNOWN_SIZE */
  guint8 sha256[32];      /* of the body, where size is exact */
  guint8 fingerprint[16]; /* of the four header fields; zero: none fetched */
  char *emailid;          /* EMAILID or Gmail's message id: equal ids mean equal octets; or NULL */
  gboolean gone;          /* tombstone */
  gboolean unproven;      /* out, of index_add_message(): see there */
} IndexMessage;

/* What the server knows a message by. The same UID under another UIDVALIDITY is another message. */
typedef struct {
  gint64 row, mailbox;
  guint32 uidvalidity, uid;
} IndexKey;

void index_mailbox_clear(IndexMailbox *mailbox);
void index_message_clear(IndexMessage *message);

/* Opens or makes index.db in the directory (a held fd), migrates, checks integrity after an unclean stop, makes a new
 * one of a damaged one (cache/index/index_salvage.h), purges tombstones. `ret_unclean`: the last run did not end by
 * index_close(). A newer schema is an error. */
Index *index_open(int dirfd, gboolean *ret_unclean, GError **error);
void index_close(Index *index);

/* ---- reading: FALSE with *error NULL means "no such row". Inside a job they see what it has written ------- */
gboolean index_get_mailbox(Index *index, gint64 row, IndexMailbox *ret, GError **error);
gboolean index_need_mailbox(Index *index, gint64 row, IndexMailbox *ret, GError **error); /* the same, or GONE */
gboolean index_find_mailbox(Index *index, gint64 parent, const char *name, IndexMailbox *ret, GError **error);
/* Also one that is not shown: the name is taken all the same. */
gboolean index_has_mailbox(Index *index, gint64 parent, const char *name, gboolean *ret, GError **error);
GPtrArray *index_mailboxes(Index *index, GError **error); /* all living ones, IndexMailbox*, parents first */
/* Up to n living children after `row`, by row. Returns how many; -1 on error. */
gssize index_children(Index *index, gint64 parent, gint64 row, IndexMailbox *ret, gsize n, GError **error);
gboolean index_count_children(Index *index, gint64 parent, guint *ret, GError **error);

gboolean index_get_message(Index *index, gint64 row, IndexMessage *ret, GError **error); /* tombstones too */
gboolean index_get_key(Index *index, gint64 row, IndexKey *ret, GError **error); /* living ones that have a UID */
/* By where they are shown. */
gboolean index_find_message(Index *index, gint64 folder, const char *name, IndexMessage *ret, GError **error);
gssize index_messages(Index *index, gint64 folder, gint64 row, IndexMessage *ret, gsize n, GError **error);
/* By where the server has them. */
gboolean index_find_uid(Index *index, gint64 mailbox, guint32 uid, IndexMessage *ret, GError **error);
/* Up to n living ones after this UID, by UID. Returns how many, or -1. */
gssize index_placed(Index *index, gint64 mailbox, guint32 uid, IndexMessage *ret, gsize n, GError **error);
ImapSeqset *index_uids(Index *index, gint64 mailbox, GError **error); /* of the living, streamed: no array of rows */

typedef struct {
  gint64 row;
  guint32 uid;
  guint64 size; /* exact or claim; 0 when neither is known */
  gint64 mailbox;
} IndexNext;
typedef enum { INDEX_BY_ROW, INDEX_BY_NAME } IndexOrder;
/* Up to n living messages that follow this one in the order. With `bodiless`, only those without a body. Returns how
 * many, or -1. Looks only at the next 4096 in the order; reads by index in either, so it costs the same anywhere. */
gssize index_following(Index *index, gint64 folder, gint64 row, IndexOrder order, gboolean bodiless, IndexNext *ret,
                       gsize n, GError **error);
gboolean index_totals(Index *index, guint64 *messages, guint64 *folders, guint64 *bytes, GError **error);
/* That a folder shows, and those of them without \Seen, as shown. Costs a walk over its rows. */
gboolean index_count_messages(Index *index, gint64 folder, guint64 *messages, guint64 *unseen, GError **error);
gboolean index_last_row(Index *index, gint64 *ret, GError **error);  /* the highest row number ever given */
char *index_get_meta(Index *index, const char *key, GError **error); /* NULL: not set */

/* ---- writing ---------------------------------------------------------------------------------- */
/* JOURNAL is durable when it is committed; CHANGE goes with it, and is durable within a second, or after
 * index_sync_disk(). */
typedef enum { INDEX_JOURNAL, INDEX_CHANGE, INDEX_SYNC, INDEX_BODY, INDEX_PRIORITIES } IndexPriority;
/* Runs in the writer thread inside a transaction; FALSE rolls this job back, not its neighbours. */
typedef gboolean (*IndexJob)(IndexTxn *txn, gpointer data, GError **error);

/* Runs the job and returns once it is committed. Blocks. */
gboolean index_write(Index *index, IndexPriority priority, IndexJob job, gpointer data, GError **error);
/* Queues the job. `done` (or NULL) is called in the writer thread with its outcome, after the commit. */
void index_post(Index *index, IndexPriority priority, IndexJob job, gpointer data,
                void (*done)(gpointer data, const GError *error));

/* Returns once all that was queued before is committed: who must read what a posted job writes calls this first. */
gboolean index_flush(Index *index, GError **error);
/* What has been committed is on the disk. */
gboolean index_sync_disk(Index *index, GError **error);

/* row 0: inserts and sets row. Else updates what LIST says: parent, raw, name, delimiter, attrs. */
gboolean index_put_mailbox(IndexTxn *txn, IndexMailbox *mailbox, GError **error);
/* Updates what opening it says: uidvalidity, uidnext, exists, modseq, mailboxid, listed, listed_at. Under another
 * UIDVALIDITY tombstones lose their UIDs. */
gboolean index_set_state(IndexTxn *txn, const IndexMailbox *mailbox, GError **error);
typedef struct {
  gint64 row, folder; /* 0: none */
  char name[256];
} IndexLeft; /* a message that left the place where it was shown */
typedef void (*IndexRemoved)(const IndexLeft *left, gpointer data);
/* It becomes a tombstone and gives up its name. Its messages follow by index_end_messages(), up to `most` in one
 * transaction (*ret_more: there may be others); what a crash leaves of them the next run ends. */
gboolean index_end_mailbox(IndexTxn *txn, gint64 row, GError **error);
/* New ones that the server does not have yet stay, and are refused when their turn comes. `removed` is told of those
 * that were shown in another folder. */
gboolean index_end_messages(IndexTxn *txn, gint64 mailbox, gint most, IndexRemoved removed, gpointer data,
                            gboolean *ret_more, GError **error);
gboolean index_touch_mailbox(IndexTxn *txn, gint64 row, gint64 mtime, GError **error);

/* Inserts and sets row. A name that is taken gets a suffix (in message->name too). A living message with this UID:
 * TRUE, and message->row is that row, nothing else changed but its flags. A tombstone with this UID, fingerprint and
 * claim lives again under its row: then *message is what the index has. uid 0: not on the server. A row that waits to
 * be matched (index_forget_uids) takes the message, if it is the only one with its EMAILID, else with its fingerprint
 * and claim; in the second case message->unproven says that it has a body, which is held from now on. */
gboolean index_add_message(IndexTxn *txn, IndexMessage *message, gboolean *ret_added, GError **error);
gboolean index_set_flags(IndexTxn *txn, gint64 mailbox, guint32 uid, guint flags, const char *keywords,
                         gboolean *ret_changed, GError **error);
/* Living messages with these UIDs become tombstones; each is reported. What the journal had for them is dropped:
 * somebody else's change wins. */
gboolean index_remove_uids(IndexTxn *txn, gint64 mailbox, const ImapSeqset *uids, IndexRemoved removed, gpointer data,
                           GError **error);
/* The server renumbered: up to `most` living messages lose their UIDs (*ret_more: there may be others) and wait to be
 * matched; index_end_forgotten() ends those that nothing matched, some at a time. */
gboolean index_forget_uids(IndexTxn *txn, gint64 mailbox, gint most, gboolean *ret_more, GError **error);
gboolean index_end_forgotten(IndexTxn *txn, gint64 mailbox, IndexRemoved removed, gpointer data, gboolean *ret_more,
                             GError **error);
gboolean index_has_key(IndexTxn *txn, const IndexKey *key, gboolean *ret, GError **error); /* no other stands there */
/* ctime 0: unchanged. */
gboolean index_set_size(IndexTxn *txn, gint64 row, guint64 size, const guint8 sha256[32], gint64 ctime, GError **error);
/* The dates of a message as shown, ns; its mtime, and the INTERNALDATE (s) it is to be appended with. */
gboolean index_set_mtime(IndexTxn *txn, gint64 row, gint64 mtime, GError **error);
gboolean index_set_ctime(IndexTxn *txn, gint64 row, gint64 ctime, GError **error);
gboolean index_set_internaldate(IndexTxn *txn, gint64 row, gint64 internaldate, GError **error);
/* What the server says of a message that we gave it. */
typedef struct {
  gint64 row;
  gboolean altered;          /* its octets are no longer those that we know: only the claim stands, */
  const guint8 *fingerprint; /* and this, of its header; zero: not known */
  guint64 claim;             /* RFC822.SIZE */
  const char *emailid;       /* or NULL */
} IndexDescribed;
gboolean index_describe(IndexTxn *txn, const IndexDescribed *described, GError **error);
gboolean index_set_meta(IndexTxn *txn, const char *key, const char *value, GError **error);

/* ---- what may be done in a mailbox, as last heard (cache/access.h) ------------------------------------- */
typedef struct {
  gint64 heard;         /* s since 1970 of the last SELECT or MYRIGHTS; 0: never, and the rest means nothing */
  gboolean read_only;   /* SELECT did not say READ-WRITE */
  guint rights;         /* ImapRights; IMAP_RIGHTS_ALL where the server has no ACL */
  gboolean limited;     /* only the following flags can be set, else all */
  guint permanent;      /* ImapFlags */
  gboolean any_keyword; /* also keywords that nobody has used yet */
  char *keywords;       /* blank-separated, that can be set; or NULL */
  guint64 append_limit; /* octets of one message; 0: none known */
} IndexAccess;
void index_access_clear(IndexAccess *access);
gboolean index_get_access(Index *index, gint64 mailbox, IndexAccess *ret, GError **error); /* FALSE: no such mailbox */
gboolean index_set_access(IndexTxn *txn, gint64 mailbox, const IndexAccess *access, GError **error);

/* ---- bodies in the cache: rows of their own, only for cache/body --------------------------------- */
typedef struct {
  gint64 row;
  guint64 bytes;
  guint queue;     /* see body.c */
  gint64 used;     /* order of last use */
  guint64 epoch;   /* of the last verification */
  gboolean held;   /* not to be served until it is proven */
  gboolean orphan; /* index_each_body: its message is gone, of another size, or in a mailbox without stable UIDs: drop
                      the file too */
} IndexBody;
/* By order of last use. */
gboolean index_each_body(Index *index, void (*each)(const IndexBody *body, gpointer data), gpointer data,
                         GError **error);
gboolean index_put_body(IndexTxn *txn, const IndexBody *body, GError **error); /* leaves `held` as it is */
gboolean index_release_body(IndexTxn *txn, gint64 row, GError **error);
/* Up to n messages after `row` whose body is held, and that have a UID. Returns how many, or -1. */
gssize index_held_bodies(Index *index, gint64 mailbox, gint64 row, IndexNext *ret, gsize n, GError **error);
gboolean index_drop_body(IndexTxn *txn, gint64 row, GError **error);
gboolean index_drop_bodies(IndexTxn *txn, GError **error);
/* The index is older than what was shown: leave a gap, so that no row is used twice. */
gboolean index_skip_rows(IndexTxn *txn, gint64 n, GError **error);
/* The next message gets a higher number than this. */
gboolean index_reserve_rows(IndexTxn *txn, gint64 last, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Index, index_close)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(IndexMailbox, index_mailbox_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(IndexMessage, index_message_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(IndexAccess, index_access_clear)
