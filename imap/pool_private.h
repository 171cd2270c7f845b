/* SPDX-License-Identifier: MIT */
#pragma once

#include "imap/conn.h"
#include "imap/pool_trouble.h"

/* Private to imap/pool*.c: what pool.c keeps and pool_lease.c hands out. */
#define IMAP_POOL_SLOTS 3 /* the most connections we make */

typedef struct {
  ImapConn *conn; /* NULL: to be connected */
  gboolean busy;
  ImapRole lessee;       /* where busy */
  gboolean stale;        /* conn may be dead without knowing it: whoever leases next closes it first */
  GCancellable *attempt; /* to connect, while it is under way; its owner's */
} ImapSlot;

struct _ImapPool {
  ImapConfig config;
  atomic_llong heard;
  GMutex mutex; /* guards all below */
  GCond changed;
  ImapSlot slots[IMAP_POOL_SLOTS];
  guint home[IMAP_ROLES];         /* the slot a role has by `connections` */
  guint slot_of[IMAP_ROLES];      /* and the one it uses */
  gint64 share_until[IMAP_ROLES]; /* monotonic: then home is tried again */
  GQueue *waiters;                /* of leases, see pool_lease.c; oldest first */
  ImapTrouble trouble;
  guint connecting;
  guint connections_made; /* numbers for the trace */
  guint64 rate;
};

/* From a connection that heard it, in whichever thread; no lock is held. */
void imap_pool_throttled(const char *text, gint64 delay, gpointer pool);
void imap_pool_end_pause(ImapPool *pool); /* tells that it is over, if it is; no lock is held */

/* With the lock held. */
guint imap_pool_slot_for(ImapPool *pool, ImapRole role);
