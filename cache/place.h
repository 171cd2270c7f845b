/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

#include "cache/index/index.h"

/*
 * The two directories of an account, made 0700 and locked. Refused where a component of ours is a symbolic link, or
 * foreign, or writable by others.
 */
typedef struct {
  int state_fd; /* directory of index.db and spool/ */
  int cache_fd;
  char *state_path, *cache_path;
  gboolean distrust; /* cache and index may not belong to the same moment (reboot, restored index, foreign cache):
                        verify bodies */
  gboolean wiped;    /* place_match(): the two carried different ids: the cache was emptied */
  gboolean older;    /* place_match(): the index is older than what was shown: its row numbers were moved ahead */
  int lock_fd[2];
} Place;

/* `account` is a file name (see place_account). Without a mount point we are a guest, who leaves when it is wanted.
 * NULL bases are the XDG places; without HOME the password database says where home is. On failure *ret needs no
 * place_close(). */
gboolean place_open(Place *ret, const char *state_base, const char *cache_base, const char *account,
                    const char *mountpoint, GError **error);
/* After index_open() and before body_store_open(): whether index and cache belong together. Sets distrust, wiped and
 * older, does what they ask of the index (drops the rows of bodies, moves the rows ahead) and stamps both anew. */
gboolean place_match(Place *place, Index *index, GError **error);
gboolean place_is_wanted(const Place *place); /* somebody else waits for the locks just now */
void place_close(Place *place);               /* unlocks */
/* "user@host", with ":port" if that is not 0; other characters as %XX. A new string. */
char *place_account(const char *user, const char *host, guint port);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_close)
