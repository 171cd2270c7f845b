/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a disk has for certain, as tests keep it: a directory with a file for each file and directory that was synced,
 * called by inode and time of birth (numbers of inodes are used again):
 *
 *   of a file         its octets when it was last synced
 *   of a directory    "d|f KEY NAME" for each entry it had when it was last synced
 */
#include <limits.h>

typedef char PowerKey[64];

#define POWER_FORMAT "%c %63s %255[^\n]\n"

/* 0, or -1 and errno. ret_type: 'd', 'f', or '?' for what is not kept. */
int power_key(int at, const char *name, PowerKey ret, char *ret_type);
/* Keeps what is behind fd as it is now. */
int power_keep(const char *shadow, int fd);
