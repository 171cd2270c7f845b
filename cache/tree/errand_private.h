/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the errands share. Nobody else includes this. */
#include "cache/tree/errand.h"

typedef enum { ERRAND_MAKE, ERRAND_RENAME } ErrandKind;
typedef enum { ERRAND_WAITING, ERRAND_RUNNING, ERRAND_DONE } ErrandState;

typedef struct {
  gint64 ticket;
  ErrandKind kind;
  gint64 folder; /* RENAME: which */
  gint64 parent; /* where it is to be, and as what */
  char *name;
  gint64 until;           /* monotonic: nobody waits longer */
  GCancellable *patience; /* cancelled when nobody waits, and with the account */
  ErrandState state;      /* this and below: guarded by Errands.mutex */
  gboolean forgotten;
  gint64 row;    /* DONE */
  GError *error; /* DONE: or NULL */
} Errand;

struct _Errands {
  Account *account;
  Sync *sync; /* or NULL: nothing is known of the line, and nobody is told */
  GThread *thread;
  gint64 silent; /* of the thread: monotonic, when an errand ended because the server was silent; 0: never */
  GMutex mutex;  /* guards all below */
  GCond cond;
  GQueue queue;        /* Errand*, of tickets */
  GHashTable *tickets; /* ticket -> Errand, owned */
  gint64 last;         /* ticket given */
  gboolean closed;
};

/* A connection for it, in time, or NULL. */
ImapConn *errand_lease(Errands *errands, Errand *errand, GError **error);

gboolean errand_is_late(const Errand *errand, GError **error); /* TIMEOUT: nobody waits for it any more */

/* errand_folder.c: in the thread of the errands. */
gboolean errand_make(Errands *errands, Errand *errand, gint64 *ret_row, GError **error);
gboolean errand_rename(Errands *errands, Errand *errand, gint64 *ret_row, GError **error);
