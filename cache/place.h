/* SPDX-License-Identifier: MIT */
#pragma once

#include <glib.h>

/*
 * The two directories of an account, made 0700 and locked. Refused where a component is a symbolic link we did not
 * make, or foreign, or writable by others.
 */
typedef struct {
  int state_fd; /* directory of index.db and spool/ */
  char *state_path, *cache_path;
  gboolean distrust; /* cache and index do not belong to the same moment (unclean reboot, restored index, foreign
                        cache): verify bodies */
  gboolean wiped;    /* the two carried different ids: the cache was emptied */
  gboolean older;    /* the index is older than the cache: rows must skip ahead */
  int lock_fd[2];
} Place;

/* `account` is a file name (see place_account). NULL bases are the XDG places; without HOME the password database says
 * where home is. */
gboolean place_open(Place *ret, const char *state_base, const char *cache_base, const char *account,
                    const char *mountpoint, GError **error);
void place_close(Place *place); /* says that the stop was clean */
char *place_account(const char *user, const char *host,
                    guint port); /* "user@host", with a port that is not 0; other characters as %XX. A new string. */
