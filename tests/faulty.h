/* SPDX-License-Identifier: MIT */
#pragma once

#include "tests/dovecot.h"
#include "tests/fault.h"

/*
 * One session of an account over a line that goes wrong: mount, list, read, all of which may fail; then, with the fault
 * off and told to try again, the account must be as it is on the server. Before a second session mail has come and
 * gone. Thread-safe, and no assertions of Check but in faulty_setup(), faulty_teardown() and faulty_measure().
 */
typedef enum { FAULTY_FIRST, FAULTY_SECOND } FaultySession;

typedef struct {
  FaultySession session;
  gboolean tls;
  Fault *fault;
  char *failure;       /* what was wrong; NULL: nothing */
  guint errors, fired; /* what programs met until the fault was off; faults that happened */
  guint tries;         /* looks from then on */
  gint64 began, took;
  GMutex mutex;  /* guards what follows */
  GString *said; /* by both sides, and of us */
} Faulty;

void faulty_setup(void); /* one Dovecot for all, and what is true of it; an unchecked fixture */
void faulty_teardown(void);
guint16 faulty_port(gboolean tls); /* what a line leads to */

Faulty *faulty_new(FaultySession session, gboolean tls, const Fault *fault); /* copies it */
void faulty_free(gpointer faulty);
void faulty_run(Faulty *faulty, FaultRelay *relay);

/* An undisturbed session, in octets by direction. */
typedef struct {
  FaultSeen login, all;
} FaultyLength;

FaultyLength faulty_measure(FaultySession session, gboolean tls);
