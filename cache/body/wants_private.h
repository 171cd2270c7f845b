/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the wants share. Nobody else includes this. */
#include "cache/body/wants.h"

typedef struct {
  Want want;
  guint waiters;
  gint64 made;     /* monotonic µs */
  guint overtaken; /* by how many that came later, while it was first in line */
  guint vain;      /* commands that were for others too and left it out */
  gboolean asked;
  gboolean alone; /* by a command of its own */
  GQueue *line;   /* the one it stands in, or NULL */
  GList link;
} WantsEntry;

struct _Wants {
  GMutex mutex; /* guards all below */
  GCond cond;
  GHashTable *entries; /* row -> WantsEntry */
  GQueue waiting, ahead, parked;
  guint64 outstanding;
  gboolean closed;
};

/* With the mutex held. */
void wants_leave_line(WantsEntry *entry);
gboolean wants_suits(const WantsEntry *entry, WantsKinds kinds);
