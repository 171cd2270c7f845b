/* SPDX-License-Identifier: MIT */
#pragma once

#include "fs/log.h"
#include "fs/options.h"
#include "fs/secret.h"

typedef struct {
  Options *options;
  const char *mountpoint; /* absolute, checked */
  Secret *secret;
  Log *log;
} Daemon;

/* Mounts and serves until it is unmounted. Returns the exit status. */
int daemon_foreground(const Daemon *daemon);
/* The same in a child; returns as soon as the mount answers, or with what went wrong on stderr. */
int daemon_background(const Daemon *daemon);
