/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The local replica of one account as fs/ sees it. Questions (cache_get_*, cache_lookup, cache_list,
 * cache_open_*) are answered from the index and the disk and never wait for the network: where an
 * answer is not there yet they say WAIT, the work is under way, and a CacheEvent for the named
 * object follows. Events are data in one unbounded, coalescing queue; nobody in cache/ waits for fs/.
 *
 * Order of locks: Agenda.mutex before ImapPool.mutex; under every other lock of cache/ no further one is taken. None is
 * held across network, disk waits or a call upwards.
 */
#include <glib.h>

#define CACHE_ERROR (cache_error_quark())
GQuark cache_error_quark(void);

typedef enum {
  CACHE_ERROR_OFFLINE, /* no connection: cached data goes on being served */
  CACHE_ERROR_TIMEOUT, /* the line was silent */
  CACHE_ERROR_LOGIN,   /* user name or password refused */
  CACHE_ERROR_TLS,     /* certificate */
  CACHE_ERROR_CONFIG,  /* an option that cannot work here */
  CACHE_ERROR_BUSY,    /* the server says later */
  CACHE_ERROR_REFUSED, /* the server says no */
  CACHE_ERROR_PERMISSION,
  CACHE_ERROR_READONLY,
  CACHE_ERROR_QUOTA,
  CACHE_ERROR_TOOBIG,
  CACHE_ERROR_EXISTS,
  CACHE_ERROR_GONE,      /* expunged, or the folder is no more */
  CACHE_ERROR_GARBAGE,   /* the server broke the protocol */
  CACHE_ERROR_SPACE,     /* local disk full */
  CACHE_ERROR_LOCAL,     /* local disk or database failed */
  CACHE_ERROR_LOCKED,    /* the account is mounted already; the message says where */
  CACHE_ERROR_CANCELLED, /* cache_stop() */
} CacheError;

typedef enum { CACHE_TLS_IMPLICIT, CACHE_TLS_STARTTLS, CACHE_TLS_OFF } CacheTls;
typedef enum { CACHE_COMPRESS_AUTO, CACHE_COMPRESS_ON, CACHE_COMPRESS_OFF } CacheCompress;

typedef struct {
  char *user, *host;
  guint16 port; /* 0: the default of tls */
  CacheTls tls;
  char *tls_ca, *tls_pin, *tunnel, *auth; /* or NULL */
  char **disable;                         /* or NULL */
  CacheCompress compress;
  guint connections, timeout, refresh;            /* timeout, refresh in seconds */
  char *(*secret)(gpointer data, GError **error); /* a new string, wiped by the caller */
  gpointer secret_data;
  char *root; /* path of the folder to show, decoded, '/' between parts; or NULL */
  gboolean names_uid, subscribed;
  char **hide;                                    /* globs on decoded folder paths; or NULL */
  char *cache_dir, *state_dir;                    /* parents of ACCOUNT/; or NULL for the XDG places */
  guint64 cache_size, min_free;                   /* bytes */
  char *mountpoint;                               /* for the message of CACHE_ERROR_LOCKED */
  void (*trace)(const char *line, gpointer data); /* protocol lines, or NULL */
  gpointer trace_data;
} CacheConfig;

typedef struct _Cache Cache;

/* Opens and locks the two places and the index. No network. config and what it points to must outlive the Cache. */
Cache *cache_open(const CacheConfig *config, GError **error);
/* Logs in, learns the folders and starts the threads. Blocks. Without a network it succeeds when the account has been
 * seen before; a refused login or certificate is always an error. */
gboolean cache_start(Cache *cache, GError **error);
/* Ends all waits (their events carry CACHE_ERROR_CANCELLED) and joins the threads. Well under 2 s. */
void cache_stop(Cache *cache);
/* After cache_stop() or before cache_start(). Logs out, and makes the index durable. */
void cache_free(Cache *cache);

typedef enum { CACHE_FOLDER = 1, CACHE_MESSAGE = 2 } CacheKind;

typedef struct {
  CacheKind kind;
  gint64 row, parent; /* parent: row of the folder it stands in; 0 for the account's root */
  char name[256];
  guint64 size;        /* message: the exact size, else the server's claim */
  gboolean shown;      /* message: size may be shown. FALSE: cache_lookup() fetches the body first */
  gint64 mtime, ctime; /* ns since 1970 */
  guint nlink;         /* folder: 2 + subfolders; message: 1, or 0 when it is gone */
} CacheEntry;

typedef enum {
  CACHE_READY,
  CACHE_STALE,  /* cache_open_folder: READY, but a refresh runs; cache_open_body: the size changed, see there */
  CACHE_ABSENT, /* no such entry */
  CACHE_WAIT,   /* a CacheEvent for the named object follows */
  CACHE_FAILED, /* GError */
} CacheAnswer;

gint64 cache_root(Cache *cache); /* row of the folder shown at the mount point */

/* READY, ABSENT (never was, or purged) or FAILED. A gone message is READY with nlink 0. */
CacheAnswer cache_get(Cache *cache, CacheKind kind, gint64 row, CacheEntry *ret, GError **error);

/* One name in a folder. WAIT: ret->kind and ret->row name the object whose event to await (the folder not
 * yet listed, or the message whose size must be learnt); ask again then. */
CacheAnswer cache_lookup(Cache *cache, gint64 folder, const char *name, CacheEntry *ret, GError **error);

/* Up to n entries after (kind, row), subfolders first, then messages by row; (0, 0) is the start. An empty, known
 * folder gives READY and *ret_n 0; a folder never listed gives WAIT. */
CacheAnswer cache_list(Cache *cache, gint64 folder, CacheKind kind, gint64 row, CacheEntry *ret, gsize n, gsize *ret_n,
                       GError **error);

/* For OPENDIR. STALE: a refresh runs; its event comes, and waiting for it is optional. WAIT: the first listing. */
CacheAnswer cache_open_folder(Cache *cache, gint64 folder, GError **error);

typedef enum {
  CACHE_BODY_OPEN, /* size exact and body here: fd. Size exact, body not here: READY with fd -1, its fetch started */
  CACHE_BODY_READ, /* body here: fd; else WAIT */
} CacheBodyUse;

/* The octets of a message. READY: *ret_fd is the caller's, of a file that never changes, or -1 (see OPEN). WAIT: the
 * caller counts as a waiting reader until the event of this message, or cache_unwant(). STALE: the size the
 * kernel may hold is wrong; answer ESTALE, so that it looks the message up again (which ends this state) and opens it
 * once more. ABSENT: gone and not cached. */
CacheAnswer cache_open_body(Cache *cache, gint64 row, CacheBodyUse use, int *ret_fd, GError **error);
/* One waiting reader gave up. It was told WAIT before `since` (monotonic µs): a wait that began later is another's. */
void cache_unwant(Cache *cache, gint64 row, gint64 since);

typedef enum {
  CACHE_EVENT_FOLDER,  /* listing or refresh of a folder ended; error or NULL */
  CACHE_EVENT_BODY,    /* body of a message is here, or error. fd: the body, or -1 */
  CACHE_EVENT_CHANGED, /* membership or mtime of folder `row` changed */
  CACHE_EVENT_REMOVED, /* `kind`/`row`, called `name` in folder `parent`, is gone */
  CACHE_EVENT_MOVED,   /* `kind`/`row` is no longer called `name` in folder `parent`, but lives on */
  CACHE_EVENT_ATTR,    /* attributes of message `row` changed */
} CacheEventType;

typedef struct {
  CacheEventType type;
  CacheKind kind;
  gint64 row, parent;
  char *name;
  int fd; /* the receiver's once taken; -1: none */
  GError *error;
} CacheEvent;

/* Blocks for the next event. FALSE once cache_stop() has run and the queue is empty. One consumer. */
gboolean cache_next_event(Cache *cache, CacheEvent *ret);
void cache_event_clear(CacheEvent *event);

/* The user says that things have changed: forget refused logins and back-off, connect anew, look at everything. */
void cache_retry(Cache *cache);
/* What goes on, for SIGUSR1: clean lines for a person (line, push, queues, pauses the server asked for, what is
 * cached). A new string. Does not block. */
char *cache_describe(Cache *cache);
gint64 cache_heard(Cache *cache); /* monotonic µs of the last byte from the server; 0: none */

typedef struct {
  guint64 messages, folders, bytes; /* bytes: sum of message sizes known */
} CacheTotals;
gboolean cache_totals(Cache *cache, CacheTotals *ret, GError **error);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CacheEvent, cache_event_clear)
