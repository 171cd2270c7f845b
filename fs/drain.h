/* SPDX-License-Identifier: MIT */
#pragma once

#include "fs/daemon.h"

/* Whether a cache that is about to be stopped has something left to send, and a server to send it to. */
gboolean drain_is_due(Cache *cache);
/* After the cache was freed: a process of its own sends the rest, for at most drain= seconds. Returns at once. */
void drain_start(const Daemon *daemon);
/* That process. Returns the exit status: 0 when all is sent, or when another mount takes over. */
int drain_run(const Daemon *daemon);
