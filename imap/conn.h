/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdatomic.h>

#include "imap/encoder.h"
#include "imap/framer.h"
#include "imap/imap.h"
#include "imap/quirks.h"
#include "imap/stream.h"
#include "imap/watch.h"

/*
 * One logged-in connection, seen from inside imap/: what commands.c, fetch.c, login.c and auth.c are built on (conn.c:
 * commands, conn_io.c: events, conn_wait.c: octets). Owned by one thread; only imap_conn_wake() and imap_conn_drop()
 * may come from elsewhere.
 */
#define IMAP_CONN_READ (128 * 1024) /* one read: fits a second-level cache together with its copy in the framer */

typedef struct {
  const ImapConfig *config; /* outlives the connection */
  guint number;             /* for the trace */
  gboolean may_compress;    /* not for a connection that only watches */
  guint64 rate;             /* octets per second measured last time; 0: unknown */
  guint patience;           /* seconds for all of connecting and logging in, the user's part not counted */
  atomic_llong *heard;      /* set to the monotonic time of each arrival */
  /* The server wants to be left alone, with this (clean) text, for so many µs; 0: it does not say how long. */
  void (*throttled)(const char *text, gint64 delay, gpointer data);
  gpointer throttled_data;
  gboolean *turned_away; /* or NULL: set where the server was reached and hung up without a word */
} ImapConnSetup;

/* Of the body that is being received, see fetch.c. */
typedef enum { IMAP_BODY_NONE, IMAP_BODY_WANTED, IMAP_BODY_DRAINED, IMAP_BODY_BROKEN } ImapBodyState;

struct _ImapConn {
  ImapConnSetup setup;
  ImapStream *stream;
  ImapFramer *framer;
  GByteArray *out; /* commands not yet on the line: they leave whenever the connection waits */
  guint64 sent;    /* octets of all commands that `stream` has taken */
  gsize out_room;  /* what `out` holds without growing */
  guint8 *buffer;  /* what one read takes */
  GHashTable *capabilities;
  ImapQuirks quirks;     /* what of them is not to be believed */
  ImapDelta enabled;     /* the most that ENABLED has confirmed */
  gboolean bare_opening; /* it wants no parameters with EXAMINE */
  char prefix[12];       /* of all tags, random */
  guint tag;             /* of the last command */
  guint responses;       /* untagged since the last command */
  guint bads;
  guint silence;       /* seconds allowed without a byte */
  gint64 deadline;     /* monotonic µs by which the server must be done, however it drips; 0: none */
  gint64 rtt;          /* µs; 0: not yet measured */
  gboolean failed;     /* out of step with the server, for good */
  gboolean reached;    /* over TCP */
  gboolean greeted;    /* the greeting has come */
  gboolean ended;      /* BYE is expected */
  gboolean quiet;      /* secrets pass: continuations are *** in the trace */
  char *selected;      /* mailbox, or NULL */
  char *left;          /* the mailbox that we left and the server may still be in, without UNSELECT; or NULL */
  gboolean occupied;   /* one is open on the server's side, perhaps no longer on ours */
  gboolean examined;   /* it was opened with EXAMINE */
  ImapMailbox opening; /* as it was then */
  GQueue *fetches;     /* guint *, the tags of those in flight, oldest first */
  ImapBodyState body;
  ImapWatch watch;
  int wake_fd;
  atomic_bool woken;   /* imap_conn_wake() */
  atomic_bool dropped; /* imap_conn_drop() */
};

/* Connects and logs in. NULL: nothing is left behind. */
ImapConn *imap_conn_open(const ImapConnSetup *setup, GCancellable *c, GError **error);

/* With `logout`, says goodbye first and waits up to IMAP_TIMEOUT_LOGOUT. */
void imap_conn_close(ImapConn *conn, gboolean logout);

/* Any thread that knows it is leased or idle: it is dead, and whoever waits for it fails with NETWORK at once. */
void imap_conn_drop(ImapConn *conn);

/* Reads what came while nobody listened. FALSE: the connection is dead. Never blocks. */
gboolean imap_conn_alive(ImapConn *conn);

/* ---- commands --------------------------------------------------------------------------------- */
ImapLiterals imap_conn_literals(ImapConn *conn);

/* A new command, its tag already written. */
ImapEncoder *imap_conn_command(ImapConn *conn);

/* Each untagged response to the running command; takes nothing. FALSE with a GError ends the connection. */
typedef gboolean (*ImapEventFunc)(ImapEvent *event, gpointer data, GError **error);

/* Queues a command; where it holds synchronising literals, waits for the server to want them. Takes
 * `encoder`. TRUE with *ret_early set: the server refused before it had all; the answer has been read. */
gboolean imap_conn_send(ImapConn *conn, ImapEncoder *encoder, ImapEvent *ret_early, gboolean *ret_is_early,
                        GCancellable *c, GError **error);

/* Waits for the answer to the command with this tag: TRUE if OK. ret_final (or NULL) is the tagged
 * response, to clear, also when it was NO or BAD. */
gboolean imap_conn_await(ImapConn *conn, guint tag, ImapEventFunc func, gpointer data, ImapEvent *ret_final,
                         GCancellable *c, GError **error);

/* Both. No fetch may be pending. Takes `encoder`. */
gboolean imap_conn_run(ImapConn *conn, ImapEncoder *encoder, ImapEventFunc func, gpointer data, ImapEvent *ret_final,
                       GCancellable *c, GError **error);

/* imap_conn_run() for a command without arguments. */
gboolean imap_conn_simple(ImapConn *conn, const char *text, ImapEventFunc func, gpointer data, GCancellable *c,
                          GError **error);

/* ---- below commands --------------------------------------------------------------------------- */
void imap_conn_write(ImapConn *conn, const void *data, gsize len); /* queues; no trace */
gboolean imap_conn_push(ImapConn *conn); /* sends what can be sent without waiting; TRUE: something is left */
/* Sends what is queued, however long that takes while octets move, and listens: TRUE with an event, or with *ret_heard
 * FALSE when all is with the stream. */
gboolean imap_conn_pump(ImapConn *conn, ImapEvent *ret, gboolean *ret_heard, GCancellable *c, GError **error);
void imap_conn_trace(ImapConn *conn, char direction, const char *line);

/* The next event. Does what is the same everywhere: BYE, capabilities, alerts, limits. */
gboolean imap_conn_event(ImapConn *conn, ImapEvent *ret, GCancellable *c, GError **error);

typedef enum { IMAP_HEARD_EVENT, IMAP_HEARD_NOTHING, IMAP_HEARD_WAKE, IMAP_HEARD_FAILURE } ImapHeard;

/* The next event where silence is no failure: NOTHING at `until` (monotonic µs; what has come by then goes first), WAKE
 * at imap_conn_wake(). */
ImapHeard imap_conn_listen(ImapConn *conn, gint64 until, ImapEvent *ret, GCancellable *c, GError **error);

/* The next frame, never MORE. *ret_woken (or NULL) TRUE: imap_conn_wake() came first. */
gboolean imap_conn_frame(ImapConn *conn, ImapFrame *ret, gboolean *ret_woken, GCancellable *c, GError **error);
gboolean imap_conn_digest(ImapConn *conn, const ImapFrame *frame, ImapEvent *ret, GError **error);

/* The number of a tag of ours, 0 for a stranger's. */
guint imap_conn_tag_number(const ImapConn *conn, const char *tag);

/* The error of a NO or BAD answer, counting BADs; NULL for OK. */
GError *imap_conn_refusal(ImapConn *conn, const ImapEvent *final);

/* Is this a "no" for now only? Too many connections is said in many ways. */
gboolean imap_conn_means_later(const GError *refusal);

/* Marks the connection as lost and sets the error. Always FALSE. */
gboolean imap_conn_lose(ImapConn *conn, GError **error, ImapError code, const char *format, ...) G_GNUC_PRINTF(4, 5);

void imap_conn_forget_capabilities(ImapConn *conn);
