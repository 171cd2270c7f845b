/* SPDX-License-Identifier: MIT */
#pragma once

#include "tests/scribe.h"

/* What the files of tests/scribe.h share. Nobody else includes this. */

#define TRASHED 7   /* the letter that is in the trash from the start */
#define BYSTANDER 8 /* the one in Work; the others are in the INBOX */

char *scribe_letter(const char *subject, gsize size); /* new strings */
char *scribe_delivered(guint number);

/* An account with a user and directories of its own. */
typedef struct {
  CacheConfig config;
  char *place, *user; /* place: of state and cache */
} Home;

Home *home_new(const char *user, const ScribeManner *manner, guint16 port);
void home_free(Home *home);
void home_sow(const Home *home);   /* mail, state and cache as the seed has them, which knows what is there */
char *home_mail(const Home *home); /* its Maildir. A new string */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Home, home_free)
