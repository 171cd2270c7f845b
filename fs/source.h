/* SPDX-License-Identifier: MIT */
#pragma once

#include "cache/cache.h"

/* SOURCE of the command line, taken apart. */
typedef struct {
  char *user;   /* or NULL */
  char *host;   /* without brackets */
  guint16 port; /* 0: not given */
  int tls;      /* CacheTls, or -1: not said */
  char *folder; /* decoded, without the leading '/'; or NULL */
  char *table;  /* as the mount table shows it; NULL: a URL without user (see source_table) */
} Source;

/* imaps://user@host[:port][/folder], imap://..., or user@host:[/folder]. */
gboolean source_parse(const char *text, Source *ret, GError **error);
char *source_table(const char *user, const char *host, const char *folder); /* user@host:[/folder], a new string */
void source_clear(Source *source);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Source, source_clear)
