/* SPDX-License-Identifier: MIT */
#pragma once

#include "fs/log.h"
#include "fs/options.h"
#include "fs/secret.h"

typedef struct {
  Options *options;
  const char *mountpoint; /* absolute, checked; NULL: none, only what is left is sent (fs/drain.h) */
  Secret *secret;
  Log *log;
  char **argv; /* of main(), and where it was called: to start itself once more */
  const char *directory;
} Daemon;

/* Mounts and serves until it is unmounted. Returns the exit status. */
int daemon_foreground(const Daemon *daemon);
/* The same in a child; returns as soon as the mount answers, or with what went wrong on stderr. */
int daemon_background(const Daemon *daemon);
/* Index and login: what can take long and go wrong. */
Cache *daemon_start_cache(const Daemon *daemon, GError **error);
