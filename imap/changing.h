/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What changes mail and mailboxes, and what asks beforehand whether it may. A part of imap/imap.h, which includes it;
 * nobody else does.
 *
 * Nothing here repeats anything: what has become of a change is told as exactly as it is known, and the caller decides.
 * What was sent and not answered is unknown, and what was not sent whole was surely not done. No fetch may be pending.
 * A server may think for four times the usual silence. A BAD is a refusal like NO.
 */

/* Can stand in a STORE: an atom, of at most 255 octets. */
gboolean imap_keyword_valid(const char *keyword);

/* Where octets come from: puts the next 1 to len of them into `buffer`. FALSE with an error that says why not; the
 * connection is then given up, as nothing else can end what was announced. May wait for the disk and for nothing
 * else. */
typedef gboolean (*ImapReadFunc)(gpointer source, void *buffer, gsize len, gsize *ret_len, GError **error);

/* A message to be. Its octets go as they are, so they should be lines with CR LF, and no NUL. */
typedef struct {
  guint flags;                 /* ImapFlags */
  const char *const *keywords; /* or NULL; those not valid are left out */
  gint64 internaldate;         /* or IMAP_UNKNOWN_DATE: the server's now. 1970 at the earliest. */
  guint64 size;                /* what `read` will give in all; not 0 */
  gpointer source;             /* for `read` */
} ImapAppend;

typedef enum {
  IMAP_APPEND_UNSENT,  /* the server never had all of it, or was not asked: surely not there */
  IMAP_APPEND_DONE,    /* OK was said */
  IMAP_APPEND_REFUSED, /* NO or BAD: surely not there */
  IMAP_APPEND_UNKNOWN, /* sent, and no answer came */
} ImapAppendOutcome;

typedef struct {
  ImapAppendOutcome outcome;
  guint32 uidvalidity, uid; /* DONE: from APPENDUID; 0: it said none, or none to be believed */
  guint first, n; /* messages that went in one command with it, and share its fate: refused ones may be innocent
                     where n > 1, so ask again with half of them */
  GError *error;  /* REFUSED: TOOBIG, QUOTA, UNAVAILABLE, GONE (no such mailbox), PERMISSION, READONLY, REFUSED;
                     CONFIG: it is no message that can be sent */
} ImapAppended;
void imap_appended_clear(ImapAppended *appended);

/* Messages that are to be appended, and what became of them. */
typedef struct {
  const ImapAppend *messages;
  ImapAppended *ret; /* as many; filled in any case, and to clear */
  guint n;
} ImapAppends;

/* Asked again and again while something is under way and all else was sent, once the mailbox has accepted something:
 * may give longer arrays in place of `all`, with the same at their beginning. What `ret` says is final, but for UNSENT.
 * Must not use the connection, and may wait for the disk and for nothing else. */
typedef void (*ImapMoreFunc)(ImapAppends *all, gpointer data);

/* Appends messages, in order. Small ones go many in a command (MULTIAPPEND) or many commands at once, large ones alone
 * and only when the server wants them. Begins nothing more after a refusal that concerns the mailbox, not the message:
 * what is then UNSENT has no error. FALSE: the connection is lost; all->ret says what is known. The mailbox need not be
 * selected. `more` (or NULL): what comes meanwhile goes along, and waits for no answer. */
gboolean imap_append(ImapConn *conn, const char *mailbox, ImapAppends *all, ImapReadFunc read, ImapMoreFunc more,
                     gpointer data, GCancellable *c, GError **error);

/* What became of a set of UIDs. The sets are disjoint; what is in none was not asked for, or never reached the
 * server. */
typedef struct {
  ImapSeqset *done;    /* OK was said; of COPY and MOVE: COPYUID named it, whatever else was said */
  ImapSeqset *unnamed; /* COPY, MOVE: OK was said, COPYUID is silent: look for it, or if uidvalidity != 0, it is gone */
  ImapSeqset *refused; /* NO or BAD; of MOVE even so a part may be done: look */
  ImapSeqset *unknown; /* sent, and no answer came */
  ImapSeqset *told;    /* what the server said of its own: FETCH after STORE, VANISHED after UID EXPUNGE and MOVE */
  guint32 uidvalidity; /* of the mailbox that COPYUID spoke of; 0: it did not, or cannot be believed */
  ImapUidmap *copies;  /* what has which UID there */
  guint left_out;      /* STORE: ImapFlags that cannot be changed here */
  char **left_out_keywords;
} ImapEffect;
void imap_effect_clear(ImapEffect *effect);

typedef struct {
  gboolean add; /* or take away */
  guint flags;  /* ImapFlags */
  const char *const *keywords;
} ImapFlagging;

/* These work on the selected mailbox and refuse with READONLY, sending nothing, unless it was opened by SELECT and the
 * server said READ-WRITE: on an EXAMINEd one some servers say OK and do nothing, some obey (Dovecot moves). TRUE: OK
 * was said to all. FALSE: to a part or none; with the first refusal, after which nothing more was begun, or the loss of
 * the connection. `ret` is to clear in any case. OK to a UID that does not exist is usual.
 *
 * UID STORE of what PERMANENTFLAGS allow; if that is nothing, nothing is sent and `done` is empty. */
gboolean imap_store(ImapConn *conn, const ImapSeqset *uids, const ImapFlagging *flagging, ImapEffect *ret,
                    GCancellable *c, GError **error);
gboolean imap_copy(ImapConn *conn, const ImapSeqset *uids, const char *mailbox, ImapEffect *ret, GCancellable *c,
                   GError **error);
/* CONFIG where the server has no MOVE: COPY, look, STORE, UID EXPUNGE. */
gboolean imap_move(ImapConn *conn, const ImapSeqset *uids, const char *mailbox, ImapEffect *ret, GCancellable *c,
                   GError **error);
/* UID EXPUNGE, of what is flagged \Deleted among these; CONFIG where the server has no UIDPLUS: then nothing removes
 * just these. */
gboolean imap_expunge(ImapConn *conn, const ImapSeqset *uids, ImapEffect *ret, GCancellable *c, GError **error);

/* Mailboxes, by their raw names. EXISTS, GONE, PERMISSION and INVALID (no name for a mailbox here) are told apart as
 * far as the server's words allow. After a lost connection: LIST. `use` is an ImapAttrs of RFC 6154 or 0, and ignored
 * where the server cannot (CREATE-SPECIAL-USE); *ret_mailboxid (or NULL) is a new string, or NULL where none was told.
 * INBOX can be neither deleted nor renamed (that would move its mail). What is selected is left first. */
gboolean imap_create(ImapConn *conn, const char *mailbox, guint use, char **ret_mailboxid, GCancellable *c,
                     GError **error);
gboolean imap_delete(ImapConn *conn, const char *mailbox, GCancellable *c, GError **error);
gboolean imap_rename(ImapConn *conn, const char *from, const char *to, GCancellable *c, GError **error);
gboolean imap_subscribe(ImapConn *conn, const char *mailbox, gboolean subscribed, GCancellable *c, GError **error);

/* What will be refused, before it is asked for. All that is allowed, unlimited or 0 where the server tells no such
 * thing. */
gboolean imap_myrights(ImapConn *conn, const char *mailbox, guint *ret_rights, GCancellable *c, GError **error);
/* Of each resource the root with the least room. */
gboolean imap_quota(ImapConn *conn, const char *mailbox, ImapQuota *ret, GCancellable *c, GError **error);
/* Octets of one message; 0: no limit is known (RFC 7889). */
gboolean imap_append_limit(ImapConn *conn, const char *mailbox, guint64 *ret, GCancellable *c, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapAppended, imap_appended_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapEffect, imap_effect_clear)
