/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * A line to a server on 127.0.0.1 that goes wrong at a chosen octet: a relay in threads of its own, armed for one fault
 * at a time and again for the next. What it does is counted from the last arming.
 */
typedef enum {
  FAULT_NONE,
  FAULT_CLOSE,   /* both sides see the end */
  FAULT_RESET,   /* the same by RST */
  FAULT_STALL,   /* not an octet more in either direction, and the sockets stay */
  FAULT_DRIBBLE, /* from here on each octet by itself */
  FAULT_FLIP,    /* one bit of this octet is turned over */
  FAULT_NUL,     /* a NUL before this octet */
  FAULT_LINE,    /* a line of the server's before the first response that begins here or later */
  FAULT_TWICE,   /* the first response of the server's that begins here or later, as far as it came at once, is repeated
                  */
} FaultKind;

typedef enum { FAULT_UP, FAULT_DOWN } FaultDirection; /* to the server; to the client */

#define FAULT_ANY 0   /* octets are counted over all connections */
#define FAULT_EACH -1 /* on each connection anew: there is no way round it until it is armed otherwise */

typedef struct {
  FaultKind kind;
  FaultDirection direction;
  guint64 at;     /* octets of this direction that pass unharmed */
  int connection; /* n: the n-th that is opened from now on; or FAULT_ANY, FAULT_EACH */
  char *line;     /* of FAULT_LINE, without CR LF */
} Fault;

typedef struct {
  guint64 octets[2]; /* read, by direction */
  guint connections;
  guint fired;
} FaultSeen;

typedef struct _FaultRelay FaultRelay;

FaultRelay *fault_relay_new(guint16 target);
guint16 fault_relay_port(const FaultRelay *relay);
void fault_relay_free(FaultRelay *relay); /* ends all connections */

/* Copies it. Connections that are open stay, also silent ones, and count as number 0. */
void fault_relay_arm(FaultRelay *relay, const Fault *fault);
void fault_relay_disarm(FaultRelay *relay);
FaultSeen fault_relay_seen(FaultRelay *relay);

/* "down close 1234 any", "up stall 0 each", "down line 80 2 * BYE fault". A new Fault with its line; NULL: not one. */
Fault *fault_parse(const char *text);
char *fault_print(const Fault *fault); /* the same the other way */
void fault_free(Fault *fault);

/* Where responses begin in what a server says, literals taken into account. */
typedef struct {
  guint64 literal; /* octets still to come of one */
  guint64 number;
  enum { FAULT_TEXT, FAULT_DIGITS, FAULT_BRACE, FAULT_CR } state;
  gboolean inside; /* of a response */
} FaultFrames;
void fault_frames_feed(FaultFrames *frames, guint8 octet);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(FaultRelay, fault_relay_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Fault, fault_free)
