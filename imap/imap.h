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

/* The three jobs of connections. connections=2 merges BULK into PROMPT, 1 merges all. */
typedef enum { IMAP_ROLE_PROMPT, IMAP_ROLE_BULK, IMAP_ROLE_WATCH, IMAP_ROLES } ImapRole;

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
} ImapConfig;

/* ---- pool: thread-safe -------------------------------------------------------------------- */
typedef struct _ImapPool ImapPool;
typedef struct _ImapConn ImapConn;

ImapPool *imap_pool_new(const ImapConfig *config); /* copies config; connects nothing */
void imap_pool_free(ImapPool *pool);               /* LOGOUT within IMAP_TIMEOUT_LOGOUT; no lease may be out */

/* Blocks until the connection of this role is free, logged in if need be. While the line is known
 * to be down it fails at once with the last error, until the back-off (1 s to 5 min, jitter) has
 * passed; after three refused logins it fails with AUTH until imap_pool_retry(). PROMPT goes before
 * WATCH before BULK where roles share a connection. */
ImapConn *imap_pool_lease(ImapPool *pool, ImapRole role, GCancellable *cancellable, GError **error);
void imap_pool_release(ImapPool *pool, ImapConn *conn); /* a failed connection is closed; never NULL */

gboolean imap_pool_contended(ImapPool *pool, ImapConn *conn); /* somebody waits for this very connection */
void imap_pool_retry(ImapPool *pool); /* forget back-off and refused logins: the user or a resume asks */
/* Somebody waits: where the line was down it is tried again now. What the server itself said (a refused login, "too
 * many connections", "later") stands. */
void imap_pool_hurry(ImapPool *pool);
gint64 imap_pool_heard(ImapPool *pool);    /* g_get_monotonic_time() of the last byte on any connection; 0: none yet */
gint64 imap_pool_next_try(ImapPool *pool); /* monotonic µs before which lease fails at once; 0: it would try */
void imap_pool_set_rate(ImapPool *pool,
                        guint64 bytes_per_second); /* measured last time, for compress=auto; 0: unknown */

/* ---- connection: owned by the lessee ------------------------------------------------------- */
gboolean imap_conn_has(ImapConn *conn, const char *capability); /* after disable=; case-insensitive */
gint64 imap_conn_rtt(ImapConn *conn);                           /* µs, measured at login, at least 1 */
guint64 imap_conn_received(ImapConn *conn); /* octets since the connection was made, as on the line */
gboolean imap_conn_failed(ImapConn *conn);  /* the stream is unusable: release it */
void imap_conn_fail(ImapConn *conn);        /* give it up: release closes it */
void imap_conn_wake(ImapConn *conn);        /* any thread that knows it is leased: ends imap_fetch_next() early */

typedef struct {
  guint32 exists, uidnext, uidvalidity; /* uidnext 0: the answer lacked it (Courier); uidvalidity 0: no stable UIDs */
  guint64 modseq;                       /* HIGHESTMODSEQ, 0: none */
  gboolean sticky;                      /* FALSE: UIDNOTSTICKY */
  gboolean read_only;
  char *mailboxid; /* or NULL */
} ImapMailbox;
void imap_mailbox_clear(ImapMailbox *mailbox);

/* EXAMINE, or SELECT where `examine` is FALSE. Leaves the old mailbox by itself. Not repeated when the
 * mailbox is selected already: then the numbers are those of the opening. ret may be NULL. */
gboolean imap_examine(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret, GCancellable *c,
                      GError **error);
/* imap_examine() and imap_uids(), in one round trip where the mailbox is not selected and the server has ESEARCH. */
gboolean imap_examine_uids(ImapConn *conn, const char *mailbox, gboolean examine, ImapMailbox *ret,
                           ImapSeqset **ret_uids, GCancellable *c, GError **error);
const char *imap_selected(ImapConn *conn);                               /* or NULL */
gboolean imap_unselect(ImapConn *conn, GCancellable *c, GError **error); /* UNSELECT, else NOOP; never CLOSE */
/* ENABLE (RFC 5161) of one capability, where the server has both. TRUE with *ret_enabled FALSE where it is not offered,
 * refused or not confirmed: a server that sends no ENABLED (iCloud) has switched nothing on. No mailbox may be
 * selected. */
gboolean imap_enable(ImapConn *conn, const char *capability, gboolean *ret_enabled, GCancellable *c, GError **error);
gboolean imap_noop(ImapConn *conn, GCancellable *c, GError **error);

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
  IMAP_FETCH_BODY,         /* UID BODY.PEEK[] */
} ImapFetchItems;

/* Where the octets of BODY[] go. begin FALSE: the body is not wanted, it is drained (write is not
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

/* Sends one UID FETCH and returns at once; several may be in flight. FALSE: the connection is lost. */
gboolean imap_fetch_send(ImapConn *conn, const ImapSeqset *uids, ImapFetchItems items, GCancellable *c, GError **error);
guint imap_fetch_pending(ImapConn *conn);
ImapFetchResult imap_fetch_next(ImapConn *conn, const ImapSink *sink, gpointer sink_data, ImapMessage *ret,
                                GCancellable *c, GError **error);

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
