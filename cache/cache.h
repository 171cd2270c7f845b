/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The local replica of one account as fs/ sees it. Questions (cache_get_*, cache_lookup, cache_list, cache_open_*) are
 * answered from the index and the disk and never wait for the network: where an answer is not there yet they say WAIT,
 * the work is under way, and a CacheEvent for the named object follows. Changes are answered when they are in the
 * journal. Events are data in one unbounded, coalescing queue; nobody in cache/ waits for fs/.
 *
 * Order of locks: Agenda.mutex before ImapPool.mutex; under every other lock of cache/ no further one is taken. None is
 * held across network, disk waits or a call upwards. What is held for longer is a state of its object, and no lock: the
 * turn of a draft (cache/draft/drafts.c), for as long as the disk takes, and under it no other turn; the claim of a
 * mailbox (cache/replay/claims.h), across conversations, and who waits for one has no connection yet.
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
  CACHE_ERROR_BUSY,    /* the server says later; or it cannot be done just now */
  CACHE_ERROR_REFUSED, /* the server says no */
  CACHE_ERROR_PERMISSION,
  CACHE_ERROR_READONLY,
  CACHE_ERROR_QUOTA,
  CACHE_ERROR_TOOBIG,
  CACHE_ERROR_EXISTS,
  CACHE_ERROR_GONE,        /* expunged, or the folder is no more */
  CACHE_ERROR_GARBAGE,     /* the server broke the protocol */
  CACHE_ERROR_SPACE,       /* local disk full */
  CACHE_ERROR_LOCAL,       /* local disk or database failed */
  CACHE_ERROR_LOCKED,      /* the account is mounted already; the message says where */
  CACHE_ERROR_CANCELLED,   /* cache_stop() */
  CACHE_ERROR_INVALID,     /* no message, no name that the server can hold */
  CACHE_ERROR_NOT_EMPTY,   /* a folder that holds something */
  CACHE_ERROR_FOLDER,      /* a folder stands where a message was meant */
  CACHE_ERROR_NO_FOLDER,   /* or the other way round */
  CACHE_ERROR_CROSS,       /* not by a rename: copy it */
  CACHE_ERROR_PROTECTED,   /* INBOX, special-use, the root: not by us */
  CACHE_ERROR_UNSUPPORTED, /* there is no such attribute here */
} CacheError;

typedef enum { CACHE_TLS_IMPLICIT, CACHE_TLS_STARTTLS, CACHE_TLS_OFF } CacheTls;
typedef enum { CACHE_COMPRESS_AUTO, CACHE_COMPRESS_ON, CACHE_COMPRESS_OFF } CacheCompress;
typedef enum { CACHE_DELETE_TRASH, CACHE_DELETE_EXPUNGE, CACHE_DELETE_MARK, CACHE_DELETE_NEVER } CacheDelete;

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
  char **hide;                  /* globs on decoded folder paths; or NULL */
  char *cache_dir, *state_dir;  /* parents of ACCOUNT/; or NULL for the XDG places */
  guint64 cache_size, min_free; /* bytes */
  gboolean read_only;           /* refuse every change */
  CacheDelete remove;           /* what becomes of a message that is removed */
  char *trash;      /* path of the folder for it where none is \Trash, decoded, '/' between parts; or NULL */
  guint brake;      /* more removals than that in a minute are refused until cache_release_brake(); 0: no limit */
  char *mountpoint; /* for the message of CACHE_ERROR_LOCKED */
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

/* JOURNAL and ERRAND are kinds of what can be waited for, and never of an entry. */
typedef enum { CACHE_FOLDER = 1, CACHE_MESSAGE = 2, CACHE_JOURNAL = 6, CACHE_ERRAND = 7 } CacheKind;

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
  CACHE_BODY_OPEN, /* size exact and body here: fd. Size exact, body not here: READY with fd -1, and it is fetched when
                      it is read */
  CACHE_BODY_READ, /* body here: fd; else WAIT */
} CacheBodyUse;

/* The octets of a message. READY: *ret_fd is the caller's, of a file that never changes, or -1 (see OPEN). WAIT: the
 * caller counts as a waiting reader until the event of this message, or cache_unwant(). STALE: the size the
 * kernel may hold is wrong; answer ESTALE, so that it looks the message up again (which ends this state) and opens it
 * once more. ABSENT: gone and not cached. */
CacheAnswer cache_open_body(Cache *cache, gint64 row, CacheBodyUse use, int *ret_fd, GError **error);
/* The message whose octets a file that was opened as this one shows now: itself, or what was written in its place. */
gint64 cache_successor(Cache *cache, gint64 row);
/* One waiting reader gave up. It was told WAIT before `since` (monotonic µs): a wait that began later is another's. */
void cache_unwant(Cache *cache, gint64 row, gint64 since);

typedef enum {
  CACHE_EVENT_FOLDER,  /* listing or refresh of a folder ended; error or NULL */
  CACHE_EVENT_BODY,    /* body of a message is here, or error. fd: the body, or -1 */
  CACHE_EVENT_CHANGED, /* membership or mtime of folder `row` changed */
  CACHE_EVENT_REMOVED, /* `kind`/`row`, called `name` in folder `parent`, is gone */
  CACHE_EVENT_MOVED,   /* `kind`/`row` is no longer called `name` in folder `parent`, but lives on */
  CACHE_EVENT_ATTR,    /* attributes of message `row` changed */
  CACHE_EVENT_DATA,    /* so did its octets (and size): lines that were ended in CR LF, a rewrite that was refused, a
                          server that altered what it was given */
  CACHE_EVENT_DONE,    /* `kind` JOURNAL: nothing of message `row` waits for the server any more; or of any, CACHE_ALL.
                          `kind` ERRAND: the errand with ticket `row` has ended. Without an error: ask again. */
} CacheEventType;

/* Row of the event that says that the whole journal is on the server; no message has it. */
#define CACHE_ALL ((G_GINT64_CONSTANT(1) << 60) - 1)

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

/* The user says that things have changed, and are meant: forget refused logins, back-off and the brake, connect anew,
 * look at everything. */
void cache_retry(Cache *cache);
/* Of a guest: somebody wants to mount the account, and waits for a moment: end. */
gboolean cache_is_wanted(Cache *cache);
/* What goes on, for SIGUSR1: clean lines for a person (line, push, queues, pauses the server asked for, what is
 * cached). A new string. Does not block. */
char *cache_describe(Cache *cache);
gint64 cache_heard(Cache *cache); /* monotonic µs of the last byte from the server; 0: none */

typedef struct {
  guint64 messages, folders, bytes; /* bytes: sum of message sizes known */
} CacheTotals;
gboolean cache_totals(Cache *cache, CacheTotals *ret, GError **error);

/* ---- changing -------------------------------------------------------------------------------------------------
 * What these functions accept is in the journal before they return, on the disk where they say "durable", and is never
 * lost; it goes to the server by itself. What the server is known to refuse is FAILED here: READONLY, PERMISSION,
 * QUOTA, TOOBIG. They wait for the disk and for nothing else. The kernel knows what it asked for: no event repeats it.
 */

/* The octets of a file while it is open for writing. Handles of one message share them. Thread-safe. */
typedef struct _CacheDraft CacheDraft;

/* A new file, empty, which stays local as long as it is empty or its name is that of debris. FAILED EXISTS: the name is
 * taken. *ret_draft is the caller's. */
CacheAnswer cache_create(Cache *cache, gint64 folder, const char *name, CacheEntry *ret, CacheDraft **ret_draft,
                         GError **error);
/* Opens a message for writing, its octets lying there already, or none with `truncate`. WAIT and STALE as in
 * cache_open_body(). */
CacheAnswer cache_edit(Cache *cache, gint64 row, gboolean truncate, CacheDraft **ret_draft, GError **error);
/* The draft of a message that somebody has open for writing, to read from it; NULL: nobody has. The caller's. */
CacheDraft *cache_draft_of(Cache *cache, gint64 row);

gssize cache_draft_read(CacheDraft *draft, void *buffer, gsize len, guint64 offset, GError **error); /* 0: the end */
/* Whole or FAILED: SPACE, TOOBIG, QUOTA. */
gboolean cache_draft_write(CacheDraft *draft, const void *octets, gsize len, guint64 offset, GError **error);
gboolean cache_draft_truncate(CacheDraft *draft, guint64 size, GError **error);
/* The octets of a whole message become those of this draft, which is empty; nothing is moved where the server can copy
 * it. *ret_size: how many. ABSENT: not in this way; read and write them. */
CacheAnswer cache_draft_copy(CacheDraft *draft, gint64 row, guint64 *ret_size, GError **error);
guint64 cache_draft_size(CacheDraft *draft);
/* Durable. Comes more than once, and with half a file. `killed`: the writer is being killed, so this may be half a
 * file: it stays local. INVALID: these octets are no message, and stay local. */
gboolean cache_draft_flush(CacheDraft *draft, gboolean killed, GError **error);
/* This handle is done. After the last one lines end in CR LF, and it is sent 2 s later. Never blocks for long. */
void cache_draft_close(CacheDraft *draft);

/* The server has this message as it is shown. WAIT: it is being sent, without delay; CACHE_EVENT_DONE of JOURNAL `row`
 * follows. FAILED: why the server refused it, or that it cannot be reached. Local ones are READY. */
CacheAnswer cache_await_sent(Cache *cache, gint64 row, GError **error);
/* The same of everything: CACHE_ALL. Its event comes when nothing is left, whatever was refused on the way: then it has
 * the first refusal since somebody waits, and who asks again is READY. It comes early only where the server cannot be
 * reached, or the disk fails. `ret_left`: what is left to send; or NULL. */
typedef struct {
  guint64 changes, bytes;
  char *trouble; /* why nothing moves, a clean line; or NULL */
} CacheLeft;
CacheAnswer cache_await_drained(Cache *cache, CacheLeft *ret_left, GError **error);
void cache_left_clear(CacheLeft *left);
gboolean cache_sync_disk(Cache *cache, GError **error); /* all that was accepted is durable now */

/* Removes a message from where it is shown. ABSENT: there is none. FOLDER: it is one. PROTECTED: the brake. */
CacheAnswer cache_remove(Cache *cache, gint64 folder, const char *name, GError **error);
void cache_release_brake(Cache *cache);

typedef enum { CACHE_RENAME_NOREPLACE = 1 << 0, CACHE_RENAME_EXCHANGE = 1 << 1 } CacheRenameFlags;
/* Both kinds; a message that stands at the target is replaced. A folder that the server knows: an errand, see
 * cache_make_folder(). */
CacheAnswer cache_rename(Cache *cache, gint64 folder, const char *name, gint64 to_folder, const char *to_name,
                         guint flags, gint64 *ticket, GError **error);

/* Errands are done by the server while the caller waits. *ticket is 0 at first; WAIT sets it: CACHE_EVENT_DONE of
 * ERRAND *ticket follows, then ask again with it for the outcome, or cache_forget_errand(). */
CacheAnswer cache_make_folder(Cache *cache, gint64 folder, const char *name, gint64 *ticket, CacheEntry *ret,
                              GError **error);
void cache_forget_errand(Cache *cache, gint64 ticket);
CacheAnswer cache_remove_folder(Cache *cache, gint64 folder, const char *name, GError **error);

/* mtime in ns since 1970; kept in the index, and of a message not sent yet also its INTERNALDATE. */
gboolean cache_set_mtime(Cache *cache, CacheKind kind, gint64 row, gint64 mtime, GError **error);

/* Extended attributes, by their names without "user.imap." (flags, seen, uid, ...; "error" in lost+found). A new
 * string. ABSENT: this object has no such attribute now. FAILED: UNSUPPORTED, or PERMISSION where it cannot be set.
 * WAIT (get): of a message, its octets are being fetched, as in cache_open_body(): then ask again, once (octets that
 * cannot be kept say WAIT again); of a folder, its first listing. */
CacheAnswer cache_get_attribute(Cache *cache, CacheKind kind, gint64 row, const char *name, char **ret, GError **error);
CacheAnswer cache_set_attribute(Cache *cache, CacheKind kind, gint64 row, const char *name, const char *value,
                                gsize len, GError **error);

typedef struct {
  guint64 total, left;                   /* octets the server grants; 0: no quota is known */
  guint64 messages_total, messages_left; /* likewise */
} CacheSpace;
void cache_space(Cache *cache, CacheSpace *ret); /* as last heard; never blocks */

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CacheEvent, cache_event_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CacheLeft, cache_left_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CacheDraft, cache_draft_close)
