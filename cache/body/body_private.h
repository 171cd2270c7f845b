/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the body store share. */
#include <openssl/evp.h>

#include "cache/body/body.h"
#include "cache/body/body_dir.h"
#include "cache/body/body_table.h"

struct _BodyStore {
  Index *index;
  BodyDir dir;
  guint64 min_free, epoch;
  EVP_MD *sha256;
  GMutex mutex; /* guards what follows */
  BodyTable *table;
  guint64 unchecked; /* octets since the last look at the disk */
  gboolean crowded;  /* below min_free although nothing more can be evicted */
};

int body_open_entry(BodyStore *store, const BodyEntry *entry); /* its file, if it is what the index means; or -1 */

/* ---- body_change.c: a change of the table, as the index and the disk must follow it ----------------- */
typedef struct {
  BodyStore *store;
  gint64 row; /* of a body that came; 0: none */
  IndexKey key;
  gboolean stale; /* by now another message stands there */
  BodyDigest digest;
  gint64 ctime;
  GArray *put;  /* IndexBody */
  GArray *drop; /* gint64 rows */
} BodyChange;

BodyChange *body_change_new(BodyStore *store);
void body_change_note(const BodyEntry *entry, gpointer change); /* the entry is to be written down as it is */
/* Takes out what is over the limit, and in any case `shrink_by` octets where there are so many. Returns how many went.
 * Call with the mutex held. */
guint64 body_change_evict(BodyChange *change, guint64 shrink_by);
/* Takes the change: unlinks what it drops and posts the rest to the index. Call without the mutex. */
void body_change_post(BodyChange *change);
