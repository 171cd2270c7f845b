/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/body/body.h"
#include "cache/cache.h"
#include "cache/events.h"
#include "cache/index/index.h"
#include "cache/journal/spool.h"
#include "cache/learnt.h"
#include "cache/replay/claims.h"
#include "cache/sync/stumble.h"
#include "imap/imap.h"

/*
 * What the jobs of one account share: the things below them, all thread-safe, and the few facts learnt about the server
 * that outlive a connection. A job owns nothing here.
 */
typedef struct {
  const CacheConfig *config;
  ImapPool *pool;
  Index *index;
  BodyStore *bodies;
  CacheEvents *events;
  Stumbles *stumbles;
  Claims *claims;            /* who looks at a mailbox, or changes it */
  Learnt *learnt;            /* what the server grants, as heard in this run */
  Spool *spool;              /* new messages too large for the index */
  gint64 root;               /* row of the folder at the mount point, from cache_start() on */
  GCancellable *cancellable; /* set by cache_stop() */

  gint select_only; /* atomic; the server answers EXAMINE without UIDNEXT (Courier): open with SELECT */
  gint wrong_sizes; /* atomic; claims that proved wrong since the account was first seen */
  gint stayed;      /* atomic; monotonic seconds: when a mailbox that was refused was last seen to stay; 0: never */
  gint tree_stamp;  /* atomic; goes up with each change of the folders (cache/tree/tree_private.h) */
  gint64 doubted;   /* of the sync thread: the row whose name a delta found to show another mailbox; 0 */
  gint wrong_deltas[IMAP_DELTA_QRESYNC + 1]; /* atomic; by strategy: times that what it told was not so */
} Account;

/* After this many wrong claims no claim of this server is shown any more. */
#define ACCOUNT_WRONG_SIZES 3

void account_load_facts(Account *account); /* from the index; the pool is there */
void account_wrong_size(Account *account); /* counts and remembers one */
/* A claimed size may be shown: it is not 0, and claims were right so far. */
gboolean account_shows_claim(Account *account, guint64 claim);

/* The server wants to be left alone until then (s since 1970; 0: no longer): remembered across restarts. An
 * ImapConfig.paused. */
void account_paused(gint64 until, gpointer account);

/* imap_examine() in the way this server needs (never SELECT but where EXAMINE lacks UIDNEXT), and GONE where there
 * is no such mailbox, UNAVAILABLE where the UIDVALIDITY is not the row's (0: any). Where UIDs are not sticky the
 * UIDVALIDITY is 0, as if there were none. With `ret_uids` also what is in it, in the same round trip. Blocks. */
gboolean account_open_mailbox(Account *account, ImapConn *conn, const IndexMailbox *mailbox, ImapMailbox *ret,
                              ImapSeqset **ret_uids, GError **error);

/* SELECT, for changing: under the row's UIDVALIDITY as account_open_mailbox(), and READONLY where the server does not
 * say READ-WRITE or has no stable UIDs. `ret` is to clear in any case. Blocks. */
gboolean account_select_mailbox(Account *account, ImapConn *conn, const IndexMailbox *mailbox, ImapMailbox *ret,
                                GError **error);

/* Passes on why the server would not speak of this mailbox (taken): GONE where LIST shows that there is none, now or a
 * moment later. FALSE. */
gboolean account_refused(Account *account, ImapConn *conn, const char *raw, GError *refusal, GError **error);

gboolean account_pause(Account *account, gint64 time); /* blocks so long (µs); FALSE: cancelled */

/* The best strategy of this connection that the server has not discredited. */
ImapDelta account_delta(Account *account, ImapConn *conn);
void account_lied(Account *account, ImapDelta strategy); /* counts and remembers */
/* imap_examine_since() in the same way. */
gboolean account_open_since(Account *account, ImapConn *conn, const char *raw, ImapDelta delta, const ImapKnown *known,
                            gboolean uids, ImapChangedFunc changed, gpointer data, ImapChanges *ret, GError **error);

/* Pushes one event; `name` and `error` are copied. */
void account_tell(Account *account, CacheEventType type, CacheKind kind, gint64 row, gint64 parent, const char *name,
                  const GError *error);
/* The end of a wanted body: fd (given away) or error (copied). */
void account_tell_body(Account *account, gint64 row, int fd, const GError *error);
