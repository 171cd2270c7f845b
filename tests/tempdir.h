/* SPDX-License-Identifier: MIT */
#pragma once

/* A new directory below $TMPDIR, for its owner to write and for a server of another user to pass through. */
char *tempdir_new(void);
void tempdir_free(char *dir); /* unmounts what is mounted in it, and removes it with all the rest */
