/* SPDX-License-Identifier: MIT */
#pragma once

#include "tests/fault.h"
#include "tests/visit.h"

/*
 * One session of an account that writes over a line that goes wrong: new letters, small and large, one that is written
 * anew and one that is copied; moves, flags, a removal to the trash and one in it. Whatever the line does, in the end
 * the server has each letter exactly once, octet for octet, where it is to be, and no other; and so it is shown.
 * Thread-safe, and no assertions of Check but in scribe_setup().
 */
typedef struct {
  const char *name;
  char **disable; /* what the server does not offer */
  gsize large;    /* octets of the large letter */
  gboolean tls;
  gboolean marks;    /* what is gone is flagged \Deleted, and stays */
  gboolean restarts; /* as soon as the fault has happened, it is ended and begun anew over a good line */
} ScribeManner;

typedef struct {
  const ScribeManner *manner;
  Fault *fault;
  char *failure; /* what was wrong; NULL: nothing */
  guint fired;
  FaultSeen login, all; /* octets up to there, where nothing went wrong */
  gint64 began, took;
  GMutex mutex;  /* guards what follows */
  GString *said; /* by both sides, and of us */
} Scribe;

void scribe_setup(void); /* one Dovecot for all, and mail to copy for each; an unchecked fixture */
void scribe_teardown(void);
guint16 scribe_port(gboolean tls);

Scribe *scribe_new(const ScribeManner *manner, const Fault *fault); /* copies the fault */
void scribe_free(gpointer scribe);
void scribe_run(Scribe *scribe, FaultRelay *relay);
