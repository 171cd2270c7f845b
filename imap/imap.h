/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The IMAP client library as cache/ sees it: an account's connections, leased one at a time and
 * then owned by one thread alone, and blocking commands on them. Every wait ends by an answer, by
 * `timeout` seconds of silence, or by the GCancellable. Nothing here knows files or databases.
 */
#include <gio/gio.h>

#include "imap/error.h"
#include "imap/limits.h"
#include "imap/response.h"
#include "imap/seqset.h"

typedef enum { IMAP_TLS_IMPLICIT, IMAP_TLS_STARTTLS, IMAP_TLS_OFF } ImapTls;
typedef enum { IMAP_COMPRESS_AUTO, IMAP_COMPRESS_ON, IMAP_COMPRESS_OFF } ImapCompress;

/* The jobs of connections. SYNC (short looks at folders) always shares that of PROMPT; connections=2 merges BULK into
 * it as well, 1 merges all. */
typedef enum { IMAP_ROLE_PROMPT, IMAP_ROLE_SYNC, IMAP_ROLE_BULK, IMAP_ROLE_WATCH, IMAP_ROLES } ImapRole;

/* Returns the password or token as a new string, which the caller wipes, or NULL and IMAP_ERROR_CONFIG. May
 * block (it may run the user's command); called for each login. */
typedef char *(*ImapSecretFunc)(gpointer data, GCancellable *cancellable, GError **error);

/* One line of trace, already without secrets and literals. */
typedef void (*ImapTraceFunc)(const char *line, gpointer data);

typedef struct {
  char *host;
  guint16 port; /* 0: 993 or 143 */
  char *user;
  ImapTls tls;
  char *tls_ca;   /* file of PEM certificates in place of the system's, or NULL */
  char *tls_pin;  /* "sha256//BASE64" of the SubjectPublicKeyInfo, in addition to the chain; or NULL */
  char *tunnel;   /* command line, split as a shell would but run without one, in place of TCP; or NULL */
  char *auth;     /* one SASL mechanism, "LOGIN", or NULL for the best offered */
  char **disable; /* capabilities to ignore; or NULL */
  ImapCompress compress;
  guint timeout; /* seconds of silence */
  guint connections;
  ImapSecretFunc secret;
  gpointer secret_data;
  ImapTraceFunc trace; /* or NULL */
  gpointer trace_data;
  void (*paused)(gint64 until, gpointer data); /* or NULL: the server wants to be left alone until then (s since 1970;
                                                  0: no longer). Any thread, no lock held */
  gpointer paused_data;
} ImapConfig;

/* ---- pool: thread-safe -------------------------------------------------------------------- */
typedef struct _ImapPool ImapPool;
typedef struct _ImapConn ImapConn;

ImapPool *imap_pool_new(const ImapConfig *config); /* copies config; connects nothing */
void imap_pool_free(ImapPool *pool);               /* LOGOUT within IMAP_TIMEOUT_LOGOUT; no lease may be out */

/* Blocks until the connection of this role is free, logged in if need be. While the line is known
 * to be down it fails at once with the last error, until the back-off (1 s to 5 min, jitter) has
 * passed; after three refused logins it fails with AUTH until imap_pool_retry(). While the server wants to be left
 * alone it fails with UNAVAILABLE, also where a connection stands. PROMPT and SYNC go before WATCH before BULK
 * where roles share a connection. */
ImapConn *imap_pool_lease(ImapPool *pool, ImapRole role, GCancellable *cancellable, GError **error);
void imap_pool_release(ImapPool *pool, ImapConn *conn); /* a failed connection is closed; never NULL */

gboolean imap_pool_contended(ImapPool *pool, ImapConn *conn); /* somebody waits for this very connection */
gboolean imap_pool_contended_by(ImapPool *pool, ImapConn *conn, ImapRole role); /* somebody in this role does */
/* WATCH has a connection that no other role is to use. Else it must not stay on one: it would shut out the others. Who
 * comes to wait for a connection that WATCH has wakes it (imap_conn_wake()). */
gboolean imap_pool_watches_alone(ImapPool *pool);
/* The user says so: forget back-off, refused logins and the pause. A server that has to repeat itself means it
 * longer. */
void imap_pool_retry(ImapPool *pool);
/* The machine slept: every connection is dead, and leased ones fail with NETWORK at once instead of in `timeout`. Also
 * forgets back-off, but neither refused logins nor what the server asked for. Any thread; closes nothing itself. */
void imap_pool_drop(ImapPool *pool);
/* As ImapConfig.paused once said: from the last run. */
void imap_pool_set_pause(ImapPool *pool, gint64 until);
gboolean imap_pool_is_paused(ImapPool *pool); /* that time has not come: who has a connection gives it back, too */
/* "3 of 3 connections, next try in 12 s: connection refused" and such: one clean line for a person. A new string. */
char *imap_pool_describe(ImapPool *pool);
/* Somebody waits: where the line was down it is tried again now. What the server itself said (a refused login, "too
 * many connections", "later") stands. */
void imap_pool_hurry(ImapPool *pool);
/* The network is another than before: connections that lie idle may be dead, and who leases one next connects anew. */
void imap_pool_mistrust(ImapPool *pool);
gint64 imap_pool_heard(ImapPool *pool);    /* g_get_monotonic_time() of the last byte on any connection; 0: none yet */
gint64 imap_pool_next_try(ImapPool *pool); /* monotonic µs before which lease fails at once; 0: it would try */
/* Measured last time, for compress=auto; 0: unknown. */
void imap_pool_set_rate(ImapPool *pool, guint64 bytes_per_second);

/* ---- connection: owned by the lessee ------------------------------------------------------- */
gboolean imap_conn_has(ImapConn *conn, const char *capability); /* after disable= and quirks; case-insensitive */

/* How a mailbox we know is brought up to date (RFC 7162). CONDSTORE and QRESYNC are switched on at login. QRESYNC is
 * only what the server confirmed by ENABLED. */
typedef enum { IMAP_DELTA_PLAIN, IMAP_DELTA_CONDSTORE, IMAP_DELTA_QRESYNC } ImapDelta;
ImapDelta imap_conn_delta(ImapConn *conn);  /* the best this connection has */
gint64 imap_conn_rtt(ImapConn *conn);       /* µs, measured at login, at least 1 */
guint64 imap_conn_received(ImapConn *conn); /* octets since the connection was made, as on the line */
gboolean imap_conn_failed(ImapConn *conn);  /* the stream is unusable: release it */
void imap_conn_fail(ImapConn *conn);        /* give it up: release closes it */
void imap_conn_wake(ImapConn *conn);        /* any thread that knows it is leased: ends imap_fetch_next() early */

typedef struct {
  guint32 exists, uidnext, uidvalidity; /* uidnext 0: the answer lacked it (Courier); uidvalidity 0: no stable UIDs */
  guint64 modseq;                       /* HIGHESTMODSEQ, 0: none */
  gboolean sticky;                      /* FALSE: UIDNOTSTICKY */
  gboolean read_only;
  gboolean read_write;  /* the server said so: without that nothing here may be changed */
  gboolean limited;     /* PERMANENTFLAGS: only the following can be set. Else all can. */
  guint permanent;      /* ImapFlags */
  gboolean any_keyword; /* also keywords that nobody has used yet */
  char **keywords;      /* those that can be set; or NULL */
  char *mailboxid;      /* or NULL */
} ImapMailbox;
void imap_mailbox_clear(ImapMailbox *mailbox);

/* EXAMINE, or SELECT where `examine` is FALSE. Leaves the old mailbox by itself. Not repeated when the
 * mailbox is selected already: then the numbers are those of the opening. ret may be NULL. */
gboolean imap_examine(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret, GCancellable *c,
                      GError **error);
/* imap_examine() and imap_uids(), in one round trip where the mailbox is not selected and the server has ESEARCH. */
gboolean imap_examine_uids(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret,
                           ImapSeqset **ret_uids, GCancellable *c, GError **error);

/* A mailbox as we know it, for what changed since. */
typedef struct {
  guint32 uidvalidity, uidnext; /* known UIDs are below uidnext */
  guint64 modseq;
} ImapKnown;

typedef struct {
  ImapMailbox mailbox;  /* as of this opening */
  ImapSeqset *uids;     /* what is in it: by ESEARCH, in the same round trip; NULL where the server has none */
  ImapSeqset *vanished; /* VANISHED (EARLIER), a claim like any other */
  gboolean resumed;     /* the server took the QRESYNC parameter: flags that moved have been told to `changed` */
} ImapChanges;
void imap_changes_clear(ImapChanges *changes);

/* One message with UID and flags; takes nothing. Do not wait for anything that needs this connection. */
typedef void (*ImapChangedFunc)(const ImapMessage *message, gpointer data);

/* Opens the mailbox afresh, also where it is selected already, and where `delta` is QRESYNC, asks what changed since
 * `known` in the same round trip (RFC 7162 section 3.2.5). With `uids` also asks for the UID set where ESEARCH is. */
gboolean imap_examine_since(ImapConn *conn, const char *mailbox, gboolean examine, ImapDelta delta,
                            const ImapKnown *known, gboolean uids, ImapChangedFunc changed, gpointer data,
                            ImapChanges *ret, GCancellable *c, GError **error);
const char *imap_selected(ImapConn *conn);                               /* or NULL */
gboolean imap_unselect(ImapConn *conn, GCancellable *c, GError **error); /* UNSELECT, else NOOP; never CLOSE */
gboolean imap_noop(ImapConn *conn, GCancellable *c, GError **error);

/* Does LIST show this very name, and as one that can be selected? For servers that refuse without saying why. */
gboolean imap_exists(ImapConn *conn, const char *mailbox, gboolean *ret_exists, GCancellable *c, GError **error);
/* All mailboxes with their attributes, INBOX included even where LIST forgets it. Elements are
 * ImapListing. With `ret_status` and LIST-STATUS, also what it said of each (ImapStatus, by name);
 * without LIST-STATUS *ret_status is NULL. `subscribed`: only those (and INBOX). */
gboolean imap_list(ImapConn *conn, gboolean subscribed, GPtrArray **ret, GHashTable **ret_status, GCancellable *c,
                   GError **error);
gboolean imap_status(ImapConn *conn, const char *mailbox, ImapStatus *ret, GCancellable *c, GError **error);
void imap_status_clear(ImapStatus *status);
gboolean imap_namespace(ImapConn *conn, ImapNamespace *ret, GCancellable *c, GError **error);
void imap_namespace_clear(ImapNamespace *ns);

/* The UIDs of the selected mailbox: ESEARCH, else UID SEARCH ALL, which is cut where the mailbox is large. */
gboolean imap_uids(ImapConn *conn, ImapSeqset **ret, GCancellable *c, GError **error);

/* ---- pipelined UID FETCH ------------------------------------------------------------------- */
typedef enum {
  IMAP_FETCH_FLAGS,        /* UID FLAGS */
  IMAP_FETCH_LISTING,      /* UID FLAGS INTERNALDATE RFC822.SIZE, and the four header fields */
  IMAP_FETCH_LISTING_BARE, /* the same without header fields (names=uid) */
  IMAP_FETCH_HEADER,       /* UID BODY.PEEK[HEADER], into `header`; not there where it exceeds IMAP_LIMIT_LITERAL */
  IMAP_FETCH_BODY,         /* UID BODY.PEEK[] */
} ImapFetchItems;

/* Where the octets of BODY[] go. begin FALSE, or NULL: the body is not wanted, it is drained (write is not
 * called). end(FALSE): the literal or its response broke off; end(TRUE): both are complete. write
 * FALSE: local failure; the rest is drained, end(FALSE) follows. Called by imap_fetch_next(). */
typedef struct {
  gboolean (*begin)(gpointer data, guint64 size);
  gboolean (*write)(gpointer data, const void *octets, gsize len);
  void (*end)(gpointer data, gboolean whole);
} ImapSink;

typedef enum {
  IMAP_FETCH_MESSAGE, /* one FETCH response; clear it. HAS_BODY: the sink's last end(TRUE) was its body */
  IMAP_FETCH_DONE,    /* the oldest command is complete; with a GError if it was NO (what came before it stands) */
  IMAP_FETCH_WOKEN,   /* imap_conn_wake() */
  IMAP_FETCH_FAILED,  /* GError; the connection is lost and with it all commands in flight */
} ImapFetchResult;

/* Sends one UID FETCH and returns at once; several may be in flight. FALSE: the connection is lost. LISTING and
 * LISTING_BARE ask for EMAILID (RFC 8474), or Gmail's X-GM-MSGID, where the server has one. */
gboolean imap_fetch_send(ImapConn *conn, const ImapSeqset *uids, ImapFetchItems items, GCancellable *c, GError **error);
/* The same with FLAGS and (CHANGEDSINCE modseq): only messages that changed are answered (RFC 7162 section 3.1.4.1). */
gboolean imap_fetch_send_since(ImapConn *conn, const ImapSeqset *uids, guint64 modseq, GCancellable *c, GError **error);
guint imap_fetch_pending(ImapConn *conn);
ImapFetchResult imap_fetch_next(ImapConn *conn, const ImapSink *sink, gpointer sink_data, ImapMessage *ret,
                                GCancellable *c, GError **error);

/* ---- push ------------------------------------------------------------------------------------ */
/* Push is a bell: news say where to look and never what is true. A connection that watches does nothing else. */
typedef enum {
  IMAP_NEWS_NONE,     /* `until` has passed, imap_conn_wake(), or imap_watch_tells() is no longer true */
  IMAP_NEWS_STATUS,   /* NOTIFY: `status` of one mailbox */
  IMAP_NEWS_MAILBOX,  /* IDLE: something moved in the mailbox that is watched */
  IMAP_NEWS_NAMES,    /* NOTIFY: `listing`: a mailbox came, went (NOSELECT for \NonExistent) or was renamed (oldname) */
  IMAP_NEWS_OVERFLOW, /* NOTIFY: the server gave up counting, and tells no more: end it and look at everything */
  IMAP_NEWS_DEAF,     /* only asking brought what push should have told: look at everything on a new connection */
  IMAP_NEWS_FAILED,   /* GError; the connection is lost */
} ImapNewsType;

typedef struct {
  ImapStatus status;
  ImapListing listing;
  gboolean flags; /* MAILBOX: those of a message moved */
} ImapNews;
void imap_news_clear(ImapNews *news);

/* NOTIFY SET STATUS (RFC 5465): news of all personal mailboxes. The server first tells the STATUS of each: `each` is
 * called for it and takes nothing. *ret_accepted FALSE: it has no NOTIFY, or will not; use IDLE. Unselects first. */
gboolean imap_watch_notify(ImapConn *conn, void (*each)(const ImapStatus *status, gpointer data), gpointer data,
                           gboolean *ret_accepted, GCancellable *c, GError **error);
/* Opens the mailbox afresh and enters IDLE (RFC 2177); without IDLE it polls by NOOP. `ret` is the opening: what moved
 * before it is found by comparing. */
gboolean imap_watch_idle(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret, GCancellable *c,
                         GError **error);
/* The server tells by itself. FALSE: it is only asked now and then. */
gboolean imap_watch_tells(ImapConn *conn);
/* Blocks for news until then (monotonic µs). Does by itself what keeps push honest: a NOOP now and then under NOTIFY,
 * IDLE issued again every few minutes, a deadline for the answer to each. `probe`: do so now. */
ImapNewsType imap_watch_next(ImapConn *conn, gboolean probe, gint64 until, ImapNews *ret, GCancellable *c,
                             GError **error);
/* Leaves IDLE or NOTIFY: the connection can be used for anything again. */
gboolean imap_watch_end(ImapConn *conn, GCancellable *c, GError **error);

/* ---- mailbox names (RFC 3501 section 5.1.3) -------------------------------------------------- */
/* Modified UTF-7 to UTF-8, or NULL where it is not valid (raw UTF-8 included: keep it as it is). Injective:
 * only the canonical spelling decodes. A new string. */
char *imap_utf7_decode(const char *name);
char *imap_utf7_encode(const char *utf8); /* a new string; NULL if not valid UTF-8 */

/* Wipes and frees a secret; NULL is fine. */
void imap_secret_free(char *secret);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapPool, imap_pool_free)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapMailbox, imap_mailbox_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapStatus, imap_status_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapNamespace, imap_namespace_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapChanges, imap_changes_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapNews, imap_news_clear)

/* ---- changing ------------------------------------------------------------------------------- */
#include "imap/changing.h"
