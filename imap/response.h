/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

#include "imap/seqset.h"
#include "imap/uidmap.h"

/*
 * Third stage: a value tree becomes one typed event. A table gives name, shape and handler of each
 * response; what is unknown becomes IMAP_EVENT_OTHER and is skipped by everybody.
 */
typedef enum {
  IMAP_EVENT_OTHER,
  IMAP_EVENT_CONTINUE,   /* "+ text" */
  IMAP_EVENT_STATUS,     /* tagged or untagged OK NO BAD BYE PREAUTH */
  IMAP_EVENT_CAPABILITY, /* words */
  IMAP_EVENT_ENABLED,    /* words */
  IMAP_EVENT_LIST,
  IMAP_EVENT_MAILBOX_STATUS, /* "* STATUS name (...)" */
  IMAP_EVENT_NAMESPACE,
  IMAP_EVENT_ID,       /* words: field, value, field, value …; "" for NIL */
  IMAP_EVENT_SEARCH,   /* uids, from SEARCH or ESEARCH */
  IMAP_EVENT_EXISTS,   /* number */
  IMAP_EVENT_EXPUNGE,  /* number */
  IMAP_EVENT_VANISHED, /* uids; number 1: (EARLIER) */
  IMAP_EVENT_FLAGS,    /* words */
  IMAP_EVENT_FETCH,
  IMAP_EVENT_QUOTA,
  IMAP_EVENT_MYRIGHTS, /* number: ImapRights */
} ImapEventType;

typedef enum { IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH } ImapCondition;

/* Response codes, one table for reading, logging and the error they mean (RFC 3501, 5530, 7162 …). */
typedef enum {
  IMAP_CODE_NONE,
  IMAP_CODE_UNKNOWN,
  IMAP_CODE_ALERT,
  IMAP_CODE_CAPABILITY,     /* words */
  IMAP_CODE_PERMANENTFLAGS, /* words */
  IMAP_CODE_READ_ONLY,
  IMAP_CODE_READ_WRITE,
  IMAP_CODE_TRYCREATE,
  IMAP_CODE_UIDNEXT,     /* number */
  IMAP_CODE_UIDVALIDITY, /* number */
  IMAP_CODE_UNSEEN,      /* number */
  IMAP_CODE_UIDNOTSTICKY,
  IMAP_CODE_HIGHESTMODSEQ, /* number */
  IMAP_CODE_NOMODSEQ,
  IMAP_CODE_MAILBOXID, /* text */
  IMAP_CODE_CLOSED,
  IMAP_CODE_COMPRESSIONACTIVE,
  IMAP_CODE_UNAVAILABLE,
  IMAP_CODE_AUTHENTICATIONFAILED,
  IMAP_CODE_AUTHORIZATIONFAILED,
  IMAP_CODE_EXPIRED,
  IMAP_CODE_PRIVACYREQUIRED,
  IMAP_CODE_CONTACTADMIN,
  IMAP_CODE_NOPERM,
  IMAP_CODE_INUSE,
  IMAP_CODE_EXPUNGEISSUED,
  IMAP_CODE_CORRUPTION,
  IMAP_CODE_SERVERBUG,
  IMAP_CODE_CLIENTBUG,
  IMAP_CODE_CANNOT,
  IMAP_CODE_LIMIT,
  IMAP_CODE_OVERQUOTA,
  IMAP_CODE_ALREADYEXISTS,
  IMAP_CODE_NONEXISTENT,
  IMAP_CODE_TOOBIG,
  IMAP_CODE_THROTTLED,
  IMAP_CODE_NOTIFICATIONOVERFLOW,
  IMAP_CODE_APPENDUID, /* number: UIDVALIDITY; uidmap: from 1 on to the UIDs */
  IMAP_CODE_COPYUID,   /* number: UIDVALIDITY of the target; uidmap */
  IMAP_CODE_USEATTR,
  IMAP_CODE_HASCHILDREN,
} ImapCode;

typedef enum {
  IMAP_FLAG_SEEN = 1 << 0,
  IMAP_FLAG_ANSWERED = 1 << 1,
  IMAP_FLAG_FLAGGED = 1 << 2,
  IMAP_FLAG_DELETED = 1 << 3,
  IMAP_FLAG_DRAFT = 1 << 4,
  IMAP_FLAG_RECENT = 1 << 5,
} ImapFlags;

/* Mailbox attributes (RFC 3501, 5258, 6154). */
typedef enum {
  IMAP_ATTR_NOSELECT = 1 << 0, /* also \NonExistent */
  IMAP_ATTR_NOINFERIORS = 1 << 1,
  IMAP_ATTR_SUBSCRIBED = 1 << 2,
  IMAP_ATTR_ALL = 1 << 3,
  IMAP_ATTR_ARCHIVE = 1 << 4,
  IMAP_ATTR_DRAFTS = 1 << 5,
  IMAP_ATTR_FLAGGED = 1 << 6,
  IMAP_ATTR_JUNK = 1 << 7,
  IMAP_ATTR_SENT = 1 << 8,
  IMAP_ATTR_TRASH = 1 << 9,
} ImapAttrs;

/* What we may do with a mailbox (RFC 4314 section 2.1). */
typedef enum {
  IMAP_RIGHT_LOOKUP = 1 << 0,         /* l */
  IMAP_RIGHT_READ = 1 << 1,           /* r */
  IMAP_RIGHT_SEEN = 1 << 2,           /* s: set or clear \Seen */
  IMAP_RIGHT_WRITE = 1 << 3,          /* w: other flags but \Deleted */
  IMAP_RIGHT_INSERT = 1 << 4,         /* i: APPEND, COPY into */
  IMAP_RIGHT_POST = 1 << 5,           /* p */
  IMAP_RIGHT_CREATE = 1 << 6,         /* k: mailboxes below */
  IMAP_RIGHT_DELETE_MAILBOX = 1 << 7, /* x: also to rename it */
  IMAP_RIGHT_DELETE = 1 << 8,         /* t: set or clear \Deleted */
  IMAP_RIGHT_EXPUNGE = 1 << 9,        /* e */
  IMAP_RIGHT_ADMIN = 1 << 10,         /* a */
} ImapRights;
#define IMAP_RIGHTS_ALL ((1u << 11) - 1)

#define IMAP_UNKNOWN_SIZE G_MAXUINT64
#define IMAP_UNKNOWN_DATE G_MININT64

/* Which members of an ImapMessage the response held. */
typedef enum {
  IMAP_HAS_UID = 1 << 0,
  IMAP_HAS_FLAGS = 1 << 1,
  IMAP_HAS_DATE = 1 << 2, /* and it is one */
  IMAP_HAS_SIZE = 1 << 3,
  IMAP_HAS_HEADER = 1 << 4,
  IMAP_HAS_BODY = 1 << 5,     /* BODY[], whole: streamed, or else in `body` */
  IMAP_HAS_NIL_BODY = 1 << 6, /* the server said NIL, or an empty string: no message is that */
  IMAP_HAS_MODSEQ = 1 << 7,
  IMAP_HAS_EMAILID = 1 << 8,
  IMAP_HAS_LOST_BODY = 1 << 9, /* BODY[] came, and the sink did not take it */
} ImapMessageHas;

typedef struct {
  guint has;
  guint32 seq, uid;
  guint flags;         /* ImapFlags */
  char **keywords;     /* or NULL */
  gint64 internaldate; /* seconds since 1970, or IMAP_UNKNOWN_DATE */
  guint64 size;        /* RFC822.SIZE, a claim, or IMAP_UNKNOWN_SIZE */
  guint64 modseq;
  char *emailid;  /* EMAILID, or Gmail's X-GM-MSGID: equal ids mean equal octets; or NULL */
  GBytes *header; /* the octets of BODY[HEADER.FIELDS (...)], or of BODY[HEADER] */
  GBytes *body;   /* only where BODY[] came quoted, or as a literal that was not streamed */
} ImapMessage;

typedef struct {
  char *name;     /* the server's octets, no NUL */
  char delimiter; /* 0: NIL, a flat name */
  guint attrs;    /* ImapAttrs */
  char *oldname;  /* OLDNAME (RFC 5465 section 5.4): it was renamed from this; or NULL */
} ImapListing;

typedef struct {
  char *name;
  gboolean has_messages, has_uidnext, has_uidvalidity, has_modseq;
  guint32 messages, uidnext, uidvalidity;
  guint64 modseq;
  guint64 appendlimit; /* octets of one message; 0: not told, or no limit */
} ImapStatus;

typedef struct {
  gboolean has_storage, has_messages;
  guint64 storage, storage_limit; /* octets */
  guint64 messages, messages_limit;
} ImapQuota;

typedef struct {
  char *prefix; /* octets, with the delimiter where there is one */
  char delimiter;
} ImapNamespace;

typedef struct {
  ImapEventType type;
  char *tag; /* STATUS: NULL when untagged */
  ImapCondition condition;
  ImapCode code;
  char *text;     /* STATUS, CONTINUE: raw; MAILBOXID: the id. Clean before showing. */
  guint64 number; /* of the event or its code */
  char **words;
  ImapSeqset *uids;
  ImapUidmap *uidmap;
  ImapQuota quota;
  ImapMessage message;
  ImapListing listing;
  ImapStatus status;
  ImapNamespace personal; /* the first personal namespace; others are not shown */
} ImapEvent;

/* Reads one framed response. TRUE and an event to clear, or FALSE with IMAP_ERROR_PROTOCOL or
 * _LIMIT: then the stream cannot be trusted any more. `streamed` as in ImapFrame. */
gboolean imap_response_read(const char *data, gsize len, int streamed, ImapEvent *ret, GError **error);
void imap_event_clear(ImapEvent *event);

void imap_message_clear(ImapMessage *message);
void imap_listing_free(ImapListing *listing);

/* The error a NO (or BAD, or BYE) with this code and text means to the caller. */
GError *imap_response_error(ImapCondition condition, ImapCode code, const char *text);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapEvent, imap_event_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImapMessage, imap_message_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapListing, imap_listing_free)
